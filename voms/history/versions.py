"""Rows as they were: a table and its archive as one, each row with when it was written and when it ended. Decides nothing.

What held at an instant is what the VO service would have said then: a grant that was written later for an earlier time did not hold yet.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Row,
    Table,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from ostiary.storage.types import UtcDateTime, exact_text
from voms.history.spans import Spans, Window, both, either
from voms.periods import read_recurrence
from voms.portions import any_of as one_of
from voms.tables import ARCHIVES

Columns = ReadOnlyColumnCollection[str, Any]
Condition = Callable[[Columns], ColumnElement[bool]]
"""What a row must fulfil, in the table and in its archive."""

WRITTEN: Final = ("created_serial", "created_at", "created_by")
ENDED: Final = ("deleted_serial", "deleted_at", "deleted_by")


def versions(
    connection: Connection, table: Table, names: Sequence[str], *conditions: Condition, window: Window | None = None
) -> Sequence[Row[Any]]:
    """The columns ``names``, `WRITTEN` and `ENDED` (all None: it goes on) of every row that fulfils the conditions and was there at some
    time of the window, or ever."""
    return connection.execute(_both(table, names, conditions, window)).all()


def members_in(
    connection: Connection,
    table: Table,
    column: str,
    *conditions: Condition,
    window: Window,
    after: str | None,
    most: int,
) -> list[str]:
    """The first ``most`` members, in the order of their ids and after ``after``, with such a row at some time of the window."""
    found: set[str] = set()
    for each in (table, ARCHIVES[table.name]):
        wanted = select(each.c[column]).where(*(condition(each.c) for condition in conditions))
        wanted = wanted.where(*_in_window(each.c, window, ended=each is not table))
        if after is not None:
            wanted = wanted.where(each.c[column] > after)
        found.update(connection.execute(wanted.distinct().order_by(each.c[column]).limit(most)).scalars())
    return sorted(found)[:most]


def any_of(name: str, values: Sequence[object]) -> Condition:
    """The column has one of the values."""
    return lambda columns: one_of(columns[name], values)


def holding(window: Window) -> Condition:
    """By its dates it may have held at some time of the window."""
    return lambda columns: (
        (columns.valid_from < window.until) & or_(columns.valid_to.is_(None), columns.valid_to > window.since)
    )


def recorded(row: Row[Any], window: Window) -> Spans:
    """When the row stood so in the database."""
    return window.cut(row.created_at, row.deleted_at)


def held(row: Row[Any], window: Window, recurring: dict[str, Spans]) -> Spans:
    """When what the row grants was in force: it stood there, within its validity, and, where it recurs, at those times.

    ``recurring`` remembers the times of each recurrence in the window: many have the same shifts."""
    spans = both(recorded(row, window), window.cut(row.valid_from, row.valid_to))
    if not spans or row.recurs is None:
        return spans
    if row.recurs not in recurring:
        recurring[row.recurs] = either(read_recurrence(row.recurs).between(window.since, window.until))
    return both(spans, recurring[row.recurs])


def numbered(connection: Connection, table: Table, name: str, numbers: Sequence[int]) -> dict[int, str]:
    """What the rows with these numbers are called, also those that have ended."""
    if not numbers:
        return {}
    found: dict[int, str] = {}
    for each in (ARCHIVES[table.name], table):
        wanted = select(each.c.id, each.c[name]).where(any_of("id", sorted(set(numbers)))(each.c))
        found.update((row[0], row[1]) for row in connection.execute(wanted))
    return found


def _both(
    table: Table, names: Sequence[str], conditions: Sequence[Condition], window: Window | None
) -> CompoundSelect[Any]:
    archive = ARCHIVES[table.name]
    goes_on = (
        type_coerce(null(), BigInteger).label("deleted_serial"),
        type_coerce(null(), UtcDateTime).label("deleted_at"),
        type_coerce(null(), exact_text(255)).label("deleted_by"),
    )
    live = select(*_columns(table, (*names, *WRITTEN)), *goes_on)
    ended = select(*_columns(archive, (*names, *WRITTEN, *ENDED)))
    return union_all(
        live.where(*(condition(table.c) for condition in conditions), *_in_window(table.c, window, ended=False)),
        ended.where(*(condition(archive.c) for condition in conditions), *_in_window(archive.c, window, ended=True)),
    )


def _columns(table: FromClause, names: Sequence[str]) -> Iterator[ColumnElement[Any]]:
    return (table.c[name] for name in names)


def _in_window(columns: Columns, window: Window | None, *, ended: bool) -> Iterator[ColumnElement[bool]]:
    if window is not None:
        yield columns.created_at < window.until
        if ended:
            yield columns.deleted_at > window.since


def instants(row: Row[Any]) -> tuple[datetime, datetime | None]:
    """When a row was written, and when it ended."""
    return row.created_at, row.deleted_at
