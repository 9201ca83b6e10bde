"""What an acceptance policy says that can hardly be meant. Decides nothing about values."""

from collections.abc import Iterator

from ostiary.attributes import SCOPED
from ostiary.policy.acceptance import ANY_ISSUER, AcceptancePolicy, AcceptanceRule
from ostiary.policy.doubts import Doubt, name_doubts, value_doubts
from ostiary.policy.values import EVERY_VALUE


def acceptance_doubts(policy: AcceptancePolicy) -> tuple[Doubt, ...]:
    """In the order of the rules."""
    return tuple(_doubts(policy))


def given_names(policy: AcceptancePolicy) -> frozenset[str]:
    """The names under which anything can be accepted."""
    return frozenset({rule.gives for rule in policy.rules} | {making.name for making in policy.combinations})


def _doubts(policy: AcceptancePolicy) -> Iterator[Doubt]:
    if not policy.rules:
        yield Doubt("no_rules")
    for position, rule in enumerate(policy.rules):
        yield from name_doubts(rule.id, [rule.attribute])
        yield from value_doubts(rule.id, rule.attribute, rule.test)
        if rule.registered_value and rule.attribute in SCOPED:
            # A value with an @ in it is no scope.
            yield Doubt("scope_never", rule.id, rule.attribute)
        before = next((other for other in policy.rules[:position] if _takes_all_of(other, rule)), None)
        if before is not None:
            yield Doubt("shadowed", rule.id, rule.attribute, before.id)
    given = {rule.gives for rule in policy.rules}
    for making in policy.combinations:
        yield from (Doubt("source_never", making.name, source) for source in making.sources if source not in given)
        given.add(making.name)
    for requirement in policy.required:
        if given.isdisjoint(requirement.any_of):
            yield Doubt("required_never", "", " | ".join(requirement.any_of))


def _takes_all_of(first: AcceptanceRule, second: AcceptanceRule) -> bool:
    """Whether no value is left for the second of two rules."""
    return (
        first.attribute == second.attribute
        and first.issuers in (ANY_ISSUER, second.issuers)
        and first.test in (EVERY_VALUE, second.test)
        and (not first.registered_scope or second.registered_scope)
        and (not first.registered_value or second.registered_value)
        and first.change is None
    )
