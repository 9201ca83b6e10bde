"""Reads what is written of a member's life: columns that a query for members has besides, and what their rows come to. Decides nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_

from voms.members.acceptance import Terms, Undertaking
from voms.members.states import Life, Suspension
from voms.tables import vo, vo_aup_demand, vo_aup_signature, vo_aup_version, vo_member

LIFE_COLUMNS: Final[tuple[ColumnElement[Any], ...]] = (
    *(vo_member.c[name] for name in ("kind", "valid_from", "valid_to")),
    *(vo_member.c[name] for name in ("suspended_code", "suspended_reason", "suspended_by", "suspended_at")),
    vo.c.grace_days.label("member_grace_days"),
    vo_aup_version.c.id.label("aup_number"),
    *(vo_aup_version.c[name] for name in ("in_force_from", "sign_again_days", "grace_days")),
    vo_aup_signature.c.signed_at,
    vo_aup_demand.c.asked_at,
)
"""For a query that `with_policy` extends."""


def with_policy(wanted: Select[Any]) -> Select[Any]:
    """A query for members, joined with their VO, that gives a row for each version of the policy (one, where there is none)."""
    return (
        wanted.outerjoin(vo_aup_version, vo_aup_version.c.vo_id == vo_member.c.vo_id)
        .outerjoin(
            vo_aup_signature,
            and_(vo_aup_signature.c.member_id == vo_member.c.id, vo_aup_signature.c.version_id == vo_aup_version.c.id),
        )
        .outerjoin(vo_aup_demand, vo_aup_demand.c.member_id == vo_member.c.id)
    )


def life_of(rows: Sequence[Row[Any]]) -> Life:
    """What the rows of one member (at least one) say, with `LIFE_COLUMNS`."""
    member = rows[0]
    written = [row for row in rows if row.aup_number is not None]
    return Life(
        valid_to=member.valid_to,
        grace=timedelta(days=member.member_grace_days),
        suspension=_suspension(member),
        signs=member.kind != "service",
        undertaking=Undertaking(
            terms=tuple(_terms(row) for row in written),
            signed={row.aup_number: row.signed_at for row in written if row.signed_at is not None},
            member_since=member.valid_from,
            asked_at=member.asked_at,
        ),
    )


def _suspension(member: Row[Any]) -> Suspension | None:
    if member.suspended_reason is None:
        return None
    code = member.suspended_code or "other"
    return Suspension(code, member.suspended_reason, member.suspended_by, member.suspended_at)


def _terms(row: Row[Any]) -> Terms:
    again = timedelta(days=row.sign_again_days) if row.sign_again_days is not None else None
    return Terms(row.aup_number, row.in_force_from, again, timedelta(days=row.grace_days))
