"""What people ask for and managers decide, and invitations."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from ostiary.errors import Missing
from voms.api.routing import Call
from voms.api.values import About, Certificate, Identity, Instant, MemberId, Nothing, Reason, Shape, Validity
from voms.requests.asked import Request, Wish
from voms.requests.desk import RequestDesk
from voms.requests.invitations import Invitations
from voms.requests.kept import Invitation
from voms.requests.office import Office
from voms.requests.submitting import read_wish

_Wish = Annotated[str, Field(min_length=2, max_length=255, examples=["/example/data/Role=reader"])]


class RequestShown(Shape):
    """One request. ``wishes``: the groups and roles that are asked for; ``decidable``: the caller may decide it."""

    id: str
    kind: str
    state: str
    member: MemberId | None
    certificate: Certificate | None
    identities: tuple[Identity, ...]
    about: About
    further_certificate: Certificate | None
    wishes: tuple[str, ...]
    remark: str
    submitted_at: datetime
    expires_at: datetime | None
    handed_to: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    decidable: bool


class Requests(Shape):
    """Those that the caller may see."""

    requests: tuple[RequestShown, ...]


class RequestsQuery(Shape):
    """``ended``: the latest that have come to an end, in place of those that wait."""

    ended: bool = False


class Approval(Shape):
    """``membership_until``: when a new membership ends (null: as the configuration says); ``wishes``: which of the groups and roles an
    applicant gets (null: each group that the caller may give, no role); ``validity``: of a group or role that a member asked for."""

    membership_until: Instant | None = None
    wishes: Annotated[tuple[_Wish, ...], Field(max_length=20)] | None = None
    validity: Validity = Validity()


class Approved(Shape):
    """Whose it is, what she has now, and the requests for which she waits."""

    member: MemberId
    given: tuple[str, ...]
    waits: tuple[str, ...]


class Rejection(Shape):
    """The applicant is told the reason."""

    reason: Reason


class HandingOver(Shape):
    """To which member, with which words."""

    to: MemberId
    note: Annotated[str, Field(max_length=2_000)] = ""


class NewInvitation(Shape):
    """``send``: a letter goes out; otherwise the caller hands the address over herself."""

    mail: Annotated[str, Field(min_length=3, max_length=200)]
    wishes: Annotated[tuple[_Wish, ...], Field(max_length=20)] = ()
    until: Instant | None = None
    send: bool = True


class InvitationShown(Shape):
    """An invitation without an answer. ``until``: when the membership will end."""

    id: str
    mail: str
    wishes: tuple[str, ...]
    until: datetime | None
    expires_at: datetime
    by: str
    invited_at: datetime


class Invited(InvitationShown):
    """``link``: where it is answered."""

    link: str


class InvitationList(Shape):
    """Those without an answer."""

    invitations: tuple[InvitationShown, ...]


def requests(call: Call[RequestsQuery, Nothing]) -> Requests:
    """Requests that wait, or have come to an end. Only those for which the caller has REQUESTS_READ."""
    desk = RequestDesk(_office(call.office))
    if call.query.ended:
        ended = desk.ended(call.caller, call.desk.at)
        return Requests(requests=tuple(_shown(each, decidable=False) for each in ended))
    found = desk.waiting(call.caller, call.desk.at)
    return Requests(requests=tuple(_shown(each.request, decidable=each.decidable) for each in found))


def request(call: Call[Nothing, Nothing]) -> RequestShown:
    """One request. Wants REQUESTS_READ for it."""
    found = RequestDesk(_office(call.office)).one(call.caller, call.path["request"], call.desk.at)
    return _shown(found.request, decidable=found.decidable)


def approve(call: Call[Nothing, Approval]) -> Approved:
    """Grants what was asked for. Wants REQUESTS_WRITE, and what giving it by hand wants."""
    wanted = call.body
    wishes = None if wanted.wishes is None else [read_wish(call.desk.vo, each) for each in wanted.wishes]
    granted = RequestDesk(_office(call.office)).approve(
        call.caller,
        call.path["request"],
        call.desk.at,
        until=wanted.membership_until,
        when=wanted.validity.when(),
        wishes=wishes,
    )
    return Approved(member=granted.member, given=_texts(granted.wishes), waits=tuple(each.id for each in granted.waits))


def reject(call: Call[Nothing, Rejection]) -> None:
    """Refuses what was asked for. Wants REQUESTS_WRITE."""
    RequestDesk(_office(call.office)).reject(call.caller, call.path["request"], call.body.reason, call.desk.at)


def hand_over(call: Call[Nothing, HandingOver]) -> None:
    """Asks another member to decide. Wants REQUESTS_WRITE."""
    wanted = call.body
    desk = RequestDesk(_office(call.office))
    desk.hand_over(call.caller, call.path["request"], wanted.to, wanted.note, call.desk.at)


def invitations(call: Call[Nothing, Nothing]) -> InvitationList:
    """Invitations without an answer. Wants REQUESTS_READ in the root."""
    found = Invitations(_office(call.office)).waiting(call.caller, call.desk.at)
    return InvitationList(invitations=tuple(InvitationShown(**_told(each)) for each in found))


def invite(call: Call[Nothing, NewInvitation]) -> Invited:
    """Asks somebody by mail to become a member. Wants what approving as much would want."""
    wanted = call.body
    wishes = [read_wish(call.desk.vo, each) for each in wanted.wishes]
    made, link = Invitations(_office(call.office)).invite(
        call.caller, wanted.mail, wishes, call.desk.at, until=wanted.until, send=wanted.send
    )
    return Invited(**_told(made), link=link)


def withdraw_invitation(call: Call[Nothing, Nothing]) -> None:
    """Ends an invitation. Wants REQUESTS_WRITE in the root."""
    Invitations(_office(call.office)).withdraw(call.caller, call.path["invitation"], call.desk.at)


def _office(office: Office | None) -> Office:
    if office is None:
        raise Missing("voms.api_no_requests", expected="a VO that takes requests", found="another")
    return office


def _shown(found: Request, *, decidable: bool) -> RequestShown:
    wishes = found.asked.wishes if found.wish is None else (found.wish,)
    known, further = found.applicant.certificate, found.asked.certificate
    return RequestShown(
        id=found.id,
        kind=found.kind,
        state=found.state,
        member=found.member,
        certificate=Certificate(subject=known.subject, issuer=known.issuer) if known is not None else None,
        identities=tuple(
            Identity(asserted_by=each.asserted_by, attribute=each.attribute, value=each.value)
            for each in found.applicant.identities
        ),
        about=About.of(found.asked.details),
        further_certificate=(
            Certificate(subject=further.subject, issuer=further.issuer) if further is not None else None
        ),
        wishes=_texts(wishes),
        remark=found.asked.remark,
        submitted_at=found.submitted_at,
        expires_at=found.expires_at,
        handed_to=found.handed_to,
        decided_by=found.decided_by,
        decided_at=found.decided_at,
        reason=found.reason,
        decidable=decidable,
    )


def _told(found: Invitation) -> dict[str, object]:
    return {
        "id": found.id,
        "mail": found.mail,
        "wishes": _texts(found.wishes),
        "until": found.until,
        "expires_at": found.expires_at,
        "by": found.by,
        "invited_at": found.invited_at,
    }


def _texts(wishes: tuple[Wish, ...]) -> tuple[str, ...]:
    return tuple(each.text() for each in wishes)
