"""Looks up what a change names: numbers of what is there, and who stands where. Decides nothing."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select

from ostiary.errors import Missing, Refusal
from voms.periods import Recurrence
from voms.tables import vo, vo_group, vo_group_parent, vo_member, vo_role


def vo_number(connection: Connection, name: str) -> int:
    """The number of a VO in this database. Raises `Missing` (``voms.no_vo``)."""
    found: int | None = connection.execute(select(vo.c.id).where(vo.c.name == name)).scalar_one_or_none()
    if found is None:
        raise Missing("voms.no_vo", expected="a VO of this database", found=name, vo=name)
    return found


def group_number(connection: Connection, vo_id: int, path: str) -> int:
    """Raises `Missing` (``voms.no_group``)."""
    wanted = select(vo_group.c.id).where(vo_group.c.vo_id == vo_id, vo_group.c.path == path)
    found: int | None = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        raise Missing("voms.no_group", expected="a group of this VO", found=path, group=path)
    return found


def role_number(connection: Connection, vo_id: int, role: str) -> int:
    """Raises `Missing` (``voms.no_role``)."""
    wanted = select(vo_role.c.id).where(vo_role.c.vo_id == vo_id, vo_role.c.name == role)
    found: int | None = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        raise Missing("voms.no_role", expected="a role of this VO", found=role, role=role)
    return found


def parents_of(connection: Connection, group: int) -> list[int]:
    """The groups directly above."""
    line = vo_group_parent
    return list(connection.execute(select(line.c.parent_id).where(line.c.group_id == group)).scalars())


def groups_from(connection: Connection, group: int) -> list[int]:
    """The group and all below it, on every path."""
    line = vo_group_parent
    found = [group]
    level: Iterable[int] = (group,)
    while level:
        below = select(line.c.group_id).where(line.c.parent_id.in_(level))
        level = sorted(set(connection.execute(below).scalars()).difference(found))
        found += level
    return found


def lock_member(connection: Connection, vo_id: int, member: str) -> None:
    """Two changes of one person come one after the other. Raises `Missing` (``voms.no_member``)."""
    wanted = select(vo_member.c.id).where(vo_member.c.id == member, vo_member.c.vo_id == vo_id)
    if connection.execute(wanted.with_for_update()).scalar_one_or_none() is None:
        raise Missing("voms.no_member", expected="a member of this VO", found=member)


def validity(
    at: datetime, since: datetime | None, until: datetime | None, recurs: Recurrence | None
) -> dict[str, datetime | str | None]:
    """The columns of what holds for ``[since, until)``, from now on where nothing is said, and within it when ``recurs`` says. Raises
    `Refusal` (``voms.validity``)."""
    begin = since or at
    if until is not None and until <= begin:
        raise Refusal("voms.validity", expected=f"an end after {begin.isoformat()}", found=until.isoformat())
    return {"valid_from": begin, "valid_to": until, "recurs": recurs.text() if recurs is not None else None}
