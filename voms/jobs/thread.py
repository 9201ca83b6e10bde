"""Runs the jobs of one VO every so often beside the service, in one process of the machine at a time. Decides nothing of what they do."""

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.config.alone import alone
from ostiary.errors import OstiaryError
from ostiary.web.log import Log
from voms.jobs.running import Jobs, Report

FIRST_RUN_SECONDS: Final = 5.0


class JobThread:
    """`run_once` is one turn; `start` takes one every ``every`` until `stop`, or the end of the process."""

    def __init__(
        self, jobs: Jobs, *, every: timedelta, clock: Clock, log: Log, first_after: float = FIRST_RUN_SECONDS
    ) -> None:
        self._jobs = jobs
        self._every = every
        self._clock = clock
        self._log = log
        self._first_after = first_after
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """From now on a thread takes the turns."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._turns, name=f"vo-jobs-{self._jobs.vo}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """No further turn; waits for the one that runs."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def run_once(self, now: datetime) -> Report | None:
        """One turn; None where another process of this machine is at it. Raises as `Jobs.run`."""
        with machine_lock(self._jobs.engine, self._jobs.vo, self._log) as mine:
            if not mine:
                return None
            report = self._jobs.run(now)
        self._log.info("vo_jobs_ran", vo=self._jobs.vo, **report.facts())
        return report

    def _turns(self) -> None:
        wait = self._first_after
        while not self._stopping.wait(wait):
            wait = self._every.total_seconds()
            try:
                self.run_once(self._clock.now())
            except OstiaryError as problem:
                self._log.error("vo_jobs_failed", vo=self._jobs.vo, code=problem.code, problem=str(problem))
            except Exception as error:  # the next turn may go better, and the service must not end for it
                self._log.error("vo_jobs_broken", vo=self._jobs.vo, problem=repr(error))


@contextmanager
def machine_lock(engine: Engine, vo: str, log: Log) -> Iterator[bool]:
    """Held by one process of this machine at a time; gives whether we do. The file stands beside a SQLite database, else where this
    system keeps what need not last.

    Without such a file the jobs run all the same: nothing is done twice by two that run at once.
    """
    path = lock_path(engine, vo)
    with ExitStack() as held:
        try:
            mine = held.enter_context(alone(path, wait=False))
        except OSError as error:
            log.warning("vo_jobs_without_lock", vo=vo, file=str(path), problem=error.strerror)
            mine = True
        yield mine


def lock_path(engine: Engine, vo: str) -> Path:
    """The file that `machine_lock` holds."""
    url = engine.url
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return Path(f"{url.database}.{vo}.jobs")
    named = hashlib.sha256(f"{url.render_as_string(hide_password=True)}\n{vo}".encode()).hexdigest()[:24]
    return Path(tempfile.gettempdir()) / f"ostiary-{os.getuid()}-{named}.jobs"
