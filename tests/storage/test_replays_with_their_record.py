"""What is used up and what is written about it are one transaction: both are kept, or neither."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT
from ostiary.errors import Unavailable
from ostiary.storage.engine import open_engine, reading
from ostiary.storage.migrate import MIGRATIONS, upgrade
from ostiary.storage.sql import SqlReplayStore

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=8)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{tmp_path}/db.sqlite")
    upgrade(made, [MIGRATIONS, AUDIT])
    yield made
    made.dispose()


def note(connection: Connection) -> None:
    audit.record(connection, at=NOW, writer="test", actor="test", action="test.used", facts={})


def notes(engine: Engine) -> int:
    with reading(engine) as connection:
        return len(audit.events(connection))


def test_the_first_use_is_recorded_and_no_other(engine: Engine) -> None:
    store = SqlReplayStore(engine)
    assert [store.first_use_with("q", note, expires=LATER, now=NOW) for _ in range(3)] == [True, False, False]
    assert not store.first_use("q", expires=LATER, now=NOW)
    assert notes(engine) == 1


def test_after_its_end_a_key_is_new_and_recorded_again(engine: Engine) -> None:
    store = SqlReplayStore(engine)
    assert store.first_use_with("q", note, expires=LATER, now=NOW)
    assert store.first_use_with("q", note, expires=LATER + timedelta(minutes=8), now=LATER)
    assert not store.first_use_with("q", note, expires=LATER + timedelta(minutes=9), now=LATER)
    assert notes(engine) == 2


def test_what_can_not_be_remembered_is_not_recorded_either(engine: Engine) -> None:
    assert not SqlReplayStore(engine).first_use_with("q", note, expires=NOW, now=NOW)
    assert notes(engine) == 0


def test_a_record_that_fails_leaves_the_key_unused(engine: Engine) -> None:
    def fail(connection: Connection) -> None:
        note(connection)
        raise Unavailable("storage.unavailable")

    store = SqlReplayStore(engine)
    with pytest.raises(Unavailable):
        store.first_use_with("q", fail, expires=LATER, now=NOW)
    assert notes(engine) == 0
    assert store.first_use_with("q", note, expires=LATER, now=NOW)
    assert notes(engine) == 1


def test_of_many_at_once_one_is_first(engine: Engine) -> None:
    stores = [SqlReplayStore(engine) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda store: store.first_use_with("q", note, expires=LATER, now=NOW), stores))
    assert sorted(found) == [False] * 7 + [True]
    assert notes(engine) == 1
