"""Holds one frozen snapshot of configuration, and swaps it whole when its files change; a broken file changes nothing."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from ostiary.config.sources import Sources
from ostiary.errors import OstiaryError

T = TypeVar("T")


class Holder(Generic[T]):
    """The present snapshot of type ``T``.

    ``load`` reads it and tells the `Sources` it is given each file and directory that it reads; what it returns must be
    frozen. Construction loads once, so a broken file stops the start. A request takes ``value`` once and keeps to that
    snapshot. ``every`` is the least time between two looks at the files by `poll`.
    """

    def __init__(self, load: Callable[[Sources], T], *, every: timedelta = timedelta(seconds=5)) -> None:
        self._load = load
        self._every = every
        self._lock = threading.Lock()
        self._next_look: datetime | None = None
        self._sources = Sources()
        self._problem: OstiaryError | None = None
        # One tuple, so that a reader without the lock never sees a new value under an old version.
        self._snapshot: tuple[int, T] = (1, load(self._sources))

    @property
    def value(self) -> T:
        """The snapshot in force."""
        return self._snapshot[1]

    @property
    def version(self) -> int:
        """1 for the first snapshot, one more for each swap: for caches of what was derived from ``value``."""
        return self._snapshot[0]

    @property
    def problem(self) -> OstiaryError | None:
        """Why the last attempt to load was refused; None when ``value`` is what the files say."""
        return self._problem

    def reload(self) -> T:
        """Read everything now and swap. Raises what the loading raised; the old snapshot then stays in force."""
        with self._lock:
            return self._reload()

    def poll(self, now: datetime) -> OstiaryError | None:
        """Reload if a file changed since it was read; looks at most once in ``every``, and never waits for another
        thread.

        Returns the problem of a change that was refused (once for each change), else None.
        """
        next_look = self._next_look
        if (next_look is not None and now < next_look) or not self._lock.acquire(blocking=False):
            return None
        try:
            if self._next_look is not None and now < self._next_look:
                return None
            self._next_look = now + self._every
            if not self._sources.changed():
                return None
            try:
                self._reload()
            except OstiaryError as problem:
                return problem
            return None
        finally:
            self._lock.release()

    def watched(self, now: Callable[[], datetime], report: Callable[[OstiaryError], None]) -> Callable[[], T]:
        """Gives ``value``, after a `poll`; ``report`` is told of what that returns.

        A request asks a dozen times, so between two looks this is all that happens.
        """

        def look() -> None:
            problem = self.poll(now())
            if problem is not None:
                report(problem)

        def current() -> T:
            next_look = self._next_look
            if next_look is None or now() >= next_look:
                look()
            return self._snapshot[1]

        return current

    def look_now(self) -> None:
        """The next `poll` looks, however short the last one ago. May be called by a signal handler: it waits for nothing."""
        self._next_look = None

    def _reload(self) -> T:
        sources = Sources()
        # The old files too: a load that stops at the first broken file has not noted those after it.
        known = self._sources.paths()
        try:
            value = self._load(sources)
        except Exception as error:
            # Whatever it is, a defect in reading included: what is in force stays in force.
            problem = error if isinstance(error, OstiaryError) else OstiaryError("config.unreadable", found=repr(error))
            for path in known:
                sources.note(path)
            self._sources = sources
            self._problem = problem
            if problem is error:
                raise
            raise problem from error
        self._sources = sources
        self._problem = None
        self._snapshot = (self._snapshot[0] + 1, value)
        return value
