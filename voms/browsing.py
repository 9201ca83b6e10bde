"""Lists of a VO, a page at a time: members who fit a search, groups, roles. Reads; who may see them is decided by who asks.

A page goes on where the one before it ended, so that nothing is counted from the beginning and nobody is skipped who was there all along.
"""

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, exists, func, null, or_, select

from ostiary.errors import Refusal
from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from voms.details import Details, folded
from voms.members.reading import LIFE_COLUMNS, life_of, with_policy
from voms.members.situation import Situation
from voms.members.states import situation
from voms.portions import any_of
from voms.rows import group_number, groups_from, role_number, vo_number
from voms.standing import End
from voms.tables import vo as vo_table
from voms.tables import (
    vo_group,
    vo_group_membership,
    vo_group_parent,
    vo_member,
    vo_member_certificate,
    vo_member_details,
    vo_role,
    vo_role_assignment,
)

MOST: Final = 500
"""Rows of one page, at most."""
MAXIMUM_SEARCHED: Final = 200
_MAXIMUM_WORDS: Final = 8

MemberState = Literal["active", "suspended", "expired"]
MEMBER_STATES: Final[tuple[MemberState, ...]] = ("active", "suspended", "expired")

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """``rows``, and where the next page begins (``after`` of the next call); None after the last one."""

    rows: tuple[RowT, ...]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class FoundMember:
    """A member as lists show her. ``details`` are blank where nothing is known, or for whom they are not; ``ends``: when the membership
    does; ``situation``: where she stands at the moment of the search."""

    member: str
    kind: str
    details: Details
    certificates: tuple[CertificateNames, ...]
    ends: End
    situation: Situation

    @property
    def name(self) -> str:
        """What to call her in a list: her name, else the subject of her first certificate, else her id."""
        return self.details.name or next((names.subject for names in self.certificates), self.member)


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group as lists show it; ``below``: how many groups stand directly below it, on any path."""

    path: str
    description: str
    optional: bool
    below: int = 0


@dataclass(frozen=True, slots=True)
class FoundRole:
    """A role of the VO."""

    name: str
    description: str


def search_members(
    engine: Engine,
    vo: str,
    text: str = "",
    *,
    at: datetime,
    group: str | None = None,
    role: str | None = None,
    state: MemberState | None = None,
    after: str | None = None,
    most: int = 50,
    personal: bool = True,
) -> Page[FoundMember]:
    """Members of ``vo`` in the order of their names, ``most`` (1 to `MOST`) from the one where the page ``after`` ended.

    ``text``: each of its words stands somewhere in her details or in the subject of a certificate, without regard to case and accents;
    an id finds its member. ``state``: as it is written (that a policy is due changes no row). ``group``: who is in it, or in one below it,
    by the dates of her membership at ``at``; ``role``: to whom it is given, in that very group if one is named. ``personal``: whether
    details are searched and told.

    Raises `Missing` (``voms.no_vo``, ``voms.no_group``, ``voms.no_role``), `Refusal` (``voms.search``, ``voms.page``), `Unavailable`.
    """
    _check(text, most)
    with reading(engine) as connection:
        number = vo_number(connection, vo)
        wanted = _members(number, personal=personal)
        for condition in (*_words(number, text, personal=personal), *_within(connection, number, vo, group, role, at)):
            wanted = wanted.where(condition)
        if state is not None:
            wanted = wanted.where(_in_state(state, at))
        key, found = wanted.selected_columns["sort_key"], vo_member.c.id
        if after is not None:
            last_key, last_id = _read_place(after)
            wanted = wanted.where(or_(key > last_key, and_(key == last_key, found > last_id)))
        rows = connection.execute(wanted.order_by(key, found).limit(most + 1)).all()
        shown = rows[:most]
        ids = [row.id for row in shown]
        certificates, situations = _certificates(connection, ids), _situations(connection, ids, at)
    place = _place(shown[-1].sort_key, shown[-1].id) if len(rows) > most else None
    found_ones = (
        FoundMember(
            row.id, row.kind, _details(row, personal), certificates.get(row.id, ()), row.valid_to, situations[row.id]
        )
        for row in shown
    )
    return Page(tuple(found_ones), place)


def count_members(engine: Engine, vo: str, *, at: datetime) -> dict[MemberState, int]:
    """How many members there are in each state."""
    with reading(engine) as connection:
        number = vo_number(connection, vo)
        return {
            state: int(
                connection.execute(
                    select(func.count()).select_from(vo_member).where(vo_member.c.vo_id == number, _in_state(state, at))
                ).scalar_one()
            )
            for state in MEMBER_STATES
        }


def list_groups(
    engine: Engine,
    vo: str,
    text: str = "",
    *,
    below: str | None = None,
    only: Collection[str] | None = None,
    after: str | None = None,
    most: int = 100,
) -> Page[FoundGroup]:
    """Groups in the order of their paths; ``below``: those that stand directly below this one, on any path; ``only``: those among these;
    ``text``: what stands somewhere in the path or description, without regard to case.

    Raises `Missing` (``voms.no_vo``, ``voms.no_group``), `Refusal` (``voms.search``, ``voms.page``), `Unavailable`.
    """
    _check(text, most)
    with reading(engine) as connection:
        number = vo_number(connection, vo)
        line = vo_group_parent.alias("line")
        count = select(func.count()).select_from(line).where(line.c.parent_id == vo_group.c.id).scalar_subquery()
        wanted = select(vo_group.c.path, vo_group.c.description, vo_group.c.optional, count.label("below")).where(
            vo_group.c.vo_id == number
        )
        if below is not None:
            upper = group_number(connection, number, below)
            wanted = wanted.join(vo_group_parent, vo_group_parent.c.group_id == vo_group.c.id).where(
                vo_group_parent.c.parent_id == upper
            )
        if only is not None:
            wanted = wanted.where(any_of(vo_group.c.path, sorted(only)))
        for word in text.split():
            wanted = wanted.where(or_(_holds(vo_group.c.path, word), _holds(vo_group.c.description, word)))
        if after is not None:
            wanted = wanted.where(vo_group.c.path > _read_place(after)[0])
        rows = connection.execute(wanted.order_by(vo_group.c.path).limit(most + 1)).all()
    shown = rows[:most]
    place = _place(shown[-1].path, "") if len(rows) > most else None
    return Page(tuple(FoundGroup(row.path, row.description, row.optional, row.below) for row in shown), place)


def list_roles(
    engine: Engine, vo: str, text: str = "", *, after: str | None = None, most: int = 100
) -> Page[FoundRole]:
    """Roles by name; ``text`` and errors as for `list_groups`."""
    _check(text, most)
    with reading(engine) as connection:
        wanted = select(vo_role.c.name, vo_role.c.description).where(vo_role.c.vo_id == vo_number(connection, vo))
        for word in text.split():
            wanted = wanted.where(or_(_holds(vo_role.c.name, word), _holds(vo_role.c.description, word)))
        if after is not None:
            wanted = wanted.where(vo_role.c.name > _read_place(after)[0])
        rows = connection.execute(wanted.order_by(vo_role.c.name).limit(most + 1)).all()
    shown = rows[:most]
    place = _place(shown[-1].name, "") if len(rows) > most else None
    return Page(tuple(FoundRole(row.name, row.description) for row in shown), place)


def _check(text: str, most: int) -> None:
    words = text.split()
    if len(text) > MAXIMUM_SEARCHED or len(words) > _MAXIMUM_WORDS:
        expected = f"at most {MAXIMUM_SEARCHED} characters and {_MAXIMUM_WORDS} words"
        raise Refusal("voms.search", expected=expected, found=f"{len(text)} characters, {len(words)} words")
    if not 1 <= most <= MOST:
        raise Refusal("voms.page", expected=f"1 to {MOST} rows", found=most)


def _members(number: int, *, personal: bool) -> Select[Any]:
    """All of the VO with the key of their order: the folded details, surname first, else the subject of a certificate, else the id."""
    details, link = vo_member_details, vo_member_certificate
    subject = select(func.min(func.lower(link.c.subject))).where(link.c.member_id == vo_member.c.id).scalar_subquery()
    named = func.nullif(details.c.folded, "") if personal else null()
    key = func.coalesce(named, subject, vo_member.c.id)
    columns = [details.c[name] for name in ("given_name", "surname", "institution", "phone", "address", "mail")]
    own = [vo_member.c[name] for name in ("id", "kind", "valid_to")]
    return (
        select(*own, *columns, key.label("sort_key"))
        .outerjoin(details, details.c.member_id == vo_member.c.id)
        .where(vo_member.c.vo_id == number)
    )


def _words(number: int, text: str, *, personal: bool) -> Iterable[ColumnElement[bool]]:
    link = vo_member_certificate
    for word in text.split():
        held = select(link.c.member_id).where(link.c.vo_id == number, _holds(link.c.subject, word))
        places = [vo_member.c.id.in_(held), vo_member.c.id == word.lower()]
        if personal:
            places.append(vo_member_details.c.folded.contains(folded(word), autoescape=True))
        yield or_(*places)


def _within(
    connection: Connection, number: int, vo: str, group: str | None, role: str | None, at: datetime
) -> Iterable[ColumnElement[bool]]:
    given, joined = vo_role_assignment, vo_group_membership
    if role is not None:
        met = [given.c.member_id == vo_member.c.id, given.c.role_id == role_number(connection, number, role)]
        if group is not None:
            met.append(given.c.group_id == group_number(connection, number, group))
        yield exists().where(*met, *_by_dates(given, at))
    elif group is not None and group != f"/{vo}":
        below = groups_from(connection, group_number(connection, number, group))
        yield vo_member.c.id.in_(
            select(joined.c.member_id).where(any_of(joined.c.group_id, below), *_by_dates(joined, at))
        )


def _by_dates(table: Any, at: datetime) -> tuple[ColumnElement[bool], ...]:
    return table.c.valid_from <= at, or_(table.c.valid_to.is_(None), table.c.valid_to > at)


def _in_state(state: MemberState, at: datetime) -> ColumnElement[bool]:
    goes_on = or_(vo_member.c.valid_to.is_(None), vo_member.c.valid_to > at)
    match state:
        case "active":
            return and_(vo_member.c.suspended_reason.is_(None), goes_on)
        case "suspended":
            return and_(vo_member.c.suspended_reason.is_not(None), goes_on)
        case "expired":
            return vo_member.c.valid_to <= at


def _holds(column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    return func.lower(column).contains(word.lower(), autoescape=True)


def _certificates(connection: Connection, members: Sequence[str]) -> dict[str, tuple[CertificateNames, ...]]:
    link = vo_member_certificate
    wanted = select(link.c.member_id, link.c.subject, link.c.issuer).where(link.c.member_id.in_(members))
    found: dict[str, tuple[CertificateNames, ...]] = {}
    for row in connection.execute(wanted.order_by(link.c.id)):
        found[row.member_id] = (*found.get(row.member_id, ()), CertificateNames(row.subject, row.issuer))
    return found


def _situations(connection: Connection, members: Sequence[str], at: datetime) -> dict[str, Situation]:
    wanted = select(vo_member.c.id, *LIFE_COLUMNS).join(vo_table, vo_table.c.id == vo_member.c.vo_id)
    rows: dict[str, list[Any]] = {}
    for row in connection.execute(with_policy(wanted.where(vo_member.c.id.in_(members)))):
        rows.setdefault(row.id, []).append(row)
    return {member: situation(life_of(found), at) for member, found in rows.items()}


def _details(row: Any, personal: bool) -> Details:
    """Blank where nothing is known."""
    if not personal or row.surname is None:
        return Details()
    return Details(row.given_name, row.surname, row.institution, row.phone, row.address, row.mail)


def _place(key: str, number: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([key, number]).encode()).decode().rstrip("=")


def _read_place(text: str) -> tuple[str, str]:
    try:
        key, number = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        # What no database takes can't have come from one.
        if isinstance(key, str) and isinstance(number, str) and b"\0" not in f"{key}{number}".encode():
            return key, number
    except (ValueError, TypeError, RecursionError):
        pass
    raise Refusal("voms.page", expected="where the page before ended", found=text[:80])
