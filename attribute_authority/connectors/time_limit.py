"""Ends the wait for a source when its time is up, whatever its driver does; and keeps a source that hangs from using up all threads."""

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Final, TypeVar

from attribute_authority.connectors.protocol import Connector, FollowingConnector, Found
from ostiary.errors import Unavailable

T = TypeVar("T")

PLACES: Final = 10
"""Questions to one source at a time."""


class Attempt:
    """One question under way. What is asked may say how to break it off. ``over``: nobody waits for it any longer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut: Callable[[], None] | None = None
        self.over = False

    @contextlib.contextmanager
    def cutting(self, cut: Callable[[], None] | None) -> Iterator[None]:
        """Inside, ``cut`` may be called once, from another thread; never after it."""
        with self._lock:
            self._cut = cut
            if self.over and cut is not None:
                cut()
        try:
            yield
        finally:
            with self._lock:
                self._cut = None

    def give_up(self) -> None:
        """Ends it, if it said how."""
        with self._lock:
            self.over = True
            if self._cut is not None:
                self._cut()


class TimeLimit:
    """Each question runs in a thread of its own, at most ``places`` at a time: one that hangs keeps its place until its driver, or what
    it said about breaking off, ends it. Who finds no place waits as long as for an answer."""

    def __init__(self, limit: timedelta, *, places: int = PLACES) -> None:
        self._seconds = limit.total_seconds()
        self._places = threading.BoundedSemaphore(places)

    def run(self, ask: Callable[[Attempt], T]) -> T:
        """The answer, or what asking raised. Raises `Unavailable` (``aa.connector_slow``, ``aa.connector_busy``)."""
        end = time.monotonic() + self._seconds
        if not self._places.acquire(timeout=self._seconds):
            raise Unavailable("aa.connector_busy", expected=f"a place within {self._seconds:g} s", found="none free")
        attempt, outcome = Attempt(), Future[T]()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                outcome.set_result(context.run(ask, attempt))
            except BaseException as problem:
                outcome.set_exception(problem)
            finally:
                self._places.release()

        try:
            threading.Thread(target=work, name="connector", daemon=True).start()
        except RuntimeError as error:
            self._places.release()
            raise Unavailable("aa.connector_busy", expected="a thread", found=error) from error
        try:
            return outcome.result(max(0.0, end - time.monotonic()))
        except TimeoutError:
            if outcome.done():
                # It was the question that ended so.
                return outcome.result()
            attempt.give_up()
            raise Unavailable(
                "aa.connector_slow", expected=f"an answer within {self._seconds:g} s", found="none"
            ) from None


class InTime:
    """A connector whose every answer comes in time, or not at all."""

    def __init__(self, connector: Connector, limit: timedelta) -> None:
        self.connector = connector
        self._limit = TimeLimit(limit)

    def attributes(self, principal: str, at: datetime) -> Found:
        return self._limit.run(lambda _: self.connector.attributes(principal, at))

    def close(self) -> None:
        """Close its connections."""
        self.connector.close()


class FollowingInTime:
    """The same for one that follows others."""

    def __init__(self, connector: FollowingConnector, limit: timedelta) -> None:
        self.connector = connector
        self._limit = TimeLimit(limit)

    def attributes_given(self, principal: str, found: Mapping[str, Sequence[str]], at: datetime) -> Found:
        return self._limit.run(lambda _: self.connector.attributes_given(principal, found, at))

    def close(self) -> None:
        """Close its connections."""
        self.connector.close()
