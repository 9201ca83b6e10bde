"""What is left of a release decision after the person's own choice, within the bounds that policies and the meta-policy set. Pure."""

from collections.abc import Iterator
from typing import Final

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS
from ostiary.policy.release.minimal import only_needed_identifiers
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence
from ostiary.policy.release.requester import Requester
from ostiary.policy.release.verdict import HER_OWN, NO_RULE, ReleaseDecision, Verdict, Wish

_HERS_TO_ADD: Final = ("deny", "no_rule")


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
    expired, a foreign target, an identifier that the requester does not need) stays. A wish that knows of itself that it never answers
    ``chosen`` may say so by a true attribute ``never_adds``: then it isn't asked about what stays anyway.
    """
    considered = attributes or decision.attributes
    changes = _withheld(decision.verdicts, wish, precedence)
    never_adds = getattr(wish, "never_adds", False)
    if attributes and not never_adds and requester is not None and precedence.may_release_to(requester):
        changes |= _added(decision.verdicts, changes, wish, requester, precedence)
    if not changes:
        return decision
    verdicts = tuple([changes.get(place, verdict) for place, verdict in enumerate(decision.verdicts)])
    # Without `attributes`, those of the decision hold the released values only.
    about = (
        verdicts
        if attributes
        else tuple(after for before, after in zip(decision.verdicts, verdicts, strict=True) if before.released)
    )
    changed = ReleaseDecision(tuple(_released(considered, about)), verdicts)
    return changed if requester is None else only_needed_identifiers(requester, changed)


_Changes = dict[int, Verdict]
"""The verdicts that a wish puts in place of others, by their places."""


def _withheld(verdicts: tuple[Verdict, ...], wish: Wish, precedence: Precedence) -> _Changes:
    """Permits of which she wants, or has to be asked for, something else."""
    changes: _Changes = {}
    for place, (name, value, _, _, _, reason, bound) in enumerate(verdicts):
        if reason == "permit" and not bound:
            wanted = wish(name, value)
            if wanted == "not_asked" or (wanted == "withheld" and precedence.may_withhold()):
                changes[place] = Verdict(name, value, False, "", NO_RULE, wanted)
    return changes


def _added(
    verdicts: tuple[Verdict, ...], withheld: _Changes, wish: Wish, requester: Requester, precedence: Precedence
) -> _Changes:
    """What no policy lets go and she does."""
    others = precedence.never_release
    if requester.identifier is not None:
        # A requester that says which subject identifier it needs is sent one: hers does not take the place of the policies'.
        sent = {one.attribute for place, one in enumerate(verdicts) if one.released and place not in withheld}
        if sent & SUBJECT_IDENTIFIERS:
            others |= SUBJECT_IDENTIFIERS
    changes: _Changes = {}
    for place, (name, value, _, _, _, reason, bound) in enumerate(verdicts):
        if reason in _HERS_TO_ADD and not bound and name not in others and wish(name, value) == "chosen":
            changes[place] = Verdict(name, value, True, HER_OWN, NO_RULE, "chosen")
    return changes


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
