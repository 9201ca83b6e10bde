"""What a resource believes of subject identifiers that arrive: only values of the profile's form, without regard to case."""

from datetime import UTC, datetime

import pytest

from ostiary.attributes import make_attribute
from ostiary.policy.acceptance import AcceptanceRule, Issuer, Scope, accept, index_rules

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = "https://idp.uni.example"
ISSUER = Issuer(HOME, scopes=(Scope("uni.example"),))
# Nothing but the profile's own form stands in the way.
EVERYTHING = index_rules([AcceptanceRule(f"all {name}", name) for name in ("pairwise-id", "subject-id", "mail")])
REGISTERED = index_rules([AcceptanceRule("scoped", "pairwise-id", registered_scope=True)])


@pytest.mark.parametrize("name", ["pairwise-id", "subject-id"])
@pytest.mark.parametrize("value", ["under_score@uni.example", "a.b@uni.example", "=a@uni.example", "a" * 128 + "@x"])
def test_a_value_of_another_form_is_thrown_out_whatever_the_rules_say(name: str, value: str) -> None:
    decision = accept(EVERYTHING, ISSUER, (make_attribute(name, [value, "abc@uni.example"]),), at=NOW)
    assert [(verdict.accepted, verdict.reason) for verdict in decision.verdicts] == [
        (False, "value"),
        (True, "accepted"),
    ]
    assert [attribute.texts() for attribute in decision.attributes] == [("abc@uni.example",)]


def test_only_subject_identifiers_must_have_that_form() -> None:
    decision = accept(EVERYTHING, ISSUER, (make_attribute("mail", ["under_score@uni.example"]),), at=NOW)
    assert [attribute.texts() for attribute in decision.attributes] == [("under_score@uni.example",)]


def test_two_spellings_of_one_identifier_are_one_person() -> None:
    one, other = (
        accept(REGISTERED, ISSUER, (make_attribute("pairwise-id", [value]),), at=NOW).attributes
        for value in ("ABCdef@Uni.Example", "abcDEF@uni.example")
    )
    assert one == other
    assert one[0].texts() == ("abcdef@uni.example",)


def test_an_identifier_with_somebody_elses_scope_is_thrown_out() -> None:
    decision = accept(REGISTERED, ISSUER, (make_attribute("pairwise-id", ["abc@other.example"]),), at=NOW)
    assert [verdict.reason for verdict in decision.verdicts] == ["scope"]
