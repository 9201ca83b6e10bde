"""The indexed evaluation against a naive one that reads the rules one by one, straight from what they mean."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import Attribute, Value
from ostiary.config.network import networks
from ostiary.policy.patterns import Pattern, compile_pattern
from ostiary.policy.release import (
    HER_OWN,
    Audience,
    Circumstances,
    Condition,
    Count,
    EntityAttributeTest,
    PersonalWish,
    Precedence,
    ReleasePolicy,
    ReleaseRule,
    RequestedAttribute,
    Requester,
    as_she_wishes,
    index_policies,
    policies_not_applied,
    release,
)
from ostiary.policy.release.circumstances import PersonTest
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


SCOPES = [None, "s1", "s2"]
SHAPES = [
    "https://a.*",
    ".*",
    "https://(a|c)\\.example",
    "http.*b.*|urn:.*",
    ".*\\.exa[a-z]+",
    "https?://[ab]\\.example",
]
NETWORKS = networks(["192.0.2.0/24", "2001:db8::/32"])
TODAY, TOMORROW = date(2026, 11, 22), date(2026, 11, 23)


def some(pick: Random, values: list[str]) -> frozenset[str] | None:
    """None more often than not: with every test given nothing would ever match."""
    return frozenset(pick.sample(values, pick.randint(1, 2))) if pick.random() < 0.35 else None


def a_pattern(pick: Random, texts: list[str]) -> Pattern | None:
    return compile_pattern(pick.choice(texts)) if pick.random() < 0.3 else None


def a_test(pick: Random, *, depth: int = 0) -> ValueTest:
    return ValueTest(
        exact=some(pick, ["a", "b", "a@s1", "b@s2"]),
        pattern=a_pattern(pick, ["a.*", ".*s1", "[ab]"]),
        left=some(pick, ["a", "b"]),
        scope=some(pick, ["s1", "s2"]),
        unless=a_test(pick, depth=1) if depth == 0 and pick.random() < 0.3 else None,
    )


def a_rule(pick: Random, permits: bool) -> ReleaseRule:
    least, most = pick.choice([(None, 0), (None, 2), (0, None), (2, None), (1, 1), (1, 3), (2, 3)])
    return ReleaseRule(
        "r",
        permits,
        some(pick, NAMES),
        a_test(pick) if pick.random() < 0.4 else ValueTest(),
        Count(least, most) if pick.random() < 0.3 else None,
    )


def a_narrow_audience(pick: Random, *, depth: int = 0) -> Audience:
    tests = [
        EntityAttributeTest(pick.choice(["level", "kind"]), some(pick, ["x", "y"]), a_pattern(pick, ["x.*", "[yz]"]))
        for _ in range(pick.choice([0, 0, 1, 2]))
    ]
    return Audience(
        entity_ids=some(pick, ENTITIES),
        pattern=a_pattern(pick, SHAPES),
        categories=some(pick, ["c1", "c2"]),
        authorities=some(pick, ["f1", "f2"]),
        entity_attributes=tuple(tests),
        unless=a_narrow_audience(pick, depth=1) if depth == 0 and pick.random() < 0.2 else None,
    )


def an_audience(pick: Random) -> Audience:
    chance = pick.random()
    if chance < 0.3:
        return Audience(anyone=True)
    return Audience(anonymous=True) if chance < 0.45 else a_narrow_audience(pick)


def a_condition(pick: Random) -> Condition:
    tests = [
        PersonTest(pick.choice(NAMES), a_test(pick) if pick.random() < 0.5 else ValueTest(), pick.random() < 0.7)
        for _ in range(pick.choice([1, 1, 2]))
    ]
    parts = {
        "time": pick.choice([(0, 720), (720, 721), (1320, 360), (0, 1440), (450, 460), (1050, 1060)]),
        "weekdays": frozenset(pick.sample([5, 6, 0], 2)),
        "dates": pick.choice([(TODAY, None), (None, TODAY), (TODAY, TOMORROW), (None, TOMORROW)]),
        "networks": NETWORKS,
        "authn_contexts": frozenset({"password"}),
        "person": tuple(tests),
    }
    chosen = pick.sample(sorted(parts), pick.choice([0, 0, 1, 1, 1, 2]))
    zone = pick.choice([UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")])
    return Condition(zone=zone, **{key: parts[key] for key in chosen})


def a_policy(pick: Random) -> ReleasePolicy:
    strength = pick.choice(["ordinary", "ordinary", "mandatory", "forbidden"])
    kinds = {"ordinary": [True, True, False], "mandatory": [True], "forbidden": [False]}[strength]
    return ReleasePolicy(
        "p",
        an_audience(pick),
        tuple(a_rule(pick, pick.choice(kinds)) for _ in range(pick.randint(1, 2))),
        targets=tuple(make_tree(url) for url in pick.sample(TARGETS[:3], pick.choice([0, 0, 0, 1, 2]))),
        only=pick.choice([None, None, None, "requested", "required"]),
        strength=strength,
        when=a_condition(pick),
    )


def attributes(pick: Random) -> tuple[Attribute, ...]:
    return tuple(
        Attribute(
            pick.choice(NAMES),
            tuple(Value(pick.choice("abc"), pick.choice(SCOPES)) for _ in range(pick.randint(0, 3))),
            valid_until=pick.choice([None, None, None, NOW, NOW + timedelta(hours=1)]),
        )
        for _ in range(pick.randint(1, 3))
    )


def a_requester(pick: Random) -> Requester:
    origins = [("https", "h.example", 443), ("http", "h.example", 80)]
    return Requester(
        pick.choice([*ENTITIES, "https://c.example"]),
        entity_categories=tuple(pick.sample(["c1", "c2"], pick.randint(0, 2))),
        registration_authority=pick.choice([None, "f1", "f2"]),
        requested=tuple(
            RequestedAttribute(
                pick.choice(NAMES), pick.random() < 0.5, pick.choice([frozenset(), frozenset({"a", "b@s2"})])
            )
            for _ in range(pick.randint(0, 3))
        ),
        known=pick.random() < 0.8,
        origins=frozenset(origins[: pick.choice([0, 1, 1, 2])]),
        entity_attributes=tuple(
            (name, tuple(pick.sample(["x", "y", "xx"], pick.randint(0, 2)))) for name in ("level", "kind", "level")
        ),
        anonymous=pick.random() < 0.15,
    )


def circumstances(pick: Random) -> Circumstances:
    return Circumstances(
        network=pick.choice([None, "192.0.2.7", "2001:db8::1", "198.51.100.1", "nonsense"]),
        authn_context=pick.choice([None, "password", "kerberos"]),
        person=attributes(pick),
        uncertain=pick.choice([frozenset(), frozenset(), frozenset({"mail"}), frozenset(NAMES), None]),
    )


def an_instant(pick: Random) -> datetime:
    return NOW + timedelta(minutes=pick.choice([0, 719, -450, 1440, -720, 1081]))


def a_precedence(pick: Random) -> Precedence:
    may = pick.choice([set(), {"withhold"}, {"release"}, {"withhold", "release"}, {"withhold", "release"}])
    return Precedence(
        people_may=frozenset(may),
        release_only_to=pick.choice([None, None, Audience(categories=frozenset({"c1"}))]),
        never_release=pick.choice([frozenset(), frozenset({"mail"})]),
    )


# What follows reads policies from what their parts mean; it shares no code with the evaluation.


def passes(test: ValueTest, value: Value) -> bool:
    written = value.text if value.scope is None else value.text + "@" + value.scope
    if test.exact is not None and written not in test.exact:
        return False
    if test.pattern is not None and not test.pattern.matches(written):
        return False
    if test.left is not None and (value.scope is None or value.text not in test.left):
        return False
    if test.unless is not None and passes(test.unless, value):
        return False
    return test.scope is None or value.scope in test.scope


def is_for(audience: Audience, requester: Requester) -> bool:
    if requester.anonymous:
        return audience.anonymous or audience.anyone
    if audience.anonymous:
        return False
    carried = [(name, value) for name, values in requester.entity_attributes for value in values]
    for wanted in audience.entity_attributes:
        fitting = [
            value
            for name, value in carried
            if name == wanted.name
            and (wanted.values is None or value in wanted.values)
            and (wanted.pattern is None or wanted.pattern.matches(value))
        ]
        if not fitting:
            return False
    if audience.unless is not None and is_for(audience.unless, requester):
        return False
    return (
        (audience.entity_ids is None or requester.entity_id in audience.entity_ids)
        and (audience.pattern is None or audience.pattern.matches(requester.entity_id))
        and (audience.categories is None or any(name in audience.categories for name in requester.entity_categories))
        and (audience.authorities is None or requester.registration_authority in audience.authorities)
    )


def may_get_by(policy: ReleasePolicy, requester: Requester) -> bool:
    if requester.anonymous:
        return policy.audience.anonymous
    return requester.known or policy.audience.anyone


def is_at(policy: ReleasePolicy, target: str | None, requester: Requester) -> str:
    """yes, no, or perhaps: where no page was named, it may be any of the requester's."""
    if not policy.targets:
        return "yes"
    if target is None:
        ours = any(tree.origin in requester.origins for tree in policy.targets)
        return "perhaps" if ours or not requester.origins else "no"
    inside = any((target + "/").startswith(tree.url.rstrip("/") + "/") for tree in policy.targets)
    return "yes" if inside else "no"


def about_person(test: PersonTest, at: datetime, around: Circumstances) -> str:
    has, perhaps = False, around.uncertain is None or test.attribute in around.uncertain
    for attribute in around.person:
        for value in attribute.values:
            if attribute.name == test.attribute and passes(test.test, value):
                if attribute.valid_until is None or attribute.valid_until > at:
                    has = True
                else:
                    perhaps = True
    if has:
        return "yes" if test.has else "no"
    if perhaps:
        return "unknown"
    return "no" if test.has else "yes"


def condition(when: Condition, at: datetime, around: Circumstances) -> str:
    """yes, no or unknown."""
    local = at.astimezone(when.zone)
    answers = []
    if when.time is not None:
        start, end = when.time
        minute = (local - local.replace(hour=0, minute=0, second=0, microsecond=0)).seconds // 60
        minutes = range(start, end) if start < end else [*range(start, 1440), *range(end)]
        answers.append("yes" if minute in minutes else "no")
    if when.weekdays is not None:
        answers.append("yes" if local.isoweekday() - 1 in when.weekdays else "no")
    if when.dates is not None:
        first, after = when.dates
        begun = first is None or local.date() >= first
        answers.append("yes" if begun and not (after is not None and local.date() >= after) else "no")
    if when.networks is not None:
        near = around.network is not None and around.network.startswith(("192.0.2.", "2001:db8:"))
        answers.append("unknown" if around.network is None else "yes" if near else "no")
    if when.authn_contexts is not None:
        context = around.authn_context
        answers.append("unknown" if context is None else "yes" if context in when.authn_contexts else "no")
    answers += [about_person(test, at, around) for test in when.person]
    return "no" if "no" in answers else "unknown" if "unknown" in answers else "yes"


def enough(count: Count | None, number: int, complete: bool) -> str:
    if count is None:
        return "yes"
    # With a source that did not answer there may be any number more.
    possible = [number] if complete else [*range(number, number + 10)]
    answers = {(count.least is None or n >= count.least) and (count.most is None or n <= count.most) for n in possible}
    return "unknown" if len(answers) > 1 else "yes" if True in answers else "no"


def decided(
    policies: list[ReleasePolicy],
    requester: Requester,
    name: str,
    value: Value,
    number: int,
    target: str | None,
    at: datetime,
    around: Circumstances,
) -> tuple[str, bool]:
    """permit, deny or no_rule, and whether it binds the person."""
    found: list[tuple[str, str]] = []
    for policy in policies:
        here = is_at(policy, target, requester)
        if not is_for(policy.audience, requester):
            continue
        for rule in policy.rules:
            if (rule.attributes is not None and name not in rule.attributes) or not passes(rule.test, value):
                continue
            complete = around.uncertain is not None and name not in around.uncertain
            certainty = {here, condition(policy.when, at, around), enough(rule.count, number, complete)}
            if not rule.permits and "no" not in certainty:
                found.append(("deny", policy.strength))
            if rule.permits and certainty == {"yes"} and may_get_by(policy, requester):
                asked = [
                    a for a in requester.requested if a.name == name and (a.required or policy.only == "requested")
                ]
                if policy.only is None or any(not a.values or str(value) in a.values for a in asked):
                    found.append(("permit", policy.strength))
    if ("deny", "forbidden") in found:
        return "deny", True
    if ("deny", "ordinary") in found:
        return "deny", False
    if ("permit", "mandatory") in found:
        return "permit", True
    return ("permit", False) if found else ("no_rule", False)


def in_origin(requester: Requester, target: str | None) -> bool:
    origin = ("http", "h.example", 80) if target == "http://h.example/x" else ("https", "h.example", 443)
    return target is None or origin in requester.origins


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_leaves_is_what_a_naive_reading_of_all_rules_lets_leave(seed: int) -> None:
    pick = Random(seed)
    for _ in range(30):
        agree(pick)


def agree(pick: Random) -> None:
    """Both say the same about one request."""
    policies = [a_policy(pick) for _ in range(pick.randint(1, 5))]
    requester, known, around, at = a_requester(pick), attributes(pick), circumstances(pick), an_instant(pick)
    target = pick.choice([None, None, None, *TARGETS])
    wanted = pick.choice([None, None, None, attributes(pick)])
    precedence = a_precedence(pick)
    wishes: dict[str, PersonalWish | None] = {
        text: pick.choice([None, "chosen", "chosen", "withheld", "not_asked"]) for text in "abc"
    }
    index = index_policies(policies)
    decision = release(index, requester, known, target=target, at=at, wanted=wanted, circumstances=around)

    considered = [(attribute, value) for attribute in known for value in attribute.values]
    expected, hers, bound = [], [], []
    for attribute, value in considered:
        name = attribute.name
        asked = None if wanted is None else [item for item in wanted if item.name == name]
        number = len([one for one, _ in considered if one.name == name])
        answer, binds = decided(policies, requester, name, value, number, target, at, around)
        open_to_choice = (
            in_origin(requester, target)
            and not (attribute.valid_until is not None and attribute.valid_until <= at)
            and (asked is None or any(not item.values or value in item.values for item in asked))
        )
        wish = wishes[value.text]
        if open_to_choice and answer == "permit":
            expected.append((name, value))
            kept = wish == "not_asked" or (wish == "withheld" and "withhold" in precedence.people_may)
            goes = binds or not kept
        else:
            goes = (
                wish == "chosen"
                and open_to_choice
                and not binds
                and requester.known
                and not requester.anonymous
                and "release" in precedence.people_may
                and name not in precedence.never_release
                and (precedence.release_only_to is None or "c1" in requester.entity_categories)
            )
        if goes:
            hers.append((name, value))
        bound.append(binds and open_to_choice)

    case = (policies, requester, known, target, wanted, at, around)
    assert [(a.name, v) for a in decision.attributes for v in a.values] == expected, case
    assert [(v.attribute, v.value) for v in decision.verdicts if v.released] == expected
    assert [(v.attribute, v.value) for v in decision.verdicts] == [(a.name, v) for a, v in considered]
    assert [v.bound for v in decision.verdicts] == bound, case

    def wish_of(_name: str, value: Value) -> PersonalWish | None:
        return wishes[value.text]

    wished = as_she_wishes(decision, wish_of, known, requester=requester, precedence=precedence)
    assert [(a.name, v) for a in wished.attributes for v in a.values] == hers, (case, wishes, precedence)
    assert [(v.attribute, v.value) for v in wished.verdicts if v.released] == hers
    assert {v.policy for v in wished.verdicts if v.reason == "chosen"} <= {HER_OWN}

    # What was worked out about the requester serves what it asks after that.
    later, more, elsewhere = an_instant(pick), attributes(pick), pick.choice([None, *TARGETS])
    again = release(index, requester, more, target=elsewhere, at=later, wanted=None, circumstances=around)
    assert again == release(
        index_policies(policies),
        replace(requester),
        more,
        target=elsewhere,
        at=later,
        wanted=None,
        circumstances=around,
    )

    unused = policies_not_applied(index, requester, target=target, at=at, circumstances=around)
    some_play_no_part = any(
        is_for(policy.audience, requester) and not plays_its_part(policy, requester, target, at, around)
        for policy in policies
    )
    assert bool(unused) is some_play_no_part, case


def plays_its_part(
    policy: ReleasePolicy, requester: Requester, target: str | None, at: datetime, around: Circumstances
) -> bool:
    """Whether each kind of rules that it has applies."""
    holds, here = condition(policy.when, at, around), is_at(policy, target, requester)
    return all(
        (here == holds == "yes" and may_get_by(policy, requester)) if rule.permits else "no" not in (here, holds)
        for rule in policy.rules
    )
