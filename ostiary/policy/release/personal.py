"""What is left of a release decision after the person's own choice, within the bounds that policies and the meta-policy set. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS
from ostiary.policy.release.minimal import only_needed_identifiers
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence
from ostiary.policy.release.requester import Requester
from ostiary.policy.release.verdict import HER_OWN, NO_RULE, ReleaseDecision, Verdict, Wish


def as_she_wishes(
    decision: ReleaseDecision,
    wish: Wish,
    attributes: Attributes = (),
    *,
    requester: Requester | None = None,
    precedence: Precedence = DEFAULT_PRECEDENCE,
) -> ReleaseDecision:
    """The decision after the person's own choice, within the bounds that policies set and ``precedence`` leaves.

    She keeps back what policies let go, unless a mandatory one does. She lets go what no rule permits, or an ordinary rule denies, unless
    a forbidden one does, and only to a ``requester`` that metadata knows (none given: to nobody). ``attributes`` is what the decision was
    made about, of which such values are taken; left out, nothing can be added. What was withheld for any other reason (not asked for,
    expired, a foreign target, an identifier that the requester does not need) stays.
    """
    considered = attributes or decision.attributes
    verdicts = tuple(_unless_she_withholds(verdict, wish, precedence) for verdict in decision.verdicts)
    if attributes and requester is not None and precedence.may_release_to(requester):
        others = _not_hers_to_add(requester, verdicts) | precedence.never_release
        verdicts = tuple(
            verdict if verdict.attribute in others else _if_she_adds(verdict, wish) for verdict in verdicts
        )
    if verdicts == decision.verdicts:
        return decision
    # Without `attributes`, those of the decision hold the released values only.
    about = (
        verdicts
        if attributes
        else tuple(after for before, after in zip(decision.verdicts, verdicts, strict=True) if before.released)
    )
    changed = ReleaseDecision(tuple(_released(considered, about)), verdicts)
    return changed if requester is None else only_needed_identifiers(requester, changed)


def _unless_she_withholds(verdict: Verdict, wish: Wish, precedence: Precedence) -> Verdict:
    if verdict.bound or verdict.reason != "permit":
        return verdict
    wanted = wish(verdict.attribute, verdict.value)
    if wanted == "not_asked" or (wanted == "withheld" and precedence.may_withhold()):
        return replace(verdict, released=False, policy="", rule=NO_RULE, reason=wanted)
    return verdict


def _if_she_adds(verdict: Verdict, wish: Wish) -> Verdict:
    if verdict.bound or verdict.reason not in ("deny", "no_rule"):
        return verdict
    if wish(verdict.attribute, verdict.value) != "chosen":
        return verdict
    return replace(verdict, released=True, policy=HER_OWN, rule=NO_RULE, reason="chosen")


def _not_hers_to_add(requester: Requester, verdicts: tuple[Verdict, ...]) -> frozenset[str]:
    """A requester that says which subject identifier it needs is sent one: hers does not take the place of the policies'."""
    if requester.identifier is None:
        return frozenset()
    sent = {verdict.attribute for verdict in verdicts if verdict.released}
    return SUBJECT_IDENTIFIERS if sent & SUBJECT_IDENTIFIERS else frozenset()


def _released(attributes: Attributes, verdicts: tuple[Verdict, ...]) -> Iterator[Attribute]:
    """What is left of the attributes; ``verdicts``: one for each of their values, in the same order."""
    if sum(len(attribute.values) for attribute in attributes) != len(verdicts):
        raise ValueError("the verdicts are about other attributes")
    following = iter(verdicts)
    for attribute in attributes:
        kept = [value for value in attribute.values if _lets_go(next(following), attribute, value)]
        if kept:
            yield attribute.keeping(kept)


def _lets_go(verdict: Verdict, attribute: Attribute, value: Value) -> bool:
    if (verdict.attribute, verdict.value) != (attribute.name, value):
        raise ValueError(f"a verdict about {verdict.attribute}, where {attribute.name} was considered")
    return verdict.released
