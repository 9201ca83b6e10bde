import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import URL, Column, Dialect, Engine, Integer, MetaData, Table, insert, select, text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.schema import CreateTable

from ostiary.config import DatabaseSettings
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.storage.engine import open_database, open_engine, reading, writing
from ostiary.storage.types import UtcDateTime, exact_text, serial_number

things = Table(
    "thing",
    MetaData(),
    Column("id", serial_number(), primary_key=True),
    Column("at", UtcDateTime),
    Column("name", exact_text(20)),
    Column("parent", Integer),
)


@pytest.fixture
def engine(tmp_path: Path, opened: Callable[[str], Engine]) -> Engine:
    engine = opened(f"sqlite:///{tmp_path}/a.db")
    with writing(engine) as connection:
        things.create(connection)
    return engine


@pytest.mark.usefixtures("sqlite_as_in_service")
@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 1), ("busy_timeout", 10_000)]
)
def test_sqlite_is_set_up_on_every_connection(engine: Engine, pragma: str, value: object) -> None:
    with engine.connect() as first, engine.connect() as second:
        assert first.connection.driver_connection is not second.connection.driver_connection
        for connection in (first, second):
            cursor = connection.connection.cursor()
            cursor.execute(f"PRAGMA {pragma}")
            assert cursor.fetchone() == (value,)


def test_a_new_sqlite_file_is_for_its_owner_alone(engine: Engine, tmp_path: Path) -> None:
    with engine.connect():
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"a.db": 0o600, "a.db-shm": 0o600, "a.db-wal": 0o600}


def test_a_second_engine_of_a_process_leaves_the_locks_of_the_first(engine: Engine, tmp_path: Path) -> None:
    """Or another process that closes the database would take the write-ahead log away from the first."""
    url = f"sqlite:///{tmp_path}/a.db"
    with reading(engine) as connection:
        connection.execute(select(things)).all()
        open_engine(url).dispose()
        # Reads, and closes what is then the last connection that anybody knows of.
        elsewhere = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM thing').fetchall(); c.close()"
        subprocess.run([sys.executable, "-c", elsewhere, str(tmp_path / "a.db")], check=True, timeout=30)
        assert (tmp_path / "a.db-wal").exists()
    with writing(engine) as connection:
        connection.execute(insert(things), {"id": 1})


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_engine(f"sqlite:///{tmp_path}")
    assert (caught.value.code, caught.value.file) == ("storage.file", str(tmp_path))


def test_a_sqlite_file_without_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_engine(f"sqlite:///{tmp_path}/none/a.db")
    assert (caught.value.code, caught.value.file) == ("storage.file", f"{tmp_path}/none/a.db")


def test_two_transactions_that_read_and_then_write_wait_for_each_other(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(things).values(id=1, parent=0))

    def count_up() -> None:
        for _ in range(20):
            with writing(engine) as connection:
                parent = connection.execute(select(things.c.parent)).scalar_one()
                connection.execute(things.update().values(parent=parent + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with reading(engine) as connection:
        assert connection.execute(select(things.c.parent)).scalar_one() == 80


def test_a_reader_neither_waits_nor_sees_what_is_not_committed(engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(insert(things).values(id=1))
        with reading(engine) as reader:
            assert reader.execute(select(things)).all() == []


def test_a_reader_can_not_write_and_the_connection_can_afterwards(opened: Callable[[str], Engine]) -> None:
    engine = opened("sqlite://")
    with writing(engine) as connection:
        things.create(connection)
    with pytest.raises((DBAPIError, Unavailable)), reading(engine) as connection:
        connection.execute(insert(things).values(id=1))
    with writing(engine) as connection:
        connection.execute(insert(things).values(id=2))
    with reading(engine) as connection:
        assert connection.execute(select(things.c.id)).scalars().all() == [2]


def test_an_exception_rolls_the_transaction_back(engine: Engine) -> None:
    def write_and_fail() -> None:
        with writing(engine) as connection:
            connection.execute(insert(things).values(id=1))
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with reading(engine) as connection:
        assert connection.execute(select(things)).all() == []


def test_a_violated_constraint_is_not_called_unavailable(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(things).values(id=1))
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(things).values(id=1))


def test_threads_share_a_database_in_memory(opened: Callable[[str], Engine]) -> None:
    engine = opened("sqlite://")
    with writing(engine) as connection:
        things.create(connection)

    def add() -> None:
        with writing(engine) as connection:
            connection.execute(insert(things).values(name="x"))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with reading(engine) as connection:
        assert connection.execute(select(things.c.id)).scalars().all() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_values_of_a_statement_stay_out_of_its_error(engine: Engine) -> None:
    twice = insert(things).values([{"id": 1, "name": "hunter2"}, {"id": 1, "name": "hunter2"}])
    with pytest.raises(IntegrityError) as caught, writing(engine) as connection:
        connection.execute(twice)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["hunter2", "postgresql+none://u:hunter2@h/d", "none://u:hunter2@h/d", "://hunter2"])
def test_a_url_that_can_not_be_used_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_engine(url)
    assert caught.value.code in ("storage.url", "storage.driver")
    assert "hunter2" not in str(caught.value)


def test_a_configured_password_comes_from_its_private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    opened: list[URL] = []
    monkeypatch.setattr("ostiary.storage.engine.open_engine", lambda url, **_: opened.append(url))
    open_database(DatabaseSettings(url="postgresql://idp@db/idp", password_file=secret))
    assert opened[0].password == "hunter2"
    assert "hunter2" not in str(opened[0])
    secret.chmod(0o644)
    with pytest.raises(ConfigurationError) as caught:
        open_database(DatabaseSettings(url="postgresql://idp@db/idp", password_file=secret))
    assert caught.value.code == "config.private_file_mode"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"a\nb\n"])
def test_a_password_file_holds_one_line_of_text(tmp_path: Path, content: bytes) -> None:
    secret = tmp_path / "password"
    secret.write_bytes(content)
    secret.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        open_database(DatabaseSettings(url="postgresql://idp@db/idp", password_file=secret))
    assert caught.value.code == "storage.password_file"


def test_an_instant_keeps_its_microseconds_and_becomes_utc(engine: Engine) -> None:
    east = datetime(2026, 11, 22, 14, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with writing(engine) as connection:
        connection.execute(insert(things).values(id=1, at=east))
        kept = connection.execute(select(things.c.at)).scalar_one()
    assert kept == datetime(2026, 11, 22, 12, 30, 0, 123456, tzinfo=UTC)
    assert kept.tzinfo is UTC


def test_no_instant_is_none(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(things).values(id=1, at=None))
        assert connection.execute(select(things.c.at)).scalar_one() is None


def test_a_naive_datetime_is_refused(engine: Engine) -> None:
    naive = datetime(2026, 11, 22, 12)  # noqa: DTZ001
    with pytest.raises(StatementError, match="naive"), writing(engine) as connection:
        connection.execute(insert(things).values(id=1, at=naive))
    with pytest.raises(StatementError, match="naive"), reading(engine) as connection:
        connection.execute(select(things).where(things.c.at > naive))


def test_instants_of_different_zones_are_ordered_and_compared_in_sql(engine: Engine) -> None:
    zones = [timezone(timedelta(hours=hours)) for hours in (-11, 14, 0, 5)]
    base = datetime(2026, 11, 22, 12, tzinfo=UTC)
    instants = [base + timedelta(microseconds=number) for number in (3, 1, 2, 0)]
    with writing(engine) as connection:
        for instant, zone in zip(instants, zones, strict=True):
            connection.execute(insert(things).values(at=instant.astimezone(zone)))
        ordered = connection.execute(select(things.c.at).order_by(things.c.at)).scalars().all()
        later = connection.execute(select(things.c.at).where(things.c.at > instants[1].astimezone(zones[1]))).all()
    assert ordered == sorted(instants)
    assert len(later) == 2


@pytest.mark.parametrize(
    ("dialect", "at", "name", "number"),
    [
        (sqlite.dialect, "at DATETIME", "name VARCHAR(20)", "id INTEGER"),
        (postgresql.dialect, "at TIMESTAMP WITH TIME ZONE", "name VARCHAR(20)", "id BIGSERIAL"),
        (
            partial(mysql.dialect, is_mariadb=True),
            "at DATETIME(6)",
            "name VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
            "id BIGINT",
        ),
    ],
)
def test_each_database_gets_the_column_type_that_keeps_the_meaning(
    dialect: Callable[[], Dialect], at: str, name: str, number: str
) -> None:
    statement = str(CreateTable(things).compile(dialect=dialect()))
    assert f"{at}," in statement
    assert f"{name}," in statement
    assert number in statement


def test_a_locked_database_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[str], Engine]
) -> None:
    monkeypatch.setattr("ostiary.storage.engine.BUSY_TIMEOUT", 40)
    engine = opened(f"sqlite:///{tmp_path}/a.db")
    with writing(engine) as connection:
        connection.execute(text("create table t (a int)"))
        with pytest.raises(Unavailable) as caught, writing(engine) as other:
            other.execute(text("select 1"))
    assert caught.value.code == "storage.unavailable"
    assert "locked" in caught.value.found
