"""Which certificates and tokens were issued and may still be valid, and which of them were taken back. Signs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, insert, select, update

from ostiary.errors import Denied, Missing
from voms.changes import Change
from voms.tables import vo, vo_issued, vo_member, vo_member_certificate

AC: Final = "ac"
"""The kind of an attribute certificate, whose serial stands here as 32 hexadecimal digits."""

Why = Literal[
    "member_suspended", "member_removed", "certificate_suspended", "certificate_removed", "identity_unlinked", "manager"
]


@dataclass(frozen=True, slots=True)
class IssuedRow:
    """One thing that was issued. ``names_key``: of the certificate by which the member was known then."""

    serial: str
    kind: str
    member: str
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None
    revoked_for: str | None


def note_issued(
    connection: Connection,
    name: str,
    *,
    serial: str,
    kind: str,
    member: str,
    names_key: str | None,
    issued_at: datetime,
    not_after: datetime,
) -> None:
    """Part of the transaction that records it, before it leaves. ``name``: the VO's.

    Raises `Denied` (``voms.suspended``, ``voms.unknown``) for a member or certificate that was suspended or removed after its standing
    was read: what is noted after a suspension would never be taken back by it.
    """
    _still_there(connection, member, names_key, name)
    number = select(vo.c.id).where(vo.c.name == name).scalar_subquery()
    row = {"serial": serial, "vo_id": number, "kind": kind, "member_id": member, "names_key": names_key}
    connection.execute(insert(vo_issued).values(**row, issued_at=issued_at, not_after=not_after))


def _still_there(connection: Connection, member: str, names_key: str | None, name: str) -> None:
    wanted = select(vo_member.c.suspended_reason).where(vo_member.c.id == member)
    if names_key is not None:
        held = vo_member_certificate
        wanted = (
            wanted.add_columns(held.c.suspended_reason.label("own_reason"))
            .join(held, held.c.member_id == vo_member.c.id)
            .where(held.c.names_key == names_key)
        )
    # A suspension either waits until this is written, and then takes it back, or is seen here.
    found = connection.execute(wanted.with_for_update(read=True)).one_or_none()
    if found is None:
        raise Denied("voms.unknown", expected=f"a member of {name}", found="one that was removed just now", vo=name)
    reasons = [reason for reason in found if reason is not None]
    if reasons:
        raise Denied("voms.suspended", expected="an active member", found=reasons[0], vo=name)


def revoke(change: Change, why: Why, *, member: str | None = None, names_key: str | None = None) -> int:
    """Takes back all that was issued to a member, or under one of the certificates by which members are known, and is still valid; how many
    that were."""
    if (member is None) == (names_key is None):
        raise ValueError("all of a member, or all under one certificate")
    if member is not None:
        return _revoke(change, why, vo_issued.c.member_id == member)
    held = vo_member_certificate
    whose = select(held.c.member_id).where(held.c.vo_id == change.vo, held.c.names_key == names_key)
    # Named by the member, too: that is what an index finds.
    mine = vo_issued.c.member_id == whose.scalar_subquery()
    return _revoke(change, why, and_(mine, vo_issued.c.names_key == names_key))


def revoke_by_identities(change: Change, member: str) -> int:
    """Takes back all that a member got by no certificate but a login elsewhere, by whichever: that is not written; how many that were."""
    return _revoke(change, "identity_unlinked", and_(vo_issued.c.member_id == member, vo_issued.c.names_key.is_(None)))


def revoke_one(change: Change, serial: str) -> None:
    """Takes back one certificate or token. Raises `Missing` (``voms.not_issued``): none that is still valid."""
    if _revoke(change, "manager", vo_issued.c.serial == serial) == 0:
        raise Missing("voms.not_issued", expected="something issued by this VO that is still valid", found=serial)


def _revoke(change: Change, why: Why, of: ColumnElement[bool]) -> int:
    still = (vo_issued.c.vo_id == change.vo, vo_issued.c.revoked_at.is_(None), vo_issued.c.not_after > change.at)
    taken = update(vo_issued).where(of, *still).values(revoked_at=change.at, revoked_for=why)
    return change.connection.execute(taken).rowcount


def revoked_now(connection: Connection, name: str, now: datetime) -> Mapping[int, datetime]:
    """Serial numbers of attribute certificates that would be valid had they not been taken back, and when that was."""
    wanted = (
        select(vo_issued.c.serial, vo_issued.c.revoked_at)
        .join(vo, vo.c.id == vo_issued.c.vo_id)
        .where(vo.c.name == name, vo_issued.c.kind == AC)
        .where(vo_issued.c.revoked_at.is_not(None), vo_issued.c.not_after > now)
        .order_by(vo_issued.c.revoked_at, vo_issued.c.serial)
    )
    return MappingProxyType({int(row.serial, 16): row.revoked_at for row in connection.execute(wanted)})


def find_issued(connection: Connection, name: str, serial: str) -> IssuedRow | None:
    """One by its serial; None: this VO never issued it, or it ended long ago."""
    wanted = _rows().where(vo.c.name == name, vo_issued.c.serial == serial)
    row = connection.execute(wanted).one_or_none()
    return IssuedRow(*row) if row is not None else None


def issued_to(connection: Connection, name: str, member: str, now: datetime) -> tuple[IssuedRow, ...]:
    """What a member has that has not ended, the newest first."""
    wanted = _rows().where(vo.c.name == name, vo_issued.c.member_id == member, vo_issued.c.not_after > now)
    newest = vo_issued.c.issued_at.desc()
    return tuple(IssuedRow(*row) for row in connection.execute(wanted.order_by(newest, vo_issued.c.serial)))


def _rows() -> Select[Any]:
    of = vo_issued.c
    columns = (of.serial, of.kind, of.member_id, of.issued_at, of.not_after, of.revoked_at, of.revoked_for)
    return select(*columns).join(vo, vo.c.id == of.vo_id)
