"""The factors of people: added, renamed, removed, used. Each change writes its audit row in the same transaction, without labels.

That a one-time code is good once, and that a passkey's counter only rises, is settled by one conditional update: of two nodes one wins.
"""

import base64
import hashlib
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Engine, Row, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.factors import totp
from idp.factors.ending import GONE
from idp.factors.keys import FactorKeys
from idp.factors.recovery import end_codes
from idp.factors.tables import MAXIMUM_LABEL, factor
from ostiary import audit
from ostiary.errors import Missing, Refusal
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedSelect

MAXIMUM_FACTORS: Final = 10

Kind = Literal["totp", "passkey"]

# Asked at nearly every sign-on, so it is put together once.
_IDS: Final = PreparedSelect(
    select(factor.c.id).where(factor.c.principal == bindparam("principal"), factor.c.valid_to.is_(None))
)
_UNWRITABLE: Final = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a person as she may see it. ``discoverable``: a passkey with which she may sign in without a user name; None where
    her browser did not say."""

    id: str
    principal: str
    kind: Kind
    label: str
    added: datetime
    last_used: datetime | None
    discoverable: bool | None = None


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that was just registered. ``public_key`` is COSE, ``transports`` as browsers name them."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...] = ()
    discoverable: bool | None = None


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """What an assertion is checked against."""

    factor: str
    principal: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]


class Factors:
    """The factors in one database.

    ``at`` is the instant of a change, ``by`` who makes it (a principal or ``operator``); both go into the audit, in the chain of
    ``writer``. ``keys`` None will do where no one-time code is added or checked. Every method raises `Unavailable` when the database
    does not answer.
    """

    def __init__(
        self,
        engine: Engine,
        keys: FactorKeys | None = None,
        *,
        writer: str = "idp",
        make_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._writer = writer
        self._make_id = make_id

    def of(self, principal: str) -> tuple[Factor, ...]:
        """Her factors, oldest first."""
        wanted = select(
            factor.c.id,
            factor.c.principal,
            factor.c.kind,
            factor.c.label,
            factor.c.valid_from,
            factor.c.last_used,
            factor.c.discoverable,
        ).where(*_present(principal))
        with reading(self._engine) as connection:
            rows = connection.execute(wanted.order_by(factor.c.created_serial)).all()
        return tuple(Factor(*row) for row in rows)

    def ids(self, principal: str) -> frozenset[str]:
        """The ids of her factors."""
        return frozenset(row[0] for row in _IDS.rows(self._engine, {"principal": principal}))

    def add_totp(
        self, principal: str, secret: bytes, label: str, *, step: int, at: datetime, by: str, only_first: bool = False
    ) -> str:
        """A confirmed authenticator app; ``step`` is that of the code that confirmed it, which is used up by that. Returns the id.

        ``only_first``: refused where she has a factor already. Raises `Refusal` (``factor.label``, ``factor.too_many``,
        ``factor.not_first``).
        """
        new = self._make_id()
        sealed = self._sealing_keys().seal(secret, _context(new, principal))
        values = {"kind": "totp", "sealed_secret": sealed, "last_step": step}
        return self._add(new, principal, label, values, at=at, by=by, only_first=only_first)

    def add_passkey(
        self, principal: str, passkey: NewPasskey, label: str, *, at: datetime, by: str, only_first: bool = False
    ) -> str:
        """As `add_totp`; also raises `Refusal` (``passkey.known``) for a credential that somebody has registered here."""
        values = {
            "kind": "passkey",
            "credential_key": _credential_key(passkey.credential_id),
            "credential_id": _to_text(passkey.credential_id),
            "public_key": passkey.public_key,
            "sign_count": passkey.sign_count,
            "transports": " ".join(passkey.transports),
            "discoverable": passkey.discoverable,
        }
        try:
            return self._add(self._make_id(), principal, label, values, at=at, by=by, only_first=only_first)
        except IntegrityError as error:
            raise Refusal("passkey.known", expected="a new passkey", found="one that is registered") from error

    def rename(self, principal: str, factor_id: str, label: str, *, at: datetime, by: str) -> None:
        """Another label for one of her factors. Raises `Missing` (``factor.unknown``), `Refusal` (``factor.label``)."""
        shown = checked_label(label)
        with writing(self._engine) as connection:
            _change(connection, principal, factor_id, label=shown)
            self._record(connection, "factor.renamed", principal, {"factor": factor_id}, at=at, by=by)

    def remove(self, principal: str, factor_id: str, *, at: datetime, by: str) -> None:
        """Takes one of her factors away, and with the last one the recovery codes. Raises `Missing` (``factor.unknown``)."""
        with writing(self._engine) as connection:
            kind = _kind_of(connection, principal, factor_id)
            left = len(connection.execute(select(factor.c.id).where(*_present(principal))).all()) - 1
            facts = {"factor": factor_id, "kind": kind, "left": left}
            serial = self._record(connection, "factor.removed", principal, facts, at=at, by=by)
            _change(connection, principal, factor_id, valid_to=at, deleted_serial=serial, **GONE)
            if not left:
                end_codes(connection, principal, at=at, serial=serial)

    def use_totp(self, principal: str, typed: str, *, now: datetime) -> Literal["right", "wrong", "replayed"]:
        """Checks a one-time code against each of her apps, and uses it up: of all processes that bring it, one is told that it is right.

        Raises `Unavailable` (``factor.sealed``) where a key is missing.
        """
        wanted = select(factor.c.id, factor.c.sealed_secret).where(*_present(principal), factor.c.kind == "totp")
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        found: Literal["wrong", "replayed"] = "wrong"
        for row in rows:
            secret = self._sealing_keys().open(row.sealed_secret, _context(row.id, principal))
            for step in totp.matching_steps(secret, typed, now):
                if self._take_step(principal, row.id, step, now):
                    return "right"
                found = "replayed"
        return found

    def passkey(self, credential_id: bytes) -> StoredPasskey | None:
        """The passkey with this credential id, whosever it is."""
        found = self._passkeys(factor.c.credential_key == _credential_key(credential_id))
        return found[0] if found else None

    def passkeys(self, principal: str) -> tuple[StoredPasskey, ...]:
        """All passkeys of a person."""
        return self._passkeys(factor.c.principal == principal)

    def use_passkey(self, passkey: StoredPasskey, sign_count: int, *, at: datetime) -> bool:
        """Notes a use. False where the counter did not rise, or the passkey is gone: nothing is noted then but an audit row, for a
        counter that falls behind is the sign of a copy (WebAuthn 6.1.1)."""
        # Many passkeys count nothing: their counter is 0 for ever.
        rises = factor.c.sign_count == 0 if sign_count == 0 else factor.c.sign_count < sign_count
        known = (factor.c.id == passkey.factor, *_present(passkey.principal))
        with writing(self._engine) as connection:
            noted = update(factor).where(*known, rises).values(sign_count=sign_count, last_used=at)
            if connection.execute(noted).rowcount == 1:
                return True
            facts = {"factor": passkey.factor, "known": passkey.sign_count, "found": sign_count}
            self._record(
                connection, "factor.counter_fell_behind", passkey.principal, facts, at=at, by=passkey.principal
            )
            return False

    def _passkeys(self, condition: ColumnElement[bool]) -> tuple[StoredPasskey, ...]:
        wanted = select(factor).where(condition, factor.c.kind == "passkey", factor.c.valid_to.is_(None))
        with reading(self._engine) as connection:
            return tuple(_stored(row) for row in connection.execute(wanted.order_by(factor.c.created_serial)))

    def _take_step(self, principal: str, factor_id: str, step: int, now: datetime) -> bool:
        unused = or_(factor.c.last_step.is_(None), factor.c.last_step < step)
        taken = update(factor).where(factor.c.id == factor_id, *_present(principal), unused)
        with writing(self._engine) as connection:
            return connection.execute(taken.values(last_step=step, last_used=now)).rowcount == 1

    def _add(
        self,
        factor_id: str,
        principal: str,
        label: str,
        values: Mapping[str, object],
        *,
        at: datetime,
        by: str,
        only_first: bool,
    ) -> str:
        shown = checked_label(label)
        with writing(self._engine) as connection:
            known = len(connection.execute(select(factor.c.id).where(*_present(principal)).with_for_update()).all())
            if only_first and known:
                raise Refusal("factor.not_first", expected="somebody without a second factor", found=f"{known} of them")
            if known >= MAXIMUM_FACTORS:
                raise Refusal("factor.too_many", expected=f"at most {MAXIMUM_FACTORS}", found=known + 1)
            facts = {"factor": factor_id, "kind": values["kind"]}
            serial = self._record(connection, "factor.added", principal, facts, at=at, by=by)
            connection.execute(
                insert(factor).values(
                    id=factor_id, principal=principal, label=shown, created_serial=serial, valid_from=at, **values
                )
            )
        return factor_id

    def _record(
        self,
        connection: Connection,
        action: str,
        subject: str,
        facts: Mapping[str, object],
        *,
        at: datetime,
        by: str,
    ) -> int:
        return audit.record(
            connection, at=at, writer=self._writer, actor=by, action=action, subject=subject, facts=facts
        )

    def _sealing_keys(self) -> FactorKeys:
        if self._keys is None:
            raise ValueError("one-time codes need keys")
        return self._keys


def checked_label(label: str) -> str:
    """The label as it is kept. Raises `Refusal` (``factor.label``) for one that is empty, too long or can't be seen."""
    shown = unicodedata.normalize("NFC", label).strip()
    if not 0 < len(shown) <= MAXIMUM_LABEL or any(unicodedata.category(letter) in _UNWRITABLE for letter in shown):
        raise Refusal("factor.label", expected=f"1 to {MAXIMUM_LABEL} visible characters", found=len(shown))
    return shown


def _present(principal: str) -> tuple[ColumnElement[bool], ...]:
    return (factor.c.principal == principal, factor.c.valid_to.is_(None))


def _kind_of(connection: Connection, principal: str, factor_id: str) -> str:
    """The kind of a factor that is hers, whose row is locked."""
    wanted = select(factor.c.kind).where(factor.c.id == factor_id, *_present(principal))
    found: str | None = connection.execute(wanted.with_for_update()).scalar_one_or_none()
    if found is None:
        raise Missing("factor.unknown", expected="a factor of this person", found="none with this id")
    return found


def _change(connection: Connection, principal: str, factor_id: str, **values: object) -> None:
    _kind_of(connection, principal, factor_id)
    connection.execute(update(factor).where(factor.c.id == factor_id).values(**values))


def _stored(row: Row[*tuple[Any, ...]]) -> StoredPasskey:
    return StoredPasskey(
        factor=row.id,
        principal=row.principal,
        credential_id=base64.urlsafe_b64decode(row.credential_id),
        public_key=row.public_key,
        sign_count=row.sign_count,
        transports=tuple(row.transports.split()),
    )


def _context(factor_id: str, principal: str) -> str:
    return f"totp {factor_id} {principal}"


def _credential_key(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()


def _to_text(credential_id: bytes) -> str:
    return base64.urlsafe_b64encode(credential_id).decode("ascii")
