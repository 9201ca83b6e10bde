"""The indexed evaluation against a naive one that reads the rules one by one."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import Attribute, Value
from ostiary.policy.patterns import compile_pattern
from ostiary.policy.release import (
    Audience,
    ReleasePolicy,
    ReleaseRule,
    RequestedAttribute,
    Requester,
    index_policies,
    release,
)
from ostiary.policy.urltree import make_tree
from ostiary.policy.values import ValueTest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENTITIES = ["https://a.example", "https://b.example"]
NAMES = ["mail", "affiliation", "entitlement"]
TARGETS = [
    "https://h.example/",
    "https://h.example/x",
    "https://h.example/x/y",
    "https://h.example/xy",
    "http://h.example/x",
]


def sets(values: list[str]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(values), min_size=1, max_size=2)


TESTS = st.builds(
    ValueTest,
    exact=sets(["a", "b", "a@s1", "b@s2"]),
    pattern=st.none() | st.sampled_from(["a.*", ".*s1", "[ab]"]).map(compile_pattern),
    left=sets(["a", "b"]),
    scope=sets(["s1", "s2"]),
)
RULES = st.builds(
    ReleaseRule, id=st.just("r"), permits=st.booleans(), attributes=sets(NAMES), test=st.just(ValueTest()) | TESTS
)
AUDIENCES = st.just(Audience(anyone=True)) | st.builds(
    Audience,
    entity_ids=sets(ENTITIES),
    pattern=st.none() | st.sampled_from(["https://a.*", ".*"]).map(compile_pattern),
    categories=sets(["c1", "c2"]),
    authorities=sets(["f1", "f2"]),
)
POLICIES = st.lists(
    st.builds(
        ReleasePolicy,
        id=st.just("p"),
        audience=AUDIENCES,
        rules=st.lists(RULES, min_size=1, max_size=3).map(tuple),
        targets=st.lists(st.sampled_from(TARGETS[:3]).map(make_tree), max_size=2).map(tuple),
        only=st.sampled_from([None, None, "requested", "required"]),
    ),
    max_size=5,
)
REQUESTERS = st.builds(
    Requester,
    entity_id=st.sampled_from(ENTITIES),
    entity_categories=st.lists(st.sampled_from(["c1", "c2"]), max_size=2, unique=True).map(tuple),
    registration_authority=st.sampled_from([None, "f1", "f2"]),
    requested=st.lists(st.builds(RequestedAttribute, st.sampled_from(NAMES), st.booleans()), max_size=2).map(tuple),
    known=st.sampled_from([True, True, False]),
    origins=st.sampled_from(
        [
            frozenset({("https", "h.example", 443)}),
            frozenset({("https", "h.example", 443), ("http", "h.example", 80)}),
            frozenset(),
        ]
    ),
)
VALUES = st.builds(Value, st.sampled_from(["a", "b", "c"]), st.sampled_from([None, "s1", "s2"]))
ATTRIBUTES = st.lists(
    st.builds(Attribute, st.sampled_from(NAMES), st.lists(VALUES, max_size=3).map(tuple)), max_size=3
).map(tuple)


def passes(test: ValueTest, value: Value) -> bool:
    written = value.text if value.scope is None else value.text + "@" + value.scope
    if test.exact is not None and written not in test.exact:
        return False
    if test.pattern is not None and not test.pattern.matches(written):
        return False
    if test.left is not None and (value.scope is None or value.text not in test.left):
        return False
    return test.scope is None or value.scope in test.scope


def is_for(policy: ReleasePolicy, requester: Requester) -> bool:
    audience = policy.audience
    return (
        (audience.entity_ids is None or requester.entity_id in audience.entity_ids)
        and (audience.pattern is None or audience.pattern.matches(requester.entity_id))
        and (audience.categories is None or any(name in audience.categories for name in requester.entity_categories))
        and (audience.authorities is None or requester.registration_authority in audience.authorities)
    )


def is_at(policy: ReleasePolicy, target: str | None) -> bool:
    if not policy.targets:
        return True
    if target is None:
        return False
    return any((target + "/").startswith(tree.url.rstrip("/") + "/") for tree in policy.targets)


def may_leave(policies: list[ReleasePolicy], requester: Requester, name: str, value: Value, target: str | None) -> bool:
    origin = ("http", "h.example", 80) if target == "http://h.example/x" else ("https", "h.example", 443)
    if target is not None and origin not in requester.origins:
        return False
    permitted = False
    for policy in policies:
        for rule in policy.rules:
            speaks = (rule.attributes is None or name in rule.attributes) and passes(rule.test, value)
            if not speaks or not is_for(policy, requester) or not is_at(policy, target):
                continue
            if not rule.permits:
                return False
            asked = {item.name for item in requester.requested if item.required or policy.only == "requested"}
            if (requester.known or policy.audience.anyone) and (policy.only is None or name in asked):
                permitted = True
    return permitted


@settings(max_examples=100, deadline=None)
@given(
    policies=POLICIES,
    requester=REQUESTERS,
    attributes=ATTRIBUTES,
    target=st.none() | st.sampled_from(TARGETS),
    wanted=st.none() | ATTRIBUTES,
)
def test_what_leaves_is_what_a_naive_reading_of_all_rules_lets_leave(
    policies: list[ReleasePolicy],
    requester: Requester,
    attributes: tuple[Attribute, ...],
    target: str | None,
    wanted: tuple[Attribute, ...] | None,
) -> None:
    decision = release(index_policies(policies), requester, attributes, target=target, at=NOW, wanted=wanted)

    expected = []
    for attribute in attributes:
        asked = None if wanted is None else [item for item in wanted if item.name == attribute.name]
        for value in attribute.values:
            is_wanted = asked is None or any(not item.values or value in item.values for item in asked)
            if is_wanted and may_leave(policies, requester, attribute.name, value, target):
                expected.append((attribute.name, value))
    assert [(a.name, v) for a in decision.attributes for v in a.values] == expected
    assert [(v.attribute, v.value) for v in decision.verdicts if v.released] == expected
    assert [(v.attribute, v.value) for v in decision.verdicts] == [(a.name, v) for a in attributes for v in a.values]
