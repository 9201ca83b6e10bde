"""What access rules say that can hardly be meant. Decides nothing about people."""

from collections.abc import Iterator
from datetime import datetime

from ostiary.policy.access_conditions import (
    GROUPS_AND_ROLES,
    AllOf,
    AnyOf,
    AttributeCondition,
    Condition,
    ContextCondition,
    FqanCondition,
    IssuerCondition,
    Not,
    TimeCondition,
)
from ostiary.policy.access_rules import AccessPolicy, AccessRule
from ostiary.policy.doubts import Doubt, name_doubts, value_doubts


def access_doubts(policy: AccessPolicy, now: datetime, accepted: frozenset[str] | None = None) -> tuple[Doubt, ...]:
    """In the order of the rules. ``accepted``: the names under which the resource accepts anything, None where that is not known."""
    return tuple(_doubts(policy, now, accepted))


def _doubts(policy: AccessPolicy, now: datetime, accepted: frozenset[str] | None) -> Iterator[Doubt]:
    if not policy.rules:
        yield Doubt("no_rules")
    for position, rule in enumerate(policy.rules):
        for condition in _parts(rule.condition):
            yield from _of_condition(rule.id, condition, now, accepted)
        earlier = policy.rules[:position]
        hiding = [next((one for one in earlier if _hides(one, rule, prefix)), None) for prefix in rule.prefixes]
        first = hiding[0]
        if first is not None and None not in hiding:
            yield Doubt("shadowed", rule.id, "/" + "/".join(rule.prefixes[0]), first.id)


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _parts(part)
        case Not(part):
            yield from _parts(part)
        case _:
            pass


def _of_condition(rule: str, condition: Condition, now: datetime, accepted: frozenset[str] | None) -> Iterator[Doubt]:
    match condition:
        case AttributeCondition(attribute, test):
            yield from _of_name(rule, attribute, accepted)
            yield from value_doubts(rule, attribute, test)
        case FqanCondition():
            if accepted is not None and GROUPS_AND_ROLES not in accepted:
                yield Doubt("not_accepted", rule, GROUPS_AND_ROLES)
        case AllOf(parts):
            yield from _disjoint(rule, parts)
        case TimeCondition(times):
            end = times.dates[1] if times.dates is not None else None
            if end is not None and now.astimezone(times.zone).date() >= end:
                yield Doubt("dates_over", rule, end.isoformat())
        case _:
            pass


def _of_name(rule: str, name: str, accepted: frozenset[str] | None) -> Iterator[Doubt]:
    # Without the acceptance policy any name may be a local one.
    doubts = name_doubts(rule, [name], accepted or (), only_near=True)
    yield from doubts
    if not doubts and accepted is not None and name not in accepted:
        yield Doubt("not_accepted", rule, name)


def _disjoint(rule: str, parts: tuple[Condition, ...]) -> Iterator[Doubt]:
    """There is one home organisation and one authentication context: two lists without a common one never hold together."""
    contexts = [frozenset(part.contexts) for part in parts if isinstance(part, ContextCondition)]
    issuers = [part.issuers for part in parts if isinstance(part, IssuerCondition)]
    for several in (contexts, issuers):
        if len(several) > 1 and not frozenset.intersection(*several):
            yield Doubt("disjoint", rule, " & ".join(" | ".join(sorted(one)) for one in several))


def _hides(first: AccessRule, second: AccessRule, prefix: tuple[str, ...]) -> bool:
    """Whether the second of two rules is never asked about a path."""
    pairs = ((first.methods, second.methods), (first.hosts, second.hosts), (first.applications, second.applications))
    return prefix in first.prefixes and all(one is None or (other is not None and other <= one) for one, other in pairs)
