"""Connections to a SQLite file that lie ready beside SQLAlchemy's pool, with SQLAlchemy's own object around each. Knows no statement.

To take one out of the pool, put that object around it, and begin a transaction by its events takes longer than what is mostly asked for.
Here the connection and its object stay together (docs/decisions/0019).
"""

import sqlite3
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, Engine, QueuePool

from ostiary.storage.answering import answering, as_sqlalchemy_has_it

MOST_READY: Final = 16
"""Connections of one process that lie ready; those beyond go back to the pool."""

READING: Final = "ostiary_reading"
"""Among the options of a SQLAlchemy connection, and what is known of a driver's: whether a write is refused."""


class ReadyConnection(Connection):
    """SQLAlchemy's connection over ``driver``, for one transaction after another. Each is begun on the driver; SQLAlchemy makes its own
    object for it when the first statement goes through SQLAlchemy, and what it then calls a beginning sends nothing."""

    driver: sqlite3.Connection

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        driver: Any = self.connection.driver_connection
        self.driver = driver
        restrict(self, only_reads=False)

    def in_transaction(self) -> bool:
        """Also where SQLAlchemy was not told."""
        return super().in_transaction() or self.driver.in_transaction


class Shelf(QueuePool):
    """A pool of SQLAlchemy with some of its connections ready, the latest one first: its pages are in its cache. Safe for threads: a list
    gives and takes whole entries."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ready: list[ReadyConnection] = []
        self._disposed = False

    def take(self, engine: Engine) -> ReadyConnection:
        """One for the caller alone, in no transaction, which may write. It goes to `put_back`; after an error it is closed instead, which
        rolls back and leaves the rest to the pool. Raises `Unavailable`."""
        try:
            return self._ready.pop()
        except IndexError:
            with answering():
                return ReadyConnection(engine)

    def put_back(self, connection: ReadyConnection) -> None:
        """When everything went well."""
        if connection.driver.in_transaction or len(self._ready) >= MOST_READY:
            connection.close()
            return
        self._ready.append(connection)
        if self._disposed:
            # By another thread, since this connection was taken.
            self.dispose()

    def dispose(self) -> None:
        """Closes what nobody uses; what is in use is closed when it is put back."""
        self._disposed = True
        with suppress(IndexError):
            while True:
                self._ready.pop().close()
        super().dispose()


def restrict(connection: Connection, *, only_reads: bool) -> None:
    """Whether a write is refused. The setting stays with the driver's connection, which serves one transaction after another."""
    if connection.info.get(READING) is not only_reads:
        connection.info.pop(READING, None)
        tell(connection, f"PRAGMA query_only={int(only_reads)}")
        connection.info[READING] = only_reads


def tell(connection: Connection, statement: str) -> None:
    """Straight to the driver. Its errors are those of SQLAlchemy all the same."""
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute(statement)
    except sqlite3.Error as error:
        raise as_sqlalchemy_has_it(statement, error) from error
