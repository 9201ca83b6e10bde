"""Brings a table of members into the VO: all lines or none, and as a dry run none, after everything was tried all the same.

Who is a member already gets what she lacks; nothing is taken from anybody, and no line means somebody whom it does not name in full.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ostiary.errors import OstiaryError, Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms.administration.acting import Acting
from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.details import Details, details_of
from voms.exchange.members_csv import MemberLine, WrongLine
from voms.grants import Whose
from voms.identities import FederatedIdentity
from voms.people import new_member_id
from voms.rows import group_number, role_number
from voms.tables import (
    vo_attribute,
    vo_group_membership,
    vo_member,
    vo_member_certificate,
    vo_member_identity,
    vo_role_assignment,
)


class Outcome(StrEnum):
    """What becomes of a line."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LineReport:
    """``done``: in words for machines (``certificate``, ``until``, ``details``, a group or role, an attribute's name); ``problem``: why it
    was refused."""

    line: int
    outcome: Outcome
    member: str | None = None
    done: tuple[str, ...] = ()
    problem: OstiaryError | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file. ``written``: whether the VO has it now."""

    lines: tuple[LineReport, ...]
    written: bool

    def count(self, outcome: Outcome) -> int:
        """How many lines came to this."""
        return sum(1 for line in self.lines if line.outcome is outcome)


def bring_in(desk: Desk, lines: Iterable[MemberLine | WrongLine], *, dry_run: bool) -> Report:
    """Does what the lines say, as the desk's caller and with her rights, in one transaction with one audit row, if each line can be done.

    Raises `Denied` (``voms.not_allowed``) for who may not add members, `Unavailable`; what is wrong with a line stands in the report.
    """
    reports: list[LineReport] = []
    try:
        with desk.acting("vo.members_imported", alone=True) as acting:
            acting.require(Permission.MEMBERSHIP_WRITE)
            for line in lines:
                reports.append(_report(acting, line))
            if dry_run or any(report.outcome is Outcome.REFUSED for report in reports):
                raise _NothingIsKept
    except _NothingIsKept:
        return Report(tuple(reports), written=False)
    return Report(tuple(reports), written=True)


class _NothingIsKept(Exception):
    """Ends the transaction without keeping it."""


def _report(acting: Acting, line: MemberLine | WrongLine) -> LineReport:
    if isinstance(line, WrongLine):
        return LineReport(line.line, Outcome.REFUSED, problem=line.problem)
    try:
        # A savepoint: the lines after one that fails are tried as well.
        with acting.change.connection.begin_nested():
            return _bring_in(acting, line)
    except IntegrityError:
        problem = Refusal("voms.taken", expected="something that is not there yet", found="it is there")
        return LineReport(line.line, Outcome.REFUSED, problem=problem)
    except Refusal as refused:
        return LineReport(line.line, Outcome.REFUSED, problem=refused)


def _bring_in(acting: Acting, line: MemberLine) -> LineReport:
    member, missing = _found(acting, line)
    new = member is None
    done: list[str] = []
    if member is None:
        member = new_member_id()
        acting.add_member(member, line.known_by, kind=line.kind, until=line.until, about=line.about)
    else:
        for each in missing:
            if isinstance(each, CertificateNames):
                acting.add_certificate(member, each)
                done.append("certificate")
            else:
                acting.link_identity(member, each)
                done.append("identity")
        done += _changed(acting, member, line)
    done += _given(acting, member, line)
    outcome = Outcome.ADDED if new else Outcome.CHANGED if done else Outcome.UNCHANGED
    return LineReport(line.line, outcome, member, tuple(done))


def _found(acting: Acting, line: MemberLine) -> tuple[str | None, list[CertificateNames | FederatedIdentity]]:
    """The member whom a line means, None for a new one, and by what she is not known yet."""
    change = acting.change
    owners: dict[CertificateNames | FederatedIdentity, str | None] = {}
    for each in line.known_by:
        link = vo_member_certificate if isinstance(each, CertificateNames) else vo_member_identity
        key = link.c.names_key if isinstance(each, CertificateNames) else link.c.identity_key
        wanted = select(link.c.member_id).where(link.c.vo_id == change.vo, key == each.key)
        owners[each] = change.connection.execute(wanted).scalar_one_or_none()
    members = {owner for owner in owners.values() if owner is not None}
    if len(members) > 1:
        raise Refusal("voms.several_members", expected="one member", found=len(members))
    return next(iter(members), None), [each for each, owner in owners.items() if owner is None]


def _changed(acting: Acting, member: str, line: MemberLine) -> list[str]:
    done: list[str] = []
    connection = acting.change.connection
    ends: datetime | None = connection.execute(
        select(vo_member.c.valid_to).where(vo_member.c.id == member)
    ).scalar_one()
    if line.until is not None and line.until != ends:
        acting.set_end(member, line.until)
        done.append("until")
    if line.about is not None:
        known = details_of(connection, member)
        told = {field.name: text for field in fields(Details) if (text := getattr(line.about, field.name))}
        if replace(known, **told) != known:
            acting.set_details(member, replace(known, **told))
            done.append("details")
    return done


def _given(acting: Acting, member: str, line: MemberLine) -> list[str]:
    done: list[str] = []
    # Groups first: a role is for who is in its group.
    for fqan in sorted(line.fqans, key=lambda each: each.role is not None):
        if fqan.group != acting.root and fqan.role is None and not _is_given(acting, member, fqan):
            acting.join(member, fqan.group)
            done.append(fqan.short())
        if fqan.role is not None and not _is_given(acting, member, fqan):
            acting.assign_role(member, fqan.group, fqan.role)
            done.append(fqan.short())
    for name, value in line.attributes:
        if _value(acting, member, name) != value:
            acting.set_attribute(name, value, Whose(member))
            done.append(name)
    return done


def _is_given(acting: Acting, member: str, fqan: Fqan) -> bool:
    change = acting.change
    table = vo_group_membership if fqan.role is None else vo_role_assignment
    group = group_number(change.connection, change.vo, fqan.group)
    wanted = select(table.c.id).where(table.c.member_id == member, table.c.group_id == group)
    if fqan.role is not None:
        wanted = wanted.where(table.c.role_id == role_number(change.connection, change.vo, fqan.role))
    return change.connection.execute(wanted).scalar_one_or_none() is not None


def _value(acting: Acting, member: str, name: str) -> str | None:
    held = vo_attribute
    wanted = select(held.c.value).where(held.c.member_id == member, held.c.name == name)
    found: str | None = acting.change.connection.execute(wanted.limit(1)).scalar_one_or_none()
    return found
