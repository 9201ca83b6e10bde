"""The connections to a SQLite file that lie ready: nothing of one transaction is left for the next, and none is forgotten."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, Table, Text, bindparam, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from ostiary.errors import Unavailable
from ostiary.storage import engine as engine_module
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedInsert, PreparedSelect
from ostiary.storage.shelf import MOST_READY, ReadyConnection, Shelf
from ostiary.storage.types import make_metadata

metadata = make_metadata()
guest = Table(
    "guest", metadata, Column("id", Integer, primary_key=True), Column("name", Text, nullable=False, unique=True)
)
NAMES = PreparedSelect(select(guest.c.name).order_by(guest.c.id))
BY_NAME = PreparedSelect(select(guest.c.id).where(guest.c.name == bindparam("wanted")))
INSERT = PreparedInsert(insert(guest))


@pytest.fixture
def engine(tmp_path: Path, opened: Callable[[str], Engine]) -> Engine:
    found = opened(f"sqlite:///{tmp_path}/a.db")
    with writing(found) as connection:
        metadata.create_all(connection)
    return found


def shelf(engine: Engine) -> Shelf:
    assert isinstance(engine.pool, Shelf)
    return engine.pool


def names(engine: Engine) -> list[str]:
    """By a connection of its own, as another process sees them."""
    with reading(engine) as connection:
        return list(connection.execute(select(guest.c.name).order_by(guest.c.id)).scalars())


def test_one_connection_serves_one_after_another(engine: Engine) -> None:
    with writing(engine) as first:
        INSERT.run(first, {"name": "Ada"})
    NAMES.rows(engine, {})
    with writing(engine) as second:
        assert second is first
        # What is in use is nobody else's.
        assert [row.name for row in NAMES.rows(engine, {})] == ["Ada"]
        with shelf(engine).take(engine) as other:
            assert other is not first


def test_statements_of_both_kinds_are_one_transaction(engine: Engine) -> None:
    with writing(engine) as connection:
        INSERT.run(connection, {"name": "Ada"})
        assert connection.in_transaction()
        assert connection.execute(select(guest.c.name)).scalar_one() == "Ada"
        connection.execute(insert(guest), {"name": "Bea"})
        assert names(engine) == []
    assert names(engine) == ["Ada", "Bea"]
    with writing(engine) as connection:
        assert connection.get_transaction() is None
        INSERT.run(connection, {"name": "Cleo"})
    assert names(engine) == ["Ada", "Bea", "Cleo"]


@pytest.mark.parametrize("both", [False, True])
def test_an_exception_undoes_statements_of_both_kinds(engine: Engine, both: bool) -> None:
    def fail() -> None:
        with writing(engine) as connection:
            INSERT.run(connection, {"name": "Ada"})
            if both:
                connection.execute(insert(guest), {"name": "Bea"})
            raise ValueError("no")

    for _ in range(2 * MOST_READY):
        with pytest.raises(ValueError, match="no"):
            fail()
    assert names(engine) == []
    assert shelf(engine).checkedout() == 0
    with writing(engine) as connection:
        INSERT.run(connection, {"name": "Ada"})
    assert names(engine) == ["Ada"]


def test_a_savepoint_is_undone_by_itself(engine: Engine) -> None:
    def add_two(connection: Connection) -> None:
        with connection.begin_nested():
            INSERT.run(connection, {"name": "Bea"})
            INSERT.run(connection, {"name": "Ada"})

    with writing(engine) as connection:
        INSERT.run(connection, {"name": "Ada"})
        with pytest.raises(IntegrityError):
            add_two(connection)
    assert names(engine) == ["Ada"]


def test_a_commit_that_fails_is_told_and_undone(engine: Engine) -> None:
    def write() -> None:
        with writing(engine) as connection:
            INSERT.run(connection, {"name": "Ada"})
            # As SQLite does by itself when the disk is full.
            assert isinstance(connection, ReadyConnection)
            connection.driver.rollback()

    with pytest.raises(Unavailable):
        write()
    assert names(engine) == []
    assert shelf(engine).checkedout() == 0


def test_a_connection_that_had_to_wait_in_vain_is_not_kept(
    tmp_path: Path, opened: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT", 20)
    engine = opened(f"sqlite:///{tmp_path}/a.db")
    with writing(engine) as connection:
        metadata.create_all(connection)
    with writing(engine):
        for _ in range(2 * MOST_READY):
            with pytest.raises(Unavailable), writing(engine):
                raise AssertionError("two writers at once")
        assert shelf(engine).checkedout() == 1
    with writing(engine) as connection:
        INSERT.run(connection, {"name": "Ada"})
    assert names(engine) == ["Ada"]


def test_a_connection_that_only_read_before_may_write(engine: Engine) -> None:
    with pytest.raises((DBAPIError, Unavailable)), reading(engine) as reader:
        INSERT.run(reader, {"name": "Ada"})
    # The pool's latest one becomes the ready one.
    shelf(engine).dispose()
    with writing(engine) as connection:
        INSERT.run(connection, {"name": "Ada"})
    assert names(engine) == ["Ada"]


def test_a_look_up_that_fails_leaves_no_connection_out(engine: Engine) -> None:
    for _ in range(2 * MOST_READY):
        with pytest.raises(KeyError):
            BY_NAME.rows(engine, {})
    assert shelf(engine).checkedout() == 0


def test_a_statement_sees_what_another_connection_has_committed(engine: Engine) -> None:
    assert NAMES.rows(engine, {}) == []
    with engine.begin() as connection:
        connection.execute(insert(guest), {"name": "Ada"})
    assert [row.name for row in NAMES.rows(engine, {})] == ["Ada"]


def test_threads_never_share_one(engine: Engine) -> None:
    def work(number: int) -> list[str]:
        for turn in range(20):
            with writing(engine) as connection:
                INSERT.run(connection, {"name": f"{number} {turn}"})
        return [row.name for row in NAMES.rows(engine, {}) if row.name.startswith(f"{number} ")]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(work, range(8)))
    assert found == [[f"{number} {turn}" for turn in range(20)] for number in range(8)]
    ready = shelf(engine)._ready
    assert len(set(map(id, ready))) == len(ready) <= 8


def test_a_disposed_engine_has_closed_them_all_and_can_be_used_again(engine: Engine) -> None:
    with writing(engine) as connection:
        assert isinstance(connection, ReadyConnection)
        driver = connection.driver
    engine.dispose()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        driver.execute("SELECT 1")
    with writing(engine) as connection:
        assert isinstance(connection, ReadyConnection)
        INSERT.run(connection, {"name": "Ada"})
        driver = connection.driver
        engine.dispose()
    # It was in use; now that it is put back it is closed, too.
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        driver.execute("SELECT 1")
    assert names(engine) == ["Ada"]


def test_more_than_may_lie_ready_go_back_to_the_pool(engine: Engine) -> None:
    found = [shelf(engine).take(engine) for _ in range(MOST_READY + 3)]
    for one in found:
        shelf(engine).put_back(one)
    assert len(shelf(engine)._ready) == MOST_READY
    assert shelf(engine).checkedout() == MOST_READY


def test_a_forked_process_has_connections_of_its_own(tmp_path: Path) -> None:
    program = """
import os, sys
from sqlalchemy import text
from ostiary.storage.engine import open_engine, writing
engine = open_engine(sys.argv[1])
with writing(engine) as connection:
    connection.execute(text("CREATE TABLE one (n INTEGER)"))
    mine = connection
child = os.fork()
if not child:
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO one VALUES (1)"))
        os._exit(7 if connection is not mine else 8)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
with writing(engine) as connection:
    # The child went away in the middle.
    assert connection is mine and connection.execute(text("SELECT count(*) FROM one")).scalar_one() == 0
engine.dispose()
"""
    subprocess.run([sys.executable, "-c", program, f"sqlite:///{tmp_path}/a.db"], check=True, timeout=60)


def test_a_database_in_memory_has_its_one_connection(opened: Callable[[str], Engine]) -> None:
    engine = opened("sqlite://")
    assert not isinstance(engine.pool, Shelf)
    with writing(engine) as connection:
        metadata.create_all(connection)
        INSERT.run(connection, {"name": "Ada"})
    assert [row.name for row in NAMES.rows(engine, {})] == ["Ada"]
