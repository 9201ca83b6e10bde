"""Whether a policy's conditions hold: when, from where, how she logged in, and what is known about her. Three-valued: what can't be known
is neither true nor false. Decides nothing about attributes, and never reads the clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from ostiary.attributes import Attributes
from ostiary.config.network import Network, is_in
from ostiary.policy.times import Times
from ostiary.policy.values import ValueTest

NotMet = Literal["time", "weekday", "date", "network", "authn_context", "person"]
"""Which key of a condition is not known to hold."""


class Circumstances(NamedTuple):
    """What is known about one request beside the requester.

    ``network``: the address from which the organisation was asked; ``authn_context``: how the person logged in (class URI); both None
    where it is not known. ``person``: what is known about her, internal definitions included. ``uncertain``: the attributes that may have
    more values, because a source did not answer; None: any of them.
    """

    network: str | None = None
    authn_context: str | None = None
    person: Attributes = ()
    uncertain: frozenset[str] | None = frozenset()

    def knows_all_of(self, name: str) -> bool:
        """Whether what is not there of this attribute is known not to be true."""
        return self.uncertain is not None and name not in self.uncertain


NOTHING_KNOWN = Circumstances(uncertain=None)


@dataclass(frozen=True, slots=True)
class PersonTest:
    """She has a value of this attribute that passes the test; where ``has`` is False, she has none."""

    attribute: str
    test: ValueTest
    has: bool = True

    def holds(self, circumstances: Circumstances, at: datetime) -> bool | None:
        """None where nobody knows: a source did not answer, or the value is no longer valid."""
        found: bool | None = False if circumstances.knows_all_of(self.attribute) else None
        for attribute in circumstances.person:
            if attribute.name == self.attribute and any(self.test.holds(value) for value in attribute.values):
                if attribute.valid_until is None or at < attribute.valid_until:
                    return self.has
                found = None
        return found if found is None or self.has else not found


@dataclass(frozen=True, slots=True)
class Condition(Times):
    """All that is given must hold; nothing given always holds."""

    networks: tuple[Network, ...] | None = None
    authn_contexts: frozenset[str] | None = None
    person: tuple[PersonTest, ...] = ()

    def holds(self, at: datetime, circumstances: Circumstances) -> bool | None:
        """True and False where it is known, None where it is not."""
        known: bool | None = True
        for _, part in self._parts(at, circumstances):
            if part is False:
                return False
            known = known and part
        return known

    def not_met(self, at: datetime, circumstances: Circumstances) -> tuple[tuple[NotMet, bool], ...]:
        """What keeps it from being known to hold: the key, and whether that is known to be false (else nobody knows)."""
        return tuple((key, part is False) for key, part in self._parts(at, circumstances) if part is not True)

    def _parts(self, at: datetime, circumstances: Circumstances) -> list[tuple[NotMet, bool | None]]:
        parts: list[tuple[NotMet, bool | None]] = [*self.of_the_moment(at)]
        if self.networks is not None:
            address = circumstances.network
            parts.append(("network", None if address is None else is_in(address, self.networks)))
        if self.authn_contexts is not None:
            context = circumstances.authn_context
            parts.append(("authn_context", None if context is None else context in self.authn_contexts))
        parts.extend(("person", test.holds(circumstances, at)) for test in self.person)
        return parts


ALWAYS = Condition()
