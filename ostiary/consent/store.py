"""Keeps people's choices, each change with its audit row in the same transaction. Decides nothing; writes no value, only its digest."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as as_json
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import audit
from ostiary.config.derived import Derived
from ostiary.consent.choices import (
    SALT_LENGTH,
    Answer,
    AttributeChoice,
    ByChoice,
    Choice,
    Digests,
    Mode,
    ShownPurpose,
    answered,
    changed,
    refused_though_required,
)
from ostiary.consent.personal import (
    Personal,
    PrecedenceAt,
    Setting,
    beyond_bounds,
    personal_wish,
    read_rule,
    set_by_her,
)
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.tables import consent_choice, consent_rule
from ostiary.errors import Denied, Missing, Refusal, Unavailable
from ostiary.policy.release import Requester, Wish
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedSelect
from ostiary.storage.types import UtcDateTime

# What of the attributes' names fits into an audit row.
_AUDITED_NAMES: Final = 40
_AUDITED_LENGTH: Final = 50
_LANGUAGE: Final = 64
_ATTEMPTS: Final = 5
# Made once: one of them is asked in every sign-on.
_LATEST: Final = PreparedSelect(select(consent_choice).where(consent_choice.c.current_key == bindparam("key")))
# One row whatever there is, so that both tables are asked at once.
_ALONE: Final = select(literal(0).label("zero")).subquery("alone")
_RULE: Final = select(consent_rule.c.rule).where(consent_rule.c.current_key == bindparam("person")).scalar_subquery()
_PERSONAL: Final = PreparedSelect(
    select(consent_choice, _RULE.label("rule")).select_from(
        _ALONE.outerjoin(consent_choice, consent_choice.c.current_key == bindparam("key"))
    )
)

_Result = TypeVar("_Result")


class _Overtaken(Exception):
    """Another window of hers changed what this transaction had read."""


def choice_key(principal: str, entity_id: str) -> str:
    """What names the choice of one person about one resource: 64 hexadecimal digits."""
    return hashlib.sha256(f"[{as_json(principal)}, {as_json(entity_id)}]".encode("ascii")).hexdigest()


class Choices:
    """The choices in one database. ``writer`` is the chain of the audit that changes go to; ``precedence`` gives what people may do at all
    at a moment. ``by`` is who makes a change: the principal herself, or ``operator``. Every method raises `Unavailable` when the
    database does not answer."""

    def __init__(
        self, engine: Engine, *, writer: str, precedence: PrecedenceAt = lambda at: DEFAULT_PRECEDENCE
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._precedence = precedence

    def latest(self, principal: str, entity_id: str) -> Choice | None:
        """The last word of this person about this resource, which may be that she took it back; None when she was never asked."""
        row = _LATEST.one(self._engine, {"key": choice_key(principal, entity_id)})
        return _choice(row) if row is not None else None

    @property
    def place(self) -> object:
        """Names where the choices are kept: the same object for all that read the same ones."""
        return self._engine

    def latest_after(self, wish: Wish | None, principal: str, entity_id: str) -> tuple[Choice | None, Digests | None]:
        """As `latest`, and the digests under the key of that choice that were worked out before. Not looked up again where ``wish``, by
        which it was just decided what leaves for this resource, follows from the same choice."""
        if isinstance(wish, ByChoice) and wish.place is self.place:
            stored = wish.stored
            if (stored.principal, stored.entity_id) == (principal, entity_id):
                return stored, wish.digests
        return self.latest(principal, entity_id), None

    def personal(self, principal: str, entity_id: str) -> Personal:
        """All that this person has said which bears on this resource, by one look-up."""
        row = _PERSONAL.one(self._engine, {"key": choice_key(principal, entity_id), "person": principal})
        if row is None:
            return Personal()
        return Personal(_choice(row) if row.principal is not None else None, read_rule(row.rule or ""))

    def all_of(self, principal: str) -> tuple[Choice, ...]:
        """Her last word about each resource, the newest first."""
        wanted = select(consent_choice).where(
            consent_choice.c.principal == principal, consent_choice.c.current_key.is_not(None)
        )
        with reading(self._engine) as connection:
            found = [_choice(row) for row in connection.execute(wanted)]
        return tuple(sorted(found, key=lambda choice: (choice.given_at, choice.created_serial), reverse=True))

    def ever_by(self, principal: str) -> tuple[Choice, ...]:
        """Everything that she ever said, in the order in which she said it; what was replaced ended when the next began."""
        wanted = select(consent_choice).where(consent_choice.c.principal == principal).order_by(consent_choice.c.id)
        with reading(self._engine) as connection:
            return tuple(_choice(row) for row in connection.execute(wanted))

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

    def decide(self, setting: Setting, *, at: datetime, by: str) -> Choice:
        """Keeps what she sets on her page; it takes the place of what she said before. Raises `Denied` (``consent.beyond_bounds``) when it
        does what the organisation does not leave to people."""
        if (name := beyond_bounds(setting, self._precedence(at))) is not None:
            raise Denied("consent.beyond_bounds", expected="what people may do themselves", found=name[:300])

        def next_choice(previous: Choice | None) -> Choice:
            return set_by_her(previous, setting, salt=secrets.token_bytes(SALT_LENGTH), now=at)

        return self._replace(setting.principal, setting.requester.entity_id, next_choice, "consent.set", by)

    def revoke(self, principal: str, entity_id: str, *, at: datetime, by: str) -> None:
        """Takes her word back. Raises `Missing` (``consent.unknown``) when there is none, or it was taken back before."""
        self._writing_alone(lambda connection: self._end(connection, principal, entity_id, at, by))

    def stop(self, principal: str, entity_id: str, *, at: datetime, by: str) -> None:
        """The same for a resource about which she may have said nothing yet: from now on it counts as taken back. Raises `Denied`
        (``consent.beyond_bounds``) where people may keep nothing back."""
        if not self._precedence(at).may_withhold():
            raise Denied("consent.beyond_bounds", expected="people who may keep something back", found="none may")

        def end(connection: Connection) -> None:
            found = _latest(connection, principal, entity_id)
            if found is None:
                self._insert(connection, _taken_back(principal, entity_id, at), "consent.revoked", by)
            elif found.revoked_at is None:
                self._end(connection, principal, entity_id, at, by)

        self._writing_alone(end)

    def revoke_all(self, principal: str, *, at: datetime, by: str) -> int:
        """Takes back everything that she has said and not taken back yet, all or nothing; how many resources that were."""

        def end(connection: Connection) -> int:
            present = select(consent_choice.c.entity_id).where(
                consent_choice.c.principal == principal,
                consent_choice.c.current_key.is_not(None),
                consent_choice.c.valid_to.is_(None),
            )
            present_now = connection.execute(present.order_by(consent_choice.c.id)).scalars().all()
            for entity_id in present_now:
                self._end(connection, principal, entity_id, at, by)
            return len(present_now)

        return self._writing_alone(end)

    def forget(self, principal: str, entity_id: str, *, at: datetime, by: str) -> None:
        """As if she had never said anything about this resource: her general rule counts there again. What she said stays as the past.
        Raises `Missing` (``consent.unknown``) when she has said nothing."""

        def end(connection: Connection) -> None:
            found = _latest(connection, principal, entity_id)
            if found is None:
                raise _unknown()
            serial = self._record(connection, found, "consent.forgotten", at, by, {"for": entity_id})
            _supersede(connection, choice_key(principal, entity_id), at, serial)

        self._writing_alone(end)

    def _writing_alone(self, change: Callable[[Connection], _Result]) -> _Result:
        """In one transaction; anew when another window of hers was first: what follows from its answer is what counts."""
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    return change(connection)
            except (_Overtaken, IntegrityError):
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
        def replace(connection: Connection) -> Choice:
            return self._insert(connection, next_choice(_latest(connection, principal, entity_id)), action, by)

        return self._writing_alone(replace)

    def _insert(self, connection: Connection, new: Choice, action: str, by: str) -> Choice:
        key = choice_key(new.principal, new.entity_id)
        serial = self._record(connection, new, action, new.given_at, by, _facts(new))
        _supersede(connection, key, new.given_at, serial)
        ended = {"valid_to": new.revoked_at, "deleted_serial": serial} if new.revoked_at is not None else {}
        row = {**_row(new), **ended, "current_key": key, "created_serial": serial}
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
    """Implements `ostiary.ports.PersonalChoices` from the store, between the organisation's settings and what it leaves to people."""

    def __init__(
        self,
        choices: Choices,
        settings: ConsentSettings,
        precedence: PrecedenceAt = lambda at: DEFAULT_PRECEDENCE,
    ) -> None:
        self._choices = choices
        self._settings = settings
        self._precedence = precedence
        self._at = Derived(self._what_counts)

    def wish(self, principal: str, requester: Requester, at: datetime, *, before: Wish | None = None) -> Wish | None:
        """None where policies alone decide. ``before`` is given again where nothing from which it follows has changed. Raises `Unavailable`
        when the database does not answer."""
        counts, required = self._at(requester) if requester.known else self._what_counts(requester)
        if not counts:
            return None
        precedence = self._precedence(at)
        if not (required or precedence.people_may):
            return None
        personal, lifetime = self._choices.personal(principal, requester.entity_id), self._settings.lifetime
        choice = personal.choice
        in_force = choice is not None and choice.holds_at(at, lifetime)
        # Compared by identity first, all of it: the same row is the same choice.
        follows_from = (personal, requester, precedence, required, in_force)
        if isinstance(before, ByChoice) and before.follows_from == follows_from:
            return before
        wish = personal_wish(
            personal,
            requester,
            at,
            precedence=precedence,
            required=required,
            lifetime=lifetime,
            place=self._choices.place,
        )
        if isinstance(wish, ByChoice):
            wish.follows_from = follows_from
        return wish

    def _what_counts(self, requester: Requester) -> tuple[bool, bool]:
        """Whether anybody's own word counts there, and whether nothing may go without it."""
        entity_id, categories = requester.entity_id, requester.entity_categories
        counts = not requester.anonymous and not self._settings.spares(entity_id, categories)
        return counts, self._settings.binds(entity_id, categories)


def erase_choices(connection: Connection, principal: str, *, at: datetime, writer: str, by: str) -> None:
    """Forgets in the caller's transaction everything that a person has said; one audit row tells that there was something."""
    rows = 0
    for table in (consent_choice, consent_rule):
        rows += connection.execute(delete(table).where(table.c.principal == principal)).rowcount
    if rows:
        facts = {"rows": rows}
        audit.record(
            connection, at=at, writer=writer, actor=by, action="consent.erased", subject=principal, facts=facts
        )


def _supersede(connection: Connection, key: str, at: datetime, serial: int) -> None:
    """In one statement: between two of them another answer could become the latest, and lose its place without an end."""
    connection.execute(
        update(consent_choice)
        .where(consent_choice.c.current_key == key)
        .values(
            current_key=None,
            valid_to=func.coalesce(consent_choice.c.valid_to, literal(at, UtcDateTime)),
            deleted_serial=func.coalesce(consent_choice.c.deleted_serial, serial),
        )
    )


def _taken_back(principal: str, entity_id: str, at: datetime) -> Choice:
    """A word about nothing, which was taken back as it was said."""
    purpose, salt = ShownPurpose("", "", ""), secrets.token_bytes(SALT_LENGTH)
    return Choice(principal, entity_id, Mode.ASK_WHEN_CHANGED, (), purpose, salt, at, revoked_at=at)


def _latest(connection: Connection, principal: str, entity_id: str) -> Choice | None:
    row = _LATEST.one_in(connection, {"key": choice_key(principal, entity_id)})
    return _choice(row) if row is not None else None


# The steps of a sign-on, and the queries after it, read the same row.
@lru_cache(maxsize=256)
def _choice(row: Any) -> Choice:
    attributes = [
        AttributeChoice(name, allowed, frozenset(values), *_of_her_own(*rest))
        for name, allowed, values, *rest in json.loads(row.attributes)
    ]
    return Choice(
        principal=row.principal,
        entity_id=row.entity_id,
        mode=Mode(row.mode),
        attributes=tuple(attributes),
        purpose=ShownPurpose(row.text_language, row.url_language, row.purpose),
        salt=row.salt,
        given_at=row.valid_from,
        visit=row.visit,
        revoked_at=row.valid_to,
        created_serial=row.created_serial,
        revoked_serial=row.deleted_serial,
    )


def _row(choice: Choice) -> dict[str, object]:
    attributes = [
        [found.name, found.allowed, sorted(found.values), found.more, sorted(found.withheld_values)]
        for found in choice.attributes
    ]
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


def _of_her_own(more: bool = False, withheld_values: Sequence[str] = ()) -> tuple[bool, frozenset[str]]:
    """What rows of the first form did not have."""
    return more, frozenset(withheld_values)


def _facts(choice: Choice) -> dict[str, object]:
    more = [found.name for found in choice.attributes if found.allowed and found.more]
    in_part = [found.name for found in choice.attributes if found.allowed and found.withheld_values]
    return {
        "for": choice.entity_id,
        "mode": choice.mode.value,
        "allowed": _audited(choice.names(allowed=True)),
        "withheld": _audited(choice.names(allowed=False)),
        **({"more": _audited(more)} if more else {}),
        **({"in_part": _audited(in_part)} if in_part else {}),
    }


def _audited(names: Sequence[str]) -> list[str]:
    return [name[:_AUDITED_LENGTH] for name in names[:_AUDITED_NAMES]]


def _too_many_at_once() -> Unavailable:
    return Unavailable("storage.unavailable", expected="one answer at a time", found="others that came first")


def _unknown() -> Missing:
    return Missing("consent.unknown", expected="something that she agreed to", found="nothing, or it was taken back")
