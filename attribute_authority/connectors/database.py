"""Opens a database that people's attributes are read from: connections that only read, statements that end in time. Changes nothing there.

SQLite, PostgreSQL, MariaDB and MySQL do both by themselves. Of any other kind that SQLAlchemy knows, only the wait is limited (see
`attribute_authority.connectors.time_limit`), and what keeps it from writing are the rights of its account.
"""

import contextlib
import os
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import AfterValidator, ValidationInfo
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from ostiary.config import DatabaseSettings, WrongSetting
from ostiary.config.values import check_database_url
from ostiary.errors import ConfigurationError
from ostiary.storage.engine import open_database

BY_THEMSELVES: Final = frozenset({"sqlite", "postgresql", "mariadb", "mysql"})
"""The kinds of database that are told to only read, and to end a statement in time."""

_SECRET: Final = re.compile(r"passw|pwd", re.IGNORECASE)
# Drivers that limit a read of their own.
_READ_TIMEOUT: Final = frozenset({"pymysql", "mysqldb"})
# Those over PostgreSQL's own client library.
_OF_POSTGRESQL: Final = frozenset({"psycopg", "psycopg2"})


def _source_url(value: str, info: ValidationInfo) -> str:
    if value.partition("://")[0].partition("+")[0] in BY_THEMSELVES:
        return check_database_url(value, info)
    try:
        url = make_url(value)
    except ArgumentError:
        raise WrongSetting(
            "config.database_url", expected="an SQLAlchemy URL: DIALECT+DRIVER://...", found="none"
        ) from None
    in_query = any(_SECRET.search(f"{key}={part}") for key, part in url.query.items())
    if url.password is not None or in_query:
        raise WrongSetting("config.database_password", expected="a URL without password", found="a URL with password")
    return value


class SourceDatabaseSettings(DatabaseSettings):
    """Which database to read from: any SQLAlchemy URL, without password, for which the driver is installed."""

    url: Annotated[str, AfterValidator(_source_url)]

    @property
    def kind(self) -> str:
        """The dialect, for instance ``postgresql``."""
        return make_url(self.url).get_backend_name()


def open_source(settings: DatabaseSettings, *, time_limit: timedelta) -> Engine:
    """An engine that only reads, and that gives up a statement after ``time_limit``: SQLite by its progress handler,
    PostgreSQL, MariaDB and MySQL by their own settings; connecting is limited too. Of others see the module.

    A SQLite file is opened as it is and never created. Raises `ConfigurationError` (``storage.*``,
    ``aa.database_missing``).
    """
    url = make_url(settings.url)
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _open_sqlite(Path(url.database or ""), time_limit)
    # Trying a connection first would be a wait that nobody could break off: `SqlConnector` asks again on a new one.
    engine = open_database(with_limits(settings, time_limit), ping=False)
    seconds = time_limit.total_seconds()
    if kind == "postgresql":
        event.listen(engine, "connect", _set_up_postgresql(seconds))
    elif kind in BY_THEMSELVES:
        event.listen(engine, "connect", _set_up_mysql(seconds))
    return engine


def with_limits(settings: DatabaseSettings, time_limit: timedelta) -> DatabaseSettings:
    """The same database, reached for no longer than about ``time_limit``, and left when its machine has gone silent: nothing waits for it
    for ever, though perhaps for longer than this."""
    url, seconds = make_url(settings.url), max(1, round(time_limit.total_seconds()))
    if url.get_backend_name() not in BY_THEMSELVES - {"sqlite"}:
        return settings
    # The client library of PostgreSQL takes 1 for 2.
    limits = {"connect_timeout": str(max(2, seconds))}
    driver = url.get_driver_name()
    if driver in _READ_TIMEOUT:
        limits |= {"read_timeout": str(seconds + 1), "write_timeout": str(seconds + 1)}
    if driver in _OF_POSTGRESQL:
        limits |= {"keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3"}
    limited = url.update_query_dict({name: value for name, value in limits.items() if name not in url.query})
    return settings.model_copy(update={"url": limited.render_as_string(hide_password=False)})


@contextlib.contextmanager
def breakable(connection: Connection) -> Iterator[Callable[[], None] | None]:
    """What ends a statement that hangs on this connection, from another thread; None where the driver does not tell its socket."""
    fileno = getattr(connection.connection.driver_connection, "fileno", None)
    try:
        # A double: its number can't become another connection's while somebody may still use it.
        double = socket.socket(fileno=os.dup(fileno())) if fileno is not None else None
    except (OSError, ValueError, TypeError):
        double = None
    if double is None:
        yield None
        return

    def cut() -> None:
        with contextlib.suppress(OSError):
            double.shutdown(socket.SHUT_RDWR)

    with double:
        yield cut


def _set_up_postgresql(seconds: float) -> Callable[[Any, object], None]:
    def set_up(connection: Any, record: object) -> None:
        _tell(
            connection,
            f"SET statement_timeout = {max(1, round(seconds * 1000))}",
            "SET default_transaction_read_only = on",
        )

    return set_up


def _set_up_mysql(seconds: float) -> Callable[[Any, object], None]:
    def set_up(connection: Any, record: object) -> None:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute("SELECT VERSION()")
            (version,) = cursor.fetchone()
        if "mariadb" in str(version).lower():
            limit = f"SET SESSION max_statement_time = {max(0.001, seconds)}"
        else:
            limit = f"SET SESSION max_execution_time = {max(1, round(seconds * 1000))}"
        _tell(connection, limit, "SET SESSION TRANSACTION READ ONLY")

    return set_up


def _tell(connection: Any, *statements: str) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.commit()


def _open_sqlite(path: Path, time_limit: timedelta) -> Engine:
    if not path.is_file():
        raise ConfigurationError("aa.database_missing", file=path, expected="an existing SQLite database")
    seconds = time_limit.total_seconds()
    engine = create_engine(
        f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true", hide_parameters=True, connect_args={"timeout": seconds}
    )

    def limit(connection: Connection, *_: object) -> None:
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection):
            # Not the time of day: how long this statement has been running.
            deadline = time.monotonic() + seconds
            raw.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)

    event.listen(engine, "before_cursor_execute", limit)
    return engine
