"""Statements that stand in the way of every sign-on: on SQLite straight to the driver, elsewhere through SQLAlchemy. Knows no table.

SQLAlchemy's own steps around a look-up in SQLite take ten times as long as the look-up (docs/decisions/0019). What comes back is the same.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Engine, Insert, Select
from sqlalchemy.sql.compiler import SQLCompiler

from ostiary.storage.answering import answering, as_sqlalchemy_has_it
from ostiary.storage.engine import reading
from ostiary.storage.shelf import ReadyConnection, Shelf

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
        shelf = engine.pool
        if not isinstance(shelf, Shelf):
            return self._rows_elsewhere(engine, values)
        connection = shelf.take(engine)
        try:
            # The driver's connection is in autocommit: a statement by itself is a transaction.
            found = _select(self._statement, engine.dialect).rows(connection.driver, values)
        except BaseException:
            connection.close()
            with answering():
                raise
        shelf.put_back(connection)
        return found

    def _rows_elsewhere(self, engine: Engine, values: Values) -> Rows:
        if engine.dialect.name != "sqlite":
            with reading(engine) as connection:
                return connection.execute(self._statement, values).all()
        with answering():
            pooled = engine.raw_connection()
            try:
                return _select(self._statement, engine.dialect).rows(pooled.driver_connection, values)
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
        return _select(self._statement, connection.dialect).rows(_driver(connection), values)


class PreparedInsert:
    """An insert of one row, made once, with a ``bindparam`` for each value (or from a select that has them)."""

    def __init__(self, statement: Insert) -> None:
        self._statement = statement

    def run(self, connection: Connection, values: Values) -> int:
        """In the transaction of ``connection``; how many rows it wrote."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).rowcount
        return _insert(self._statement, connection.dialect, tuple(values)).run(_driver(connection), values).rowcount

    def serial(self, connection: Connection, values: Values) -> int:
        """The same, for a table whose primary key the database counts up: its value."""
        if connection.dialect.name != "sqlite":
            key = connection.execute(self._statement, values).inserted_primary_key
            found = key[0] if key is not None else None
        else:
            prepared = _insert(self._statement, connection.dialect, tuple(values))
            found = prepared.run(_driver(connection), values).lastrowid
        if found is None:
            raise RuntimeError("the database told no serial number")
        return int(found)

    def serial_if_any(self, connection: Connection, values: Values) -> int | None:
        """The same for an insert from a select, which may have found no row: None."""
        if connection.dialect.name != "sqlite":
            (key,) = self._statement.table.primary_key
            return connection.execute(self._statement.returning(key), values).scalar_one_or_none()
        cursor = _insert(self._statement, connection.dialect, tuple(values)).run(_driver(connection), values)
        # The driver tells the last row that was ever written, too.
        return cursor.lastrowid if cursor.rowcount == 1 else None


class _Prepared:
    """``parameters`` in the order of the question marks: name, whether a caller gives it, what it is otherwise, how the driver takes it.
    ``columns``: how each comes back, None as it is; ``row`` makes a row of them."""

    __slots__ = ("_changes", "_columns", "_constants", "_converts", "_given", "_row", "_text")

    def __init__(
        self,
        text: str,
        parameters: Sequence[tuple[str, bool, object, _Convert | None]],
        columns: Sequence[_Convert | None],
        row: Callable[[Iterable[Any]], tuple[Any, ...]],
    ) -> None:
        self._text = text
        self._row = row
        # With their places; nearly all values are given, and taken as they are.
        self._given = _taking([name for name, is_given, _, _ in parameters if is_given])
        self._constants = [(at, value) for at, (_, is_given, value, _) in enumerate(parameters) if not is_given]
        self._converts = [(at, convert) for at, (*_, convert) in enumerate(parameters) if convert is not None]
        self._changes = bool(self._constants or self._converts)
        self._columns = [(at, convert) for at, convert in enumerate(columns) if convert is not None]

    def run(self, driver: Any, given: Values) -> sqlite3.Cursor:
        """Carried out. Raises the errors of SQLAlchemy."""
        values: Any = self._given(given)
        if self._changes:
            values = [*values]
            for at, value in self._constants:
                values.insert(at, value)
            for at, convert in self._converts:
                values[at] = convert(values[at])
        try:
            cursor: sqlite3.Cursor = driver.execute(self._text, values)
        except sqlite3.Error as error:
            raise as_sqlalchemy_has_it(self._text, error) from error
        return cursor

    def rows(self, driver: Any, given: Values) -> Rows:
        """What it finds, as SQLAlchemy has it."""
        found: Rows = self.run(driver, given).fetchall()
        make, columns = self._row, self._columns
        if not columns:
            return [*map(make, found)]
        rows = []
        for row in found:
            values = [*row]
            for at, convert in columns:
                values[at] = convert(values[at])
            rows.append(make(values))
        return rows


def _taking(names: Sequence[str]) -> Callable[[Values], tuple[Any, ...]]:
    """What takes the values of these names out of a mapping, in their order; that raises `KeyError` for one that is not there."""
    match names:
        case []:
            return lambda given: ()
        case [name]:
            return lambda given: (given[name],)
    return itemgetter(*names)


# By the identity of the statement, and of the engine's dialect. What is kept follows from the two alone.
@lru_cache(maxsize=_KEPT)
def _select(statement: "Select[Any]", dialect: Dialect) -> _Prepared:
    columns = statement.selected_columns
    converts = tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns)
    row = namedtuple("Row", columns.keys())  # type: ignore[misc]
    # As the type's own ``_make``, without its frame.
    return _prepared(statement.compile(dialect=dialect), dialect, converts, partial(tuple.__new__, row))


@lru_cache(maxsize=_KEPT)
def _insert(statement: Insert, dialect: Dialect, given: tuple[str, ...]) -> _Prepared:
    from_select = statement.select is not None
    return _prepared(statement.compile(dialect=dialect, column_keys=None if from_select else given), dialect)


def _prepared(
    compiled: object,
    dialect: Dialect,
    columns: Sequence[_Convert | None] = (),
    row: Callable[[Iterable[Any]], tuple[Any, ...]] = tuple,
) -> _Prepared:
    if not isinstance(compiled, SQLCompiler) or compiled.positiontup is None:
        raise RuntimeError("a statement whose parameters have no order")
    parameters = []
    for name in compiled.positiontup:
        bind = compiled.binds[name]
        if bind.expanding:
            raise RuntimeError(f"the parameter {name} stands for a list")
        convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
        parameters.append((name, bind.required, bind.effective_value, convert))
    return _Prepared(str(compiled), parameters, columns, row)


def _only(rows: Rows) -> Any:
    if len(rows) > 1:
        raise RuntimeError("several rows where there is one at most")
    return rows[0] if rows else None


def _driver(connection: Connection) -> Any:
    if isinstance(connection, ReadyConnection):
        return connection.driver
    if not connection.in_transaction():
        connection.begin()
    return connection.connection.driver_connection
