"""Virtual organisations of a size that nobody types in: rows made by SQLite itself, indexes afterwards. Nothing here is measured.

All that its SQL is made of are numbers and names of these modules.
"""
# ruff: noqa: S608 - SQL of numbers and names that stand here

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.storage.engine import open_engine
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.storage.migrate import upgrade
from ostiary.x509.certificate_names import CertificateNames
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

VO = "large"
BEGIN = datetime(2016, 1, 1, tzinfo=UTC)
YEARS = 10
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEPTH = 8
_BRANCHES = 3
STAMP = "1, '2016-01-01 00:00:00.000000', 'operator'"


@contextmanager
def filling(directory: Path) -> Iterator[sqlite3.Connection]:
    """A new database with the present tables; outside of any transaction, and lost by a power cut."""
    path = directory / "vo.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS])
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-400000")
    connection.execute("PRAGMA threads=2")
    yield connection
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def opened(directory: Path) -> Engine:
    """The same for questions."""
    return open_engine(f"sqlite:///{directory / 'vo.db'}")


@contextmanager
def without_indexes(connection: sqlite3.Connection, *tables: str) -> Iterator[None]:
    """Around many rows: sorting once is faster than finding the place of each."""
    marks = ",".join("?" * len(tables))
    found = connection.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({marks})",
        tables,
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, statement in found:
        connection.execute(statement)


def add_vo(connection: sqlite3.Connection, groups: int, roles: int) -> None:
    """The VO, its groups and roles. Number 1 is the root; each group has three below it, down to depth eight, where the others are."""
    connection.execute(
        f"INSERT INTO vo (id, name, inherits, created_serial, created_at, created_by) VALUES (1, '{VO}', 1, {STAMP})"
    )
    paths, parents = [f"/{VO}"], [0]
    above, level = [1], 2
    while len(paths) < groups:
        following: list[int] = []
        each = _BRANCHES if level < DEPTH else -(-(groups - len(paths)) // len(above))
        for parent in above:
            for number in range(each):
                if len(paths) < groups:
                    paths.append(f"{paths[parent - 1]}/g{number}")
                    parents.append(parent)
                    following.append(len(paths))
        above, level = following, level + 1
    connection.executemany(
        f"INSERT INTO vo_group (id, vo_id, path, description, created_serial, created_at, created_by) VALUES (?, 1, ?, '', {STAMP})",
        list(enumerate(paths, 1)),
    )
    connection.executemany(
        f"INSERT INTO vo_group_parent (group_id, parent_id, created_serial, created_at, created_by) VALUES (?, ?, {STAMP})",
        [(number, parent) for number, parent in enumerate(parents, 1) if parent],
    )
    connection.executemany(
        f"INSERT INTO vo_role (id, vo_id, name, created_serial, created_at, created_by) VALUES (?, 1, ?, {STAMP})",
        [(number, f"r{number}") for number in range(1, roles + 1)],
    )


def add_members(connection: sqlite3.Connection, members: int) -> None:
    """Each with one certificate; their ids are numbers in hexadecimal."""
    connection.create_function("names_key", 1, lambda number: names(number).key, deterministic=True)
    with without_indexes(connection, "vo_member", "vo_member_certificate"):
        connection.execute(
            f"""INSERT INTO vo_member (id, vo_id, kind, valid_from, created_serial, created_at, created_by)
            SELECT printf('%032x', n), 1, 'person', '2016-01-01 00:00:00.000000', {STAMP} FROM ({numbers(members)})"""
        )
        connection.execute(
            f"""INSERT INTO vo_member_certificate
            (vo_id, member_id, names_key, subject, issuer, created_serial, created_at, created_by)
            SELECT 1, printf('%032x', n), names_key(n), 'CN=Member ' || n || ',O=Bench,C=ZZ', 'CN=CA,O=Bench,C=ZZ',
            {STAMP} FROM ({numbers(members)})"""
        )


def numbers(most: int) -> str:
    """A query for the numbers ``n`` from 0 on."""
    return f"WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n + 1 < {most}) SELECT n FROM count"


def member(number: int) -> str:
    """The id of a member that `add_members` made."""
    return f"{number:032x}"


def names(number: int) -> CertificateNames:
    """Those of her certificate."""
    return CertificateNames(f"CN=Member {number},O=Bench,C=ZZ", "CN=CA,O=Bench,C=ZZ")


def scattered(salt: int, below: int) -> str:
    """SQL for a number that depends on ``n`` as if by chance, for each salt in another way (SQLite's random() can't be repeated)."""
    spread = f"((n + {salt}) * {2_654_435_761 * (2 * salt + 1) % 2**32} & 2147483647)"
    # The middle of its square: two of them with different factors alone would still go together.
    return f"((({spread} * {spread} >> 15) & 2147483647) * {below} >> 31)"


def instant(seconds: str) -> str:
    """SQL for an instant so many seconds after the beginning, as it is stored."""
    return f"strftime('%Y-%m-%d %H:%M:%S.000000', {int(BEGIN.timestamp())} + {seconds}, 'unixepoch')"
