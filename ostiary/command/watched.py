"""Files that services look at again while they run: metadata and keys. A broken file is reported, and the last good state serves on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from ostiary.clock import Clock
from ostiary.config import Holder, Sources
from ostiary.errors import OstiaryError
from ostiary.federation.keys import KeyRing, load_key_ring
from ostiary.federation.registry import Registry, SourceReport
from ostiary.federation.settings import TrustSettings
from ostiary.federation.sources.living import IndexedMetadata, MetadataInMemory
from ostiary.handle import HandleKey, load_handle_keys
from ostiary.web.log import Log
from ostiary.web.metadata_log import trusted_metadata

LOOK_EVERY: Final = timedelta(seconds=5)
LOOK_NOW: Final = "ostiary.look_now"
"""Under this name a Flask application's ``extensions`` hold what to call on SIGHUP."""

BEGIN: Final = "ostiary.begin"
"""Under this name: what to call once in each process that serves, before the first request."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WatchReport:
    """One thing that is watched: when what is in force was read, and why a later change of its files was refused, if one was."""

    name: str
    version: int
    read_at: datetime
    problem: OstiaryError | None


class Watching:
    """Everything that one service watches, for its operator: what is in force, and `look_now`."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._holders: dict[str, tuple[Holder[Any], list[datetime]]] = {}
        self._metadata: MetadataInMemory | IndexedMetadata | None = None

    def watch(self, name: str, load: Callable[[Sources], T]) -> Callable[[], T]:
        """Gives what ``load`` reads, of the moment."""
        read_at: list[datetime] = [self._clock.now()]

        def noted(sources: Sources) -> T:
            value = load(sources)
            read_at[0] = self._clock.now()
            return value

        holder = Holder(noted, every=LOOK_EVERY)
        self._holders[name] = (holder, read_at)
        return watched(holder, self._clock, self._log)

    def registry(self, trust: TrustSettings) -> Callable[[], Registry]:
        """Gives the registry of the moment; with ``trust.state``, kept up to date in the background."""
        self._metadata = trusted_metadata(trust, self._clock, self._log)
        return self._metadata.registry

    def sources(self) -> tuple[SourceReport, ...]:
        """How each source of metadata stands."""
        return self._metadata.reports() if self._metadata is not None else ()

    def keys(self, trust: TrustSettings) -> Callable[[], KeyRing]:
        """Gives the key ring of the moment."""
        return self.watch("keys", lambda sources: load_key_ring(trust.keys, sources))

    def handle_keys(self, paths: Sequence[Path]) -> Callable[[], tuple[HandleKey, ...]]:
        """Gives the handle keys of the moment: the first mints, all of them open."""
        return self.watch("handle_keys", lambda sources: load_handle_keys(paths, sources))

    def begin(self) -> None:
        """Metadata is kept up to date from now on, also where nobody asks anything for days."""
        if self._metadata is not None:
            self._metadata.start()

    def look_now(self) -> None:
        """The next request looks at the files, without waiting for their turn."""
        for holder, _ in tuple(self._holders.values()):
            holder.look_now()
        if self._metadata is not None:
            self._metadata.look_now()

    def reports(self) -> tuple[WatchReport, ...]:
        """How everything stands."""
        known = self._metadata
        metadata = () if known is None else (WatchReport("metadata", known.version, known.read_at, known.problem),)
        return metadata + tuple(
            WatchReport(name, holder.version, read_at[0], holder.problem)
            for name, (holder, read_at) in self._holders.items()
        )


def watched_registry(trust: TrustSettings, clock: Clock, log: Log) -> Callable[[], Registry]:
    """Gives the registry of the moment to a command: it takes no part in keeping it up to date."""
    return trusted_metadata(trust, clock, log, refresh=False).registry


def watched_keys(trust: TrustSettings, clock: Clock, log: Log) -> Callable[[], KeyRing]:
    """Gives the key ring of the moment."""
    return watched(Holder(lambda sources: load_key_ring(trust.keys, sources), every=LOOK_EVERY), clock, log)


def watched_handle_keys(paths: Sequence[Path], clock: Clock, log: Log) -> Callable[[], tuple[HandleKey, ...]]:
    """Gives the handle keys of the moment: the first mints, all of them open."""
    return watched(Holder(lambda sources: load_handle_keys(paths, sources), every=LOOK_EVERY), clock, log)


def watched(holder: Holder[T], clock: Clock, log: Log) -> Callable[[], T]:
    """Gives what the holder holds, after a look at its files where that is due."""

    def report(problem: OstiaryError) -> None:
        log.error("reload_refused", code=problem.code, problem=str(problem))

    return holder.watched(clock.now, report)
