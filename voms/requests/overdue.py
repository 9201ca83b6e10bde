"""What time does to requests: those that nobody confirmed or decided end, managers hear again of the others, who asked is forgotten."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary.errors import Refusal
from ostiary.storage.engine import reading, writing
from voms.changes import Change, changing
from voms.requests.asked import Request, read_asked, write_wishes
from voms.requests.kept import decision, due_to_end, move, request_of, waiting
from voms.requests.office import Office
from voms.requests.states import OPEN
from voms.rows import vo_number
from voms.tables import ARCHIVES, vo_invitation, vo_notice, vo_request

BY: Final = "jobs"
_AT_A_TIME: Final = 200
_NOBODY: Final = "{}"


@dataclass(frozen=True, slots=True)
class Swept:
    """How many requests and invitations ended, of how many managers were reminded, and of how many it is forgotten who asked."""

    expired: int
    reminded: int
    forgotten: int


def sweep(office: Office, now: datetime) -> Swept:
    """Does what is due, in bounded pieces; several processes may do it at once. Raises `Unavailable`."""
    return Swept(expire_due(office, now), remind_deciders(office, now), forget_ended(office, now))


def expire_due(office: Office, now: datetime) -> int:
    """Ends requests that waited too long, and tells the applicant where her address is proven; and invitations without an answer."""
    with reading(office.engine) as connection:
        number = vo_number(connection, office.vo)
        due = due_to_end(connection, number, now, most=_AT_A_TIME)
        held = vo_invitation
        late = select(held.c.id).where(held.c.vo_id == number, held.c.expires_at <= now).limit(_AT_A_TIME)
        invitations = connection.execute(late).scalars().all()
    ended = [found for each in due if (found := _expire(office, each, now)) is not None]
    for found in ended:
        if found.state == "confirmed":
            office.tell_applicant("expired", found)
    if invitations:
        facts = {"count": len(invitations)}
        with changing(office.engine, office.vo, "vo.invitations_expired", at=now, by=BY, facts=facts) as change:
            change.end(vo_invitation, vo_invitation.c.id.in_(invitations), vo_invitation.c.expires_at <= now)
    return len(ended) + len(invitations)


def remind_deciders(office: Office, now: datetime) -> int:
    """Tells managers again of requests that wait, every so often; of how many."""
    with reading(office.engine) as connection:
        number = vo_number(connection, office.vo)
        open_ones = waiting(connection, number, now)
    due = [(each, step) for each in open_ones if (step := (now - each.submitted_at) // office.settings.remind_every)]
    return sum(_remind(office, number, each, step, now) for each, step in due)


def forget_ended(office: Office, now: datetime) -> int:
    """Erases who asked, what she wrote and what she was told, of requests that ended long ago, from the archive, too. That there was a
    request, for what, and who decided it stays. Of how many."""
    with reading(office.engine) as connection:
        number = vo_number(connection, office.vo)
        rows = connection.execute(_long_ended(number, now - office.settings.keep_ended)).all()
    if not rows:
        return 0
    facts = {"count": len(rows)}
    with changing(office.engine, office.vo, "vo.requests_forgotten", at=now, by=BY, facts=facts) as change:
        for row in rows:
            _forget(change.connection, row)
    return len(rows)


def _expire(office: Office, request: Request, now: datetime) -> Request | None:
    """The request as it was before; None where somebody else was first."""
    facts = {"request": request.id}
    try:
        with changing(
            office.engine, office.vo, "vo.request_expired", at=now, by=BY, subject=request.subject, facts=facts
        ) as change:
            found = request_of(change.connection, change.vo, request.id, locked=True)
            _check_due(change, found)
            move(change, found, "expire", decision(change))
    except Refusal:
        return None
    return found


def _check_due(change: Change, found: Request) -> None:
    if found.expires_at is None or found.expires_at > change.at:
        raise Refusal("voms.request_state", expected="one that is due", found=found.state, state=found.state)


def _remind(office: Office, vo_id: int, request: Request, step: int, now: datetime) -> bool:
    note = {"vo_id": vo_id, "about": request.id, "kind": "request_waits", "step": str(step)}
    try:
        with writing(office.engine) as connection:
            connection.execute(insert(vo_notice).values(**note, sent_at=now))
    except IntegrityError:
        return False
    return office.tell_deciders(request, now, kind="still_waits") > 0


def _long_ended(vo_id: int, before: datetime) -> Any:
    held = vo_request
    return (
        select(held.c.id, held.c.asked)
        .where(held.c.vo_id == vo_id, held.c.state.not_in(OPEN), held.c.created_at <= before, held.c.who != _NOBODY)
        .limit(_AT_A_TIME)
    )


def _forget(connection: Connection, row: Row[Any]) -> None:
    wishes = write_wishes(read_asked(row.asked).wishes)
    blank = {"who": _NOBODY, "asked": json.dumps({"wishes": wishes}), "mail": "", "reason": None, "who_key": row.id}
    for table in (vo_request, ARCHIVES[vo_request.name]):
        connection.execute(update(table).where(table.c.id == row.id).values(**blank))
