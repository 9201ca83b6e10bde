import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, LargeBinary, Table, Text, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from ostiary.errors import Unavailable
from ostiary.storage import engine as engine_module
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedInsert, PreparedSelect
from ostiary.storage.types import UtcDateTime, make_metadata

OpenEngine = Callable[[str], Engine]
AT = datetime(2026, 11, 22, 11, 30, 15, 250_000, tzinfo=UTC)

metadata = make_metadata()
guest = Table(
    "guest",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("came", UtcDateTime, nullable=True),
    Column("salt", LargeBinary, nullable=True),
)
BY_NAME = PreparedSelect(
    select(guest.c.id, guest.c.name, guest.c.came, guest.c.salt).where(guest.c.name == bindparam("wanted"))
)
ALL = PreparedSelect(select(guest.c.name).order_by(guest.c.id))
INSERT = PreparedInsert(insert(guest))
COPY = PreparedInsert(
    insert(guest).from_select(
        ["name", "came"], select(bindparam("other", type_=Text), guest.c.came).where(guest.c.name == bindparam("known"))
    )
)


@pytest.fixture(params=["file", "memory"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, opened: OpenEngine) -> Engine:
    found = opened(f"sqlite:///{tmp_path}/a.db" if request.param == "file" else "sqlite://")
    with writing(found) as connection:
        metadata.create_all(connection)
        INSERT.run(connection, {"name": "Ada", "came": AT, "salt": b"\x00\xff"})
    return found


def test_a_row_comes_back_as_sqlalchemy_gives_it(engine: Engine) -> None:
    found = BY_NAME.one(engine, {"wanted": "Ada"})
    assert found == (1, "Ada", AT, b"\x00\xff")
    assert (found.name, found.came.tzinfo, found.salt) == ("Ada", UTC, b"\x00\xff")
    with reading(engine) as connection:
        assert tuple(connection.execute(select(guest)).one()) == found


def test_what_is_not_there_is_none_and_no_rows(engine: Engine) -> None:
    assert BY_NAME.one(engine, {"wanted": "Bea"}) is None
    assert list(BY_NAME.rows(engine, {"wanted": "Bea"})) == []


def test_several_rows_where_there_is_one_at_most_are_a_defect(engine: Engine) -> None:
    with writing(engine) as connection:
        INSERT.run(connection, {"name": "Bea", "came": None, "salt": None})
    assert [row.name for row in ALL.rows(engine, {})] == ["Ada", "Bea"]
    with pytest.raises(RuntimeError):
        ALL.one(engine, {})


def test_a_value_that_is_missing_is_a_defect(engine: Engine) -> None:
    with pytest.raises(KeyError):
        BY_NAME.rows(engine, {"name": "Ada"})


def test_constants_stand_among_the_values_that_are_given(engine: Engine) -> None:
    since = select(guest.c.name).where(guest.c.id > 0, guest.c.name == bindparam("wanted"), guest.c.id < 9)
    found = PreparedSelect(since.where(guest.c.came >= bindparam("at"), guest.c.salt == b"\x00\xff"))
    assert found.one(engine, {"wanted": "Ada", "at": AT}).name == "Ada"
    assert found.one(engine, {"at": AT.replace(year=2999), "wanted": "Ada"}) is None
    assert PreparedSelect(select(guest.c.name).where(guest.c.id == 1)).one(engine, {}).name == "Ada"


def test_serial_numbers_and_numbers_of_rows_are_told(engine: Engine) -> None:
    with writing(engine) as connection:
        assert INSERT.serial(connection, {"name": "Bea", "came": AT, "salt": None}) == 2
        assert COPY.run(connection, {"other": "Cleo", "known": "Ada"}) == 1
        assert COPY.run(connection, {"other": "Dora", "known": "nobody"}) == 0
        # In the same transaction, before it is committed.
        assert BY_NAME.one_in(connection, {"wanted": "Cleo"}).came == AT


def test_an_insert_from_a_select_that_finds_nothing_has_no_serial_number(engine: Engine) -> None:
    with writing(engine) as connection:
        assert INSERT.serial(connection, {"name": "Bea", "came": AT, "salt": None}) == 2
        # Though the driver still remembers the one before.
        assert COPY.serial_if_any(connection, {"other": "Cleo", "known": "nobody"}) is None
        assert COPY.serial_if_any(connection, {"other": "Cleo", "known": "Ada"}) == 3
    assert [row.name for row in ALL.rows(engine, {})] == ["Ada", "Bea", "Cleo"]


def test_an_exception_rolls_back_what_went_straight_to_the_driver(engine: Engine) -> None:
    def fail() -> None:
        with writing(engine) as connection:
            INSERT.run(connection, {"name": "Bea", "came": None, "salt": None})
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert BY_NAME.one(engine, {"wanted": "Bea"}) is None


def test_errors_are_those_of_sqlalchemy_without_values(engine: Engine) -> None:
    with pytest.raises(IntegrityError) as caught, writing(engine) as connection:
        INSERT.run(connection, {"name": "Ada", "came": None, "salt": b"secret"})
    assert "secret" not in str(caught.value)
    assert "Ada" not in str(caught.value)


def test_a_statement_in_a_transaction_sees_the_moment_at_which_that_began(tmp_path: Path, opened: OpenEngine) -> None:
    engine = opened(f"sqlite:///{tmp_path}/a.db")
    with writing(engine) as connection:
        metadata.create_all(connection)
    with reading(engine) as connection:
        assert BY_NAME.one_in(connection, {"wanted": "Ada"}) is None
        with writing(engine) as other:
            INSERT.run(other, {"name": "Ada", "came": None, "salt": None})
        assert BY_NAME.one_in(connection, {"wanted": "Ada"}) is None
        # One by itself is a transaction of its own: it sees what was committed a moment ago.
        assert BY_NAME.one(engine, {"wanted": "Ada"}).name == "Ada"


def test_a_writer_that_waits_in_vain_is_unavailable(
    tmp_path: Path, opened: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT", 50)
    engine = opened(f"sqlite:///{tmp_path}/a.db")
    with writing(engine) as connection:
        metadata.create_all(connection)
    found: list[Exception] = []

    def write() -> None:
        try:
            with writing(engine) as connection:
                INSERT.run(connection, {"name": "Bea", "came": None, "salt": None})
        except Unavailable as problem:
            found.append(problem)

    with writing(engine) as connection:
        INSERT.run(connection, {"name": "Ada", "came": None, "salt": None})
        other = threading.Thread(target=write)
        other.start()
        other.join()
        # Who only reads waits for nobody.
        assert BY_NAME.one(engine, {"wanted": "Ada"}) is None
    assert [problem.code for problem in found if isinstance(problem, Unavailable)] == ["storage.unavailable"]
    assert BY_NAME.one(engine, {"wanted": "Ada"}).name == "Ada"


def test_a_database_that_is_gone_is_unavailable(tmp_path: Path, opened: OpenEngine) -> None:
    engine = opened(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(Unavailable):
        BY_NAME.one(engine, {"wanted": "Ada"})


def test_a_parameter_that_stands_for_a_list_is_refused(engine: Engine) -> None:
    statement = PreparedSelect(select(guest.c.id).where(guest.c.name.in_(bindparam("names", expanding=True))))
    with pytest.raises(RuntimeError):
        statement.rows(engine, {"names": ["Ada"]})
