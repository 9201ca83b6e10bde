"""Reads who a member is and what she has at one moment: at most three queries, whatever the size of the VO. Changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    and_,
    literal,
    null,
    or_,
    select,
    union_all,
)

from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms.hierarchy import above, held_groups, inherited_roles, inherited_values
from voms.people import FederatedIdentity
from voms.periods import read_recurrence
from voms.standing import End, Standing, Value, Values, earliest, later
from voms.tables import (
    vo,
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

_JOINED: Final = "joined"
_ASSIGNED: Final = "assigned"
_LINE: Final = "line"
_OPTIONAL: Final = "optional"


@dataclass(frozen=True, slots=True)
class _Held:
    """Groups and roles with their ends, who stands above whom, and the groups that are stated only when asked for."""

    groups: dict[str, End]
    roles: dict[Fqan, End]
    ancestors: dict[str, tuple[str, ...]]
    optional: frozenset[str]


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
            .join(link, link.c.member_id == vo_member.c.id)
            .join(vo, vo.c.id == vo_member.c.vo_id)
            .where(vo.c.name == self._name)
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
        wanted = select(link.c.asserted_by, link.c.attribute, link.c.value).where(link.c.member_id == member)
        with reading(self._engine) as connection:
            return tuple(FederatedIdentity(*row) for row in connection.execute(wanted.order_by(link.c.id)))

    def names_of(self, asserted_by: str, attribute: str, value: str, at: datetime) -> tuple[str, ...]:
        """See `ostiary.ports.VoMemberships`. Nobody can ask for an optional group this way, so none is told."""
        standing = self.of_identity(FederatedIdentity(asserted_by, attribute, value), at)
        if standing is None or standing.suspended is not None:
            return ()
        return tuple(fqan.short() for fqan in standing.fqans() if fqan.role or fqan.group not in standing.optional)

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def _standing(self, members: Select[Any], at: datetime) -> Standing | None:
        """Of the one member whom ``members`` selects."""
        wanted = members.where(vo.c.name == self._name, _valid(vo_member, at))
        with reading(self._engine, consistent=True) as connection:
            member = connection.execute(wanted).one_or_none()
            if member is None:
                return None
            held = self._held(member, connection.execute(_grants(member.id, at)).all(), at)
            own, of_names = self._attributes(connection, member.id, held, at)
        if member.inherits:
            of_names = inherited_values(of_names, [*map(Fqan, held.groups), *held.roles], held.ancestors)
        return Standing(
            vo=self._name,
            member=member.id,
            groups=held.groups,
            roles=held.roles,
            attributes=own,
            group_attributes=of_names,
            optional=held.optional,
            suspended=member.suspended_reason or member.own_reason,
            ends=member.valid_to,
        )

    def _held(self, member: Row[Any], rows: Sequence[Row[Any]], at: datetime) -> _Held:
        """A role holds only where its group does, and no longer."""
        root, member_end = f"/{self._name}", member.valid_to
        ancestors = above((row.path, row.other) for row in rows if row.kind == _LINE)
        joined = [(row.path, earliest((end, member_end))) for row, end in _holding(rows, _JOINED, at)]
        groups = held_groups([(root, member_end), *joined], ancestors)
        roles: dict[Fqan, End] = {}
        for row, end in _holding(rows, _ASSIGNED, at):
            if row.path in groups:
                fqan, until = Fqan(row.path, row.other), earliest((end, groups[row.path]))
                roles[fqan] = later(roles[fqan], until) if fqan in roles else until
        if member.inherits:
            roles = inherited_roles(roles, groups, ancestors)
        optional = frozenset(row.path for row in rows if row.kind == _OPTIONAL)
        return _Held(groups, roles, ancestors, optional)

    def _attributes(
        self, connection: Connection, member: str, held: _Held, at: datetime
    ) -> tuple[Values, dict[Fqan, Values]]:
        """The member's own attributes, and those that hold of the groups and roles that she has."""
        paths = sorted(held.groups)
        wanted: Select[Any] = (
            select(
                *(vo_attribute.c[name] for name in ("name", "value", "valid_to", "recurs")),
                *(vo_group.c.path, vo_role.c.name.label("role")),
            )
            .join(vo, vo.c.id == vo_attribute.c.vo_id)
            .outerjoin(vo_group, vo_group.c.id == vo_attribute.c.group_id)
            .outerjoin(vo_role, vo_role.c.id == vo_attribute.c.role_id)
            .where(vo.c.name == self._name)
            .where(or_(vo_attribute.c.valid_from.is_(None), vo_attribute.c.valid_from <= at))
            .where(or_(vo_attribute.c.valid_to.is_(None), vo_attribute.c.valid_to > at))
            .where(or_(vo_attribute.c.member_id == member, vo_group.c.path.in_(paths)))
            .order_by(vo_attribute.c.name, vo_attribute.c.id)
        )
        own: list[Value] = []
        of_names: dict[Fqan, Values] = {}
        for row in connection.execute(wanted):
            until = _held_until(row, at)
            if until is None:
                continue
            value = Value(row.name, row.value, until.end)
            if row.path is None:
                own.append(value)
            elif (fqan := Fqan(row.path, row.role)).role is None or fqan in held.roles:
                of_names[fqan] = (*of_names.get(fqan, ()), value)
        return tuple(own), of_names


def _members(own_reason: ColumnElement[Any]) -> Select[Any]:
    """``own_reason``: why the link by which she is found is suspended."""
    return select(
        *(vo_member.c.id, vo_member.c.suspended_reason, vo_member.c.valid_to),
        *(vo.c.inherits, own_reason.label("own_reason")),
    ).join(vo, vo.c.id == vo_member.c.vo_id)


def _linked(link: Table, own_reason: ColumnElement[Any]) -> Select[Any]:
    """Members with what they are found by: a certificate, or a name at a home organisation."""
    return _members(own_reason).join(link, link.c.member_id == vo_member.c.id)


def _valid(table: Table, at: datetime) -> ColumnElement[bool]:
    return and_(table.c.valid_from <= at, or_(table.c.valid_to.is_(None), table.c.valid_to > at))


def _grants(member: str, at: datetime) -> Select[Any]:
    """Everything about groups and roles of one member, in one question: rows of a kind, a group's path, what else is named, and validity.

    The groups that she joined, the roles that she was given, each line upwards from one of those groups to one directly above it, and which
    of all these groups are stated only when asked for.
    """
    joined = (
        select(
            literal(_JOINED).label("kind"), vo_group.c.path, null().label("other"), *_end_columns(vo_group_membership)
        )
        .join(vo_group, vo_group.c.id == vo_group_membership.c.group_id)
        .where(vo_group_membership.c.member_id == member, _valid(vo_group_membership, at))
    )
    assigned = (
        select(literal(_ASSIGNED), vo_group.c.path, vo_role.c.name, *_end_columns(vo_role_assignment))
        .join(vo_group, vo_group.c.id == vo_role_assignment.c.group_id)
        .join(vo_role, vo_role.c.id == vo_role_assignment.c.role_id)
        .where(vo_role_assignment.c.member_id == member, _valid(vo_role_assignment, at))
    )
    reached = _reached(member, at)
    over = vo_group.alias("over")
    lines = (
        select(literal(_LINE), vo_group.c.path, over.c.path, null(), null())
        .join(vo_group_parent, vo_group_parent.c.group_id == vo_group.c.id)
        .join(over, over.c.id == vo_group_parent.c.parent_id)
        .where(vo_group.c.id.in_(select(reached.c.id)))
    )
    optional = select(literal(_OPTIONAL), vo_group.c.path, null(), null(), null()).where(
        vo_group.c.id.in_(select(reached.c.id)), vo_group.c.optional.is_(True)
    )
    both = union_all(joined, assigned, lines, optional).subquery()
    return select(both)


def _reached(member: str, at: datetime) -> CTE:
    """The numbers of the groups that she joined and of all above them, on every path."""
    first = (
        select(vo_group_membership.c.group_id.label("id"))
        .where(vo_group_membership.c.member_id == member, _valid(vo_group_membership, at))
        .cte("reached", recursive=True)
    )
    line = vo_group_parent.alias("upwards")
    return first.union(select(line.c.parent_id).join(first, first.c.id == line.c.group_id))


def _end_columns(table: Table) -> tuple[Column[Any], Column[Any]]:
    return table.c.valid_to, table.c.recurs


def _holding(rows: Iterable[Row[Any]], kind: str, at: datetime) -> Iterator[tuple[Row[Any], End]]:
    """The rows of this kind that hold at the moment, with their ends."""
    for row in rows:
        if row.kind == kind and (held := _held_until(row, at)) is not None:
            yield row, held.end


@dataclass(frozen=True, slots=True)
class _Until:
    end: End


def _held_until(row: Row[Any], at: datetime) -> _Until | None:
    """When what holds by its dates ends; None while it pauses."""
    if row.recurs is None:
        return _Until(row.valid_to)
    span = read_recurrence(row.recurs).at(at)
    return _Until(earliest((row.valid_to, span[1]))) if span is not None else None
