"""Which subject identifier leaves, by the requester's entity attribute and the release policies together."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from attribute_authority.requesters import requester_of
from ostiary.attributes import make_attribute
from ostiary.federation.model import Entity, SpRole
from ostiary.identifiers.requirement import (
    REQUIREMENT,
    Requirement,
    identifiers_asked,
    identifiers_withheld,
    read_requirement,
)
from ostiary.policy.release import ReleaseDecision, ReleasePolicies, release
from ostiary.policy.release.document import load_release_policies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHAR = "https://library.example/shar"
SUBJECT = make_attribute("subject-id", ["abc@uni.example"])
PAIRWISE = make_attribute("pairwise-id", ["def@uni.example"])
MAIL = make_attribute("mail", ["ada@uni.example"])


def requirement(*values: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ((REQUIREMENT, values),)


@pytest.mark.parametrize("value", ["subject-id", "pairwise-id", "none", "any"])
def test_each_value_of_the_profile_is_read(value: Requirement) -> None:
    assert read_requirement(requirement(value)) == value
    assert read_requirement(requirement(f" {value}\n")) == value


@pytest.mark.parametrize("values", [(), ("other",), ("subject-id", "none"), ("Subject-ID",), ("",)])
def test_what_the_profile_does_not_know_says_nothing(values: tuple[str, ...]) -> None:
    assert read_requirement(requirement(*values)) is None


def test_the_same_value_twice_is_one() -> None:
    assert read_requirement((*requirement("any"), *requirement("any"))) == "any"


def test_another_entity_attribute_says_nothing() -> None:
    assert read_requirement((("http://macedir.org/entity-category", ("any",)),)) is None


def test_each_requirement_asks_for_its_identifiers() -> None:
    assert identifiers_asked("subject-id") == ("subject-id",)
    assert identifiers_asked("pairwise-id") == ("pairwise-id",)
    assert identifiers_asked("any") == ("pairwise-id", "subject-id")
    assert identifiers_asked("none") == ()
    assert identifiers_asked(None) == ()


BOTH = ["subject-id", "pairwise-id"]
CASES: list[tuple[Requirement | None, list[str], list[str]]] = [
    (None, BOTH, []),
    ("subject-id", BOTH, ["pairwise-id"]),
    ("subject-id", ["pairwise-id"], ["pairwise-id"]),
    ("pairwise-id", BOTH, ["subject-id"]),
    ("pairwise-id", ["subject-id"], ["subject-id"]),
    ("any", BOTH, ["subject-id"]),
    ("any", ["subject-id"], []),
    ("any", ["pairwise-id"], []),
    ("none", BOTH, BOTH),
    ("none", [], []),
]


@pytest.mark.parametrize(("asked", "permitted", "withheld"), CASES)
def test_what_is_not_needed_stays(asked: Requirement | None, permitted: list[str], withheld: list[str]) -> None:
    assert identifiers_withheld(asked, [*permitted, "mail"]) == frozenset(withheld)


def sp(*values: str) -> Entity:
    return Entity(SHAR, sp=SpRole(), entity_attributes=requirement(*values) if values else ())


def decided(path: Path, policies: str, *values: str) -> ReleaseDecision:
    file = path / "release.yaml"
    file.write_text(policies)
    compiled: ReleasePolicies = load_release_policies([file])
    attributes = (SUBJECT, PAIRWISE, MAIL)
    return release(compiled, requester_of(sp(*values)), attributes, target=None, at=NOW, wanted=None)


def names(decision: ReleaseDecision) -> list[str]:
    return [attribute.name for attribute in decision.attributes]


EVERYTHING = f"policies: [{{id: p, for: {{requesters: {SHAR}}}, rules: [{{id: r, permit: '*'}}]}}]"
REQUESTED = f"policies: [{{id: p, for: {{requesters: {SHAR}}}, only: requested, rules: [{{id: r, permit: [subject-id, pairwise-id]}}]}}]"
RELEASED: list[tuple[str, str, list[str]]] = [
    ("", EVERYTHING, ["subject-id", "pairwise-id", "mail"]),
    ("subject-id", EVERYTHING, ["subject-id", "mail"]),
    ("pairwise-id", EVERYTHING, ["pairwise-id", "mail"]),
    ("any", EVERYTHING, ["pairwise-id", "mail"]),
    ("none", EVERYTHING, ["mail"]),
    ("", REQUESTED, []),
    ("subject-id", REQUESTED, ["subject-id"]),
    ("pairwise-id", REQUESTED, ["pairwise-id"]),
    ("any", REQUESTED, ["pairwise-id"]),
    ("none", REQUESTED, []),
]


@pytest.mark.parametrize(("value", "policies", "released"), RELEASED)
def test_policy_and_requirement_decide_together(tmp_path: Path, value: str, policies: str, released: list[str]) -> None:
    assert names(decided(tmp_path, policies, *([value] if value else []))) == released


def test_a_requirement_releases_nothing_that_no_policy_permits(tmp_path: Path) -> None:
    only_mail = f"policies: [{{id: p, for: {{requesters: {SHAR}}}, rules: [{{id: r, permit: mail}}]}}]"
    assert names(decided(tmp_path, only_mail, "subject-id")) == ["mail"]


def test_any_gets_the_other_one_where_a_policy_denies_the_first(tmp_path: Path) -> None:
    denied = f"policies: [{{id: p, for: {{requesters: {SHAR}}}, rules: [{{id: r, permit: '*'}}, {{id: d, deny: pairwise-id}}]}}]"
    assert names(decided(tmp_path, denied, "any")) == ["subject-id", "mail"]


def test_the_verdict_names_the_reason_and_the_rule_that_would_have_permitted_it(tmp_path: Path) -> None:
    verdicts = {verdict.attribute: verdict for verdict in decided(tmp_path, EVERYTHING, "any").verdicts}
    withheld = verdicts["subject-id"]
    assert (withheld.released, withheld.reason, withheld.policy, withheld.rule) == (
        False,
        "identifier_not_needed",
        "p",
        "r",
    )
    assert verdicts["pairwise-id"].reason == "permit"
    assert verdicts["mail"].reason == "permit"


def test_what_is_required_counts_as_required_in_metadata() -> None:
    assert [(asked.name, asked.required) for asked in requester_of(sp("pairwise-id")).requested] == [
        ("pairwise-id", True)
    ]
    assert requester_of(sp("none")).requested == ()
