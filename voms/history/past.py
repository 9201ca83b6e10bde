"""Answers who was what in a VO: at an instant, or between two, with the hierarchy, the grants and the members' states as they were then.

Reads tables and archives by their indexes; what follows from the rows is decided by `lines`, `acting` and `spans`. Changes nothing, and
does not ask who wants to know: see `voms.administration`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table

from ostiary.errors import Missing
from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from voms.history.acting import Lives, lives
from voms.history.lines import Line, lines_above, lines_below, reach
from voms.history.reports import Actor, Actors, Ground, Presence
from voms.history.spans import NEVER, Spans, Window, both, either
from voms.history.versions import Condition, any_of, held, holding, members_in, numbered, versions
from voms.members.situation import State
from voms.rows import vo_number
from voms.tables import (
    vo_group,
    vo_group_membership,
    vo_member,
    vo_member_certificate,
    vo_role,
    vo_role_assignment,
)

MOST: Final = 1_000
_GRANT: Final = ("member_id", "group_id", "valid_from", "valid_to", "recurs")


@dataclass(frozen=True, slots=True)
class _Grant:
    """A row that grants a group, or a role in it, and when it was in force."""

    row: Row[Any]
    spans: Spans


@dataclass(frozen=True, slots=True)
class _Question:
    """The groups of the path, and the roles of the name, that there were in the window (made anew, they have other numbers)."""

    vo: int
    window: Window
    group: str
    groups: tuple[int, ...]
    role: str | None
    roles: tuple[int, ...]
    root: bool


class Past:
    """One VO as it was. Its methods raise `Missing` (``voms.no_vo``, ``voms.no_group_then``, ``voms.no_role_then``), `Unavailable`."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    def was_in(self, member: str, group: str, at: datetime, *, role: str | None = None) -> Presence:
        """Whether the member was in the group at that instant, or had the role there."""
        window = Window.at(at)
        with reading(self._engine, consistent=True) as connection:
            asked = self._question(connection, group, role, window)
            life = lives(connection, asked.vo, (member,), window)
            standing = life.situation(member, at)
            if standing is None or (standing.state is State.EXPIRED and not standing.acts):
                return Presence(member, group, role, at, inside=False, situation=standing)
            found = _Holders(connection, asked, life, [member])
            spans, rows = found.of(member)
            grounds = self._grounds(connection, asked, rows)
        return Presence(member, group, role, at, bool(spans), standing, grounds if spans else ())

    def who(
        self,
        group: str,
        since: datetime,
        until: datetime,
        *,
        role: str | None = None,
        after: str | None = None,
        most: int = 100,
    ) -> Actors:
        """Who could act as a member of the group, or in the role there, at some time of ``[since, until)``: at most ``most`` (1 to 1,000)
        members whose ids come after ``after``. Raises `Refusal` (``voms.window``), too."""
        window = Window.between(since, until)
        most = max(1, min(most, MOST))
        found: list[Actor] = []
        with reading(self._engine, consistent=True) as connection:
            asked = self._question(connection, group, role, window)
            above = lines_above(connection, asked.groups, window) if role is not None else []
            while len(found) < most:
                wanted = most - len(found)
                members = _candidates(connection, asked, above, after, wanted)
                found += self._actors(connection, asked, above, members)
                after = members[-1] if len(members) == wanted else None
                if after is None:
                    break
        return Actors(tuple(found), after)

    def holder(self, names: CertificateNames, at: datetime) -> str:
        """The id of the member who had the certificate at that instant. Raises `Missing` (``voms.no_member_then``)."""
        with reading(self._engine) as connection:
            rows = _of_names(connection, vo_number(connection, self._name), names, Window.at(at))
        if not rows:
            raise Missing("voms.no_member_then", expected="a member at that time", found=names.subject)
        return str(rows[0].member_id)

    def holders(self, names: CertificateNames) -> tuple[str, ...]:
        """The ids of all who have or had the certificate, the newest first."""
        with reading(self._engine) as connection:
            rows = _of_names(connection, vo_number(connection, self._name), names, None)
        newest = sorted(rows, key=lambda row: (row.deleted_serial is None, row.deleted_serial or 0), reverse=True)
        return tuple(dict.fromkeys(row.member_id for row in newest))

    def latest_holder(self, names: CertificateNames) -> str:
        """The id of the member who has the certificate, or had it last. Raises `Missing` (``voms.no_member``)."""
        found = self.holders(names)
        if not found:
            raise Missing("voms.no_member", expected="somebody who is or was a member", found=names.subject)
        return found[0]

    def _question(self, connection: Connection, group: str, role: str | None, window: Window) -> _Question:
        number = vo_number(connection, self._name)
        groups = _numbers(connection, vo_group, "path", group, number, window)
        if not groups:
            raise Missing(
                "voms.no_group_then", expected="a group of this VO at that time", found=group[:255], group=group[:255]
            )
        roles = _numbers(connection, vo_role, "name", role, number, window) if role is not None else ()
        if role is not None and not roles:
            raise Missing(
                "voms.no_role_then", expected="a role of this VO at that time", found=role[:128], role=role[:128]
            )
        return _Question(number, window, group, groups, role, roles, group == f"/{self._name}")

    def _actors(
        self, connection: Connection, asked: _Question, above: Sequence[Line], members: Sequence[str]
    ) -> list[Actor]:
        if not members:
            return []
        life = lives(connection, asked.vo, members, asked.window)
        holders = _Holders(connection, asked, life, members, above)
        found: dict[str, tuple[Spans, list[_Grant]]] = {}
        for member in members:
            spans, rows = holders.of(member)
            if could := both(spans, life.acting(member)):
                found[member] = (could, rows)
        named = _certificates(connection, asked, list(found))
        grounds = _Grounds(connection, asked, [row for _, rows in found.values() for row in rows])
        return [
            Actor(member, named.get(member, ()), spans, grounds.of(rows)) for member, (spans, rows) in found.items()
        ]

    def _grounds(self, connection: Connection, asked: _Question, grants: Sequence[_Grant]) -> tuple[Ground, ...]:
        return _Grounds(connection, asked, grants).of(grants)


class _Holders:
    """What some members held of what is asked about, in the window."""

    def __init__(
        self,
        connection: Connection,
        asked: _Question,
        life: Lives,
        members: Sequence[str],
        above: Sequence[Line] | None = None,
    ) -> None:
        self._asked, self._life = asked, life
        window = asked.window
        self._roles: dict[str, list[_Grant]] = {}
        self._up: Mapping[int, Spans] = {}
        if asked.role is not None:
            known = lines_above(connection, asked.groups, window) if above is None else above
            self._up = reach(asked.groups, known, window)
            of_roles = (any_of("role_id", asked.roles), any_of("group_id", sorted(self._up)))
            self._roles = _grants(connection, vo_role_assignment, members, window, *of_roles)
        self._joined: dict[str, list[_Grant]] = {}
        self._down: Mapping[int, Spans] = {}
        if not asked.root:
            self._joined = _grants(connection, vo_group_membership, members, window)
            joined = {grant.row.group_id for each in self._joined.values() for grant in each}
            lines = lines_above(connection, joined, window, known=asked.groups)
            self._down = reach(asked.groups, lines, window, down=True)

    def of(self, member: str) -> tuple[Spans, list[_Grant]]:
        """When, and by which grants."""
        inside, by_groups = self._inside(member)
        if self._asked.role is None or not inside:
            return inside, by_groups
        reached = [
            (grant, both(both(inside, grant.spans), self._reaching(grant))) for grant in self._roles.get(member, ())
        ]
        by_roles = [grant for grant, spans in reached if spans]
        return either(span for _, spans in reached for span in spans), [*by_groups, *by_roles] if by_roles else []

    def _inside(self, member: str) -> tuple[Spans, list[_Grant]]:
        """In the group; everybody is in the root."""
        if self._asked.root:
            return self._life.belongs(member), []
        reached = [
            (grant, both(grant.spans, self._down.get(grant.row.group_id, NEVER)))
            for grant in self._joined.get(member, ())
        ]
        spans = either(span for _, each in reached for span in each)
        return both(spans, self._life.belongs(member)), [grant for grant, each in reached if each]

    def _reaching(self, grant: _Grant) -> Spans:
        """When a role that was given there was one in the group that is asked about."""
        if grant.row.group_id in self._asked.groups:
            return self._asked.window.whole
        return both(self._up[grant.row.group_id], self._life.inheriting())


class _Grounds:
    """Grants for people to read: groups by their paths."""

    def __init__(self, connection: Connection, asked: _Question, grants: Sequence[_Grant]) -> None:
        self._role = asked.role
        self._paths = numbered(connection, vo_group, "path", [grant.row.group_id for grant in grants])

    def of(self, grants: Iterable[_Grant]) -> tuple[Ground, ...]:
        return tuple(self._ground(grant.row) for grant in grants)

    def _ground(self, row: Row[Any]) -> Ground:
        return Ground(
            group=self._paths[row.group_id],
            role=self._role if "role_id" in row._fields else None,
            at=row.created_at,
            by=row.created_by,
            serial=row.created_serial,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            recurs=row.recurs,
            ended_at=row.deleted_at,
            ended_by=row.deleted_by,
            ended_serial=row.deleted_serial,
        )


def _grants(
    connection: Connection, table: Table, members: Sequence[str], window: Window, *conditions: Condition
) -> dict[str, list[_Grant]]:
    """Those of each member that were in force at some time of the window."""
    names = (*_GRANT, "role_id") if table is vo_role_assignment else _GRANT
    whose = any_of("member_id", members)
    found: dict[str, list[_Grant]] = {}
    recurring: dict[str, Spans] = {}
    for row in versions(connection, table, names, whose, *conditions, holding(window), window=window):
        if spans := held(row, window, recurring):
            found.setdefault(row.member_id, []).append(_Grant(row, spans))
    return found


def _candidates(
    connection: Connection, asked: _Question, above: Sequence[Line], after: str | None, most: int
) -> list[str]:
    """Members who may have what is asked about: who has the role in the group or above it, or is in the group or below it."""
    window = asked.window
    if asked.role is not None:
        places = sorted(reach(asked.groups, above, window))
        of_role = (any_of("role_id", asked.roles), any_of("group_id", places), holding(window))
        return members_in(connection, vo_role_assignment, "member_id", *of_role, window=window, after=after, most=most)
    if asked.root:
        # By a sum no index goes: by their ids, the first ones are found at once.
        return members_in(
            connection, vo_member, "id", lambda row: row.vo_id + 0 == asked.vo, window=window, after=after, most=most
        )
    places = sorted(reach(asked.groups, lines_below(connection, asked.groups, window), window, down=True))
    of_group = (any_of("group_id", places), holding(window))
    return members_in(connection, vo_group_membership, "member_id", *of_group, window=window, after=after, most=most)


def _numbers(
    connection: Connection, table: Table, column: str, name: str, vo_id: int, window: Window
) -> tuple[int, ...]:
    rows = versions(
        connection, table, ("id",), lambda row: row.vo_id == vo_id, lambda row: row[column] == name, window=window
    )
    return tuple(sorted({row.id for row in rows}))


def _of_names(connection: Connection, vo_id: int, names: CertificateNames, window: Window | None) -> Sequence[Row[Any]]:
    by_names: tuple[Condition, ...] = (lambda row: row.vo_id == vo_id, lambda row: row.names_key == names.key)
    return versions(connection, vo_member_certificate, ("member_id",), *by_names, window=window)


def _certificates(connection: Connection, asked: _Question, members: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if not members:
        return {}
    rows = versions(
        connection,
        vo_member_certificate,
        ("id", "member_id", "subject"),
        any_of("member_id", members),
        window=asked.window,
    )
    found: dict[str, dict[str, None]] = {}
    for row in sorted(rows, key=lambda row: row.id):
        found.setdefault(row.member_id, {})[row.subject] = None
    return {member: tuple(subjects) for member, subjects in found.items()}
