"""Changes of a VO's groups and roles, each as part of an open `Change`. Who may make them is decided elsewhere."""

import re
from typing import Final

from sqlalchemy import select

from ostiary.errors import Missing, Refusal
from ostiary.x509.fqan import parse_fqan
from voms.administration.lists import forget_group, forget_role, give_group_its_list, give_role_its_lists
from voms.changes import Change
from voms.hierarchy import stands_above
from voms.rows import group_number, parents_of, role_number
from voms.tables import (
    vo_acl_entry,
    vo_attribute,
    vo_group,
    vo_group_membership,
    vo_group_parent,
    vo_role,
    vo_role_assignment,
)

MAXIMUM_DESCRIPTION: Final = 1_000
ROLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def add_group(change: Change, path: str, *, description: str = "", optional: bool = False) -> int:
    """A new group; the one above it must exist. ``optional``: stated only when asked for. Returns its number.

    Raises `Refusal` (``voms.group_name``), `Missing` (``voms.no_group``)."""
    check_group_path(change.name, path)
    parent = group_number(change.connection, change.vo, path.rpartition("/")[0])
    number: int = change.add(vo_group, vo_id=change.vo, path=path, description=description, optional=optional)
    change.add(vo_group_parent, group_id=number, parent_id=parent)
    give_group_its_list(change, number, parent)
    return number


def remove_group(change: Change, path: str) -> None:
    """Ends a group and all that it gave. Refused for the root (``voms.root_group``) and while groups stand below it
    (``voms.groups_below``)."""
    if path == f"/{change.name}":
        raise Refusal("voms.root_group", expected=f"a group below /{change.name}", found=path, group=path)
    number = group_number(change.connection, change.vo, path)
    below = select(vo_group.c.path).join(vo_group_parent, vo_group_parent.c.group_id == vo_group.c.id)
    first = change.connection.execute(below.where(vo_group_parent.c.parent_id == number).limit(1)).scalar_one_or_none()
    if first is not None:
        raise Refusal("voms.groups_below", expected="a group without groups below it", found=first, group=path)
    forget_group(change, path)
    for table in (vo_group_membership, vo_role_assignment, vo_attribute, vo_acl_entry, vo_group_parent):
        change.end(table, group_id=number)
    change.end(vo_group, id=number)


def add_parent(change: Change, group: str, parent: str) -> None:
    """A further group directly above. Raises `Refusal` (``voms.circle``) where ``parent`` is the group itself or stands below it.

    The change must be ``alone``."""
    numbers = [group_number(change.connection, change.vo, path) for path in (group, parent)]
    if stands_above(numbers[0], numbers[1], lambda each: parents_of(change.connection, each)):
        raise Refusal("voms.circle", expected=f"a group that is not below {group}", found=parent, group=group)
    change.add(vo_group_parent, group_id=numbers[0], parent_id=numbers[1])


def remove_parent(change: Change, group: str, parent: str) -> None:
    """Takes back `add_parent`. Raises `Refusal` (``voms.own_parent``) for that of which the group's path is a continuation, `Missing`
    (``voms.no_parent``); the change must be ``alone``."""
    if group.rpartition("/")[0] == parent:
        raise Refusal("voms.own_parent", expected="a further parent", found=parent, group=group)
    numbers = [group_number(change.connection, change.vo, path) for path in (group, parent)]
    if change.end(vo_group_parent, group_id=numbers[0], parent_id=numbers[1]) == 0:
        raise Missing("voms.no_parent", expected=f"a parent of {group}", found=parent, group=group)


def change_group(change: Change, path: str, *, description: str | None = None, optional: bool | None = None) -> None:
    """What is None stays."""
    number = group_number(change.connection, change.vo, path)
    values = {"description": description, "optional": optional}
    change.alter(vo_group, {name: value for name, value in values.items() if value is not None}, id=number)


def add_role(change: Change, role: str, *, description: str = "") -> int:
    """A new role, which can be given in any group; returns its number. Raises `Refusal` (``voms.role_name``)."""
    if ROLE_NAME.fullmatch(role) is None or role == "NULL":
        raise Refusal("voms.role_name", expected="letters, digits, - _ .", found=role[:80])
    number: int = change.add(vo_role, vo_id=change.vo, name=role, description=description)
    give_role_its_lists(change, number)
    return number


def remove_role(change: Change, role: str) -> None:
    """Ends a role, and that anybody has it."""
    number = role_number(change.connection, change.vo, role)
    forget_role(change, role)
    for table in (vo_role_assignment, vo_attribute, vo_acl_entry):
        change.end(table, role_id=number)
    change.end(vo_role, id=number)


def check_description(description: str) -> None:
    """What people may say of a group or role from now on. Raises `Refusal` (``voms.description``)."""
    if len(description) > MAXIMUM_DESCRIPTION or not description.isprintable():
        expected = f"at most {MAXIMUM_DESCRIPTION} visible characters, in one line"
        raise Refusal("voms.description", expected=expected, found=f"{len(description)} characters")


def check_group_path(vo: str, path: str) -> None:
    """Raises `Refusal` (``voms.group_name``) for what can't be a group below the root of ``vo``."""
    try:
        fqan = parse_fqan(path)
    except Refusal as problem:
        raise Refusal("voms.group_name", expected=problem.expected, found=problem.found) from None
    if fqan.role is not None or fqan.vo != vo or fqan.group == f"/{vo}" or "/Capability=" in path:
        raise Refusal("voms.group_name", expected=f"a group below /{vo}", found=path)
