"""Writes an imported VO in one transaction with one audit row, into a VO that is empty; or tries it, and keeps nothing.

Rows go in by the thousand, so that a hundred thousand members take seconds; the rules that the functions for single changes hold to were
looked at by `voms_admin_translation`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from ostiary.errors import Refusal
from ostiary.storage.engine import reading
from ostiary.x509.fqan import Fqan
from voms.administration.lists import VO_ADMIN
from voms.administration.who import Who
from voms.attribute_classes import add_attribute_class
from voms.changes import Change, changing
from voms.details import Details
from voms.exchange.voms_admin_plan import Plan, PlannedMember
from voms.people import new_member_id
from voms.rows import group_number, vo_number
from voms.tables import (
    vo,
    vo_acl_entry,
    vo_attribute,
    vo_attribute_class,
    vo_aup_demand,
    vo_aup_signature,
    vo_aup_version,
    vo_group,
    vo_group_membership,
    vo_group_parent,
    vo_invitation,
    vo_member,
    vo_member_certificate,
    vo_member_details,
    vo_request,
    vo_role,
    vo_role_assignment,
)

_ACTION: Final = "vo.imported"
_EMPTY: Final = Details()
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Here:
    """The VO as it is before: for how many days members go on after their end, and whether what a group gives comes down."""

    grace_days: int
    inherits: bool


def look_at(engine: Engine, name: str) -> Here:
    """Raises `Missing` (``voms.no_vo``), `Refusal` (``voms.import_not_empty``), `Unavailable`."""
    with reading(engine, consistent=True) as connection:
        number = vo_number(connection, name)
        _check_empty(connection, number, name)
        row = connection.execute(select(vo.c.grace_days, vo.c.inherits).where(vo.c.id == number)).one()
        return Here(row.grace_days, row.inherits)


def bring_in(
    engine: Engine,
    name: str,
    plan: Plan,
    *,
    at: datetime,
    by: str,
    dry_run: bool = False,
    make_id: Callable[[], str] = new_member_id,
) -> None:
    """Everything, or with ``dry_run`` nothing after everything was tried. Inheritance is off from then on: the original has none.

    Raises `Missing` (``voms.no_vo``), `Refusal` (``voms.import_not_empty``), `Unavailable`.
    """
    with (
        _kept_unless(dry_run),
        changing(engine, name, _ACTION, at=at, by=by, facts=plan.counts(), alone=True) as change,
    ):
        _check_empty(change.connection, change.vo, name)
        _Writer(change, plan, make_id).write()
        if dry_run:
            raise _NothingIsKept


class _NothingIsKept(Exception):
    """Ends the transaction without keeping it."""


@contextmanager
def _kept_unless(dry_run: bool) -> Iterator[None]:
    try:
        yield
    except _NothingIsKept:
        if not dry_run:
            raise


def _check_empty(connection: Connection, number: int, name: str) -> None:
    """Only what `create_vo` makes is there: an import is no merging, nobody could say which of two wins."""
    admins = Who.fqan(Fqan(f"/{name}", VO_ADMIN)).key
    for table, most in ((vo_member, 0), (vo_group, 1), (vo_role, 1), (vo_attribute_class, 0), (vo_aup_version, 0)):
        _check_count(connection, table, number, most)
    for table in (vo_attribute, vo_request, vo_invitation):
        _check_count(connection, table, number, 0)
    _check_count(connection, vo_acl_entry, number, 0, vo_acl_entry.c.who_key != admins)


def _check_count(connection: Connection, table: Any, number: int, most: int, *more: Any) -> None:
    wanted = select(func.count()).select_from(table).where(table.c.vo_id == number, *more)
    found = connection.execute(wanted).scalar_one()
    if found > most:
        raise Refusal(
            "voms.import_not_empty", expected="a VO in which nothing was done", found=f"{table.name}: {found}"
        )


class _Writer:
    """One import into an open change."""

    def __init__(self, change: Change, plan: Plan, make_id: Callable[[], str]) -> None:
        self._change = change
        self._plan = plan
        self._ids = {each.number: make_id() for each in plan.members}
        self._groups: dict[str, int] = {}
        self._roles: dict[str, int] = {}

    def write(self) -> None:
        """In the order in which rows name each other."""
        change = self._change
        change.alter(vo, {"inherits": False}, id=change.vo, inherits=True)
        self._write_groups_and_roles()
        for each in self._plan.classes:
            add_attribute_class(change, each.name, description=each.description, unique=each.unique)
        for begin in range(0, len(self._plan.members), _AT_ONCE):
            self._write_members(self._plan.members[begin : begin + _AT_ONCE])
        change.add_all(vo_attribute, [self._value(fqan, name, value) for fqan, name, value in self._plan.values])
        self._write_lists()
        self._write_policy()

    def _write_groups_and_roles(self) -> None:
        change, root = self._change, f"/{self._change.name}"
        for path, description in self._plan.groups.items():
            if path == root:
                self._groups[path] = group_number(change.connection, change.vo, path)
                if description:
                    change.alter(vo_group, {"description": description}, id=self._groups[path])
                continue
            number = change.add(vo_group, vo_id=change.vo, path=path, description=description, optional=False)
            change.add(vo_group_parent, group_id=number, parent_id=self._groups[path.rpartition("/")[0]])
            self._groups[path] = number
        there = select(vo_role.c.name, vo_role.c.id).where(vo_role.c.vo_id == change.vo)
        self._roles = {row.name: row.id for row in change.connection.execute(there)}
        for role in self._plan.roles:
            if role not in self._roles:
                self._roles[role] = change.add(vo_role, vo_id=change.vo, name=role, description="")

    def _write_members(self, members: tuple[PlannedMember, ...]) -> None:
        change, at, by = self._change, self._change.at, self._change.by
        rows: list[dict[str, Any]] = []
        for member in members:
            code, reason = member.suspended or (None, None)
            held: dict[str, Any] = {"suspended_code": code, "suspended_reason": reason}
            held |= {"suspended_by": by, "suspended_at": at} if code else {"suspended_by": None, "suspended_at": None}
            span = {"valid_from": member.since, "valid_to": member.until}
            rows.append({"id": self._ids[member.number], "vo_id": change.vo, "kind": "person", **held, **span})
        change.add_all(vo_member, rows)
        change.add_all(vo_member_details, [self._details(each) for each in members if each.details != _EMPTY])
        change.add_all(vo_member_certificate, [row for each in members for row in self._certificates(each)])
        always = {"valid_from": at, "valid_to": None, "recurs": None}
        change.add_all(
            vo_group_membership,
            [
                {"member_id": self._ids[each.number], "group_id": self._groups[path], **always}
                for each in members
                for path in each.groups
            ],
        )
        change.add_all(
            vo_role_assignment,
            [
                {"member_id": self._ids[each.number], **self._place(fqan), **always}
                for each in members
                for fqan in each.roles
            ],
        )
        change.add_all(
            vo_attribute,
            [
                {**self._value(None, name, value), "member_id": self._ids[each.number]}
                for each in members
                for name, value in each.attributes
            ],
        )

    def _details(self, member: PlannedMember) -> dict[str, Any]:
        values = {field.name: getattr(member.details, field.name) for field in fields(member.details)}
        return {"member_id": self._ids[member.number], "folded": member.details.folded(), **values}

    def _certificates(self, member: PlannedMember) -> Iterator[dict[str, Any]]:
        for names, reason in member.certificates:
            by, at = (self._change.by, self._change.at) if reason is not None else (None, None)
            yield {
                "vo_id": self._change.vo,
                "member_id": self._ids[member.number],
                "names_key": names.key,
                "subject": names.subject,
                "issuer": names.issuer,
                "suspended_reason": reason,
                "suspended_by": by,
                "suspended_at": at,
            }

    def _place(self, fqan: Fqan) -> dict[str, int | None]:
        role = self._roles[fqan.role] if fqan.role is not None else None
        return {"group_id": self._groups[fqan.group], "role_id": role}

    def _value(self, fqan: Fqan | None, name: str, value: str) -> dict[str, Any]:
        place = self._place(fqan) if fqan is not None else {"group_id": None, "role_id": None}
        span = {"valid_from": self._change.at, "valid_to": None, "recurs": None}
        return {"vo_id": self._change.vo, "member_id": None, **place, "name": name, "value": value, **span}

    def _write_lists(self) -> None:
        """The lists of the old VO in place of those that every new VO begins with."""
        self._change.end(vo_acl_entry, vo_id=self._change.vo)
        rows = [
            {
                "vo_id": self._change.vo,
                **self._place(Fqan(entry.group, entry.role)),
                "for_new_groups": entry.for_new_groups,
                "who_kind": entry.who.kind.value,
                "who_key": entry.who.key,
                "who": entry.who.text(),
                "permissions": int(entry.permissions),
            }
            for entry in self._plan.entries
        ]
        self._change.add_all(vo_acl_entry, rows)

    def _write_policy(self) -> None:
        numbers: dict[str, int] = {}
        for each in self._plan.versions:
            names = ("version", "url", "text", "sign_again_days", "grace_days", "in_force_from")
            values = {name: getattr(each, name) for name in names}
            numbers[each.version] = self._change.add(vo_aup_version, vo_id=self._change.vo, **values)
        signatures: list[dict[str, Any]] = []
        demands: list[dict[str, Any]] = []
        for member in self._plan.members:
            of = {"member_id": self._ids[member.number]}
            signatures += [
                {**of, "version_id": numbers[version], "signed_at": when} for version, when in member.signed.items()
            ]
            if member.asked_at is not None:
                demands.append({**of, "asked_at": member.asked_at})
        self._change.add_all(vo_aup_signature, signatures)
        self._change.add_all(vo_aup_demand, demands)
