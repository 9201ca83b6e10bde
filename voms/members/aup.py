"""The acceptable-use policy of a VO: its versions, who signed which, who is asked to sign anew; each as part of an open `Change`."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, Select, select

from ostiary.errors import Missing, Refusal
from voms import people
from voms.changes import Change
from voms.members.acceptance import Terms, acceptance, in_force
from voms.members.reading import LIFE_COLUMNS, life_of, with_policy
from voms.members.states import Life
from voms.rows import lock_member
from voms.tables import vo, vo_aup_demand, vo_aup_signature, vo_aup_version, vo_member

DEFAULT_SIGN_AGAIN: Final = 365
DEFAULT_GRACE: Final = 15
MAXIMUM_TEXT: Final = 200_000
MAXIMUM_URL: Final = 2_000
LONGEST_DAYS: Final = 36_500
LONGEST_GRACE: Final = 366
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")
_URL: Final = re.compile(r"https?://[!-~]+")


@dataclass(frozen=True, slots=True)
class AupVersion:
    """One version of the policy. It stands under ``url``, or is ``text``, or both. ``sign_again_days``: how long a signature counts, None:
    for good; ``grace_days``: how long a member without one goes on."""

    version: str
    url: str | None
    text: str | None
    sign_again_days: int | None
    grace_days: int
    in_force_from: datetime
    number: int = 0

    @property
    def terms(self) -> Terms:
        """What of it decides."""
        again = timedelta(days=self.sign_again_days) if self.sign_again_days is not None else None
        return Terms(self.number, self.in_force_from, again, timedelta(days=self.grace_days))


@dataclass(frozen=True, slots=True)
class Signed:
    """That a member signed a version, and when last."""

    version: str
    at: datetime


def add_version(
    change: Change,
    version: str,
    *,
    url: str | None = None,
    text: str | None = None,
    sign_again_days: int | None = DEFAULT_SIGN_AGAIN,
    grace_days: int = DEFAULT_GRACE,
    in_force_from: datetime | None = None,
) -> int:
    """A new version, in force from ``in_force_from`` on (None: from now); every person has to sign it. Returns its number.

    Raises `Refusal` (``voms.aup_version``, ``voms.aup_days``, ``voms.aup_past``)."""
    if _VERSION.fullmatch(version) is None:
        raise Refusal("voms.aup_version", expected="letters, digits, - _ . and spaces", found=repr(version[:80]))
    if url is None and text is None:
        raise Refusal("voms.aup_version", expected="an address, or a text", found="neither")
    if url is not None and (len(url) > MAXIMUM_URL or _URL.fullmatch(url) is None or not urlsplit(url).hostname):
        raise Refusal("voms.aup_version", expected="an address such as https://vo.example.org/aup", found=url[:80])
    if text is not None and not 0 < len(text) <= MAXIMUM_TEXT:
        raise Refusal("voms.aup_version", expected=f"a text of 1 to {MAXIMUM_TEXT} characters", found=len(text))
    check_days(sign_again_days, grace_days)
    begin = in_force_from or change.at
    if begin < change.at:
        # What was given before would have been given without it.
        raise Refusal("voms.aup_past", expected=f"{change.at.isoformat()} or later", found=begin.isoformat())
    number: int = change.add(
        vo_aup_version,
        vo_id=change.vo,
        version=version,
        url=url,
        text=text,
        sign_again_days=sign_again_days,
        grace_days=grace_days,
        in_force_from=begin,
    )
    return number


def change_version(change: Change, version: str, *, sign_again_days: int | None, grace_days: int) -> None:
    """Other days for a version; its words stay, people have signed them. Raises `Missing` (``voms.no_aup``), `Refusal`
    (``voms.aup_days``)."""
    check_days(sign_again_days, grace_days)
    values = {"sign_again_days": sign_again_days, "grace_days": grace_days}
    if change.alter(vo_aup_version, values, vo_id=change.vo, version=version) == 0:
        raise _no_version(version)


def remove_version(change: Change, version: str) -> None:
    """Ends a version and the signatures under it; where it was in force, the one before it is again. Raises `Missing` (``voms.no_aup``)."""
    number = version_named(change.connection, change.vo, version).number
    change.end(vo_aup_signature, version_id=number)
    change.end(vo_aup_version, id=number)


def sign(change: Change, member: str, version: str | None = None) -> str:
    """The member accepts a version: that in force (None), or one that will be. Whom the missing signature had suspended goes on. Returns
    the version.

    Raises `Missing` (``voms.no_member``, ``voms.no_aup``), `Refusal` (``voms.aup_superseded``)."""
    lock_member(change.connection, change.vo, member)
    signed = current_version(change.connection, change.vo, change.at)
    if version is not None and (signed is None or signed.version != version):
        other = version_named(change.connection, change.vo, version)
        if other.in_force_from <= change.at:
            raise Refusal("voms.aup_superseded", expected=signed.version if signed else "", found=version)
        signed = other
    if signed is None:
        raise Missing("voms.no_aup", expected="a policy that is in force", found="none")
    of = {"member_id": member, "version_id": signed.number}
    if change.alter(vo_aup_signature, {"signed_at": change.at}, **of) == 0:
        change.add(vo_aup_signature, signed_at=change.at, **of)
    life = life_of_member(change.connection, change.vo, member)
    held_back = life.suspension is not None and life.suspension.code == "aup"
    if held_back and acceptance(life.undertaking, change.at).accepted:
        people.restore(change, member)
    return signed.version


def ask_to_sign(change: Change, member: str) -> None:
    """The member has to sign anew, within the grace of the version in force. Who was asked before and has not signed since is not given
    more time. Raises `Missing` (``voms.no_member``, ``voms.no_aup``)."""
    lock_member(change.connection, change.vo, member)
    current = current_version(change.connection, change.vo, change.at)
    if current is None:
        raise Missing("voms.no_aup", expected="a policy that is in force", found="none")
    undertaking = life_of_member(change.connection, change.vo, member).undertaking
    if not acceptance(undertaking, change.at).accepted:
        return
    if change.alter(vo_aup_demand, {"asked_at": change.at}, member_id=member) == 0:
        change.add(vo_aup_demand, member_id=member, asked_at=change.at)


def versions(connection: Connection, vo_id: int) -> tuple[AupVersion, ...]:
    """Every version, the newest last."""
    held = vo_aup_version
    wanted = _versions(vo_id).order_by(held.c.in_force_from, held.c.id)
    return tuple(_version(row) for row in connection.execute(wanted))


def version_named(connection: Connection, vo_id: int, version: str) -> AupVersion:
    """Raises `Missing` (``voms.no_aup``)."""
    row = connection.execute(_versions(vo_id).where(vo_aup_version.c.version == version)).one_or_none()
    if row is None:
        raise _no_version(version)
    return _version(row)


def current_version(connection: Connection, vo_id: int, at: datetime) -> AupVersion | None:
    """The version in force; None: there is no policy."""
    known = versions(connection, vo_id)
    found = in_force([each.terms for each in known], at)
    return next((each for each in known if found is not None and each.number == found.number), None)


def signatures_of(connection: Connection, member: str) -> tuple[Signed, ...]:
    """What a member signed, and when last; in the order of time."""
    held = vo_aup_signature
    wanted = select(vo_aup_version.c.version, held.c.signed_at).join(
        vo_aup_version, vo_aup_version.c.id == held.c.version_id
    )
    rows = connection.execute(wanted.where(held.c.member_id == member).order_by(held.c.signed_at, held.c.id))
    return tuple(Signed(*row) for row in rows)


def life_of_member(connection: Connection, vo_id: int, member: str) -> Life:
    """What is written of whether a member may act, for `voms.members.states.situation`. Raises `Missing` (``voms.no_member``)."""
    wanted = select(*LIFE_COLUMNS).join(vo, vo.c.id == vo_member.c.vo_id)
    rows = connection.execute(with_policy(wanted.where(vo_member.c.id == member, vo_member.c.vo_id == vo_id))).all()
    if not rows:
        raise Missing("voms.no_member", expected="a member of this VO", found=member)
    return life_of(rows)


def check_days(sign_again_days: int | None, grace_days: int) -> None:
    """Raises `Refusal` (``voms.aup_days``)."""
    if sign_again_days is not None and not 1 <= sign_again_days <= LONGEST_DAYS:
        raise Refusal("voms.aup_days", expected=f"1 to {LONGEST_DAYS} days", found=sign_again_days)
    if not 0 <= grace_days <= LONGEST_GRACE:
        raise Refusal("voms.aup_days", expected=f"0 to {LONGEST_GRACE} days", found=grace_days)


def _versions(vo_id: int) -> Select[Any]:
    names = ("version", "url", "text", "sign_again_days", "grace_days", "in_force_from", "id")
    return select(*(vo_aup_version.c[name] for name in names)).where(vo_aup_version.c.vo_id == vo_id)


def _version(row: Row[Any]) -> AupVersion:
    again, grace = row.sign_again_days, row.grace_days
    return AupVersion(row.version, row.url, row.text, again, grace, row.in_force_from, row.id)


def _no_version(version: str) -> Missing:
    return Missing("voms.no_aup", expected="a version of the policy", found=version[:80])
