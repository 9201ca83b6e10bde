"""Many values in portions that every database takes in one statement. Knows no table."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, false, or_

AT_ONCE: Final = 500

_ValueT = TypeVar("_ValueT")


def portions(values: Iterable[_ValueT]) -> Iterator[list[_ValueT]]:
    """The values in their order, at most `AT_ONCE` together."""
    listed = list(values)
    return (listed[start : start + AT_ONCE] for start in range(0, len(listed), AT_ONCE))


def any_of(column: ColumnElement[Any], values: Iterable[object]) -> ColumnElement[bool]:
    """The column has one of the values: `IN`, portion by portion; of no values, it has none."""
    return or_(false(), *(column.in_(some) for some in portions(values)))
