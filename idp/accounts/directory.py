"""The embedded directory: who belongs to this organisation, and what is known about each. Never sees a password, only hashes.

A person is known by her principal, which never changes; the login name may. Each change writes its audit row in the same transaction.
"""

import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.tables import person, person_attribute
from ostiary import audit
from ostiary.errors import Missing, Refusal
from ostiary.storage.engine import reading, writing

# For the Attribute Authority's SQL connector: the present values of one person.
ATTRIBUTE_QUERY: Final = (
    "SELECT name, value FROM person_attribute WHERE principal = :principal AND valid_to IS NULL ORDER BY name, position"
)

MAXIMUM_LOGIN_NAME: Final = 128
MAXIMUM_VALUE: Final = 4_096
MAXIMUM_VALUES: Final = 1_000
# A friendly name or a URI.
_ATTRIBUTE_NAME: Final = re.compile(r"[!-~]{1,256}")
MAXIMUM_ATTRIBUTES: Final = 50
_NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})
_UNWRITABLE: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of this organisation. ``principal`` is 32 hexadecimal digits; ``login_name`` as it was written."""

    principal: str
    login_name: str
    active: bool
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password login needs to know. ``password_hash`` None: this person has no password."""

    principal: str
    password_hash: str | None
    active: bool


def login_key(login_name: str) -> str:
    """The form in which two login names are compared: NFKC and case folding (Unicode 3.13, toNFKC_Casefold), without outer spaces."""
    folded = unicodedata.normalize("NFKC", login_name).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def new_principal() -> str:
    """A principal for a new person: 128 random bits, 32 hexadecimal digits."""
    return secrets.token_hex(16)


class Directory:
    """The people in one database; implements `ostiary.ports.People` and `idp.people.PeopleOfIdp`.

    ``at`` is the instant of a change, ``by`` who makes it (a principal, ``operator`` or ``idp``; never a name, for it can't be erased);
    both go into the audit record, in the chain of ``writer``. Every method raises `Unavailable` (``storage.unavailable``) when the
    database does not answer.
    """

    def __init__(
        self, engine: Engine, *, writer: str = "idp", make_principal: Callable[[], str] = new_principal
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._make_principal = make_principal

    def is_active(self, principal: str) -> bool:
        """Whether this person exists, is not disabled and not deleted."""
        wanted = select(person.c.active).where(person.c.principal == principal, person.c.valid_to.is_(None))
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

    def all(self) -> tuple[Person, ...]:
        """Everybody who was not deleted, by login name."""
        wanted = select(person).where(person.c.valid_to.is_(None)).order_by(person.c.login_key)
        with reading(self._engine) as connection:
            return tuple(_person(row) for row in connection.execute(wanted))

    def credentials(self, login_name: str) -> Credentials | None:
        """What to check a password against; None when nobody has this login name."""
        wanted = select(person.c.principal, person.c.password_hash, person.c.active).where(
            person.c.login_key == login_key(login_name), person.c.valid_to.is_(None)
        )
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        return Credentials(row.principal, row.password_hash, row.active) if row is not None else None

    def attributes(self, principal: str) -> dict[str, tuple[str, ...]]:
        """The present attributes by friendly name, values in their order."""
        wanted = _present(principal).order_by(person_attribute.c.name, person_attribute.c.position)
        found: dict[str, tuple[str, ...]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(wanted):
                found[row.name] = (*found.get(row.name, ()), row.value)
        return found

    def create(
        self,
        login_name: str,
        *,
        password_hash: str | None,
        attributes: Mapping[str, Sequence[str]],
        at: datetime,
        by: str,
    ) -> str:
        """A new, active person; returns her principal. Raises `Refusal` (``people.login_name``, ``people.login_taken``, and those of
        `set_attributes`)."""
        shown = _checked_login_name(login_name)
        _check_attributes(attributes)
        principal = self._make_principal()
        try:
            with writing(self._engine) as connection:
                serial = self._record(
                    connection,
                    at=at,
                    by=by,
                    action="person.created",
                    subject=principal,
                    facts={"attributes": sorted(attributes), "password": password_hash is not None},
                )
                connection.execute(
                    insert(person).values(
                        principal=principal,
                        login_name=shown,
                        login_key=login_key(shown),
                        password_hash=password_hash,
                        active=True,
                        created_serial=serial,
                        valid_from=at,
                    )
                )
                _replace_attributes(connection, principal, attributes, at=at, serial=serial)
        except IntegrityError as error:
            raise _taken() from error
        return principal

    def disable(self, principal: str, *, at: datetime, by: str) -> None:
        """From now on this person can't log in, her sessions end and her handles open no more. Raises `Missing`."""
        self._set_active(principal, False, at=at, by=by)

    def enable(self, principal: str, *, at: datetime, by: str) -> None:
        """Takes back `disable`. Raises `Missing`."""
        self._set_active(principal, True, at=at, by=by)

    def set_password(self, principal: str, password_hash: str, *, at: datetime, by: str) -> None:
        """A new password, as its hash. Raises `Missing`."""
        with writing(self._engine) as connection:
            _lock(connection, principal)
            _change(connection, principal, password_hash=password_hash)
            self._record(connection, at=at, by=by, action="person.password_set", subject=principal)

    def renew_hash(self, principal: str, old: str, new: str, *, at: datetime, by: str) -> None:
        """The same password under other hashing parameters; does nothing when the password was changed meanwhile."""
        known = update(person).where(person.c.principal == principal, person.c.password_hash == old)
        with writing(self._engine) as connection:
            if connection.execute(known.values(password_hash=new)).rowcount == 1:
                self._record(connection, at=at, by=by, action="person.password_rehashed", subject=principal)

    def rename_login(self, principal: str, login_name: str, *, at: datetime, by: str) -> None:
        """Another login name for the same person. Raises `Missing`, `Refusal` (``people.login_name``, ``people.login_taken``)."""
        shown = _checked_login_name(login_name)
        try:
            with writing(self._engine) as connection:
                _lock(connection, principal)
                _change(connection, principal, login_name=shown, login_key=login_key(shown))
                self._record(connection, at=at, by=by, action="person.login_renamed", subject=principal)
        except IntegrityError as error:
            raise _taken() from error

    def set_attributes(self, principal: str, attributes: Mapping[str, Sequence[str]], *, at: datetime, by: str) -> None:
        """Replaces the values of the named attributes; no values takes the attribute away. Others stay as they are.

        Raises `Missing`, `Refusal` (``people.attribute_name``, ``people.attribute_value``).
        """
        _check_attributes(attributes)
        with writing(self._engine) as connection:
            _lock(connection, principal)
            serial = self._record(
                connection,
                at=at,
                by=by,
                action="person.attributes_set",
                subject=principal,
                facts={"attributes": {name: len(values) for name, values in sorted(attributes.items())}},
            )
            _replace_attributes(connection, principal, attributes, at=at, serial=serial)

    def _record(
        self,
        connection: Connection,
        *,
        at: datetime,
        by: str,
        action: str,
        subject: str,
        facts: Mapping[str, object] = _NO_FACTS,
    ) -> int:
        return audit.record(
            connection, at=at, writer=self._writer, actor=by, action=action, subject=subject, facts=facts
        )

    def _one(self, condition: ColumnElement[bool]) -> Person | None:
        wanted = select(person).where(condition, person.c.valid_to.is_(None))
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        return _person(row) if row is not None else None

    def _set_active(self, principal: str, active: bool, *, at: datetime, by: str) -> None:
        with writing(self._engine) as connection:
            _lock(connection, principal)
            _change(connection, principal, active=active)
            action = "person.enabled" if active else "person.disabled"
            self._record(connection, at=at, by=by, action=action, subject=principal)


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(row.principal, row.login_name, row.active, row.valid_from)


def _lock(connection: Connection, principal: str) -> None:
    """Two changes of one person come one after the other."""
    wanted = select(person.c.principal).where(person.c.principal == principal, person.c.valid_to.is_(None))
    if connection.execute(wanted.with_for_update()).one_or_none() is None:
        raise Missing("people.unknown", expected="a person of this directory", found=principal)


def _change(connection: Connection, principal: str, **values: object) -> None:
    connection.execute(update(person).where(person.c.principal == principal).values(**values))


def _present(principal: str) -> Select[tuple[str, str]]:
    return select(person_attribute.c.name, person_attribute.c.value).where(
        person_attribute.c.principal == principal, person_attribute.c.valid_to.is_(None)
    )


def _replace_attributes(
    connection: Connection, principal: str, attributes: Mapping[str, Sequence[str]], *, at: datetime, serial: int
) -> None:
    """Ends the rows of the named attributes and adds the new ones; what was known before stays readable."""
    for name, values in attributes.items():
        known = update(person_attribute).where(
            person_attribute.c.principal == principal,
            person_attribute.c.name == name,
            person_attribute.c.valid_to.is_(None),
        )
        connection.execute(known.values(valid_to=at, deleted_serial=serial))
        if values:
            connection.execute(
                insert(person_attribute),
                [
                    {
                        "principal": principal,
                        "name": name,
                        "value": value,
                        "position": position,
                        "created_serial": serial,
                        "valid_from": at,
                    }
                    for position, value in enumerate(values)
                ],
            )


def _checked_login_name(login_name: str) -> str:
    shown = unicodedata.normalize("NFC", login_name).strip()
    if not 0 < len(shown) <= MAXIMUM_LOGIN_NAME or not 0 < len(login_key(shown)) <= 2 * MAXIMUM_LOGIN_NAME:
        raise Refusal("people.login_name", expected=f"1 to {MAXIMUM_LOGIN_NAME} characters", found=len(shown))
    if any(unicodedata.category(character) in _UNWRITABLE for character in shown):
        raise Refusal("people.login_name", expected="visible characters", found="a control or format character")
    return shown


def _check_attributes(attributes: Mapping[str, Sequence[str]]) -> None:
    if len(attributes) > MAXIMUM_ATTRIBUTES:
        raise Refusal("people.attributes", expected=f"at most {MAXIMUM_ATTRIBUTES} at a time", found=len(attributes))
    for name, values in attributes.items():
        if _ATTRIBUTE_NAME.fullmatch(name) is None:
            raise Refusal("people.attribute_name", expected="the name of an attribute", found=repr(name[:80]))
        if len(values) > MAXIMUM_VALUES or not all(0 < len(value) <= MAXIMUM_VALUE for value in values):
            raise Refusal(
                "people.attribute_value",
                expected=f"at most {MAXIMUM_VALUES} values of 1 to {MAXIMUM_VALUE} characters",
                found=f"{len(values)} values",
                name=name,
            )


def _taken() -> Refusal:
    return Refusal("people.login_taken", expected="a login name that nobody has", found="one that somebody has")
