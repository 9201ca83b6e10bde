"""docs/metadata.md, "Looking into metadata": its commands are run, its numbers hold."""

import io
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from ostiary.command.cli import ostiary
from ostiary.federation.keys import create_key_ring
from ostiary.federation.validation.rules import RULES
from tests.docs.followed_page import blocks_of, run, text_of, write_federation
from tests.saml.world import NOW

PAGE = "metadata.md"
COMMANDS = [
    line for block in blocks_of(PAGE) if block.language == "sh" for line in block.lines() if "ostiary metadata" in line
]
LOOKING = ("verify", "search", "show", "status", "diff", "validate")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_federation(tmp_path)
    (tmp_path / "new.xml").write_bytes((tmp_path / "federation.xml").read_bytes())
    create_key_ring(tmp_path / "keys", "sp", now=NOW)
    source = {"file": "federation.xml", "trusted_certificates": ["federation.crt"]}
    (tmp_path / "sp.yaml").write_text(yaml.safe_dump({"trust": {"keys": "keys", "metadata": [source]}}))
    return tmp_path


def test_each_command_that_looks_into_metadata_stands_there_and_runs(directory: Path) -> None:
    done = set()
    for command in COMMANDS:
        word = command.split("ostiary metadata ")[-1].split()[0]
        if word in LOOKING and "|" not in command and "--role sp" not in command:
            run(command.replace("university", "other"), directory)
            done.add(word)
    assert done == set(LOOKING)


def test_a_search_that_finds_nobody_ends_with_one(directory: Path) -> None:
    [command] = [one for one in COMMANDS if "--role sp" in one]
    with pytest.raises(AssertionError, match="0 entities found"):
        run(command, directory)


def test_a_fetch_of_the_page_is_one_that_the_command_knows() -> None:
    fetches = [one for one in COMMANDS if " fetch " in one]
    for command in fetches:
        options = [word for word in command.split() if word.startswith("--")]
        told = CliRunner().invoke(ostiary, ["metadata", "fetch", "--help"]).output
        assert [one for one in options if one not in told] == []
    assert len(fetches) == 3


def test_there_are_as_many_rules_as_it_says() -> None:
    assert "More than a hundred rules" in text_of(PAGE)
    assert 100 < len(RULES) < 150


def test_what_a_command_prints_can_be_validated(directory: Path) -> None:
    printed = (directory / "federation.xml").read_bytes()
    checked = CliRunner().invoke(ostiary, ["metadata", "validate", "-"], input=io.BytesIO(printed))
    assert checked.output.splitlines()[-1].startswith("-: 1 entity, 0 errors")
