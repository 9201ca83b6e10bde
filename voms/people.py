"""Changes of a VO's members and of what they are known by, each as part of an open `Change`. Who may make them is decided elsewhere."""

import secrets
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import select

from ostiary.errors import Missing, Refusal
from ostiary.x509.certificate_names import CertificateNames
from voms.administration.lists import forget_who
from voms.administration.who import Who
from voms.changes import Change
from voms.identities import FederatedIdentity as FederatedIdentity
from voms.rows import lock_member
from voms.status.issued import revoke, revoke_by_identities
from voms.tables import (
    vo_attribute,
    vo_aup_demand,
    vo_aup_signature,
    vo_group_membership,
    vo_member,
    vo_member_certificate,
    vo_member_details,
    vo_member_identity,
    vo_role_assignment,
)

Kind = Literal["person", "service"]
SuspensionCode = Literal["aup", "expired", "security_incident", "other"]

MAXIMUM_REASON: Final = 500
_SUSPENSION: Final = ("suspended_code", "suspended_reason", "suspended_by", "suspended_at")
_OF_A_MEMBER: Final = (
    vo_member_certificate,
    vo_member_identity,
    vo_group_membership,
    vo_role_assignment,
    vo_attribute,
    vo_aup_signature,
    vo_aup_demand,
    vo_member_details,
)


def new_member_id() -> str:
    """128 random bits, 32 hexadecimal digits."""
    return secrets.token_hex(16)


def add_member(change: Change, member: str, *, kind: Kind = "person", until: datetime | None = None) -> None:
    """A new member with the id ``member``, in the root group; nobody can be her before she has a certificate or an identity."""
    change.add(vo_member, id=member, vo_id=change.vo, kind=kind, valid_from=change.at, valid_to=until)


def add_certificate(change: Change, member: str, names: CertificateNames) -> None:
    """One more certificate by which the member is known. Raises `Missing` (``voms.no_member``)."""
    lock_member(change.connection, change.vo, member)
    row = {"names_key": names.key, "subject": names.subject, "issuer": names.issuer}
    change.add(vo_member_certificate, vo_id=change.vo, member_id=member, **row)


def remove_certificate(change: Change, names: CertificateNames) -> None:
    """Nobody is known by it any more, nor may who has it do anything. Raises `Missing` (``voms.no_certificate``)."""
    revoke(change, "certificate_removed", names_key=names.key)
    if change.end(vo_member_certificate, vo_id=change.vo, names_key=names.key) == 0:
        raise _no_certificate(names)
    forget_who(change, {Who.certificate(names).key})


def suspend_certificate(change: Change, names: CertificateNames, reason: str) -> None:
    """From now on it gets nothing; the member's others do. The reason is told to whom uses it. Raises `Missing` (``voms.no_certificate``),
    `Refusal` (``voms.reason``)."""
    check_reason(reason)
    values = {"suspended_reason": reason, "suspended_by": change.by, "suspended_at": change.at}
    revoke(change, "certificate_suspended", names_key=names.key)
    if change.alter(vo_member_certificate, values, vo_id=change.vo, names_key=names.key) == 0:
        raise _no_certificate(names)


def restore_certificate(change: Change, names: CertificateNames) -> None:
    """Takes back `suspend_certificate`. Raises `Missing` (``voms.no_certificate``)."""
    values = {"suspended_reason": None, "suspended_by": None, "suspended_at": None}
    if change.alter(vo_member_certificate, values, vo_id=change.vo, names_key=names.key) == 0:
        raise _no_certificate(names)


def link_identity(change: Change, member: str, identity: FederatedIdentity) -> None:
    """The member is also who a home organisation names so. Raises `Missing` (``voms.no_member``)."""
    lock_member(change.connection, change.vo, member)
    told = {"asserted_by": identity.asserted_by, "attribute": identity.attribute, "value": identity.value}
    change.add(vo_member_identity, vo_id=change.vo, member_id=member, identity_key=identity.key, **told)


def unlink_identity(change: Change, member: str, identity: FederatedIdentity) -> None:
    """Takes back `link_identity`, and what was issued to her by logins. Raises `Missing` (``voms.no_identity``)."""
    if change.end(vo_member_identity, vo_id=change.vo, member_id=member, identity_key=identity.key) == 0:
        raise Missing("voms.no_identity", expected="an identity of this member", found=identity.value)
    revoke_by_identities(change, member)
    forget_who(change, {Who.identity(identity).key})


def suspend(change: Change, member: str, reason: str, code: SuspensionCode = "other") -> None:
    """From now on she gets nothing, until `restore`; the reason is told to her. Raises `Missing` (``voms.no_member``), `Refusal`
    (``voms.reason``)."""
    check_reason(reason)
    lock_member(change.connection, change.vo, member)
    values = {
        "suspended_code": code,
        "suspended_reason": reason,
        "suspended_by": change.by,
        "suspended_at": change.at,
    }
    change.alter(vo_member, values, id=member)
    revoke(change, "member_suspended", member=member)


def restore(change: Change, member: str) -> None:
    """Takes back `suspend`. Raises `Missing` (``voms.no_member``)."""
    lock_member(change.connection, change.vo, member)
    change.alter(vo_member, dict.fromkeys(_SUSPENSION), id=member)


def set_end(change: Change, member: str, until: datetime | None) -> None:
    """When the membership ends; None: never. Whom the end before had suspended goes on, if it is later than now. Raises `Missing`
    (``voms.no_member``)."""
    lock_member(change.connection, change.vo, member)
    goes_on = until is None or until > change.at
    restored = {"valid_to": until, **dict.fromkeys(_SUSPENSION)}
    if not goes_on or change.alter(vo_member, restored, id=member, suspended_code="expired") == 0:
        change.alter(vo_member, {"valid_to": until}, id=member)


def remove_member(change: Change, member: str) -> None:
    """Ends the membership and all that goes with it; the certificates may be registered anew. Raises `Missing` (``voms.no_member``)."""
    lock_member(change.connection, change.vo, member)
    revoke(change, "member_removed", member=member)
    known_by = (
        *map(Who.certificate, certificates_of(change, member)),
        *map(Who.identity, identities_of(change, member)),
    )
    forget_who(change, {who.key for who in (Who.member(member), *known_by)})
    for table in _OF_A_MEMBER:
        change.end(table, member_id=member)
    change.end(vo_member, id=member)


def certificates_of(change: Change, member: str) -> tuple[CertificateNames, ...]:
    """Those by which a member is known."""
    held = vo_member_certificate
    wanted = select(held.c.subject, held.c.issuer).where(held.c.member_id == member).order_by(held.c.id)
    return tuple(CertificateNames(*row) for row in change.connection.execute(wanted))


def identities_of(change: Change, member: str) -> tuple[FederatedIdentity, ...]:
    """How home organisations name a member."""
    held = vo_member_identity
    wanted = select(held.c.asserted_by, held.c.attribute, held.c.value).where(held.c.member_id == member)
    return tuple(FederatedIdentity(*row) for row in change.connection.execute(wanted.order_by(held.c.id)))


def check_reason(reason: str) -> None:
    """Raises `Refusal` (``voms.reason``), also for more than one visible line: letters, protocols and terminals tell it."""
    if not 0 < len(reason) <= MAXIMUM_REASON or not reason.isprintable():
        expected = f"a reason of 1 to {MAXIMUM_REASON} visible characters, in one line"
        raise Refusal("voms.reason", expected=expected, found=f"{len(reason)} characters")


def _no_certificate(names: CertificateNames) -> Missing:
    return Missing("voms.no_certificate", expected="a certificate of a member", found=names.subject)
