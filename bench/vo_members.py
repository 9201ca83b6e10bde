"""What one member of a large VO has: groups of a deep hierarchy, roles that come down, attributes; beside the database's own work.

Every member is in three groups and has a role in one of them; three of the questions to the database answer everything.
"""
# ruff: noqa: S608 - SQL of numbers that stand here

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bench.measure import Row, cpu_milliseconds
from bench.vo_rows import (
    DEPTH,
    NOW,
    STAMP,
    VO,
    add_members,
    add_vo,
    filling,
    member,
    names,
    numbers,
    opened,
    scattered,
    without_indexes,
)
from voms.memberships import Memberships

MEMBERS, QUICK = 1_000_000, 50_000
GROUPS, ROLES = 10_000, 20
DEEPEST = sum(3**level for level in range(DEPTH - 1)) + 1
"""The number of the first group of that depth: each but those has three below it."""
MOST_QUERIES, LIMIT_MS = 3, 1.0


def rows(*, quick: bool) -> list[Row]:
    """One row; fewer members with ``quick``."""
    size = QUICK if quick else MEMBERS
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with filling(directory) as connection:
            add_vo(connection, GROUPS, ROLES)
            add_members(connection, size)
            with without_indexes(connection, "vo_group_membership", "vo_role_assignment"):
                for each in range(3):
                    connection.execute(
                        f"""INSERT OR IGNORE INTO vo_group_membership
                        (member_id, group_id, valid_from, created_serial, created_at, created_by)
                        SELECT printf('%032x', n), {_group(each)}, '2016-01-01 00:00:00.000000', {STAMP} FROM ({numbers(size)})"""
                    )
                connection.execute(
                    f"""INSERT INTO vo_role_assignment
                    (member_id, group_id, role_id, valid_from, created_serial, created_at, created_by)
                    SELECT printf('%032x', n), {_group(0)}, 1 + n % {ROLES}, '2016-01-01 00:00:00.000000', {STAMP}
                    FROM ({numbers(size)})"""
                )
        engine = opened(directory)
        try:
            return [_row(engine, size, quick=quick)]
        finally:
            engine.dispose()


def _row(engine: Engine, size: int, *, quick: bool) -> Row:
    memberships = Memberships(engine, VO)
    asked = iter(range(7, 10**9, 7_919))

    def whole() -> None:
        number = next(asked) % size
        standing = memberships.of_certificate(names(number), NOW)
        if standing is None or standing.member != member(number) or len(standing.fqans()) < DEPTH + 1:
            raise RuntimeError(f"member {number} has too little")

    questions = _questions(engine, whole)
    if len(questions) > MOST_QUERIES:
        raise RuntimeError(f"{len(questions)} questions to the database")
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection

        def bare() -> None:
            for statement in questions:
                driver.execute(statement).fetchall()

        best = cpu_milliseconds({"whole": whole, "bare": bare}, rounds=10 if quick else 40, loops=20 if quick else 50)
    about = f"What one of {size:,} members has ({GROUPS:,} groups, depth {DEPTH})"
    named = f"{about}: beside the database's answers to {len(questions)} questions"
    return Row(named, best["whole"] - best["bare"], "ms CPU", LIMIT_MS, 1.0)


def _questions(engine: Engine, task: Callable[[], None]) -> list[str]:
    """What SQLite is asked meanwhile, with the values."""
    task()
    found: list[str] = []
    # The pool gives the connection that came back last.
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    driver.set_trace_callback(found.append)
    pooled.close()
    task()
    driver.set_trace_callback(None)
    return [each for each in found if each.startswith(("SELECT", "WITH"))]


def _group(salt: int) -> str:
    """One of the deepest groups."""
    return f"{DEEPEST} + {scattered(salt, GROUPS - DEEPEST + 1)}"
