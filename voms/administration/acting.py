"""What a manager does, checked against the lists and then done, each as part of an open change: several together make one transaction.

Whoever may not is refused before anything is looked up, and learns nothing of what is there.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from sqlalchemy import select

from ostiary.errors import Missing, Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms import attribute_classes, details, grants, people, structure
from voms.administration import lists
from voms.administration.acl import AclEntry, way_to
from voms.administration.permissions import OF_ROLES, Permission
from voms.administration.reach import (
    groups_over,
    groups_throughout,
    inherits,
    keys_of_member,
    keys_of_role,
    paths_of,
    roles_given_in,
    roles_of_member,
)
from voms.administration.rights import Rights
from voms.administration.who import Who
from voms.changes import Change
from voms.details import Details
from voms.grants import Whose
from voms.identities import FederatedIdentity
from voms.people import Kind, SuspensionCode
from voms.periods import ALWAYS, When, read_recurrence
from voms.rows import group_number, groups_from, lock_member, role_number
from voms.tables import vo, vo_group_membership, vo_member, vo_member_certificate, vo_member_identity, vo_role

_P = Permission


@dataclass(frozen=True, slots=True)
class Acting:
    """A caller's rights, and the change in which she uses them. Everything raises `Denied` (``voms.not_allowed``, ``voms.more_than_own``)
    beside what the functions on a `Change` raise."""

    change: Change
    rights: Rights

    @property
    def root(self) -> str:
        """The path of the VO's root group."""
        return f"/{self.change.name}"

    def require(self, permission: Permission, group: str | None = None, role: str | None = None) -> None:
        """See `Rights.require`; in the root group where none is said."""
        self.rights.require(permission, group if group is not None else self.root, role)

    # Groups and roles

    def add_group(self, path: str, *, description: str = "", optional: bool = False) -> None:
        """See `structure.add_group`; wants CONTAINER_WRITE in the group above."""
        structure.check_group_path(self.change.name, path)
        self.require(_P.CONTAINER_WRITE, path.rpartition("/")[0])
        structure.check_description(description)
        structure.add_group(self.change, path, description=description, optional=optional)
        self.rights.forget()

    def remove_group(self, path: str) -> None:
        """See `structure.remove_group`; wants CONTAINER_WRITE in it and the group above, what lists say of its members, and, there and for
        the roles in it, all that she would have in a new one of that name: a list that keeps her out is not got rid of so. Who has ALL in
        the root needs no more: no manager makes a group that the VO can't end."""
        above = path.rpartition("/")[0] or self.root
        self.require(_P.CONTAINER_WRITE, above)
        if path != self.root and not self.rights.allows(_P.ALL, self.root):
            self._require_to_make_anew(path, above)
        structure.remove_group(self.change, path)
        self.rights.forget()

    def change_group(self, path: str, *, description: str | None = None, optional: bool | None = None) -> None:
        """See `structure.change_group`; wants CONTAINER_WRITE."""
        self.require(_P.CONTAINER_WRITE, path)
        structure.check_description(description or "")
        structure.change_group(self.change, path, description=description, optional=optional)

    def add_parent(self, group: str, parent: str) -> None:
        """See `structure.add_parent`; wants CONTAINER_WRITE in both, MEMBERSHIP_WRITE in ``parent`` and in every group that members of
        ``group`` come into by it, and for each role that may come down by it, in ``group`` and all below."""
        self.require(_P.CONTAINER_WRITE, group)
        self.require(_P.CONTAINER_WRITE | _P.MEMBERSHIP_WRITE, parent)
        numbers = [group_number(self.change.connection, self.change.vo, path) for path in (group, parent)]
        connection = self.change.connection
        new = groups_over(connection, [numbers[1]]) - groups_over(connection, [numbers[0]])
        paths = [path for path in paths_of(connection, new) if path != self.root]
        for path in paths:
            self.require(_P.MEMBERSHIP_WRITE, path)
        below = self._groups_below(group)
        self.rights.require_no_more_than_own(self._keys_of(paths, below, self._roles()))
        if not self.rights.caller.operator and inherits(connection, self.change.vo):
            given = roles_given_in(connection, new)
            own = {
                each for each in self._roles() if any(self.rights.allows(_P.MEMBERSHIP_WRITE, at, each) for at in paths)
            }
            for role, path in product(sorted(given | own), below):
                self.require(_P.MEMBERSHIP_WRITE, path, role)
        structure.add_parent(self.change, group, parent)

    def remove_parent(self, group: str, parent: str) -> None:
        """See `structure.remove_parent`; wants CONTAINER_WRITE in both."""
        self.require(_P.CONTAINER_WRITE, group)
        self.require(_P.CONTAINER_WRITE, parent)
        structure.remove_parent(self.change, group, parent)

    def set_inheritance(self, inherited: bool) -> None:
        """Whether what a group gives goes to the members of the groups below it. Changes what everybody has: wants ALL in the root."""
        self.require(_P.ALL)
        self.change.alter(vo, {"inherits": inherited}, id=self.change.vo)

    def add_role(self, role: str, *, description: str = "") -> None:
        """See `structure.add_role`; wants CONTAINER_WRITE in the root."""
        self.require(_P.CONTAINER_WRITE)
        structure.check_description(description)
        structure.add_role(self.change, role, description=description)
        self.rights.forget()

    def remove_role(self, role: str) -> None:
        """See `structure.remove_role`; wants CONTAINER_WRITE in the root, what lists say of whoever has the role, and for the role in each
        group all that she would have for a new one of that name; or ALL in the root."""
        self.require(_P.CONTAINER_WRITE)
        if not self.rights.allows(_P.ALL, self.root):
            role_number(self.change.connection, self.change.vo, role)
            fqans = (Fqan(path, role) for path in self._groups_below(self.root))
            self.rights.require_no_more_than_own({Who.fqan(fqan).key for fqan in fqans})
            self.rights.require_role_like_groups(role)
        structure.remove_role(self.change, role)
        self.rights.forget()

    # Members

    def add_member(
        self,
        member: str,
        known_by: Iterable[CertificateNames | FederatedIdentity],
        *,
        kind: Kind = "person",
        until: datetime | None = None,
        about: Details | None = None,
    ) -> None:
        """A new member with the id ``member``. Wants MEMBERSHIP_WRITE in the root, for ``about`` PERSONAL_INFO_WRITE, too."""
        self.require(_P.MEMBERSHIP_WRITE | (_P.NONE if about is None else _P.PERSONAL_INFO_WRITE))
        known = list(known_by)
        self.rights.require_no_more_than_own({Who.fqan(Fqan(self.root)).key, *(_named(each).key for each in known)})
        people.add_member(self.change, member, kind=kind, until=until)
        for each in known:
            if isinstance(each, CertificateNames):
                people.add_certificate(self.change, member, each)
            else:
                people.link_identity(self.change, member, each)
        if about is not None:
            details.set_details(self.change, member, about)

    def add_certificate(self, member: str, names: CertificateNames) -> None:
        """See `people.add_certificate`; wants MEMBERSHIP_WRITE in the root, and no less than the member, and who has the certificate, may
        do: both are one from now on."""
        self._require_to_become(member, names)
        people.add_certificate(self.change, member, names)

    def remove_certificate(self, member: str, names: CertificateNames) -> None:
        """See `people.remove_certificate`; wants MEMBERSHIP_WRITE in the root, and what lists say of it, which ends. Refused
        (``voms.last_name``) where nobody could be the member any more."""
        self._require_for(_P.MEMBERSHIP_WRITE, member, names)
        self._require_to_end(names)
        self._check_not_last(member)
        people.remove_certificate(self.change, names)
        self.rights.forget()

    def suspend_certificate(self, member: str, names: CertificateNames, reason: str) -> None:
        """See `people.suspend_certificate`; wants SUSPEND in the root."""
        self._require_for(_P.SUSPEND, member, names)
        people.suspend_certificate(self.change, names, reason)

    def restore_certificate(self, member: str, names: CertificateNames) -> None:
        """See `people.restore_certificate`; wants SUSPEND in the root."""
        self._require_for(_P.SUSPEND, member, names)
        people.restore_certificate(self.change, names)

    def link_identity(self, member: str, identity: FederatedIdentity) -> None:
        """See `people.link_identity`; wants what `add_certificate` wants."""
        self._require_to_become(member, identity)
        people.link_identity(self.change, member, identity)

    def unlink_identity(self, member: str, identity: FederatedIdentity) -> None:
        """See `people.unlink_identity`; wants and refuses what `remove_certificate` does."""
        self.require(_P.MEMBERSHIP_WRITE)
        self._require_to_end(identity)
        self._check_not_last(member)
        people.unlink_identity(self.change, member, identity)
        self.rights.forget()

    def suspend(self, member: str, reason: str, code: SuspensionCode = "other") -> None:
        """See `people.suspend`; wants SUSPEND in the root."""
        self.require(_P.SUSPEND)
        people.suspend(self.change, member, reason, code)

    def restore(self, member: str) -> None:
        """See `people.restore`; wants SUSPEND in the root."""
        self.require(_P.SUSPEND)
        people.restore(self.change, member)

    def restore_all(self) -> list[str]:
        """`restore` for everybody who is suspended; the ids of those."""
        self.require(_P.SUSPEND)
        held = vo_member
        wanted = select(held.c.id).where(held.c.vo_id == self.change.vo, held.c.suspended_reason.is_not(None))
        members = list(self.change.connection.execute(wanted.order_by(held.c.id)).scalars())
        for member in members:
            people.restore(self.change, member)
        return members

    def set_end(self, member: str, until: datetime | None) -> None:
        """See `people.set_end`; wants MEMBERSHIP_WRITE in the root, for a later end no less than the member may do."""
        self.require(_P.MEMBERSHIP_WRITE)
        if not self.rights.caller.operator and self._ends_before(member, until):
            keys = keys_of_member(self.change.connection, self.change.vo, self.root, member)
            self.rights.require_no_more_than_own(keys)
        people.set_end(self.change, member, until)

    def set_details(self, member: str, about: Details) -> None:
        """See `details.set_details`; wants PERSONAL_INFO_WRITE in the root."""
        self.require(_P.PERSONAL_INFO_WRITE)
        details.set_details(self.change, member, about)

    def remove_member(self, member: str) -> None:
        """See `people.remove_member`; wants MEMBERSHIP_WRITE in the root, and what lists say of her by id, certificate or identity."""
        self.require(_P.MEMBERSHIP_WRITE)
        self._require_to_end(*people.certificates_of(self.change, member))
        self._require_to_end(*people.identities_of(self.change, member))
        self.rights.require_no_more_than_own({Who.member(member).key})
        people.remove_member(self.change, member)
        self.rights.forget()

    # What members have

    def join(self, member: str, group: str, when: When = ALWAYS) -> None:
        """See `grants.join`; wants MEMBERSHIP_WRITE in the group, and in each above it in which the member is not during all of that time
        anyway."""
        self.require(_P.MEMBERSHIP_WRITE, group)
        if not self.rights.caller.operator:
            self._require_above(member, group, when)
        grants.join(self.change, member, group, when)

    def leave(self, member: str, group: str) -> None:
        """See `grants.leave`; wants MEMBERSHIP_WRITE in the group."""
        self.require(_P.MEMBERSHIP_WRITE, group)
        grants.leave(self.change, member, group)

    def move(self, member: str, group: str, to: str, when: When | None = None) -> None:
        """Takes the member out of one group and puts her into another; wants what `leave` and `join` want. ``when`` None: for the times
        that she had. Raises `Missing` (``voms.not_joined``) where she did not join ``group`` by name."""
        change = self.change
        self.require(_P.MEMBERSHIP_WRITE, group)
        self.require(_P.MEMBERSHIP_WRITE, to)
        number, target = (group_number(change.connection, change.vo, path) for path in (group, to))
        joined = vo_group_membership
        wanted = select(joined.c.valid_from, joined.c.valid_to, joined.c.recurs)
        had = change.connection.execute(wanted.where(joined.c.member_id == member, joined.c.group_id == number)).first()
        if had is None:
            raise Missing("voms.not_joined", expected="a group that she joined", found=group, group=group)
        if when is None:
            since = had.valid_from if had.valid_from > change.at else None
            when = When(since, had.valid_to, read_recurrence(had.recurs) if had.recurs is not None else None)
        # Who leaves a group leaves those below it; elsewhere she stays, all the time, in the groups above both.
        if number in groups_over(change.connection, [target]):
            self.leave(member, group)
            self.join(member, to, when)
        else:
            self.join(member, to, when)
            self.leave(member, group)

    def assign_role(self, member: str, group: str, role: str, when: When = ALWAYS) -> None:
        """See `grants.assign_role`; wants MEMBERSHIP_WRITE for the role in the group, and no less than the role may do."""
        self.require(_P.MEMBERSHIP_WRITE, group, role)
        if not self.rights.caller.operator:
            number = group_number(self.change.connection, self.change.vo, group)
            keys = keys_of_role(self.change.connection, self.change.vo, number, role)
            self.rights.require_no_more_than_own(keys)
        grants.assign_role(self.change, member, group, role, when)

    def dismiss_role(self, member: str, group: str, role: str) -> None:
        """See `grants.dismiss_role`; wants MEMBERSHIP_WRITE for the role in the group."""
        self.require(_P.MEMBERSHIP_WRITE, group, role)
        grants.dismiss_role(self.change, member, group, role)

    def set_attribute(self, name: str, value: str, whose: Whose, when: When = ALWAYS) -> None:
        """See `grants.set_attribute`; wants ATTRIBUTES_WRITE in the group or for the role in it, for a member's in the root."""
        self.require(_P.ATTRIBUTES_WRITE, whose.group, whose.role)
        grants.set_attribute(self.change, name, value, whose, when)

    def remove_attribute(self, name: str, whose: Whose) -> None:
        """See `grants.remove_attribute`; wants what `set_attribute` wants."""
        self.require(_P.ATTRIBUTES_WRITE, whose.group, whose.role)
        grants.remove_attribute(self.change, name, whose)

    def add_attribute_class(self, name: str, *, description: str = "", unique: bool = False) -> None:
        """See `attribute_classes.add_attribute_class`; wants ATTRIBUTES_WRITE in the root."""
        self.require(_P.ATTRIBUTES_WRITE)
        attribute_classes.add_attribute_class(self.change, name, description=description, unique=unique)

    def remove_attribute_class(self, name: str) -> None:
        """See `attribute_classes.remove_attribute_class`; wants ATTRIBUTES_WRITE in the root."""
        self.require(_P.ATTRIBUTES_WRITE)
        attribute_classes.remove_attribute_class(self.change, name)

    # Lists

    def set_acl_entry(self, entry: AclEntry, *, below: bool = False) -> None:
        """Replaces what a list says of somebody. Wants ACL_WRITE there (ACL_DEFAULT for the list of new groups) and all that is handed on
        or taken away; ``below``: also for the roles in the group and for all groups below and theirs."""
        self._require_to_change(entry, below)
        lists.set_entry(self.change, entry, below=below)
        self.rights.forget()

    def remove_acl_entry(self, entry: AclEntry, *, below: bool = False) -> None:
        """Takes somebody out of a list, with what `set_acl_entry` wants. Raises `Missing` (``voms.no_acl_entry``)."""
        self._require_to_change(entry, below)
        lists.remove_entry(self.change, entry, below=below)
        self.rights.forget()

    def add_manager(self, group: str, who: Who, permissions: Permission) -> None:
        """Makes somebody a manager of a group, the roles in it and all groups below; where the way to it is hidden, shows it."""
        for path in way_to(group)[:-1]:
            now = self._list(path).get(who.key, _P.NONE)
            if not now & _P.CONTAINER_READ:
                self.set_acl_entry(AclEntry(path, None, who, now | _P.CONTAINER_READ))
        self.set_acl_entry(AclEntry(group, None, who, permissions | _P.CONTAINER_READ), below=True)

    def _require_to_change(self, entry: AclEntry, below: bool) -> None:
        """Every list that the entry goes to may be changed so by the caller."""
        lists_right = _P.ACL_DEFAULT if entry.for_new_groups else _P.ACL_WRITE
        self.require(lists_right, entry.group, entry.role)
        if self.rights.caller.operator:
            return
        change = self.change
        places = lists.places_of(change.connection, change.vo, entry, below=below)
        self.rights.require_own(lists_right | entry.permissions, places)
        for group, role, now in lists.said_of(change.connection, change.vo, entry, below=below):
            self.rights.require_own(now, [(group, role)])

    def _list(self, group: str) -> dict[str, Permission]:
        found = lists.entries_of(self.change.connection, self.change.vo, group)
        return {entry.who.key: entry.permissions for entry in found}

    # What comes along

    def _require_above(self, member: str, group: str, when: When) -> None:
        connection, change = self.change.connection, self.change
        number = group_number(connection, change.vo, group)
        there_anyway = groups_throughout(connection, member, when.since or change.at, when.until)
        over = paths_of(connection, groups_over(connection, [number]) - {number} - there_anyway)
        new = [group, *(path for path in over if path != self.root)]
        for path in new:
            self.require(_P.MEMBERSHIP_WRITE, path)
        self.rights.require_no_more_than_own(self._keys_of(new, new, roles_of_member(connection, member)))

    def _require_to_make_anew(self, path: str, above: str) -> None:
        connection, number = self.change.connection, self.change.vo
        group_number(connection, number, path)
        self.require(_P.CONTAINER_WRITE, path)
        roles = self._roles()
        fqans = (Fqan(path), *(Fqan(path, role) for role in roles))
        self.rights.require_no_more_than_own({Who.fqan(fqan).key for fqan in fqans})
        entries = lists.entries_of(connection, number, above, for_new_groups=True)
        would_have = self.rights.by_entries(entries or lists.entries_of(connection, number, above))
        self.rights.require_own(would_have, [(path, None)])
        self.rights.require_own(would_have & OF_ROLES, [(path, role) for role in roles])

    def _require_to_become(self, member: str, known_by: CertificateNames | FederatedIdentity) -> None:
        self.require(_P.MEMBERSHIP_WRITE)
        if not self.rights.caller.operator:
            keys = keys_of_member(self.change.connection, self.change.vo, self.root, member)
            self.rights.require_no_more_than_own({*keys, _named(known_by).key})

    def _require_to_end(self, *known_by: CertificateNames | FederatedIdentity) -> None:
        """Entries of lists end with what they name: nobody takes from others by that what she has not."""
        self.rights.require_no_more_than_own({_named(each).key for each in known_by})

    def _keys_of(self, groups: Iterable[str], with_roles: Iterable[str], roles: Collection[str]) -> set[str]:
        """By what lists mean who is in ``groups`` and, where roles come down, has one of ``roles`` in ``with_roles``."""
        keys = {Who.fqan(Fqan(path)).key for path in groups}
        if inherits(self.change.connection, self.change.vo):
            keys |= {Who.fqan(Fqan(path, role)).key for path in with_roles for role in roles}
        return keys

    def _groups_below(self, group: str) -> list[str]:
        connection = self.change.connection
        return paths_of(connection, groups_from(connection, group_number(connection, self.change.vo, group)))

    def _roles(self) -> list[str]:
        wanted = select(vo_role.c.name).where(vo_role.c.vo_id == self.change.vo).order_by(vo_role.c.name)
        return list(self.change.connection.execute(wanted).scalars())

    def _require_for(self, permission: Permission, member: str, names: CertificateNames) -> None:
        """The certificate has to be this member's: the audit row names her. Raises `Missing` (``voms.no_certificate``, ``voms.no_member``
        also for a member of another VO in the same database)."""
        self.require(permission)
        lock_member(self.change.connection, self.change.vo, member)
        if names not in people.certificates_of(self.change, member):
            raise Missing("voms.no_certificate", expected="a certificate of this member", found=names.subject)

    def _ends_before(self, member: str, until: datetime | None) -> bool:
        wanted = select(vo_member.c.valid_to).where(vo_member.c.id == member, vo_member.c.vo_id == self.change.vo)
        end: datetime | None = self.change.connection.execute(wanted).scalar_one_or_none()
        return end is not None and (until is None or end < until)

    def _check_not_last(self, member: str) -> None:
        links = (vo_member_certificate, vo_member_identity)
        known = 0
        for link in links:
            wanted = select(link.c.id).where(link.c.member_id == member).limit(2)
            known += len(self.change.connection.execute(wanted).all())
        if known < 2:
            raise Refusal("voms.last_name", expected="another certificate or identity", found="the only one")


def _named(known_by: CertificateNames | FederatedIdentity) -> Who:
    return Who.certificate(known_by) if isinstance(known_by, CertificateNames) else Who.identity(known_by)
