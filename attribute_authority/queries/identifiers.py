"""Which ``subject-id`` and ``pairwise-id`` values were told to whom, so that a requester can ask by one that it was told.

A keyed hash can't be turned round, and looking through all people would cost a hash for each; so the first release writes a row. A value
that this organisation never told a requester names nobody to it, however easily it may be guessed.
"""

import hashlib
import struct
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from attribute_authority.tables import told_identifier
from ostiary import audit
from ostiary.audit.tables import audit_person
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS, is_identifier
from ostiary.ports import AttributeSource, NamedPerson, Release, ReleaseRequest
from ostiary.storage.engine import reading, writing

_LENGTH: Final = struct.Struct(">I")
_REMEMBERED: Final = 20_000

_PERSON: Final = select(audit_person.c.name, told_identifier.c.authority).select_from(
    told_identifier.join(audit_person, audit_person.c.lookup == told_identifier.c.whose)
)


class ToldIdentifiers:
    """The table in the database behind ``engine``; ``writer`` names the service in the audit. Implements
    `ostiary.ports.SubjectIdentifiers`. Every method raises `Unavailable` when the database does not answer."""

    def __init__(self, engine: Engine, *, writer: str = "aa") -> None:
        self._engine = engine
        self._writer = writer
        self._lock = threading.Lock()
        # What is in the table for certain, so that a value that was told before costs nothing.
        self._known: OrderedDict[tuple[str, NamedPerson], None] = OrderedDict()

    def person_told(self, attribute: str, value: str, requester: str) -> NamedPerson | None:
        """Whose ``attribute`` with this value ``requester`` (entityID, proven) was told. Values are compared without regard to case, as the
        profile (SAML V2.0 Subject Identifier Attributes Profile 1.0) wants it."""
        if not is_identifier(value):
            return None
        return self._person(_key(attribute, value, requester))

    def told(self, attribute: str, value: str, requester: str, person: NamedPerson, at: datetime) -> None:
        """Notes that ``requester`` is told this value of ``person``; whoever had the value before has it no more."""
        key = _key(attribute, value, requester)
        with self._lock:
            if (key, person) in self._known:
                self._known.move_to_end((key, person))
                return
        if self._person(key) != person:
            self._write(key, attribute, requester, person, at)
        with self._lock:
            self._known[key, person] = None
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def _person(self, key: str) -> NamedPerson | None:
        with reading(self._engine) as connection:
            row = connection.execute(_PERSON.where(told_identifier.c.key == key)).one_or_none()
        return NamedPerson(row.name, row.authority) if row is not None else None

    def _write(self, key: str, attribute: str, requester: str, person: NamedPerson, at: datetime) -> None:
        values = {"whose": audit.person_key(person.principal), "authority": person.authority, "told": at}
        known = update(told_identifier).where(told_identifier.c.key == key).values(values)
        added = insert(told_identifier).values(key=key, attribute=attribute, requester=requester, **values)
        facts = {"for": requester, "identifier": attribute}
        try:
            with writing(self._engine) as connection:
                # The audit knows her from here on, which the row refers to.
                self._record(connection, facts, person, at)
                if connection.execute(known).rowcount != 1:
                    connection.execute(added)
        except IntegrityError:
            # Another node was faster, and has written the same.
            return

    def _record(self, connection: Connection, facts: Mapping[str, object], person: NamedPerson, at: datetime) -> None:
        audit.record(
            connection,
            at=at,
            writer=self._writer,
            actor="attribute_authority",
            action="identifier.told",
            subject=person.principal,
            facts=facts,
        )


@dataclass(frozen=True, slots=True)
class RemembersIdentifiers:
    """Implements `ostiary.ports.AttributeSource`: as ``source``, and notes the subject identifiers that it releases."""

    source: AttributeSource
    identifiers: ToldIdentifiers

    def release(self, request: ReleaseRequest) -> Release:
        """As the source answers, and raises; `Unavailable` when an identifier can't be noted."""
        released = self.source.release(request)
        if request.anonymous:
            return released
        for attribute in released.attributes:
            if attribute.name in SUBJECT_IDENTIFIERS:
                person = NamedPerson(request.principal, request.authority)
                for value in attribute.texts():
                    self.identifiers.told(attribute.name, value, request.requester, person, request.at)
        return released


def _key(attribute: str, value: str, requester: str) -> str:
    parts = [text.encode() for text in (attribute, value.lower(), requester)]
    return hashlib.sha256(b"".join(_LENGTH.pack(len(part)) + part for part in parts)).hexdigest()
