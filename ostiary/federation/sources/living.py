"""The registry of the moment, the one way in which every service gets it: from files in memory, or, with ``trust.state``, from the index,
which one process of the machine keeps up to date in the background. A request never waits for a refresh.
"""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Final, Protocol

from ostiary.clock import Clock
from ostiary.config import Holder, Sources
from ostiary.config.sources import stamp
from ostiary.errors import Missing, OstiaryError
from ostiary.federation.read import LeaveOut
from ostiary.federation.registry import Registry, SourceReport
from ostiary.federation.settings import (
    MetadataDirectorySettings,
    MetadataFileSettings,
    TrustSettings,
)
from ostiary.federation.sources.configured import Configured, DocumentSource, QuerySource, configured_sources
from ostiary.federation.sources.files import load_registry
from ostiary.federation.sources.records import RECORDS, Tell, read_record, tell_nobody

if TYPE_CHECKING:
    from ostiary.federation.index import IndexedSource
    from ostiary.federation.sources.mdq import MdqSource
    from ostiary.federation.sources.upkeep import Upkeep

LOOK_EVERY: Final = timedelta(seconds=5)
"""How often files are looked at, and whether it is a source's turn."""

NOTICE_EVERY: Final = timedelta(seconds=1)
"""How often a process asks whether another one changed the index."""

_PATIENCE: Final = 2.0

Complain = Callable[[OstiaryError], None]
"""Is told of a configuration that was refused while the service runs, once for each change, and of anything unforeseen."""


class Metadata(Protocol):
    """What a service knows of others."""

    def registry(self) -> Registry:
        """That of the moment; a new object whenever something in it changed."""
        ...

    def reports(self) -> tuple[SourceReport, ...]:
        """How each source stands, in the order of precedence."""
        ...

    def look_now(self) -> None:
        """Files are looked at, and documents from afar are asked for, without waiting for their turn."""
        ...


def open_metadata(
    trust: TrustSettings,
    clock: Clock,
    *,
    tell: Tell = tell_nobody,
    leave_out: LeaveOut | None = None,
    complain: Complain = lambda problem: None,
    refresh: bool = True,
) -> "MetadataInMemory | IndexedMetadata":
    """Everything that ``trust`` names, read once. ``refresh``: this process takes part in keeping it up to date; not for a command that
    ends soon. Raises `ConfigurationError` where there is nothing to begin with."""
    if trust.state is None:
        return MetadataInMemory(trust, clock, leave_out=leave_out, complain=complain)
    return IndexedMetadata(
        trust, trust.state, clock, tell=tell, leave_out=leave_out, complain=complain, refresh=refresh
    )


def read_files(trust: TrustSettings, now: datetime, sources: Sources | None, leave_out: LeaveOut | None) -> Registry:
    """All files and directories, in memory. Raises as `load_registry`."""
    files = [
        entry.source()
        for entry in trust.metadata
        if isinstance(entry, MetadataFileSettings | MetadataDirectorySettings)
    ]
    return load_registry(files, now=now, sources=sources, leave_out=leave_out)


class MetadataInMemory:
    """Files and directories, read anew when one of them changed."""

    def __init__(self, trust: TrustSettings, clock: Clock, *, leave_out: LeaveOut | None, complain: Complain) -> None:
        self._clock = clock
        self._complain = complain
        self._refused: OstiaryError | None = None
        self.read_at = clock.now()

        def load(sources: Sources) -> Registry:
            registry = read_files(trust, clock.now(), sources, leave_out)
            self.read_at = clock.now()
            return registry

        self._holder = Holder(load, every=LOOK_EVERY)

    @property
    def version(self) -> int:
        """Counts the changes."""
        return self._holder.version

    @property
    def problem(self) -> OstiaryError | None:
        """Why the last change was refused."""
        return self._holder.problem

    def registry(self) -> Registry:
        """See `Metadata`."""
        if (problem := self._holder.poll(self._clock.now())) is not None:
            self._complain(problem)
        return self._holder.value

    def reports(self) -> tuple[SourceReport, ...]:
        """See `Metadata`."""
        return self.registry().sources

    def look_now(self) -> None:
        """See `Metadata`."""
        self._holder.look_now()

    def held(self) -> Registry:
        """As it was last read."""
        return self._holder.value

    def start(self) -> None:
        """There is nothing to refresh."""

    def close(self) -> None:
        """There is nothing to end."""


class IndexedMetadata:
    """The index of ``trust.state``, of which every process has a view. The thread that refreshes begins with the first question (or with
    `start`), in whatever process that is: none is there before a server forks its workers."""

    def __init__(
        self,
        trust: TrustSettings,
        state: Path,
        clock: Clock,
        *,
        tell: Tell,
        leave_out: LeaveOut | None,
        complain: Complain,
        refresh: bool,
    ) -> None:
        # The index and what reads XML apart are for those who want them.
        from ostiary.federation.index import MetadataIndex
        from ostiary.federation.sources.upkeep import Upkeep

        self._clock = clock
        self._complain = complain
        self._leave_out = leave_out
        self._state = state
        self.read_at = clock.now()
        self._index = MetadataIndex.open(state)
        self._holder: Holder[Configured] = Holder(lambda sources: configured_sources(trust, sources), every=LOOK_EVERY)
        self._upkeep = Upkeep(state, self._index, random=SystemRandom().random, tell=tell)
        self._upkeep.prepare(self._holder.value, clock.now())
        self._lock = threading.Lock()
        self._tell = tell
        self._asked: dict[str, MdqSource] = {}
        self._next_look = clock.now() + NOTICE_EVERY
        self._seen = (self._holder.version, self._index.version())
        self._told = stamp(state / RECORDS)
        self._made = self._view()
        # Services with other sources may use the same directory: each has somebody who refreshes its own.
        purpose = f"refresh-{sha256(trust.model_dump_json().encode()).hexdigest()[:16]}"
        self._refreshing = _Refreshing(self._upkeep, self._holder, clock, complain, purpose) if refresh else None
        if self._refreshing is not None:
            # Also when the process ends.
            weakref.finalize(self, self._refreshing.stop)

    @property
    def version(self) -> int:
        """Changes with what is in force."""
        return sum(self._seen)

    @property
    def problem(self) -> OstiaryError | None:
        """Why the last change of a key file or of a directory was refused. What is wrong with a document stands in the reports."""
        return self._holder.problem

    def registry(self) -> Registry:
        """See `Metadata`. Never waits: while another thread looks, the last one serves."""
        self.start()
        now = self._clock.now()
        if now >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._next_look = now + NOTICE_EVERY
                self._look(now)
            except OstiaryError as problem:
                self._complain(problem)
            finally:
                self._lock.release()
        return self._made

    def held(self) -> Registry:
        """The registry as it was last seen: for who puts a service together before it serves."""
        return self._made

    def reports(self) -> tuple[SourceReport, ...]:
        """See `Metadata`."""
        self.registry()
        return source_reports(self._state, self._holder.value)

    def look_now(self) -> None:
        """See `Metadata`."""
        self._holder.look_now()
        self._next_look = datetime.min.replace(tzinfo=self._next_look.tzinfo)
        if self._refreshing is not None:
            self._refreshing.wake()

    def refresh_now(self) -> None:
        """One round of what the background does, in this thread: every source whose turn it is. For commands."""
        refresh_round(self._upkeep, self._holder, self._clock, self._complain)

    def start(self) -> None:
        """Begins to refresh in this process, if it has not begun yet."""
        if self._refreshing is not None:
            self._refreshing.start()

    def close(self) -> None:
        """Ends the refreshing, and lets go of the index."""
        if self._refreshing is not None:
            self._refreshing.stop()
        self._index.close()

    def _look(self, now: datetime) -> None:
        if (problem := self._holder.poll(now)) is not None:
            self._complain(problem)
        seen, told = (self._holder.version, self._index.version()), stamp(self._state / RECORDS)
        if seen != self._seen:
            self._seen, self._told = seen, told
            self._made = self._view()
            self.read_at = now
        elif told != self._told:
            # How the sources stand changes more often than what they say, and nobody need derive anything anew for it.
            self._told = told
            self._made.sources = source_reports(self._state, self._holder.value)

    def _view(self) -> Registry:
        configured = self._holder.value
        reports = source_reports(self._state, configured)
        return self._index.registry(self._sources(configured), reports, self._leave_out)

    def _sources(self, configured: Configured) -> "tuple[IndexedSource, ...]":
        """As the index knows them. Who is asked for single entities stays the same one: it knows whether its server is there."""
        from ostiary.federation.index import IndexedSource
        from ostiary.federation.sources.mdq import MdqSource

        self._asked = {
            source.name: self._asked.get(source.name)
            or MdqSource(source, self._index, self._state, random=SystemRandom().random, tell=self._tell)
            for source in configured
            if isinstance(source, QuerySource)
        }
        return tuple(IndexedSource(source.name, source.reading, self._asked.get(source.name)) for source in configured)


def source_reports(state: Path, configured: Configured) -> tuple[SourceReport, ...]:
    """How each source stands, from the records that the refreshing process writes."""
    return tuple(_report(state, source) for source in configured)


def _report(state: Path, source: DocumentSource | QuerySource) -> SourceReport:
    record = read_record(state / RECORDS, source.name)
    if record is not None:
        return record.report()
    if isinstance(source, QuerySource):
        return SourceReport(source.place, 0, 0, 0, None, source.kind)
    missing = Missing("metadata.no_copy", expected="a first answer", file=source.place)
    return SourceReport(source.place, 0, 0, 0, None, source.kind, problem=missing)


def metadata_status(trust: TrustSettings, now: datetime) -> tuple[SourceReport, ...]:
    """How each source stands, for a command: reads what the services wrote, asks no server and changes nothing. Without ``trust.state`` it
    reads the files. Raises `ConfigurationError` where those, a key file or a directory can't be used."""
    if trust.state is None:
        return read_files(trust, now, None, lambda entity_id, problem: None).sources
    return source_reports(trust.state, configured_sources(trust))


def all_is_well(reports: Sequence[SourceReport], now: datetime) -> bool:
    """Whether no source waits for the operator: nothing was refused, and nothing has expired."""
    return all(
        report.problem is None and (report.valid_until is None or now < report.valid_until) for report in reports
    )


class _Refreshing:
    """The thread. It holds the lock of the machine as long as it lives; as long as another process has it, it only waits for its turn."""

    def __init__(
        self, upkeep: "Upkeep", holder: Holder[Configured], clock: Clock, complain: Complain, purpose: str
    ) -> None:
        self._upkeep = upkeep
        self._purpose = purpose
        self._holder = holder
        self._clock = clock
        self._complain = complain
        self._begin(None)

    def _begin(self, pid: int | None) -> None:
        self._pid = pid
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._at_once = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Once in each process: threads do not survive a fork."""
        if self._pid == os.getpid():
            return
        if self._pid is not None:
            self._begin(None)
        with self._starting:
            if self._pid is None:
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="ostiary-metadata", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Looks now, and asks for everything now."""
        self._at_once = True
        self._wake.set()

    def stop(self) -> None:
        """Ends the thread; one that is in the middle of an answer from afar is left behind, and what it does changes nothing by halves."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        last = ""
        while not self._stopping:
            try:
                with self._upkeep.alone(self._purpose, wait=False) as ours:
                    while ours and not self._stopping:
                        at_once, self._at_once = self._at_once, False
                        refresh_round(self._upkeep, self._holder, self._clock, self._complain, at_once=at_once)
                        last = ""
                        self._rest()
            except Exception as error:
                # Whatever it is: who serves does not notice, and it is tried again. Told once, not at every try.
                if repr(error) != last:
                    last = repr(error)
                    unforeseen = OstiaryError("metadata.refreshing", found=last)
                    self._complain(error if isinstance(error, OstiaryError) else unforeseen)
            self._rest()

    def _rest(self) -> None:
        if not self._stopping:
            self._wake.wait(LOOK_EVERY.total_seconds())
        if not self._stopping:
            self._wake.clear()


def refresh_round(
    upkeep: "Upkeep", holder: Holder[Configured], clock: Clock, complain: Complain, *, at_once: bool = False
) -> None:
    """Tries every source whose turn it is (``at_once``: and every one from afar), and forgets what is nobody's any more."""
    now = clock.now()
    if (problem := holder.poll(now)) is not None:
        complain(problem)
    upkeep.step(holder.value, now, at_once=at_once)
    upkeep.mark_in_use([source.name for source in holder.value], now)
