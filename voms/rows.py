"""What every change of a VO is made of: numbers of what is there, and rows that begin and end. Decides nothing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from ostiary.errors import Missing, Refusal
from ostiary.x509.certificate_names import CertificateNames
from voms.periods import Recurrence
from voms.tables import vo, vo_group, vo_group_parent, vo_member, vo_member_certificate, vo_role


def group_number(connection: Connection, vo_id: int, path: str) -> int:
    """Raises `Missing` (``voms.no_group``)."""
    wanted = select(vo_group.c.id).where(vo_group.c.vo_id == vo_id, vo_group.c.path == path, vo_group.c.live.is_(True))
    found: int | None = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        raise Missing("voms.no_group", expected="a group of this VO", found=path, group=path)
    return found


def parents_of(connection: Connection, group: int) -> list[int]:
    """The groups directly above."""
    line = vo_group_parent
    return list(
        connection.execute(select(line.c.parent_id).where(line.c.group_id == group, line.c.live.is_(True))).scalars()
    )


def groups_from(connection: Connection, group: int) -> list[int]:
    """The group and all below it, on every path."""
    line = vo_group_parent
    found = [group]
    level: Iterable[int] = (group,)
    while level:
        below = select(line.c.group_id).where(line.c.parent_id.in_(level), line.c.live.is_(True))
        level = sorted(set(connection.execute(below).scalars()).difference(found))
        found += level
    return found


def role_number(connection: Connection, vo_id: int, role: str) -> int:
    """Raises `Missing` (``voms.no_role``)."""
    wanted = select(vo_role.c.id).where(vo_role.c.vo_id == vo_id, vo_role.c.name == role, vo_role.c.live.is_(True))
    found: int | None = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        raise Missing("voms.no_role", expected="a role of this VO", found=role, role=role)
    return found


def lock_member(connection: Connection, vo_id: int, member: str) -> None:
    """Two changes of one person come one after the other. Raises `Missing` (``voms.no_member``)."""
    wanted = select(vo_member.c.id).where(
        vo_member.c.id == member, vo_member.c.vo_id == vo_id, vo_member.c.live.is_(True)
    )
    if connection.execute(wanted.with_for_update()).scalar_one_or_none() is None:
        raise Missing("voms.no_member", expected="a member of this VO", found=member)


def vo_number(connection: Connection, name: str) -> int:
    """The number of a VO in this database. Raises `Missing` (``voms.no_vo``)."""
    found: int | None = connection.execute(select(vo.c.id).where(vo.c.name == name)).scalar_one_or_none()
    if found is None:
        raise Missing("voms.no_vo", expected="a VO of this database", found=name, vo=name)
    return found


def add_certificate(
    connection: Connection, vo_id: int, member: str, names: CertificateNames, serial: int, at: datetime
) -> None:
    """One more by which the member is known."""
    connection.execute(
        insert(vo_member_certificate).values(
            vo_id=vo_id,
            member_id=member,
            names_key=names.key,
            subject=names.subject,
            issuer=names.issuer,
            **begins(serial, at),
        )
    )


def begins(serial: int, at: datetime) -> dict[str, Any]:
    """The columns of a row that is written now."""
    return {"created_serial": serial, "created_at": at, "live": True}


def ends(serial: int, at: datetime) -> dict[str, Any]:
    """The columns of a row that ends now."""
    return {"deleted_serial": serial, "deleted_at": at, "live": None}


def end_rows(connection: Connection, table: Table, serial: int, at: datetime, **of: object) -> None:
    """Ends the live rows whose columns have exactly these values (None: NULL)."""
    conditions = [table.c[name].is_(None) if value is None else table.c[name] == value for name, value in of.items()]
    connection.execute(update(table).where(table.c.live.is_(True), *conditions).values(**ends(serial, at)))


def validity(
    at: datetime, since: datetime | None, until: datetime | None, recurs: Recurrence | None
) -> dict[str, datetime | str | None]:
    """The columns of what holds for ``[since, until)``, from now on where nothing is said, and within it when ``recurs`` says. Raises
    `Refusal` (``voms.validity``)."""
    begin = since or at
    if until is not None and until <= begin:
        raise Refusal("voms.validity", expected=f"an end after {begin.isoformat()}", found=until.isoformat())
    return {"valid_from": begin, "valid_to": until, "recurs": recurs.text() if recurs is not None else None}
