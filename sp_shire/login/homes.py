"""The home organisations that the registry of the moment offers: the directory to search in, and the feed. Decides nothing."""

from datetime import datetime
from threading import Lock

from ostiary.federation.directory import Directory
from ostiary.federation.discovery_feed import Feed
from ostiary.federation.registry import Registry


class Homes:
    """Made once for each registry."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: tuple[Directory, Feed] | None = None

    def at(self, registry: Registry, now: datetime) -> tuple[Directory, Feed]:
        """Those of this registry."""
        with self._lock:
            made = self._made
            if made is None or made[0].registry is not registry:
                directory = Directory(registry, now)
                made = self._made = (directory, Feed(directory))
            return made
