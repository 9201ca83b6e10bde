"""Finds, by indexes and in pieces, the members to whom time may have brought something. Which of them it has, pure rules decide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from voms.jobs.letters import Recipient
from voms.jobs.reminders import LATE
from voms.members.acceptance import Terms
from voms.members.lacking import in_order_of_ids
from voms.members.reading import LIFE_COLUMNS, life_of, with_policy
from voms.members.states import Life
from voms.tables import vo, vo_aup_demand, vo_aup_signature, vo_member, vo_member_details

PIECE: Final = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member with what is written of her; ``to``: where letters go, None without an address."""

    member: str
    life: Life
    to: Recipient | None


def candidates(
    connection: Connection,
    vo_id: int,
    terms: Sequence[Terms],
    now: datetime,
    *,
    end_within: timedelta,
    sign_within: timedelta,
    after: str | None,
) -> tuple[Candidate, ...]:
    """The next `PIECE` members behind the id ``after``, by their ids, whose membership has ended or ends within ``end_within``, or who have
    to sign, or will have to within ``sign_within``. ``terms``: every version of the policy."""
    handled = and_(vo_member.c.suspended_code.in_(("expired", "aup")), vo_member.c.suspended_at > now - LATE)
    found = select(vo_member.c.id).where(
        in_order_of_ids(vo_id),
        or_(vo_member.c.suspended_reason.is_(None), handled),
        or_(vo_member.c.valid_to <= now + end_within, *_may_have_to_sign(terms, now, now + sign_within)),
    )
    if after is not None:
        found = found.where(vo_member.c.id > after)
    ids = connection.execute(found.order_by(vo_member.c.id).limit(PIECE)).scalars().all()
    return tuple(_read(connection, ids)) if ids else ()


def long_over(connection: Connection, vo_id: int, before: datetime, *, after: str | None) -> tuple[Candidate, ...]:
    """The next members, by their ids, whose membership ended before that instant and who were suspended for it, and for nothing else."""
    found = select(vo_member.c.id).where(
        vo_member.c.vo_id == vo_id, vo_member.c.valid_to <= before, vo_member.c.suspended_code == "expired"
    )
    if after is not None:
        found = found.where(vo_member.c.id > after)
    ids = connection.execute(found.order_by(vo_member.c.id).limit(PIECE)).scalars().all()
    return tuple(_read(connection, ids)) if ids else ()


def _may_have_to_sign(terms: Sequence[Terms], now: datetime, until: datetime) -> Iterator[ColumnElement[bool]]:
    """Persons who lack a signature of a version that is in force at some time between the two instants, or whose signature lapses by
    then."""
    ordered = sorted(terms, key=lambda each: (each.in_force_from, each.number))
    for place, each in enumerate(ordered):
        over = ordered[place + 1].in_force_from if place + 1 < len(ordered) else None
        if each.in_force_from > until or (over is not None and over <= now):
            continue
        signed = vo_aup_signature
        good = [signed.c.member_id == vo_member.c.id, signed.c.version_id == each.number]
        if each.sign_again is not None:
            good.append(signed.c.signed_at > until - each.sign_again)
        yield and_(vo_member.c.kind == "person", ~exists().where(*good))
    if ordered:
        yield exists().where(vo_aup_demand.c.member_id == vo_member.c.id)


def _read(connection: Connection, ids: Sequence[str]) -> Iterator[Candidate]:
    about = vo_member_details
    wanted: Any = (
        select(vo_member.c.id, *LIFE_COLUMNS, about.c.mail, about.c.given_name, about.c.surname)
        .join(vo, vo.c.id == vo_member.c.vo_id)
        .outerjoin(about, about.c.member_id == vo_member.c.id)
        .where(vo_member.c.id.in_(ids))
        .order_by(vo_member.c.id)
    )
    for member, group in groupby(connection.execute(with_policy(wanted)), key=lambda row: row.id):
        rows = list(group)
        name = f"{rows[0].given_name or ''} {rows[0].surname or ''}".strip()
        yield Candidate(member, life_of(rows), Recipient(member, rows[0].mail, name) if rows[0].mail else None)
