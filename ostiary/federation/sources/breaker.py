"""Whether a server is asked at all: one that does not answer is left alone for a while, then tried by one request. Asks no clock."""

import threading
from datetime import datetime, timedelta
from typing import Final

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)


class Breaker:
    """For one server, in one process: whoever comes while it is left alone does not wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._until: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether the server is left alone now."""
        # A clock that was turned back must not make the pause longer.
        until = self._until
        return until is not None and now < until and until - now <= LONGEST_PAUSE

    def lets_through(self, now: datetime) -> bool:
        """Whether this request, which is about to ask, may. After a pause the first one may, and no other until it has come back."""
        with self._lock:
            if self.is_open(now):
                return False
            if self._until is not None:
                self._until = now + _pause(self._failures)
            return True

    def answered(self) -> None:
        """It is there."""
        with self._lock:
            self._failures, self._until = 0, None

    def failed(self, now: datetime) -> None:
        """It did not answer."""
        with self._lock:
            self._failures += 1
            self._until = now + _pause(self._failures)


def _pause(failures: int) -> timedelta:
    doubled: timedelta = FIRST_PAUSE * (1 << min(failures - 1, 16))
    return min(doubled, LONGEST_PAUSE)


class Allowance:
    """So many in a minute, all of them at once if they like: for what strangers can cause."""

    def __init__(self, per_minute: int) -> None:
        self._lock = threading.Lock()
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._at: datetime | None = None

    def takes(self, now: datetime) -> bool:
        """Whether there is one left, which is taken."""
        with self._lock:
            if self._at is not None and now > self._at:
                gone = (now - self._at).total_seconds() / 60
                self._left = min(float(self._per_minute), self._left + gone * self._per_minute)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True
