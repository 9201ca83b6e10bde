"""Work that a page leaves to be done after its answer, so that the answer tells nothing by its time. Knows nothing about the work.

What waits is in this process alone: when the node stops it is lost, so only what a person can simply ask for again is done so.
"""

import queue
import threading
from collections.abc import Callable
from typing import Final, Protocol

from ostiary.errors import OstiaryError, Unavailable
from ostiary.web.log import Log

_PAUSES: Final = (1.0, 5.0)


class Errands(Protocol):
    """Something that does errands."""

    def do(self, name: str, errand: Callable[[], None]) -> None:
        """Take an errand; ``name`` is for the log. What goes wrong with it goes into the log and nowhere else. Raises `Unavailable`
        (``web.busy``) when too many wait, whatever they are."""
        ...


class ErrandsAtOnce:
    """Does each errand before it returns: for tests, and where nobody waits for an answer."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def do(self, name: str, errand: Callable[[], None]) -> None:
        """As `Errands.do`; never busy."""
        _run(self._log, name, errand, ())


class ErrandsAfterwards:
    """One thread of this process does them, one after the other. An errand that meets something unavailable is tried again twice."""

    def __init__(self, log: Log, *, waiting: int = 200) -> None:
        self._log = log
        self._queue: queue.Queue[tuple[str, Callable[[], None]]] = queue.Queue(waiting)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, name: str, errand: Callable[[], None]) -> None:
        """As `Errands.do`."""
        try:
            self._queue.put_nowait((name, errand))
        except queue.Full:
            raise Unavailable("web.busy", expected="a place in the queue", found="none") from None
        with self._starting:
            # A process that was forked has the object, but not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="errands", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            name, errand = self._queue.get()
            _run(self._log, name, errand, _PAUSES)


def _run(log: Log, name: str, errand: Callable[[], None], pauses: tuple[float, ...]) -> None:
    for pause in (*pauses, None):
        try:
            errand()
        except Unavailable as problem:
            if pause is None:
                log.error("errand_failed", errand=name, code=problem.code, found=problem.found)
            else:
                threading.Event().wait(pause)
        except OstiaryError as problem:
            log.error("errand_failed", errand=name, code=problem.code, found=problem.found)
            return
        except Exception as problem:
            log.error("errand_crashed", errand=name, exc_info=problem)
            return
        else:
            return
