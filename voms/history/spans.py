"""Sets of times: when something held, within the window of a question. Pure.

Spans are half-open, in order, and neither overlap nor touch; so two of them are the same times exactly when they are equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.errors import Refusal

Span = tuple[datetime, datetime]
Spans = tuple[Span, ...]

NEVER: Final[Spans] = ()
MOMENT: Final = timedelta(microseconds=1)
"""What every database can tell apart."""
LONGEST: Final = timedelta(days=3_660)


@dataclass(frozen=True, slots=True)
class Window:
    """The times that a question is about: ``[since, until)``."""

    since: datetime
    until: datetime

    @classmethod
    def at(cls, moment: datetime) -> "Window":
        """One instant."""
        return cls(moment, moment + MOMENT)

    @classmethod
    def between(cls, since: datetime, until: datetime) -> "Window":
        """Raises `Refusal` (``voms.window``) for one that is empty or longer than ten years: recurring times are counted one by one."""
        if not timedelta(0) < until - since <= LONGEST:
            found = f"{since.isoformat()} to {until.isoformat()}"
            raise Refusal(
                "voms.window", expected=f"an end after the beginning, {LONGEST.days} days at the most", found=found
            )
        return cls(since.astimezone(UTC), until.astimezone(UTC))

    @property
    def whole(self) -> Spans:
        """All of it."""
        return ((self.since, self.until),)

    def cut(self, begin: datetime | None, end: datetime | None) -> Spans:
        """What of ``[begin, end)`` lies in it; None: without a beginning, without an end."""
        first = self.since if begin is None else max(begin, self.since)
        last = self.until if end is None else min(end, self.until)
        return ((first, last),) if first < last else NEVER


def either(parts: Iterable[Span]) -> Spans:
    """All times that are in one or more of the spans, in whatever order those come."""
    found: list[Span] = []
    for begin, end in sorted(parts):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return tuple(found)


def both(one: Spans, other: Spans) -> Spans:
    """The times that are in both."""
    found: list[Span] = []
    first = second = 0
    while first < len(one) and second < len(other):
        begin = max(one[first][0], other[second][0])
        end = min(one[first][1], other[second][1])
        if begin < end:
            found.append((begin, end))
        if one[first][1] <= other[second][1]:
            first += 1
        else:
            second += 1
    return tuple(found)
