"""What managers see of what was issued, and what they take back of it: each checked against the access-control lists."""

from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.status.issued import IssuedRow, issued_to, revoke_one


def issued_to_member(desk: Desk, member: str) -> tuple[IssuedRow, ...]:
    """What a member has that has not ended, the newest first. Raises `Denied` (``voms.not_allowed``)."""
    with desk.looking() as rights:
        rights.require(Permission.MEMBERSHIP_READ, desk.root)
        return issued_to(rights.connection, desk.vo, member, desk.at)


def take_back(desk: Desk, serial: str) -> None:
    """From now on the status service says that this attribute certificate or token counts no longer.

    Raises `Denied` (``voms.not_allowed``), `Missing` (``voms.not_issued``).
    """
    with desk.acting("vo.issued_revoked", facts={"serial": serial[:40]}) as acting:
        acting.require(Permission.SUSPEND)
        revoke_one(acting.change, serial)
