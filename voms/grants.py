"""Changes of what a VO's members have: groups, roles and generic attributes, each as part of an open `Change`."""

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from ostiary.errors import Missing, Refusal
from voms.changes import Change
from voms.periods import ALWAYS, When
from voms.portions import any_of
from voms.rows import group_number, groups_from, lock_member, role_number, validity
from voms.tables import vo_attribute, vo_attribute_class, vo_group_membership, vo_role_assignment

MAXIMUM_VALUE: Final = 4_096
ATTRIBUTE_NAME: Final = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class Whose:
    """To whom or what a generic attribute belongs: a member, a group, or a role in a group."""

    member: str | None = None
    group: str | None = None
    role: str | None = None

    def __post_init__(self) -> None:
        if (self.member is None) == (self.group is None) or (self.role is not None and self.group is None):
            raise ValueError("an attribute belongs to a member, a group, or a role in a group")


def join(change: Change, member: str, group: str, when: When = ALWAYS) -> None:
    """Puts the member into a group, and so into those above it, for ``[since, until)``, and within that when it recurs. Raises `Missing`
    (``voms.no_*``), `Refusal` (``voms.validity``)."""
    lock_member(change.connection, change.vo, member)
    number = group_number(change.connection, change.vo, group)
    change.add(vo_group_membership, member_id=member, group_id=number, **_columns(change, when))


def leave(change: Change, member: str, group: str) -> None:
    """Takes the member out of a group, of those below it, and of her roles there. Raises `Refusal` (``voms.root_group``)."""
    if group == f"/{change.name}":
        raise Refusal("voms.root_group", expected=f"a group below /{change.name}", found=group, group=group)
    lock_member(change.connection, change.vo, member)
    below = groups_from(change.connection, group_number(change.connection, change.vo, group))
    for table in (vo_group_membership, vo_role_assignment):
        change.end(table, any_of(table.c.group_id, below), member_id=member)


def assign_role(change: Change, member: str, group: str, role: str, when: When = ALWAYS) -> None:
    """Gives the member a role in a group in which she is. Raises `Missing` (``voms.no_*``), `Refusal` (``voms.not_in_group``,
    ``voms.validity``)."""
    lock_member(change.connection, change.vo, member)
    group_id = group_number(change.connection, change.vo, group)
    role_id = role_number(change.connection, change.vo, role)
    if not is_in(change, member, group):
        raise Refusal("voms.not_in_group", expected=f"a member of {group}", found="somebody else", group=group)
    row = {"member_id": member, "group_id": group_id, "role_id": role_id}
    change.add(vo_role_assignment, **row, **_columns(change, when))


def dismiss_role(change: Change, member: str, group: str, role: str) -> None:
    """Takes the role away. Raises `Missing` (``voms.no_*``)."""
    group_id = group_number(change.connection, change.vo, group)
    role_id = role_number(change.connection, change.vo, role)
    change.end(vo_role_assignment, member_id=member, group_id=group_id, role_id=role_id)


def set_attribute(change: Change, name: str, value: str, whose: Whose, when: When = ALWAYS) -> None:
    """A generic attribute; replaces the value that it had there. Raises `Missing` (``voms.no_*``), `Refusal` (``voms.attribute``,
    ``voms.value_taken``, ``voms.validity``)."""
    if ATTRIBUTE_NAME.fullmatch(name) is None or not 0 < len(value) <= MAXIMUM_VALUE:
        raise Refusal("voms.attribute", expected="a name, and a value", found=repr(name[:80]), name=name[:80])
    of = _of(change, whose)
    if whose.member is not None:
        _check_unique(change, name, value, whose.member)
    change.end(vo_attribute, vo_id=change.vo, name=name, **of)
    change.add(vo_attribute, vo_id=change.vo, name=name, value=value, **of, **_columns(change, when))


def remove_attribute(change: Change, name: str, whose: Whose) -> None:
    """Takes back `set_attribute`. Raises `Missing` (``voms.no_attribute``, ``voms.no_*``)."""
    if change.end(vo_attribute, vo_id=change.vo, name=name, **_of(change, whose)) == 0:
        raise Missing("voms.no_attribute", expected="an attribute that is set there", found=name, name=name)


def is_in(change: Change, member: str, path: str) -> bool:
    """Whether the member joined the group or one below it, at whatever times; everybody is in the root."""
    if path == f"/{change.name}":
        return True
    below = groups_from(change.connection, group_number(change.connection, change.vo, path))
    joined = vo_group_membership
    wanted = select(joined.c.id).where(joined.c.member_id == member, any_of(joined.c.group_id, below))
    return change.connection.execute(wanted.limit(1)).scalar_one_or_none() is not None


def _of(change: Change, whose: Whose) -> dict[str, object]:
    if whose.member is not None:
        lock_member(change.connection, change.vo, whose.member)
    group, role = whose.group, whose.role
    return {
        "member_id": whose.member,
        "group_id": group_number(change.connection, change.vo, group) if group is not None else None,
        "role_id": role_number(change.connection, change.vo, role) if role is not None else None,
    }


def _check_unique(change: Change, name: str, value: str, member: str) -> None:
    """The class of the attribute may want each value once among all members."""
    kind = vo_attribute_class
    wanted = select(kind.c.id).where(kind.c.vo_id == change.vo, kind.c.name == name, kind.c.unique_values.is_(True))
    if change.connection.execute(wanted.with_for_update()).scalar_one_or_none() is None:
        return
    held = vo_attribute
    others = select(held.c.id).where(
        held.c.vo_id == change.vo, held.c.name == name, held.c.value == value, held.c.member_id != member
    )
    if change.connection.execute(others.limit(1)).scalar_one_or_none() is not None:
        raise Refusal("voms.value_taken", expected="a value that nobody else has", found=name, name=name)


def _columns(change: Change, when: When) -> dict[str, object]:
    return dict(validity(change.at, when.since, when.until, when.recurs))
