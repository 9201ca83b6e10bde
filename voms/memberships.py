"""Reads who a member is and what she has at one moment: at most three queries, whatever the size of the VO. Changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypedDict

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
    bindparam,
    literal,
    null,
    or_,
    select,
    union_all,
)

from ostiary.storage.engine import reading
from ostiary.storage.prepared import PreparedSelect
from ostiary.storage.types import UtcDateTime
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms.hierarchy import above, held_groups, inherited_roles, inherited_values
from voms.members.reading import LIFE_COLUMNS, life_of, with_policy
from voms.members.situation import Situation, State
from voms.members.states import Suspension, situation, with_link
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
_OWN_SUSPENSION: Final = ("suspended_reason", "suspended_by", "suspended_at")
_NO_SUSPENSION: Final = (null(), null(), null())


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
        """The standing of whoever holds the certificate, also of whom it refuses (`Standing.suspended`); None: nobody of this VO."""
        return self._standing(_OF_CERTIFICATE, names.key, at)

    def of_identity(self, identity: FederatedIdentity, at: datetime) -> Standing | None:
        """The standing of whom a home organisation names so, likewise."""
        return self._standing(_OF_IDENTITY, identity.key, at)

    def of_member(self, member: str, at: datetime) -> Standing | None:
        """The standing of a member by her id, likewise."""
        return self._standing(_OF_MEMBER, member, at)

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

    def _standing(self, members: PreparedSelect, key: str, at: datetime) -> Standing | None:
        """Of the one member whom ``members`` finds by ``key``."""
        with reading(self._engine, consistent=True) as connection:
            rows = members.rows_in(connection, {"vo": self._name, "key": key, "at": at})
            if not rows:
                return None
            member, found = rows[0], _situation(rows, at)
            if not found.acts and member.valid_to is not None and member.valid_to <= at:
                return Standing(self._name, member.id, {}, {}, **_said(found))
            held = self._held(
                member, _end_of(member, found), _GRANTS.rows_in(connection, {"member": member.id, "at": at}), at
            )
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
            **_said(found),
        )

    def _held(self, member: Row[Any], member_end: End, rows: Sequence[Row[Any]], at: datetime) -> _Held:
        """A role holds only where its group does, and no longer."""
        root = f"/{self._name}"
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
        optional = frozenset(row.path for row in rows if row.kind == _OPTIONAL and row.path in groups)
        return _Held(groups, roles, ancestors, optional)

    def _attributes(
        self, connection: Connection, member: str, held: _Held, at: datetime
    ) -> tuple[Values, dict[Fqan, Values]]:
        """The member's own attributes, and those that hold of the groups and roles that she has."""
        own: list[Value] = []
        of_names: dict[Fqan, Values] = {}
        asked = {"vo": self._name, "root": f"/{self._name}", "member": member, "at": at}
        for row in sorted(_ATTRIBUTES.rows_in(connection, asked), key=lambda row: (row.name, row.id)):
            until = _held_until(row, at)
            if until is None:
                continue
            value = Value(row.name, row.value, until.end)
            if row.path is None:
                own.append(value)
            elif (fqan := Fqan(row.path, row.role)) in held.roles or (row.role is None and row.path in held.groups):
                of_names[fqan] = (*of_names.get(fqan, ()), value)
        return tuple(own), of_names


def _members(*own: ColumnElement[Any]) -> Select[Any]:
    """``own``: why, by whom and when the link by which she is found was suspended."""
    told = (column.label(f"own_{name}") for name, column in zip(_OWN_SUSPENSION, own, strict=True))
    return select(vo_member.c.id, vo.c.inherits, *LIFE_COLUMNS, *told).join(vo, vo.c.id == vo_member.c.vo_id)


def _linked(link: Table, *own: ColumnElement[Any]) -> Select[Any]:
    """Members with what they are found by: a certificate, or a name at a home organisation, which are indexed in their VO."""
    return _members(*own).join(link, and_(link.c.member_id == vo_member.c.id, link.c.vo_id == vo.c.id))


def _asked(wanted: Select[Any], key: Column[Any]) -> PreparedSelect:
    """Of the VO ``vo``, whose members the column tells apart."""
    wanted = wanted.where(vo.c.name == bindparam("vo"), key == bindparam("key"))
    return PreparedSelect(with_policy(wanted.where(vo_member.c.valid_from <= bindparam("at"))))


def _situation(rows: Sequence[Row[Any]], at: datetime) -> Situation:
    member = rows[0]
    reason, by, since = (getattr(member, f"own_{name}") for name in _OWN_SUSPENSION)
    own = Suspension("certificate", reason, by, since) if reason is not None else None
    return with_link(situation(life_of(rows), at), own)


class _Said(TypedDict):
    suspended: str | None
    ends: End
    situation: Situation


def _said(found: Situation) -> _Said:
    return {"suspended": None if found.acts else found.reason, "ends": found.until, "situation": found}


def _end_of(member: Row[Any], found: Situation) -> End:
    """When the membership ends; in the time of grace, when that does."""
    return found.until if found.state is State.EXPIRED else member.valid_to


def _valid(table: Table) -> ColumnElement[bool]:
    at = bindparam("at", type_=UtcDateTime())
    begun = table.c.valid_from <= at
    if table.c.valid_from.nullable:
        begun = or_(table.c.valid_from.is_(None), begun)
    return and_(begun, or_(table.c.valid_to.is_(None), table.c.valid_to > at))


def _of(table: Table) -> ColumnElement[bool]:
    return table.c.member_id == bindparam("member")


def _grants() -> Select[Any]:
    """Everything about groups and roles of one member, in one question: rows of a kind, a group's path, what else is named, and validity.

    The groups that she joined, the roles that she was given, each line upwards from one of those groups to one directly above it, and which
    of all these groups are stated only when asked for.
    """
    joined = (
        select(
            literal(_JOINED).label("kind"), vo_group.c.path, null().label("other"), *_end_columns(vo_group_membership)
        )
        .join(vo_group, vo_group.c.id == vo_group_membership.c.group_id)
        .where(_of(vo_group_membership), _valid(vo_group_membership))
    )
    assigned = (
        select(literal(_ASSIGNED), vo_group.c.path, vo_role.c.name, *_end_columns(vo_role_assignment))
        .join(vo_group, vo_group.c.id == vo_role_assignment.c.group_id)
        .join(vo_role, vo_role.c.id == vo_role_assignment.c.role_id)
        .where(_of(vo_role_assignment), _valid(vo_role_assignment))
    )
    reached = _reached()
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


def _reached() -> CTE:
    """The numbers of the groups that she joined and of all above them, on every path."""
    first = (
        select(vo_group_membership.c.group_id.label("id"))
        .where(_of(vo_group_membership), _valid(vo_group_membership))
        .cte("reached", recursive=True)
    )
    line = vo_group_parent.alias("upwards")
    return first.union(select(line.c.parent_id).join(first, first.c.id == line.c.group_id))


def _attributes() -> Select[Any]:
    """Generic attributes that hold by their dates: the member's own, and those of the root and of all groups that she reached."""
    shown = [vo_attribute.c[name] for name in ("id", "name", "value", "valid_to", "recurs")]
    own = select(*shown, null().label("path"), null().label("role")).where(_of(vo_attribute), _valid(vo_attribute))
    root = select(vo_group.c.id).join(vo, vo.c.id == vo_group.c.vo_id)
    root = root.where(vo.c.name == bindparam("vo"), vo_group.c.path == bindparam("root"))
    groups = union_all(select(_reached().c.id), root).subquery("groups")
    of_groups = (
        select(*shown, vo_group.c.path, vo_role.c.name)
        .join(vo_group, vo_group.c.id == vo_attribute.c.group_id)
        .outerjoin(vo_role, vo_role.c.id == vo_attribute.c.role_id)
        .where(vo_attribute.c.group_id.in_(select(groups.c.id)), _valid(vo_attribute))
    )
    return select(union_all(own, of_groups).subquery())


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


# Made once: making a statement takes longer than what is done with its answer.
_OF_CERTIFICATE: Final = _asked(
    _linked(vo_member_certificate, *(vo_member_certificate.c[name] for name in _OWN_SUSPENSION)),
    vo_member_certificate.c.names_key,
)
_OF_IDENTITY: Final = _asked(_linked(vo_member_identity, *_NO_SUSPENSION), vo_member_identity.c.identity_key)
_OF_MEMBER: Final = _asked(_members(*_NO_SUSPENSION), vo_member.c.id)
_GRANTS: Final = PreparedSelect(_grants())
_ATTRIBUTES: Final = PreparedSelect(_attributes())
