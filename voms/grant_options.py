"""Options of commands that say when something holds: for ever, between two instants, or at times that recur."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

import click

from ostiary.errors import Refusal
from voms.periods import Recurrence, recurrence

_LOCAL_DAY = "%Y-%m-%d"


class Parts(TypedDict):
    """Arguments of what grants something."""

    since: datetime | None
    until: datetime | None
    recurs: Recurrence | None


@dataclass(frozen=True, slots=True)
class Holds:
    """As `voms.directory.VoDirectory.join` takes it."""

    since: datetime | None
    until: datetime | None
    recurs: Recurrence | None

    def parts(self) -> Parts:
        """The same as named arguments."""
        return {"since": self.since, "until": self.until, "recurs": self.recurs}


def instant(text: str | None) -> datetime | None:
    """ISO 8601 with a zone, in UTC. Raises `Refusal` (``voms.instant``)."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        # At the very ends of the calendar there is no such instant by UTC.
        pass
    raise Refusal("voms.instant", expected="2027-01-01T00:00:00Z", found=text[:80])


def when(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options, and itself one argument ``holds`` instead."""

    def told(
        *arguments: Any,
        since: str | None,
        until: str | None,
        rule: str | None,
        first: str | None,
        duration: str | None,
        zone: str,
        left_out: tuple[str, ...],
        **others: Any,
    ) -> None:
        if len({rule is None, first is None, duration is None}) > 1:
            raise click.UsageError("--recurs, --first and --for belong together")
        found = (
            recurrence(_local(first), zone, duration, rule, _days(left_out)) if rule and first and duration else None
        )
        command(*arguments, holds=Holds(instant(since), instant(until), found), **others)

    told.__doc__, told.__name__ = command.__doc__, command.__name__
    for option in (
        click.option(
            "--except", "left_out", multiple=True, metavar="DAY", help="A day on which it does not; repeatable."
        ),
        click.option(
            "--zone", default="UTC", show_default=True, help="By whose clocks, for instance Europe/Amsterdam."
        ),
        click.option("--for", "duration", metavar="DURATION", help="How long each time (RFC 5545), for instance PT8H."),
        click.option("--first", metavar="LOCAL_TIME", help="When it begins for the first time: 2026-11-23T08:00."),
        click.option("--recurs", "rule", metavar="RRULE", help="How it recurs: FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR."),
        click.option("--until", metavar="ISO_TIME", help="When it ends, for instance 2027-01-01T00:00:00Z."),
        click.option("--since", metavar="ISO_TIME", help="When it begins, if not now."),
    ):
        told = option(told)
    return told


def _local(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise Refusal("voms.local_time", expected="2026-11-23T08:00", found=text)
    return found


def _days(texts: tuple[str, ...]) -> tuple[datetime, ...]:
    try:
        return tuple(datetime.strptime(text, _LOCAL_DAY) for text in texts)  # noqa: DTZ007 - a day of the zone's calendar
    except ValueError:
        raise Refusal("voms.local_time", expected="days such as 2026-12-25", found=", ".join(texts)) from None
