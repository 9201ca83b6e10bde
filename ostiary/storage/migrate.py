"""Brings a database to the present state of its tables.

Each room has an alembic branch of its own; the roof says where they stand.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from ostiary.errors import ConfigurationError, Unavailable
from ostiary.storage.answering import answering
from ostiary.storage.engine import BUSY_TIMEOUT, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
"""The branch of the stores themselves; every database that holds one needs it."""

_ENVIRONMENT = Path(__file__).parent / "environment"
# Any numbers and names would do, as long as every node uses the same.
_LOCK_NUMBER = 0x6F737469617279
_LOCK_NAME = "ostiary.migrate"
_PATIENCE = 120


def upgrade(engine: Engine, locations: Sequence[Path]) -> None:
    """Apply what is missing of every branch in ``locations`` (directories of alembic version files).

    Does nothing when nothing is missing. Of several processes that start at once, one works and the others wait for it,
    at most two minutes. On SQLite and PostgreSQL all of it is one transaction; on MariaDB, which commits after each
    change of a table, a migration that fails half-way needs a person. ``locations`` names every room whose tables are
    in this database.

    Raises `ConfigurationError` when a location is missing or the database holds a revision that no location knows (it
    was written by a newer release), `Unavailable` when the database does not answer.
    """
    config = _config(locations)
    with _alone(engine) as connection:
        config.attributes["connection"] = connection
        with _known_revisions(engine):
            command.upgrade(config, "heads")
        _check_foreign_keys(connection)


def heads(engine: Engine) -> tuple[str, ...]:
    """The newest revision of each branch in the database, in order. Raises `Unavailable`."""
    with reading(engine) as connection:
        return tuple(sorted(MigrationContext.configure(connection).get_current_heads()))


def pending(engine: Engine, locations: Sequence[Path]) -> list[str]:
    """The revisions that `upgrade` would apply, in that order; empty when the database is up to date.

    Raises as `upgrade` does.
    """
    script = ScriptDirectory.from_config(_config(locations))
    with reading(engine) as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    with _known_revisions(engine):
        applied = {revision.revision for revision in script.iterate_revisions(heads, "base")} if heads else set()
        everything = [revision.revision for revision in script.walk_revisions("base", "heads")]
    return [revision for revision in reversed(everything) if revision not in applied]


def _config(locations: Sequence[Path]) -> Config:
    for location in locations:
        if not location.is_dir():
            raise ConfigurationError("storage.migrations_missing", file=location, expected="a directory of migrations")
    config = Config()
    config.set_main_option("script_location", _literal(str(_ENVIRONMENT)))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", _literal(os.pathsep.join(str(location) for location in locations)))
    return config


def _name(engine: Engine) -> str:
    return engine.url.database or engine.url.drivername


def _literal(text_: str) -> str:
    return text_.replace("%", "%%")


@contextmanager
def _known_revisions(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (CommandError, ResolutionError) as error:
        raise ConfigurationError(
            "storage.unknown_revision",
            file=_name(engine),
            expected="revisions that this release knows",
            found=error,
        ) from error


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A writing transaction that no other process's migration overlaps."""
    match engine.dialect.name:
        case "sqlite":
            with _sqlite_alone(engine) as connection:
                yield connection
        case "postgresql":
            with writing(engine) as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}s'"))
                # Released by the end of the transaction.
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
                yield connection
        case _:
            with _mariadb_alone(engine) as connection:
                yield connection


@contextmanager
def _mariadb_alone(engine: Engine) -> Iterator[Connection]:
    # The lock belongs to the connection, and must outlast the commit: who gets it next reads what was committed.
    with answering(), engine.connect() as connection:
        with connection.begin():
            lock = text("SELECT GET_LOCK(:name, :patience)")
            if connection.execute(lock, {"name": _LOCK_NAME, "patience": _PATIENCE}).scalar() != 1:
                raise Unavailable("storage.migration_runs", expected="another process to end its migration")
        try:
            with connection.begin():
                yield connection
        finally:
            with connection.begin():
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})


@contextmanager
def _sqlite_alone(engine: Engine) -> Iterator[Connection]:
    # BEGIN IMMEDIATE is the lock. Both pragmas count only outside a transaction. Foreign keys rest, because altering a
    # table on SQLite means to copy and drop it.
    with answering(), engine.connect() as connection:
        driver = connection.connection.driver_connection
        if driver is None:
            raise Unavailable("storage.unavailable", expected="a connection")
        driver.execute(f"PRAGMA busy_timeout={_PATIENCE * 1000}")
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
            driver.execute("PRAGMA foreign_keys=ON")


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise ConfigurationError(
            "storage.foreign_keys",
            file=_name(connection.engine),
            expected="rows that refer to existing rows",
            found=f"table {broken[0]}",
        )
