"""Recovery codes: ten, each good once, for who lost her other factors. Kept as hashes; they hold 80 random bits, so a plain hash does."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from idp.factors.tables import recovery_code
from ostiary import audit
from ostiary.storage.engine import reading, writing

NUMBER: Final = 10
_RANDOM_BYTES: Final = 10
_GROUP: Final = 4
_NOT_CODE: Final = re.compile(r"[^A-Z2-7]")


@dataclass(frozen=True, slots=True)
class RecoveryState:
    """How many codes are ``left`` of those that somebody ``made`` and when; ``last_used`` of those in force."""

    left: int
    made: datetime | None
    last_used: datetime | None


def new_codes(random: Callable[[int], bytes] = secrets.token_bytes) -> tuple[str, ...]:
    """Ten codes of 80 random bits: base32 in groups of four."""
    return tuple(_grouped(base64.b32encode(random(_RANDOM_BYTES)).decode("ascii")) for _ in range(NUMBER))


def code_hash(typed: str) -> str:
    """What is kept of a code: SHA-256 in hexadecimal digits, whatever case, spaces and hyphens it was written with. 0 and 1, which no
    code has, count as O and I."""
    spelled = typed.upper().replace("0", "O").replace("1", "I")
    return hashlib.sha256(_NOT_CODE.sub("", spelled).encode()).hexdigest()


class RecoveryCodes:
    """The recovery codes in one database; changes are audited in the chain of ``writer``."""

    def __init__(self, engine: Engine, *, writer: str = "idp") -> None:
        self._engine = engine
        self._writer = writer

    def state(self, principal: str) -> RecoveryState:
        """What this person has left."""
        wanted = select(recovery_code.c.used_at, recovery_code.c.valid_from).where(*_present(principal))
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        used = [row.used_at for row in rows if row.used_at is not None]
        return RecoveryState(
            left=len(rows) - len(used),
            made=max((row.valid_from for row in rows), default=None),
            last_used=max(used, default=None),
        )

    def replace(self, principal: str, codes: tuple[str, ...], *, at: datetime, by: str) -> None:
        """These codes take the place of all earlier ones."""
        with writing(self._engine) as connection:
            serial = audit.record(
                connection,
                at=at,
                writer=self._writer,
                actor=by,
                action="factor.recovery_codes_made",
                subject=principal,
                facts={"codes": len(codes)},
            )
            end_codes(connection, principal, at=at, serial=serial)
            rows = [
                {
                    "principal": principal,
                    "code_hash": code_hash(code),
                    "created_serial": serial,
                    "valid_from": at,
                }
                for code in codes
            ]
            connection.execute(insert(recovery_code), rows)

    def use(self, principal: str, typed: str, *, at: datetime) -> int | None:
        """Uses a code up, once among all nodes; returns how many are left, None where it is none of hers or was used."""
        theirs = (
            *_present(principal),
            recovery_code.c.code_hash == code_hash(typed),
            recovery_code.c.used_at.is_(None),
        )
        with writing(self._engine) as connection:
            if connection.execute(update(recovery_code).where(*theirs).values(used_at=at)).rowcount != 1:
                return None
            unused = select(recovery_code.c.id).where(*_present(principal), recovery_code.c.used_at.is_(None))
            left = len(connection.execute(unused).all())
            serial = audit.record(
                connection,
                at=at,
                writer=self._writer,
                actor=principal,
                action="factor.recovery_code_used",
                subject=principal,
                facts={"left": left},
            )
            mine = (recovery_code.c.principal == principal, recovery_code.c.code_hash == code_hash(typed))
            connection.execute(
                update(recovery_code).where(*mine, recovery_code.c.used_at == at).values(used_serial=serial)
            )
            return left


def end_codes(connection: Connection, principal: str, *, at: datetime, serial: int) -> None:
    """All codes of this person are void from now on, in the caller's transaction."""
    connection.execute(update(recovery_code).where(*_present(principal)).values(valid_to=at, deleted_serial=serial))


def _present(principal: str) -> tuple[ColumnElement[bool], ...]:
    return (recovery_code.c.principal == principal, recovery_code.c.valid_to.is_(None))


def _grouped(text: str) -> str:
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
