"""One attribute release policy (ARP) as compiled: for whom it is, when it applies, and its rules. Reads no file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ostiary.attributes import Value
from ostiary.policy.patterns import Pattern
from ostiary.policy.release.circumstances import ALWAYS, Circumstances, Condition
from ostiary.policy.release.requester import Requester
from ostiary.policy.urltree import Location, UrlTree
from ostiary.policy.values import EVERY_VALUE, ValueTest

Strength = Literal["ordinary", "mandatory", "forbidden"]
"""What a policy leaves to the person: ``mandatory``: she can't withhold what it permits; ``forbidden``: she can't
release what it denies."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many values an attribute must have; None: no such bound."""

    least: int | None = None
    most: int | None = None

    def holds(self, number: int, *, complete: bool) -> bool | None:
        """None where ``number`` values were found but there may be more (not ``complete``), and that would decide."""
        if self.most is not None and number > self.most:
            return False
        enough = self.least is None or number >= self.least
        if complete:
            return enough
        return True if enough and self.most is None else None


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """Permits or denies values. ``attributes`` are the names that it speaks of, None means every attribute; ``count`` limits it to
    attributes with so many values."""

    id: str
    permits: bool
    attributes: frozenset[str] | None
    test: ValueTest = EVERY_VALUE
    count: Count | None = None

    def is_about(self, name: str) -> bool:
        """Whether the rule speaks of attributes of that name."""
        return self.attributes is None or name in self.attributes

    def fits(self, number: int, *, complete: bool) -> bool:
        """Whether it is about an attribute of which ``number`` values are known. What is not known never widens."""
        if self.count is None:
            return True
        holds = self.count.holds(number, complete=complete)
        return holds is True if self.permits else holds is not False

    def matches(self, name: str, value: Value) -> bool:
        """Whether the rule is about this value of this attribute, leaving out how many there are."""
        return self.is_about(name) and self.test.holds(value)


@dataclass(frozen=True, slots=True)
class EntityAttributeTest:
    """The requester's metadata has an entity attribute of this name with one of these values, or a value that matches."""

    name: str
    values: frozenset[str] | None = None
    pattern: Pattern | None = None

    def holds(self, requester: Requester) -> bool:
        """Whether one value passes."""
        return any(
            (self.values is None or value in self.values) and (self.pattern is None or self.pattern.matches(value))
            for name, values in requester.entity_attributes
            if name == self.name
            for value in values
        )


@dataclass(frozen=True, slots=True)
class Audience:
    """For whom a policy is: each thing that is given must hold for the requester; ``anyone`` and ``anonymous`` stand alone. ``unless``:
    not for those whom this other audience includes."""

    anyone: bool = False
    entity_ids: frozenset[str] | None = None
    pattern: Pattern | None = None
    categories: frozenset[str] | None = None
    authorities: frozenset[str] | None = None
    entity_attributes: tuple[EntityAttributeTest, ...] = ()
    anonymous: bool = False
    unless: "Audience | None" = None

    def includes(self, requester: Requester) -> bool:
        """Whether the requester belongs to it, whether or not metadata knows the requester. One that proved nothing belongs to
        ``anonymous``, and to ``anyone`` as far as denials go."""
        if self.anonymous or (requester.anonymous and not self.anyone):
            return self.anonymous and requester.anonymous
        return (
            (self.entity_ids is None or requester.entity_id in self.entity_ids)
            and (self.categories is None or not self.categories.isdisjoint(requester.entity_categories))
            and (self.authorities is None or requester.registration_authority in self.authorities)
            and all(test.holds(requester) for test in self.entity_attributes)
            and (self.pattern is None or self.pattern.matches(requester.entity_id))
            and (self.unless is None or not self.unless.includes(requester))
        )


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """One compiled policy. ``targets`` are the application domains it is limited to (none: any request, with or without a target);
    ``only`` limits its permits to what the requester's metadata requests, or requires; ``when`` is the condition under which it applies;
    ``strength`` what it leaves to the person; ``file`` is where it stands, in line ``line``.
    """

    id: str
    audience: Audience
    rules: tuple[ReleaseRule, ...]
    targets: tuple[UrlTree, ...] = ()
    only: Literal["requested", "required"] | None = None
    file: str = ""
    strength: Strength = "ordinary"
    when: Condition = ALWAYS
    description: str = ""
    line: int = 0

    @property
    def depends_on_request(self) -> bool:
        """Whether it takes more than the requester to know whether it applies."""
        return bool(self.targets) or self.when is not ALWAYS

    def permits_for(self, requester: Requester) -> bool:
        """Whether the permits of this policy are for such a requester, if its audience includes it."""
        if requester.anonymous:
            return self.audience.anonymous
        return requester.known or self.audience.anyone

    def permits_under(
        self, requester: Requester, location: Location | None, at: datetime, circumstances: Circumstances
    ) -> bool:
        """Whether the permits of this policy apply to such a request: everything must be known to hold."""
        return (
            self.permits_for(requester)
            and self.permits_at(location)
            and (self.when is ALWAYS or self.when.holds(at, circumstances) is True)
        )

    def denies_under(
        self, requester: Requester, location: Location | None, at: datetime, circumstances: Circumstances
    ) -> bool:
        """Whether the denials of this policy apply to such a request: nothing may be known not to hold."""
        return self.denies_at(requester, location) and (
            self.when is ALWAYS or self.when.holds(at, circumstances) is not False
        )

    def permits_at(self, location: Location | None) -> bool:
        """Whether the target lies in its application domains however it is read."""
        return not self.targets or (location is not None and any(tree.holds(location) for tree in self.targets))

    def denies_at(self, requester: Requester, location: Location | None) -> bool:
        """Whether the target lies in its application domains in at least one way to read it. One that was not named may lie wherever the
        requester has an endpoint."""
        if not self.targets:
            return True
        if location is None:
            return not requester.origins or any(tree.origin in requester.origins for tree in self.targets)
        return any(tree.touches(location) for tree in self.targets)

    def values_asked(self, requester: Requester, name: str) -> frozenset[str] | None:
        """The values of the attribute that ``only`` leaves to the permits: those that metadata names; None for all values."""
        if self.only is None:
            return None
        named: set[str] = set()
        for asked in requester.requested:
            if asked.name == name and (asked.required or self.only == "requested"):
                if not asked.values:
                    return None
                named |= asked.values
        return frozenset(named)

    def says(self, *, permits: bool) -> Sequence[ReleaseRule]:
        """Its rules of one kind, in their order."""
        return [rule for rule in self.rules if rule.permits is permits]
