"""docs/acceptance-and-access.md: its policies are read, its tables hold, its commands print what it says."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ostiary.attributes import Attribute, make_attribute
from ostiary.policy.acceptance import AcceptancePolicy, Issuer, Scope, accept
from ostiary.policy.acceptance_changes import combined
from ostiary.policy.acceptance_document import AcceptanceRuleFields, IssuerFields, load_acceptance_policy
from ostiary.policy.access_document import ConditionFields, load_access_policy
from ostiary.policy.time_fields import TimesFields
from tests.docs.followed_page import Block, blocks_of, inline_code, run, text_of
from tests.simulator import MovableClock, configure

PAGE = "acceptance-and-access.md"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NORTHGATE = Issuer("https://northgate.example/idp", scopes=(Scope("northgate.example"),))


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.clock.SystemClock", MovableClock)


def block(name: str) -> Block:
    [found] = [block for block in blocks_of(PAGE) if block.files() == [name]]
    return found


def written(directory: Path, name: str) -> Path:
    path = directory / name
    path.write_text(block(name).text)
    return path


def policy(tmp_path: Path, name: str) -> AcceptancePolicy:
    return load_acceptance_policy([written(tmp_path, name)])


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first row begins so."""
    lines = text_of(PAGE).partition(f"\n| {heading}")[2].splitlines()[2:]
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return table


def named(cell: str) -> list[tuple[str, str]]:
    return re.findall(r"`([\w-]+)` ([^\s,]+)", cell)


def test_what_is_told_becomes_what_the_table_says(tmp_path: Path) -> None:
    mapped = policy(tmp_path, "mapped.yaml")
    found = rows("told by Northgate")
    assert len(found) == 5
    for told, *rest in found:
        [(name, value)] = named(told)
        decision = accept(mapped, NORTHGATE, (make_attribute(name, [value]),), at=NOW)
        known = combined(mapped.combinations, decision.attributes, NOW)
        expected = named(rest[0].rstrip("|")) if rest else []
        assert [(attribute.name, text) for attribute in known for text in attribute.texts()] == expected


@pytest.mark.parametrize(
    ("attribute", "believed"),
    [
        (make_attribute("isMemberOf", ["/bio/analysis/Role=editor"]), True),
        (make_attribute("isMemberOf", ["/chem"]), False),
        (make_attribute("eduPersonScopedAffiliation", ["alum@northgate.example"]), False),
        (make_attribute("eduPersonScopedAffiliation", ["staff@northgate.example"]), True),
        (make_attribute("displayName", ["Ada"]), True),
        (make_attribute("sn", ["Lovelace"]), False),
    ],
)
def test_the_first_policy_believes_what_it_names(tmp_path: Path, attribute: Attribute, believed: bool) -> None:
    decision = accept(policy(tmp_path, "accept.yaml"), NORTHGATE, (attribute,), at=NOW)
    assert decision.verdicts[0].accepted is believed


def test_groups_are_believed_of_the_home_that_is_named_only(tmp_path: Path) -> None:
    groups = make_attribute("isMemberOf", ["/bio"])
    other = Issuer("https://southbank.example/idp")
    assert accept(policy(tmp_path, "accept.yaml"), other, (groups,), at=NOW).attributes == ()


def test_what_is_required_is_as_written(tmp_path: Path) -> None:
    assert [one.any_of for one in policy(tmp_path, "required.yaml").required] == [
        ("displayName",),
        ("subject-id", "pairwise-id"),
    ]


def test_its_tables_name_every_key_of_a_rule_and_of_a_condition() -> None:
    words = set(re.findall(r"[a-z_]+", " ".join(inline_code(PAGE)) + " ".join(one.text for one in blocks_of(PAGE))))
    keys = set()
    for model in (AcceptanceRuleFields, IssuerFields, ConditionFields, TimesFields):
        keys |= {field.alias or name for name, field in model.model_fields.items()}
    assert keys - words == set()


def test_its_commands_find_nothing_to_doubt_and_print_what_it_shows(state: Path) -> None:
    directory = state / "library"
    for name in ("accept.yaml", "access.yaml"):
        written(directory, name)
    configure(directory / "sp.yaml", **yaml.safe_load(block("sp.yaml").text))
    commands = [line for one in blocks_of(PAGE) if one.language == "sh" for line in one.lines()]
    assert len(commands) == 4
    checked = [run(command + " --strict --config sp.yaml", directory) for command in commands[:2]]
    assert checked == ["good: accept.yaml\n", "good: access.yaml\n"]
    explained = run(commands[2], directory)
    assert "roles: the scope is not registered for this issuer" in explained
    [shown] = [one.text for one in blocks_of(PAGE) if not one.language]
    assert squeezed(run(commands[3], directory)) == squeezed(shown)


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_its_access_rules_are_read(tmp_path: Path) -> None:
    assert [rule.id for rule in load_access_policy([written(tmp_path, "access.yaml")]).rules] == [
        "everybody",
        "read reports",
        "write reports",
    ]
