"""Reads a VOMS-Admin database: a SELECT for each table, all at one moment; writes nothing there, and judges nothing."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator
from sqlalchemy import Connection, DateTime, Engine, TableClause, column, func, inspect, select, table
from sqlalchemy.sql import quoted_name

from ostiary.config import DatabaseSettings
from ostiary.errors import Refusal
from ostiary.storage.engine import reading
from voms.exchange.voms_admin_rows import (
    OldAdmin,
    OldCertificate,
    OldClass,
    OldGroup,
    OldList,
    OldManager,
    OldMapping,
    OldPermissions,
    OldPolicy,
    OldSignature,
    OldUser,
    OldValue,
    OldVersion,
    OldVo,
)

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What has to be there, in the order in which rows are taken apart below.
_NEEDED: Final = {
    "version": ("version", "admin_version"),
    "ca": ("cid", "subject_string"),
    "groups": ("gid", "dn", "parent", "description", "restricted"),
    "roles": ("rid", "role"),
    "usr": (
        *("userid", "dn", "ca", "name", "surname", "institution", "phone_number", "address", "email_address"),
        *("creation_time", "end_time", "suspended", "suspension_reason", "suspension_reason_code"),
    ),
    "certificate": (
        *("id", "usr_id", "ca_id", "subject_string"),
        *("suspended", "suspended_reason", "suspension_reason_code"),
    ),
    "m": ("userid", "gid", "rid"),
    "attributes": ("a_id", "a_name", "a_desc", "a_uniq"),
    "usr_attrs": ("a_id", "a_value", "u_id"),
    "group_attrs": ("a_id", "a_value", "g_id"),
    "role_attrs": ("a_id", "a_value", "g_id", "r_id"),
    "admins": ("adminid", "dn", "ca"),
    "acl2": ("acl_id", "group_id", "role_id", "defaultACL"),
    "acl2_permissions": ("acl_id", "admin_id", "permissions"),
    "aup": ("id", "name", "reacceptancePeriod"),
    "aup_version": (
        "id",
        "aup_id",
        "version",
        "url",
        "text",
        "creationTime",
        "lastForcedReacceptanceTime",
        "active",
    ),
    "aup_acc_record": ("aup_version_id", "usr_id", "last_acceptance_date", "valid"),
    "req": ("status",),
}
# Of later releases of 3.x: may be absent.
_MANAGERS: Final = {"managers": ("id", "name", "email_address"), "managers_groups": ("manager_id", "group_id")}
_TIMES: Final = frozenset(
    ("creation_time", "end_time", "creationTime", "lastForcedReacceptanceTime", "last_acceptance_date")
)
_FLAGS: Final = frozenset(("restricted", "suspended", "a_uniq", "defaultACL", "active", "valid"))
_ENDED_REQUESTS: Final = ("APPROVED", "REJECTED")


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("a time zone such as Europe/Amsterdam") from None
    return name


class OldDatabase(DatabaseSettings):
    """Where the old database is. ``time_zone``: that of the old server, which wrote its local time into the database."""

    time_zone: Annotated[str, AfterValidator(_check_time_zone)] = "UTC"


def read_old_vo(engine: Engine, time_zone: str) -> OldVo:
    """All of it, at one moment. Raises `Refusal` (``voms.import_schema``) for another schema, `Unavailable`."""
    with reading(engine, consistent=True) as connection:
        _check_schema(connection)
        return _Reader(connection, ZoneInfo(time_zone)).vo()


def _check_schema(connection: Connection) -> None:
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for name, columns in _NEEDED.items():
        if name not in there:
            raise Refusal("voms.import_schema", expected="tables of VOMS-Admin 3", found=f"no table {name}")
        found = {each["name"].lower() for each in inspector.get_columns(name)}
        for each in columns:
            if each.lower() not in found:
                raise Refusal("voms.import_schema", expected="tables of VOMS-Admin 3", found=f"no {name}.{each}")


def _table(name: str, columns: Sequence[str]) -> TableClause:
    # "groups" is a reserved word for MySQL 8, and for nobody before.
    typed = (column(each, DateTime()) if each in _TIMES else column(each) for each in columns)
    return table(quoted_name(name, quote=True), *typed)


class _Reader:
    def __init__(self, connection: Connection, zone: ZoneInfo) -> None:
        self._connection = connection
        self._zone = zone

    def vo(self) -> OldVo:
        release = next((f"{row[0]} {row[1]}" for row in self._rows("version")), "")
        return OldVo(
            release=release,
            authorities=dict(self._rows("ca")),
            groups=tuple(OldGroup(*row) for row in self._rows("groups")),
            roles=dict(self._rows("roles")),
            users=tuple(OldUser(*row) for row in self._rows("usr")),
            certificates=tuple(OldCertificate(*row) for row in self._rows("certificate")),
            mappings=tuple(OldMapping(*row) for row in self._rows("m")),
            classes=tuple(OldClass(*row) for row in self._rows("attributes")),
            values=(
                *(OldValue(name, value, user=user) for name, value, user in self._rows("usr_attrs")),
                *(OldValue(name, value, group=group) for name, value, group in self._rows("group_attrs")),
                *(OldValue(name, value, None, group, role) for name, value, group, role in self._rows("role_attrs")),
            ),
            admins=tuple(OldAdmin(*row) for row in self._rows("admins")),
            lists=tuple(OldList(*row) for row in self._rows("acl2")),
            permissions=tuple(OldPermissions(*row) for row in self._rows("acl2_permissions")),
            policies=tuple(OldPolicy(*row) for row in self._rows("aup")),
            versions=tuple(OldVersion(*row) for row in self._rows("aup_version")),
            signatures=tuple(OldSignature(*row) for row in self._rows("aup_acc_record")),
            managers=self._managers(),
            besides=self._besides(),
        )

    def _rows(self, name: str) -> Iterator[Any]:
        """In the order of the first columns, so that reports are the same each time."""
        names = _NEEDED.get(name) or _MANAGERS[name]
        wanted = _table(name, names)
        read = [self._instant if each in _TIMES else _flag if each in _FLAGS else _as_it_is for each in names]
        for row in self._connection.execute(select(wanted).order_by(*list(wanted.c)[:3])):
            yield tuple(how(value) for how, value in zip(read, row, strict=True))

    def _managers(self) -> tuple[OldManager, ...]:
        there = set(inspect(self._connection).get_table_names())
        if not there.issuperset(_MANAGERS):
            return ()
        groups: dict[int, list[int]] = {}
        for manager, group in self._rows("managers_groups"):
            groups.setdefault(manager, []).append(group)
        return tuple(OldManager(row[1], row[2], tuple(groups.get(row[0], ()))) for row in self._rows("managers"))

    def _besides(self) -> dict[str, int]:
        """What is not taken over, however it looks: requests that wait, what was done, and what a home organisation's database said."""
        there = inspect(self._connection)
        requests = _table("req", ("status",))
        waiting = select(func.count()).select_from(requests).where(requests.c.status.not_in(_ENDED_REQUESTS))
        ended = select(func.count()).select_from(requests).where(requests.c.status.in_(_ENDED_REQUESTS))
        found = {
            "requests_waiting": self._connection.execute(waiting).scalar_one(),
            "requests_ended": self._connection.execute(ended).scalar_one(),
        }
        names = there.get_table_names()
        for name in ("audit_event", "personal_info"):
            if name in names:
                counted = select(func.count()).select_from(table(quoted_name(name, quote=True)))
                found[name] = self._connection.execute(counted).scalar_one()
        if any(each["name"].lower() == "orgdb_id" for each in there.get_columns("usr")):
            people = _table("usr", ("orgdb_id",))
            linked = select(func.count()).select_from(people).where(people.c.orgdb_id.is_not(None))
            found["orgdb"] = self._connection.execute(linked).scalar_one()
        return found

    def _instant(self, value: object) -> datetime | None:
        """Of local time, as the old server wrote it. What is no time (``0000-00-00``) counts as long ago."""
        if value is None:
            return None
        if not isinstance(value, datetime):
            return _LONG_AGO
        return value.replace(tzinfo=self._zone).astimezone(UTC)


def _flag(value: object) -> bool | None:
    """``BIT(1)``, which drivers give as bytes or as a number."""
    if value is None:
        return None
    return any(value) if isinstance(value, bytes) else bool(value)


def _as_it_is(value: object) -> object:
    return value
