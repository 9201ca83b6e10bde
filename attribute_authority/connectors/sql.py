"""What an SQL database knows about a person: one query with bound parameters, over connections that only read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, Row, text
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from attribute_authority.connectors.database import breakable
from attribute_authority.connectors.protocol import MAX_VALUE_LENGTH, Found, given
from attribute_authority.connectors.time_limit import Attempt, TimeLimit
from ostiary.errors import Unavailable
from ostiary.storage.answering import answering

_NONE: Final[Mapping[str, str]] = MappingProxyType({})

_Rows = tuple[tuple[str, ...], Sequence[Row[Any]]]


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
    """Asks a database with one query, whose parameters are ``:principal`` and ``parameters`` (name in the query: what earlier connectors
    call it), all bound, never pasted into the text.

    Several rows give several values; no row gives nothing; NULL and empty values are left out. ``engine`` comes from `open_source`,
    which makes its connections read-only and gives a query its time limit; ``limit`` ends the wait for servers that do not keep to it.
    More than ``max_rows`` rows, a value that is no text, and one longer than `MAX_VALUE_LENGTH` make the whole answer unusable.
    """

    def __init__(
        self,
        engine: Engine,
        query: str,
        shape: Columns | NameAndValue,
        *,
        max_rows: int = 1000,
        parameters: Mapping[str, str] = _NONE,
        limit: TimeLimit | None = None,
    ) -> None:
        self._engine = engine
        self._query = text(query)
        # A query that asks by something else only need not name the principal.
        self._by_principal = "principal" in self._query.compile().params
        self._shape = shape
        self._max_rows = max_rows
        self._parameters = parameters
        self._limit = limit

    def attributes(self, principal: str, at: datetime) -> Found:
        return self.attributes_given(principal, {}, at)

    def attributes_given(self, principal: str, found: Found, at: datetime) -> Found:
        """What it knows; nothing where an earlier connector found no value of a parameter."""
        values = given(self._parameters, found)
        if values is None:
            return {}
        if self._by_principal:
            values["principal"] = principal
        try:
            with answering():
                columns, rows = self._rows(values)
        except DataError as error:
            # The driver's words may hold the value.
            name = type(error.orig).__name__
            raise Unavailable("aa.connector_parameter", expected="values that the query takes", found=name) from error
        except SQLAlchemyError as error:
            told = _without(values, str(getattr(error, "orig", None) or error))
            raise Unavailable("aa.connector_failed", expected="an answer to the query", found=told) from error
        if len(rows) > self._max_rows:
            raise Unavailable("aa.connector_too_many_rows", expected=f"at most {self._max_rows} rows", found="more")
        return self._named(columns, rows)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _rows(self, values: Mapping[str, str]) -> _Rows:
        def ask(attempt: Attempt | None) -> _Rows:
            try:
                return self._query_once(values, attempt)
            except DBAPIError as error:
                # The server closed a connection that was kept; the next one is new.
                if not error.connection_invalidated or (attempt is not None and attempt.over):
                    raise
                return self._query_once(values, attempt)

        return self._limit.run(ask) if self._limit is not None else ask(None)

    def _query_once(self, values: Mapping[str, str], attempt: Attempt | None) -> _Rows:
        # Ends without a commit: what an account may write in spite of all is undone.
        with self._engine.connect() as connection:
            if attempt is None:
                return self._fetched(connection.execute(self._query, values))
            with breakable(connection) as cut, attempt.cutting(cut):
                return self._fetched(connection.execute(self._query, values))

    def _fetched(self, result: Any) -> _Rows:
        return tuple(result.keys()), result.fetchmany(self._max_rows + 1)

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


def _without(values: Mapping[str, str], told: str) -> str:
    """What a driver told, for the log: some put the query with its values into it."""
    for name, value in values.items():
        told = told.replace(value, f":{name}") if value else told
    return told[:500]


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
