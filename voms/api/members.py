"""Members: who they are, by what they are known, what they have."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ostiary.errors import Missing
from ostiary.x509.certificate_names import CertificateNames
from voms.administration.permissions import Permission
from voms.api.groups import Attribute
from voms.api.routing import Call
from voms.api.values import (
    About,
    After,
    Certificate,
    Identity,
    Instant,
    MemberId,
    Most,
    Nothing,
    Path,
    Reason,
    Recurring,
    Search,
    Shape,
    Validity,
)
from voms.browsing import FoundMember, MemberState, search_members
from voms.identities import FederatedIdentity
from voms.members.situation import Situation
from voms.viewing import Given, MemberSeen, see_member


class MembersQuery(Shape):
    """A search, a page at a time. ``group``: who is in it or below it; ``role``: who has it, in that group where one is said."""

    search: Search = ""
    group: Path | None = None
    role: Annotated[str, Field(max_length=128)] | None = None
    state: MemberState | None = None
    after: After | None = None
    most: Most = 50


class Now(Shape):
    """Where a member stands. ``acts``: whether she is given anything; ``reason``: why not."""

    state: str
    acts: bool
    until: datetime | None
    reason: str

    @classmethod
    def of(cls, found: Situation) -> Self:
        """Of what the rules say."""
        return cls(state=found.state.value, acts=found.acts, until=found.until, reason=found.reason)


class ListedMember(Shape):
    """``about``: null for who may not see it, or where nothing is known."""

    member: MemberId
    kind: str
    about: About | None
    certificates: tuple[Certificate, ...]
    until: datetime | None
    now: Now


class Members(Shape):
    """In the order of their names; ``after`` null: it was the last page."""

    members: tuple[ListedMember, ...]
    after: str | None


class HeldCertificate(Certificate):
    """``key`` names it in addresses; ``suspended``: why it gets nothing."""

    key: str
    suspended: str | None


class HeldIdentity(Identity):
    """``key`` names it in addresses."""

    key: str


class Grant(Validity):
    """A group that was given, or ``role`` in it; ``by``: who gave it."""

    group: str
    role: str | None
    by: str

    @classmethod
    def of(cls, found: Given) -> Self:
        """Of what is written."""
        recurs = Recurring.of(found.recurs) if found.recurs is not None else None
        return cls(group=found.group, role=found.role, by=found.by, since=found.since, until=found.until, recurs=recurs)


class Member(Shape):
    """All that the caller may see of a member; ``about`` and ``attributes`` are null for who may not see them."""

    member: MemberId
    kind: str
    since: datetime
    until: datetime | None
    now: Now
    about: About | None
    certificates: tuple[HeldCertificate, ...]
    identities: tuple[HeldIdentity, ...]
    groups: tuple[Grant, ...]
    roles: tuple[Grant, ...]
    attributes: tuple[Attribute, ...] | None


class NewMember(Shape):
    """Known by one certificate or identity at least. ``service``: a host or robot."""

    certificates: Annotated[tuple[Certificate, ...], Field(max_length=10)] = ()
    identities: Annotated[tuple[Identity, ...], Field(max_length=10)] = ()
    kind: Literal["person", "service"] = "person"
    until: Instant | None = None
    about: About | None = None

    @model_validator(mode="after")
    def _is_known_by_something(self) -> Self:
        if not (self.certificates or self.identities):
            raise ValueError("a member is known by a certificate or an identity")
        return self


class MemberAdded(Shape):
    """The id by which everything names her from now on."""

    member: MemberId


class End(Shape):
    """When a membership ends; null: never."""

    until: Instant | None


class Suspension(Shape):
    """The reason is told to her."""

    reason: Reason
    code: Literal["security_incident", "other"] = "other"


class CertificateSuspension(Shape):
    """The reason is told to whoever uses the certificate."""

    reason: Reason


def members(call: Call[MembersQuery, Nothing]) -> Members:
    """Members who fit a search. Wants MEMBERSHIP_READ in the group (the root where none is said) or for the role."""
    desk, query = call.desk, call.query
    group = query.group if query.group is not None else desk.root
    with desk.looking() as rights:
        role = query.role if query.role and not rights.allows(Permission.MEMBERSHIP_READ, group) else None
        rights.require(Permission.MEMBERSHIP_READ, group, role)
        personal = rights.allows(Permission.PERSONAL_INFO_READ, group)
    page = search_members(
        desk.engine,
        desk.vo,
        query.search,
        at=desk.at,
        # The role that she may see is the one in this very group.
        group=group if query.group is not None or role is not None else None,
        role=query.role,
        state=query.state,
        after=query.after,
        most=query.most,
        personal=personal,
    )
    return Members(members=tuple(_listed(each, personal=personal) for each in page.rows), after=page.after)


def member(call: Call[Nothing, Nothing]) -> Member:
    """One member. Wants MEMBERSHIP_READ in a group in which she is; everybody may see herself."""
    found = _seen(call)
    return Member(
        member=found.member,
        kind=found.kind,
        since=found.since,
        until=found.until,
        now=Now.of(found.situation),
        about=About.of(found.details) if found.details is not None else None,
        certificates=tuple(
            HeldCertificate(
                subject=each.names.subject, issuer=each.names.issuer, key=each.names.key, suspended=each.suspended
            )
            for each in found.certificates
        ),
        identities=tuple(
            HeldIdentity(asserted_by=each.asserted_by, attribute=each.attribute, value=each.value, key=each.key)
            for each in found.identities
        ),
        groups=tuple(Grant.of(each) for each in found.groups),
        roles=tuple(Grant.of(each) for each in found.roles),
        attributes=None if found.attributes is None else tuple(Attribute.of(each) for each in found.attributes),
    )


def add_member(call: Call[Nothing, NewMember]) -> MemberAdded:
    """A new member, in the root group. Wants MEMBERSHIP_WRITE in the root, for who she is PERSONAL_INFO_WRITE."""
    wanted = call.body
    known_by: list[CertificateNames | FederatedIdentity] = [
        *(each.names() for each in wanted.certificates),
        *(each.identity() for each in wanted.identities),
    ]
    about = wanted.about.details() if wanted.about is not None else None
    added = call.desk.add_member(*known_by, kind=wanted.kind, until=wanted.until, about=about)
    return MemberAdded(member=added)


def remove_member(call: Call[Nothing, Nothing]) -> None:
    """Ends a membership and all that goes with it. Wants MEMBERSHIP_WRITE in the root."""
    call.desk.remove_member(call.path["member"])


def set_end(call: Call[Nothing, End]) -> None:
    """When the membership ends. Wants MEMBERSHIP_WRITE in the root."""
    call.desk.set_end(call.path["member"], call.body.until)


def set_about(call: Call[Nothing, About]) -> None:
    """Who the member is, for managers' eyes. Wants PERSONAL_INFO_WRITE in the root."""
    call.desk.set_details(call.path["member"], call.body.details())


def suspend(call: Call[Nothing, Suspension]) -> None:
    """The member gets nothing until she is restored. Wants SUSPEND in the root."""
    call.desk.suspend(call.path["member"], call.body.reason, call.body.code)


def restore(call: Call[Nothing, Nothing]) -> None:
    """Takes a suspension back. Wants SUSPEND in the root."""
    call.desk.restore(call.path["member"])


def add_certificate(call: Call[Nothing, Certificate]) -> HeldCertificate:
    """One more certificate of a member. Wants MEMBERSHIP_WRITE in the root, and all that she may do."""
    names = call.body.names()
    call.desk.add_certificate(call.path["member"], names)
    return HeldCertificate(subject=names.subject, issuer=names.issuer, key=names.key, suspended=None)


def remove_certificate(call: Call[Nothing, Nothing]) -> None:
    """Takes a certificate away. Wants MEMBERSHIP_WRITE in the root."""
    call.desk.remove_certificate(call.path["member"], _certificate(call))


def suspend_certificate(call: Call[Nothing, CertificateSuspension]) -> None:
    """The certificate gets nothing; others of the member do. Wants SUSPEND in the root."""
    call.desk.suspend_certificate(call.path["member"], _certificate(call), call.body.reason)


def restore_certificate(call: Call[Nothing, Nothing]) -> None:
    """Takes that back. Wants SUSPEND in the root."""
    call.desk.restore_certificate(call.path["member"], _certificate(call))


def link_identity(call: Call[Nothing, Identity]) -> HeldIdentity:
    """The member is also who a home organisation names so. Wants what a certificate wants."""
    identity = call.body.identity()
    call.desk.link_identity(call.path["member"], identity)
    return HeldIdentity(**call.body.model_dump(), key=identity.key)


def unlink_identity(call: Call[Nothing, Nothing]) -> None:
    """Takes that back. Wants MEMBERSHIP_WRITE in the root."""
    found = next((each for each in _seen(call).identities if each.key == call.path["key"]), None)
    if found is None:
        raise Missing("voms.no_identity", expected="an identity of this member", found=call.path["key"])
    call.desk.unlink_identity(call.path["member"], found)


def _listed(found: FoundMember, *, personal: bool) -> ListedMember:
    return ListedMember(
        member=found.member,
        kind=found.kind,
        about=About.of(found.details) if personal else None,
        certificates=tuple(Certificate(subject=each.subject, issuer=each.issuer) for each in found.certificates),
        until=found.ends,
        now=Now.of(found.situation),
    )


def _seen(call: Call[Nothing, Nothing]) -> MemberSeen:
    desk = call.desk
    with desk.looking() as rights:
        return see_member(rights, desk.root, call.path["member"], desk.at)


def _certificate(call: Call[Nothing, Nothing] | Call[Nothing, CertificateSuspension]) -> CertificateNames:
    desk = call.desk
    with desk.looking() as rights:
        seen = see_member(rights, desk.root, call.path["member"], desk.at)
    found = next((each.names for each in seen.certificates if each.names.key == call.path["key"]), None)
    if found is None:
        raise Missing("voms.no_certificate", expected="a certificate of this member", found=call.path["key"])
    return found
