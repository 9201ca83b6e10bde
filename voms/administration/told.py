"""What managers are told of one member, group or role. Only reads; who may see it is decided by `voms.administration.desk`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ostiary.errors import Missing
from ostiary.x509.certificate_names import CertificateNames
from voms.details import Details, details_of
from voms.grants import Whose
from voms.periods import Recurrence, read_recurrence
from voms.rows import group_number, role_number
from voms.tables import vo_attribute, vo_member, vo_member_certificate


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """A certificate of a member; ``suspended``: why it gets nothing, None where it does."""

    names: CertificateNames
    suspended: str | None


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """A generic attribute where it was set; ``since``, ``until``: None for always."""

    name: str
    value: str
    since: datetime | None
    until: datetime | None
    recurs: Recurrence | None


def certificates_of(connection: Connection, vo_id: int, member: str) -> tuple[HeldCertificate, ...]:
    """In the order in which they came. Raises `Missing` (``voms.no_member``)."""
    check_member(connection, vo_id, member)
    held = vo_member_certificate
    wanted = select(held.c.subject, held.c.issuer, held.c.suspended_reason).where(held.c.member_id == member)
    return tuple(
        HeldCertificate(CertificateNames(subject, issuer), suspended)
        for subject, issuer, suspended in connection.execute(wanted.order_by(held.c.id))
    )


def details_of_member(connection: Connection, vo_id: int, member: str) -> Details:
    """See `voms.details.details_of`. Raises `Missing` (``voms.no_member``)."""
    check_member(connection, vo_id, member)
    return details_of(connection, member)


def attributes_of(connection: Connection, vo_id: int, whose: Whose) -> tuple[SetAttribute, ...]:
    """What is set for exactly these, by name. Raises `Missing` (``voms.no_*``)."""
    held = vo_attribute
    wanted = select(held.c.name, held.c.value, held.c.valid_from, held.c.valid_to, held.c.recurs)
    if whose.member is not None:
        check_member(connection, vo_id, whose.member)
        wanted = wanted.where(held.c.member_id == whose.member)
    if whose.group is not None:
        wanted = wanted.where(held.c.group_id == group_number(connection, vo_id, whose.group))
        role = role_number(connection, vo_id, whose.role) if whose.role is not None else None
        wanted = wanted.where(held.c.role_id.is_(None) if role is None else held.c.role_id == role)
    found = connection.execute(wanted.where(held.c.vo_id == vo_id).order_by(held.c.name))
    return tuple(
        SetAttribute(name, value, since, until, read_recurrence(recurs) if recurs is not None else None)
        for name, value, since, until, recurs in found
    )


def check_member(connection: Connection, vo_id: int, member: str) -> None:
    """Raises `Missing` (``voms.no_member``)."""
    wanted = select(vo_member.c.id).where(vo_member.c.id == member, vo_member.c.vo_id == vo_id)
    if connection.execute(wanted).scalar_one_or_none() is None:
        raise Missing("voms.no_member", expected="a member of this VO", found=member)
