"""What the audit says about queries: each that was answered and each that was refused, and each used up once. Holds no attribute values."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import Connection, Engine

from ostiary import audit
from ostiary.errors import OstiaryError, Unavailable
from ostiary.storage.engine import writing
from ostiary.storage.sql import SqlReplayStore
from ostiary.storage.stores import ReplayStore
from ostiary.web.log import Log

RELEASED: Final = "attributes.released"
REFUSED: Final = "attributes.refused"

STRANGERS_WINDOW: Final = timedelta(minutes=1)
STRANGERS_ROWS: Final = 20
"""So many rows in a window speak of queries that nobody proved: anybody can send those, and the audit is kept for ever."""

_LONGEST: Final = 300

Write = Callable[[Connection], object]


class Once(Protocol):
    """Uses up a query, and writes what became of it."""

    def record(self, key: str, write: Write, *, expires: datetime, now: datetime) -> bool:
        """Whether ``key`` is used for the first time until ``expires``; then ``write`` was carried out, all or nothing. Raises
        `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class OnceInDatabase:
    """`Once` in one transaction, where used queries and the audit are in the same database."""

    replays: SqlReplayStore

    def record(self, key: str, write: Write, *, expires: datetime, now: datetime) -> bool:
        return self.replays.first_use_with(key, write, expires=expires, now=now)


@dataclass(frozen=True, slots=True)
class OnceElsewhere:
    """`Once` where used queries are remembered in another store: used up first, so nothing leaves twice."""

    replays: ReplayStore
    engine: Engine

    def record(self, key: str, write: Write, *, expires: datetime, now: datetime) -> bool:
        if not self.replays.first_use(key, expires=expires, now=now):
            return False
        with writing(self.engine) as connection:
            write(connection)
        return True


class QueryAudit:
    """Writes rows as ``writer``. Safe for use by several threads."""

    def __init__(self, engine: Engine, writer: str, log: Log) -> None:
        self._engine = engine
        self._writer = writer
        self._log = log
        self._lock = threading.Lock()
        self._window: datetime | None = None
        self._rows = 0
        self._left_out = 0

    def row(self, action: str, facts: Mapping[str, object], principal: str | None, now: datetime) -> Write:
        """What writes one row, in whose transaction it may be."""

        def write(connection: Connection) -> object:
            return audit.record(
                connection,
                at=now,
                writer=self._writer,
                actor="attribute_authority",
                action=action,
                subject=principal,
                facts=facts,
            )

        return write

    def stranger_refused(self, problem: OstiaryError, claimed: str | None, now: datetime) -> None:
        """A query that nobody proved, or one that was sent again, was refused with ``problem``; ``claimed`` is the entityID that stands in
        it. At most `STRANGERS_ROWS` in `STRANGERS_WINDOW` become rows; the next one says how many did not. Raises nothing: it is refused
        in any case."""
        with self._lock:
            if self._window is None or not timedelta(0) <= now - self._window < STRANGERS_WINDOW:
                self._window, self._rows = now, 0
            if self._rows >= STRANGERS_ROWS:
                self._left_out += 1
                return
            self._rows += 1
            left_out, self._left_out = self._left_out, 0
        facts: dict[str, object] = {"code": problem.code}
        if claimed:
            facts["claimed"] = claimed[:_LONGEST]
        if left_out:
            facts["not_recorded"] = left_out
        try:
            with writing(self._engine) as connection:
                self.row(REFUSED, facts, None, now)(connection)
        except Unavailable as unavailable:
            self._log.error("refusal_not_recorded", code=problem.code, problem=str(unavailable))
