"""Whether a moment lies in spans of the day, the week and the calendar. Decides nothing else, and never reads the clock."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Literal

TimeKey = Literal["date", "weekday", "time"]

MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Times:
    """All that is given must hold.

    ``time``: minutes of the day ``[from, to)`` in ``zone``, over midnight where the second is the smaller. ``weekdays``: 0 is Monday.
    ``dates``: ``[from, to)``, an open end is None. Each is compared with the same moment for itself.
    """

    zone: tzinfo = UTC
    time: tuple[int, int] | None = None
    weekdays: frozenset[int] | None = None
    dates: tuple[date | None, date | None] | None = None

    @property
    def depends_on_moment(self) -> bool:
        """Whether anything is given."""
        return not (self.time is None and self.weekdays is None and self.dates is None)

    def of_the_moment(self, at: datetime) -> list[tuple[TimeKey, bool]]:
        """Each key that is given, and whether it holds."""
        if not self.depends_on_moment:
            return []
        local = at.astimezone(self.zone)
        parts: list[tuple[TimeKey, bool]] = []
        if self.dates is not None:
            parts.append(("date", _is_between(local.date(), *self.dates)))
        if self.weekdays is not None:
            parts.append(("weekday", local.weekday() in self.weekdays))
        if self.time is not None:
            parts.append(("time", _is_within(local.hour * 60 + local.minute, *self.time)))
        return parts


def _is_between(day: date, first: date | None, end: date | None) -> bool:
    return (first is None or first <= day) and (end is None or day < end)


def _is_within(minute: int, start: int, end: int) -> bool:
    return start <= minute < end if start < end else minute >= start or minute < end
