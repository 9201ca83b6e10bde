from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, Table, delete, event, func, select, text, update

from ostiary.errors import Unavailable
from ostiary.storage import sql, sweeping
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import MIGRATIONS, upgrade
from ostiary.storage.sql import SqlCounters, SqlReplayStore, SqlSessionStore
from ostiary.storage.stores import stored_key
from ostiary.storage.tables import counter, replay_entry, session_entry

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def engine(tmp_path: Path, opened: Callable[[str], Engine]) -> Engine:
    engine = opened(f"sqlite:///{tmp_path}/a.db")
    upgrade(engine, [MIGRATIONS])
    return engine


def test_the_key_is_kept_as_its_hash_only(engine: Engine, tmp_path: Path) -> None:
    SqlSessionStore(engine, namespace="n").put("very-secret-token", b"v", expires=NOON + HOUR, now=NOON)
    SqlReplayStore(engine).first_use("very-secret-message", expires=NOON + HOUR, now=NOON)
    SqlCounters(engine).hit("very-secret-person", window=HOUR, now=NOON)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert stored_key("n", "very-secret-token").encode() in kept
    assert b"very-secret" not in kept


def test_a_stored_key_is_sha_256_over_namespace_and_key() -> None:
    assert stored_key("", "") == "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"
    assert stored_key("a", "bc") != stored_key("ab", "c")


def rows(engine: Engine, table: Table) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def fill(engine: Engine, number: int) -> None:
    """That many rows in each table, which all expire at one o'clock; written at once, for speed."""
    with writing(engine) as connection:
        for table, more in ((session_entry, {"value": b"v"}), (replay_entry, {}), (counter, {"hits": 3})):
            expired = [{"key": f"{n:064}", "expires": NOON + HOUR, **more} for n in range(number)]
            connection.execute(table.insert(), expired)


def put(engine: Engine, now: datetime) -> None:
    SqlSessionStore(engine).put("new", b"v", expires=now + HOUR, now=now)


def first_use(engine: Engine, now: datetime) -> None:
    assert SqlReplayStore(engine).first_use("new", expires=now + HOUR, now=now)


def hit(engine: Engine, now: datetime) -> None:
    assert SqlCounters(engine).hit("new", window=HOUR, now=now) == 1


WRITES = [(put, session_entry), (first_use, replay_entry), (hit, counter)]


@pytest.mark.parametrize(("write", "table"), WRITES, ids=["put", "first_use", "hit"])
def test_one_write_clears_away_what_has_expired_in_every_namespace(
    engine: Engine, write: Callable[[Engine, datetime], None], table: Table
) -> None:
    fill(engine, 200)
    write(engine, NOON + 2 * HOUR)
    assert rows(engine, table) == 1


def test_a_store_grows_no_further_than_what_lives(engine: Engine) -> None:
    sessions, replays, counters = SqlSessionStore(engine), SqlReplayStore(engine), SqlCounters(engine)
    at = NOON
    for number in range(60):
        at += timedelta(minutes=1)
        sessions.put(f"ticket {number}", b"v", expires=at + timedelta(minutes=2), now=at)
        replays.first_use(f"message {number}", expires=at + timedelta(minutes=2), now=at)
        counters.hit(f"login {number}", window=timedelta(minutes=1), now=at)
    assert rows(engine, session_entry) < 25
    assert rows(engine, replay_entry) < 25
    assert rows(engine, counter) < 25


def test_what_lives_is_never_cleared_away(engine: Engine) -> None:
    fill(engine, 5)
    sessions, replays, counters = SqlSessionStore(engine), SqlReplayStore(engine), SqlCounters(engine)
    sessions.put("long", b"v", expires=NOON + 3 * HOUR, now=NOON)
    replays.first_use("long", expires=NOON + 3 * HOUR, now=NOON)
    counters.hit("long", window=3 * HOUR, now=NOON)
    for write, _ in WRITES:
        write(engine, NOON + 2 * HOUR)
    assert sessions.get("long", NOON + 2 * HOUR) == b"v"
    assert not replays.first_use("long", expires=NOON + 3 * HOUR, now=NOON + 2 * HOUR)
    assert counters.hit("long", window=3 * HOUR, now=NOON + 2 * HOUR) == 2


def test_a_node_whose_clock_is_ahead_does_not_make_another_forget_a_used_message(engine: Engine) -> None:
    one, other = SqlReplayStore(engine), SqlReplayStore(engine)
    assert one.first_use("message", expires=NOON + HOUR, now=NOON)
    assert other.first_use("another", expires=NOON + 2 * HOUR, now=NOON + HOUR + timedelta(minutes=9))
    assert not one.first_use("message", expires=NOON + HOUR, now=NOON + HOUR - timedelta(seconds=1))


def test_a_store_looks_for_expired_rows_at_most_once_in_ten_minutes(engine: Engine) -> None:
    store = SqlSessionStore(engine)
    looked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            looked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    for minute in range(31):
        store.put(f"k{minute}", b"v", expires=NOON + 9 * HOUR, now=NOON + timedelta(minutes=minute))
    assert len(looked) == 4


def test_one_write_clears_away_a_bounded_number_and_the_next_ones_the_rest(engine: Engine) -> None:
    fill(engine, 600)
    store, at = SqlSessionStore(engine), NOON + 2 * HOUR
    left = []
    for number in range(4):
        store.put(f"k{number}", b"v", expires=at + HOUR, now=at)
        left.append(rows(engine, session_entry) - number - 1)
    assert left == [350, 100, 0, 0]


def test_clearing_that_fails_does_not_fail_the_write(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine, 5)
    store, tried = SqlSessionStore(engine), []

    def out_of_order(engine: Engine) -> object:
        tried.append(1)
        raise Unavailable("storage.unavailable")

    monkeypatch.setattr(sweeping, "reading", out_of_order)
    store.put("k", b"v", expires=NOON + 3 * HOUR, now=NOON + 2 * HOUR)
    monkeypatch.undo()
    assert tried == [1]
    assert store.get("k", NOON + 2 * HOUR) == b"v"
    store.put("k", b"v", expires=NOON + 3 * HOUR, now=NOON + 2 * HOUR + timedelta(minutes=10))
    assert rows(engine, session_entry) == 1


def test_a_database_without_tables_is_unavailable(tmp_path: Path, opened: Callable[[str], Engine]) -> None:
    store = SqlSessionStore(opened(f"sqlite:///{tmp_path}/empty.db"))
    with pytest.raises(Unavailable) as caught:
        store.put("k", b"secret value", expires=NOON + HOUR, now=NOON)
    assert caught.value.code == "storage.unavailable"
    assert "secret value" not in f"{caught.value} {caught.value.__cause__}"


def test_an_entry_that_vanishes_between_two_steps_is_put_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqlSessionStore(engine)
    store.put("k", b"old", expires=NOON + HOUR, now=NOON)
    vanished: list[int] = []

    def update_after_a_purge(table: object) -> object:
        if not vanished:
            vanished.append(1)
            with writing(engine) as connection:
                connection.execute(delete(session_entry))
        return update(session_entry)

    monkeypatch.setattr(sql, "update", update_after_a_purge)
    store.put("k", b"new", expires=NOON + HOUR, now=NOON)
    assert vanished == [1]
    assert store.get("k", NOON) == b"new"


def test_a_row_changed_by_hand_keeps_its_meaning(engine: Engine) -> None:
    store = SqlSessionStore(engine)
    store.put("k", b"v", expires=NOON + HOUR, now=NOON)
    with writing(engine) as connection:
        kept = connection.execute(text("select expires from session_entry")).scalar_one()
    assert kept == "2026-11-22 13:00:00.000000"
