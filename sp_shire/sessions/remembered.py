"""What sessions look like once they have been read: kept by this process, so that they are not read for each request.

Asks nobody whether a session still counts: what is remembered serves only beside the very octets that the store gave just now.
"""

import threading
from dataclasses import dataclass
from typing import Final

from sp_shire.sessions.records import Session
from sp_shire.sessions.visitor import Visitor

AT_MOST: Final = 2_000
"""Sessions that one process remembers, some 10 kB each."""


@dataclass(frozen=True, slots=True)
class Read:
    """A session as it was read from ``stored`` and ``state``, and who has it."""

    stored: bytes
    state: bytes
    session: Session
    visitor: Visitor


class Remembered:
    """The sessions read last. Thread-safe."""

    def __init__(self, at_most: int = AT_MOST) -> None:
        self._at_most = at_most
        self._known: dict[str, Read] = {}
        self._lock = threading.Lock()

    def get(self, key: str, stored: bytes, state: bytes) -> Read | None:
        """What these octets say, where that is remembered."""
        known = self._known.get(key)
        return known if known is not None and known.state == state and known.stored == stored else None

    def put(self, key: str, read: Read) -> None:
        """Remembers it in place of what was known under this key."""
        with self._lock:
            self._known.pop(key, None)
            if len(self._known) >= self._at_most:
                del self._known[next(iter(self._known))]
            self._known[key] = read

    def forget(self, key: str) -> None:
        """Nothing stays of it."""
        with self._lock:
            self._known.pop(key, None)

    def __len__(self) -> int:
        return len(self._known)
