"""Invitations by mail: made, looked at by who has the link, accepted, taken back; each as part of an open `Change`. Sends no letter.

The secret of the letter proves the address, so what a manager prepared needs no further decision. The database holds a hash of it.
"""

import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from ostiary.errors import Missing, OstiaryError, Refusal, Unavailable
from ostiary.mail import is_address
from voms.changes import Change
from voms.requests.asked import MAXIMUM_WISHES, Applicant, Asked, Wish, check_asked, token_key, write_wishes
from voms.requests.deciding import Granted, give, make_member
from voms.requests.kept import Invitation, invitation_of, invitations, member_known_by, secret_key_of
from voms.requests.submitting import check_wish
from voms.rows import group_number, role_number
from voms.tables import vo_invitation

MAXIMUM_INVITED: Final = 500


def invite(
    change: Change,
    invitation: str,
    token: str,
    mail: str,
    wishes: Sequence[Wish],
    *,
    expires_at: datetime,
    until: datetime | None = None,
) -> Invitation:
    """Asks whoever reads the letters to ``mail`` to become a member till ``until``, with these groups and roles.

    Raises `Refusal` (``voms.detail_mail``, ``voms.wishes``, ``voms.request_group``, ``voms.validity``), `Missing` (``voms.no_group``,
    ``voms.no_role``), `Unavailable` (``voms.requests_full``).
    """
    if not is_address(mail):
        raise Refusal("voms.detail_mail", expected="name@domain", found=repr(mail[:80]))
    if len(wishes) > MAXIMUM_WISHES:
        expected = f"at most {MAXIMUM_WISHES} groups and roles"
        raise Refusal("voms.wishes", expected=expected, found=len(wishes), maximum=MAXIMUM_WISHES)
    for wish in wishes:
        check_wish(change.name, wish)
        group_number(change.connection, change.vo, wish.group)
        if wish.role is not None:
            role_number(change.connection, change.vo, wish.role)
    if until is not None and until <= expires_at:
        raise Refusal("voms.validity", expected=f"an end after {expires_at.isoformat()}", found=until.isoformat())
    waiting = len(invitations(change.connection, change.vo, change.at))
    if waiting >= MAXIMUM_INVITED:
        raise Unavailable("voms.requests_full", expected=f"less than {MAXIMUM_INVITED} that wait", found=waiting)
    prepared = {"wishes": write_wishes(wishes), "until": until.isoformat() if until is not None else None}
    change.add(
        vo_invitation,
        id=invitation,
        vo_id=change.vo,
        secret_key=token_key(token),
        mail=mail,
        grants=json.dumps(prepared),
        expires_at=expires_at,
    )
    return Invitation(invitation, mail, tuple(wishes), until, expires_at, change.by, change.at)


def invited(
    connection: Connection, vo_id: int, invitation: str, token: str, at: datetime, *, locked: bool = False
) -> Invitation:
    """The invitation whose letter holds this secret. Raises `Refusal` (``voms.invitation``): unknown, used, taken back, too late."""
    try:
        found: Invitation | None = invitation_of(connection, vo_id, invitation, locked=locked)
    except Missing:
        found = None
    kept = secret_key_of(connection, invitation) or ""
    proven = hmac.compare_digest(kept.encode(), token_key(token).encode())
    if found is None or not proven or found.expires_at <= at:
        raise Refusal("voms.invitation", expected="an invitation that waits", found="unknown, used or too late")
    return found


def accept(change: Change, found: Invitation, applicant: Applicant, asked: Asked) -> Granted:
    """She is a member from now on, or, where she was one, has what was prepared for her; what is gone meanwhile she does not get.

    Raises `Refusal` (``voms.detail*``, ``voms.validity``).
    """
    member = member_known_by(change.connection, change.vo, applicant)
    if member is None:
        for problem in problems_of_answer(found, asked).values():
            raise problem
        member = found.id
        given = make_member(change, member, applicant, asked, found.wishes, found.until, change.at)
    else:
        given = tuple(wish for wish in found.wishes if give(change, member, wish))
    change.end(vo_invitation, id=found.id)
    return Granted(member, given)


def problems_of_answer(found: Invitation, asked: Asked) -> dict[str, OstiaryError]:
    """What can't be accepted of the form. The address is that of the invitation, which is proven."""
    problems = dict(check_asked(asked))
    if asked.details.mail != found.mail:
        problems["mail"] = Refusal("voms.invited_mail", expected=found.mail, found="another address")
    return problems


def withdraw_invitation(change: Change, found: Invitation) -> None:
    """Its link is worth nothing from now on."""
    change.end(vo_invitation, id=found.id)
