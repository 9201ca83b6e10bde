"""Questions about the past of a VO with ten million rows of it, by the clock: everything that ended in ten years stands in archives.

Five million memberships and three million roles that ended, of 100,000 members in 2,000 groups; two million changes in the name of one of
500 administrators, each with its row of the audit trail. The slowest of a hundred questions counts, each about something else.
"""
# ruff: noqa: S608 - SQL of numbers that stand here

import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from bench.measure import Row
from bench.vo_rows import (
    BEGIN,
    VO,
    YEARS,
    add_members,
    add_vo,
    filling,
    instant,
    member,
    numbers,
    opened,
    scattered,
    without_indexes,
)
from voms.history import Past, deeds, history_of

ROWS, QUICK = 10_000_000, 200_000
MEMBERS, GROUPS, ROLES, ADMINISTRATORS = 100_000, 2_000, 20, 500
LIMIT_MS = 50.0
_SECONDS = YEARS * 365 * 86_400
_QUESTIONS, _ROUNDS = 100, 3


def rows(*, quick: bool) -> list[Row]:
    """Four rows; fewer rows of history with ``quick``."""
    size = QUICK if quick else ROWS
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        _fill(directory, size)
        engine = opened(directory)
        try:
            about = f"VO with {size:,} rows of history"
            return [
                Row(f"{about}: {what}", _slowest(ask), "ms", LIMIT_MS, 1.0) for what, ask in _questions(engine).items()
            ]
        finally:
            engine.dispose()


def _fill(directory: Path, size: int) -> None:
    with filling(directory) as connection:
        add_vo(connection, GROUPS, ROLES)
        add_members(connection, MEMBERS)
        archived = ("vo_group_membership_archive", "vo_role_assignment_archive", "vo_change", "audit_event")
        with without_indexes(connection, *archived):
            _grants(connection, archived[0], "", size // 10 * 5)
            _grants(connection, archived[1], f"1 + {scattered(7, ROLES)},", size // 10 * 3)
            _changes(connection, size // 10 * 2)


def _grants(connection: sqlite3.Connection, table: str, role: str, most: int) -> None:
    """What held for 10 to 200 days of the ten years."""
    columns = "id, member_id, group_id, valid_from, created_serial, created_at, created_by, deleted_serial, deleted_at, deleted_by"
    if role:
        columns = columns.replace("group_id,", "group_id, role_id,")
    begin = scattered(3, _SECONDS - 200 * 86_400)
    end = f"{begin} + 864000 + {scattered(5, 190 * 86_400)}"
    connection.execute(
        f"""INSERT INTO {table} ({columns})
        SELECT n + 1, printf('%032x', {scattered(1, MEMBERS)}), 1 + {scattered(2, GROUPS)}, {role} {instant(begin)},
        n + 2, {instant(begin)}, {_administrator()}, n + 3, {instant(end)}, {_administrator()} FROM ({numbers(most)})"""
    )


def _changes(connection: sqlite3.Connection, most: int) -> None:
    """One after the other in time."""
    at = instant(f"n * ({_SECONDS} / {most})")
    connection.execute(
        f"""INSERT INTO vo_change (serial, vo_id, made_by, made_at)
        SELECT n + 1, 1, {_administrator()}, {at} FROM ({numbers(most)})"""
    )
    connection.execute(
        f"""INSERT INTO audit_event (serial, at, writer, actor, action, facts)
        SELECT n + 1, {at}, 'voms', {_administrator()}, 'vo.group_joined', '{{"group":"/{VO}/g0","vo":"{VO}"}}'
        FROM ({numbers(most)})"""
    )


def _administrator() -> str:
    return f"printf('%032x', 1000000 + {scattered(11, ADMINISTRATORS)})"


def _questions(engine: Engine) -> dict[str, Callable[[random.Random], int]]:
    """Each tells how much it found, so that none is about nothing."""
    past = Past(engine, VO)
    with engine.connect() as connection:
        paths = [row[0] for row in connection.exec_driver_sql("SELECT path FROM vo_group WHERE id > 1 ORDER BY id")]

    def was_in(chance: random.Random) -> int:
        found = past.was_in(member(chance.randrange(MEMBERS)), chance.choice(paths), _moment(chance))
        return int(found.situation is not None)

    def who(chance: random.Random) -> int:
        since = _moment(chance)
        role = f"r{chance.randint(1, ROLES)}"
        return len(past.who(chance.choice(paths), since, since + timedelta(days=7), role=role).actors) + 1

    def done_by(chance: random.Random) -> int:
        since, who_did = _moment(chance), member(1_000_000 + chance.randrange(ADMINISTRATORS))
        return len(deeds(engine, VO, [who_did], since=since, until=since + timedelta(days=900)).deeds)

    def of_member(chance: random.Random) -> int:
        return len(history_of(engine, VO, member(chance.randrange(MEMBERS))))

    return {
        "was she in a group at an instant": was_in,
        "who could act in a role in a week": who,
        "what an administrator did, a hundred changes": done_by,
        "all that ever became of a member": of_member,
    }


def _moment(chance: random.Random) -> datetime:
    return BEGIN + timedelta(seconds=chance.randrange(_SECONDS - 900 * 86_400))


def _slowest(ask: Callable[[random.Random], int]) -> float:
    """Milliseconds of the slowest of a hundred; the best of some rounds, each of other questions: the machine has other things to do."""
    for number in range(20):
        ask(random.Random(number))  # noqa: S311 - nothing secret: the same questions each time
    return min(_round(ask, random.Random(number)) for number in range(1, _ROUNDS + 1))  # noqa: S311


def _round(ask: Callable[[random.Random], int], chance: random.Random) -> float:
    found = []
    for _ in range(_QUESTIONS):
        begin = time.perf_counter()
        if ask(chance) == 0:
            raise RuntimeError("nothing was found")
        found.append((time.perf_counter() - begin) * 1000)
    return max(found)
