"""The databases on which tests of what is stored run: SQLite always, and those of real servers that OSTIARY_TEST_DATABASES names.

The variable holds SQLAlchemy URLs, separated by spaces, of databases that belong to the tests: they are emptied. Run such tests without
xdist. ``make e2e`` starts servers and sets it, and OSTIARY_TEST_VALKEY, which holds the URL of a Valkey or Redis server to be emptied.
"""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

VARIABLE = "OSTIARY_TEST_DATABASES"
VALKEY = "OSTIARY_TEST_VALKEY"
# What keeps foreign keys from being enforced, and what brings them back.
_RESTING = {
    "sqlite": ("PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON"),
    "postgresql": ("SET session_replication_role=replica", "SET session_replication_role=origin"),
    "mariadb": ("SET foreign_key_checks=0", "SET foreign_key_checks=1"),
}


def real_servers() -> dict[str, str]:
    """URL by the name of the dialect."""
    urls = os.environ.get(VARIABLE, "").split()
    return {url.partition(":")[0].partition("+")[0]: url for url in urls}


def _databases() -> dict[str, Callable[[Path], str]]:
    found: dict[str, Callable[[Path], str]] = {"sqlite": lambda directory: f"sqlite:///{directory}/a.db"}
    return found | {name: lambda directory, url=url: url for name, url in real_servers().items()}


DATABASES = _databases()


def emptied(url: str) -> "Engine":
    """An engine for a database that holds no table any more."""
    from sqlalchemy import MetaData

    from ostiary.storage.engine import open_engine, writing

    engine = open_engine(url)
    with writing(engine) as connection:
        found = MetaData()
        found.reflect(connection)
        found.drop_all(connection)
    return engine


@functools.cache
def _content(*migrations: Path) -> bytes:
    """An SQLite file with these tables and nothing in them."""
    from ostiary.storage.engine import open_engine
    from ostiary.storage.migrate import upgrade

    with TemporaryDirectory() as directory:
        path = Path(directory, "a.db")
        engine = open_engine(f"sqlite:///{path}")
        upgrade(engine, migrations)
        # Closing the last connection moves the write-ahead log into the file.
        engine.dispose()
        return path.read_bytes()


def write_upgraded(path: Path, migrations: Sequence[Path]) -> None:
    """Writes an SQLite file with the tables of ``migrations``, which nobody changes meanwhile, and nothing in them."""
    path.write_bytes(_content(*migrations))


@contextmanager
def upgraded(name: str, directory: Path, migrations: Sequence[Path]) -> "Iterator[Engine]":
    """The one of `DATABASES` with this name, with the tables of ``migrations`` and nothing in them."""
    from ostiary.storage.engine import open_engine
    from ostiary.storage.migrate import upgrade

    url = DATABASES[name](directory)
    if name == "sqlite":
        write_upgraded(directory / "a.db", migrations)
        engine = open_engine(url)
    else:
        engine = emptied(url)
        upgrade(engine, migrations)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def without_foreign_keys(connection: "Connection") -> "Iterator[None]":
    """Around a transaction that breaks them."""
    off, on = _RESTING[connection.dialect.name]
    # On the driver's own connection: SQLite takes it outside a transaction only.
    cursor = connection.connection.cursor()
    cursor.execute(off)
    try:
        yield
    finally:
        cursor.execute(on)
        cursor.close()
