"""How often somebody may type a code: of one person from one address, and of one person from everywhere. Knows no code.

A browser in which she has proven a second factor before counts for itself, so that a stranger who knows her password keeps her out of no
browser of hers; and a passkey, which nobody can guess, is not counted at all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ostiary.errors import TooMany
from ostiary.storage.stores import Counters

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Wrong codes of one person: ``per_minute`` from one address, ``per_hour`` from everywhere. Of a million codes three are right at a
    time, so that 20 in an hour leave a guesser who has the password a chance of one in 16,000 in each hour."""

    per_minute: int = 5
    per_hour: int = 20


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who types, and where. ``mark``: the mark of a browser that she has used before."""

    principal: str
    address: str
    mark: str | None

    @property
    def _pair(self) -> str:
        return f"factor code of {self.principal!r} at {self.address!r}"

    @property
    def _everywhere(self) -> str:
        place = f" in {self.mark}" if self.mark is not None else ""
        return f"factor code of {self.principal!r}{place}"


class CodeAttempts:
    """Counts in a `Counters` store, which keeps hashes of what is counted."""

    def __init__(self, counters: Counters, limits: AttemptLimits = AttemptLimits()) -> None:
        self._counters = counters
        self._limits = limits

    def count(self, attempt: Attempt, now: datetime) -> None:
        """One more attempt. Raises `TooMany` (``factor.throttled``)."""
        self._hit(attempt._pair, self._limits.per_minute, _MINUTE, now)
        self._hit(attempt._everywhere, self._limits.per_hour, _HOUR, now)

    def succeeded(self, attempt: Attempt, now: datetime) -> None:
        """The code was right: this attempt does not count, and the address begins anew."""
        self._counters.forget(attempt._pair)
        self._counters.give_back(attempt._everywhere, now)

    def _hit(self, key: str, limit: int, window: timedelta, now: datetime) -> None:
        hits = self._counters.hit(key, window=window, now=now)
        if hits > limit:
            seconds = int(window.total_seconds())
            raise TooMany(
                "factor.throttled", retry_after=seconds, expected=f"{limit} attempts in {seconds} seconds", found=hits
            )
