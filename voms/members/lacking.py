"""Finds, by an index and a page at a time, who has the policy to sign at a moment; the rules of `voms.members.acceptance` as a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, and_, exists, false, select

from voms.members.acceptance import Terms, in_force
from voms.members.aup import versions
from voms.members.reading import LIFE_COLUMNS, life_of, with_policy
from voms.members.situation import Situation
from voms.members.states import situation
from voms.tables import vo, vo_aup_demand, vo_aup_signature, vo_member

MOST = 500
"""Members of one page, at most."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A member without a signature that counts, and where she stands."""

    member: str
    situation: Situation


def lacks_signature(terms: Sequence[Terms], at: datetime) -> ColumnElement[bool]:
    """Of a member's row: that she is a person and has not accepted the version in force; `acceptance` says the same of one member."""
    current = in_force(terms, at)
    if current is None:
        return false()
    signed, asked = vo_aup_signature, vo_aup_demand
    good = [signed.c.member_id == vo_member.c.id, signed.c.version_id == current.number, signed.c.signed_at <= at]
    if current.sign_again is not None:
        good.append(signed.c.signed_at > at - current.sign_again)
    mine = (asked.c.member_id == signed.c.member_id, asked.c.asked_at <= at, asked.c.asked_at > signed.c.signed_at)
    asked_since = exists(asked.c.id).where(*mine).correlate(signed)
    signature = exists(signed.c.id).where(*good, ~asked_since).correlate(vo_member)
    return and_(vo_member.c.kind == "person", ~signature)


def in_order_of_ids(vo_id: int) -> ColumnElement[bool]:
    """Of a member's row: that she is of this VO; for lists in the order of ids, whose pages go on where the last one ended. By an index of
    the VO's members all of them would be sorted anew for each page."""
    return vo_member.c.vo_id + 0 == vo_id


def members_lacking(
    connection: Connection, vo_id: int, at: datetime, *, after: str | None = None, most: int = MOST
) -> tuple[Lacking, ...]:
    """The next ``most`` of them behind the id ``after``, by their ids."""
    terms = [each.terms for each in versions(connection, vo_id)]
    found = select(vo_member.c.id).where(in_order_of_ids(vo_id), lacks_signature(terms, at))
    if after is not None:
        found = found.where(vo_member.c.id > after)
    ids = connection.execute(found.order_by(vo_member.c.id).limit(most)).scalars().all()
    if not ids:
        return ()
    wanted = select(vo_member.c.id, *LIFE_COLUMNS).join(vo, vo.c.id == vo_member.c.vo_id)
    rows = connection.execute(with_policy(wanted.where(vo_member.c.id.in_(ids)).order_by(vo_member.c.id)))
    return tuple(
        Lacking(member, situation(life_of(list(hers)), at)) for member, hers in groupby(rows, key=lambda row: row.id)
    )
