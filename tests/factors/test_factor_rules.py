"""When a second factor is asked for: the first rule that fits decides."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.factors.rules import IF_ENROLLED, Facts, Rule, decide, due, may_require

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CAMPUS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
HR = "https://hr.example/sp"
CATEGORY = "http://refeds.org/category/research-and-scholarship"
ASSURANCE = "urn:example:assurance"


def facts(**changes: object) -> Facts:
    known = {
        "sp": HR,
        "entity_attributes": ((ASSURANCE, ("high", "medium")),),
        "entity_categories": (CATEGORY,),
        "known_browser": False,
        "address": "192.0.2.7",
    }
    return Facts(**{**known, **changes})  # type: ignore[arg-type]


def staff() -> Mapping[str, tuple[str, ...]]:
    return {"eduPersonAffiliation": ("staff", "member"), "isMemberOf": ("admins",)}


def nobody_asks() -> Mapping[str, tuple[str, ...]]:
    raise RuntimeError("the person's attributes were asked for")


def test_without_rules_whoever_has_a_second_factor_is_asked() -> None:
    assert decide((), facts(), nobody_asks) == IF_ENROLLED
    assert IF_ENROLLED.ask == "if_enrolled"


def test_the_first_rule_that_fits_decides() -> None:
    rules = (Rule("never", sps=frozenset({"https://other.example"})), Rule("required"), Rule("never"))
    assert decide(rules, facts(), nobody_asks) == Rule("required")


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule("required", sps=frozenset({HR})), True),
        (Rule("required", sps=frozenset({HR + "/"})), False),
        (Rule("required", sp_categories=frozenset({CATEGORY, "urn:other"})), True),
        (Rule("required", sp_categories=frozenset({"urn:other"})), False),
        (Rule("required", sp_attributes=((ASSURANCE, frozenset({"high"})),)), True),
        (Rule("required", sp_attributes=((ASSURANCE, frozenset({"low"})),)), False),
        (Rule("required", sp_attributes=((ASSURANCE, frozenset({"high"})), ("urn:other", frozenset({"x"})))), False),
        (Rule("required", person=(("isMemberOf", frozenset({"admins", "root"})),)), True),
        (Rule("required", person=(("isMemberOf", frozenset({"Admins"})),)), False),
        (Rule("required", person=(("isMemberOf", frozenset({"admins"})), ("mail", frozenset({"a@b"})))), False),
        (Rule("required", new_browser=True), True),
        (Rule("required", new_browser=False), False),
        (Rule("required", outside=CAMPUS), False),
        (Rule("required", sps=frozenset({HR}), person=(("isMemberOf", frozenset({"staff"})),)), False),
    ],
)
def test_all_conditions_of_a_rule_must_hold(rule: Rule, fits: bool) -> None:
    assert decide((rule,), facts(), staff) == (rule if fits else IF_ENROLLED)


@pytest.mark.parametrize(
    ("address", "outside"),
    [
        ("192.0.2.255", False),
        ("192.0.3.0", True),
        ("2001:db8:1::1", False),
        ("::ffff:192.0.2.9", False),
        ("fe80::1%eth0", True),
        ("not an address", True),
        ("", True),
    ],
)
def test_an_address_that_is_in_no_network_is_outside(address: str, outside: bool) -> None:
    rule = Rule("required", outside=CAMPUS)
    assert (decide((rule,), facts(address=address), nobody_asks) == rule) is outside


def test_pages_of_the_organisation_itself_fit_no_rule_about_an_sp() -> None:
    own = facts(sp=None, entity_attributes=(), entity_categories=())
    rules = (
        Rule("required", sps=frozenset({HR})),
        Rule("required", sp_categories=frozenset({CATEGORY})),
        Rule("required", sp_attributes=((ASSURANCE, frozenset({"high"})),)),
    )
    assert decide(rules, own, nobody_asks) == IF_ENROLLED


def test_the_person_is_asked_about_only_where_that_can_decide() -> None:
    about_person = Rule("required", sps=frozenset({"https://other.example"}), person=(("a", frozenset({"b"})),))
    assert decide((about_person, Rule("never")), facts(), nobody_asks) == Rule("never")


def verdict(rule: Rule, **changes: object) -> str:
    known: dict[str, object] = {"proven": None, "remembered": lambda: None, "enrolled": lambda: True, "now": NOW}
    return due(rule, **{**known, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "enrolled", "expected"),
    [
        (Rule("never"), True, "nothing"),
        (Rule("if_enrolled"), True, "ask"),
        (Rule("if_enrolled"), False, "nothing"),
        (Rule("required"), True, "ask"),
        (Rule("required"), False, "enrol"),
        (Rule("required", enrol=False), False, "refuse"),
        (Rule("required", enrol=False), True, "ask"),
    ],
)
def test_what_is_due_depends_on_the_rule_and_on_whether_she_has_a_factor(
    rule: Rule, enrolled: bool, expected: str
) -> None:
    assert verdict(rule, enrolled=lambda: enrolled) == expected


def test_a_proof_in_this_session_is_enough_until_the_rule_calls_it_old() -> None:
    an_hour_ago = NOW - timedelta(hours=1)
    assert verdict(Rule("required"), proven=an_hour_ago) == "nothing"
    assert verdict(Rule("required", again_after=timedelta(hours=2)), proven=an_hour_ago) == "nothing"
    assert verdict(Rule("required", again_after=timedelta(hours=1)), proven=an_hour_ago) == "ask"


def test_a_remembered_browser_is_enough_where_the_rule_says_so() -> None:
    yesterday = NOW - timedelta(days=1)
    assert verdict(Rule("required"), remembered=lambda: yesterday) == "nothing"
    assert verdict(Rule("required", remember=False), remembered=lambda: yesterday) == "ask"
    assert verdict(Rule("required", again_after=timedelta(hours=12)), remembered=lambda: yesterday) == "ask"


def test_nothing_is_looked_up_that_does_not_matter() -> None:
    def not_now() -> bool:
        raise RuntimeError("looked up")

    assert verdict(Rule("never"), remembered=not_now, enrolled=not_now) == "nothing"
    assert verdict(Rule("required"), proven=NOW, remembered=not_now, enrolled=not_now) == "nothing"
    assert verdict(Rule("required", remember=False), proven=None, remembered=not_now) == "ask"


def test_whether_anything_may_require_a_factor_of_her_looks_at_her_alone() -> None:
    rules = (
        Rule("never"),
        Rule("required", sps=frozenset({HR}), new_browser=True, person=(("isMemberOf", frozenset({"admins"})),)),
    )
    assert may_require(rules, staff) is True
    assert may_require(rules, dict) is False
    assert may_require((Rule("if_enrolled"), Rule("never")), nobody_asks) is False


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(
            Rule,
            ask=st.sampled_from(["never", "if_enrolled", "required"]),
            sps=st.sampled_from([frozenset(), frozenset({HR}), frozenset({"https://other.example"})]),
            new_browser=st.sampled_from([None, True, False]),
            outside=st.sampled_from([(), CAMPUS]),
            remember=st.booleans(),
            enrol=st.booleans(),
        ),
        max_size=4,
    ),
    st.booleans(),
    st.sampled_from(["192.0.2.1", "203.0.113.1", "?"]),
    st.booleans(),
)
def test_a_required_factor_is_never_let_go_without_a_proof(
    rules: list[Rule], known_browser: bool, address: str, enrolled: bool
) -> None:
    rule = decide(rules, facts(known_browser=known_browser, address=address), dict)
    outcome = verdict(rule, enrolled=lambda: enrolled)
    assert (outcome == "nothing") == (rule.ask == "never" or (rule.ask == "if_enrolled" and not enrolled))
