"""Clears away rows that are past their end. Only for room: what is over counts as gone anyway."""

import threading
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Engine, bindparam, delete, select

from ostiary.errors import Unavailable
from ostiary.storage.engine import reading, writing

SWEEPING_EVERY: Final = timedelta(minutes=10)
"""How often a node looks, and how long a row stays after its end: the clocks of two nodes differ."""
SWEEPING_ROWS: Final = 250
"""How many rows one turn clears away at most. While there are more, the next write goes on."""


class Sweeper:
    """Of the table with this key, whose rows are over at the time in ``ends``.

    ``one_by_one``: each in a transaction of its own, because it takes rows of other tables along.
    """

    def __init__(self, engine: Engine, key: "Column[Any]", ends: "Column[Any]", *, one_by_one: bool = False) -> None:
        self._engine = engine
        self._one_by_one = one_by_one
        self._key = key
        self._ends = ends
        self._lock = threading.Lock()
        self._last: datetime | None = None

    def sweep(self, now: datetime) -> None:
        """Does its share when it is time and no other thread is at it. Raises nothing when the database does not answer."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            # A clock that was set back must not stop it.
            if self._last is not None and abs(now - self._last) < SWEEPING_EVERY:
                return
            self._last = now
            if self._clear(now - SWEEPING_EVERY) == SWEEPING_ROWS:
                self._last = None
        except Unavailable:
            # Whoever wrote has succeeded already; the next turn tries again.
            return
        finally:
            self._lock.release()

    def _clear(self, before: datetime) -> int:
        over = select(self._key).where(self._ends <= before).order_by(self._ends).limit(SWEEPING_ROWS)
        with reading(self._engine) as connection:
            # In the same order everywhere, so that two nodes never wait for each other in a circle.
            found = sorted(connection.execute(over).scalars())
        rows = [{"known": key, "before": before} for key in found]
        # A row may have been put anew since. One statement a row: by its key alone, so that only this row is locked.
        gone = delete(self._key.table).where(self._key == bindparam("known"), self._ends <= bindparam("before"))
        turns = [[row] for row in rows] if self._one_by_one else [rows]
        for together in filter(None, turns):
            with writing(self._engine) as connection:
                connection.execute(gone, together)
        return len(found)
