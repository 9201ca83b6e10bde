"""The package `ostiary.config` imports its modules when they are wanted, and gives the same as when they all were."""

import subprocess
import sys
from pathlib import Path

import pytest

import ostiary.config


def test_every_name_that_it_offers_is_there() -> None:
    assert [name for name in ostiary.config.__all__ if not hasattr(ostiary.config, name)] == []
    # A function, though a module is called nearly so.
    assert callable(ostiary.config.networks)


def test_a_name_that_it_does_not_offer_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ostiary.config.nothing  # noqa: B018


def test_the_proxy_commands_import_nothing_of_the_services() -> None:
    program = "import sys, ostiary.command.proxy_program; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "voms.proxy.commands" in loaded
    assert {"pydantic", "rich", "sqlalchemy", "flask", "yaml", "jinja2", "xmlsec"}.isdisjoint(loaded)
