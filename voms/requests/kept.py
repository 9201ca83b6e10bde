"""Finds requests and invitations in the database, and writes a request's next state as part of an open `Change`. Decides nothing."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from ostiary.errors import Missing
from ostiary.x509.certificate_names import CertificateNames
from voms.changes import Change
from voms.identities import FederatedIdentity
from voms.requests.asked import Applicant, Request, Wish, read_applicant, read_asked, read_wishes
from voms.requests.states import OPEN, Event, State, after
from voms.tables import vo_invitation, vo_member_certificate, vo_member_identity, vo_request

MAXIMUM_LISTED: Final = 5_000
"""More than can wait: who may see only some of them finds hers."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who was asked to become a member by mail. ``wishes``: the groups and roles that wait for her; ``until``: when the membership will
    end; ``by``: who invited her."""

    id: str
    mail: str
    wishes: tuple[Wish, ...]
    until: datetime | None
    expires_at: datetime
    by: str
    invited_at: datetime


def request_of(connection: Connection, vo_id: int, request: str, *, locked: bool = False) -> Request:
    """One request by its id. Raises `Missing` (``voms.no_request``)."""
    wanted = select(vo_request).where(vo_request.c.vo_id == vo_id, vo_request.c.id == request)
    row = connection.execute(wanted.with_for_update() if locked else wanted).one_or_none()
    if row is None:
        raise Missing("voms.no_request", expected="a request of this VO", found=request[:40])
    return _request(row)


def confirm_key_of(connection: Connection, request: str) -> str | None:
    """The hash of the secret that proves the mail address of a request."""
    wanted = select(vo_request.c.confirm_key).where(vo_request.c.id == request)
    found: str | None = connection.execute(wanted).scalar_one_or_none()
    return found


def waiting(connection: Connection, vo_id: int, at: datetime, *, state: State = "confirmed") -> tuple[Request, ...]:
    """Those in one state of waiting at a moment, the oldest first."""
    wanted = select(vo_request).where(vo_request.c.vo_id == vo_id, vo_request.c.state == state)
    wanted = wanted.where(or_(vo_request.c.expires_at.is_(None), vo_request.c.expires_at > at))
    order = (vo_request.c.submitted_at, vo_request.c.id)
    return tuple(_request(row) for row in connection.execute(wanted.order_by(*order).limit(MAXIMUM_LISTED)))


def ended(connection: Connection, vo_id: int, at: datetime) -> Iterator[Request]:
    """The latest that have come to an end, the newest first."""
    over = or_(vo_request.c.state.not_in(OPEN), vo_request.c.expires_at <= at)
    wanted = select(vo_request).where(vo_request.c.vo_id == vo_id, over)
    order = (vo_request.c.submitted_at.desc(), vo_request.c.id)
    for row in connection.execute(wanted.order_by(*order).limit(MAXIMUM_LISTED)):
        yield _request(row).as_of(at)


def requests_by(
    connection: Connection, vo_id: int, keys: Iterable[str], member: str | None, *, only_open: bool = False
) -> tuple[Request, ...]:
    """All that somebody sent, known by these keys or as a member; the newest first."""
    hers: list[ColumnElement[bool]] = [vo_request.c.who_key.in_(list(keys))]
    if member is not None:
        hers += [vo_request.c.member_id == member, vo_request.c.id == member]
    wanted = select(vo_request).where(vo_request.c.vo_id == vo_id, or_(*hers))
    if only_open:
        wanted = wanted.where(vo_request.c.state.in_(OPEN))
    order = (vo_request.c.submitted_at.desc(), vo_request.c.id)
    return tuple(_request(row) for row in connection.execute(wanted.order_by(*order).limit(MAXIMUM_LISTED)))


def count(connection: Connection, vo_id: int, *conditions: ColumnElement[bool]) -> int:
    """How many requests of the VO fulfil everything."""
    wanted = select(func.count()).select_from(vo_request).where(vo_request.c.vo_id == vo_id, *conditions)
    return int(connection.execute(wanted).scalar_one())


def member_known_by(connection: Connection, vo_id: int, applicant: Applicant) -> str | None:
    """The member who is known by one of the things by which the applicant is."""
    for wanted in _holders(vo_id, applicant.certificate, applicant.identities):
        found: str | None = connection.execute(wanted.limit(1)).scalar_one_or_none()
        if found is not None:
            return found
    return None


def move(change: Change, request: Request, event: Event, values: Mapping[str, object] | None = None) -> State:
    """Brings a request to its next state. Raises `Refusal` (``voms.request_state``)."""
    state = after(request.state, event)
    change.alter(vo_request, {"state": state, "confirm_key": None, **(values or {})}, id=request.id)
    return state


def decision(change: Change, reason: str | None = None) -> dict[str, object]:
    """The columns that say who decided, when, and why."""
    return {"decided_by": change.by, "decided_at": change.at, "expires_at": None, "reason": reason}


def invitation_of(connection: Connection, vo_id: int, invitation: str, *, locked: bool = False) -> Invitation:
    """One invitation by its id. Raises `Missing` (``voms.no_invitation``)."""
    wanted = select(vo_invitation).where(vo_invitation.c.vo_id == vo_id, vo_invitation.c.id == invitation)
    row = connection.execute(wanted.with_for_update() if locked else wanted).one_or_none()
    if row is None:
        raise Missing("voms.no_invitation", expected="an invitation that waits", found=invitation[:40])
    return _invitation(row)


def secret_key_of(connection: Connection, invitation: str) -> str | None:
    """The hash of the secret of an invitation."""
    wanted = select(vo_invitation.c.secret_key).where(vo_invitation.c.id == invitation)
    found: str | None = connection.execute(wanted).scalar_one_or_none()
    return found


def invitations(connection: Connection, vo_id: int, at: datetime) -> tuple[Invitation, ...]:
    """Those that wait, the oldest first."""
    held = vo_invitation
    wanted = select(held).where(held.c.vo_id == vo_id, held.c.expires_at > at)
    rows = connection.execute(wanted.order_by(held.c.created_serial).limit(MAXIMUM_LISTED))
    return tuple(_invitation(row) for row in rows)


def due_to_end(connection: Connection, vo_id: int, at: datetime, *, most: int) -> tuple[Request, ...]:
    """Requests that nobody confirmed or decided in time."""
    due = and_(vo_request.c.vo_id == vo_id, vo_request.c.state.in_(OPEN), vo_request.c.expires_at <= at)
    return tuple(_request(row) for row in connection.execute(select(vo_request).where(due).limit(most)))


def _holders(
    vo_id: int, certificate: CertificateNames | None, identities: Iterable[FederatedIdentity]
) -> Iterator[Select[Any]]:
    if certificate is not None:
        held = vo_member_certificate
        yield select(held.c.member_id).where(held.c.vo_id == vo_id, held.c.names_key == certificate.key)
    for identity in identities:
        link = vo_member_identity
        yield select(link.c.member_id).where(link.c.vo_id == vo_id, link.c.identity_key == identity.key)


def _request(row: Row[Any]) -> Request:
    asked = read_asked(row.asked)
    return Request(
        id=row.id,
        kind=row.kind,
        state=row.state,
        member=row.member_id,
        wish=asked.wishes[0] if row.kind in ("group", "role") and asked.wishes else None,
        applicant=read_applicant(row.who),
        asked=asked,
        mail=row.mail,
        submitted_at=row.submitted_at,
        expires_at=row.expires_at,
        handed_to=row.handed_to,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
    )


def _invitation(row: Row[Any]) -> Invitation:
    prepared = json.loads(row.grants)
    until = prepared.get("until")
    return Invitation(
        id=row.id,
        mail=row.mail,
        wishes=read_wishes(prepared.get("wishes", ())),
        until=datetime.fromisoformat(until) if until is not None else None,
        expires_at=row.expires_at,
        by=row.created_by,
        invited_at=row.created_at,
    )
