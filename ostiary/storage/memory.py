"""The stores in the memory of one process: thread-safe, bounded, unknown to other processes, gone with this one."""

import heapq
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from ostiary.errors import Unavailable
from ostiary.storage.stores import MAXIMUM_MEMBERS, stored_key

V = TypeVar("V")

MAX_ENTRIES = 100_000


class _Expiring(Generic[V]):
    """A bounded dictionary whose entries expire. Not thread-safe: whoever owns one has a lock."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[datetime, V]] = OrderedDict()
        # Every (expiry, key) ever put; one whose entry has gone or changed since is skipped when it comes up.
        self._expiries: list[tuple[datetime, str]] = []

    def get(self, key: str, now: datetime) -> V | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and now < entry[0] else None

    def expiry(self, key: str) -> datetime | None:
        entry = self._entries.get(key)
        return entry[0] if entry is not None else None

    def put(self, key: str, value: V, expires: datetime) -> None:
        self._entries.pop(key, None)
        self._entries[key] = (expires, value)
        heapq.heappush(self._expiries, (expires, key))
        if len(self._expiries) > 2 * len(self._entries) + 64:
            self._expiries = [(entry[0], known) for known, entry in self._entries.items()]
            heapq.heapify(self._expiries)

    def replace(self, key: str, value: V) -> None:
        self._entries[key] = (self._entries[key][0], value)

    def pop(self, key: str) -> None:
        self._entries.pop(key, None)

    def is_full(self, now: datetime) -> bool:
        """Whether no entry can be added, once the expired ones are gone."""
        while self._expiries and self._expiries[0][0] <= now:
            expires, key = heapq.heappop(self._expiries)
            if self.expiry(key) == expires:
                del self._entries[key]
        return len(self._entries) >= self._max_entries

    def drop_oldest(self) -> None:
        self._entries.popitem(last=False)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)


class MemorySessionStore:
    """`SessionStore` for one process. When full, the oldest entry gives way."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, namespace: str = "") -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._entries: _Expiring[bytes] = _Expiring(max_entries)

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        name = stored_key(self._namespace, key)
        with self._lock:
            self._entries.pop(name)
            if expires <= now:
                return
            if self._entries.is_full(now):
                self._entries.drop_oldest()
            self._entries.put(name, bytes(value), expires)

    def get(self, key: str, now: datetime) -> bytes | None:
        with self._lock:
            return self._entries.get(stored_key(self._namespace, key), now)

    def take(self, key: str, now: datetime) -> bytes | None:
        name = stored_key(self._namespace, key)
        with self._lock:
            value = self._entries.get(name, now)
            self._entries.pop(name)
            return value

    def __len__(self) -> int:
        """How many entries are held, expired ones that were not yet cleared away included."""
        return len(self._entries)


class MemoryGroups:
    """`Groups` for one process. When full, the oldest membership gives way."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, namespace: str = "") -> None:
        self._namespace = namespace
        self._max_entries = max_entries
        self._lock = threading.Lock()
        # (group, member) in the order of arrival, and the same by group.
        self._entries: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._groups: dict[str, set[str]] = {}
        self._expiries: list[tuple[datetime, str, str]] = []

    def add(self, group: str, member: str, *, expires: datetime, now: datetime) -> None:
        name = stored_key(self._namespace, group)
        with self._lock:
            until = self._entries.get((name, member))
            if expires <= now or (until is not None and until >= expires):
                return
            self._drop_expired(now)
            if until is None and len(self._entries) >= self._max_entries:
                self._drop(*next(iter(self._entries)))
            self._entries[name, member] = expires
            self._groups.setdefault(name, set()).add(member)
            heapq.heappush(self._expiries, (expires, name, member))
            if len(self._expiries) > 2 * len(self._entries) + 64:
                self._expiries = [(at, *known) for known, at in self._entries.items()]
                heapq.heapify(self._expiries)

    def members(self, group: str, now: datetime) -> tuple[str, ...]:
        name = stored_key(self._namespace, group)
        with self._lock:
            found = sorted(member for member in self._groups.get(name, ()) if now < self._entries[name, member])
            return tuple(found[:MAXIMUM_MEMBERS])

    def remove(self, group: str, member: str) -> None:
        with self._lock:
            self._drop(stored_key(self._namespace, group), member)

    def _drop_expired(self, now: datetime) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            expires, name, member = heapq.heappop(self._expiries)
            if self._entries.get((name, member)) == expires:
                self._drop(name, member)

    def _drop(self, name: str, member: str) -> None:
        if self._entries.pop((name, member), None) is None:
            return
        self._groups[name].discard(member)
        if not self._groups[name]:
            del self._groups[name]

    def __len__(self) -> int:
        """How many memberships are held, expired ones that were not yet cleared away included."""
        return len(self._entries)


class MemoryReplayStore:
    """`ReplayStore` for one process. When full it refuses new keys: forgetting one would let its message in again."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, namespace: str = "") -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._used: _Expiring[None] = _Expiring(max_entries)
        self._max_entries = max_entries

    def first_use(self, key: str, *, expires: datetime, now: datetime) -> bool:
        name = stored_key(self._namespace, key)
        with self._lock:
            if expires <= now:
                return False
            remembered_until = self._used.expiry(name)
            if remembered_until is not None and now < remembered_until:
                return False
            self._used.pop(name)
            if self._used.is_full(now):
                raise Unavailable("storage.replay_full", expected=f"at most {self._max_entries} keys at a time")
            self._used.put(name, None, expires)
            return True

    def __len__(self) -> int:
        """How many keys are held, expired ones that were not yet cleared away included."""
        return len(self._used)


class MemoryCounters:
    """`Counters` for one process. When full, the oldest counter gives way."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, namespace: str = "") -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._hits: _Expiring[int] = _Expiring(max_entries)

    def hit(self, key: str, *, window: timedelta, now: datetime) -> int:
        name = stored_key(self._namespace, key)
        with self._lock:
            hits = self._hits.get(name, now)
            if hits is not None:
                self._hits.replace(name, hits + 1)
                return hits + 1
            self._hits.pop(name)
            if self._hits.is_full(now):
                self._hits.drop_oldest()
            self._hits.put(name, 1, now + window)
            return 1

    def give_back(self, key: str, now: datetime) -> None:
        name = stored_key(self._namespace, key)
        with self._lock:
            hits = self._hits.get(name, now)
            if hits:
                self._hits.replace(name, hits - 1)

    def forget(self, key: str) -> None:
        with self._lock:
            self._hits.pop(stored_key(self._namespace, key))

    def __len__(self) -> int:
        """How many counters are held, expired ones that were not yet cleared away included."""
        return len(self._hits)
