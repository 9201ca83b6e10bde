from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import SCOPED, Attribute, Value, make_attribute
from ostiary.policy.acceptance import (
    AcceptanceDecision,
    AcceptancePolicy,
    AcceptanceRule,
    AcceptanceVerdict,
    Issuer,
    IssuerTest,
    Scope,
    accept,
    index_rules,
)
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.policy.values import ValueTest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UNI = Issuer(
    "https://idp.uni.example",
    scopes=(Scope("uni.example"), Scope(r"^([a-z]+\.)?dept\.example$", is_pattern=True)),
    registration_authority="https://federation.example.org",
    entity_categories=("https://refeds.org/sirtfi",),
)
Load = Callable[[str], AcceptancePolicy]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> AcceptancePolicy:
        path = tmp_path / "acceptance.yaml"
        path.write_text(text)
        return load_acceptance_policy([path])

    return load


def decide(policy: AcceptancePolicy, *attributes: Attribute, issuer: Issuer = UNI) -> AcceptanceDecision:
    return accept(policy, issuer, attributes, at=NOW)


def outcome(decision: AcceptanceDecision) -> list[tuple[str, bool, str, str]]:
    return [(str(v.value), v.accepted, v.rule, v.reason) for v in decision.verdicts]


def test_what_no_rule_names_is_thrown_out(load: Load) -> None:
    decision = decide(load("rules: [{attribute: mail}]"), make_attribute("cn", ["Ada"]))
    assert decision.attributes == ()
    assert decision.verdicts == (AcceptanceVerdict("cn", Value("Ada"), False, "no rule", "no_rule"),)


def test_what_a_rule_names_is_accepted_with_its_issuer(load: Load) -> None:
    decision = decide(load("rules: [{id: m, attribute: [cn, mail]}]"), make_attribute("mail", ["ada@uni.example"]))
    assert decision.attributes == (Attribute("mail", (Value("ada@uni.example"),), issuer="https://idp.uni.example"),)
    assert decision.verdicts == (AcceptanceVerdict("mail", Value("ada@uni.example"), True, "m", "accepted", "mail"),)


@pytest.mark.parametrize(
    ("scope", "accepted"),
    [
        ("uni.example", True),
        ("dept.example", True),
        ("cs.dept.example", True),
        ("other.example", False),
        ("evil-uni.example", False),
        ("sub.uni.example", False),
        ("Uni.example", False),
        ("uni.example\n", False),
        ("xdept.example", False),
    ],
)
def test_a_scoped_value_must_have_a_scope_that_metadata_registers(load: Load, scope: str, accepted: bool) -> None:
    for text in ("scope: metadata", "id: default"):
        policy = load(f"rules: [{{attribute: eduPersonPrincipalName, {text}}}]")
        decision = decide(policy, make_attribute("eduPersonPrincipalName", [f"ada@{scope}"]))
        assert [v.reason for v in decision.verdicts] == ["accepted" if accepted else "scope"]


def test_an_unsafe_scope_expression_registers_nothing(load: Load) -> None:
    issuer = Issuer("https://idp.uni.example", scopes=(Scope("(?=a)", True), Scope("(((((", True), Scope("", True)))
    policy = load("rules: [{id: n, attribute: eduPersonPrincipalName}]")
    decision = decide(policy, make_attribute("eduPersonPrincipalName", ["ada@a", "ada@((((("]), issuer=issuer)
    assert outcome(decision) == [("ada@a", False, "n", "scope"), ("ada@(((((", False, "n", "scope")]


def test_a_scope_longer_than_a_host_name_matches_no_expression() -> None:
    scope = Scope("a+", is_pattern=True)
    assert scope.covers("a" * 255)
    assert not scope.covers("a" * 256)


def test_scope_any_and_a_list_of_scopes_replace_the_check_against_metadata(load: Load) -> None:
    values = make_attribute("eduPersonPrincipalName", ["ada@other.example", "ada@x.example"])
    anywhere = decide(load("rules: [{id: n, attribute: eduPersonPrincipalName, scope: any}]"), values)
    assert [v.accepted for v in anywhere.verdicts] == [True, True]
    listed = decide(load("rules: [{id: n, attribute: eduPersonPrincipalName, scope: [x.example]}]"), values)
    assert [v.accepted for v in listed.verdicts] == [False, True]


def test_a_scoped_attribute_without_scope_and_an_unscoped_one_with_scope_are_refused(load: Load) -> None:
    policy = load("rules: [{attribute: eduPersonPrincipalName, scope: any}, {attribute: mail}]")
    decision = decide(
        policy,
        Attribute("eduPersonPrincipalName", (Value("ada"), Value("ada", ""))),
        Attribute("mail", (Value("ada", "uni.example"),)),
    )
    assert decision.attributes == ()
    assert [v.reason for v in decision.verdicts] == ["scope_missing", "scope_missing", "scope_unexpected"]


def test_the_whole_value_can_be_a_registered_scope(load: Load) -> None:
    policy = load("rules: [{id: home, attribute: schacHomeOrganization, value_is_scope: metadata}]")
    decision = decide(policy, make_attribute("schacHomeOrganization", ["uni.example", "other.example"]))
    assert outcome(decision) == [
        ("uni.example", True, "home", "accepted"),
        ("other.example", False, "home", "scope"),
    ]


@pytest.mark.parametrize(
    ("source", "believed"),
    [
        ("{issuers: [https://idp.uni.example]}", True),
        ("{issuers: https://idp.uni.example.evil.example}", False),
        ("{issuer_pattern: 'https://idp\\..+'}", True),
        ("{issuer_pattern: 'idp'}", False),
        ("{registration_authority: https://federation.example.org}", True),
        ("{registration_authority: https://other.example}", False),
        ("{entity_category: https://refeds.org/sirtfi}", True),
        ("{entity_category: none}", False),
        ("{issuers: https://idp.uni.example, entity_category: none}", False),
    ],
)
def test_a_rule_believes_the_issuers_that_all_its_keys_name(load: Load, source: str, believed: bool) -> None:
    decision = decide(load(f"rules: [{{id: m, attribute: mail, from: {source}}}]"), make_attribute("mail", ["a@b"]))
    assert outcome(decision) == [("a@b", believed, "m", "accepted" if believed else "issuer")]


def test_values_are_tested_and_the_first_rule_that_holds_names_them(load: Load) -> None:
    policy = load(
        """
rules:
  - {id: member, attribute: eduPersonScopedAffiliation, left: member, as: affiliation}
  - {id: staff, attribute: eduPersonScopedAffiliation, pattern: 'staff@.+', as: employment}
  - {id: unscoped, attribute: eduPersonAffiliation, value: [member], as: affiliation}
"""
    )
    decision = decide(
        policy,
        make_attribute("eduPersonScopedAffiliation", ["member@uni.example", "staff@uni.example", "dean@uni.example"]),
        make_attribute("eduPersonAffiliation", ["member", "alum"]),
    )
    assert outcome(decision) == [
        ("member@uni.example", True, "member", "accepted"),
        ("staff@uni.example", True, "staff", "accepted"),
        ("dean@uni.example", False, "staff", "value"),
        ("member", True, "unscoped", "accepted"),
        ("alum", False, "unscoped", "value"),
    ]
    assert [(a.name, a.texts()) for a in decision.attributes] == [
        ("affiliation", ("member@uni.example", "member")),
        ("employment", ("staff@uni.example",)),
    ]


def test_an_attribute_past_its_validity_or_of_another_issuer_is_thrown_out(load: Load) -> None:
    policy = load("rules: [{attribute: mail}]")
    value = (Value("a@b"),)
    decision = decide(
        policy,
        Attribute("mail", value, valid_until=NOW),
        Attribute("mail", value, issuer="https://idp.other.example"),
        Attribute("mail", value, issuer="https://idp.uni.example", valid_until=datetime(2026, 11, 23, tzinfo=UTC)),
    )
    assert [v.reason for v in decision.verdicts] == ["expired", "other_issuer", "accepted"]


NAMES = ["mail", "cn", "eduPersonPrincipalName"]
RULES = st.builds(
    AcceptanceRule,
    id=st.just("r"),
    attribute=st.sampled_from(NAMES),
    issuers=st.builds(
        IssuerTest, entity_ids=st.none() | st.frozensets(st.sampled_from(["https://idp.uni.example", "x"]), min_size=1)
    ),
    test=st.builds(
        ValueTest, exact=st.none() | st.frozensets(st.sampled_from(["a", "a@uni.example", "b@x"]), min_size=1)
    ),
    registered_scope=st.booleans(),
    rename=st.none() | st.just("local"),
)
VALUES = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([None, "uni.example", "x"])).map(
    lambda one: Value(*one)
)
ATTRIBUTES = st.tuples(st.sampled_from(NAMES), st.lists(VALUES, max_size=3).map(tuple)).map(lambda one: Attribute(*one))


@settings(max_examples=100, deadline=None)
@given(
    rules=st.lists(RULES, max_size=4),
    attributes=st.lists(ATTRIBUTES, max_size=3),
)
def test_nothing_is_accepted_without_a_rule_all_of_whose_tests_hold(
    rules: list[AcceptanceRule], attributes: list[Attribute]
) -> None:
    decision = decide(index_rules(rules), *attributes)
    for verdict in decision.verdicts:
        value = verdict.value
        fits = (value.scope is not None) is (verdict.attribute in SCOPED)
        rule_holds = any(
            rule.attribute == verdict.attribute
            and (rule.issuers.entity_ids is None or UNI.entity_id in rule.issuers.entity_ids)
            and (rule.test.exact is None or str(value) in rule.test.exact)
            and (not rule.registered_scope or value.scope == "uni.example")
            for rule in rules
        )
        assert verdict.accepted is (fits and rule_holds)
    accepted = {(verdict.name, str(verdict.value)) for verdict in decision.verdicts if verdict.accepted}
    assert sorted(accepted) == sorted((a.name, text) for a in decision.attributes for text in a.texts())


@pytest.mark.parametrize("left", ["alice@victim.example", "", "ali ce", "a\nb", " admin"])
def test_the_left_part_of_a_scoped_value_is_one_plain_word(left: str) -> None:
    policy = index_rules([AcceptanceRule("principal", "eduPersonPrincipalName", registered_scope=True)])
    issuer = Issuer("https://home.example/idp", (Scope("home.example"),))

    def accepted(text: str) -> bool:
        told = Attribute("eduPersonPrincipalName", (Value(text, "home.example"),))
        return bool(accept(policy, issuer, (told,), at=datetime(2026, 11, 22, tzinfo=UTC)).attributes)

    assert accepted("alice")
    assert not accepted(left)
