from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, text, update

from ostiary.errors import Unavailable
from ostiary.storage import sql
from ostiary.storage.engine import writing
from ostiary.storage.migrate import MIGRATIONS, upgrade
from ostiary.storage.sql import SqlCounters, SqlReplayStore, SqlSessionStore, purge
from ostiary.storage.stores import Purged, stored_key
from ostiary.storage.tables import session_entry

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


def test_purging_removes_what_has_expired_and_nothing_else(engine: Engine) -> None:
    sessions, replays, counters = SqlSessionStore(engine), SqlReplayStore(engine), SqlCounters(engine)
    for name, hours in (("a", 1), ("b", 1), ("c", 3)):
        sessions.put(name, b"v", expires=NOON + hours * HOUR, now=NOON)
    replays.first_use("m", expires=NOON + HOUR, now=NOON)
    replays.first_use("n", expires=NOON + 3 * HOUR, now=NOON)
    counters.hit("k", window=3 * HOUR, now=NOON)
    assert purge(engine, NOON + HOUR) == Purged(sessions=2, replays=1, counters=0)
    assert purge(engine, NOON + HOUR) == Purged(sessions=0, replays=0, counters=0)
    assert sessions.get("c", NOON) == b"v"
    assert not replays.first_use("n", expires=NOON + 3 * HOUR, now=NOON)
    assert purge(engine, NOON + 3 * HOUR) == Purged(sessions=1, replays=1, counters=1)


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
