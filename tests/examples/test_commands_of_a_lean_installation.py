"""What a resource owner types runs where only ``ostiary[sp]`` is installed; tests/e2e/test_installed_as_the_pages_say.py installs it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.examples.places import ROOT, copied, environment

LEAN = """
import importlib.abc, sys

class NotInstalled(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
from ostiary.command.cli import ostiary
for command in {commands}:
    ostiary.main(command.split(), standalone_mode=False)
import sp_shire.testing
sp_shire.testing.StandIn("sp.yaml")
print("done")
"""
# Import names of what the extras other than `sp` bring.
NOT_THERE = {
    "alembic",
    "argon2",
    "cbor2",
    "flask",
    "granian",
    "h11",
    "jose",
    "ldap3",
    "pyotp",
    "redis",
    "sqlalchemy",
    "segno",
    "webauthn",
}


def lean(directory: Path, *commands: str) -> "subprocess.CompletedProcess[str]":
    code = LEAN.format(missing=sorted(NOT_THERE), commands=list(commands))
    return subprocess.run(
        [sys.executable, "-c", code], cwd=directory, env=environment(), capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def visitors(tmp_path: Path) -> Path:
    copied("wsgi", tmp_path / "visitors", 0)
    federation = tmp_path / "visitors" / ".demo" / "federation"
    (federation / "keys").mkdir(parents=True)
    (federation / "metadata.xml").touch()
    (federation / "keys" / "current.crt").touch()
    return tmp_path / "visitors"


def test_keys_policies_metadata_and_tests_need_no_more_than_the_resource_side(visitors: Path) -> None:
    done = lean(
        visitors,
        "keys create keys --name visitors.example.org",
        "policy check accept accept.yaml",
        "policy check access access.yaml",
        "metadata sp --config sp.yaml",
        "explain access --config sp.yaml --path / --attribute eduPersonScopedAffiliation=member@northgate.example",
    )
    assert done.returncode == 0, done.stderr
    assert 'entityID="https://visitors.example.org/shar"' in done.stdout
    assert done.stdout.endswith("done\n")


def test_what_needs_more_says_what_to_install(visitors: Path) -> None:
    done = lean(visitors, "demo --prepare-only")
    assert done.returncode == 1
    assert "install it with: pip install 'ostiary[all]'" in done.stderr


def test_the_extra_of_the_resource_side_asks_for_nothing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["sp"] == []
    needed = " ".join(project["dependencies"]).lower()
    assert [name for name in NOT_THERE if name in needed] == []
