"""What the lint calls pointless is: without such a rule, every answer of the engine is the same."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_authority.administration.lint import Finding, World, lint
from ostiary.attributes import make_attribute
from ostiary.policy.patterns import compile_pattern
from ostiary.policy.release import (
    Audience,
    Count,
    ReleasePolicies,
    ReleasePolicy,
    ReleaseRule,
    RequestedAttribute,
    Requester,
    index_policies,
    release,
)
from ostiary.policy.release.circumstances import ALWAYS, Condition
from ostiary.policy.urltree import make_tree
from ostiary.policy.values import EVERY_VALUE, ValueTest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORIGIN = frozenset({("https", "a.example", 443)})
REQUESTERS = (
    Requester("a", entity_categories=("k",), requested=(RequestedAttribute("x", True),), origins=ORIGIN),
    Requester("b", entity_categories=("k", "l"), requested=(RequestedAttribute("y"),), origins=ORIGIN),
    Requester("ab", origins=ORIGIN),
    Requester("c", known=False, origins=ORIGIN),
    Requester("", known=False, anonymous=True),
)
KNOWN = (make_attribute("x", ["1", "2"]), make_attribute("y", ["1"]))
MOMENTS = (NOW, NOW + timedelta(days=1))
TARGETS = (None, "https://a.example/p/q", "https://a.example/other")

some_names = st.sets(st.sampled_from(["a", "b", "ab"]), min_size=1).map(frozenset)
named = st.one_of(
    st.builds(Audience, entity_ids=some_names),
    st.builds(Audience, entity_ids=st.none(), pattern=st.sampled_from(["a.*", ".*", "b"]).map(compile_pattern)),
    st.builds(Audience, categories=st.sets(st.sampled_from("kl"), min_size=1).map(frozenset)),
)
audiences = st.one_of(
    st.sampled_from([Audience(anyone=True), Audience(anonymous=True)]),
    named,
    st.builds(lambda one, other: replace(one, unless=other), named, named),
)
tests = st.one_of(
    st.just(EVERY_VALUE),
    st.builds(ValueTest, exact=st.sets(st.sampled_from("12"), min_size=1).map(frozenset)),
    st.builds(ValueTest, pattern=st.sampled_from(["1", ".*", "[12]"]).map(compile_pattern)),
    st.just(ValueTest(unless=ValueTest(exact=frozenset("1")))),
)
rules = st.builds(
    ReleaseRule,
    st.uuids().map(str),
    st.booleans(),
    st.one_of(st.none(), st.sets(st.sampled_from("xy"), min_size=1).map(frozenset)),
    tests,
    st.sampled_from([None, None, None, Count(2, None)]),
)
policies = st.builds(
    ReleasePolicy,
    st.uuids().map(str),
    audiences,
    st.lists(rules, min_size=1, max_size=2).map(tuple),
    st.sampled_from([(), (), (make_tree("https://a.example/p"),), (make_tree("https://a.example/p/q"),)]),
    st.sampled_from([None, None, None, "requested", "required"]),
    when=st.sampled_from([ALWAYS, ALWAYS, Condition(dates=(None, date(2026, 11, 23)))]),
)


def answers(found: ReleasePolicies) -> list[object]:
    return [
        release(found, requester, KNOWN, target=target, at=at, wanted=None).attributes
        for requester in REQUESTERS
        for target in TARGETS
        for at in MOMENTS
    ]


def without(found: tuple[ReleasePolicy, ...], *pointless: Finding) -> ReleasePolicies:
    gone = {(one.policy, one.rule) for one in pointless}
    return index_policies(
        replace(policy, rules=tuple(rule for rule in policy.rules if (policy.id, rule.id) not in gone))
        for policy in found
    )


@given(st.lists(policies, min_size=2, max_size=5).map(tuple))
@settings(max_examples=50)
def test_without_a_rule_that_is_called_pointless_every_answer_is_the_same(found: tuple[ReleasePolicy, ...]) -> None:
    everything = index_policies(found)
    world = World(REQUESTERS[:3], frozenset("xy"), NOW)
    pointless = [one for one in lint([], everything, world).findings if one.code in ("denied", "superfluous")]
    before = answers(everything)
    for one in pointless:
        assert answers(without(found, one)) == before
    # Of two that say the same only one is named, so all of them can go at once.
    assert answers(without(found, *pointless)) == before
