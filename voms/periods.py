"""Times that recur: "Monday to Friday, 08:00 to 16:00 in Amsterdam, but not on these days" (RFC 5545: RRULE, DURATION, EXDATE). Pure.

A rule begins on a day at a time of some zone and goes on by days, weeks, months or years; what is finer is refused.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrule, rrulestr

from ostiary.errors import Refusal

LONGEST: Final = timedelta(days=366)
MAXIMUM_EXCEPTIONS: Final = 400
_STEPS: Final[dict[str, Callable[[int], relativedelta]]] = {
    "DAILY": lambda each: relativedelta(days=each),
    "WEEKLY": lambda each: relativedelta(weeks=each),
    "MONTHLY": lambda each: relativedelta(months=each),
    "YEARLY": lambda each: relativedelta(years=each),
}
_PARTS: Final = frozenset(("FREQ", "UNTIL", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"))
_DURATION: Final = re.compile(
    r"P(?:(?P<weeks>\d{1,2})W|(?:(?P<days>\d{1,3})D)?(?:T(?:(?P<hours>\d{1,4})H)?(?:(?P<minutes>\d{1,5})M)?)?)"
)
_LOCAL: Final = "%Y%m%dT%H%M%S"
_MAXIMUM_RULE: Final = 500


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``start``: the first beginning, by the clocks of ``zone`` (without a zone of its own). ``duration``: RFC 5545's, ``PT8H`` or
    ``P1D``; days and weeks are those of the calendar, hours are hours. ``rule``: an RRULE without its name. ``exceptions``: beginnings that
    are left out, or, at 00:00:00, whole days."""

    start: datetime
    zone: str
    duration: str
    rule: str
    exceptions: tuple[datetime, ...] = ()

    def at(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """The span ``[beginning, end)`` in which ``moment`` lies, in UTC; of several that overlap, the one that ends last. None where it
        lies in none."""
        compiled = _compiled(self)
        local = moment.astimezone(compiled.zone).replace(tzinfo=None)
        # An hour on either side: clocks are put forward and back.
        first, last = local - compiled.at_most - timedelta(hours=3), local + timedelta(hours=3)
        spans = (compiled.span(begin) for begin in compiled.beginnings(first, last))
        holding = [(begin, end) for begin, end in spans if begin <= moment < end]
        return max(holding, key=lambda span: span[1], default=None)

    def between(self, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
        """The spans ``[beginning, end)`` that share a moment with ``[since, until)``, in UTC, whole, in order; they may overlap."""
        compiled = _compiled(self)
        first = since.astimezone(compiled.zone).replace(tzinfo=None) - compiled.at_most - timedelta(hours=3)
        last = until.astimezone(compiled.zone).replace(tzinfo=None) + timedelta(hours=3)
        spans = (compiled.span(begin) for begin in compiled.beginnings(first, last))
        return [(begin, end) for begin, end in spans if begin < until and end > since]

    def text(self) -> str:
        """As it is stored; `read_recurrence` reads it."""
        return json.dumps(
            {
                "start": self.start.strftime(_LOCAL),
                "zone": self.zone,
                "duration": self.duration,
                "rule": self.rule,
                "except": [each.strftime(_LOCAL) for each in self.exceptions],
            }
        )


@dataclass(frozen=True, slots=True)
class When:
    """What is granted holds for ``[since, until)``, from the moment of the grant on where nothing is said, and within that when it
    ``recurs``."""

    since: datetime | None = None
    until: datetime | None = None
    recurs: Recurrence | None = None


ALWAYS: Final = When()


def read_recurrence(text: str) -> Recurrence:
    """What `Recurrence.text` wrote. Raises `Refusal` (``voms.recurrence``)."""
    try:
        found = json.loads(text)
        return recurrence(
            datetime.strptime(found["start"], _LOCAL),  # noqa: DTZ007 - by the clocks of its zone
            found["zone"],
            found["duration"],
            found["rule"],
            tuple(datetime.strptime(each, _LOCAL) for each in found["except"]),  # noqa: DTZ007
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _refused("a recurrence as this software stores it", error) from None


def recurrence(
    start: datetime, zone: str, duration: str, rule: str, exceptions: tuple[datetime, ...] = ()
) -> Recurrence:
    """The same, checked. Raises `Refusal` (``voms.recurrence``): an unknown zone, a rule with a part that is not understood or finer than a
    day, a duration of nothing or of more than a year, too many exceptions."""
    found = Recurrence(
        start.replace(tzinfo=None, microsecond=0), zone, duration, rule.upper(), tuple(sorted(exceptions))
    )
    if len(exceptions) > MAXIMUM_EXCEPTIONS:
        raise _refused(f"at most {MAXIMUM_EXCEPTIONS} exceptions", len(exceptions))
    _compiled(found)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Compiled:
    """``step``: how far the rule may be moved on without changing what it means."""

    zone: ZoneInfo
    start: datetime
    days: int
    hours: timedelta
    rule: rrule
    step: relativedelta | None
    left_out: frozenset[datetime]
    at_most: timedelta

    def beginnings(self, first: datetime, last: datetime) -> list[datetime]:
        """All in ``[first, last]``, by the zone's clocks, without the exceptions."""
        rule = self.rule
        if self.step is not None and (moved := _moved(self.start, self.step, first)) > self.start:
            # Otherwise each question would count from the first day on.
            rule = rule.replace(dtstart=moved)
        found = rule.between(first, last, inc=True)
        return [each for each in found if each not in self.left_out and _midnight(each) not in self.left_out]

    def span(self, begin: datetime) -> tuple[datetime, datetime]:
        """In UTC. A beginning that the clocks skip is as much later (RFC 5545 3.3.5); of one that they show twice, the first counts."""
        here = begin.replace(tzinfo=self.zone)
        until = (begin + timedelta(days=self.days)).replace(tzinfo=self.zone)
        return here.astimezone(UTC), until.astimezone(UTC) + self.hours


def _moved(start: datetime, step: relativedelta, to: datetime) -> datetime:
    """``start``, by whole steps, as far as before ``to``."""
    if step.days:
        return start + max(0, (to - start) // timedelta(days=step.days)) * timedelta(days=step.days)
    months = step.years * 12 + step.months
    passed = (to.year - start.year) * 12 + to.month - start.month - 1
    return start + relativedelta(months=max(0, passed // months) * months)


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0)


@lru_cache(maxsize=4_096)
def _compiled(found: Recurrence) -> _Compiled:
    parts = _parts_of(found.rule)
    try:
        zone = ZoneInfo(found.zone)
    except (KeyError, ValueError, OSError) as error:
        raise _refused("a time zone such as Europe/Amsterdam", error) from None
    days, hours = _read_duration(found.duration)
    try:
        read = rrulestr(_with_local_end(found.rule, parts.get("UNTIL"), zone), dtstart=found.start)
    except (ValueError, TypeError, KeyError) as error:
        raise _refused("an RRULE such as FREQ=WEEKLY;BYDAY=MO,TU", error) from None
    if not isinstance(read, rrule):
        raise _refused("one RRULE", found.rule)
    interval = int(parts.get("INTERVAL", "1"))
    # A month without the day of the beginning is left out by the rule, and can't be moved to.
    movable = parts["FREQ"] in ("DAILY", "WEEKLY") or found.start.day <= 28
    step = _STEPS[parts["FREQ"]](interval) if movable else None
    return _Compiled(
        zone, found.start, days, hours, read, step, frozenset(found.exceptions), timedelta(days=days) + hours
    )


def _with_local_end(rule: str, until: str | None, zone: ZoneInfo) -> str:
    """UNTIL as the zone's clocks show it: an instant in UTC is turned into that, a date is the end of that day (RFC 5545 3.3.10)."""
    if until is None:
        return rule
    if len(until) == 8:
        local = datetime.strptime(until, "%Y%m%d").replace(hour=23, minute=59, second=59)  # noqa: DTZ007
    elif until.endswith("Z"):
        local = datetime.strptime(until, f"{_LOCAL}Z").replace(tzinfo=UTC).astimezone(zone)
    else:
        local = datetime.strptime(until, _LOCAL)  # noqa: DTZ007
    return rule.replace(f"UNTIL={until}", f"UNTIL={local.strftime(_LOCAL)}")


def _parts_of(rule: str) -> dict[str, str]:
    expected = f"an RRULE of {', '.join(sorted(_PARTS))}, each once, by days or more"
    pairs = [part.partition("=") for part in rule.split(";")]
    parts = {name: value for name, _, value in pairs}
    if len(rule) > _MAXIMUM_RULE or len(parts) != len(pairs) or not parts.keys() <= _PARTS:
        raise _refused(expected, rule)
    interval = parts.get("INTERVAL", "1")
    if parts.get("FREQ") not in _STEPS or not re.fullmatch("[1-9][0-9]{0,2}", interval):
        raise _refused(expected, rule)
    return parts


def _read_duration(text: str) -> tuple[int, timedelta]:
    """Calendar days, and time (RFC 5545 3.3.6)."""
    match = _DURATION.fullmatch(text)
    given = {name: int(number) for name, number in match.groupdict(default="0").items()} if match else {}
    days = given.get("weeks", 0) * 7 + given.get("days", 0)
    hours = timedelta(hours=given.get("hours", 0), minutes=given.get("minutes", 0))
    if not timedelta(0) < timedelta(days=days) + hours <= LONGEST:
        raise _refused("a duration such as PT8H, of a year at the most", text)
    return days, hours


def _refused(expected: str, found: object) -> Refusal:
    return Refusal("voms.recurrence", expected=expected, found=str(found)[:200])
