"""What was believed of chains a moment ago, so that a program that comes again at once costs no signatures. Decides nothing."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from ostiary.policy.acceptance import AcceptancePolicy
from sp_shire.certificates.grid import Grid

LONGEST: Final = timedelta(minutes=1)
MOST: Final = 1024


@dataclass(frozen=True, slots=True)
class Basis:
    """What a belief rests on besides the chain. Another CA directory, CRL, LSC file or policy makes another basis, by identity."""

    grid: Grid
    policy: AcceptancePolicy


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    value: T
    basis: Basis
    since: datetime
    until: datetime


class Remembered(Generic[T]):
    """At most `MOST` chains, each for `LONGEST` and never beyond what it rests on. Thread-safe."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, chain: Sequence[bytes], basis: Basis, now: datetime) -> T | None:
        """What was made of exactly this chain on exactly this basis."""
        key = _key(chain)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            same = entry.basis.grid is basis.grid and entry.basis.policy is basis.policy
            if not same or not entry.since <= now < entry.until:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return entry.value

    def keep(self, chain: Sequence[bytes], basis: Basis, value: T, *, until: datetime, now: datetime) -> None:
        """Remembers it, until then at the latest; the chain that was asked for longest ago makes room."""
        entry = _Entry(value, basis, now, min(now + LONGEST, until))
        with self._lock:
            self._entries[_key(chain)] = entry
            while len(self._entries) > MOST:
                self._entries.popitem(last=False)


def _key(chain: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256()
    for der in chain:
        # With lengths, so that no two chains come to the same octets.
        digest.update(len(der).to_bytes(8, "big"))
        digest.update(der)
    return digest.digest()
