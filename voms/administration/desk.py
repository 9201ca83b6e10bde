"""Where everybody who manages a VO asks for something: command line, pages and REST API. Each change is checked against the lists, done,
and recorded in one transaction."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import Engine

from ostiary.errors import Missing, Refusal
from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import MAX_LENGTH, parse_fqan
from voms import attribute_classes
from voms.administration import told
from voms.administration.acl import AclEntry
from voms.administration.acting import Acting
from voms.administration.callers import Caller
from voms.administration.lists import entries_of
from voms.administration.permissions import Permission, permissions_text
from voms.administration.rights import Rights, rights_of
from voms.administration.told import HeldCertificate, SetAttribute
from voms.administration.who import Who
from voms.attribute_classes import AttributeClass
from voms.changes import changing
from voms.details import Details
from voms.grants import Whose
from voms.identities import FederatedIdentity
from voms.people import Kind, SuspensionCode, new_member_id
from voms.periods import ALWAYS, When
from voms.rows import vo_number

_NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})
_MEMBER: Final = re.compile(r"[0-9a-f]{32}")
_ROLE: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")

MANAGER: Final = (
    Permission.CONTAINER_READ
    | Permission.CONTAINER_WRITE
    | Permission.MEMBERSHIP_READ
    | Permission.MEMBERSHIP_WRITE
    | Permission.ACL_READ
    | Permission.REQUESTS_READ
    | Permission.REQUESTS_WRITE
    | Permission.ATTRIBUTES_READ
    | Permission.ATTRIBUTES_WRITE
    | Permission.PERSONAL_INFO_READ
)
"""What the manager of a group is usually given there."""


class Desk:
    """One VO, one caller, one moment. Everything raises `Denied` (``voms.not_allowed``, ``voms.more_than_own``), `Missing` (``voms.no_*``),
    `Refusal` (``voms.*``), `Unavailable`; what each change wants stands with the method of `Acting` that has its name."""

    def __init__(
        self, engine: Engine, vo: str, caller: Caller, at: datetime, *, make_id: Callable[[], str] = new_member_id
    ) -> None:
        self.engine: Final = engine
        self.vo: Final = vo
        self.caller: Final = caller
        self.at: Final = at
        self._make_id = make_id

    @property
    def root(self) -> str:
        """The path of the VO's root group."""
        return f"/{self.vo}"

    @contextmanager
    def acting(
        self,
        action: str,
        *,
        subject: str | None = None,
        group: str | None = None,
        role: str | None = None,
        facts: Mapping[str, object] = _NO_FACTS,
        alone: bool = False,
    ) -> Iterator[Acting]:
        """One change of several steps, all or none, recorded as ``action`` about the member ``subject``, with ``facts`` (never a person's
        names or values). ``group``, ``role``: facts that are looked at for form. ``alone``: one of these after the other."""
        check_names(subject, group, role)
        named = {name: text for name, text in (("group", group), ("role", role)) if text is not None}
        every = {**named, **facts}
        with changing(
            self.engine, self.vo, action, at=self.at, by=self.caller.by, subject=subject, facts=every, alone=alone
        ) as change:
            yield Acting(change, rights_of(change.connection, change.vo, self.caller, self.at))

    @contextmanager
    def looking(self) -> Iterator[Rights]:
        """The caller's rights, in one transaction that only reads."""
        with reading(self.engine, consistent=True) as connection:
            yield rights_of(connection, vo_number(connection, self.vo), self.caller, self.at)

    def allows(self, permission: Permission, group: str | None = None, role: str | None = None) -> bool:
        """Whether the caller may do all of ``permission``; in the root group where none is said."""
        with self.looking() as rights:
            return rights.allows(permission, group if group is not None else self.root, role)

    def require(self, permission: Permission, group: str | None = None, role: str | None = None) -> None:
        """Raises `Denied` (``voms.not_allowed``) where `allows` says no."""
        with self.looking() as rights:
            rights.require(permission, group if group is not None else self.root, role)

    # Groups and roles

    def add_group(self, path: str, *, description: str = "", optional: bool = False) -> None:
        """A new group."""
        with self.acting("vo.group_added", group=path, facts={"optional": optional}, alone=True) as acting:
            acting.add_group(path, description=description, optional=optional)

    def remove_group(self, path: str) -> None:
        """Ends a group and all that it gave."""
        with self.acting("vo.group_removed", group=path, alone=True) as acting:
            acting.remove_group(path)

    def change_group(self, path: str, *, description: str | None = None, optional: bool | None = None) -> None:
        """What is None stays."""
        with self.acting("vo.group_changed", group=path, facts={"optional": optional}) as acting:
            acting.change_group(path, description=description, optional=optional)

    def add_parent(self, group: str, parent: str) -> None:
        """A further group directly above."""
        check_names(None, parent, None)
        with self.acting("vo.parent_added", group=group, facts={"parent": parent}, alone=True) as acting:
            acting.add_parent(group, parent)

    def remove_parent(self, group: str, parent: str) -> None:
        """Takes back `add_parent`."""
        check_names(None, parent, None)
        with self.acting("vo.parent_removed", group=group, facts={"parent": parent}, alone=True) as acting:
            acting.remove_parent(group, parent)

    def set_inheritance(self, inherits: bool) -> None:
        """Whether what a group gives goes to the members of the groups below it."""
        with self.acting("vo.inheritance_changed", facts={"inherits": inherits}, alone=True) as acting:
            acting.set_inheritance(inherits)

    def add_role(self, role: str, *, description: str = "") -> None:
        """A new role."""
        with self.acting("vo.role_added", facts={"role": role[:128]}, alone=True) as acting:
            acting.add_role(role, description=description)

    def remove_role(self, role: str) -> None:
        """Ends a role, and that anybody has it."""
        with self.acting("vo.role_removed", role=role, alone=True) as acting:
            acting.remove_role(role)

    # Members

    def add_member(
        self,
        *known_by: CertificateNames | FederatedIdentity,
        kind: Kind = "person",
        until: datetime | None = None,
        about: Details | None = None,
    ) -> str:
        """A new member; returns her id. Raises ValueError where nothing is said by what she is known."""
        if not known_by:
            raise ValueError("a member is known by a certificate or an identity")
        member = self._make_id()
        with self.acting("vo.member_added", subject=member, facts={"kind": kind}) as acting:
            acting.add_member(member, known_by, kind=kind, until=until, about=about)
        return member

    def add_certificate(self, member: str, names: CertificateNames) -> None:
        """One more certificate of a member."""
        with self.acting("vo.certificate_added", subject=member) as acting:
            acting.add_certificate(member, names)

    def remove_certificate(self, member: str, names: CertificateNames) -> None:
        """Takes back `add_certificate`."""
        with self.acting("vo.certificate_removed", subject=member) as acting:
            acting.remove_certificate(member, names)

    def suspend_certificate(self, member: str, names: CertificateNames, reason: str) -> None:
        """The certificate gets nothing; others of the member do."""
        with self.acting("vo.certificate_suspended", subject=member) as acting:
            acting.suspend_certificate(member, names, reason)

    def restore_certificate(self, member: str, names: CertificateNames) -> None:
        """Takes back `suspend_certificate`."""
        with self.acting("vo.certificate_restored", subject=member) as acting:
            acting.restore_certificate(member, names)

    def link_identity(self, member: str, identity: FederatedIdentity) -> None:
        """The member is also who a home organisation names so."""
        with self.acting("vo.identity_linked", subject=member) as acting:
            acting.link_identity(member, identity)

    def unlink_identity(self, member: str, identity: FederatedIdentity) -> None:
        """Takes back `link_identity`."""
        with self.acting("vo.identity_unlinked", subject=member) as acting:
            acting.unlink_identity(member, identity)

    def suspend(self, member: str, reason: str, code: SuspensionCode = "other") -> None:
        """The member gets nothing until `restore`; she is told the reason."""
        with self.acting("vo.member_suspended", subject=member, facts={"code": code}) as acting:
            acting.suspend(member, reason, code)

    def restore(self, member: str) -> None:
        """Takes back `suspend`."""
        with self.acting("vo.member_restored", subject=member) as acting:
            acting.restore(member)

    def restore_all(self) -> list[str]:
        """Takes back every suspension of a member; their ids."""
        with self.acting("vo.members_restored", alone=True) as acting:
            return acting.restore_all()

    def set_end(self, member: str, until: datetime | None) -> None:
        """When the membership ends; None: never."""
        with self.acting("vo.member_end_set", subject=member) as acting:
            acting.set_end(member, until)

    def set_details(self, member: str, about: Details) -> None:
        """Who the member is, for managers' eyes."""
        with self.acting("vo.member_details_set", subject=member) as acting:
            acting.set_details(member, about)

    def remove_member(self, member: str) -> None:
        """Ends the membership and all that goes with it."""
        with self.acting("vo.member_removed", subject=member) as acting:
            acting.remove_member(member)

    # What members have

    def join(self, member: str, group: str, when: When = ALWAYS) -> None:
        """Puts the member into a group, and so into those above it."""
        with self.acting("vo.group_joined", subject=member, group=group) as acting:
            acting.join(member, group, when)

    def leave(self, member: str, group: str) -> None:
        """Takes the member out of a group, of those below it, and of her roles there."""
        with self.acting("vo.group_left", subject=member, group=group) as acting:
            acting.leave(member, group)

    def move(self, member: str, group: str, to: str, when: When | None = None) -> None:
        """Out of one group and into another at one stroke; ``when`` None: for the times that she had."""
        check_names(None, to, None)
        with self.acting("vo.member_moved", subject=member, group=group, facts={"to": to}) as acting:
            acting.move(member, group, to, when)

    def assign_role(self, member: str, group: str, role: str, when: When = ALWAYS) -> None:
        """Gives the member a role in a group in which she is."""
        with self.acting("vo.role_assigned", subject=member, group=group, role=role) as acting:
            acting.assign_role(member, group, role, when)

    def dismiss_role(self, member: str, group: str, role: str) -> None:
        """Takes the role away."""
        with self.acting("vo.role_dismissed", subject=member, group=group, role=role) as acting:
            acting.dismiss_role(member, group, role)

    def set_attribute(self, name: str, value: str, whose: Whose, when: When = ALWAYS) -> None:
        """A generic attribute of a member, a group, or a role in a group."""
        with self._of(whose, "vo.attribute_set", name) as acting:
            acting.set_attribute(name, value, whose, when)

    def remove_attribute(self, name: str, whose: Whose) -> None:
        """Takes back `set_attribute`."""
        with self._of(whose, "vo.attribute_removed", name) as acting:
            acting.remove_attribute(name, whose)

    def add_attribute_class(self, name: str, *, description: str = "", unique: bool = False) -> None:
        """A name that attributes may have."""
        with self.acting("vo.attribute_class_added", facts={"attribute": name[:255], "unique": unique}) as acting:
            acting.add_attribute_class(name, description=description, unique=unique)

    def remove_attribute_class(self, name: str) -> None:
        """Ends it and all attributes of that name."""
        with self.acting("vo.attribute_class_removed", facts={"attribute": name[:255]}) as acting:
            acting.remove_attribute_class(name)

    def attribute_classes(self) -> tuple[AttributeClass, ...]:
        """All, by name; wants ATTRIBUTES_READ in the root."""
        with self.looking() as rights:
            rights.require(Permission.ATTRIBUTES_READ, self.root)
            return attribute_classes.attribute_classes(rights.connection, rights.vo)

    # Looking

    def certificates(self, member: str) -> tuple[HeldCertificate, ...]:
        """By what a member is known; wants MEMBERSHIP_READ in the root."""
        check_names(member, None, None)
        with self.looking() as rights:
            rights.require(Permission.MEMBERSHIP_READ, self.root)
            return told.certificates_of(rights.connection, rights.vo, member)

    def details(self, member: str) -> Details:
        """Who a member is; wants PERSONAL_INFO_READ in the root."""
        check_names(member, None, None)
        with self.looking() as rights:
            rights.require(Permission.PERSONAL_INFO_READ, self.root)
            return told.details_of_member(rights.connection, rights.vo, member)

    def attributes(self, whose: Whose) -> tuple[SetAttribute, ...]:
        """What is set there, by name; wants ATTRIBUTES_READ, for a member's in the root."""
        check_names(whose.member, whose.group, whose.role)
        with self.looking() as rights:
            rights.require(Permission.ATTRIBUTES_READ, whose.group if whose.group else self.root, whose.role)
            return told.attributes_of(rights.connection, rights.vo, whose)

    # Lists

    def acl(self, group: str, role: str | None = None, *, for_new_groups: bool = False) -> tuple[AclEntry, ...]:
        """One list; wants ACL_READ there, for the list of new groups ACL_DEFAULT or ACL_READ."""
        check_names(None, group, role)
        with self.looking() as rights:
            if not (for_new_groups and rights.allows(Permission.ACL_DEFAULT, group)):
                rights.require(Permission.ACL_READ, group, role)
            return entries_of(rights.connection, rights.vo, group, role, for_new_groups=for_new_groups)

    def set_acl_entry(self, entry: AclEntry, *, below: bool = False) -> None:
        """Replaces what a list says of somebody."""
        with self._on_list("vo.acl_entry_set", entry, below) as acting:
            acting.set_acl_entry(entry, below=below)

    def remove_acl_entry(self, entry: AclEntry, *, below: bool = False) -> None:
        """Takes somebody out of a list."""
        with self._on_list("vo.acl_entry_removed", entry, below) as acting:
            acting.remove_acl_entry(entry, below=below)

    def add_manager(self, group: str, who: Who, permissions: Permission = MANAGER) -> None:
        """Makes somebody a manager of a group, the roles in it and all groups below."""
        with self._on_list("vo.manager_added", AclEntry(group, None, who, permissions), True) as acting:
            acting.add_manager(group, who, permissions)

    @contextmanager
    def _on_list(self, action: str, entry: AclEntry, below: bool) -> Iterator[Acting]:
        # A person is told by the first digits of what she is known by.
        named = entry.who.value[0] if entry.who.as_fqan() is not None else entry.who.key[:16]
        facts = {
            "who": f"{entry.who.kind.value}:{named}",
            "permissions": permissions_text(entry.permissions),
            "for_new_groups": entry.for_new_groups,
            "below": below,
        }
        with self.acting(action, group=entry.group, role=entry.role, facts=facts, alone=True) as acting:
            yield acting

    @contextmanager
    def _of(self, whose: Whose, action: str, name: str) -> Iterator[Acting]:
        facts = {"attribute": name[:255]}
        with self.acting(action, subject=whose.member, group=whose.group, role=whose.role, facts=facts) as acting:
            yield acting


def check_names(member: str | None, group: str | None, role: str | None) -> None:
    """Looks at the form of what strangers name, before a database is asked. Raises `Missing` (``voms.no_member``, ``voms.no_group``,
    ``voms.no_role``)."""
    if member is not None and _MEMBER.fullmatch(member) is None:
        raise Missing("voms.no_member", expected="a member of this VO", found=member[:80])
    if group is not None and not _is_group(group):
        found = group[:MAX_LENGTH]
        raise Missing("voms.no_group", expected="a group of this VO", found=found, group=found)
    if role is not None and _ROLE.fullmatch(role) is None:
        raise Missing("voms.no_role", expected="a role of this VO", found=role[:128], role=role[:128])


def _is_group(text: str) -> bool:
    try:
        found = parse_fqan(text)
    except Refusal:
        return False
    return found.group == text
