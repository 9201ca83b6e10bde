"""Every change of the embedded directory, each with its audit row, in a transaction of the caller. Decides nothing about who may do it.

`Directory` opens one transaction for one change; an import of many people, or an approval, opens one for all that belongs together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.accounts.names import EXTERNAL_ID, check_attributes, checked_login_name, external_key, login_key
from idp.accounts.tables import password_link, person_certificate
from idp.factors.ending import end_factors, forget_factors
from idp.sessions.session import end_sessions
from idp.tables import person, person_attribute
from ostiary import audit
from ostiary.consent.store import erase_choices
from ostiary.errors import Missing, Refusal
from ostiary.x509.certificate_names import CertificateNames

_NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})
# No login name can begin so: it is not visible.
_ERASED: Final = "\x7f"


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction that changes people. ``at`` is the instant, ``by`` who does it (a principal, ``operator`` or ``idp``; never a name,
    for it can't be erased), ``writer`` the chain of the audit."""

    connection: Connection
    at: datetime
    by: str
    writer: str = "idp"

    def record(self, action: str, subject: str, facts: Mapping[str, object] = _NO_FACTS) -> int:
        """One audit row about a person; returns its serial."""
        return audit.record(
            self.connection,
            at=self.at,
            writer=self.writer,
            actor=self.by,
            action=action,
            subject=subject,
            facts=facts,
        )


def create_person(
    change: Change,
    principal: str,
    login_name: str,
    *,
    password_hash: str | None,
    attributes: Mapping[str, Sequence[str]],
    must_change: bool = False,
) -> None:
    """A new, active person. Raises `Refusal` (``people.login_name``, ``people.login_taken``, and those of `check_attributes`)."""
    shown = checked_login_name(login_name)
    check_attributes(attributes)
    _check_free(change.connection, shown)
    serial = change.record(
        "person.created",
        principal,
        {
            "attributes": sorted(attributes),
            **_states(change.connection, principal, {}, attributes),
            "password": password_hash is not None,
            "must_change": must_change,
        },
    )
    row = {
        "principal": principal,
        "login_name": shown,
        "login_key": login_key(shown),
        "password_hash": password_hash,
        "must_change_password": must_change,
        "active": True,
        "created_serial": serial,
        "valid_from": change.at,
    }
    try:
        change.connection.execute(insert(person).values(row))
    except IntegrityError as error:
        raise login_taken() from error
    _replace_attributes(change, principal, attributes, serial)


def set_active(change: Change, principal: str, active: bool) -> None:
    """Lets a person in, or keeps her out and ends her sessions. Raises `Missing`, as all below do."""
    _lock(change.connection, principal)
    _update(change.connection, principal, active=active)
    if not active:
        _end_links(change.connection, principal)
        end_sessions(change.connection, principal)
    change.record("person.enabled" if active else "person.disabled", principal)


def set_password(
    change: Change,
    principal: str,
    password_hash: str,
    *,
    must_change: bool = False,
    keep_session: str | None = None,
) -> None:
    """A new password, as its hash; her one-time link ends, and all her sessions but the one with the id ``keep_session``."""
    _lock(change.connection, principal)
    _update(change.connection, principal, password_hash=password_hash, must_change_password=must_change)
    _end_links(change.connection, principal)
    end_sessions(change.connection, principal, except_id=keep_session)
    change.record("person.password_set", principal, {"must_change": must_change})


def require_new_password(change: Change, principal: str) -> None:
    """From her next login by password on she gets nowhere before she has changed it; her sessions end, so that this is the next thing."""
    _lock(change.connection, principal)
    _update(change.connection, principal, must_change_password=True)
    end_sessions(change.connection, principal)
    change.record("person.must_change_password", principal)


def renew_hash(change: Change, principal: str, old: str, new: str) -> None:
    """The same password under other hashing parameters; does nothing when the password was changed meanwhile."""
    known = update(person).where(person.c.principal == principal, person.c.password_hash == old)
    if change.connection.execute(known.values(password_hash=new)).rowcount == 1:
        change.record("person.password_rehashed", principal)


def rename_login(change: Change, principal: str, login_name: str) -> None:
    """Another login name for the same person. Raises `Refusal` (``people.login_name``, ``people.login_taken``), too."""
    shown = checked_login_name(login_name)
    _lock(change.connection, principal)
    try:
        _update(change.connection, principal, login_name=shown, login_key=login_key(shown))
    except IntegrityError as error:
        raise login_taken() from error
    change.record("person.login_renamed", principal)


def set_attributes(change: Change, principal: str, attributes: Mapping[str, Sequence[str]]) -> None:
    """Replaces the values of the named attributes; no values takes the attribute away. Raises as `check_attributes`, too."""
    check_attributes(attributes)
    _lock(change.connection, principal)
    before = present_attributes(change.connection, principal)
    touched = {name: before.get(name, ()) for name in attributes}
    numbers = {name: [len(touched[name]), len(values)] for name, values in sorted(attributes.items())}
    facts = {"attributes": numbers, **_states(change.connection, principal, touched, attributes)}
    serial = change.record("person.attributes_set", principal, facts)
    _replace_attributes(change, principal, attributes, serial)


def add_certificate(change: Change, principal: str, names: CertificateNames) -> None:
    """A certificate by which she may log in. Raises `Refusal` (``people.certificate_taken``), too."""
    _lock(change.connection, principal)
    serial = change.record("person.certificate_added", principal)
    row = {
        "principal": principal,
        "names_key": names.key,
        "subject": names.subject,
        "issuer": names.issuer,
        "live": True,
        "created_serial": serial,
        "valid_from": change.at,
    }
    try:
        change.connection.execute(insert(person_certificate).values(row))
    except IntegrityError as error:
        raise Refusal(
            "people.certificate_taken", expected="a certificate that nobody has", found="one that somebody has"
        ) from error


def remove_certificate(change: Change, principal: str, names: CertificateNames) -> None:
    """Takes one of her certificates away. Raises `Missing` (``people.no_such_certificate``), too."""
    _lock(change.connection, principal)
    serial = change.record("person.certificate_removed", principal)
    if not _end_certificates(change, serial, principal, names):
        raise Missing("people.no_such_certificate", expected="a certificate of this person", found=names.subject)


def delete_person(change: Change, principal: str) -> None:
    """Ends a person and everything of hers. Her login name stays taken, so that nobody is mistaken for her."""
    _lock(change.connection, principal)
    before = present_attributes(change.connection, principal)
    facts = {"attributes": sorted(before), **_states(change.connection, principal, before, {})}
    serial = change.record("person.deleted", principal, facts)
    _end_certificates(change, serial, principal)
    _end_links(change.connection, principal)
    end_sessions(change.connection, principal)
    end_factors(change.connection, principal, at=change.at, serial=serial)
    present = update(person_attribute).where(
        person_attribute.c.principal == principal, person_attribute.c.valid_to.is_(None)
    )
    change.connection.execute(present.values(valid_to=change.at, deleted_serial=serial))
    _update(
        change.connection,
        principal,
        active=False,
        password_hash=None,
        must_change_password=False,
        valid_to=change.at,
        deleted_serial=serial,
    )


def erase_person(change: Change, principal: str) -> None:
    """Forgets who a deleted person was: name, values, certificates, what she said about what may be told about her, and who is meant in
    the audit. The name may be given anew."""
    change.connection.execute(delete(person_attribute).where(person_attribute.c.principal == principal))
    change.connection.execute(delete(person_certificate).where(person_certificate.c.principal == principal))
    forget_factors(change.connection, principal)
    erase_choices(change.connection, principal, at=change.at, writer=change.writer, by=change.by)
    _update(change.connection, principal, login_name="", login_key=_ERASED + principal)
    audit.erase_person(change.connection, principal, at=change.at, writer=change.writer, actor=change.by)


def present_attributes(connection: Connection, principal: str) -> dict[str, tuple[str, ...]]:
    """What is known about her now: values in their order, by friendly name."""
    wanted = (
        select(person_attribute.c.name, person_attribute.c.value)
        .where(person_attribute.c.principal == principal, person_attribute.c.valid_to.is_(None))
        .order_by(person_attribute.c.name, person_attribute.c.position)
    )
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(wanted):
        found[row.name] = (*found.get(row.name, ()), row.value)
    return found


def state_of(connection: Connection, principal: str, attributes: Mapping[str, Sequence[str]]) -> str | None:
    """What an audit row says of these values: a digest that nobody can open without her salt, which goes when she is erased. None: no
    values."""
    known = {name: list(values) for name, values in attributes.items() if values}
    return audit.commitment_to(connection, principal, known) if known else None


def login_taken() -> Refusal:
    """Somebody has, or had, that login name."""
    return Refusal("people.login_taken", expected="a login name that nobody has", found="one that somebody has")


def _states(
    connection: Connection,
    principal: str,
    before: Mapping[str, Sequence[str]],
    after: Mapping[str, Sequence[str]],
) -> dict[str, str | None]:
    """The values before and after for an audit row. They themselves stand in the table of attributes, under the serials of the changes."""
    return {"before": state_of(connection, principal, before), "after": state_of(connection, principal, after)}


def _check_free(connection: Connection, login_name: str) -> None:
    """Before anything is written: after an error of the database the rest of an import could not tell what else is wrong."""
    wanted = select(person.c.principal).where(person.c.login_key == login_key(login_name))
    if connection.execute(wanted).one_or_none() is not None:
        raise login_taken()


def _lock(connection: Connection, principal: str) -> None:
    """Two changes of one person come one after the other."""
    wanted = select(person.c.principal).where(person.c.principal == principal, person.c.valid_to.is_(None))
    if connection.execute(wanted.with_for_update()).one_or_none() is None:
        raise Missing("people.unknown", expected="a person of this directory", found=principal)


def _update(connection: Connection, principal: str, **values: object) -> None:
    connection.execute(update(person).where(person.c.principal == principal).values(**values))


def _end_links(connection: Connection, principal: str) -> None:
    connection.execute(delete(password_link).where(password_link.c.principal == principal))


def _end_certificates(change: Change, serial: int, principal: str, names: CertificateNames | None = None) -> int:
    known = [person_certificate.c.principal == principal, person_certificate.c.live.is_(True)]
    if names is not None:
        known.append(person_certificate.c.names_key == names.key)
    ended = update(person_certificate).where(*known).values(live=None, valid_to=change.at, deleted_serial=serial)
    return change.connection.execute(ended).rowcount


def _replace_attributes(change: Change, principal: str, attributes: Mapping[str, Sequence[str]], serial: int) -> None:
    """Ends the rows of the named attributes and adds the new ones; what was known before stays readable."""
    for name, values in attributes.items():
        known = update(person_attribute).where(
            person_attribute.c.principal == principal,
            person_attribute.c.name == name,
            person_attribute.c.valid_to.is_(None),
        )
        change.connection.execute(known.values(valid_to=change.at, deleted_serial=serial))
        if values:
            change.connection.execute(
                insert(person_attribute),
                [
                    {
                        "principal": principal,
                        "name": name,
                        "value": value,
                        "value_key": external_key(value) if name == EXTERNAL_ID else None,
                        "position": position,
                        "created_serial": serial,
                        "valid_from": change.at,
                    }
                    for position, value in enumerate(values)
                ],
            )
