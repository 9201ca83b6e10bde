"""One group or one member with all that a caller may see of it; what she may not see is left out, or the whole is refused. Only reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from ostiary.errors import Denied
from ostiary.x509.certificate_names import CertificateNames
from voms.administration.permissions import Permission, permissions_text
from voms.administration.reach import groups_over, paths_of
from voms.administration.rights import Rights
from voms.details import Details, details_of
from voms.identities import FederatedIdentity
from voms.members.aup import Signed, life_of_member, signatures_of
from voms.members.situation import Situation
from voms.members.states import situation
from voms.periods import Recurrence, read_recurrence
from voms.rows import group_number
from voms.standing import End
from voms.tables import (
    vo_attribute,
    vo_group,
    vo_group_membership,
    vo_group_parent,
    vo_member,
    vo_member_certificate,
    vo_member_identity,
    vo_role,
    vo_role_assignment,
)


@dataclass(frozen=True, slots=True)
class Given:
    """A group, or ``role`` in it, that was given for ``[since, until)``, and within that when it ``recurs``; ``by``: who gave it."""

    group: str
    role: str | None
    since: datetime
    until: End
    recurs: Recurrence | None
    by: str


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """A generic attribute as it is set; ``role``: of whom has that role in the group in question."""

    name: str
    value: str
    role: str | None
    since: datetime | None
    until: End
    recurs: Recurrence | None


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """One of a member's certificates; ``suspended``: why it gets nothing."""

    names: CertificateNames
    since: datetime
    suspended: str | None


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """``parents``: the groups directly above, that of its path first; ``attributes``: None where the caller may not see them."""

    path: str
    description: str
    optional: bool
    parents: tuple[str, ...]
    attributes: tuple[SetAttribute, ...] | None


@dataclass(frozen=True, slots=True)
class MemberSeen:
    """``details``, ``attributes``: None where the caller may not see them; ``groups`` and ``roles``: those in groups whose members she may
    see, all of them where she is the member."""

    member: str
    kind: str
    since: datetime
    until: End
    situation: Situation
    details: Details | None
    certificates: tuple[HeldCertificate, ...]
    identities: tuple[FederatedIdentity, ...]
    groups: tuple[Given, ...]
    roles: tuple[Given, ...]
    attributes: tuple[SetAttribute, ...] | None
    signed: tuple[Signed, ...]

    @property
    def name(self) -> str:
        """What to call her: her name, else the subject of her first certificate, else her id."""
        known = self.details.name if self.details is not None else ""
        return known or next((held.names.subject for held in self.certificates), self.member)


def see_group(rights: Rights, path: str) -> GroupSeen:
    """Wants CONTAINER_READ in the group, for its attributes ATTRIBUTES_READ, too. Raises `Denied` (``voms.not_allowed``), `Missing`
    (``voms.no_group``)."""
    rights.require(Permission.CONTAINER_READ, path)
    connection = rights.connection
    number = group_number(connection, rights.vo, path)
    found = connection.execute(select(vo_group.c.description, vo_group.c.optional).where(vo_group.c.id == number)).one()
    over = vo_group.alias("over")
    above = (
        select(over.c.path)
        .join(vo_group_parent, vo_group_parent.c.parent_id == over.c.id)
        .where(vo_group_parent.c.group_id == number)
    )
    own = path.rpartition("/")[0]
    parents = sorted(connection.execute(above).scalars(), key=lambda each: (each != own, each))
    attributes = None
    if rights.allows(Permission.ATTRIBUTES_READ, path):
        attributes = tuple(_attributes(connection, vo_attribute.c.group_id == number))
    return GroupSeen(path, found.description, found.optional, tuple(parents), attributes)


def see_member(rights: Rights, root: str, member: str, at: datetime) -> MemberSeen:
    """The member herself sees all of it. Others want MEMBERSHIP_READ in the root or in a group in which she is; PERSONAL_INFO_READ for her
    details and ATTRIBUTES_READ for her attributes, in the root or in such a group.

    Raises `Denied` (``voms.not_allowed``), also where there is no such member: who may not look learns nothing. `Missing`
    (``voms.no_member``) for who may see everybody.
    """
    connection = rights.connection
    herself = rights.caller.member == member and not rights.caller.barred
    inside = [root] if herself else [root, *_groups_of(connection, rights.vo, member)]
    needed = Permission.MEMBERSHIP_READ
    if not (herself or any(rights.allows(needed, group) for group in inside)):
        text = permissions_text(needed)
        raise Denied("voms.not_allowed", expected=text, found=rights.caller.by, group=root, permission=text)
    life = life_of_member(connection, rights.vo, member)

    def sees(permission: Permission) -> bool:
        return herself or any(rights.allows(permission, group) for group in inside)

    whole = herself or rights.allows(needed, root)
    joined, given = vo_group_membership, vo_role_assignment
    groups = tuple(_given(connection, joined, member))
    roles = tuple(_given(connection, given, member))
    row = connection.execute(select(vo_member.c.kind, vo_member.c.valid_from).where(vo_member.c.id == member)).one()
    return MemberSeen(
        member=member,
        kind=row.kind,
        since=row.valid_from,
        until=life.valid_to,
        situation=situation(life, at),
        details=details_of(connection, member) if sees(Permission.PERSONAL_INFO_READ) else None,
        certificates=tuple(_certificates(connection, member)),
        identities=tuple(_identities(connection, member)) if sees(Permission.PERSONAL_INFO_READ) else (),
        groups=tuple(each for each in groups if whole or rights.allows(needed, each.group)),
        roles=tuple(
            each
            for each in roles
            if whole or rights.allows(needed, each.group) or rights.allows(needed, each.group, each.role)
        ),
        attributes=(
            tuple(_attributes(connection, vo_attribute.c.member_id == member))
            if sees(Permission.ATTRIBUTES_READ)
            else None
        ),
        signed=signatures_of(connection, member),
    )


def _groups_of(connection: Connection, vo_id: int, member: str) -> list[str]:
    """The groups that she joined, at whatever times, and all above them."""
    joined = vo_group_membership
    own = (
        select(joined.c.group_id)
        .join(vo_group, vo_group.c.id == joined.c.group_id)
        .where(joined.c.member_id == member, vo_group.c.vo_id == vo_id)
    )
    return paths_of(connection, groups_over(connection, connection.execute(own).scalars()))


def _given(connection: Connection, table: Any, member: str) -> Iterator[Given]:
    names = ("valid_from", "valid_to", "recurs", "created_by")
    wanted: Select[Any] = select(vo_group.c.path, *(table.c[name] for name in names)).join(
        vo_group, vo_group.c.id == table.c.group_id
    )
    roles = table is vo_role_assignment
    if roles:
        wanted = wanted.add_columns(vo_role.c.name.label("role")).join(vo_role, vo_role.c.id == table.c.role_id)
    for row in connection.execute(wanted.where(table.c.member_id == member).order_by(vo_group.c.path, table.c.id)):
        recurs = read_recurrence(row.recurs) if row.recurs is not None else None
        role = row.role if roles else None
        yield Given(row.path, role, row.valid_from, row.valid_to, recurs, row.created_by)


def _attributes(connection: Connection, whose: Any) -> Iterator[SetAttribute]:
    held = vo_attribute
    columns = [held.c[name] for name in ("name", "value", "valid_from", "valid_to", "recurs")]
    wanted = select(*columns, vo_role.c.name.label("role")).outerjoin(vo_role, vo_role.c.id == held.c.role_id)
    for row in connection.execute(wanted.where(whose).order_by(vo_role.c.name, held.c.name, held.c.id)):
        recurs = read_recurrence(row.recurs) if row.recurs is not None else None
        yield SetAttribute(row.name, row.value, row.role, row.valid_from, row.valid_to, recurs)


def _certificates(connection: Connection, member: str) -> Iterator[HeldCertificate]:
    held = vo_member_certificate
    wanted = select(held.c.subject, held.c.issuer, held.c.created_at, held.c.suspended_reason)
    for row in connection.execute(wanted.where(held.c.member_id == member).order_by(held.c.id)):
        yield HeldCertificate(CertificateNames(row.subject, row.issuer), row.created_at, row.suspended_reason)


def _identities(connection: Connection, member: str) -> Iterator[FederatedIdentity]:
    link = vo_member_identity
    wanted = select(link.c.asserted_by, link.c.attribute, link.c.value).where(link.c.member_id == member)
    for row in connection.execute(wanted.order_by(link.c.id)):
        yield FederatedIdentity(row.asserted_by, row.attribute, row.value)
