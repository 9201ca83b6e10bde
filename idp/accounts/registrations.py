"""People who want to become members: a proven mail address first, then a password or certificate, then somebody's approval.

Who registers chooses no login name: it is her mail address until an operator gives her another, so that registering tells nobody which
names exist. Her future principal is known from the first row on, so the audit follows her; what was refused or has expired is erased.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.accounts import changes
from idp.accounts.changes import Change
from idp.accounts.directory import MAIL, new_principal
from idp.accounts.links import new_token, token_hash
from idp.accounts.names import login_key
from idp.accounts.tables import person_certificate, registration
from idp.tables import person, person_attribute
from ostiary import audit
from ostiary.errors import Missing, Refusal, Unavailable
from ostiary.x509.certificate_names import CertificateNames

MAXIMUM_NAME: Final = 128
MAXIMUM_MAIL: Final = 128
MAXIMUM_REMARK: Final = 500
DISPLAY_NAME: Final = "displayName"
# More than any organisation looks through; a flood of false ones ends here.
MAXIMUM_WAITING: Final = 2_000
_AT_A_TIME: Final = 100


@dataclass(frozen=True, slots=True)
class Applicant:
    """What somebody wrote who wants to register, checked. ``language`` is that of the letters to her."""

    mail: str
    display_name: str
    remark: str
    language: str


@dataclass(frozen=True, slots=True)
class Registration:
    """One that is under way. ``proven``: the mail address is, and it waits for approval until ``expires``."""

    principal: str
    applicant: Applicant
    proven: bool
    has_password: bool
    certificate: CertificateNames | None
    begun: datetime
    expires: datetime


def is_known(connection: Connection, mail: str) -> bool:
    """Whether somebody has this address, as mail address or as login name, or had it as login name."""
    named = select(person.c.principal).where(person.c.login_key == login_key(mail))
    holder = select(person_attribute.c.principal).where(
        person_attribute.c.name == MAIL,
        person_attribute.c.valid_to.is_(None),
        func.lower(person_attribute.c.value) == mail.lower(),
    )
    return any(connection.execute(wanted.limit(1)).first() is not None for wanted in (named, holder))


def begin(change: Change, applicant: Applicant, *, lifetime: timedelta) -> str | None:
    """The token by which the applicant proves her address, for ``lifetime``; None where one of hers waits for approval already.

    One that was not proven yet is replaced. Raises `Unavailable` (``registration.full``).
    """
    mail_key = login_key(applicant.mail)
    known = _one(change.connection, registration.c.mail_key == mail_key)
    if known is not None and known.proven:
        return None
    if known is not None:
        _erase(change, known.principal, "registration.replaced")
    waiting = change.connection.execute(select(func.count()).select_from(registration)).scalar_one()
    if waiting >= MAXIMUM_WAITING:
        raise Unavailable("registration.full", expected=f"less than {MAXIMUM_WAITING} that wait", found=waiting)
    token, principal = new_token(), new_principal()
    row = {
        "principal": principal,
        "mail_key": mail_key,
        "mail": applicant.mail,
        "display_name": applicant.display_name,
        "remark": applicant.remark,
        "language": applicant.language,
        "token_hash": token_hash(token),
        "begun": change.at,
        "expires": change.at + lifetime,
    }
    try:
        change.connection.execute(insert(registration).values(row))
    except IntegrityError as error:
        raise Unavailable("registration.full", expected="one registration of an address at a time") from error
    change.record("registration.begun", principal)
    return token


def look(connection: Connection, token: str, now: datetime, *, locked: bool = False) -> Registration:
    """The registration whose address this token proves. Raises `Refusal` (``registration.link``)."""
    condition = (registration.c.token_hash == token_hash(token)) & (registration.c.expires > now)
    found = _one(connection, condition, locked=locked)
    if found is None:
        raise Refusal("registration.link", expected="a link that waits", found="one that is unknown, expired or used")
    return found


def prove(
    change: Change,
    token: str,
    *,
    password_hash: str | None,
    certificate: CertificateNames | None,
    lifetime: timedelta,
) -> Registration:
    """The address is proven, and from now on she logs in by what is given; waits for approval for ``lifetime``.

    Raises `Refusal`: ``registration.link``, ``registration.certificate_known``.
    """
    found = look(change.connection, token, change.at, locked=True)
    if certificate is not None:
        held = select(person_certificate.c.id).where(
            person_certificate.c.names_key == certificate.key, person_certificate.c.live.is_(True)
        )
        if change.connection.execute(held).first() is not None:
            raise Refusal("registration.certificate_known", expected="a certificate that nobody has", found="known")
    values = {
        "token_hash": None,
        "password_hash": password_hash,
        "subject": certificate.subject if certificate is not None else None,
        "issuer": certificate.issuer if certificate is not None else None,
        "expires": change.at + lifetime,
    }
    known = registration.c.principal == found.principal
    change.connection.execute(update(registration).where(known).values(values))
    own = replace(change, by=found.principal)
    own.record("registration.proven", found.principal, {"by": "certificate" if certificate is not None else "password"})
    return replace(
        found,
        proven=True,
        has_password=password_hash is not None,
        certificate=certificate,
        expires=change.at + lifetime,
    )


def waiting(connection: Connection, now: datetime) -> tuple[Registration, ...]:
    """Those that wait for approval, the oldest first."""
    wanted = select(registration).where(registration.c.token_hash.is_(None), registration.c.expires > now)
    rows = connection.execute(wanted.order_by(registration.c.begun, registration.c.principal))
    return tuple(_registration(row) for row in rows)


def waiting_one(connection: Connection, named: str, now: datetime) -> Registration:
    """The one that waits under this mail address or under an id that begins so. Raises `Missing` (``registration.unknown``)."""
    wanted = named.strip().lower()
    found = [
        entry
        for entry in waiting(connection, now)
        if login_key(entry.applicant.mail) == login_key(named)
        or (len(wanted) >= 6 and entry.principal.startswith(wanted))
    ]
    if len(found) != 1:
        raise Missing("registration.unknown", expected="the mail address or id of one that waits", found=named[:128])
    return found[0]


def approve(
    change: Change, approved: Registration, *, login_name: str, attributes: Mapping[str, Sequence[str]]
) -> None:
    """She becomes a person. Raises `Refusal` as `changes.create_person` and `changes.add_certificate`, `Missing`
    (``registration.unknown``) where somebody else was first."""
    known = (registration.c.principal == approved.principal) & registration.c.token_hash.is_(None)
    row = change.connection.execute(select(registration).where(known).with_for_update()).one_or_none()
    if row is None:
        raise Missing("registration.unknown", expected="one that waits", found=approved.principal)
    own = {DISPLAY_NAME: [approved.applicant.display_name], MAIL: [approved.applicant.mail]}
    changes.create_person(
        change, approved.principal, login_name, password_hash=row.password_hash, attributes={**own, **attributes}
    )
    if approved.certificate is not None:
        changes.add_certificate(change, approved.principal, approved.certificate)
    change.connection.execute(delete(registration).where(known))
    change.record("registration.approved", approved.principal)


def reject(change: Change, rejected: Registration) -> None:
    """It ends, and who it was is forgotten."""
    _erase(change, rejected.principal, "registration.rejected")


def erase_expired(change: Change) -> int:
    """Ends those that were not proven or decided in time, a hundred at most; how many."""
    wanted = select(registration.c.principal).where(registration.c.expires <= change.at).limit(_AT_A_TIME)
    expired = list(change.connection.execute(wanted.with_for_update(skip_locked=True)).scalars())
    for principal in expired:
        _erase(change, principal, "registration.expired")
    return len(expired)


def _erase(change: Change, principal: str, action: str) -> None:
    change.record(action, principal)
    change.connection.execute(delete(registration).where(registration.c.principal == principal))
    audit.erase_person(change.connection, principal, at=change.at, writer=change.writer, actor=change.by)


def _one(connection: Connection, condition: ColumnElement[bool], *, locked: bool = False) -> Registration | None:
    wanted = select(registration).where(condition)
    row = connection.execute(wanted.with_for_update() if locked else wanted).one_or_none()
    return _registration(row) if row is not None else None


def _registration(row: Row[Any]) -> Registration:
    return Registration(
        principal=row.principal,
        applicant=Applicant(row.mail, row.display_name, row.remark, row.language),
        proven=row.token_hash is None,
        has_password=row.password_hash is not None,
        certificate=CertificateNames(row.subject, row.issuer) if row.subject is not None else None,
        begun=row.begun,
        expires=row.expires,
    )
