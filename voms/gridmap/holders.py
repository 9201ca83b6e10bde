"""Whose certificates stand for a group or role at a moment: of the whole VO at once, by the rules of a member's own standing. Reads."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, Table, or_, select

from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms.hierarchy import above
from voms.members.reading import LIFE_COLUMNS, life_of, with_policy
from voms.members.states import situation
from voms.periods import read_recurrence
from voms.portions import portions
from voms.rows import group_number, groups_from, role_number, vo_number
from voms.tables import (
    vo,
    vo_group,
    vo_group_membership,
    vo_group_parent,
    vo_member,
    vo_member_certificate,
    vo_role_assignment,
)


def holders(engine: Engine, name: str, fqan: Fqan, at: datetime) -> tuple[CertificateNames, ...]:
    """The certificates, each once, of all who have ``fqan`` at ``at`` and may act; suspended certificates are left out. In the order of
    their subjects.

    Raises `Missing` (``voms.no_vo``, ``voms.no_group``, ``voms.no_role``), `Unavailable`.
    """
    with reading(engine, consistent=True) as connection:
        number = vo_number(connection, name)
        members = _in_group(connection, number, name, fqan.group, at)
        if fqan.role is not None:
            members &= _with_role(connection, number, fqan.group, fqan.role, at)
        acting = _who_act(connection, members, at)
        found = set(_certificates(connection, acting))
    return tuple(sorted(found, key=lambda names: (names.subject, names.issuer)))


def _in_group(connection: Connection, number: int, name: str, path: str, at: datetime) -> set[str]:
    """Who is in the group, or in one below it; in the root everybody is."""
    group = group_number(connection, number, path)
    if path == f"/{name}":
        return set(connection.execute(select(vo_member.c.id).where(vo_member.c.vo_id == number)).scalars())
    return _holding(connection, vo_group_membership, groups_from(connection, group), at)


def _with_role(connection: Connection, number: int, path: str, role: str, at: datetime) -> set[str]:
    """Who was given the role in the group or, where roles come down, in one above it."""
    wanted = role_number(connection, number, role)
    groups = [group_number(connection, number, path)]
    if connection.execute(select(vo.c.inherits).where(vo.c.id == number)).scalar_one():
        groups += _above(connection, number, groups[0])
    return _holding(connection, vo_role_assignment, groups, at, role=wanted)


def _above(connection: Connection, number: int, group: int) -> list[int]:
    line = vo_group_parent
    lines = connection.execute(
        select(line.c.group_id, line.c.parent_id)
        .join(vo_group, vo_group.c.id == line.c.group_id)
        .where(vo_group.c.vo_id == number)
    )
    numbers = above((str(row.group_id), str(row.parent_id)) for row in lines)
    return [int(each) for each in numbers.get(str(group), ())]


def _holding(
    connection: Connection, table: Table, groups: Collection[int], at: datetime, *, role: int | None = None
) -> set[str]:
    """Members to whom one of the groups was given, by dates and recurrence."""
    wanted = select(table.c.member_id, table.c.recurs).where(
        table.c.valid_from <= at, or_(table.c.valid_to.is_(None), table.c.valid_to > at)
    )
    if role is not None:
        wanted = wanted.where(table.c.role_id == role)
    return {
        row.member_id
        for some in portions(sorted(groups))
        for row in connection.execute(wanted.where(table.c.group_id.in_(some)))
        if row.recurs is None or read_recurrence(row.recurs).at(at) is not None
    }


def _who_act(connection: Connection, members: Collection[str], at: datetime) -> list[str]:
    """Those whom nothing keeps from acting: suspension, an end, the policy."""
    wanted: Select[Any] = select(vo_member.c.id, *LIFE_COLUMNS).join(vo, vo.c.id == vo_member.c.vo_id)
    acting: list[str] = []
    for some in portions(sorted(members)):
        rows: dict[str, list[Row[Any]]] = {}
        chosen = wanted.where(vo_member.c.id.in_(some), vo_member.c.valid_from <= at)
        for row in connection.execute(with_policy(chosen)):
            rows.setdefault(row.id, []).append(row)
        acting += [member for member, own in rows.items() if situation(life_of(own), at).acts]
    return acting


def _certificates(connection: Connection, members: Collection[str]) -> Iterator[CertificateNames]:
    held = vo_member_certificate
    wanted = select(held.c.subject, held.c.issuer).where(held.c.suspended_reason.is_(None))
    for some in portions(sorted(members)):
        for row in connection.execute(wanted.where(held.c.member_id.in_(some))):
            yield CertificateNames(row.subject, row.issuer)
