"""Writes and reads the rows of the audit trail, in the caller's transaction; erases people. Never changes a row."""

import contextlib
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, bindparam, delete, insert, literal, select
from sqlalchemy.exc import IntegrityError

from ostiary.audit.tables import audit_event, audit_person, audit_waiting
from ostiary.storage.prepared import PreparedInsert, PreparedSelect

MAX_FACTS = 16_000
"""Characters of JSON that the facts of one row may take."""

# Made once: making a statement costs more than carrying it out.
_INSERT_EVENT = PreparedInsert(insert(audit_event))
# About somebody whom the trail knows: her commitment is looked up on the way. No row where it does not know her.
_GIVEN = ("at", "writer", "actor", "action", "facts", "reference")
_INSERT_ABOUT = PreparedInsert(
    insert(audit_event).from_select(
        [*_GIVEN, "subject"],
        select(
            *(bindparam(f"new_{name}", type_=audit_event.c[name].type) for name in _GIVEN), audit_person.c.commitment
        ).where(audit_person.c.lookup == bindparam("whose")),
    )
)
_INSERT_WAITING = PreparedInsert(insert(audit_waiting))
_INSERT_PERSON = insert(audit_person)
_SALT = PreparedSelect(select(audit_person.c.salt).where(audit_person.c.lookup == bindparam("whose")))

_as_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode

_ACTION = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+\Z")
# Between two looks another transaction may be the first to know a person, and a third erase her.
_ATTEMPTS: Final = 5
T = TypeVar("T")
_NO_FACTS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Event:
    """One row as read. ``subject`` is the commitment to a person, ``person`` who that is, None once erased."""

    serial: int
    at: datetime
    writer: str
    actor: str
    action: str
    subject: str | None
    person: str | None
    facts: Mapping[str, Any]
    reference: str | None


def record(
    connection: Connection,
    *,
    at: datetime,
    writer: str,
    actor: str,
    action: str,
    subject: str | None = None,
    facts: Mapping[str, object] = _NO_FACTS,
    reference: str | None = None,
) -> int:
    """Write one row in the transaction of ``connection``, so that it is kept exactly when what it records is kept.

    ``writer`` is the service or node whose chain the row belongs to (at most 64 characters), ``actor`` who did it: an
    opaque principal id or a service, never a name, because it can't be erased. ``action`` is dotted
    (``vo.member_added``), ``subject`` the principal id of the person it was done to, ``facts`` JSON without names or
    other personal data, ``reference`` the reference number of the request.

    Returns the serial number: one sequence over all writers in this database, drawn inside the transaction. A gap means
    that a transaction which had drawn a number was rolled back (PostgreSQL, MariaDB), not that a row is missing; a
    lower number may be committed after a higher one. What is missing `ostiary.audit.chain.verify_chain` tells. Raises
    ValueError for what does not fit, TypeError for facts that are not JSON.
    """
    if _ACTION.match(action) is None or len(action) > 100:
        raise ValueError("an action is dotted words in lower case, at most 100 characters")
    if not (0 < len(writer) <= 64 and 0 < len(actor) <= 255 and len(reference or "-") <= 32):
        raise ValueError("writer takes 1 to 64 characters, actor 1 to 255, reference 1 to 32")
    text = _as_json(facts if type(facts) is dict else dict(facts))
    if len(text) > MAX_FACTS:
        raise ValueError(f"facts take at most {MAX_FACTS} characters of JSON")
    if subject is None:
        row = {"at": at, "writer": writer, "actor": actor, "action": action, "facts": text, "reference": reference}
        serial = _INSERT_EVENT.serial(connection, row)
    else:
        about = {
            "new_at": at,
            "new_writer": writer,
            "new_actor": actor,
            "new_action": action,
            "new_facts": text,
            "new_reference": reference,
            "whose": person_key(subject),
        }
        serial = _once_known(connection, subject, lambda: _INSERT_ABOUT.serial_if_any(connection, about))
    _INSERT_WAITING.run(connection, {"writer": writer, "serial": serial})
    return serial


def events(
    connection: Connection,
    *,
    after: int = 0,
    limit: int = 100,
    writer: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Event]:
    """At most ``limit`` rows with a serial above ``after``, in the order of serials, that fit all that is given.

    ``action`` fits itself and what is below it (``vo`` fits ``vo.member_added``). ``subject`` is a principal id; of a
    person who was erased, nothing is found. Time is ``since <= at < until``.
    """
    joined = audit_event.outerjoin(audit_person, audit_event.c.subject == audit_person.c.commitment)
    query = select(audit_event, audit_person.c.name).select_from(joined).where(audit_event.c.serial > after)
    if writer is not None:
        query = query.where(audit_event.c.writer == writer)
    if actor is not None:
        query = query.where(audit_event.c.actor == actor)
    if action is not None:
        below = audit_event.c.action.startswith(f"{action}.", autoescape=True)
        query = query.where((audit_event.c.action == action) | below)
    if subject is not None:
        query = query.where(audit_person.c.lookup == person_key(subject))
    if since is not None:
        query = query.where(audit_event.c.at >= since)
    if until is not None:
        query = query.where(audit_event.c.at < until)
    return [_event(row) for row in connection.execute(query.order_by(audit_event.c.serial).limit(limit))]


def events_of(connection: Connection, serials: Collection[int]) -> dict[int, Event]:
    """The rows with these serials (at most some hundred), by serial; those that there are."""
    joined = audit_event.outerjoin(audit_person, audit_event.c.subject == audit_person.c.commitment)
    query = (
        select(audit_event, audit_person.c.name).select_from(joined).where(audit_event.c.serial.in_(sorted(serials)))
    )
    return {row.serial: _event(row) for row in connection.execute(query)}


def latest_about(
    connection: Connection, subject: str, *, actions: Collection[str], before: int | None = None, limit: int = 100
) -> list[Event]:
    """At most ``limit`` rows about the person ``subject`` (principal id), the newest first: those with one of these ``actions``, and a
    serial below ``before``. Goes by the index of subjects; of a person who was erased, nothing is found."""
    whose = select(audit_person.c.commitment, audit_person.c.name).where(audit_person.c.lookup == person_key(subject))
    known = connection.execute(whose).one_or_none()
    if known is None:
        return []
    query = select(audit_event, literal(known.name).label("name")).where(
        audit_event.c.subject == known.commitment, audit_event.c.action.in_(sorted(actions))
    )
    if before is not None:
        query = query.where(audit_event.c.serial < before)
    return [_event(row) for row in connection.execute(query.order_by(audit_event.c.serial.desc()).limit(limit))]


def erase_person(
    connection: Connection, subject: str, *, at: datetime, writer: str, actor: str, reference: str | None = None
) -> int | None:
    """Forget who ``subject`` is: name and salt go, the commitments in the rows stay and can't be opened by anybody.

    Writes the row ``audit.person_erased`` (about the commitment) and returns its serial; None when the trail does not
    know that person. Rows about the same person afterwards carry a new commitment.
    """
    known = audit_person.c.lookup == person_key(subject)
    if connection.execute(select(audit_person.c.lookup).where(known)).one_or_none() is None:
        return None
    serial = record(
        connection,
        at=at,
        writer=writer,
        actor=actor,
        action="audit.person_erased",
        subject=subject,
        reference=reference,
    )
    connection.execute(delete(audit_person).where(known))
    return serial


def commitment_to(connection: Connection, subject: str, content: object) -> str:
    """A digest for the facts of a row about ``subject``: it proves later what ``content`` (JSON) was, to whoever has it, as long as the
    person is not erased. HMAC-SHA256 with her own salt, 64 hexadecimal digits; without the salt nobody can try out what it may have been.
    """
    whose = {"whose": person_key(subject)}
    found = _once_known(connection, subject, lambda: _SALT.one_in(connection, whose))
    return hmac.new(found.salt, b"content\0" + _as_json(content).encode(), hashlib.sha256).hexdigest()


def _event(row: Row[Any]) -> Event:
    return Event(
        serial=row.serial,
        at=row.at,
        writer=row.writer,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        person=row.name,
        facts=MappingProxyType(json.loads(row.facts)),
        reference=row.reference,
    )


def _once_known(connection: Connection, subject: str, look: Callable[[], T | None]) -> T:
    """What ``look`` finds of the person, who is made known to the trail where it finds nothing."""
    for _ in range(_ATTEMPTS):
        found = look()
        if found is not None:
            return found
        _get_to_know(connection, subject)
    raise RuntimeError("somebody whom the trail gets to know is erased again and again")


def _get_to_know(connection: Connection, subject: str) -> None:
    """The person appears for the first time: SHA-256(salt || person), with a salt of her own."""
    salt = secrets.token_bytes(32)
    commitment = hashlib.sha256(salt + subject.encode()).hexdigest()
    row = {"lookup": person_key(subject), "name": subject, "salt": salt, "commitment": commitment}
    # A savepoint: the caller's transaction survives when another one was first.
    with contextlib.suppress(IntegrityError), connection.begin_nested():
        connection.execute(_INSERT_PERSON, row)


def person_key(subject: str) -> str:
    """Under which key the table of people (``audit_person``) has ``subject``: whatever refers to it is forgotten with the person."""
    return hashlib.sha256(subject.encode()).hexdigest()
