"""Opens the database and its transactions, the same way for SQLite, PostgreSQL and MariaDB. Knows no table."""

import os
import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ostiary.config.private_files import read_password
from ostiary.config.settings import DatabaseSettings
from ostiary.errors import ConfigurationError
from ostiary.storage.answering import NO_ANSWER, answering, as_sqlalchemy_has_it, unavailable
from ostiary.storage.shelf import MOST_READY, READING, ReadyConnection, Shelf, restrict, tell

BUSY_TIMEOUT = 10_000
"""Milliseconds that a SQLite writer waits for another one."""

_PAGES_OF_LOG: Final = 4_000
"""How far SQLite's write-ahead log grows before its pages go into the database: 16 MB, four times SQLite's own choice. To write out what
changes again and again, and to wait for the disk, is a sixth of what a small transaction costs."""

# Of SQLAlchemy's pool, besides those that lie ready. More than a worker has threads: who waits, waits for SQLite's lock, in turn and not
# for long, never for a connection. Each is opened when it is needed.
_POOL_SIZE: Final = 5
_OVERFLOW: Final = 70


def open_database(settings: DatabaseSettings, *, ping: bool = True) -> Engine:
    """The engine for a configured database; the password comes from its file. Raises `ConfigurationError`."""
    url = _parse(settings.url)
    if settings.password_file is not None:
        url = url.set(password=read_password(settings.password_file))
    return open_engine(url, ping=ping)


def open_engine(url: str | URL, *, ping: bool = True) -> Engine:
    """An engine for a SQLAlchemy URL. Nothing is connected yet, except that a SQLite file is created with mode 0600.

    SQLite: write-ahead log, foreign keys enforced, synchronous NORMAL (a power cut may lose the last commits, never
    damage the file). Each transaction is a ``BEGIN IMMEDIATE``, which takes the write lock at once and waits for it:
    one that began by reading could not wait for it later (SQLITE_BUSY_SNAPSHOT). `reading` is for transactions that
    only read; under the write-ahead log they neither wait nor are waited for. An in-memory database (``sqlite://``) has
    one connection, which all threads share in turn: there, a transaction inside another one waits in vain.

    MariaDB runs at READ COMMITTED, which is what PostgreSQL does: a statement sees what others have committed.

    Parameters of statements, which may be session data, are kept out of errors and logs. With ``ping`` a connection of a server
    is tried before it is used again. Raises `ConfigurationError`.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed)
    options: dict[str, Any] = {}
    if parsed.get_backend_name() in ("mysql", "mariadb"):
        options["isolation_level"] = "READ COMMITTED"
    try:
        return create_engine(parsed, pool_pre_ping=ping, hide_parameters=True, **options)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError("storage.driver", file=parsed.drivername, expected="an installed driver") from error


def writing(engine: Engine) -> AbstractContextManager[Connection]:
    """One transaction that may write; committed at the end of the block, rolled back by an exception.

    Raises `Unavailable` when the database does not answer, or stays locked. Other errors of the database pass through.
    """
    shelf = engine.pool
    return _WritingToFile(engine, shelf) if isinstance(shelf, Shelf) else _writing(engine)


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with answering(), engine.begin() as connection:
        yield connection


class _WritingToFile:
    """`writing` to a SQLite file, by a connection that lies ready. The driver begins and commits; SQLAlchemy takes part where one of its
    statements is carried out. Each sign-on writes once."""

    __slots__ = ("_connection", "_engine", "_shelf")
    _connection: ReadyConnection

    def __init__(self, engine: Engine, shelf: Shelf) -> None:
        self._engine = engine
        self._shelf = shelf

    def __enter__(self) -> Connection:
        connection = self._connection = self._shelf.take(self._engine)
        self._tell("BEGIN IMMEDIATE")
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._connection
        if problem is not None:
            # Which rolls back.
            connection.close()
            if isinstance(problem, NO_ANSWER):
                raise unavailable(problem) from problem
        elif connection.get_transaction() is None:
            self._tell("COMMIT")
            self._shelf.put_back(connection)
        else:
            try:
                with answering():
                    connection.commit()
            except BaseException:
                connection.close()
                raise
            self._shelf.put_back(connection)

    def _tell(self, statement: str) -> None:
        try:
            self._connection.driver.execute(statement)
        except sqlite3.Error as error:
            self._connection.close()
            with answering():
                raise as_sqlalchemy_has_it(statement, error) from error


@contextmanager
def reading(engine: Engine, *, consistent: bool = False) -> Iterator[Connection]:
    """One transaction that only reads; a write inside is refused on SQLite and PostgreSQL.

    With ``consistent`` all its statements see the database at one moment (on SQLite they always do).
    Raises `Unavailable` when the database does not answer.
    """
    with answering(), engine.connect() as connection:
        options: dict[str, Any] = {READING: True, "postgresql_readonly": True}
        if consistent and engine.dialect.name != "sqlite":
            options["isolation_level"] = "REPEATABLE READ"
        yield connection.execution_options(**options)


def _parse(url: str | URL) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        # The text may hold a password.
        raise ConfigurationError("storage.url", file="", expected="a database URL") from error


def _open_sqlite(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if in_memory:
        engine = create_engine(
            url,
            hide_parameters=True,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
    else:
        _create_private(Path(url.database or ""))
        engine = create_engine(
            url,
            hide_parameters=True,
            poolclass=Shelf,
            pool_size=_POOL_SIZE,
            max_overflow=_OVERFLOW + MOST_READY,
            pool_use_lifo=True,
        )
        _forget_in_forked_processes(engine)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _create_private(path: Path) -> None:
    """A file that is there is not even opened: closing it would end the locks that this process holds on it by other connections
    (POSIX), and another process that closes the database would then throw away the write-ahead log under them."""
    try:
        # SQLite gives its -wal and -shm files the mode of the database.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
            raise _unusable(path, "no file that can be read and written") from None
    except OSError as error:
        raise _unusable(path, error.strerror) from error


def _unusable(path: Path, found: str | None) -> ConfigurationError:
    return ConfigurationError("storage.file", file=path, expected="a directory that takes the database", found=found)


def _set_up(connection: sqlite3.Connection, record: object) -> None:
    # The driver's own transaction handling would begin only at the first write.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES_OF_LOG}")
    _switch_to_wal(connection)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Changing the journal mode does not wait for other connections by itself; once changed, the mode stays with the
    # file.
    for _ in range(BUSY_TIMEOUT // 20):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            time.sleep(0.02)
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _begin(connection: Connection) -> None:
    if isinstance(connection, ReadyConnection) and connection.driver.in_transaction:
        return
    only_reads = bool(connection.get_execution_options().get(READING))
    restrict(connection, only_reads=only_reads)
    tell(connection, "BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _forget_in_forked_processes(engine: Engine) -> None:
    """A connection of the process that forked this one must not be used here."""
    kept = weakref.ref(engine)

    def forget() -> None:
        found = kept()
        if found is not None:
            found.dispose(close=False)

    os.register_at_fork(after_in_child=forget)
