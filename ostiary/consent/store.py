"""Keeps people's choices, each change with its audit row in the same transaction. Decides nothing; writes no value, only its digest."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import audit
from ostiary.consent.choices import (
    SALT_LENGTH,
    Answer,
    AttributeChoice,
    Choice,
    Mode,
    ShownPurpose,
    answered,
    changed,
    refused_though_required,
    wish_of,
)
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.tables import consent_choice
from ostiary.errors import Missing, Refusal, Unavailable
from ostiary.policy.release import Requester, Wish
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedSelect
from ostiary.storage.types import UtcDateTime

# What of the attributes' names fits into an audit row.
_AUDITED_NAMES: Final = 40
_AUDITED_LENGTH: Final = 50
_LANGUAGE: Final = 64
_ATTEMPTS: Final = 5
# Made once: it is asked twice in every sign-on.
_LATEST: Final = PreparedSelect(select(consent_choice).where(consent_choice.c.current_key == bindparam("key")))


class _Overtaken(Exception):
    """Another window of hers changed what this transaction had read."""


def choice_key(principal: str, entity_id: str) -> str:
    """What names the choice of one person about one resource: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps([principal, entity_id]).encode()).hexdigest()


class Choices:
    """The choices in one database. ``writer`` is the chain of the audit that changes go to. ``by`` is who makes a change: the principal
    herself, or ``operator``. Every method raises `Unavailable` when the database does not answer."""

    def __init__(self, engine: Engine, *, writer: str) -> None:
        self._engine = engine
        self._writer = writer

    def latest(self, principal: str, entity_id: str) -> Choice | None:
        """The last word of this person about this resource, which may be that she took it back; None when she was never asked."""
        row = _LATEST.one(self._engine, {"key": choice_key(principal, entity_id)})
        return _choice(row) if row is not None else None

    def all_of(self, principal: str) -> tuple[Choice, ...]:
        """Her last word about each resource, the newest first."""
        wanted = select(consent_choice).where(
            consent_choice.c.principal == principal, consent_choice.c.current_key.is_not(None)
        )
        with reading(self._engine) as connection:
            found = [_choice(row) for row in connection.execute(wanted)]
        return tuple(sorted(found, key=lambda choice: (choice.given_at, choice.created_serial), reverse=True))

    def give(self, answer: Answer, *, at: datetime, by: str) -> Choice:
        """Keeps what she answered; it takes the place of what she said before. Raises `Refusal` (``consent.required``) when she
        withholds what is required: with that answer she can't go on, so it is none."""
        if missing := refused_though_required(answer):
            raise Refusal("consent.required", expected="every required attribute", found=", ".join(missing)[:300])

        def next_choice(previous: Choice | None) -> Choice:
            return answered(previous, answer, salt=secrets.token_bytes(SALT_LENGTH), now=at)

        return self._replace(answer.principal, answer.entity_id, next_choice, "consent.given", by)

    def change(
        self, principal: str, entity_id: str, *, mode: Mode, allowed: frozenset[str], at: datetime, by: str
    ) -> Choice:
        """Keeps another decision about the attributes that she was asked about. Raises `Missing` (``consent.unknown``) when she has
        agreed to nothing, or has taken it back."""

        def next_choice(previous: Choice | None) -> Choice:
            if previous is None or previous.revoked_at is not None:
                raise _unknown()
            return changed(previous, mode=mode, allowed=allowed, now=at)

        return self._replace(principal, entity_id, next_choice, "consent.changed", by)

    def revoke(self, principal: str, entity_id: str, *, at: datetime, by: str) -> None:
        """Takes her word back. Raises `Missing` (``consent.unknown``) when there is none, or it was taken back before."""
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    self._end(connection, principal, entity_id, at, by)
                return
            except _Overtaken:
                continue
        raise _too_many_at_once()

    def _end(self, connection: Connection, principal: str, entity_id: str, at: datetime, by: str) -> None:
        found = _latest(connection, principal, entity_id)
        if found is None or found.revoked_at is not None:
            raise _unknown()
        serial = self._record(connection, found, "consent.revoked", at, by, {"for": entity_id})
        # The row stays the latest word: that she was asked and took it back is told when she is asked again.
        ended = connection.execute(
            update(consent_choice)
            .where(
                consent_choice.c.current_key == choice_key(principal, entity_id),
                consent_choice.c.created_serial == found.created_serial,
                consent_choice.c.valid_to.is_(None),
            )
            .values(valid_to=at, deleted_serial=serial)
        )
        if ended.rowcount != 1:
            raise _Overtaken

    def _replace(
        self, principal: str, entity_id: str, next_choice: Callable[[Choice | None], Choice], action: str, by: str
    ) -> Choice:
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    new = next_choice(_latest(connection, principal, entity_id))
                    return self._insert(connection, new, action, by)
            except IntegrityError:
                # Another window of hers was first: what follows from its answer is what counts.
                continue
        raise _too_many_at_once()

    def _insert(self, connection: Connection, new: Choice, action: str, by: str) -> Choice:
        key = choice_key(new.principal, new.entity_id)
        serial = self._record(connection, new, action, new.given_at, by, _facts(new))
        # In one statement: between two of them another answer could become the latest, and lose its place without an end.
        connection.execute(
            update(consent_choice)
            .where(consent_choice.c.current_key == key)
            .values(
                current_key=None,
                valid_to=func.coalesce(consent_choice.c.valid_to, literal(new.given_at, UtcDateTime)),
                deleted_serial=func.coalesce(consent_choice.c.deleted_serial, serial),
            )
        )
        row = {**_row(new), "current_key": key, "created_serial": serial}
        connection.execute(insert(consent_choice).values(row))
        written = _latest(connection, new.principal, new.entity_id)
        if written is None:
            raise RuntimeError("a choice that was written is not there")
        return written

    def _record(
        self, connection: Connection, about: Choice, action: str, at: datetime, by: str, facts: Mapping[str, object]
    ) -> int:
        return audit.record(
            connection, at=at, writer=self._writer, actor=by, action=action, subject=about.principal, facts=facts
        )


class EnforcedChoices:
    """Implements `ostiary.ports.PersonalChoices` from the store, where the organisation's settings say that consent is required."""

    def __init__(self, choices: Choices, settings: ConsentSettings) -> None:
        self._choices = choices
        self._settings = settings

    def wish(self, principal: str, requester: Requester, at: datetime) -> Wish | None:
        """None where policies alone decide. Raises `Unavailable` when the database does not answer."""
        if not self._settings.binds(requester.entity_id, requester.entity_categories):
            return None
        return wish_of(self._choices.latest(principal, requester.entity_id), at, lifetime=self._settings.lifetime)


def _latest(connection: Connection, principal: str, entity_id: str) -> Choice | None:
    row = _LATEST.one_in(connection, {"key": choice_key(principal, entity_id)})
    return _choice(row) if row is not None else None


# A sign-on reads the same row twice, for the page and for what may leave.
@lru_cache(maxsize=256)
def _choice(row: Any) -> Choice:
    return Choice(
        principal=row.principal,
        entity_id=row.entity_id,
        mode=Mode(row.mode),
        attributes=tuple(
            AttributeChoice(name, allowed, frozenset(values)) for name, allowed, values in json.loads(row.attributes)
        ),
        purpose=ShownPurpose(row.text_language, row.url_language, row.purpose),
        salt=row.salt,
        given_at=row.valid_from,
        visit=row.visit,
        revoked_at=row.valid_to,
        created_serial=row.created_serial,
        revoked_serial=row.deleted_serial,
    )


def _row(choice: Choice) -> dict[str, object]:
    attributes = [[found.name, found.allowed, sorted(found.values)] for found in choice.attributes]
    return {
        "principal": choice.principal,
        "entity_id": choice.entity_id,
        "mode": choice.mode.value,
        "attributes": json.dumps(attributes, separators=(",", ":")),
        # A longer tag is none that anybody reads; its purpose then counts as changed.
        "text_language": choice.purpose.text_language[:_LANGUAGE],
        "url_language": choice.purpose.url_language[:_LANGUAGE],
        "purpose": choice.purpose.digest,
        "salt": choice.salt,
        "visit": choice.visit,
        "valid_from": choice.given_at,
    }


def _facts(choice: Choice) -> dict[str, object]:
    return {
        "for": choice.entity_id,
        "mode": choice.mode.value,
        "allowed": [name[:_AUDITED_LENGTH] for name in choice.names(allowed=True)[:_AUDITED_NAMES]],
        "withheld": [name[:_AUDITED_LENGTH] for name in choice.names(allowed=False)[:_AUDITED_NAMES]],
    }


def _too_many_at_once() -> Unavailable:
    return Unavailable("storage.unavailable", expected="one answer at a time", found="others that came first")


def _unknown() -> Missing:
    return Missing("consent.unknown", expected="something that she agreed to", found="nothing, or it was taken back")
