"""Files that services look at again while they run: metadata and keys. A broken file is reported, and the last good state serves on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from ostiary.clock import Clock
from ostiary.config import Holder, Sources
from ostiary.federation.keys import KeyRing, load_key_ring
from ostiary.federation.registry import Registry
from ostiary.federation.settings import TrustSettings
from ostiary.federation.sources import load_registry
from ostiary.web.log import Log, left_out

LOOK_EVERY: Final = timedelta(seconds=5)

T = TypeVar("T")


def watched_registry(trust: TrustSettings, clock: Clock, log: Log) -> Callable[[], Registry]:
    """Gives the registry of the moment."""
    files = [entry.source() for entry in trust.metadata]

    def load(sources: Sources) -> Registry:
        return load_registry(files, now=clock.now(), sources=sources, leave_out=left_out(log))

    return watched(Holder(load, every=LOOK_EVERY), clock, log)


def watched_keys(trust: TrustSettings, clock: Clock, log: Log) -> Callable[[], KeyRing]:
    """Gives the key ring of the moment."""
    return watched(Holder(lambda sources: load_key_ring(trust.keys, sources), every=LOOK_EVERY), clock, log)


def watched(holder: Holder[T], clock: Clock, log: Log) -> Callable[[], T]:
    """Gives what the holder holds, after a look at its files where that is due."""

    def current() -> T:
        if (problem := holder.poll(clock.now())) is not None:
            log.error("reload_refused", code=problem.code, problem=str(problem))
        return holder.value

    return current
