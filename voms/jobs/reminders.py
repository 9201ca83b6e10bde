"""Decides which letter a member is due at a moment, and at which step, so that each goes out once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from voms.members.acceptance import acceptance
from voms.members.situation import Situation, State
from voms.members.states import Life, situation

Kind = Literal["ending", "ended_grace", "ended", "removed", "sign_soon", "sign_now", "sign_missed"]

LATE: Final = timedelta(days=7)
"""How long after the event a letter about it still makes sense: nobody is written to about what happened years ago."""

_FIRST: Final = "first"


@dataclass(frozen=True, slots=True)
class Due:
    """A letter: of which ``kind``, at which ``step`` (at most 64 characters, the same for the same occasion), about which instant.

    ``ended``: when the membership did, where that is another one."""

    kind: Kind
    step: str
    instant: datetime
    ended: datetime | None = None


def letters_due(life: Life, now: datetime, *, remind: Sequence[int], remind_to_sign: Sequence[int]) -> tuple[Due, ...]:
    """What a member is to be told at ``now``. ``remind``, ``remind_to_sign``: how many days before the event; of several that have passed,
    the last counts. Whom a manager has suspended is told nothing: he does that himself."""
    found = situation(life, now)
    if found.state is State.SUSPENDED:
        return ()
    due = (_about_end(life, found, now, remind), _about_policy(life, found, now, remind_to_sign))
    return tuple(each for each in due if each is not None)


def horizon(days: Sequence[int]) -> timedelta:
    """How long before an event the first letter about it goes out."""
    return timedelta(days=max(days, default=0))


def _about_end(life: Life, found: Situation, now: datetime, remind: Sequence[int]) -> Due | None:
    end = life.valid_to
    if end is None:
        return None
    if found.state is State.EXPIRED and found.acts:
        over = end + life.grace
        return Due("ended_grace", f"{end.isoformat()} grace", over, end)
    if found.state is State.EXPIRED:
        over = end + life.grace
        return Due("ended", end.isoformat(), end) if over <= now < over + LATE else None
    step = _step(end, now, remind) if found.acts else None
    return Due("ending", f"{end.isoformat()} {step}", end) if step is not None else None


def _about_policy(life: Life, found: Situation, now: datetime, remind: Sequence[int]) -> Due | None:
    if not life.signs or found.state is State.EXPIRED:
        return None
    agreed = acceptance(life.undertaking, now)
    until = agreed.until
    if until is None:
        return None
    if agreed.accepted:
        step = _step(until, now, remind)
        return Due("sign_soon", f"{until.isoformat()} {step}", until) if step is not None else None
    if found.acts:
        return Due("sign_now", f"{until.isoformat()} {_step(until, now, remind) or _FIRST}", until)
    return Due("sign_missed", until.isoformat(), until) if until <= now < until + LATE else None


def _step(event: datetime, now: datetime, days: Sequence[int]) -> str | None:
    """The last of the steps that were reached, while the event is to come; None before the first."""
    reached = [each for each in days if event - timedelta(days=each) <= now < event]
    return str(min(reached)) if reached else None
