"""What a caller may do in a VO, read from its lists when it is asked: one query for a group, whatever the size of the VO."""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from ostiary.errors import Denied
from ostiary.x509.fqan import MAX_LENGTH
from voms.administration.acl import AclEntry, Allowed, effective, together, way_to
from voms.administration.callers import Caller
from voms.administration.permissions import OF_ROLES, Permission, permissions_text
from voms.portions import portions
from voms.tables import vo, vo_acl_entry, vo_group, vo_role

# What a database is asked about at all.
_GROUP: Final = re.compile(r"(?:/[A-Za-z0-9_.-]+)+")
_ROLE: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class Rights:
    """The rights of one caller, as long as ``connection`` is open; made by `rights_of`.

    What was read once is not read again: who changes a list through the same connection calls `forget`.
    """

    def __init__(self, connection: Connection, vo_id: int, caller: Caller, at: datetime) -> None:
        self.connection: Final = connection
        self.vo: Final = vo_id
        self.caller: Final = caller
        self._keys = caller.keys(at)
        self._known: dict[tuple[str, str | None], Permission] = {}
        self._all: dict[tuple[str, str | None], Permission] | None = None

    def of(self, group: str, role: str | None = None) -> Permission:
        """All that she may do in a group, or with a role in it; nothing in a group that is not there."""
        if self.caller.operator:
            return Permission.ALL
        if len(group) > MAX_LENGTH or _GROUP.fullmatch(group) is None or (role and _ROLE.fullmatch(role) is None):
            return Permission.NONE
        place = (group, role)
        if place not in self._known:
            way = way_to(group)
            self._known[place] = effective(self._places(way, role), way, role)
        return self._known[place]

    def allows(self, permission: Permission, group: str, role: str | None = None) -> bool:
        """Whether she may do all of ``permission`` there."""
        return permission & ~self.of(group, role) == Permission.NONE

    def require(self, permission: Permission, group: str, role: str | None = None) -> None:
        """Raises `Denied` (``voms.not_allowed``), also for a group or role that is not there: who may not look learns nothing."""
        missing = permission & ~self.of(group, role)
        if missing:
            where = group[:MAX_LENGTH] if role is None else f"{group[:MAX_LENGTH]}/Role={role[:128]}"
            needed = permissions_text(missing)
            raise Denied("voms.not_allowed", expected=needed, found=self.caller.by, group=where, permission=needed)

    def groups_with(self, permission: Permission) -> frozenset[str] | None:
        """The groups in which she may do all of ``permission``; None: in every group. One query for all."""
        if self.caller.operator:
            return None
        own = (self._allowed(row) for row in self._of_keys(self._keys, for_new_groups=False, of_roles=False))
        places = together(own, self._keys)
        groups = (group for group, _ in places)
        return frozenset(each for each in groups if permission & ~effective(places, way_to(each)) == Permission.NONE)

    def anywhere(self, permission: Permission) -> bool:
        """Whether there is a group, or a role in one, where she may do all of ``permission``."""
        root = self.connection.execute(select(vo.c.name).where(vo.c.id == self.vo)).scalar_one()
        # Managers of the whole VO first: they may be on thousands of lists.
        if self.allows(permission, f"/{root}"):
            return True
        places = self._everywhere()
        return any(permission & ~effective(places, way_to(group), role) == Permission.NONE for group, role in places)

    def require_no_more_than_own(self, keys: Collection[str]) -> None:
        """Nobody hands on, by a membership, a role or a certificate, what she may not do herself.

        ``keys``: what lists will call somebody from now on. Raises `Denied` (``voms.more_than_own``).
        """
        if self.caller.operator:
            return
        for row in self._of_keys(keys):
            places = self._everywhere()
            more = Permission(row.permissions) & ~effective(places, way_to(row.path), row.role)
            if more:
                raise self._more(more, row.path, row.role)

    def require_own(self, permissions: Permission, places: Collection[tuple[str, str | None]]) -> None:
        """Raises `Denied` (``voms.more_than_own``) for permissions to hand on that she has not herself in each of these places, a group
        or a role in one."""
        if len(places) > 1 and not self.caller.operator:
            self._everywhere()
        for group, role in places:
            more = permissions & ~self.of(group, role)
            if more:
                raise self._more(more, group, role)

    def require_role_like_groups(self, role: str) -> None:
        """Raises `Denied` (``voms.more_than_own``) where she may do less with the role than in its group, whose list a new role gets."""
        places = self._everywhere()
        for group in (group for group, of in places if of is None):
            way = way_to(group)
            more = effective(places, way) & OF_ROLES & ~effective(places, way, role)
            if more and not self.caller.operator:
                raise self._more(more, group, role)

    def by_entries(self, entries: Iterable[AclEntry]) -> Permission:
        """What a list with these entries would allow her, seen by itself."""
        found = Permission.NONE
        for entry in entries:
            if entry.who.key in self._keys:
                found |= entry.permissions
        return found

    def forget(self) -> None:
        """Lists, groups or roles have changed: read them again."""
        self._known.clear()
        self._all = None

    def _more(self, more: Permission, group: str, role: str | None) -> Denied:
        where, named = group if role is None else f"{group}/Role={role}", permissions_text(more)
        return Denied("voms.more_than_own", expected=named, found=self.caller.by, group=where, permission=named)

    def _places(self, way: Collection[str], role: str | None) -> dict[tuple[str, str | None], Permission]:
        return self._all if self._all is not None else together(self._lists(way, role), self._keys)

    def _lists(self, way: Collection[str], role: str | None) -> Iterator[Allowed]:
        """The entries of the groups on the way, and of the role."""
        entry = vo_acl_entry
        # By the groups, which are few: a VO may have very many entries.
        wanted = _entries().where(vo_group.c.vo_id == self.vo, vo_group.c.path.in_(way))
        wanted = wanted.where(entry.c.for_new_groups.is_(False))
        only = entry.c.role_id.is_(None) if role is None else entry.c.role_id.is_(None) | (vo_role.c.name == role)
        for row in self.connection.execute(wanted.where(only)):
            yield self._allowed(row)

    def _everywhere(self) -> dict[tuple[str, str | None], Permission]:
        if self._all is None:
            rows = self._of_keys(self._keys, for_new_groups=False)
            own = (self._allowed(row) for row in rows)
            self._all = together(own, self._keys)
        return self._all

    @staticmethod
    def _allowed(row: Any) -> Allowed:
        return Allowed(row.path, row.role, row.who_key, Permission(row.permissions))

    def _of_keys(
        self, keys: Collection[str], *, for_new_groups: bool | None = None, of_roles: bool = True
    ) -> Iterator[Any]:
        """Every entry that means one of these."""
        for some in portions(sorted(keys)):
            wanted = _entries().where(vo_acl_entry.c.vo_id == self.vo, vo_acl_entry.c.who_key.in_(some))
            if for_new_groups is not None:
                wanted = wanted.where(vo_acl_entry.c.for_new_groups.is_(for_new_groups))
            if not of_roles:
                wanted = wanted.where(vo_acl_entry.c.role_id.is_(None))
            yield from self.connection.execute(wanted).all()


def rights_of(connection: Connection, vo_id: int, caller: Caller, at: datetime) -> Rights:
    """What ``caller`` may do at the moment ``at`` in the VO with this number."""
    return Rights(connection, vo_id, caller, at)


def _entries() -> Select[Any]:
    entry = vo_acl_entry
    return (
        select(vo_group.c.path, vo_role.c.name.label("role"), entry.c.who_key, entry.c.permissions)
        .join(vo_group, vo_group.c.id == entry.c.group_id)
        .outerjoin(vo_role, vo_role.c.id == entry.c.role_id)
    )
