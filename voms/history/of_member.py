"""All that ever became different for one member, from the rows that she has and had: also what a change of a group or role did to her."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table

from ostiary.errors import Missing
from ostiary.storage.engine import reading
from voms.history.reports import Event, Turn
from voms.history.versions import numbered, versions
from voms.rows import vo_number
from voms.tables import (
    vo_attribute,
    vo_aup_demand,
    vo_aup_signature,
    vo_aup_version,
    vo_group,
    vo_group_membership,
    vo_member,
    vo_member_certificate,
    vo_member_details,
    vo_member_identity,
    vo_role,
    vo_role_assignment,
)

_VALIDITY: Final = ("valid_from", "valid_to", "recurs")
_SUSPENDED: Final = ("suspended_reason", "suspended_by", "suspended_at")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows of which table tell what; ``names``: the columns that are shown; ``refers``: of numbers, to what, and what that is called."""

    what: str
    table: Table
    names: tuple[str, ...]
    refers: tuple[tuple[str, str, Table, str], ...] = ()
    veiled: bool = False


_GROUP: Final = ("group_id", "group", vo_group, "path")
_ROLE: Final = ("role_id", "role", vo_role, "name")
_KINDS: Final = (
    _Kind("membership", vo_member, ("kind", "valid_from", "valid_to", "suspended_code", *_SUSPENDED)),
    _Kind("certificate", vo_member_certificate, ("subject", "issuer", *_SUSPENDED)),
    _Kind("identity", vo_member_identity, ("asserted_by", "attribute", "value")),
    _Kind("group", vo_group_membership, _VALIDITY, (_GROUP,)),
    _Kind("role", vo_role_assignment, _VALIDITY, (_GROUP, _ROLE)),
    _Kind("attribute", vo_attribute, ("name", "value", *_VALIDITY)),
    _Kind("aup_signature", vo_aup_signature, ("signed_at",), (("version_id", "version", vo_aup_version, "version"),)),
    _Kind("aup_demand", vo_aup_demand, ("asked_at",)),
    _Kind(
        "details",
        vo_member_details,
        ("given_name", "surname", "institution", "phone", "address", "mail"),
        veiled=True,
    ),
)


def history_of(
    engine: Engine, name: str, member: str, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[Event, ...]:
    """Everything about the member in ``[since, until)``, the oldest first; also of one who was removed.

    Raises `Missing` (``voms.no_vo``; ``voms.no_member``: she never was one), `Unavailable`.
    """
    found: list[Event] = []
    with reading(engine, consistent=True) as connection:
        number = vo_number(connection, name)
        for kind in _KINDS:
            own = "id" if kind.table is vo_member else "member_id"
            rows = _rows(connection, kind, own, member)
            if kind.table is vo_member and not any(row.vo_id == number for row in rows):
                raise Missing("voms.no_member", expected="somebody who is or was a member", found=member[:64])
            found += _events(kind, rows, _called(connection, kind, rows))
    chosen = [each for each in found if (since is None or each.at >= since) and (until is None or each.at < until)]
    return tuple(sorted(chosen, key=lambda each: (each.at, each.serial)))


def _rows(connection: Connection, kind: _Kind, own: str, member: str) -> Sequence[Row[Any]]:
    numbers = [column for column, *_ in kind.refers]
    needed = ("id", *kind.names, *numbers, *(["vo_id"] if kind.table is vo_member else []))
    found = versions(connection, kind.table, needed, lambda row: row[own] == member)
    # What one transaction wrote and ended again never was.
    return [row for row in found if row.created_serial != row.deleted_serial]


def _called(connection: Connection, kind: _Kind, rows: Sequence[Row[Any]]) -> Callable[[Row[Any]], Mapping[str, Any]]:
    """What a row shows."""
    names = {
        column: numbered(connection, table, name, [getattr(row, column) for row in rows])
        for column, _, table, name in kind.refers
    }

    def shown(row: Row[Any]) -> Mapping[str, Any]:
        referred = {word: names[column].get(getattr(row, column)) for column, word, _, _ in kind.refers}
        return {**referred, **{name: getattr(row, name) for name in kind.names if getattr(row, name) is not None}}

    return shown


def _events(kind: _Kind, rows: Sequence[Row[Any]], shown: Callable[[Row[Any]], Mapping[str, Any]]) -> Iterator[Event]:
    """A version that ended with the serial with which another one of the same row began was changed."""
    ended = {(row.id, row.deleted_serial): row for row in rows if row.deleted_serial is not None}
    begun = {(row.id, row.created_serial) for row in rows}
    for row in rows:
        previous = ended.get((row.id, row.created_serial))
        facts, before = (shown(row), {}) if previous is None else _different(shown(row), shown(previous))
        if kind.veiled:
            facts, before = {"fields": sorted(name for name in facts if facts[name] or before.get(name))}, {}
        turn: Turn = "began" if previous is None else "changed"
        yield Event(row.created_serial, row.created_at, row.created_by, kind.what, turn, facts, before)
        if row.deleted_serial is not None and (row.id, row.deleted_serial) not in begun:
            left = {} if kind.veiled else shown(row)
            yield Event(row.deleted_serial, row.deleted_at, row.deleted_by, kind.what, "ended", left, {})


def _different(now: Mapping[str, Any], then: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is other than it was, and how it was; None: nothing."""
    names = [name for name in {**then, **now} if now.get(name) != then.get(name)]
    # By what people know it stays, whether changed or not.
    known = {name: now[name] for name in ("group", "role", "version", "subject", "name") if name in now}
    return {**known, **{name: now.get(name) for name in names}}, {name: then.get(name) for name in names}
