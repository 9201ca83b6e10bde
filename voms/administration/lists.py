"""Writes and reads access-control lists, as parts of an open `Change`. Who may do that is decided elsewhere."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, false, literal, null, or_, select

from ostiary.errors import Missing
from ostiary.x509.fqan import Fqan
from voms.administration.acl import AclEntry
from voms.administration.permissions import Permission
from voms.administration.who import Who, WhoKind, read_who
from voms.changes import Change
from voms.portions import portions
from voms.rows import group_number, lock_member, role_number
from voms.tables import vo_acl_entry, vo_group, vo_role

VO_ADMIN = "VO-Admin"
"""The role that may do everything in a new VO, when somebody has it in the root group: the original's."""

_COLUMNS = ["vo_id", "group_id", "role_id", "for_new_groups", "who_kind", "who_key", "who", "permissions"]


def give_first_list(change: Change, root: int) -> None:
    """A new VO gives strangers nothing, and all to who has the role VO-Admin in its root group."""
    role = change.add(vo_role, vo_id=change.vo, name=VO_ADMIN, description="")
    admins = Who.fqan(Fqan(f"/{change.name}", VO_ADMIN))
    for role_id in (None, role):
        _add(change, root, role_id, AclEntry("", None, admins, Permission.ALL))


def give_group_its_list(change: Change, group: int, parent: int) -> None:
    """A new group gets the list that its parent keeps for new groups or, where that is empty, a copy of its parent's own; each role the
    group's."""
    entry = vo_acl_entry
    kept = select(entry.c.id).where(entry.c.group_id == parent, entry.c.for_new_groups.is_(True)).limit(1)
    for_new = change.connection.execute(kept).scalar_one_or_none() is not None
    number = literal(group, entry.c.group_id.type)
    what = [entry.c[name] for name in ("who_kind", "who_key", "who", "permissions")]
    of_parent = entry.c.group_id == parent, entry.c.role_id.is_(None), entry.c.for_new_groups.is_(for_new)
    change.add_from(entry, _COLUMNS, select(entry.c.vo_id, number, null(), false(), *what).where(*of_parent))
    own = entry.c.group_id == group, entry.c.role_id.is_(None), entry.c.for_new_groups.is_(False)
    each_role = select(entry.c.vo_id, number, vo_role.c.id, false(), *what)
    change.add_from(entry, _COLUMNS, each_role.join(vo_role, vo_role.c.vo_id == entry.c.vo_id).where(*own))


def give_role_its_lists(change: Change, role: int) -> None:
    """A new role gets, in each group, the group's list."""
    entry = vo_acl_entry
    what = [entry.c[name] for name in ("who_kind", "who_key", "who", "permissions")]
    number = literal(role, entry.c.group_id.type)
    own = entry.c.vo_id == change.vo, entry.c.role_id.is_(None), entry.c.for_new_groups.is_(False)
    rows = select(entry.c.vo_id, entry.c.group_id, number, false(), *what).where(*own)
    change.add_from(entry, _COLUMNS, rows)


def set_entry(change: Change, entry: AclEntry, *, below: bool = False) -> None:
    """Replaces what the list said of this ``who``; ``below``: also the lists of the roles in the group, and of all groups below (by path)
    and their roles, or only those of the entry's role. Raises `Missing` (``voms.no_group``, ``voms.no_role``, ``voms.no_member``), also
    where the ``who`` is one that is not there: it may come to be somebody else. The change must be ``alone``."""
    group, role = _numbers(change.connection, change.vo, entry)
    _check_who(change, entry.who)
    change.end(vo_acl_entry, *_where(change.vo, group, role, entry, below))
    if not below:
        _add(change, group, role, entry)
        return
    kept = vo_acl_entry
    what = (
        literal(entry.who.kind.value, kept.c.who_kind.type),
        literal(entry.who.key, kept.c.who_key.type),
        literal(entry.who.text(), kept.c.who.type),
        literal(int(entry.permissions), kept.c.permissions.type),
    )
    inside = _inside(change.vo, entry.group)
    if role is None:
        groups = select(vo_group.c.vo_id, vo_group.c.id, null(), false(), *what).where(inside)
        change.add_from(kept, _COLUMNS, groups)
    roles = select(vo_group.c.vo_id, vo_group.c.id, vo_role.c.id, false(), *what)
    roles = roles.join(vo_role, vo_role.c.vo_id == vo_group.c.vo_id).where(inside)
    change.add_from(kept, _COLUMNS, roles if role is None else roles.where(vo_role.c.id == role))


def remove_entry(change: Change, entry: AclEntry, *, below: bool = False) -> None:
    """The list, and with ``below`` those that `set_entry` means by it, no longer say anything of this ``who``. Raises `Missing`
    (``voms.no_acl_entry``, ``voms.no_*``)."""
    group, role = _numbers(change.connection, change.vo, entry)
    if change.end(vo_acl_entry, *_where(change.vo, group, role, entry, below)) == 0:
        raise Missing(
            "voms.no_acl_entry", expected="an entry of this list", found=entry.who.kind.value, group=entry.group
        )


def places_of(connection: Connection, vo_id: int, entry: AclEntry, *, below: bool) -> list[tuple[str, str | None]]:
    """The groups, and roles in groups, whose lists `set_entry` changes. Raises `Missing` (``voms.no_group``, ``voms.no_role``)."""
    _numbers(connection, vo_id, entry)
    if not below:
        return [(entry.group, entry.role)]
    groups = connection.execute(select(vo_group.c.path).where(_inside(vo_id, entry.group))).scalars().all()
    roles: list[str | None] = [entry.role]
    if entry.role is None:
        roles += connection.execute(select(vo_role.c.name).where(vo_role.c.vo_id == vo_id)).scalars()
    return [(group, role) for group in groups for role in roles]


def said_of(
    connection: Connection, vo_id: int, entry: AclEntry, *, below: bool
) -> list[tuple[str, str | None, Permission]]:
    """What these lists say of the entry's ``who`` now: group, role, permissions."""
    group, role = _numbers(connection, vo_id, entry)
    kept = vo_acl_entry
    wanted = (
        select(vo_group.c.path, vo_role.c.name, kept.c.permissions)
        .join(vo_group, vo_group.c.id == kept.c.group_id)
        .outerjoin(vo_role, vo_role.c.id == kept.c.role_id)
        .where(*_where(vo_id, group, role, entry, below))
    )
    return [(path, name, Permission(bits)) for path, name, bits in connection.execute(wanted)]


def forget_who(change: Change, keys: Collection[str]) -> None:
    """What lists said of something that is no more: whoever gets the same name later is somebody else."""
    for some in portions(sorted(keys)):
        change.end(vo_acl_entry, vo_acl_entry.c.who_key.in_(some), vo_id=change.vo)


def forget_group(change: Change, path: str) -> None:
    """The same for a group and the roles in it."""
    roles = change.connection.execute(select(vo_role.c.name).where(vo_role.c.vo_id == change.vo)).scalars()
    forget_who(change, {Who.fqan(Fqan(path, role)).key for role in (None, *roles)})


def forget_role(change: Change, role: str) -> None:
    """The same for a role in whatever group."""
    groups = change.connection.execute(select(vo_group.c.path).where(vo_group.c.vo_id == change.vo)).scalars()
    forget_who(change, {Who.fqan(Fqan(path, role)).key for path in groups})


def entries_of(
    connection: Connection, vo_id: int, group: str, role: str | None = None, *, for_new_groups: bool = False
) -> tuple[AclEntry, ...]:
    """One list, in the order in which it was written. Raises `Missing` (``voms.no_group``, ``voms.no_role``)."""
    number = group_number(connection, vo_id, group)
    role_id = role_number(connection, vo_id, role) if role is not None else None
    entry = vo_acl_entry
    wanted = select(entry.c.who_kind, entry.c.who, entry.c.permissions).where(
        entry.c.group_id == number,
        entry.c.role_id.is_(None) if role_id is None else entry.c.role_id == role_id,
        entry.c.for_new_groups.is_(for_new_groups),
    )
    return tuple(
        AclEntry(group, role, read_who(row.who_kind, row.who), Permission(row.permissions), for_new_groups)
        for row in connection.execute(wanted.order_by(entry.c.id))
    )


def _numbers(connection: Connection, vo_id: int, entry: AclEntry) -> tuple[int, int | None]:
    role = role_number(connection, vo_id, entry.role) if entry.role is not None else None
    return group_number(connection, vo_id, entry.group), role


def _check_who(change: Change, who: Who) -> None:
    fqan = who.as_fqan()
    if fqan is not None:
        group_number(change.connection, change.vo, fqan.group)
        if fqan.role is not None:
            role_number(change.connection, change.vo, fqan.role)
    if who.kind is WhoKind.MEMBER:
        lock_member(change.connection, change.vo, who.value[0])


def _where(vo_id: int, group: int, role: int | None, entry: AclEntry, below: bool) -> tuple[ColumnElement[bool], ...]:
    """The entries of one ``who``, in one list or in all that stand below it."""
    kept = vo_acl_entry
    of_it = (kept.c.vo_id == vo_id, kept.c.who_key == entry.who.key)
    if not below:
        of_role = kept.c.role_id.is_(None) if role is None else kept.c.role_id == role
        return (*of_it, kept.c.for_new_groups.is_(entry.for_new_groups), kept.c.group_id == group, of_role)
    inside = kept.c.group_id.in_(select(vo_group.c.id).where(_inside(vo_id, entry.group)))
    found = (*of_it, kept.c.for_new_groups.is_(False), inside)
    return found if role is None else (*found, kept.c.role_id == role)


def _inside(vo_id: int, group: str) -> ColumnElement[bool]:
    """The group and all below it, by path."""
    path = vo_group.c.path
    return and_(vo_group.c.vo_id == vo_id, or_(path == group, path.startswith(f"{group}/", autoescape=True)))


def _add(change: Change, group: int, role: int | None, entry: AclEntry) -> None:
    change.add(
        vo_acl_entry,
        vo_id=change.vo,
        group_id=group,
        role_id=role,
        for_new_groups=entry.for_new_groups,
        who_kind=entry.who.kind.value,
        who_key=entry.who.key,
        who=entry.who.text(),
        permissions=int(entry.permissions),
    )
