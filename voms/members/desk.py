"""What managers do with the policy and with the time of grace, checked against their rights; and that a member signs for herself.

What changes for everybody wants `WRITES` in the root group; what is done for one member, MEMBERSHIP_WRITE there.
"""

from datetime import datetime
from typing import Final

from ostiary.errors import Denied, Refusal
from voms.administration import told
from voms.administration.desk import Desk, check_names
from voms.administration.permissions import Permission
from voms.changes import changing
from voms.members import aup
from voms.members.aup import DEFAULT_GRACE, DEFAULT_SIGN_AGAIN, AupVersion, Signed
from voms.members.lacking import MOST, Lacking, members_lacking
from voms.members.situation import Situation
from voms.members.states import situation
from voms.tables import vo

LONGEST_GRACE: Final = 366

WRITES: Final = Permission.CONTAINER_WRITE | Permission.MEMBERSHIP_WRITE
"""What it takes, in the root group, to write what holds for everybody: who may end any membership may."""


def add_version(
    desk: Desk,
    version: str,
    *,
    url: str | None = None,
    text: str | None = None,
    sign_again_days: int | None = DEFAULT_SIGN_AGAIN,
    grace_days: int = DEFAULT_GRACE,
    in_force_from: datetime | None = None,
) -> None:
    """See `aup.add_version`."""
    with desk.acting("vo.aup_added", facts={"version": version[:64]}, alone=True) as acting:
        acting.require(WRITES)
        aup.add_version(
            acting.change,
            version,
            url=url,
            text=text,
            sign_again_days=sign_again_days,
            grace_days=grace_days,
            in_force_from=in_force_from,
        )


def change_version(desk: Desk, version: str, *, sign_again_days: int | None, grace_days: int) -> None:
    """See `aup.change_version`."""
    with desk.acting("vo.aup_changed", facts={"version": version[:64]}, alone=True) as acting:
        acting.require(WRITES)
        aup.change_version(acting.change, version, sign_again_days=sign_again_days, grace_days=grace_days)


def remove_version(desk: Desk, version: str) -> None:
    """See `aup.remove_version`."""
    with desk.acting("vo.aup_removed", facts={"version": version[:64]}, alone=True) as acting:
        acting.require(WRITES)
        aup.remove_version(acting.change, version)


def set_grace(desk: Desk, days: int) -> None:
    """For how many days a member goes on after the end of her membership. Raises `Refusal` (``voms.grace``)."""
    if not 0 <= days <= LONGEST_GRACE:
        raise Refusal("voms.grace", expected=f"0 to {LONGEST_GRACE} days", found=days)
    with desk.acting("vo.grace_changed", facts={"days": days}, alone=True) as acting:
        acting.require(WRITES)
        acting.change.alter(vo, {"grace_days": days}, id=acting.change.vo)


def record_signature(desk: Desk, member: str, version: str | None = None) -> str:
    """That a member signed on paper, for instance. Returns the version; see `aup.sign`."""
    with desk.acting("vo.aup_signature_recorded", subject=member, facts={"version": (version or "")[:64]}) as acting:
        acting.require(Permission.MEMBERSHIP_WRITE)
        return aup.sign(acting.change, member, version)


def ask_to_sign(desk: Desk, member: str) -> None:
    """See `aup.ask_to_sign`."""
    with desk.acting("vo.aup_asked", subject=member) as acting:
        acting.require(Permission.MEMBERSHIP_WRITE)
        aup.ask_to_sign(acting.change, member)


def sign(desk: Desk, version: str | None = None) -> str:
    """The caller signs for herself, also when a missing signature is why she is barred. Returns the version; see `aup.sign`. Raises
    `Denied` (``voms.not_allowed``) for who is no member."""
    member = desk.caller.member
    if member is None:
        raise Denied(
            "voms.not_allowed", expected="a member", found=desk.caller.by, group=desk.root, permission="MEMBER"
        )
    facts = {"version": (version or "")[:64]}
    with changing(
        desk.engine, desk.vo, "vo.aup_signed", at=desk.at, by=desk.caller.by, subject=member, facts=facts
    ) as change:
        return aup.sign(change, member, version)


def versions(desk: Desk) -> tuple[AupVersion, ...]:
    """Every version of the policy, the newest last: everybody may read what she is to sign."""
    with desk.looking() as rights:
        return aup.versions(rights.connection, rights.vo)


def signatures(desk: Desk, member: str) -> tuple[Signed, ...]:
    """What a member signed; wants MEMBERSHIP_READ, unless she is the caller. Raises `Missing` (``voms.no_member``)."""
    _may_see(desk, member)
    with desk.looking() as rights:
        # Another VO may share the database.
        told.check_member(rights.connection, rights.vo, member)
        return aup.signatures_of(rights.connection, member)


def lacking(desk: Desk, *, after: str | None = None, most: int = MOST) -> tuple[Lacking, ...]:
    """A page of those who have the policy to sign, by their ids, from behind ``after``; wants MEMBERSHIP_READ in the root."""
    with desk.looking() as rights:
        rights.require(Permission.MEMBERSHIP_READ, desk.root)
        return members_lacking(rights.connection, rights.vo, desk.at, after=after, most=most)


def situation_of(desk: Desk, member: str) -> Situation:
    """The state in which a member is; wants MEMBERSHIP_READ, unless she is the caller. Raises `Missing` (``voms.no_member``)."""
    _may_see(desk, member)
    with desk.looking() as rights:
        return situation(aup.life_of_member(rights.connection, rights.vo, member), desk.at)


def _may_see(desk: Desk, member: str) -> None:
    check_names(member, None, None)
    if desk.caller.member != member:
        desk.require(Permission.MEMBERSHIP_READ)
