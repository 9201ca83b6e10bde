"""The stores in the memory of one process: thread-safe, bounded, unknown to other processes, gone with this one.

What has expired goes by itself: each call clears a few entries away.
"""

import heapq
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Generic, TypeVar

from ostiary.errors import Unavailable
from ostiary.storage.stores import MAXIMUM_MEMBERS, stored_digest

E = TypeVar("E")

MAX_ENTRIES: Final = 100_000
MAX_SESSION_ENTRIES: Final = 250_000
MAX_BYTES: Final = 256 * 1024 * 1024
"""Of all values of one store of sessions, with what each needs around it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_STAMP: Final = 8
# What an entry takes besides its octets: key, objects, its places in dictionary and calendar.
_AROUND: Final = 220
# How many entries one call looks at, at most, to clear away what has expired.
_STEPS: Final = 16
# A hundredth at once: to find the oldest costs the more the more have gone before it.
_SHARE_THAT_GIVES_WAY: Final = 100


class _Calendar:
    """Which keys are to be looked at when: by the minute in which they end at the earliest. Not thread-safe."""

    def __init__(self) -> None:
        self._keys: dict[int, list[bytes]] = {}
        self._minutes: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def note(self, key: bytes, ends: int) -> None:
        minute = ends // _MINUTE
        keys = self._keys.get(minute)
        if keys is None:
            keys = self._keys[minute] = []
            heapq.heappush(self._minutes, minute)
        keys.append(key)
        self._count += 1

    def has_over(self, now: int) -> bool:
        return bool(self._minutes) and (self._minutes[0] + 1) * _MINUTE <= now

    def over(self, now: int, most: int) -> Iterator[bytes]:
        """Keys of minutes that are over, and no longer noted: at most so many."""
        while self.has_over(now):
            keys = self._keys[self._minutes[0]]
            while keys:
                if most <= 0:
                    return
                most -= 1
                self._count -= 1
                yield keys.pop()
            del self._keys[heapq.heappop(self._minutes)]

    def of_minute(self, now: int) -> tuple[bytes, ...]:
        """Those of the minute that is not over yet."""
        return tuple(self._keys.get(now // _MINUTE, ()))


class _Expiring(Generic[E]):
    """A bounded dictionary of entries that say themselves until when they count (microseconds since 1970). Not thread-safe: whoever owns
    one has a lock. An entry that is put again keeps its age."""

    def __init__(
        self,
        ends: Callable[[E], int],
        max_entries: int,
        *,
        size: Callable[[E], int] = lambda entry: 0,
        max_size: int = 1,
    ) -> None:
        self._ends = ends
        self._size_of = size
        self._max_entries = max_entries
        self._max_size = max_size
        self.size = 0
        self._entries: dict[bytes, E] = {}
        self._calendar = _Calendar()
        self._last_search: int | None = None

    def get(self, key: bytes, now: int) -> E | None:
        entry = self._entries.get(key)
        return entry if entry is not None and now < self._ends(entry) else None

    def put(self, key: bytes, entry: E) -> None:
        ends, known = self._ends(entry), self._entries.get(key)
        if known is not None:
            self.size -= self._size_of(known)
        self.size += self._size_of(entry)
        self._entries[key] = entry
        # What is noted for an earlier minute is noted anew when that is over.
        if known is None or ends < self._ends(known):
            self._calendar.note(key, ends)
        if len(self._calendar) > 2 * len(self._entries) + 64:
            self._calendar = _Calendar()
            for other, held in self._entries.items():
                self._calendar.note(other, self._ends(held))

    def pop(self, key: bytes) -> E | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= self._size_of(entry)
        return entry

    def sweep(self, now: int, most: int = _STEPS) -> None:
        """Clears away what has expired, looking at so many entries at most."""
        if not self._calendar.has_over(now):
            return
        for key in self._calendar.over(now, most):
            entry = self._entries.get(key)
            if entry is None:
                continue
            if (ends := self._ends(entry)) <= now:
                self.pop(key)
            else:
                self._calendar.note(key, ends)

    def has_room(self, now: int, size: int = 0) -> bool:
        """Whether an entry of that size can be added, once the expired ones are gone."""
        if self._has_room(size):
            return True
        self.sweep(now, len(self._calendar))
        # Whoever asks again and again makes nobody search again and again.
        if self._last_search is None or abs(now - self._last_search) >= _SECOND:
            self._last_search = now
            for key in self._calendar.of_minute(now):
                entry = self._entries.get(key)
                if entry is not None and self._ends(entry) <= now:
                    self.pop(key)
        return self._has_room(size)

    def make_room(self, now: int, size: int = 0) -> None:
        """So that an entry of that size can be added: the oldest give way."""
        while not self.has_room(now, size) and self._entries:
            share = max(1, len(self._entries) // _SHARE_THAT_GIVES_WAY)
            for key in tuple(islice(self._entries, share)):
                self.pop(key)

    def _has_room(self, size: int) -> bool:
        return len(self._entries) < self._max_entries and self.size + size <= self._max_size

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)


class MemorySessionStore:
    """`SessionStore` for one process. When there are too many entries, or they are too large, the oldest hundredth gives way."""

    def __init__(
        self, *, max_entries: int = MAX_SESSION_ENTRIES, max_bytes: int = MAX_BYTES, namespace: str = ""
    ) -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        # The instant of its end stands before each value: as objects of their own, instants would take more room than values.
        self._entries: _Expiring[bytes] = _Expiring(
            _stamped, max_entries, size=lambda entry: len(entry) + _AROUND, max_size=max_bytes
        )

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        name, at, ends = stored_digest(self._namespace, key), _microseconds(now), _microseconds(expires)
        with self._lock:
            self._entries.sweep(at)
            if ends <= at:
                self._entries.pop(name)
                return
            entry = ends.to_bytes(_STAMP, "big") + value
            if self._entries.get(name, at) is None:
                self._entries.pop(name)
                self._entries.make_room(at, len(entry) + _AROUND)
            self._entries.put(name, entry)

    def get(self, key: str, now: datetime) -> bytes | None:
        return self.get_many((key,), now)[0]

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        names, at = [stored_digest(self._namespace, key) for key in keys], _microseconds(now)
        with self._lock:
            self._entries.sweep(at)
            found = [self._entries.get(name, at) for name in names]
        return [None if entry is None else entry[_STAMP:] for entry in found]

    def take(self, key: str, now: datetime) -> bytes | None:
        name, at = stored_digest(self._namespace, key), _microseconds(now)
        with self._lock:
            self._entries.sweep(at)
            entry = self._entries.pop(name)
        return None if entry is None or _stamped(entry) <= at else entry[_STAMP:]

    def __len__(self) -> int:
        """How many entries are held, expired ones that were not yet cleared away included."""
        return len(self._entries)


_Members = tuple[str, int] | dict[str, int]
"""Who belongs to a group, and until when. Nearly every group has one member, and takes as little room as it can."""


class MemoryGroups:
    """`Groups` for one process. When there are too many memberships, the oldest groups give way."""

    def __init__(self, *, max_entries: int = 2 * MAX_ENTRIES, namespace: str = "") -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._groups: _Expiring[_Members] = _Expiring(
            lambda members: max(ends for _, ends in _pairs(members)),
            max_entries,
            size=lambda members: len(_pairs(members)),
            max_size=max_entries,
        )

    def add(self, group: str, member: str, *, expires: datetime, now: datetime) -> None:
        name, at, ends = stored_digest(self._namespace, group), _microseconds(now), _microseconds(expires)
        with self._lock:
            self._groups.sweep(at)
            known = dict(_pairs(self._groups.get(name, at)))
            if ends <= at or known.get(member, 0) >= ends:
                return
            if member not in known:
                self._groups.make_room(at, 1)
            left = {other: until for other, until in known.items() if at < until} | {member: ends}
            self._groups.pop(name)
            self._groups.put(name, _members(left))

    def members(self, group: str, now: datetime) -> tuple[str, ...]:
        name, at = stored_digest(self._namespace, group), _microseconds(now)
        with self._lock:
            self._groups.sweep(at)
            found = sorted(member for member, ends in _pairs(self._groups.get(name, at)) if at < ends)
        return tuple(found[:MAXIMUM_MEMBERS])

    def remove(self, group: str, member: str) -> None:
        name = stored_digest(self._namespace, group)
        with self._lock:
            left = dict(_pairs(self._groups.pop(name)))
            left.pop(member, None)
            if left:
                self._groups.put(name, _members(left))

    def __len__(self) -> int:
        """How many memberships are held, expired ones that were not yet cleared away included."""
        return self._groups.size


class MemoryReplayStore:
    """`ReplayStore` for one process. When full it refuses new keys: forgetting one would let its message in again."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, namespace: str = "") -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._used: _Expiring[int] = _Expiring(lambda ends: ends, max_entries)
        self._max_entries = max_entries

    def first_use(self, key: str, *, expires: datetime, now: datetime) -> bool:
        name, at, ends = stored_digest(self._namespace, key), _microseconds(now), _microseconds(expires)
        with self._lock:
            self._used.sweep(at)
            if ends <= at or self._used.get(name, at) is not None:
                return False
            self._used.pop(name)
            if not self._used.has_room(at):
                raise Unavailable("storage.replay_full", expected=f"at most {self._max_entries} keys at a time")
            self._used.put(name, ends)
            return True

    def __len__(self) -> int:
        """How many keys are held, expired ones that were not yet cleared away included."""
        return len(self._used)


class MemoryCounters:
    """`Counters` for one process. When full, the oldest counters give way."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, namespace: str = "") -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._hits: _Expiring[tuple[int, int]] = _Expiring(lambda entry: entry[0], max_entries)

    def hit(self, key: str, *, window: timedelta, now: datetime) -> int:
        name, at = stored_digest(self._namespace, key), _microseconds(now)
        with self._lock:
            self._hits.sweep(at)
            known = self._hits.get(name, at)
            if known is not None:
                self._hits.put(name, (known[0], known[1] + 1))
                return known[1] + 1
            self._hits.pop(name)
            self._hits.make_room(at)
            self._hits.put(name, (_microseconds(now + window), 1))
            return 1

    def give_back(self, key: str, now: datetime) -> None:
        name, at = stored_digest(self._namespace, key), _microseconds(now)
        with self._lock:
            known = self._hits.get(name, at)
            if known is not None and known[1] > 0:
                self._hits.put(name, (known[0], known[1] - 1))

    def forget(self, key: str) -> None:
        with self._lock:
            self._hits.pop(stored_digest(self._namespace, key))

    def __len__(self) -> int:
        """How many counters are held, expired ones that were not yet cleared away included."""
        return len(self._hits)


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _stamped(entry: bytes) -> int:
    return int.from_bytes(entry[:_STAMP], "big")


def _pairs(members: _Members | None) -> tuple[tuple[str, int], ...]:
    if members is None:
        return ()
    return (members,) if isinstance(members, tuple) else tuple(members.items())


def _members(pairs: dict[str, int]) -> _Members:
    return pairs if len(pairs) > 1 else next(iter(pairs.items()))
