"""What an SQL database knows about a person: one query with one bound parameter, over connections that only read."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from attribute_authority.connectors.protocol import MAX_VALUE_LENGTH, Found
from ostiary.config import DatabaseSettings
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.storage.engine import answering, open_database


@dataclass(frozen=True, slots=True)
class Columns:
    """Each row holds values of several attributes: column name to source name; None takes every column by its own
    name.
    """

    names: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class NameAndValue:
    """Each row holds the name of an attribute in one column and one value of it in another."""

    name: str
    value: str


class SqlConnector:
    """Asks a database with one query, whose only parameter is ``:principal`` (bound, never pasted into the text).

    Several rows give several values; no row gives nothing; NULL and empty values are left out. ``engine`` comes from
    `open_source`, which makes its connections read-only and gives a query its time limit. More than ``max_rows``
    rows, a value that is no text, and one longer than `MAX_VALUE_LENGTH` make the whole answer unusable.
    """

    def __init__(self, engine: Engine, query: str, shape: Columns | NameAndValue, *, max_rows: int = 1000) -> None:
        self._engine = engine
        self._query = text(query)
        self._shape = shape
        self._max_rows = max_rows

    def attributes(self, principal: str, at: datetime) -> Found:
        try:
            with answering(), self._engine.connect() as connection:
                result = connection.execute(self._query, {"principal": principal})
                columns = tuple(result.keys())
                rows = result.fetchmany(self._max_rows + 1)
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise Unavailable("aa.connector_failed", expected="an answer to the query", found=cause) from error
        if len(rows) > self._max_rows:
            raise Unavailable("aa.connector_too_many_rows", expected=f"at most {self._max_rows} rows", found="more")
        return self._named(columns, rows)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _named(self, columns: tuple[str, ...], rows: Sequence[Row[Any]]) -> Found:
        found: dict[str, list[str]] = {}
        if isinstance(self._shape, NameAndValue):
            name_at, value_at = _position(columns, self._shape.name), _position(columns, self._shape.value)
            for row in rows:
                name = _as_text(row[name_at], self._shape.name)
                _append(found, name, row[value_at], self._shape.value)
            return found
        names = self._shape.names if self._shape.names is not None else {column: column for column in columns}
        positions = [(_position(columns, column), column, name) for column, name in names.items()]
        for row in rows:
            for position, column, name in positions:
                _append(found, name, row[position], column)
        return found


def open_source(settings: DatabaseSettings, *, time_limit: timedelta) -> Engine:
    """An engine that only reads, and that gives up a statement after ``time_limit``: SQLite by its progress handler,
    PostgreSQL and MariaDB by their own settings; connecting is limited too.

    A SQLite file is opened as it is and never created. Raises `ConfigurationError` (``storage.*``,
    ``aa.database_missing``).
    """
    url = make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(Path(url.database or ""), time_limit)
    milliseconds = max(1, round(time_limit.total_seconds() * 1000))
    if url.get_backend_name() == "postgresql":
        statements = [f"SET statement_timeout = {milliseconds}", "SET default_transaction_read_only = on"]
    else:
        statements = [f"SET SESSION max_statement_time = {milliseconds / 1000}", "SET SESSION TRANSACTION READ ONLY"]
    seconds = str(max(2, round(time_limit.total_seconds())))
    limited = settings.model_copy(
        update={"url": url.update_query_dict({"connect_timeout": seconds}).render_as_string(hide_password=False)}
    )
    engine = open_database(limited)

    def set_up(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", set_up)
    return engine


def _open_sqlite(path: Path, time_limit: timedelta) -> Engine:
    if not path.is_file():
        raise ConfigurationError("aa.database_missing", file=path, expected="an existing SQLite database")
    seconds = time_limit.total_seconds()
    engine = create_engine(
        f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true", hide_parameters=True, connect_args={"timeout": seconds}
    )

    def limit(connection: Connection, *_: object) -> None:
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection):
            # Not the time of day: how long this statement has been running.
            deadline = time.monotonic() + seconds
            raw.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)

    event.listen(engine, "before_cursor_execute", limit)
    return engine


def _position(columns: tuple[str, ...], column: str) -> int:
    if column not in columns:
        raise Unavailable("aa.connector_column", expected=f"a column {column}", found=", ".join(columns))
    return columns.index(column)


def _append(found: dict[str, list[str]], name: str, value: object, column: str) -> None:
    if value is None or value == "":
        return
    values = found.setdefault(name, [])
    written = _as_text(value, column)
    if written not in values:
        values.append(written)


def _as_text(value: object, column: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if not isinstance(value, str | int | Decimal | UUID):
        raise Unavailable("aa.connector_value", expected=f"text in column {column}", found=type(value).__name__)
    written = str(value)
    if len(written) > MAX_VALUE_LENGTH:
        raise Unavailable("aa.connector_value", expected=f"at most {MAX_VALUE_LENGTH} characters", found=len(written))
    return written
