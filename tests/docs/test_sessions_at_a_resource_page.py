"""The page about sessions at a resource: each block is valid where it says it goes, and what the page says is so."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ostiary.config import load_settings
from sp_shire.adapters.exports import exported_names
from sp_shire.settings import ShireSettings
from tests.docs.followed_page import Block, blocks_of, inline_code, text_of
from tests.simulator import Simulation

PAGE = "sessions-at-a-resource.md"
BLOCKS = blocks_of(PAGE)


def settings_with(federation: Simulation, block: Block, directory: Path) -> ShireSettings:
    """The settings of a resource of the demo, with those of the page."""
    content: dict[str, Any] = yaml.safe_load((federation.layout.directory("library") / "sp.yaml").read_text())
    path = federation.layout.directory("library") / f"{directory.name}.yaml"
    path.write_text(yaml.safe_dump({**content, **yaml.safe_load(block.text)}))
    try:
        return load_settings(path, ShireSettings)
    finally:
        path.unlink()


def test_every_block_names_its_file() -> None:
    assert [block.files() for block in BLOCKS] == [["sp.yaml"]] * 3


@pytest.mark.parametrize("block", BLOCKS, ids=lambda one: one.heading)
def test_settings_of_the_page_are_valid_and_say_what_it_says(
    federation: Simulation, tmp_path: Path, block: Block
) -> None:
    settings = settings_with(federation, block, tmp_path)
    for key, value in yaml.safe_load(block.text).items():
        if isinstance(value, dict):
            # As written in the file again, they are the same settings.
            again = type(getattr(settings, key)).model_validate(value)
            assert {name: getattr(getattr(settings, key), name) for name in value} == {
                name: getattr(again, name) for name in value
            }
        else:
            assert getattr(settings, key) == value


def test_the_times_of_the_first_block_are_those_that_hold_without_it(federation: Simulation, tmp_path: Path) -> None:
    plain = load_settings(federation.layout.directory("library") / "sp.yaml", ShireSettings)
    assert settings_with(federation, BLOCKS[0], tmp_path).sessions == plain.sessions


def test_the_names_of_the_page_are_those_that_an_application_finds(library: ShireSettings) -> None:
    named = {code for code in inline_code(PAGE) if code.startswith("OSTIARY_")}
    assert named == {"OSTIARY_SESSION_ENDS", "OSTIARY_SESSION_IDLE_UNTIL"}
    assert named <= set(exported_names(library))


@pytest.fixture
def library(federation: Simulation) -> ShireSettings:
    return load_settings(federation.layout.directory("library") / "sp.yaml", ShireSettings)


def test_the_addresses_of_the_page_are_there(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    known = browser.get(simulation.handler("library", "session?format=json"))
    assert (known.status, '"idle_until"' in known.text, '"ends"' in known.text) == (200, True, True)
    page = browser.get(simulation.handler("library", "expiring?target=/library/"))
    assert "Stay signed in" in page.text
    assert "/ostiary/expiring?target=/where/to/go/on" in text_of(PAGE)
    assert browser.post(simulation.handler("library", "expiring"), [("target", "/library/")]).url.endswith("/library/")
