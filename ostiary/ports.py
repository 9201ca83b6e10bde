"""The Protocols through which rooms reach each other; the roof fills them in. Nothing else stands here.

What is asked and answered at each sign-on is a tuple with names: a frozen dataclass takes six times as long to make.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ostiary.attributes import Attribute, Attributes
from ostiary.config.conclusions import Conclusions
from ostiary.policy.release import ReleaseDecision, Requester, Wish

if TYPE_CHECKING:
    from sqlalchemy import Connection


class People(Protocol):
    """What the rest of a home organisation may ask about its people. ``principal`` is the immutable opaque id."""

    def is_active(self, principal: str) -> bool:
        """Whether this person exists and may be spoken of now. Raises `Unavailable` when the directory does not answer."""
        ...


class ReleaseRequest(NamedTuple):
    """One question to an Attribute Authority.

    ``requester`` is the entityID of the SHAR (proven, never merely claimed); ``target`` the URL whose application domain the
    attributes are for, None when the requester did not say; ``wanted`` the attributes asked for (an empty ``values`` asks for
    all values; SAML core 3.3.2.3), None asks for everything that may be released. ``authority`` is the index of the Attribute Authority
    that knows this person, where an organisation has several. ``anonymous``: nobody proved who asks, and ``requester`` says nothing.
    ``network``: the address from which the organisation was asked (the browser's at a sign-on, the requester's for a query);
    ``authn_context``: how the person logged in (class URI). Both None where it is not known.
    """

    principal: str
    requester: str
    at: datetime
    target: str | None = None
    wanted: Attributes | None = None
    authority: int = 0
    anonymous: bool = False
    network: str | None = None
    authn_context: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseNote:
    """Something that kept a value from being considered: ``reason`` (as the Attribute Authority's definitions name it), the connector or
    attribute, and a detail for the log; no values."""

    reason: str
    source: str
    detail: str = ""


class Release(NamedTuple):
    """The answer: what may leave, for each value considered the rule that decided, and what went wrong while the values were sought.
    ``has_her_say`` is False where it is known that nothing the person said bears on it; ``wire_names`` are the names of attributes that
    have a wire name of their own, by that. ``wish`` is what she said, where that is known here. ``conclusions`` are from this answer, where
    the same object may be given again."""

    attributes: tuple[Attribute, ...]
    decision: ReleaseDecision
    notes: tuple[ReleaseNote, ...] = ()
    has_her_say: bool = True
    wire_names: Mapping[str, str] = MappingProxyType({})
    wish: Wish | None = None
    conclusions: Conclusions | None = None


class PersonalChoices(Protocol):
    """What people have said about what may be told about them, each within the bounds that the organisation's policies set."""

    def wish(self, principal: str, requester: Requester, at: datetime, *, before: Wish | None = None) -> Wish | None:
        """Her choice about this requester; None where policies alone decide. ``before``: what it was lately, given again where it still
        says the same; a wish always says the same to a value. Raises `Unavailable` when it can't be found out."""
        ...


class AttributeSource(Protocol):
    """An Attribute Authority, in this process or behind SOAP."""

    def release(self, request: ReleaseRequest) -> Release:
        """Resolve, apply the release policies and answer. Raises `Unavailable` when a required connector does not answer."""
        ...


class AskedRequests(Protocol):
    """Remembers for a while what was asked, so that a change of release policies can be tried out on it."""

    def note(self, connection: "Connection", request: ReleaseRequest, *, pushed: bool) -> None:
        """In the transaction that has just written the audit row about this person. ``pushed``: at a sign-on, by the identity provider."""
        ...

    def sweep(self, now: datetime) -> None:
        """After that transaction: clears away some of what is old, when it is time."""
        ...


class _NothingAsked:
    """Remembers nothing."""

    def note(self, connection: "Connection", request: ReleaseRequest, *, pushed: bool) -> None:
        """Nothing."""

    def sweep(self, now: datetime) -> None:
        """Nothing."""


NOTHING_ASKED: Final[AskedRequests] = _NothingAsked()
"""Remembers nothing."""


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """Whom a lasting identifier names: her ``principal``, and the index of the Attribute Authority that knows her."""

    principal: str
    authority: int = 0


class PersistentNames(Protocol):
    """The lasting identifiers that a home organisation has given to resources."""

    def person_named(self, value: str, requester: str) -> NamedPerson | None:
        """Whom ``requester`` (entityID, proven) knows by this value; None when it names nobody to this requester. Raises `Unavailable`."""
        ...


class SubjectIdentifiers(Protocol):
    """The ``subject-id`` and ``pairwise-id`` values that a home organisation has told resources."""

    def person_told(self, attribute: str, value: str, requester: str) -> NamedPerson | None:
        """Whose ``attribute`` with this value ``requester`` (entityID, proven) was told; None for any other. Raises `Unavailable`."""
        ...


class CertificateNamedPeople(Protocol):
    """People of a home organisation by the names in their certificates."""

    def person_with(self, subject: str) -> NamedPerson | None:
        """Whom a certificate with this subject (as RFC 4514 writes it) names; None where it is nobody, or not one person. Raises
        `Unavailable`."""
        ...


class PrincipalNamedPeople(Protocol):
    """People that an Attribute Authority knows by their eduPersonPrincipalName, whoever gave them that."""

    def person_called(self, name: str) -> NamedPerson | None:
        """Whose name this is; None where it is nobody's. Raises `Unavailable`."""
        ...


class ExternallyNamedPeople(Protocol):
    """People that an Attribute Authority knows by identifiers that other organisations gave them."""

    def person_known_as(self, identifier: str) -> NamedPerson | None:
        """Whose identifier this is; None where it is nobody's, or not one person's. Raises `Unavailable`."""
        ...


class VoMemberships(Protocol):
    """A VO, as far as others may ask it about people whom home organisations name."""

    def names_of(self, asserted_by: str, attribute: str, value: str, at: datetime) -> tuple[str, ...]:
        """The groups and roles (short FQANs) of the member whom ``asserted_by`` (entityID) names by this attribute and value; nothing
        when there is none, or she is suspended. Raises `Unavailable` when the VO's database does not answer."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...
