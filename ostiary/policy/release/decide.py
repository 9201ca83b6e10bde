"""Decides which attribute values may leave the home organisation for one requester (attribute release policies, ARP).

Deny wins over permit and the default is nothing. Never resolves attributes, never reads a file or the clock. What it decides with and about
stands in the modules beside it, and is found here by name.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.policy.release.circumstances import NOTHING_KNOWN, Circumstances
from ostiary.policy.release.index import ReleasePolicies
from ostiary.policy.release.minimal import only_needed_identifiers
from ostiary.policy.release.policy import ReleasePolicy
from ostiary.policy.release.requester import Requester
from ostiary.policy.release.rules_for import RuleFor
from ostiary.policy.release.verdict import NO_RULE, ReleaseDecision, ReleaseReason, Verdict
from ostiary.policy.release.wire_names import in_our_names
from ostiary.policy.urltree import Location, read_url


def release(
    policies: ReleasePolicies,
    requester: Requester,
    attributes: Attributes,
    *,
    target: str | None,
    at: datetime,
    wanted: Attributes | None,
    circumstances: Circumstances = NOTHING_KNOWN,
) -> ReleaseDecision:
    """Which values of ``attributes`` may leave for ``requester`` at the instant ``at``.

    ``target`` is the URL whose application domain the values are for; without one, policies for a tree do not apply.
    It is the requester's own word, so one whose origin is not among the requester's gets nothing, like one that hides
    where it leads (see `ostiary.policy.urltree.read_url`). ``wanted`` narrows and never widens: None asks for
    everything, an attribute without values for all its values, one with values for these only (SAML core 3.3.2.3).
    ``circumstances`` is what policies' conditions look at: where they are not known, a permit does not apply and a denial does.

    Deny wins over permit; what no rule permits stays. Of several rules that decide the same, one that binds the person is named. Of the
    subject identifiers that are permitted, those stay that the requester's metadata does not need. Attributes left without a value are
    left out.
    """
    registered = requester
    wanted, requester = in_our_names(attributes, wanted, requester)
    location = read_url(target) if target is not None else None
    unfit = _unfit_target(target, location, requester)
    asked = _asked_values(wanted)
    rules = policies.rules_for(requester, keep=requester is registered)
    idle_denials, idle_permits = rules.idle(location, at, circumstances)

    verdicts: list[Verdict] = []
    released: list[Attribute] = []
    for attribute in attributes:
        name = attribute.name
        denials, permits, counting = rules.about(name)
        if idle_denials:
            denials = tuple([one for one in denials if one.position not in idle_denials])
        if idle_permits:
            permits = tuple([one for one in permits if one.position not in idle_permits])
        if counting:
            number, complete = _number(attributes, name), circumstances.knows_all_of(name)
            denials = tuple([one for one in denials if one.rule.fits(number, complete=complete)])
            permits = tuple([one for one in permits if one.rule.fits(number, complete=complete)])
        is_past = attribute.valid_until is not None and at >= attribute.valid_until
        refused: ReleaseReason | None = unfit or ("expired" if is_past else None)
        kept: list[Value] = []
        for value in attribute.values:
            verdict = _verdict(name, value, refused, asked, denials, permits)
            verdicts.append(verdict)
            if verdict.released:
                kept.append(value)
        if kept:
            released.append(attribute.keeping(kept))
    return only_needed_identifiers(requester, ReleaseDecision(tuple(released), tuple(verdicts)))


def is_timeless(policies: ReleasePolicies, requester: Requester, attributes: Attributes) -> bool:
    """Whether `release` decides about these attributes in the same way at every moment, if everything else stays as it is. ``attributes``:
    those in the circumstances, too."""
    return (
        all(attribute.valid_until is None for attribute in attributes)
        and not policies.rules_for(requester, keep=True).depend_on_moment
    )


class NotApplied(NamedTuple):
    """A policy for this requester that does not apply to this request as it stands, and why: ``requester_unknown``, ``target``, or a key of
    its condition, ``_unknown`` after it where nobody knows whether it holds."""

    policy: str
    why: str


def policies_not_applied(
    policies: ReleasePolicies,
    requester: Requester,
    *,
    target: str | None,
    at: datetime,
    circumstances: Circumstances = NOTHING_KNOWN,
) -> tuple[NotApplied, ...]:
    """Which policies are for this requester and yet play no part, for explanations; the arguments are those of `release`.

    A policy is named where it has rules of a kind, permits or denials, that do not apply; once for each reason.
    """
    location = read_url(target) if target is not None else None
    found: dict[NotApplied, None] = {}
    for policy in policies.concerning(requester):
        permits = bool(policy.says(permits=True))
        unused_permits = permits and not policy.permits_under(requester, location, at, circumstances)
        unused_denials = bool(policy.says(permits=False)) and not policy.denies_under(
            requester, location, at, circumstances
        )
        if not (unused_permits or unused_denials):
            continue
        for why in _why_not(policy, requester, location, at, circumstances, permits=unused_permits):
            found[NotApplied(policy.id, why)] = None
    return tuple(found)


def _why_not(
    policy: ReleasePolicy,
    requester: Requester,
    location: Location | None,
    at: datetime,
    circumstances: Circumstances,
    *,
    permits: bool,
) -> Iterable[str]:
    if permits and not policy.permits_for(requester):
        yield "requester_unknown"
    if not (policy.permits_at(location) if permits else policy.denies_at(requester, location)):
        yield "target"
    for key, known in policy.when.not_met(at, circumstances):
        if known:
            yield key
        elif permits:
            yield f"{key}_unknown"


def _number(attributes: Attributes, name: str) -> int:
    """How many values of that name are known."""
    return sum(len(attribute.values) for attribute in attributes if attribute.name == name)


def _unfit_target(target: str | None, location: Location | None, requester: Requester) -> ReleaseReason | None:
    if target is None:
        return None
    if location is None:
        return "target_unreadable"
    return None if location.origin in requester.origins else "target_foreign"


def _asked_values(wanted: Attributes | None) -> Mapping[str, frozenset[str] | None] | None:
    """The values asked for by name of the attribute, None for all of them; None as a whole for everything."""
    if wanted is None:
        return None
    asked: dict[str, frozenset[str] | None] = {}
    for attribute in wanted:
        texts = frozenset(attribute.texts()) or None
        before = asked.get(attribute.name, frozenset())
        asked[attribute.name] = None if texts is None or before is None else texts | before
    return asked


def _verdict(
    name: str,
    value: Value,
    refused: ReleaseReason | None,
    asked: Mapping[str, frozenset[str] | None] | None,
    denials: tuple[RuleFor, ...],
    permits: tuple[RuleFor, ...],
) -> Verdict:
    if refused is not None:
        return Verdict(name, value, False, "", NO_RULE, refused)
    if asked is not None:
        texts = asked.get(name, frozenset())
        if texts is not None and str(value) not in texts:
            return Verdict(name, value, False, "", NO_RULE, "not_wanted")
    for _, policy, rule, _, test in denials:
        if test is None or test.holds(value):
            return Verdict(name, value, False, policy.id, rule.id, "deny", policy.strength == "forbidden")
    for _, policy, rule, only, test in permits:
        if (only is None or str(value) in only) and (test is None or test.holds(value)):
            return Verdict(name, value, True, policy.id, rule.id, "permit", policy.strength == "mandatory")
    return Verdict(name, value, False, "", NO_RULE, "no_rule")
