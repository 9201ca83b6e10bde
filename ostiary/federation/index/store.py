"""The SQLite file of the index: what stands in it, how it is opened, read and changed. Believes whoever writes; `indexing` proves first.

WAL: who reads never waits for who writes. A reader sees the last commit, whole, or nothing of it. A file that is damaged, or of another
version of this software, is thrown away and begun anew: all that it holds can be indexed again from the local copies of the sources.
"""

import json
import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ostiary.errors import ConfigurationError, Unavailable
from ostiary.federation.index.records import Answer, SourceState, indexed_from, instant
from ostiary.federation.index.registry import HeldEntities, IndexedRegistry, IndexedSource
from ostiary.federation.read import LeaveOut
from ostiary.federation.registry import SourceReport

FORM: Final = 2
"""Counts up when tables or their content change: each form has a file of its own."""

_WAIT: Final = 30.0
_TABLES: Final = """
CREATE TABLE counter (version INTEGER NOT NULL);
CREATE TABLE source (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL, indexed_at INTEGER, indexed TEXT
);
CREATE TABLE entity (
  id INTEGER PRIMARY KEY, source INTEGER NOT NULL, entity_id TEXT NOT NULL, sha1 BLOB NOT NULL, digest BLOB NOT NULL,
  own_end INTEGER, valid_until INTEGER, idp INTEGER NOT NULL, sp INTEGER NOT NULL, summary TEXT NOT NULL,
  checked INTEGER NOT NULL
);
CREATE UNIQUE INDEX entity_by_id ON entity (entity_id, source);
CREATE INDEX entity_of_source ON entity (source, id);
CREATE INDEX entity_by_sha1 ON entity (sha1);
CREATE TABLE document (id INTEGER PRIMARY KEY, octets BLOB NOT NULL);
CREATE TABLE answer (
  source INTEGER NOT NULL, sha1 BLOB NOT NULL, found INTEGER NOT NULL, fresh_until INTEGER NOT NULL, note TEXT NOT NULL,
  PRIMARY KEY (source, sha1)
) WITHOUT ROWID;
"""
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class MetadataIndex:
    """The index of one directory. May be used by several threads, and by several processes, each of which opens it.

    What reads raises `Unavailable` (``metadata.index_unavailable``) when the file can't be read at the moment.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / f"index-{FORM}.sqlite3"
        self._held: HeldEntities | None = None
        self._lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._opened: tuple[int, int, int] | None = None

    @classmethod
    def open(cls, directory: Path) -> "MetadataIndex":
        """Opens the index in ``directory``, which is made (0700) where it is missing; begins it anew where that is needed.

        Nobody else may be able to write there: what stands in the index is believed. Raises `ConfigurationError`
        (``metadata.index_directory``) when the directory is not of that kind, or takes no file.
        """
        index = cls(directory)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_private(directory)
            for older in range(1, FORM):
                _remove(directory / f"index-{older}.sqlite3")
            index.version()
        except (OSError, Unavailable) as error:
            found = error.strerror if isinstance(error, OSError) else error.found
            raise ConfigurationError(
                "metadata.index_directory", file=directory, expected="a directory that takes files", found=found
            ) from error
        return index

    def version(self) -> int:
        """Changes with each commit that changed what entities say. Costs microseconds."""
        return int(self.rows("SELECT version FROM counter")[0][0])

    def source(self, name: str) -> SourceState | None:
        """How a source stands in the index; None when nothing of it is there, or single entities alone."""
        found = self.rows(
            "SELECT fingerprint, indexed_at, indexed FROM source WHERE name = ? AND indexed NOTNULL", name
        )
        if not found:
            return None
        fingerprint, at, indexed = found[0]
        return SourceState(name, fingerprint, instant(at) or _never(), indexed_from(json.loads(indexed)))

    def sources(self) -> tuple[str, ...]:
        """The names of all sources of which something is there."""
        return tuple(name for (name,) in self.rows("SELECT name FROM source ORDER BY id"))

    def answer(self, source: str, sha1: bytes) -> Answer | None:
        """What ``source`` last said of the entity whose entityID has this SHA-1, fresh or not."""
        found = self.rows(
            "SELECT found, fresh_until, note FROM answer JOIN source ON source.id = answer.source"
            " WHERE source.name = ? AND answer.sha1 = ?",
            *(source, sha1),
        )
        return Answer(bool(found[0][0]), instant(found[0][1]) or _never(), found[0][2]) if found else None

    def remove(self, source: str) -> None:
        """Takes a source and all its entities out. Raises as `writing`."""
        with self.writing() as connection:
            found = connection.execute("SELECT id FROM source WHERE name = ?", (source,)).fetchone()
            if found is not None:
                empty_source(connection, found[0])
                connection.execute("DELETE FROM source WHERE id = ?", found)
                count_up(connection)

    def rows(self, statement: str, *values: object) -> list[Any]:
        """The rows of one SELECT, in a transaction by itself."""
        with self._lock:
            for last in (False, True):
                try:
                    return self._connection().execute(statement, values).fetchall()
                except (sqlite3.Error, OSError) as error:
                    self._forget()
                    damaged = _is_damage(error)
                    if damaged:
                        _remove(self.path)
                    if last or not damaged:
                        raise Unavailable("metadata.index_unavailable", found=error) from error
        raise Unavailable("metadata.index_unavailable")

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection for one who reads for long: all that it sees is of one moment. Raises as `rows`."""
        self.version()
        try:
            connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise Unavailable("metadata.index_unavailable", found=error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed at the end of the block, unless it raises: then nothing has happened. One process writes at a
        time, others wait. Raises `Unavailable` (``metadata.index_unwritable``): disk full, read-only, or too long a wait."""
        self.version()
        try:
            connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, cached_statements=32)
            try:
                # Checkpoints are made by who commits, outside of the transaction.
                connection.executescript(
                    "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 0;"
                )
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.rollback()
                    raise
                finally:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise Unavailable("metadata.index_unwritable", found=error, file=self.path) from error

    def registry(
        self,
        sources: Sequence[IndexedSource],
        reports: tuple[SourceReport, ...] = (),
        leave_out: LeaveOut | None = None,
    ) -> IndexedRegistry:
        """All entities of these sources, the first source first. ``reports``: what `Registry.sources` says. ``leave_out`` is told once of
        each entity that is asked for and can't be read; that of the first call counts."""
        if self._held is None:
            self._held = HeldEntities(leave_out)
        return IndexedRegistry(self, sources, self._held, reports)

    def close(self) -> None:
        """Lets go of the file; what is asked afterwards opens it again."""
        with self._lock:
            self._forget()

    def _connection(self) -> sqlite3.Connection:
        """The connection of this process to the file that has the name now: a fork must not use its parent's, and another process may have
        begun the index anew."""
        try:
            status = os.stat(self.path)
            now: tuple[int, int, int] | None = (os.getpid(), status.st_dev, status.st_ino)
        except FileNotFoundError:
            now = None
        if self._reader is None or now is None or now != self._opened:
            self._forget()
            self._reader = self._opened_file()
            status = os.stat(self.path)
            self._opened = (os.getpid(), status.st_dev, status.st_ino)
        return self._reader

    def _forget(self) -> None:
        # A connection that was opened before a fork belongs to the parent; closing it here would take away its locks.
        if self._reader is not None and self._opened is not None and self._opened[0] == os.getpid():
            self._reader.close()
        self._reader, self._opened = None, None

    def _opened_file(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA cache_size = -4000")
            if _form(connection) not in (0, FORM):
                raise _OtherForm
            if _form(connection) == 0:
                _make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def empty_source(connection: sqlite3.Connection, source: int) -> None:
    """Takes out everything that a source said."""
    for statement in (
        "DELETE FROM document WHERE id IN (SELECT id FROM entity WHERE source = ?)",
        "DELETE FROM entity WHERE source = ?",
        "DELETE FROM answer WHERE source = ?",
    ):
        connection.execute(statement, (source,))


def source_row(connection: sqlite3.Connection, name: str) -> int | None:
    """The number of a source, None where it is new."""
    found = connection.execute("SELECT id FROM source WHERE name = ?", (name,)).fetchone()
    return int(found[0]) if found is not None else None


def count_up(connection: sqlite3.Connection) -> None:
    """Whoever changes what entities say does so last."""
    connection.execute("UPDATE counter SET version = version + 1")


def _form(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(connection: sqlite3.Connection) -> None:
    # Several documents on each page: half of the time, and less waste, than with pages of 4 kB.
    connection.execute("PRAGMA page_size = 65536")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been faster.
    if _form(connection) == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        # Nobody takes an index that was begun anew for the one before.
        connection.execute("INSERT INTO counter VALUES (?)", (secrets.randbits(48),))
        connection.execute(f"PRAGMA user_version = {FORM}")
    connection.execute("COMMIT")


class _OtherForm(sqlite3.DatabaseError):
    """The file was made by another version of this software."""


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) if isinstance(error, sqlite3.Error) else 0
    return isinstance(error, _OtherForm) or code & 0xFF in _DAMAGED


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _check_private(directory: Path) -> None:
    status = directory.stat()
    if status.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(status.st_mode) & 0o022:
        raise ConfigurationError(
            "metadata.index_directory",
            file=directory,
            expected=f"a directory of user {os.geteuid()} where nobody else may write",
            found=f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}",
        )


def _never() -> datetime:
    raise Unavailable("metadata.index_unavailable", found="a row without an instant")
