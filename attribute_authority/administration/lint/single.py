"""What a release policy shows by itself: tests that nothing passes, names that nothing has, patterns that match everything. Pure."""

from collections.abc import Iterator, Sequence

from attribute_authority.administration.lint.coverage import matches_everything
from attribute_authority.administration.lint.report import LONG_PATTERN, Finding, Level, Nearest, Places, World, listed
from ostiary.attributes import SCOPED
from ostiary.config import Document
from ostiary.policy.patterns import Pattern
from ostiary.policy.release import Audience, ReleasePolicies, ReleasePolicy, ReleaseRule
from ostiary.policy.values import EVERY_VALUE, ValueTest


def each_policy(policies: ReleasePolicies, world: World, places: Places) -> Iterator[Finding]:
    """Whatever each policy and each of its rules shows without the others and without metadata."""
    nearest = Nearest(world.attributes | world.internal, closeness=0.75)
    for policy in policies.policies:
        yield from _audience(policy, places)
        yield from _condition(policy, world, nearest, places)
        for pattern in patterns_of(policy):
            if len(pattern.text) > LONG_PATTERN:
                yield places.finding("hint", "pattern_long", policy, length=len(pattern.text), most=LONG_PATTERN)
        for rule in policy.rules:
            yield from _attributes(policy, rule, world, nearest, places)
            yield from _values(policy, rule, places)


def unused(documents: Sequence[Document]) -> Iterator[Finding]:
    """Groups of requesters and sets of values that no policy names."""
    policies = [policy for document in documents for policy in document.data.get("policies") or ()]
    named = {name for policy in policies for name in _several(policy["for"].get("group"))}
    sets = {name for policy in policies for rule in policy["rules"] for name in _several(rule.get("value_set"))}
    for document in documents:
        for section, used in (("groups", named), ("value_sets", sets)):
            for name in document.data.get(section) or {}:
                if name not in used:
                    line = document.line(section, name)
                    yield Finding("hint", f"unused_{section}", str(document.path), line, facts={"name": name})


def _several(written: object) -> Sequence[str]:
    """One name or a list of them, as documents have them."""
    return (written,) if isinstance(written, str) else tuple(written) if isinstance(written, list) else ()


def patterns_of(policy: ReleasePolicy) -> Iterator[Pattern]:
    """Every pattern in it."""
    excepted: Audience | None = policy.audience
    while excepted is not None:
        yield from _audience_patterns(excepted)
        excepted = excepted.unless
    for each in (*(rule.test for rule in policy.rules), *(person.test for person in policy.when.person)):
        test: ValueTest | None = each
        while test is not None:
            if test.pattern is not None:
                yield test.pattern
            test = test.unless


def is_empty(audience: Audience) -> bool:
    """Whether nobody can ever be in it: an intersection without members."""
    named, pattern = audience.entity_ids, audience.pattern
    return named is not None and not any(pattern is None or pattern.matches(entity_id) for entity_id in named)


def _audience_patterns(audience: Audience) -> Iterator[Pattern]:
    if audience.pattern is not None:
        yield audience.pattern
    for attribute in audience.entity_attributes:
        if attribute.pattern is not None:
            yield attribute.pattern


def _audience(policy: ReleasePolicy, places: Places) -> Iterator[Finding]:
    if is_empty(policy.audience):
        yield places.finding("error", "nobody", policy, None, "for")
    for each in _audience_patterns(policy.audience):
        if matches_everything(each):
            yield places.finding("warning", "pattern_everybody", policy, None, "for", pattern=each.text)


def _condition(policy: ReleasePolicy, world: World, nearest: Nearest, places: Places) -> Iterator[Finding]:
    when = policy.when
    end = when.dates[1] if when.dates is not None else None
    if end is not None and end <= world.now.astimezone(when.zone).date():
        yield places.finding("warning", "date_past", policy, None, "when", end=end.isoformat())
    for test in when.person:
        if test.attribute in world.attributes or test.attribute in world.internal:
            continue
        if near := nearest.to(test.attribute):
            facts = {"attribute": test.attribute, "nearest": near}
            yield places.finding("error", "condition_meant", policy, None, "when", **facts)
        else:
            yield places.finding("warning", "condition_unknown", policy, None, "when", attribute=test.attribute)


def _attributes(
    policy: ReleasePolicy, rule: ReleaseRule, world: World, nearest: Nearest, places: Places
) -> Iterator[Finding]:
    everything = rule.permits and rule.attributes is None and rule.test == EVERY_VALUE
    if everything and (policy.audience.anyone or policy.audience.anonymous):
        yield places.finding("warning", "everything_to_anyone", policy, rule)
    for name in sorted(rule.attributes or ()):
        if name in world.attributes:
            continue
        if name in world.internal:
            yield places.finding("warning", "attribute_internal", policy, rule, attribute=name)
        elif near := nearest.to(name):
            yield places.finding("error", "attribute_meant", policy, rule, attribute=name, nearest=near)
        else:
            # A denial of what is not there yet may well be meant.
            level: Level = "warning" if rule.permits else "hint"
            yield places.finding(level, "attribute_unknown", policy, rule, attribute=name)


def _values(policy: ReleasePolicy, rule: ReleaseRule, places: Places) -> Iterator[Finding]:
    test, names = rule.test, rule.attributes
    by_scope = test.left is not None or test.scope is not None
    if by_scope and names is not None and SCOPED.isdisjoint(names):
        yield places.finding("error", "not_scoped", policy, rule, attributes=listed(names))
    if test.exact is not None and not test.exact:
        yield places.finding("error", "no_value", policy, rule)
    bare = [value for value in test.exact or () if "@" not in value]
    if bare and names is not None and names <= SCOPED:
        yield places.finding("error", "value_without_scope", policy, rule, "value", values=listed(bare))
    if test.pattern is None:
        return
    if test.exact and not any(map(test.pattern.matches, test.exact)):
        yield places.finding("error", "value_and_pattern", policy, rule)
    if matches_everything(test.pattern):
        yield places.finding("warning", "pattern_everything", policy, rule, "pattern", pattern=test.pattern.text)
