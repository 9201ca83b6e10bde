"""The home organisations that the registry of the moment knows: one by its name, the directory to search in, and the feed."""

from datetime import datetime
from threading import Lock

from ostiary.errors import Refusal
from ostiary.federation.directory import Directory
from ostiary.federation.discovery_feed import Feed
from ostiary.federation.model import IdpRole
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


def home_called(entity_id: str, registry: Registry, now: datetime) -> IdpRole:
    """What metadata says of this home organisation. Raises `Refusal` (``sp.unknown_idp``)."""
    role = registry.idp(entity_id, now)
    if role is None:
        expected = "a home organisation that this resource knows"
        raise Refusal("sp.unknown_idp", expected=expected, found=entity_id[:300])
    return role
