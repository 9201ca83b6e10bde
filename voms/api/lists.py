"""Access-control lists: who may do what where."""

from typing import Annotated

from pydantic import Field

from ostiary.errors import Missing
from voms.administration.acl import AclEntry
from voms.api.routing import Call
from voms.api.values import (
    Nothing,
    Path,
    PermissionName,
    RoleName,
    Shape,
    Whom,
    permission_names,
    permissions_of,
)


class ListQuery(Shape):
    """Whose list: a group's, that of a role in it, or that which new groups below get."""

    group: Path
    role: RoleName | None = None
    for_new_groups: bool = False


class EntryQuery(ListQuery):
    """``below``: also of the roles in the group, and of all groups below and theirs."""

    below: bool = False


class Entry(Shape):
    """``key`` names it in addresses."""

    key: str
    who: Whom
    permissions: tuple[PermissionName, ...]


class AccessList(Shape):
    """Who may do what there."""

    group: str
    role: str | None
    for_new_groups: bool
    entries: tuple[Entry, ...]


class NewEntry(EntryQuery):
    """Replaces what the list says of somebody."""

    who: Whom
    permissions: Annotated[tuple[PermissionName, ...], Field(max_length=14)]


class NewManager(Shape):
    """A manager of a group, of the roles in it and of all groups below; without ``permissions`` what managers usually have."""

    group: Path
    who: Whom
    permissions: Annotated[tuple[PermissionName, ...], Field(max_length=14)] | None = None


def entries(call: Call[ListQuery, Nothing]) -> AccessList:
    """One list. Wants ACL_READ there."""
    query = call.query
    found = call.desk.acl(query.group, query.role, for_new_groups=query.for_new_groups)
    listed = (
        Entry(key=each.who.key, who=Whom.of(each.who), permissions=permission_names(each.permissions)) for each in found
    )
    return AccessList(group=query.group, role=query.role, for_new_groups=query.for_new_groups, entries=tuple(listed))


def set_entry(call: Call[Nothing, NewEntry]) -> None:
    """Says what somebody may do. Wants ACL_WRITE there, and all that is handed on or taken away."""
    wanted = call.body
    entry = AclEntry(
        wanted.group, wanted.role, wanted.who.who(), permissions_of(wanted.permissions), wanted.for_new_groups
    )
    call.desk.set_acl_entry(entry, below=wanted.below)


def remove_entry(call: Call[EntryQuery, Nothing]) -> None:
    """Takes somebody out of a list. Wants ACL_READ and what setting it wants."""
    query = call.query
    found = call.desk.acl(query.group, query.role, for_new_groups=query.for_new_groups)
    entry = next((each for each in found if each.who.key == call.path["key"]), None)
    if entry is None:
        raise Missing("voms.no_acl_entry", expected="an entry of this list", found=call.path["key"], group=query.group)
    call.desk.remove_acl_entry(entry, below=query.below)


def add_manager(call: Call[Nothing, NewManager]) -> None:
    """Makes somebody a manager of a group. Wants ACL_WRITE there and all that is handed on."""
    wanted = call.body
    if wanted.permissions is None:
        call.desk.add_manager(wanted.group, wanted.who.who())
    else:
        call.desk.add_manager(wanted.group, wanted.who.who(), permissions_of(wanted.permissions))
