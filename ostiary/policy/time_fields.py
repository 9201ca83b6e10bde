"""The keys with which policy documents say when something holds; compiles them, decides nothing."""

import re
from datetime import UTC, date
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from ostiary.config import WrongSetting
from ostiary.policy.fields import PolicyFields, checked_by, listed, one_or_many
from ostiary.policy.times import MINUTES_OF_A_DAY, Times

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MINUTE = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MINUTE_SCHEMA = {"type": "string", "pattern": r"^(([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)$"}
_DAY_SCHEMA = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def _minutes(text: str) -> int:
    """Minutes since midnight."""
    if text == "24:00":
        return MINUTES_OF_A_DAY
    found = _MINUTE.fullmatch(text)
    if found is None:
        raise WrongSetting("policy.time_of_day", expected="a time of day such as 08:30", found=text[:40])
    return int(found[1]) * 60 + int(found[2])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else _no_day(text)
    except ValueError:
        return _no_day(text)


def _no_day(text: str) -> date:
    raise WrongSetting("policy.date", expected="a date such as 2026-10-01", found=text[:40])


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongSetting("policy.time_zone", expected="a name such as Europe/Vienna", found=text[:40]) from None


_MinuteText = Annotated[str, AfterValidator(checked_by(_minutes)), WithJsonSchema(_MINUTE_SCHEMA)]
_DayText = Annotated[str, AfterValidator(checked_by(_day)), WithJsonSchema(_DAY_SCHEMA)]
_Weekdays = Annotated[
    tuple[Weekday, ...],
    Field(min_length=1),
    BeforeValidator(listed),
    WithJsonSchema(one_or_many({"enum": list(WEEKDAYS)})),
]


class TimeOfDayFields(PolicyFields):
    """A span of the day, ``from`` included, ``to`` not; over midnight where ``to`` is the earlier one."""

    start: _MinuteText = Field(alias="from", description="From this minute of the day on, such as 08:30.")
    end: _MinuteText = Field(alias="to", description="Until this minute of the day, such as 18:00 or 24:00.")

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        start, end = self.minutes()
        if start in (end, MINUTES_OF_A_DAY):
            raise WrongSetting(
                "policy.time_of_day", expected="two different times", found=f"from {self.start} to {self.end}"
            )
        return self

    def minutes(self) -> tuple[int, int]:
        """Both in minutes since midnight."""
        return _minutes(self.start), _minutes(self.end)


class DatesFields(PolicyFields):
    """A span of days, ``from`` included, ``to`` not; one of them may be left out."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    start: _DayText | None = Field(default=None, alias="from", description="From this day on, such as 2026-10-01.")
    end: _DayText | None = Field(default=None, alias="to", description="Until the day before this one.")

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        start, end = self.days()
        if (start is None and end is None) or (start is not None and end is not None and start >= end):
            raise WrongSetting("policy.date", expected="from a day to a later one", found=f"from {start} to {end}")
        return self

    def days(self) -> tuple[date | None, date | None]:
        """First day, and the first day after."""
        return (
            None if self.start is None else _day(self.start),
            None if self.end is None else _day(self.end),
        )


class TimesFields(PolicyFields):
    """Spans of time. Each key given must hold."""

    time: TimeOfDayFields | None = Field(default=None, description="Time of day.")
    weekdays: _Weekdays | None = Field(default=None, description="Days of the week, in English and in full.")
    dates: DatesFields | None = Field(default=None, description="Dates.")
    time_zone: Annotated[str, AfterValidator(checked_by(_zone))] | None = Field(
        default=None, description="Where time, weekdays and dates are read, such as Europe/Vienna; UTC by default."
    )

    def times(self) -> Times:
        """Compiled."""
        return Times(
            zone=UTC if self.time_zone is None else _zone(self.time_zone),
            time=None if self.time is None else self.time.minutes(),
            weekdays=None if self.weekdays is None else frozenset(WEEKDAYS.index(day) for day in self.weekdays),
            dates=None if self.dates is None else self.dates.days(),
        )
