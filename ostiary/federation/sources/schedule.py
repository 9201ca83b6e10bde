"""When a source of metadata is asked next. Pure: the time and a random number are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FIRST_RETRY: Final = timedelta(minutes=1)
LONGEST_RETRY: Final = timedelta(hours=1)
_SPREAD: Final = 0.1


@dataclass(frozen=True, slots=True)
class Rhythm:
    """``every``: where a document says nothing; ``no_sooner``, ``no_later``: the bounds of what it may say."""

    every: timedelta
    no_sooner: timedelta
    no_later: timedelta

    def interval(self, cache_duration: timedelta | None) -> timedelta:
        """How long a document is good for before it is asked for again (metadata 2.3.1, cacheDuration)."""
        wanted = self.every if cache_duration is None else cache_duration
        return min(max(wanted, self.no_sooner), max(self.no_later, self.no_sooner))


def after_success(
    now: datetime, rhythm: Rhythm, *, cache_duration: timedelta | None, valid_until: datetime | None, random: float
) -> datetime:
    """The next time after a good answer. ``random`` (0 to 1) takes up to a tenth away, so that not everybody asks at once. At the latest
    when half of what is left until ``valid_until`` has gone by, so that there is time for several attempts."""
    wait = rhythm.interval(cache_duration)
    if valid_until is not None and valid_until > now:
        wait = max(min(wait, (valid_until - now) / 2), min(rhythm.no_sooner, wait))
    return now + wait * (1 - _SPREAD * random)


def after_failure(now: datetime, rhythm: Rhythm, *, failures: int, random: float) -> datetime:
    """The next time after the ``failures``-th failure in a row: a minute, then twice as long each time up to an hour, though never longer
    than after a success; ``random`` (0 to 1) takes up to a half away."""
    # Doubling a timedelta for ever would overflow.
    wait: timedelta = min(
        FIRST_RETRY * (1 << min(failures - 1, 16)), LONGEST_RETRY, max(rhythm.every, rhythm.no_sooner)
    )
    return now + wait * (1 - random / 2)
