"""Who asks: entity attributes, anonymous requesters, strengths, and the index that finds policies for them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import make_attribute
from ostiary.config import parse_document
from ostiary.policy.patterns import Pattern, compile_pattern
from ostiary.policy.release import (
    Audience,
    EntityAttributeTest,
    ReleaseDecision,
    ReleasePolicies,
    ReleasePolicy,
    RequestedAttribute,
    Requester,
    index_policies,
    release,
)
from ostiary.policy.release.document import compile_release_policies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SP = Requester(
    "https://library.example.org/shar",
    entity_attributes=(("https://example.org/level", ("gold", "old")), ("urn:kind", ("library",))),
)
ANONYMOUS = Requester("", known=False, anonymous=True)
PERSON = (make_attribute("mail", ["ada@uni.example"]), make_attribute("cn", ["Ada", "Augusta"]))


def read(text: str) -> ReleasePolicies:
    return compile_release_policies([parse_document(text.encode(), Path("release.yaml"))])


def decide(policies: ReleasePolicies, requester: Requester = SP) -> ReleaseDecision:
    return release(policies, requester, PERSON, target=None, at=NOW, wanted=None)


def names(policies: ReleasePolicies, requester: Requester = SP) -> list[str]:
    return [attribute.name for attribute in decide(policies, requester).attributes]


@pytest.mark.parametrize(
    ("attribute", "included"),
    [
        ("{name: 'https://example.org/level', value: gold}", True),
        ("{name: 'https://example.org/level', value: [silver, old]}", True),
        ("{name: 'https://example.org/level', value: silver}", False),
        ("{name: 'urn:level', value: gold}", False),
        ("{name: 'https://example.org/level', pattern: 'g.*'}", True),
        ("{name: 'https://example.org/level', pattern: 'g'}", False),
        ("{name: 'https://example.org/level', value: old, pattern: 'g.*'}", False),
        ("[{name: 'https://example.org/level', value: gold}, {name: 'urn:kind', pattern: 'lib.*'}]", True),
        ("[{name: 'https://example.org/level', value: gold}, {name: 'urn:kind', value: press}]", False),
    ],
)
def test_a_policy_may_ask_for_entity_attributes(attribute: str, included: bool) -> None:
    policies = read(f"policies: [{{id: p, for: {{entity_attribute: {attribute}}}, rules: [{{permit: mail}}]}}]")
    assert (names(policies) == ["mail"]) is included
    assert names(policies, Requester("https://other.example")) == []


def test_an_anonymous_requester_gets_only_what_policies_for_anonymous_permit() -> None:
    policies = read(
        """
policies:
  - {id: open, for: {anyone: true}, rules: [{permit: mail}]}
  - {id: unknown, for: {anonymous: true}, rules: [{permit: cn}]}
  - {id: all, for: {requester_pattern: '.*'}, rules: [{permit: mail}]}
"""
    )
    assert names(policies, ANONYMOUS) == ["cn"]
    assert names(policies) == ["mail"]
    # Whatever else is said of somebody who proved nothing does not count.
    pretender = Requester(SP.entity_id, entity_attributes=SP.entity_attributes, known=True, anonymous=True)
    assert names(policies, pretender) == ["cn"]


def test_what_is_denied_to_anyone_is_denied_to_anonymous_requesters() -> None:
    policies = read(
        """
policies:
  - {id: unknown, for: {anonymous: true}, rules: [{permit: [cn, mail]}]}
  - {id: never, for: {anyone: true}, rules: [{deny: cn, value: Augusta}]}
  - {id: not here, for: {anonymous: true}, rules: [{deny: mail}]}
"""
    )
    decision = decide(policies, ANONYMOUS)
    assert [(a.name, a.texts()) for a in decision.attributes] == [("cn", ("Ada",))]


def test_only_what_metadata_requests_means_the_values_that_it_names() -> None:
    requester = Requester(
        "https://x.example",
        requested=(
            RequestedAttribute("cn", required=True, values=frozenset({"Ada"})),
            RequestedAttribute("cn", values=frozenset({"Augusta"})),
        ),
    )
    policies = {
        only: read(f"policies: [{{id: p, for: {{anyone: true}}, only: {only}, rules: [{{permit: '*'}}]}}]")
        for only in ("required", "requested")
    }
    assert [a.texts() for a in decide(policies["required"], requester).attributes] == [("Ada",)]
    assert [a.texts() for a in decide(policies["requested"], requester).attributes] == [("Ada", "Augusta")]


def test_the_rule_that_binds_is_named_and_binds() -> None:
    decision = decide(
        read(
            """
policies:
  - {id: soft, for: {anyone: true}, rules: [{id: all, permit: '*'}, {id: no, deny: cn, value: Ada}]}
  - {id: hard, for: {anyone: true}, strength: forbidden, rules: [{id: never, deny: cn, value: Ada}]}
  - {id: must, for: {anyone: true}, strength: mandatory, rules: [{id: always, permit: [mail, cn], value: [ada@uni.example, Ada]}]}
"""
        )
    )
    assert [(v.policy, v.rule, v.released, v.bound) for v in decision.verdicts] == [
        ("must", "always", True, True),
        ("hard", "never", False, True),
        ("soft", "all", True, False),
    ]


def test_a_mandatory_permit_does_not_overrule_an_ordinary_deny() -> None:
    decision = decide(
        read(
            """
policies:
  - {id: must, for: {anyone: true}, strength: mandatory, rules: [{permit: mail}]}
  - {id: no, for: {anyone: true}, rules: [{deny: mail}]}
"""
        )
    )
    verdict = decision.verdicts[0]
    assert (verdict.released, verdict.policy, verdict.reason, verdict.bound) == (False, "no", "deny", False)


PIECES = st.lists(
    st.sampled_from(
        ["a", "b", "\\.", ".", "x*", "[ab]", "(a|b)", "(ab)+", "b?", "a{2}", "(?:ab){1,2}", "a{0,2}", "|", "/"]
    ),
    max_size=6,
).map("".join)


@settings(max_examples=50, deadline=None)
@given(
    patterns=st.lists(PIECES.filter(bool), min_size=1, max_size=6),
    texts=st.lists(st.text("ab./x", max_size=6), max_size=12),
)
def test_the_index_finds_every_policy_whose_pattern_matches(patterns: list[str], texts: list[str]) -> None:
    compiled = [compile_pattern(text) for text in patterns]
    policies = [ReleasePolicy(str(n), Audience(pattern=pattern), ()) for n, pattern in enumerate(compiled)]
    index = index_policies(policies)
    for text in texts:
        expected = [str(n) for n, pattern in enumerate(compiled) if pattern.matches(text)]
        assert [policy.id for policy in index.concerning(Requester(text))] == expected


def test_a_text_that_matches_holds_the_literals_of_the_pattern() -> None:
    literals = {
        text: [(one.prefix, one.parts) for one in compile_pattern(text).literals]
        for text in (
            "https://[a-z]+\\.lab\\.example/.*",
            "(urn:a|urn:b):x",
            "https://a/.*|https://b/",
            "ab(cd)+e{2}f?g",
            ".*",
        )
    }
    assert literals == {
        "https://[a-z]+\\.lab\\.example/.*": [("https://", (".lab.example/",))],
        "(urn:a|urn:b):x": [("", (":x",))],
        "https://a/.*|https://b/": [("https://a/", ()), ("https://b/", ())],
        "ab(cd)+e{2}f?g": [("abcd", ("e", "g"))],
        ".*": [("", ())],
    }


@pytest.mark.parametrize(
    "shape",
    [
        "https://sp{}\\.example\\.org/.*",
        "https://[a-z]+\\.sp{}\\.example\\.org/.*",
        ".*\\.example\\.org/sp{}",
        "https://(a|b)\\.sp{}\\.example/",
    ],
)
def test_of_a_thousand_patterns_few_are_tried(monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    # Numbers of four digits, so that none holds another.
    index = index_policies(
        ReleasePolicy(str(n), Audience(pattern=compile_pattern(shape.format(n))), ()) for n in range(1000, 2000)
    )
    tried: list[str] = []
    matches = Pattern.matches
    monkeypatch.setattr(Pattern, "matches", lambda pattern, text: tried.append(pattern.text) or matches(pattern, text))
    for entity_id in (
        "https://sp1234.example.org/shibboleth",
        "https://a.sp1234.example.org/sp",
        "https://nobody.example/",
    ):
        index.concerning(Requester(entity_id))
    assert len(tried) <= 4


def test_policies_stay_in_their_order_however_they_are_found() -> None:
    audiences = [
        Audience(anyone=True),
        Audience(entity_ids=frozenset({SP.entity_id})),
        Audience(pattern=compile_pattern("https://library.*")),
        Audience(authorities=frozenset({"f1"})),
        Audience(categories=frozenset({"c1"})),
        Audience(entity_attributes=(EntityAttributeTest("urn:kind", frozenset({"library"})),)),
        Audience(pattern=compile_pattern(".*"), authorities=frozenset({"f1"})),
        Audience(anonymous=True),
        Audience(entity_attributes=(EntityAttributeTest("urn:kind", None, compile_pattern("lib.*")),)),
        Audience(),
    ]
    index = index_policies(ReleasePolicy(str(n), audience, ()) for n, audience in enumerate(audiences))
    requester = Requester(SP.entity_id, ("c1",), "f1", entity_attributes=SP.entity_attributes)
    assert [policy.id for policy in index.concerning(requester)] == ["0", "1", "2", "3", "4", "5", "6", "8", "9"]
    assert [policy.id for policy in index.concerning(ANONYMOUS)] == ["0", "7"]
