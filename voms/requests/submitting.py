"""How a request begins, is proven by mail, and is taken back: each as part of an open `Change`. Sends no letter.

A stranger learns nothing of the VO by asking: which groups there are is looked up only when a manager decides.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, select

from ostiary.errors import OstiaryError, Refusal, TooMany, Unavailable
from ostiary.mail import is_address
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import parse_fqan
from voms import grants
from voms.changes import Change
from voms.details import details_of
from voms.requests.asked import (
    Applicant,
    Asked,
    Kind,
    Request,
    Wish,
    check_asked,
    remark_problem,
    token_key,
    write_applicant,
    write_asked,
)
from voms.requests.kept import confirm_key_of, count, decision, member_known_by, move, request_of, requests_by
from voms.requests.states import OPEN, State
from voms.rows import group_number, lock_member, role_number
from voms.tables import vo_request, vo_role_assignment

# More than any manager looks through; a flood of false ones ends here.
MAXIMUM_WAITING: Final = 2_000
PER_DAY: Final = 10
MAXIMUM_TOKEN: Final = 64
_DAY: Final = timedelta(days=1)
_NOWHERE: Final[Mapping[str, int | None]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Asker:
    """A member who asks for more, and by what she is known at the moment."""

    member: str
    known_by: Applicant


def submit_join(
    change: Change, request: str, applicant: Applicant, asked: Asked, *, lifetime: timedelta, token: str
) -> Request:
    """Somebody wants to become a member, by the id ``request``; waits ``lifetime`` for the proof of her address by the secret ``token``.
    One of hers that was not proven yet is replaced.

    Raises `Refusal` (``voms.detail*``, ``voms.remark``, ``voms.wishes``, ``voms.already_member``, ``voms.request_open``,
    ``voms.request_group``), `TooMany` (``voms.requests_often``), `Unavailable` (``voms.requests_full``).
    """
    for problem in check_asked(asked).values():
        raise problem
    for wish in asked.wishes:
        check_wish(change.name, wish)
    if member_known_by(change.connection, change.vo, applicant) is not None:
        raise Refusal("voms.already_member", expected="somebody who is no member", found="a member", vo=change.name)
    keys = applicant.keys
    _limit(change, keys, None)
    for earlier in requests_by(change.connection, change.vo, keys, None, only_open=True):
        if earlier.state == "submitted":
            withdraw(change, earlier)
        else:
            _end_or_refuse(change, earlier)
    made = _made(change, request, "join", "submitted", None, applicant, asked, asked.details.mail)
    made = replace(made, expires_at=change.at + lifetime)
    _add(change, made, who_key=applicant.key, confirm_key=token_key(token))
    return made


def submit_wish(
    change: Change,
    request: str,
    asker: Asker,
    wish: Wish,
    remark: str,
    *,
    lifetime: timedelta,
    limited: bool = True,
) -> Request:
    """A member wants a group, or a role in one; waits ``lifetime`` for a manager. ``limited``: only so many of hers a day.

    Raises `Missing` (``voms.no_*``), `Refusal` (``voms.request_group``, ``voms.remark``, ``voms.has_already``, ``voms.request_open``),
    `TooMany`, `Unavailable` as `submit_join`.
    """
    check_wish(change.name, wish)
    lock_member(change.connection, change.vo, asker.member)
    if has(change, asker.member, wish):
        raise Refusal("voms.has_already", expected="something that she does not have", found=wish.text())
    kind: Kind = "group" if wish.role is None else "role"
    asked = Asked(remark=remark, wishes=(wish,))
    place = {
        "group_id": group_number(change.connection, change.vo, wish.group),
        "role_id": role_number(change.connection, change.vo, wish.role) if wish.role is not None else None,
    }
    return _of_member(change, request, kind, asker, asked, lifetime, place, limited=limited)


def submit_certificate(
    change: Change, request: str, asker: Asker, names: CertificateNames, remark: str, *, lifetime: timedelta
) -> Request:
    """A member wants to be known by one more certificate. Raises `Refusal` (``voms.certificate_known``), and as `submit_wish`."""
    lock_member(change.connection, change.vo, asker.member)
    if member_known_by(change.connection, change.vo, Applicant(names)) is not None:
        raise Refusal("voms.certificate_known", expected="a certificate of nobody", found=names.subject)
    return _of_member(change, request, "certificate", asker, Asked(remark=remark, certificate=names), lifetime)


def submit_leave(change: Change, request: str, asker: Asker, remark: str, *, lifetime: timedelta) -> Request:
    """A member wants to be one no longer. Raises as `submit_wish`."""
    lock_member(change.connection, change.vo, asker.member)
    return _of_member(change, request, "leave", asker, Asked(remark=remark), lifetime)


def confirm(change: Change, request: str, token: str, *, lifetime: timedelta) -> Request:
    """The address is proven; from now on it waits ``lifetime`` for a manager. Raises `Refusal` (``voms.confirm_link``)."""
    found = with_token(change.connection, change.vo, request, token, change.at, locked=True)
    expires = change.at + lifetime
    state = move(change, found, "confirm", {"expires_at": expires})
    return replace(found, state=state, expires_at=expires)


def with_token(
    connection: Connection, vo_id: int, request: str, token: str, at: datetime, *, locked: bool = False
) -> Request:
    """The request whose address this secret proves. Raises `Refusal` (``voms.confirm_link``): unknown, used, too late, ended."""
    try:
        found: Request | None = request_of(connection, vo_id, request, locked=locked)
    except Refusal:
        found = None
    kept = confirm_key_of(connection, request) or ""
    proven = hmac.compare_digest(kept.encode(), token_key(token).encode())
    if found is None or not proven or found.state != "submitted" or _is_late(found, at):
        raise Refusal("voms.confirm_link", expected="a link that waits", found="one that is unknown, used or too late")
    return found


def withdraw(change: Change, request: Request) -> None:
    """The applicant takes it back. Raises `Refusal` (``voms.request_state``)."""
    move(change, request, "withdraw", decision(change))


def new_token() -> str:
    """256 random bits in base64url."""
    return secrets.token_urlsafe(32)


def check_wish(vo: str, wish: Wish) -> None:
    """Raises `Refusal` (``voms.request_group``) for what can't be a group of ``vo``, or a role in one; and for the VO itself."""
    expected = f"/{vo}/group or /{vo}/group/Role=name"
    try:
        fqan = parse_fqan(wish.text())
    except OstiaryError as problem:
        raise Refusal("voms.request_group", expected=expected, found=problem.found, vo=vo) from None
    if fqan.vo != vo or (fqan.group, fqan.role) != (wish.group, wish.role) or wish == Wish(f"/{vo}"):
        raise Refusal("voms.request_group", expected=expected, found=wish.text()[:200], vo=vo)


def read_wish(vo: str, text: str) -> Wish:
    """``/vo/group`` or ``/vo/group/Role=name``. Raises `Refusal` (``voms.request_group``)."""
    group, _, role = text.strip().partition("/Role=")
    wish = Wish(group, role or None)
    check_wish(vo, wish)
    return wish


def has(change: Change, member: str, wish: Wish) -> bool:
    """Whether the member has the group or role already, at whatever times. Raises `Missing` (``voms.no_group``, ``voms.no_role``)."""
    group = group_number(change.connection, change.vo, wish.group)
    if wish.role is None:
        return grants.is_in(change, member, wish.group)
    role = role_number(change.connection, change.vo, wish.role)
    held = vo_role_assignment
    wanted = select(held.c.id).where(held.c.member_id == member, held.c.group_id == group, held.c.role_id == role)
    return change.connection.execute(wanted).first() is not None


def _of_member(
    change: Change,
    request: str,
    kind: Kind,
    asker: Asker,
    asked: Asked,
    lifetime: timedelta,
    place: Mapping[str, int | None] = _NOWHERE,
    *,
    limited: bool = True,
) -> Request:
    """Whoever is logged in as a member needs to prove no address. Those who decide are told who she is, as far as that matters."""
    member = asker.member
    if (problem := remark_problem(asked.remark)) is not None:
        raise problem
    if limited:
        _limit(change, (), member)
    for earlier in requests_by(change.connection, change.vo, (), member, only_open=True):
        same = (earlier.asked.wishes, earlier.asked.certificate) == (asked.wishes, asked.certificate)
        if earlier.kind == kind and same:
            _end_or_refuse(change, earlier)
    known = details_of(change.connection, member)
    asked = replace(asked, details=replace(known, phone="", address=""))
    mail = known.mail if is_address(known.mail) else ""
    made = _made(change, request, kind, "confirmed", member, asker.known_by, asked, mail)
    made = replace(made, expires_at=change.at + lifetime)
    _add(change, made, who_key=member, confirm_key=None, **place)
    return made


def _limit(change: Change, keys: tuple[str, ...], member: str | None) -> None:
    hers = vo_request.c.member_id == member if member is not None else vo_request.c.who_key.in_(list(keys))
    lately = count(change.connection, change.vo, hers, vo_request.c.submitted_at > change.at - _DAY)
    if lately >= PER_DAY:
        seconds = int(_DAY.total_seconds())
        raise TooMany("voms.requests_often", retry_after=seconds, expected=f"less than {PER_DAY} a day", found=lately)
    waits = count(change.connection, change.vo, vo_request.c.state.in_(OPEN))
    if waits >= MAXIMUM_WAITING:
        raise Unavailable("voms.requests_full", expected=f"less than {MAXIMUM_WAITING} that wait", found=waits)


def _made(
    change: Change,
    request: str,
    kind: Kind,
    state: State,
    member: str | None,
    applicant: Applicant,
    asked: Asked,
    mail: str,
) -> Request:
    wish = asked.wishes[0] if kind in ("group", "role") else None
    return Request(request, kind, state, member, wish, applicant, asked, mail, change.at, None, None, None, None, None)


def _add(change: Change, made: Request, **more: object) -> None:
    change.add(
        vo_request,
        id=made.id,
        vo_id=change.vo,
        kind=made.kind,
        state=made.state,
        member_id=made.member,
        who=write_applicant(made.applicant),
        asked=write_asked(made.asked),
        mail=made.mail,
        submitted_at=made.submitted_at,
        expires_at=made.expires_at,
        **more,
    )


def _is_late(request: Request, at: datetime) -> bool:
    return request.expires_at is not None and request.expires_at <= at


def _end_or_refuse(change: Change, earlier: Request) -> None:
    """The same waits already, unless it has waited too long."""
    if not _is_late(earlier, change.at):
        raise Refusal("voms.request_open", expected="no such request that waits", found=earlier.id)
    move(change, earlier, "expire", decision(change))
