"""Statements that stand in the way of every sign-on: on SQLite straight to the driver, elsewhere through SQLAlchemy. Knows no table.

SQLAlchemy's own steps around a look-up in SQLite take ten times as long as the look-up (docs/decisions/0019). What comes back is the same.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Engine, Insert, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from ostiary.storage.engine import answering, reading

Values = Mapping[str, object]
Rows = Sequence[Any]
"""Tuples whose fields have the names of the columns, too."""

_Convert = Callable[[Any], Any]
_KEPT: Final = 512


class PreparedSelect:
    """A look-up, made once, whose every value is a ``bindparam``; none may stand for a list."""

    def __init__(self, statement: "Select[Any]") -> None:
        self._statement = statement

    def rows(self, engine: Engine, values: Values) -> Rows:
        """In a transaction of its own that only reads. Raises `Unavailable` when the database does not answer."""
        if engine.dialect.name != "sqlite":
            with reading(engine) as connection:
                return connection.execute(self._statement, values).all()
        with answering():
            pooled = engine.raw_connection()
            try:
                # The driver's connection is in autocommit: a statement by itself is a transaction.
                return _fetch(pooled.driver_connection, _select(self._statement, engine.dialect), values)
            finally:
                pooled.close()

    def one(self, engine: Engine, values: Values) -> Any:
        """The only row, None where there is none. Raises as `rows`."""
        return _only(self.rows(engine, values))

    def one_in(self, connection: Connection, values: Values) -> Any:
        """The same in the transaction of ``connection``."""
        return _only(self.rows_in(connection, values))

    def rows_in(self, connection: Connection, values: Values) -> Rows:
        """In the transaction of ``connection``."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).all()
        return _fetch(_driver(connection), _select(self._statement, connection.dialect), values)


class PreparedInsert:
    """An insert of one row, made once, with a ``bindparam`` for each value (or from a select that has them)."""

    def __init__(self, statement: Insert) -> None:
        self._statement = statement

    def run(self, connection: Connection, values: Values) -> int:
        """In the transaction of ``connection``; how many rows it wrote."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).rowcount
        return _run(_driver(connection), _insert(self._statement, connection.dialect, tuple(values)), values).rowcount

    def serial(self, connection: Connection, values: Values) -> int:
        """The same, for a table whose primary key the database counts up: its value."""
        if connection.dialect.name != "sqlite":
            key = connection.execute(self._statement, values).inserted_primary_key
            found = key[0] if key is not None else None
        else:
            prepared = _insert(self._statement, connection.dialect, tuple(values))
            found = _run(_driver(connection), prepared, values).lastrowid
        if found is None:
            raise RuntimeError("the database told no serial number")
        return int(found)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """``parameters`` in the order of the question marks: name, whether a caller gives it, what it is otherwise, how the driver takes it.
    ``columns``: how each comes back, None as it is; ``row`` makes a row of them."""

    text: str
    parameters: tuple[tuple[str, bool, object, _Convert | None], ...]
    columns: tuple[_Convert | None, ...] = ()
    row: Callable[[Iterable[Any]], tuple[Any, ...]] = tuple

    def values(self, given: Values) -> list[object]:
        found: list[object] = []
        for name, is_given, otherwise, convert in self.parameters:
            value = given[name] if is_given else otherwise
            found.append(convert(value) if convert is not None else value)
        return found


# By the identity of the statement, and of the engine's dialect. What is kept follows from the two alone.
@lru_cache(maxsize=_KEPT)
def _select(statement: "Select[Any]", dialect: Dialect) -> _Prepared:
    columns = statement.selected_columns
    converts = tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns)
    row = namedtuple("Row", columns.keys())  # type: ignore[misc]
    return replace(_prepared(statement.compile(dialect=dialect), dialect), columns=converts, row=row._make)


@lru_cache(maxsize=_KEPT)
def _insert(statement: Insert, dialect: Dialect, given: tuple[str, ...]) -> _Prepared:
    from_select = statement.select is not None
    return _prepared(statement.compile(dialect=dialect, column_keys=None if from_select else given), dialect)


def _prepared(compiled: object, dialect: Dialect) -> _Prepared:
    if not isinstance(compiled, SQLCompiler) or compiled.positiontup is None:
        raise RuntimeError("a statement whose parameters have no order")
    parameters = []
    for name in compiled.positiontup:
        bind = compiled.binds[name]
        if bind.expanding:
            raise RuntimeError(f"the parameter {name} stands for a list")
        convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
        parameters.append((name, bind.required, bind.effective_value, convert))
    return _Prepared(str(compiled), tuple(parameters))


def _only(rows: Rows) -> Any:
    if len(rows) > 1:
        raise RuntimeError("several rows where there is one at most")
    return rows[0] if rows else None


def _driver(connection: Connection) -> Any:
    if not connection.in_transaction():
        connection.begin()
    return connection.connection.driver_connection


def _fetch(driver: Any, prepared: _Prepared, values: Values) -> Rows:
    rows, columns, make = _run(driver, prepared, values).fetchall(), prepared.columns, prepared.row
    if not any(columns):
        return [make(row) for row in rows]
    return [
        make([value if convert is None else convert(value) for convert, value in zip(columns, row, strict=True)])
        for row in rows
    ]


def _run(driver: Any, prepared: _Prepared, values: Values) -> sqlite3.Cursor:
    try:
        cursor: sqlite3.Cursor = driver.execute(prepared.text, prepared.values(values))
    except sqlite3.Error as error:
        # As SQLAlchemy has it, without the values.
        raise DBAPIError.instance(prepared.text, None, error, sqlite3.Error, hide_parameters=True) from error
    return cursor
