"""Decides which attribute values may leave the home organisation for one requester (attribute release policies, ARP).

Deny wins over permit and the default is nothing. Never resolves attributes, never reads a file or the clock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.identifiers.requirement import Requirement, identifiers_withheld
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS
from ostiary.policy.patterns import Pattern
from ostiary.policy.urltree import Location, UrlTree, read_url
from ostiary.policy.values import EVERY_VALUE, ValueTest

NO_RULE = "no rule"

Origin = tuple[str, str, int]
"""Scheme, host and port, as `ostiary.policy.urltree.Location` has them."""

ReleaseReason = Literal[
    "permit",
    "deny",
    "no_rule",
    "not_wanted",
    "expired",
    "target_unreadable",
    "target_foreign",
    "identifier_not_needed",
    "withheld",
    "not_asked",
    "chosen",
]

PersonalWish = Literal["chosen", "withheld", "not_asked"]
"""What the person's own choice says to a value: she wants it to go although nothing recommends it, she withholds it, or she was never asked
about it."""

Wish = Callable[[str, Value], PersonalWish | None]
"""What a person's choice says to one value of the attribute of that name; None leaves it to the organisation's policies."""

HER_OWN: Final = "her own choice"
"""What stands for the policy of a value that leaves because the person wants it to."""


@dataclass(frozen=True, slots=True)
class RequestedAttribute:
    """One attribute that a requester's metadata asks for (``md:RequestedAttribute``, SAML metadata 2.4.4.2)."""

    name: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, as far as metadata proves it.

    ``known`` is False for an entity without valid metadata: only policies for ``anyone`` permit it something, every
    deny still holds. ``origins`` are those of its registered endpoints: the only ones for whose URLs it may ask. ``identifier`` says which
    subject identifier it needs, and is counted in ``requested`` too; None where its metadata does not say.
    """

    entity_id: str
    entity_categories: tuple[str, ...] = ()
    registration_authority: str | None = None
    requested: tuple[RequestedAttribute, ...] = ()
    known: bool = True
    origins: frozenset[Origin] = frozenset()
    identifier: Requirement | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one value, and by which rule of which policy.

    Where no rule decided, ``policy`` is empty and ``rule`` is ``NO_RULE``; ``reason`` says why. ``bound``: the rule stands in a policy that
    leaves the person no choice, ``mandatory`` for what is released, ``forbidden`` for what is withheld.
    """

    attribute: str
    value: Value
    released: bool
    policy: str
    rule: str
    reason: ReleaseReason
    bound: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseDecision:
    """What may leave, and one verdict for each value that was considered, in the order of the attributes."""

    attributes: Attributes
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """Permits or denies values. ``attributes`` are the names that it speaks of, None means every attribute."""

    id: str
    permits: bool
    attributes: frozenset[str] | None
    test: ValueTest = EVERY_VALUE

    def matches(self, name: str, value: Value) -> bool:
        """Whether the rule speaks of this value of this attribute."""
        return (self.attributes is None or name in self.attributes) and self.test.holds(value)


@dataclass(frozen=True, slots=True)
class Audience:
    """For whom a policy is: each thing that is given must hold for the requester; ``anyone`` stands alone."""

    anyone: bool = False
    entity_ids: frozenset[str] | None = None
    pattern: Pattern | None = None
    categories: frozenset[str] | None = None
    authorities: frozenset[str] | None = None

    def includes(self, requester: Requester) -> bool:
        """Whether the requester belongs to it, whether or not metadata knows the requester."""
        return (
            (self.entity_ids is None or requester.entity_id in self.entity_ids)
            and (self.categories is None or not self.categories.isdisjoint(requester.entity_categories))
            and (self.authorities is None or requester.registration_authority in self.authorities)
            and (self.pattern is None or self.pattern.matches(requester.entity_id))
        )


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """One compiled policy. ``targets`` are the application domains it is limited to (none: any request, with or
    without a target); ``only`` limits its permits to what the requester's metadata requests, or requires; ``file`` is where it stands.
    """

    id: str
    audience: Audience
    rules: tuple[ReleaseRule, ...]
    targets: tuple[UrlTree, ...] = ()
    only: Literal["requested", "required"] | None = None
    file: str = ""

    def permits_at(self, requester: Requester, location: Location | None) -> bool:
        """Whether the permits of this policy apply to such a request."""
        if not (requester.known or self.audience.anyone):
            return False
        return not self.targets or (location is not None and any(tree.holds(location) for tree in self.targets))

    def denies_at(self, location: Location | None) -> bool:
        """Whether the denials of this policy apply to such a request."""
        return not self.targets or (location is not None and any(tree.touches(location) for tree in self.targets))

    def permits_name(self, requester: Requester, name: str) -> bool:
        """Whether ``only`` leaves this attribute to the permits."""
        if self.only is None:
            return True
        return any(asked.name == name and (asked.required or self.only == "requested") for asked in requester.requested)


@dataclass(frozen=True, slots=True)
class ReleasePolicies:
    """Policies in their order, found by who asks. Built by `index_policies`."""

    policies: tuple[ReleasePolicy, ...]
    _by_entity_id: Mapping[str, Sequence[int]]
    _by_category: Mapping[str, Sequence[int]]
    _by_authority: Mapping[str, Sequence[int]]
    _for_others: Sequence[int]

    def concerning(self, requester: Requester) -> list[ReleasePolicy]:
        """The policies whose audience includes the requester, in their order."""
        found = set(self._for_others)
        found.update(self._by_entity_id.get(requester.entity_id, ()))
        for category in requester.entity_categories:
            found.update(self._by_category.get(category, ()))
        if requester.registration_authority is not None:
            found.update(self._by_authority.get(requester.registration_authority, ()))
        candidates = (self.policies[position] for position in sorted(found))
        return [policy for policy in candidates if policy.audience.includes(requester)]


def index_policies(policies: Iterable[ReleasePolicy]) -> ReleasePolicies:
    """The policies, indexed by the narrowest thing that their audience names."""
    kept = tuple(policies)
    by_entity_id: dict[str, list[int]] = {}
    by_category: dict[str, list[int]] = {}
    by_authority: dict[str, list[int]] = {}
    for_others: list[int] = []
    for position, policy in enumerate(kept):
        audience = policy.audience
        for names, index in (
            (audience.entity_ids, by_entity_id),
            (audience.categories, by_category),
            (audience.authorities, by_authority),
        ):
            if names is not None:
                for name in names:
                    index.setdefault(name, []).append(position)
                break
        else:
            for_others.append(position)
    return ReleasePolicies(
        kept,
        {name: tuple(positions) for name, positions in by_entity_id.items()},
        {name: tuple(positions) for name, positions in by_category.items()},
        {name: tuple(positions) for name, positions in by_authority.items()},
        tuple(for_others),
    )


NO_POLICIES = index_policies(())


def release(
    policies: ReleasePolicies,
    requester: Requester,
    attributes: Attributes,
    *,
    target: str | None,
    at: datetime,
    wanted: Attributes | None,
) -> ReleaseDecision:
    """Which values of ``attributes`` may leave for ``requester`` at the instant ``at``.

    ``target`` is the URL whose application domain the values are for; without one, policies for a tree do not apply.
    It is the requester's own word, so one whose origin is not among the requester's gets nothing, like one that hides
    where it leads (see `ostiary.policy.urltree.read_url`). ``wanted`` narrows and never widens: None asks for
    everything, an attribute without values for all its values, one with values for these only (SAML core 3.3.2.3).
    Deny wins over permit; what no rule permits stays. Of the subject identifiers that are permitted, those stay that the requester's
    metadata does not need. Attributes left without a value are left out.
    """
    location = read_url(target) if target is not None else None
    unfit = _unfit_target(target, location, requester)
    asked = _asked_values(wanted)
    concerning = policies.concerning(requester)
    denying = [policy for policy in concerning if policy.denies_at(location)]
    permitting = [policy for policy in concerning if policy.permits_at(requester, location)]

    verdicts: list[Verdict] = []
    released: list[Attribute] = []
    for attribute in attributes:
        name = attribute.name
        denials = _rules_about(name, denying, permits=False)
        permits = _rules_about(
            name, (policy for policy in permitting if policy.permits_name(requester, name)), permits=True
        )
        refused = unfit or _expired(attribute, at)
        kept: list[Value] = []
        for value in attribute.values:
            verdict = _verdict(name, value, refused, asked, denials, permits)
            verdicts.append(verdict)
            if verdict.released:
                kept.append(value)
        if kept:
            released.append(attribute.keeping(kept))
    return _only_needed_identifiers(requester, ReleaseDecision(tuple(released), tuple(verdicts)))


def as_she_wishes(decision: ReleaseDecision, wish: Wish, attributes: Attributes = ()) -> ReleaseDecision:
    """The decision after the person's own choice, within the bounds that policies set.

    She keeps back what policies let go, unless a mandatory one does. She lets go what no rule permits, or an ordinary rule denies, unless a
    forbidden one does; ``attributes`` is what is known about her, of which such values are taken. What was withheld for any other reason
    (not asked for, expired, a foreign target) stays.
    """
    verdicts = tuple(_after_her_wish(verdict, wish) for verdict in decision.verdicts)
    if verdicts == decision.verdicts:
        return decision
    released = {(verdict.attribute, verdict.value) for verdict in verdicts if verdict.released}
    known = {attribute.name: attribute for attribute in (*decision.attributes, *attributes)}
    kept = (
        attribute.keeping(value for value in attribute.values if (name, value) in released)
        for name, attribute in known.items()
    )
    return ReleaseDecision(tuple(attribute for attribute in kept if attribute.values), verdicts)


def _after_her_wish(verdict: Verdict, wish: Wish) -> Verdict:
    if verdict.bound or verdict.reason not in ("permit", "deny", "no_rule"):
        return verdict
    wanted = wish(verdict.attribute, verdict.value)
    if verdict.released:
        if wanted in ("withheld", "not_asked"):
            return replace(verdict, released=False, policy="", rule=NO_RULE, reason=wanted)
        return verdict
    return (
        replace(verdict, released=True, policy=HER_OWN, rule=NO_RULE, reason=wanted) if wanted == "chosen" else verdict
    )


def _only_needed_identifiers(requester: Requester, decision: ReleaseDecision) -> ReleaseDecision:
    """Data minimisation: a relying party that needs no identifier, or another one, is not sent this one."""
    if requester.identifier is None:
        return decision
    permitted = SUBJECT_IDENTIFIERS.intersection(attribute.name for attribute in decision.attributes)
    withheld = identifiers_withheld(requester.identifier, permitted)
    if not withheld:
        return decision
    return ReleaseDecision(
        tuple(attribute for attribute in decision.attributes if attribute.name not in withheld),
        tuple(
            replace(verdict, released=False, reason="identifier_not_needed")
            if verdict.released and verdict.attribute in withheld
            else verdict
            for verdict in decision.verdicts
        ),
    )


_Rules = list[tuple[ReleasePolicy, ReleaseRule]]


def _rules_about(name: str, policies: Iterable[ReleasePolicy], *, permits: bool) -> _Rules:
    return [
        (policy, rule)
        for policy in policies
        for rule in policy.rules
        if rule.permits is permits and (rule.attributes is None or name in rule.attributes)
    ]


def _unfit_target(target: str | None, location: Location | None, requester: Requester) -> ReleaseReason | None:
    if target is None:
        return None
    if location is None:
        return "target_unreadable"
    return None if location.origin in requester.origins else "target_foreign"


def _expired(attribute: Attribute, at: datetime) -> ReleaseReason | None:
    if attribute.valid_until is not None and at >= attribute.valid_until:
        return "expired"
    return None


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
    denials: _Rules,
    permits: _Rules,
) -> Verdict:
    if refused is not None:
        return Verdict(name, value, False, "", NO_RULE, refused)
    if asked is not None:
        texts = asked.get(name, frozenset())
        if texts is not None and str(value) not in texts:
            return Verdict(name, value, False, "", NO_RULE, "not_wanted")
    for policy, rule in denials:
        if rule.test.holds(value):
            return Verdict(name, value, False, policy.id, rule.id, "deny")
    for policy, rule in permits:
        if rule.test.holds(value):
            return Verdict(name, value, True, policy.id, rule.id, "permit")
    return Verdict(name, value, False, "", NO_RULE, "no_rule")
