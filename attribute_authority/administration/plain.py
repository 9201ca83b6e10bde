"""A release policy as short statements, for sentences of the catalogue: for whom, when, what. Decides nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ostiary.policy.release import Audience, ReleasePolicy, ReleaseRule
from ostiary.policy.release.circumstances import ALWAYS, Condition
from ostiary.policy.values import ValueTest


@dataclass(frozen=True, slots=True)
class Statement:
    """``key`` names the text (``admin.says.<key>``), which is followed by ``values`` where there are any, and by further statements."""

    key: str
    values: tuple[str, ...] = ()
    inner: "tuple[Statement, ...]" = ()


@dataclass(frozen=True, slots=True)
class RuleInWords:
    """``attributes`` none: all of them; ``limits`` what a value must be."""

    id: str
    permits: bool
    attributes: tuple[str, ...]
    limits: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class PolicyInWords:
    """Everything about one policy, in the order in which people ask."""

    policy: ReleasePolicy
    who: tuple[Statement, ...]
    when: tuple[Statement, ...]
    rules: tuple[RuleInWords, ...]


def in_words(policy: ReleasePolicy, name_of: Callable[[str], str]) -> PolicyInWords:
    """``name_of`` gives what people call the resource of an entityID."""
    return PolicyInWords(
        policy,
        tuple(_who(policy.audience, name_of)),
        tuple(_when(policy)),
        tuple(_rule(rule) for rule in policy.rules),
    )


def _who(audience: Audience, name_of: Callable[[str], str]) -> Iterator[Statement]:
    if audience.anyone:
        yield Statement("anyone")
    if audience.anonymous:
        yield Statement("anonymous")
    if audience.entity_ids is not None:
        yield Statement("requesters", tuple(name_of(entity_id) for entity_id in sorted(audience.entity_ids)))
    if audience.pattern is not None:
        yield Statement("requester_pattern", (audience.pattern.text,))
    if audience.categories is not None:
        yield Statement("entity_category", tuple(sorted(audience.categories)))
    if audience.authorities is not None:
        yield Statement("registration_authority", tuple(sorted(audience.authorities)))
    for test in audience.entity_attributes:
        wanted = (*sorted(test.values or ()), *((test.pattern.text,) if test.pattern is not None else ()))
        yield Statement("entity_attribute", (f"{test.name} = {' | '.join(wanted)}" if wanted else test.name,))
    if audience.unless is not None:
        yield Statement("unless", inner=tuple(_who(audience.unless, name_of)))


def _when(policy: ReleasePolicy) -> Iterator[Statement]:
    if policy.targets:
        yield Statement("target", tuple(tree.url for tree in policy.targets))
    if policy.only is not None:
        yield Statement(policy.only)
    if policy.when is not ALWAYS:
        yield from _condition(policy.when)


def _condition(when: Condition) -> Iterator[Statement]:
    zone = str(when.zone)
    if when.time is not None:
        start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in when.time)
        yield Statement("time", (f"{start}–{end} {zone}",))
    for day in sorted(when.weekdays or ()):
        yield Statement(f"weekday_{day}")
    if when.dates is not None:
        first, end_day = when.dates
        if first is not None:
            yield Statement("date_from", (first.isoformat(),))
        if end_day is not None:
            yield Statement("date_to", (end_day.isoformat(),))
    if when.networks is not None:
        yield Statement("network", tuple(str(network) for network in when.networks))
    if when.authn_contexts is not None:
        yield Statement("authn_context", tuple(sorted(when.authn_contexts)))
    for person in when.person:
        inner = tuple(_limits(person.test))
        yield Statement("person" if person.has else "person_without", (person.attribute,), inner)


def _rule(rule: ReleaseRule) -> RuleInWords:
    limits: list[Statement] = list(_limits(rule.test))
    if rule.count is not None:
        limits.extend(
            Statement(key, (str(number),))
            for key, number in (("at_least", rule.count.least), ("at_most", rule.count.most))
            if number is not None
        )
    return RuleInWords(rule.id, rule.permits, tuple(sorted(rule.attributes or ())), tuple(limits))


def _limits(test: ValueTest) -> Iterator[Statement]:
    lists: Sequence[tuple[str, frozenset[str] | None]] = (
        ("value", test.exact),
        ("left", test.left),
        ("scope", test.scope),
    )
    for key, texts in lists:
        if texts is not None:
            yield Statement(key, tuple(sorted(texts)))
    if test.pattern is not None:
        yield Statement("pattern", (test.pattern.text,))
    if test.unless is not None:
        yield Statement("unless", inner=tuple(_limits(test.unless)))
