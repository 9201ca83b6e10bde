"""What an access rule can ask for, and whether it holds for a person, her login and the moment. Decides about no path.

Three-valued: what can't be known is neither true nor false, so ``not`` does not turn it into a permission. What was told about a person
is all there is: an attribute that is missing is known not to be there.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final, Protocol

from ostiary.attributes import Attributes
from ostiary.config.network import Network, is_address, is_in
from ostiary.errors import Refusal
from ostiary.policy.access import Check, Environment, Subject
from ostiary.policy.times import TimeKey, Times
from ostiary.policy.values import ValueTest
from ostiary.x509.fqan import MAX_LENGTH, Fqan, parse_fqan

GROUPS_AND_ROLES: Final = "isMemberOf"
"""The attribute whose values are FQANs, wherever they come from (`ostiary.x509.verify.attributes_of`, or a home organisation)."""


class Condition(Protocol):
    """Something that a rule asks for."""

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """Whether it holds; None where nobody knows. ``usable`` are the attributes that are still valid. Each elementary condition in it
        is noted in ``checks``, also when the outcome is clear before: people want the whole reason."""
        ...

    @property
    def contexts(self) -> tuple[str, ...]:
        """The authentication context classes that it speaks of."""
        ...


class _Elementary:
    """Speaks of no authentication context."""

    __slots__ = ()

    @property
    def contexts(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class AttributeCondition(_Elementary):
    """The subject has the attribute, with a value that passes the test."""

    attribute: str
    test: ValueTest
    expected: str

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool:
        """See `Condition`."""
        name, passes = self.attribute, self.test.holds
        found: tuple[str, ...] = ()
        holds = False
        for attribute in usable:
            if attribute.name == name:
                found += attribute.texts()
                for value in attribute.values:
                    if passes(value):
                        holds = True
                        break
        checks.append(Check("attribute", name, self.expected, found, holds, negated))
        return holds


@dataclass(frozen=True, slots=True)
class FqanCondition(_Elementary):
    """She has one of these groups or roles of a VO. A bare group means membership, a role the role in that very group; with ``below``
    groups below count, too, and for a bare group every role. Capabilities are not looked at."""

    fqans: tuple[Fqan, ...]
    below: bool

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool:
        """See `Condition`."""
        texts = [text for attribute in usable if attribute.name == GROUPS_AND_ROLES for text in attribute.texts()]
        found = tuple(dict.fromkeys(fqan for text in texts if (fqan := _fqan(text[: MAX_LENGTH + 1])) is not None))
        holds = any(self._covers(wanted, fqan) for fqan in found for wanted in self.fqans)
        expected = " | ".join(self._in_words(wanted) for wanted in self.fqans)
        shorts = tuple(fqan.short() for fqan in found)
        checks.append(Check("fqan", GROUPS_AND_ROLES, expected, shorts, holds, negated))
        return holds

    def _covers(self, wanted: Fqan, fqan: Fqan) -> bool:
        if not self.below:
            return fqan == wanted
        inside = fqan.group == wanted.group or fqan.group.startswith(f"{wanted.group}/")
        return inside and wanted.role in (None, fqan.role)

    def _in_words(self, wanted: Fqan) -> str:
        role = "" if wanted.role is None else f"/Role={wanted.role}"
        return f"{wanted.group}/*{role}" if self.below else wanted.short()


# Long texts, which are no FQANs, are handed in cut.
@lru_cache(maxsize=512)
def _fqan(text: str) -> Fqan | None:
    try:
        return parse_fqan(text)
    except Refusal:
        return None


@dataclass(frozen=True, slots=True)
class IssuerCondition(_Elementary):
    """Her home organisation is one of these (entityIDs)."""

    issuers: frozenset[str]

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """See `Condition`."""
        issuer = subject.issuer
        holds = None if issuer is None else issuer in self.issuers
        found = () if issuer is None else (issuer,)
        checks.append(Check("issuer", "", " | ".join(sorted(self.issuers)), found, holds, negated))
        return holds


@dataclass(frozen=True, slots=True)
class ContextCondition:
    """She logged in by one of these authentication context classes."""

    contexts: tuple[str, ...]

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """See `Condition`."""
        context = subject.authn_context
        holds = None if context is None else context in self.contexts
        found = () if context is None else (context,)
        checks.append(Check("authn_context", "", " | ".join(self.contexts), found, holds, negated))
        return holds


@dataclass(frozen=True, slots=True)
class AgeCondition(_Elementary):
    """Her login is not older than this."""

    within: timedelta

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """See `Condition`."""
        if subject.authenticated_at is None:
            checks.append(Check("authn_age", "", str(self.within), (), None, negated))
            return None
        age = environment.at - subject.authenticated_at
        holds = age <= self.within
        checks.append(Check("authn_age", "", str(self.within), (str(age),), holds, negated))
        return holds


@dataclass(frozen=True, slots=True)
class AuthenticatedCondition(_Elementary):
    """She is logged in: holds for every subject."""

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool:
        """See `Condition`."""
        checks.append(Check("authenticated", "", "", (), True, negated))
        return True


@dataclass(frozen=True, slots=True)
class TimeCondition(_Elementary):
    """The moment lies in these spans. ``words`` is how the document writes each of them, with the time zone."""

    times: Times
    words: tuple[tuple[TimeKey, str], ...]

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool:
        """See `Condition`."""
        local = environment.at.astimezone(self.times.zone)
        found = {"date": f"{local:%Y-%m-%d}", "weekday": _WEEKDAYS[local.weekday()], "time": f"{local:%H:%M}"}
        words = dict(self.words)
        parts = self.times.of_the_moment(environment.at)
        checks.extend(Check(key, "", words[key], (found[key],), holds, negated) for key, holds in parts)
        return all(holds for _, holds in parts)


_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class NetworkCondition(_Elementary):
    """The request comes from one of these networks."""

    networks: tuple[Network, ...]

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """See `Condition`."""
        address = environment.network
        # What stands in place of an address (a socket's path, a proxy's word) tells nothing.
        holds = is_in(address, self.networks) if address is not None and is_address(address) else None
        found = () if address is None else (address,)
        checks.append(Check("network", "", " | ".join(map(str, self.networks)), found, holds, negated))
        return holds


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each part holds."""

    parts: tuple[Condition, ...]

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """See `Condition`."""
        held = [part.known(subject, usable, environment, checks, negated) for part in self.parts]
        if False in held:
            return False
        return None if None in held else True

    @property
    def contexts(self) -> tuple[str, ...]:
        """See `Condition`."""
        return tuple(context for part in self.parts for context in part.contexts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """See `Condition`."""
        held = [part.known(subject, usable, environment, checks, negated) for part in self.parts]
        if True in held:
            return True
        return None if None in held else False

    @property
    def contexts(self) -> tuple[str, ...]:
        """See `Condition`."""
        return tuple(context for part in self.parts for context in part.contexts)


@dataclass(frozen=True, slots=True)
class Not:
    """The part is known not to hold; for an attribute that she lacks, this holds."""

    part: Condition

    def known(
        self, subject: Subject, usable: Attributes, environment: Environment, checks: list[Check], negated: bool
    ) -> bool | None:
        """See `Condition`."""
        held = self.part.known(subject, usable, environment, checks, not negated)
        return None if held is None else not held

    @property
    def contexts(self) -> tuple[str, ...]:
        """See `Condition`."""
        return self.part.contexts


def one_is_enough(condition: Condition) -> bool:
    """Whether it holds as soon as one of its elementary conditions does."""
    return isinstance(condition, AnyOf) and all(_is_one_check(part) for part in condition.parts)


def _is_one_check(condition: Condition) -> bool:
    if isinstance(condition, TimeCondition):
        return len(condition.words) == 1
    return not isinstance(condition, AllOf | AnyOf | Not)
