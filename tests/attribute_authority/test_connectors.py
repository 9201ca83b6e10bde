"""What every connector does, and what is particular to each."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import ProgrammingError

from attribute_authority.connectors.database import open_source
from attribute_authority.connectors.fixed import StaticConnector
from attribute_authority.connectors.protocol import Connector
from attribute_authority.connectors.sql import Columns, NameAndValue, SqlConnector
from ostiary.config import DatabaseSettings
from ostiary.errors import ConfigurationError, Unavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCHEMA = """
CREATE TABLE staff (id TEXT, full_name TEXT, mail, phone TEXT, active BOOLEAN);
INSERT INTO staff VALUES ('p1', 'Ada Lovelace', 'ada@uni.example', NULL, 1);
INSERT INTO staff VALUES ('p1', 'Ada Lovelace', 'countess@uni.example', '', 1);
CREATE TABLE attribute (principal TEXT, name TEXT, value);
INSERT INTO attribute VALUES ('p1', 'name', 'Ada Lovelace'), ('p1', 'mail', 'ada@uni.example'),
  ('p1', 'mail', 'countess@uni.example'), ('p1', 'mail', 'ada@uni.example'), ('p1', 'phone', NULL);
"""
Connect = Callable[..., SqlConnector]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "people.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
    return path


@pytest.fixture
def connect(database: Path, request: pytest.FixtureRequest) -> Connect:
    def connect(
        query: str,
        shape: Columns | NameAndValue | None = None,
        *,
        max_rows: int = 1000,
        limit: timedelta = timedelta(seconds=5),
    ) -> SqlConnector:
        engine = open_source(DatabaseSettings(url=f"sqlite:///{database}"), time_limit=limit)
        connector = SqlConnector(engine, query, shape or Columns(), max_rows=max_rows)
        request.addfinalizer(connector.close)
        return connector

    return connect


@pytest.fixture(params=["static", "columns", "names and values"])
def connector(request: pytest.FixtureRequest, connect: Connect) -> Connector:
    """Each kind of connector, over a source that knows the same things about one person."""
    match request.param:
        case "static":
            mails = ("ada@uni.example", "countess@uni.example")
            return StaticConnector({}, {"p1": {"name": ("Ada Lovelace",), "mail": mails}})
        case "columns":
            shape = Columns({"full_name": "name", "mail": "mail", "phone": "phone"})
            return connect("SELECT full_name, mail, phone FROM staff WHERE id = :principal ORDER BY mail", shape)
        case _:
            return connect(
                "SELECT name, value FROM attribute WHERE principal = :principal", NameAndValue("name", "value")
            )


def test_a_connector_says_what_its_source_knows(connector: Connector) -> None:
    found = connector.attributes("p1", NOW)
    assert {name: tuple(values) for name, values in found.items()} == {
        "name": ("Ada Lovelace",),
        "mail": ("ada@uni.example", "countess@uni.example"),
    }


@pytest.mark.parametrize("principal", ["p2", "", "P1", "p1 ", "p1' OR '1'='1", "p1\x00", "%", "é"])
def test_a_connector_knows_nothing_about_others(connector: Connector, principal: str) -> None:
    assert dict(connector.attributes(principal, NOW)) == {}


def test_what_one_caller_does_with_an_answer_does_not_reach_the_next(connector: Connector) -> None:
    first = connector.attributes("p1", NOW)
    if isinstance(first, dict):
        first.clear()
    assert sorted(connector.attributes("p1", NOW)) == ["mail", "name"]


def test_static_values_for_everybody_come_before_those_of_one_person() -> None:
    connector = StaticConnector({"o": ("University",), "lang": ("en",)}, {"p1": {"lang": ("nl", "en")}})
    assert connector.attributes("p1", NOW) == {"o": ("University",), "lang": ("en", "nl")}
    assert connector.attributes("p2", NOW) == {"o": ("University",), "lang": ("en",)}


def test_by_default_each_column_is_an_attribute_of_its_own_name(connect: Connect) -> None:
    connector = connect("SELECT full_name AS cn, 7 AS number, active AS flag FROM staff WHERE id = :principal LIMIT 1")
    assert connector.attributes("p1", NOW) == {"cn": ["Ada Lovelace"], "number": ["7"], "flag": ["1"]}


def test_a_binary_value_makes_the_answer_unusable(connect: Connect) -> None:
    connector = connect("SELECT x'00ff' AS photo FROM staff WHERE id = :principal")
    with pytest.raises(Unavailable) as refused:
        connector.attributes("p1", NOW)
    assert (refused.value.code, refused.value.found) == ("aa.connector_value", "bytes")


def test_a_value_of_unusual_length_makes_the_answer_unusable(connect: Connect) -> None:
    query = "SELECT printf('%.*c', {}, 'x') AS long FROM staff WHERE id = :principal"
    assert len(connect(query.format(20_000)).attributes("p1", NOW)["long"][0]) == 20_000
    with pytest.raises(Unavailable) as refused:
        connect(query.format(20_001)).attributes("p1", NOW)
    assert refused.value.code == "aa.connector_value"


def test_more_rows_than_allowed_make_the_answer_unusable(connect: Connect) -> None:
    query = "SELECT mail FROM staff WHERE id = :principal"
    assert connect(query, max_rows=2).attributes("p1", NOW)
    with pytest.raises(Unavailable) as refused:
        connect(query, max_rows=1).attributes("p1", NOW)
    assert refused.value.code == "aa.connector_too_many_rows"


def test_a_column_that_the_query_does_not_give_is_named(connect: Connect) -> None:
    for shape in (Columns({"email": "mail"}), NameAndValue("full_name", "email")):
        with pytest.raises(Unavailable) as refused:
            connect("SELECT full_name, mail FROM staff WHERE id = :principal", shape).attributes("p1", NOW)
        assert (refused.value.code, refused.value.expected) == ("aa.connector_column", "a column email")


def test_a_query_that_writes_is_refused_and_changes_nothing(connect: Connect, database: Path) -> None:
    for query in ("DELETE FROM staff WHERE id = :principal", "UPDATE staff SET id = 'x' WHERE id = :principal"):
        with pytest.raises(Unavailable) as refused:
            connect(query).attributes("p1", NOW)
        assert refused.value.found == "attempt to write a readonly database"
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM staff WHERE id = 'p1'").fetchone() == (2,)


def test_a_query_that_the_database_does_not_understand_is_unavailable(connect: Connect) -> None:
    with pytest.raises(Unavailable):
        connect("SELECT nothing FROM nowhere WHERE id = :principal").attributes("p1", NOW)


def test_what_a_driver_tells_is_told_without_the_values_of_the_query(connect: Connect) -> None:
    connector = connect("SELECT mail FROM staff WHERE id = :principal")

    def tell_all(*_: object) -> None:
        raise ProgrammingError("SELECT", None, Exception("near 'id = 'person-1''"))

    event.listen(connector._engine, "before_cursor_execute", tell_all)
    with pytest.raises(Unavailable) as refused:
        connector.attributes("person-1", NOW)
    assert (refused.value.code, refused.value.found) == ("aa.connector_failed", "near 'id = ':principal''")


def test_a_query_that_takes_too_long_is_given_up(connect: Connect) -> None:
    endless = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000000)
        SELECT count(*) AS number FROM n WHERE :principal = :principal
    """
    with pytest.raises(Unavailable):
        connect(endless, limit=timedelta(milliseconds=50)).attributes("p1", NOW)


def test_the_time_limit_is_for_each_query_anew(connect: Connect) -> None:
    connector = connect("SELECT mail FROM staff WHERE id = :principal", limit=timedelta(milliseconds=200))
    for _ in range(50):
        assert connector.attributes("p1", NOW)


def test_a_database_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "nothing.sqlite"
    with pytest.raises(ConfigurationError) as refused:
        open_source(DatabaseSettings(url=f"sqlite:///{path}"), time_limit=timedelta(seconds=1))
    assert refused.value.code == "aa.database_missing"
    assert not path.exists()
