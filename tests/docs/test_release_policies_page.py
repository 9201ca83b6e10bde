"""docs/release-policies.md: each example is loaded as a service loads it, and what its tables say is what the engine decides."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from attribute_authority.shibboleth.import_filter import import_filter
from attribute_authority.shibboleth.rule_types import Translation
from ostiary.attributes import Attributes, Value, make_attribute
from ostiary.config import parse_document
from ostiary.policy.release import (
    Circumstances,
    PersonalWish,
    RequestedAttribute,
    Requester,
    as_she_wishes,
    release,
)
from ostiary.policy.release.audience_fields import AudienceFields
from ostiary.policy.release.condition_fields import ConditionFields
from ostiary.policy.release.document import ReleasePolicyFields, ReleaseRuleFields, compile_release_policies
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence, compile_precedence
from tests.docs.followed_page import Block, blocks_of, run, text_of

PAGE = "release-policies.md"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TICKED = re.compile(r"`([^`]+)`")
Row = Mapping[str, str]


@dataclass(frozen=True)
class Example:
    """One case: the policies, what people may decide, and a row of a table."""

    policies: str
    precedence: str | None
    row: Row


def tables(section: str) -> Iterator[tuple[int, list[Row]]]:
    """Where each table of the section begins, and its rows by heading."""
    for found in re.finditer(r"(?:^\|.*\|\n)+", section, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip().strip("|").split(" |")] for line in found[0].splitlines()]
        rows = [[cell.strip() for cell in line] for line in lines]
        yield found.start(), [dict(zip(rows[0], [*row, *[""] * len(rows[0])], strict=False)) for row in rows[2:]]


def section(heading: str) -> str:
    start = text_of(PAGE).index(f"## {heading}\n") if heading else 0
    rest = text_of(PAGE)[start + 3 :]
    return rest[: rest.index("\n## ")] if "\n## " in rest else rest


HEADINGS = [name for name in re.findall(r"^## (.+)$", text_of(PAGE), re.MULTILINE) if name[0].isdigit()]


def policies_under(heading: str, *, precedence: bool = False) -> Block | None:
    found = [block for block in blocks_of(PAGE) if block.heading == heading and block.language == "yaml"]
    return next((block for block in found if (block.files() == ["precedence.yaml"]) is precedence), None)


def examples() -> Iterator[Example]:
    for heading in HEADINGS:
        policies, bounds = policies_under(heading), policies_under(heading, precedence=True)
        if policies is None:
            raise AssertionError(f"no policies under {heading}")
        text = section(heading)
        for start, rows in tables(text):
            stated = bounds is not None and text.index("# precedence.yaml") < start
            for row in rows:
                yield Example(policies.text, bounds.text if bounds is not None and stated else None, row)


EXAMPLES = list(examples())
CAST = [rows for _, rows in tables(section(""))]


def person(name: str) -> Attributes:
    column = next(heading for heading in CAST[0][0] if heading.startswith(name))
    return tuple(make_attribute(TICKED.findall(row["known about"])[0], re.split(r", ", row[column])) for row in CAST[0])


def requester(name: str) -> Requester:
    if name == "nobody":
        return Requester("", known=False, anonymous=True)
    row = next(row for row in CAST[1] if row["resource"] == name)
    entity_id = TICKED.findall(row["its entityID"])[0]
    authority = TICKED.findall(row["registered by"])
    categories = tuple(TICKED.findall(row["entity category"]))
    return Requester(
        entity_id,
        entity_categories=categories,
        entity_attributes=(("http://macedir.org/entity-category", categories),) if categories else (),
        registration_authority=authority[0] if authority else None,
        requested=tuple(
            RequestedAttribute(name, f"`{name}` (required)" in row["asks for"])
            for name in TICKED.findall(row["asks for"])
        ),
        known=bool(authority),
        origins=frozenset({("https", urlsplit(entity_id).hostname or "", 443)}),
    )


def told(cell: str, known: Attributes) -> dict[str, tuple[str, ...]]:
    """What a cell says: attributes with all values, or with those that it lists."""
    all_values = {attribute.name: attribute.texts() for attribute in known}
    found: dict[str, tuple[str, ...]] = {}
    for item in TICKED.findall(cell):
        name, colon, values = item.partition(": ")
        found[name] = tuple(values.split(", ")) if colon else all_values[name]
    if not found and cell != "nothing":
        raise AssertionError(f"neither attributes nor nothing: {cell}")
    return found


def decided(example: Example) -> dict[str, tuple[str, ...]]:
    row = example.row
    asks, known = requester(row["who asks"]), person(row["about"])
    policies = compile_release_policies([parse_document(example.policies.encode(), Path("release.yaml"))])
    page, login = TICKED.findall(row.get("for the page", "")), TICKED.findall(row.get("login", ""))
    at = datetime.fromisoformat(row["when"]).replace(tzinfo=UTC) if row.get("when") else NOON
    circumstances = Circumstances(row.get("from") or None, login[0] if login else None, known)
    decision = release(
        policies, asks, known, target=page[0] if page else None, at=at, wanted=None, circumstances=circumstances
    )
    withheld, added = (TICKED.findall(row.get(column, "")) for column in ("she withholds", "she adds"))

    def wish(name: str, _: Value) -> PersonalWish | None:
        return "withheld" if name in withheld else "chosen" if name in added else None

    bounds: Precedence = DEFAULT_PRECEDENCE
    if example.precedence is not None:
        bounds = compile_precedence(parse_document(example.precedence.encode(), Path("precedence.yaml")))
    after = as_she_wishes(decision, wish, known, requester=asks, precedence=bounds)
    return {attribute.name: attribute.texts() for attribute in after.attributes}


def test_there_are_ten_examples_each_with_a_table() -> None:
    assert [heading.partition(".")[0] for heading in HEADINGS] == [str(number) for number in range(1, 11)]
    assert {example.policies for example in EXAMPLES} == {
        block.text for heading in HEADINGS if (block := policies_under(heading)) is not None
    }
    assert len(EXAMPLES) == 39


@pytest.mark.parametrize(
    "example",
    EXAMPLES,
    ids=[f"{number}-{example.row['who asks']}-{example.row['about']}" for number, example in enumerate(EXAMPLES)],
)
def test_what_an_example_says_is_what_is_decided(example: Example) -> None:
    assert decided(example) == told(example.row["is told"], person(example.row["about"]))


def test_every_key_of_a_policy_is_in_the_table_of_keys() -> None:
    told = {word for cell in TICKED.findall(section("All keys")) for word in re.findall(r"\w+", cell)}

    models = (ReleasePolicyFields, ReleaseRuleFields, AudienceFields, ConditionFields)
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert keys - told == set()


def test_the_attribute_filter_becomes_the_policies_beside_it() -> None:
    document = next(block.text for block in blocks_of(PAGE) if block.language == "xml")
    written = policies_under("10. What a Shibboleth IdP released")

    found = import_filter(document.encode(), Path("attribute-filter.xml"), Translation())

    assert written is not None
    assert yaml.safe_load(found.document) == yaml.safe_load(written.text)
    assert [(part.line, part.type) for part in found.missing] == [(17, "Script")]


def test_the_commands_read_and_write_what_the_page_says(tmp_path: Path) -> None:
    commands = [line for block in blocks_of(PAGE) if block.language == "sh" for line in block.lines()]
    (tmp_path / "attribute-filter.xml").write_text(
        next(block.text for block in blocks_of(PAGE) if block.language == "xml")
    )
    for heading in HEADINGS:
        block = policies_under(heading)
        if block is None:
            raise AssertionError(heading)
        (tmp_path / "release.yaml").write_text(block.text)
        run(commands[0], tmp_path)
    run(commands[2], tmp_path)

    assert [command.split()[1:3] for command in commands] == [
        ["policy", "check"],
        ["explain", "release"],
        ["policy", "import-shibboleth"],
    ]
    assert yaml.safe_load((tmp_path / "imported.yaml").read_text())["policies"][0]["id"] == "federation"
