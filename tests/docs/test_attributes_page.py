"""The page about attributes, example by example: what connectors find, and what the definitions of the page make of it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from attribute_authority.resolver.settings import ResolverSettings
from attribute_authority.resolver.value_types import VALUE_TYPES
from ostiary.config import DatabaseSettings
from ostiary.ports import VoMemberships
from tests.docs.followed_page import blocks_of, text_of

PAGE = "attributes.md"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROW = re.compile(r"^\| `([^`]+)` \| (?:`([^`]*)`)? *\|$", re.MULTILINE)
Values = dict[str, list[str]]


def values(cell: str) -> Values:
    found: Values = yaml.safe_load("{" + cell + "}")
    return found


def examples() -> dict[str, list[tuple[Values, Values]]]:
    """The rows of the table under each heading."""
    sections = re.split(r"^## ", text_of(PAGE), flags=re.MULTILINE)[1:]
    return {
        section.partition("\n")[0]: [(values(found), values(made)) for found, made in ROW.findall(section)]
        for section in sections
        if "| found | made |" in section
    }


BLOCKS = {block.heading: block for block in blocks_of(PAGE)}


def no_vo(_database: DatabaseSettings, name: str) -> VoMemberships:
    raise AssertionError(f"nobody asked for the VO {name}")


def test_every_block_has_examples_and_says_where_it_goes() -> None:
    assert len(blocks_of(PAGE)) == len(BLOCKS) == 9
    assert {heading: bool(rows) for heading, rows in examples().items()} == dict.fromkeys(BLOCKS, True)
    assert {block.text.partition("\n")[0] for block in BLOCKS.values()} == {"# aa.yaml, under resolver: definitions"}


@pytest.mark.parametrize(
    ("heading", "found", "made"),
    [(heading, found, made) for heading, rows in examples().items() for found, made in rows],
)
def test_an_example_makes_what_the_page_says(heading: str, found: Values, made: Values) -> None:
    every = {name: [] for known, _ in examples()[heading] for name in known}
    content = {
        "connectors": [{"type": "static", "name": "found", "everybody": {**every, **found}}],
        "definitions": yaml.safe_load(BLOCKS[heading].text),
    }
    settings = ResolverSettings.model_validate(content, context={"directory": Path()})
    resolver = settings.resolver("https://idp.uni.example", no_vo)
    attributes = resolver.resolve("p1", NOW, "https://library.example/sp").attributes
    assert {attribute.name: list(attribute.texts()) for attribute in attributes} == made


def test_the_table_of_forms_is_that_of_the_code() -> None:
    _, _, table = text_of(PAGE).partition("| attribute | form |")
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|$", table, re.MULTILINE)
    told = {name: form for names, form in rows for name in re.findall(r"`([^`]+)`", names)}
    assert told == {name: kind.form for name, kind in VALUE_TYPES.items()}
