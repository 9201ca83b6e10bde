"""The persistent identifiers that were given out: finds, issues, revokes and imports them, each change with its audit row.

A revoked identifier is never given again, to nobody; whoever had it gets another one. Decides nothing about who may have one.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.identifiers.tables import MAXIMUM_SP, MAXIMUM_VALUE, persistent_id
from ostiary import audit
from ostiary.errors import Missing, Refusal
from ostiary.ports import NamedPerson
from ostiary.storage.engine import reading, writing

_LENGTH: Final = struct.Struct(">I")

MakeValue = Callable[[int], str]
"""A new value, given how many identifiers this person had at this SP before."""


@dataclass(frozen=True, slots=True)
class PersistentId:
    """``value`` names ``principal`` to ``sp`` (entityID) and to nobody else; ``authority`` is the index of the AA that knows her;
    ``origin`` says where it came from; ``revoked`` when it ended, None while it lives."""

    principal: str
    sp: str
    value: str
    authority: int
    origin: str
    issued: datetime
    revoked: datetime | None


@dataclass(frozen=True, slots=True)
class ImportedId:
    """One identifier that another IdP gave out before; a ``revoked`` one is kept so that nobody gets it again."""

    principal: str
    sp: str
    value: str
    revoked: bool = False


class PersistentIds:
    """Persistent identifiers in the database behind ``engine``; ``writer`` names the service in the audit. Implements
    `ostiary.ports.PersistentNames`. Every method raises `Unavailable` when the database does not answer."""

    def __init__(self, engine: Engine, *, writer: str = "idp") -> None:
        self._engine = engine
        self._writer = writer

    def find(self, principal: str, sp: str) -> PersistentId | None:
        """The one that lives, of this person at this SP."""
        with reading(self._engine) as connection:
            return _live(connection, principal, sp)

    def person_named(self, value: str, requester: str) -> NamedPerson | None:
        """Whom ``requester`` (entityID) knows by this value; None for a revoked one, another SP's, and one that never was."""
        wanted = select(persistent_id).where(
            persistent_id.c.value_key == _value_key(requester, value), persistent_id.c.live_key.is_not(None)
        )
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        return NamedPerson(row.principal, row.authority) if row is not None else None

    def issue(
        self, principal: str, sp: str, make_value: MakeValue, *, authority: int, origin: str, at: datetime
    ) -> PersistentId:
        """The one that lives, made now if there is none. Two nodes that ask at the same time get the same.

        Raises `Refusal` (``identifiers.persistent_value``) when a value is made that was given out already.
        """
        known = self.find(principal, sp)
        if known is None:
            try:
                return self._make(principal, sp, make_value, authority=authority, origin=origin, at=at)
            except IntegrityError:
                known = self.find(principal, sp)
                if known is None:
                    raise Refusal(
                        "identifiers.persistent_value",
                        expected="a value that nobody had",
                        found="one that somebody had",
                    ) from None
        if known.authority != authority:
            self._move(known, authority, at)
        return known

    def revoke(self, principal: str, sp: str, *, at: datetime, by: str) -> None:
        """From now on the value names nobody, and the next login gets another one. Raises `Missing` (``identifiers.no_persistent_id``)."""
        mine = persistent_id.c.live_key == _live_key(principal, sp)
        with writing(self._engine) as connection:
            if connection.execute(select(persistent_id.c.id).where(mine).with_for_update()).one_or_none() is None:
                raise Missing("identifiers.no_persistent_id", expected="one that lives", found=f"none at {sp[:300]}")
            serial = self._record(connection, "nameid.revoked", principal, {"for": sp}, at=at, by=by)
            connection.execute(
                update(persistent_id).where(mine).values(live_key=None, deleted_serial=serial, valid_to=at)
            )

    def import_all(self, entries: Iterable[ImportedId], *, at: datetime, by: str) -> int:
        """Takes over what another IdP gave out, all or nothing, and returns how many there were. What is here already in the same words is
        left as it is. Raises `Refusal` (``identifiers.import``) with the number of the entry, from 1, that can't be taken."""
        taken = 0
        with writing(self._engine) as connection:
            for number, entry in enumerate(entries, start=1):
                taken += self._import(connection, number, entry, at=at, by=by)
        return taken

    def all(self, principal: str | None = None) -> list[PersistentId]:
        """All that were ever given out, or those of one person, in the order of their making."""
        wanted = select(persistent_id).order_by(persistent_id.c.id)
        if principal is not None:
            wanted = wanted.where(persistent_id.c.principal == principal)
        with reading(self._engine) as connection:
            return [_read(row) for row in connection.execute(wanted)]

    def _make(
        self, principal: str, sp: str, make_value: MakeValue, *, authority: int, origin: str, at: datetime
    ) -> PersistentId:
        with writing(self._engine) as connection:
            before = connection.execute(
                select(func.count())
                .select_from(persistent_id)
                .where(persistent_id.c.principal == principal, persistent_id.c.sp == sp)
            ).scalar_one()
            made = PersistentId(principal, sp, make_value(before), authority, origin, at, None)
            serial = self._record(connection, "nameid.issued", principal, {"for": sp, "origin": origin}, at=at)
            _insert(connection, made, serial)
        return made

    def _move(self, known: PersistentId, authority: int, at: datetime) -> None:
        """Another AA knows her now."""
        with writing(self._engine) as connection:
            facts = {"for": known.sp, "authority": authority}
            self._record(connection, "nameid.moved", known.principal, facts, at=at)
            mine = persistent_id.c.live_key == _live_key(known.principal, known.sp)
            connection.execute(update(persistent_id).where(mine).values(authority=authority))

    def _import(self, connection: Connection, number: int, entry: ImportedId, *, at: datetime, by: str) -> int:
        if not (0 < len(entry.value) <= MAXIMUM_VALUE and 0 < len(entry.sp) <= MAXIMUM_SP and entry.principal):
            raise _not_importable(number, f"a value of 1 to {MAXIMUM_VALUE} characters, for an SP", "none, or too long")
        same = select(persistent_id).where(persistent_id.c.value_key == _value_key(entry.sp, entry.value))
        row = connection.execute(same).one_or_none()
        if row is not None:
            if row.principal == entry.principal and (row.valid_to is not None) == entry.revoked:
                return 0
            raise _not_importable(number, "a value that was not given out yet", "one that was, to another or revoked")
        if not entry.revoked and _live(connection, entry.principal, entry.sp) is not None:
            raise _not_importable(number, "a person without an identifier at this SP", "one who has another one")
        facts = {"for": entry.sp, "revoked": entry.revoked}
        serial = self._record(connection, "nameid.imported", entry.principal, facts, at=at, by=by)
        revoked = at if entry.revoked else None
        _insert(
            connection,
            PersistentId(entry.principal, entry.sp, entry.value, 0, "imported", at, revoked),
            serial,
        )
        return 1

    def _record(
        self,
        connection: Connection,
        action: str,
        principal: str,
        facts: Mapping[str, object],
        *,
        at: datetime,
        by: str | None = None,
    ) -> int:
        return audit.record(
            connection,
            at=at,
            writer=self._writer,
            actor=by if by is not None else principal,
            action=action,
            subject=principal,
            facts=facts,
        )


def _live(connection: Connection, principal: str, sp: str) -> PersistentId | None:
    wanted = select(persistent_id).where(persistent_id.c.live_key == _live_key(principal, sp))
    row = connection.execute(wanted).one_or_none()
    return _read(row) if row is not None else None


def _insert(connection: Connection, made: PersistentId, serial: int) -> None:
    connection.execute(
        insert(persistent_id).values(
            principal=made.principal,
            sp=made.sp,
            value=made.value,
            authority=made.authority,
            origin=made.origin,
            live_key=_live_key(made.principal, made.sp) if made.revoked is None else None,
            value_key=_value_key(made.sp, made.value),
            created_serial=serial,
            deleted_serial=serial if made.revoked is not None else None,
            valid_from=made.issued,
            valid_to=made.revoked,
        )
    )


def _read(row: Row[tuple[object, ...]]) -> PersistentId:
    return PersistentId(row.principal, row.sp, row.value, row.authority, row.origin, row.valid_from, row.valid_to)


def _live_key(principal: str, sp: str) -> str:
    return _hash("live", principal, sp)


def _value_key(sp: str, value: str) -> str:
    return _hash("value", sp, value)


def _hash(*parts: str) -> str:
    message = b"".join(_LENGTH.pack(len(part)) + part for part in (text.encode() for text in parts))
    return hashlib.sha256(message).hexdigest()


def _not_importable(number: int, expected: str, found: str) -> Refusal:
    return Refusal("identifiers.import", expected=expected, found=found, number=number)
