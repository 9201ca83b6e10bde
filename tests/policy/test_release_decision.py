from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.attributes import Attribute, Value, make_attribute
from ostiary.policy.release import (
    NO_RULE,
    ReleaseDecision,
    ReleasePolicies,
    RequestedAttribute,
    Requester,
    Verdict,
    index_policies,
    release,
)
from ostiary.policy.release.document import load_release_policies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIBRARY = Requester(
    "https://library.example.org/shar",
    entity_categories=("https://refeds.org/category/anonymous",),
    registration_authority="https://federation.example.org",
    origins=frozenset({("https", "library.example.org", 443), ("https", "lab.example.org", 443)}),
)
PERSON = (
    make_attribute("eduPersonScopedAffiliation", ["member@uni.example", "student@uni.example"]),
    make_attribute("eduPersonEntitlement", ["urn:mace:dir:entitlement:common-lib-terms", "urn:x:instrument:operate"]),
    make_attribute("mail", ["ada@uni.example"]),
)


@pytest.fixture
def policies(tmp_path: Path) -> "Loader":
    return Loader(tmp_path)


class Loader:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, text: str) -> ReleasePolicies:
        (self.directory / "policies.yaml").write_text(text)
        return load_release_policies([self.directory])


def decide(
    policies: ReleasePolicies,
    requester: Requester = LIBRARY,
    *,
    attributes: tuple[Attribute, ...] = PERSON,
    target: str | None = None,
    wanted: tuple[Attribute, ...] | None = None,
) -> ReleaseDecision:
    return release(policies, requester, attributes, target=target, at=NOW, wanted=wanted)


def texts(decision: ReleaseDecision) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in decision.attributes}


def test_without_policies_nothing_leaves() -> None:
    decision = decide(index_policies(()))
    assert decision.attributes == ()
    assert {(verdict.released, verdict.policy, verdict.rule, verdict.reason) for verdict in decision.verdicts} == {
        (False, "", NO_RULE, "no_rule")
    }
    assert len(decision.verdicts) == 5


def test_each_verdict_names_policy_and_rule(policies: Loader) -> None:
    decision = decide(
        policies(
            """
policies:
  - id: library
    for: {requesters: https://library.example.org/shar}
    rules:
      - id: affiliation
        permit: eduPersonScopedAffiliation
      - deny: eduPersonScopedAffiliation
        left: student
"""
        )
    )
    assert texts(decision) == {"eduPersonScopedAffiliation": ("member@uni.example",)}
    assert decision.verdicts[:2] == (
        Verdict("eduPersonScopedAffiliation", Value("member", "uni.example"), True, "library", "affiliation", "permit"),
        Verdict("eduPersonScopedAffiliation", Value("student", "uni.example"), False, "library", "rule 2", "deny"),
    )
    assert decision.verdicts[4] == Verdict("mail", Value("ada@uni.example"), False, "", "no rule", "no_rule")


def test_a_deny_of_another_policy_wins_over_a_permit(policies: Loader) -> None:
    decision = decide(
        policies(
            """
policies:
  - {id: all, for: {requesters: https://library.example.org/shar}, rules: [{permit: "*"}]}
  - {id: never, for: {anyone: true}, rules: [{id: mail, deny: mail}]}
"""
        )
    )
    assert sorted(texts(decision)) == ["eduPersonEntitlement", "eduPersonScopedAffiliation"]
    assert decision.verdicts[-1] == Verdict("mail", Value("ada@uni.example"), False, "never", "mail", "deny")


@pytest.mark.parametrize(
    ("audience", "included"),
    [
        ("requesters: [https://a.example, https://library.example.org/shar]", True),
        ("requesters: https://library.example.org/shar2", False),
        ("requester_pattern: https://library\\.example\\.org/.*", True),
        ("requester_pattern: library", False),
        ("entity_category: https://refeds.org/category/anonymous", True),
        ("entity_category: http://refeds.org/category/research-and-scholarship", False),
        ("registration_authority: https://federation.example.org", True),
        ("registration_authority: https://other.example", False),
        ("anyone: true", True),
        ("group: [libraries]", True),
        ("group: others", False),
        ("{requesters: https://library.example.org/shar, entity_category: urn:none}", False),
        ("{entity_category: https://refeds.org/category/anonymous, registration_authority: https://f2.example}", False),
        ("{group: libraries, requesters: https://a.example}", False),
    ],
)
def test_a_policy_is_for_those_whom_all_its_keys_name(policies: Loader, audience: str, included: bool) -> None:
    audience = audience if audience.startswith("{") else f"{{{audience}}}"
    decision = decide(
        policies(
            f"""
groups: {{libraries: [https://library.example.org/shar], others: https://other.example}}
policies:
  - {{id: p, for: {audience}, rules: [{{permit: mail}}]}}
"""
        )
    )
    assert (texts(decision) == {"mail": ("ada@uni.example",)}) is included


def test_an_unknown_requester_gets_only_what_is_for_anyone_and_every_deny(policies: Loader) -> None:
    compiled = policies(
        """
policies:
  - {id: named, for: {requesters: https://library.example.org/shar}, rules: [{permit: mail}, {deny: eduPersonEntitlement}]}
  - {id: open, for: {anyone: true}, rules: [{permit: [eduPersonScopedAffiliation, eduPersonEntitlement]}]}
"""
    )
    assert sorted(texts(decide(compiled))) == ["eduPersonScopedAffiliation", "mail"]
    unknown = Requester("https://library.example.org/shar", known=False)
    assert sorted(texts(decide(compiled, unknown))) == ["eduPersonScopedAffiliation"]


@pytest.mark.parametrize(
    ("rule", "released"),
    [
        ("value: urn:x:instrument:operate", ["urn:x:instrument:operate"]),
        ("value: [urn:x:instrument, nothing]", []),
        ("pattern: 'urn:x:.*'", ["urn:x:instrument:operate"]),
        ("pattern: 'urn:x:'", []),
        ("scope: uni.example", []),
    ],
)
def test_a_rule_speaks_of_the_values_that_pass_its_tests(policies: Loader, rule: str, released: list[str]) -> None:
    compiled = policies(
        f"policies: [{{id: p, for: {{anyone: true}}, rules: [{{permit: eduPersonEntitlement, {rule}}}]}}]"
    )
    assert texts(decide(compiled)) == ({"eduPersonEntitlement": tuple(released)} if released else {})


def test_scope_and_left_test_the_two_halves_of_a_scoped_value(policies: Loader) -> None:
    compiled = policies(
        """
policies:
  - id: p
    for: {anyone: true}
    rules: [{permit: eduPersonScopedAffiliation, scope: uni.example, left: [student, staff]}]
"""
    )
    assert texts(decide(compiled)) == {"eduPersonScopedAffiliation": ("student@uni.example",)}


TREE = """
policies:
  - id: instrument
    for: {anyone: true}
    target: https://lab.example.org/instrument
    rules: [{id: name, permit: mail}, {id: quiet, deny: eduPersonScopedAffiliation}]
  - id: everywhere
    for: {anyone: true}
    rules: [{id: affiliation, permit: eduPersonScopedAffiliation}]
"""


@pytest.mark.parametrize(
    ("target", "released"),
    [
        # It may be for either tree: what one of them forbids stays.
        (None, []),
        ("https://lab.example.org/", ["eduPersonScopedAffiliation"]),
        ("https://lab.example.org/instrument2", ["eduPersonScopedAffiliation"]),
        ("https://library.example.org/instrument", ["eduPersonScopedAffiliation"]),
        ("https://lab.example.org/instrument", ["mail"]),
        ("https://LAB.example.org:443/instrument/stage?x=1", ["mail"]),
    ],
)
def test_two_trees_of_one_host_get_different_answers(policies: Loader, target: str | None, released: list[str]) -> None:
    assert list(texts(decide(policies(TREE), target=target))) == released


@pytest.mark.parametrize(
    "target",
    [
        "https://lab.example.org/pages/../instrument",
        "https://lab.example.org/pages/%2e%2e/instrument",
        "https://lab.example.org/instrument%2f..%2fpages",
        "https://lab.example.org@evil.example/instrument",
        "instrument",
        "",
    ],
)
def test_a_target_that_hides_where_it_leads_gets_nothing(policies: Loader, target: str) -> None:
    decision = decide(policies(TREE), target=target)
    assert decision.attributes == ()
    assert {verdict.reason for verdict in decision.verdicts} == {"target_unreadable"}


@pytest.mark.parametrize(
    "target",
    [
        "http://lab.example.org/instrument",
        "https://lab.example.org:8443/instrument",
        "https://www.lab.example.org/instrument",
        "https://lab.example/instrument",
        "https://other.example/",
    ],
)
def test_a_target_of_another_origin_than_the_requesters_gets_nothing(policies: Loader, target: str) -> None:
    decision = decide(policies(TREE), target=target)
    assert decision.attributes == ()
    assert {verdict.reason for verdict in decision.verdicts} == {"target_foreign"}


def test_a_requester_that_names_the_tree_of_another_gets_nothing_of_it(policies: Loader) -> None:
    compiled, target = policies(TREE), "https://lab.example.org/instrument"
    stranger = Requester("https://stranger.example/sp", origins=frozenset({("https", "stranger.example", 443)}))
    assert list(texts(decide(compiled, target=target))) == ["mail"]
    for requester in (stranger, Requester("https://library.example.org/shar", known=False)):
        decision = decide(compiled, requester, target=target)
        assert decision.attributes == ()
        assert {verdict.reason for verdict in decision.verdicts} == {"target_foreign"}
    assert list(texts(decide(compiled, stranger))) == ["eduPersonScopedAffiliation"]


def test_a_target_that_can_be_read_as_in_the_tree_is_denied_and_not_permitted(policies: Loader) -> None:
    assert decide(policies(TREE), target="https://lab.example.org//instrument").attributes == ()


@pytest.mark.parametrize(
    ("only", "released"), [("requested", ["eduPersonScopedAffiliation", "mail"]), ("required", ["mail"])]
)
def test_a_policy_can_permit_only_what_metadata_asks_for(policies: Loader, only: str, released: list[str]) -> None:
    requester = Requester(
        "https://x.example",
        requested=(RequestedAttribute("mail", required=True), RequestedAttribute("eduPersonScopedAffiliation")),
    )
    compiled = policies(f"policies: [{{id: p, for: {{anyone: true}}, only: {only}, rules: [{{permit: '*'}}]}}]")
    assert list(texts(decide(compiled, requester))) == released


def test_only_does_not_weaken_a_deny(policies: Loader) -> None:
    compiled = policies(
        """
policies:
  - {id: p, for: {anyone: true}, only: required, rules: [{deny: mail}]}
  - {id: q, for: {anyone: true}, rules: [{permit: mail}]}
"""
    )
    assert decide(compiled).attributes == ()


OPEN = "policies: [{id: p, for: {anyone: true}, rules: [{permit: [mail, eduPersonScopedAffiliation]}]}]"


def test_wanted_narrows_to_attributes_and_to_values(policies: Loader) -> None:
    compiled = policies(OPEN)
    assert texts(decide(compiled, wanted=(Attribute("mail", ()),))) == {"mail": ("ada@uni.example",)}
    wanted = (make_attribute("eduPersonScopedAffiliation", ["student@uni.example", "dean@uni.example"]),)
    assert texts(decide(compiled, wanted=wanted)) == {"eduPersonScopedAffiliation": ("student@uni.example",)}
    assert {verdict.reason for verdict in decide(compiled, wanted=()).verdicts} == {"not_wanted"}


def test_wanted_never_widens(policies: Loader) -> None:
    wanted = (make_attribute("eduPersonEntitlement", ["urn:x:instrument:operate"]),)
    assert decide(policies(OPEN), wanted=wanted).attributes == ()


def test_an_attribute_wanted_twice_is_wanted_with_all_values_named(policies: Loader) -> None:
    twice = (
        make_attribute("eduPersonScopedAffiliation", ["student@uni.example"]),
        make_attribute("eduPersonScopedAffiliation", ["member@uni.example"]),
    )
    both = {"eduPersonScopedAffiliation": ("member@uni.example", "student@uni.example")}
    assert texts(decide(policies(OPEN), wanted=twice)) == both
    assert texts(decide(policies(OPEN), wanted=(*twice, Attribute("eduPersonScopedAffiliation", ())))) == both


def test_a_value_past_its_validity_stays(policies: Loader) -> None:
    attribute = Attribute("mail", (Value("ada@uni.example"),), valid_until=NOW)
    decision = decide(policies(OPEN), attributes=(attribute,))
    assert decision.attributes == ()
    assert decision.verdicts[0].reason == "expired"
