"""Reads who a member is and what she has at one moment: at most three queries, whatever the size of the VO. Changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, Table, and_, null, or_, select, union_all

from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms.directory import FederatedIdentity
from voms.standing import End, Standing, earliest, with_ancestors
from voms.tables import (
    vo,
    vo_attribute,
    vo_group,
    vo_group_membership,
    vo_member,
    vo_member_certificate,
    vo_member_identity,
    vo_role,
    vo_role_assignment,
)

Values = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as lists show her. ``suspended``: the reason; ``ends``: when the membership does, None for never."""

    member: str
    certificates: tuple[CertificateNames, ...]
    suspended: str | None
    ends: End


class Memberships:
    """One VO as it is now; implements `ostiary.ports.VoMemberships`. Its methods raise `Unavailable` when the database does not answer."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    @property
    def name(self) -> str:
        """The VO's name."""
        return self._name

    def exists(self) -> bool:
        """Whether the database holds this VO."""
        with reading(self._engine) as connection:
            return connection.execute(select(vo.c.id).where(vo.c.name == self._name)).scalar_one_or_none() is not None

    def of_certificate(self, names: CertificateNames, at: datetime) -> Standing | None:
        """The standing of whoever holds the certificate; None: nobody of this VO at that moment."""
        found = vo_member_certificate
        wanted = _linked(found, found.c.suspended_reason).where(found.c.names_key == names.key)
        return self._standing(wanted, at)

    def of_identity(self, identity: FederatedIdentity, at: datetime) -> Standing | None:
        """The standing of whom a home organisation names so; None: nobody of this VO at that moment."""
        found = vo_member_identity
        return self._standing(_linked(found, null()).where(found.c.identity_key == identity.key), at)

    def of_member(self, member: str, at: datetime) -> Standing | None:
        """The standing of a member by her id; None: nobody of this VO at that moment."""
        return self._standing(_members(null()).where(vo_member.c.id == member), at)

    def listed(self, member: str | None = None) -> tuple[Listed, ...]:
        """Every member, or one by her id, by the name of the first certificate."""
        link = vo_member_certificate
        wanted = (
            select(vo_member.c.id, vo_member.c.suspended_reason, vo_member.c.valid_to, link.c.subject, link.c.issuer)
            .join(link, and_(link.c.member_id == vo_member.c.id, link.c.live.is_(True)))
            .join(vo, vo.c.id == vo_member.c.vo_id)
            .where(vo.c.name == self._name, vo_member.c.live.is_(True))
            .order_by(link.c.subject, link.c.id)
        )
        if member is not None:
            wanted = wanted.where(vo_member.c.id == member)
        found: dict[str, Listed] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(wanted):
                names = CertificateNames(row.subject, row.issuer)
                known = found.get(row.id) or Listed(row.id, (), row.suspended_reason, row.valid_to)
                found[row.id] = replace(known, certificates=(*known.certificates, names))
        return tuple(found.values())

    def identities(self, member: str) -> tuple[FederatedIdentity, ...]:
        """How home organisations name a member."""
        link = vo_member_identity
        wanted = select(link.c.asserted_by, link.c.attribute, link.c.value).where(
            link.c.member_id == member, link.c.live.is_(True)
        )
        with reading(self._engine) as connection:
            return tuple(FederatedIdentity(*row) for row in connection.execute(wanted.order_by(link.c.id)))

    def names_of(self, asserted_by: str, attribute: str, value: str, at: datetime) -> tuple[str, ...]:
        """See `ostiary.ports.VoMemberships`."""
        standing = self.of_identity(FederatedIdentity(asserted_by, attribute, value), at)
        if standing is None or standing.suspended is not None:
            return ()
        return tuple(fqan.short() for fqan in standing.fqans())

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def _standing(self, members: Select[Any], at: datetime) -> Standing | None:
        """Of the one member whom ``members`` selects."""
        wanted = members.where(vo.c.name == self._name, vo_member.c.live.is_(True), _valid(vo_member, at))
        with reading(self._engine, consistent=True) as connection:
            member = connection.execute(wanted).one_or_none()
            if member is None:
                return None
            groups, roles = self._held(member.valid_to, connection.execute(_grants(member.id, at)).all())
            own, of_names = self._attributes(connection, member.id, groups, roles)
        return Standing(
            vo=self._name,
            member=member.id,
            groups=groups,
            roles=roles,
            attributes=own,
            group_attributes=of_names,
            suspended=member.suspended_reason or member.own_reason,
            ends=member.valid_to,
        )

    def _held(self, member_end: End, grants: Iterable[Row[Any]]) -> tuple[dict[str, End], dict[Fqan, End]]:
        """Groups and roles with their ends. A role holds only where its group does, and no longer."""
        rows = list(grants)
        joined = [(row.path, earliest((row.valid_to, member_end))) for row in rows if row.role is None]
        groups = with_ancestors([(f"/{self._name}", member_end), *joined])
        roles = {
            Fqan(row.path, row.role): earliest((row.valid_to, groups[row.path]))
            for row in rows
            if row.role is not None and row.path in groups
        }
        return groups, roles

    def _attributes(
        self, connection: Connection, member: str, groups: Iterable[str], roles: Iterable[Fqan]
    ) -> tuple[Values, dict[Fqan, Values]]:
        """The member's own attributes, and those of the groups and roles that she has."""
        paths, held = sorted(groups), set(roles)
        wanted = (
            select(vo_attribute.c.name, vo_attribute.c.value, vo_group.c.path, vo_role.c.name.label("role"))
            .join(vo, vo.c.id == vo_attribute.c.vo_id)
            .outerjoin(vo_group, vo_group.c.id == vo_attribute.c.group_id)
            .outerjoin(vo_role, vo_role.c.id == vo_attribute.c.role_id)
            .where(vo.c.name == self._name, vo_attribute.c.live.is_(True))
            .where(or_(vo_attribute.c.member_id == member, and_(vo_group.c.path.in_(paths), vo_group.c.live.is_(True))))
            .order_by(vo_attribute.c.name, vo_attribute.c.id)
        )
        own: list[tuple[str, str]] = []
        of_names: dict[Fqan, Values] = {}
        for row in connection.execute(wanted):
            if row.path is None:
                own.append((row.name, row.value))
            elif (fqan := Fqan(row.path, row.role)).role is None or fqan in held:
                of_names[fqan] = (*of_names.get(fqan, ()), (row.name, row.value))
        return tuple(own), of_names


def _members(own_reason: ColumnElement[Any]) -> Select[Any]:
    """``own_reason``: why the link by which she is found is suspended."""
    return select(
        vo_member.c.id, vo_member.c.suspended_reason, vo_member.c.valid_to, own_reason.label("own_reason")
    ).join(vo, vo.c.id == vo_member.c.vo_id)


def _linked(link: Table, own_reason: ColumnElement[Any]) -> Select[Any]:
    """Members with what they are found by: a certificate, or a name at a home organisation."""
    return _members(own_reason).join(link, link.c.member_id == vo_member.c.id).where(link.c.live.is_(True))


def _valid(table: Table, at: datetime) -> ColumnElement[bool]:
    return and_(table.c.valid_from <= at, or_(table.c.valid_to.is_(None), table.c.valid_to > at))


def _grants(member: str, at: datetime) -> Select[Any]:
    """Group memberships and role assignments that are valid: path, role (NULL for a membership), end."""
    joined = (
        select(vo_group.c.path, null().label("role"), vo_group_membership.c.valid_to)
        .join(vo_group, vo_group.c.id == vo_group_membership.c.group_id)
        .where(vo_group_membership.c.member_id == member, vo_group_membership.c.live.is_(True))
        .where(vo_group.c.live.is_(True), _valid(vo_group_membership, at))
    )
    assigned = (
        select(vo_group.c.path, vo_role.c.name.label("role"), vo_role_assignment.c.valid_to)
        .join(vo_group, vo_group.c.id == vo_role_assignment.c.group_id)
        .join(vo_role, vo_role.c.id == vo_role_assignment.c.role_id)
        .where(vo_role_assignment.c.member_id == member, vo_role_assignment.c.live.is_(True))
        .where(vo_group.c.live.is_(True), vo_role.c.live.is_(True), _valid(vo_role_assignment, at))
    )
    both = union_all(joined, assigned).subquery()
    return select(both.c.path, both.c.role, both.c.valid_to)
