"""The embedded directory: who belongs to this organisation, and what is known about each. Never sees a password, only hashes.

A person is known by her principal, which never changes; the login name may. Each change writes its audit row in the same transaction.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, bindparam, func, select

from idp.accounts import changes
from idp.accounts.active import active_of
from idp.accounts.changes import Change
from idp.accounts.names import external_key
from idp.accounts.names import login_key as login_key
from idp.accounts.tables import person_certificate
from idp.tables import person, person_attribute
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedSelect
from ostiary.x509.certificate_names import CertificateNames

# For the Attribute Authority's SQL connector: the present values of one person.
ATTRIBUTE_QUERY: Final = (
    "SELECT name, value FROM person_attribute WHERE principal = :principal AND valid_to IS NULL ORDER BY name, position"
)
MAIL: Final = "mail"
# Made once: every sign-on asks.
_ACTIVE: Final = PreparedSelect(active_of(bindparam("known")))
# So many people may share one mailbox; a letter goes to each. Of an identifier more than one holder are too many.
_SHARING: Final = 5


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of this organisation. ``principal`` is 32 hexadecimal digits; ``login_name`` as it was written; ``must_change_password``:
    before her next login by password leads anywhere."""

    principal: str
    login_name: str
    active: bool
    valid_from: datetime
    has_password: bool = False
    must_change_password: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password login needs to know. ``password_hash`` None: this person has no password."""

    principal: str
    password_hash: str | None
    active: bool


def new_principal() -> str:
    """A principal for a new person: 128 random bits, 32 hexadecimal digits."""
    return secrets.token_hex(16)


class Directory:
    """The people in one database; implements `ostiary.ports.People` and `idp.people.PeopleOfIdp`.

    ``at`` is the instant of a change, ``by`` who makes it (a principal, ``operator`` or ``idp``; never a name, for it can't be erased);
    both go into the audit record, in the chain of ``writer``. Every method raises `Unavailable` (``storage.unavailable``) when the
    database does not answer; every change of a person who is not there raises `Missing` (``people.unknown``).
    """

    def __init__(
        self, engine: Engine, *, writer: str = "idp", make_principal: Callable[[], str] = new_principal
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._make_principal = make_principal

    @property
    def engine(self) -> Engine:
        """The database, for what stands beside the people in it."""
        return self._engine

    @contextmanager
    def change(self, *, at: datetime, by: str) -> Iterator[Change]:
        """One transaction for several changes (`idp.accounts.changes`): all of them are kept, or none."""
        with writing(self._engine) as connection:
            yield Change(connection, at, by, self._writer)

    def is_active(self, principal: str) -> bool:
        """Whether this person exists, is not disabled and not deleted."""
        found = _ACTIVE.one(self._engine, {"known": principal})
        return found is not None and bool(found.active)

    def must_change_password(self, principal: str) -> bool:
        """Whether a login by password leads her to the page that changes it, and nowhere else."""
        wanted = select(person.c.must_change_password).where(
            person.c.principal == principal, person.c.valid_to.is_(None)
        )
        with reading(self._engine) as connection:
            return bool(connection.execute(wanted).scalar_one_or_none())

    def login_name(self, principal: str) -> str | None:
        """The login name as it was written; None when there is no such person."""
        found = self.get(principal)
        return found.login_name if found is not None else None

    def check(self) -> None:
        """Raises `Unavailable` while the database does not answer."""
        self.is_active("")

    def get(self, principal: str) -> Person | None:
        """The person behind a principal, disabled or not; None when there is none."""
        return self._one(person.c.principal == principal)

    def find(self, login_name: str) -> Person | None:
        """The person with this login name, disabled or not; None when there is none."""
        return self._one(person.c.login_key == login_key(login_name))

    def by_mail(self, mail: str) -> tuple[Person, ...]:
        """Those who have this mail address, in any case, active or not; at most five."""
        return self._holders(person_attribute.c.name == MAIL, func.lower(person_attribute.c.value) == mail.lower())

    def by_external_id(self, value: str) -> tuple[Person, ...]:
        """Those who have this value of voPersonExternalID, compared as by `external_key`, active or not; at most five."""
        # No other attribute has a key.
        return self._holders(person_attribute.c.value_key == external_key(value))

    def by_certificate(self, subject: str, issuer: str) -> Person | None:
        """Whose certificate this is, disabled or not; None when it is nobody's. Both as `CertificateNames.of` writes them."""
        holder = select(person_certificate.c.principal).where(
            person_certificate.c.names_key == CertificateNames(subject, issuer).key,
            person_certificate.c.live.is_(True),
        )
        return self._one(person.c.principal.in_(holder))

    def certificates(self, principal: str) -> tuple[CertificateNames, ...]:
        """The certificates of a person, the oldest first."""
        wanted = select(person_certificate.c.subject, person_certificate.c.issuer).where(
            person_certificate.c.principal == principal, person_certificate.c.live.is_(True)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(wanted.order_by(person_certificate.c.id))
            return tuple(CertificateNames(row.subject, row.issuer) for row in rows)

    def all(self) -> tuple[Person, ...]:
        """Everybody who was not deleted, by login name."""
        wanted = select(person).where(person.c.valid_to.is_(None)).order_by(person.c.login_key)
        with reading(self._engine) as connection:
            return tuple(_person(row) for row in connection.execute(wanted))

    def credentials(self, login_name: str) -> Credentials | None:
        """What to check a password against; None when nobody has this login name."""
        return self._credentials(person.c.login_key == login_key(login_name))

    def credentials_of(self, principal: str) -> Credentials | None:
        """The same for somebody who is known."""
        return self._credentials(person.c.principal == principal)

    def attributes(self, principal: str) -> dict[str, tuple[str, ...]]:
        """The present attributes by friendly name, values in their order."""
        with reading(self._engine) as connection:
            return attributes_of(connection, principal)

    def create(
        self,
        login_name: str,
        *,
        password_hash: str | None,
        attributes: Mapping[str, Sequence[str]],
        at: datetime,
        by: str,
        must_change: bool = False,
    ) -> str:
        """A new, active person; returns her principal. Raises `Refusal` (``people.login_name``, ``people.login_taken``, and those of
        `set_attributes`)."""
        principal = self._make_principal()
        with self.change(at=at, by=by) as change:
            changes.create_person(
                change,
                principal,
                login_name,
                password_hash=password_hash,
                attributes=attributes,
                must_change=must_change,
            )
        return principal

    def disable(self, principal: str, *, at: datetime, by: str) -> None:
        """From now on this person can't log in, her sessions end and her handles open no more."""
        with self.change(at=at, by=by) as change:
            changes.set_active(change, principal, False)

    def enable(self, principal: str, *, at: datetime, by: str) -> None:
        """Takes back `disable`."""
        with self.change(at=at, by=by) as change:
            changes.set_active(change, principal, True)

    def set_password(
        self,
        principal: str,
        password_hash: str,
        *,
        at: datetime,
        by: str,
        must_change: bool = False,
        keep_session: str | None = None,
    ) -> None:
        """A new password, as its hash. ``must_change``: somebody else knows it. Her sessions end, but for the one with the id
        ``keep_session``."""
        with self.change(at=at, by=by) as change:
            changes.set_password(change, principal, password_hash, must_change=must_change, keep_session=keep_session)

    def require_new_password(self, principal: str, *, at: datetime, by: str) -> None:
        """As `changes.require_new_password`."""
        with self.change(at=at, by=by) as change:
            changes.require_new_password(change, principal)

    def renew_hash(self, principal: str, old: str, new: str, *, at: datetime, by: str) -> None:
        """The same password under other hashing parameters; does nothing when the password was changed meanwhile."""
        with self.change(at=at, by=by) as change:
            changes.renew_hash(change, principal, old, new)

    def rename_login(self, principal: str, login_name: str, *, at: datetime, by: str) -> None:
        """Another login name for the same person. Raises `Refusal` (``people.login_name``, ``people.login_taken``), too."""
        with self.change(at=at, by=by) as change:
            changes.rename_login(change, principal, login_name)

    def set_attributes(self, principal: str, attributes: Mapping[str, Sequence[str]], *, at: datetime, by: str) -> None:
        """Replaces the values of the named attributes; no values takes the attribute away. Others stay as they are.

        Raises `Refusal` (``people.attributes``, ``people.attribute_name``, ``people.attribute_value``), too.
        """
        with self.change(at=at, by=by) as change:
            changes.set_attributes(change, principal, attributes)

    def add_certificate(self, principal: str, names: CertificateNames, *, at: datetime, by: str) -> None:
        """A certificate by which she may log in. Raises `Refusal` (``people.certificate_taken``), too."""
        with self.change(at=at, by=by) as change:
            changes.add_certificate(change, principal, names)

    def remove_certificate(self, principal: str, names: CertificateNames, *, at: datetime, by: str) -> None:
        """Takes it away. Raises `Missing` (``people.no_such_certificate``), too."""
        with self.change(at=at, by=by) as change:
            changes.remove_certificate(change, principal, names)

    def delete(self, principal: str, *, at: datetime, by: str, erase: bool = False) -> None:
        """Ends a person; with ``erase``, forgets who she was, too (`changes.delete_person`, `changes.erase_person`)."""
        with self.change(at=at, by=by) as change:
            changes.delete_person(change, principal)
            if erase:
                changes.erase_person(change, principal)

    def _holders(self, *conditions: ColumnElement[bool]) -> tuple[Person, ...]:
        holders = select(person_attribute.c.principal).where(person_attribute.c.valid_to.is_(None), *conditions)
        wanted = select(person).where(person.c.principal.in_(holders), person.c.valid_to.is_(None))
        with reading(self._engine) as connection:
            rows = connection.execute(wanted.order_by(person.c.login_key).limit(_SHARING))
            return tuple(_person(row) for row in rows)

    def _credentials(self, condition: ColumnElement[bool]) -> Credentials | None:
        wanted = select(person.c.principal, person.c.password_hash, person.c.active)
        with reading(self._engine) as connection:
            row = connection.execute(wanted.where(condition, person.c.valid_to.is_(None))).one_or_none()
        return Credentials(row.principal, row.password_hash, row.active) if row is not None else None

    def _one(self, condition: ColumnElement[bool]) -> Person | None:
        wanted = select(person).where(condition, person.c.valid_to.is_(None))
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        return _person(row) if row is not None else None


def find_person(connection: Connection, login_name: str) -> Person | None:
    """As `Directory.find`, inside a transaction."""
    wanted = select(person).where(person.c.login_key == login_key(login_name), person.c.valid_to.is_(None))
    row = connection.execute(wanted).one_or_none()
    return _person(row) if row is not None else None


def attributes_of(connection: Connection, principal: str) -> dict[str, tuple[str, ...]]:
    """As `Directory.attributes`, inside a transaction."""
    return changes.present_attributes(connection, principal)


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(
        row.principal,
        row.login_name,
        row.active,
        row.valid_from,
        row.password_hash is not None,
        row.must_change_password,
    )
