"""A bounded table over a store, for what any stranger can make: logins under way, forms that wait. When it is full, whoever holds most of
it gives up the oldest that he holds, so a flood from one address pushes out its own entries and nobody else's.
"""

import heapq
import ipaddress
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from ostiary.storage.stores import SessionStore

# What an entry takes beside key and value, in octets.
_ENTRY: Final = 200
# Addresses of one customer: IPv6 hands out networks.
_IPV6_NETWORK: Final = 48


class PendingTable:
    """Entries that last ``lifetime`` and take at most ``capacity`` octets in ``store``, of those that this process has put there.

    Thread-safe. The store may be shared: other processes find the entries, and take them.
    """

    def __init__(self, store: SessionStore, *, lifetime: timedelta, capacity: int) -> None:
        self._store = store
        self._lifetime = lifetime
        self._capacity = capacity
        self._lock = threading.Lock()
        # All in the order in which they expire: key -> (holder, octets, when).
        self._entries: OrderedDict[str, tuple[str, int, datetime]] = OrderedDict()
        self._held: dict[str, OrderedDict[str, None]] = {}
        self._octets: dict[str, int] = {}
        self._total = 0
        # (-octets, holder) as they once were; those that are no longer true are passed over.
        self._largest: list[tuple[int, str]] = []

    def put(self, key: str, value: bytes, *, remote: str, now: datetime) -> None:
        """Keeps ``value`` for somebody at the address ``remote``. Raises `Unavailable` when the store does not answer."""
        octets = len(key) + len(value) + _ENTRY
        with self._lock:
            self._forget_expired(now)
            self._forget(key)
            given_up = []
            while self._entries and self._total + octets > self._capacity:
                given_up.append(self._oldest_of_largest())
            self._note(key, holder_of(remote), octets, now + self._lifetime)
        for old in given_up:
            self._store.take(old, now)
        self._store.put(key, value, expires=now + self._lifetime, now=now)

    def get(self, key: str, now: datetime) -> bytes | None:
        """As `SessionStore.get`."""
        return self._store.get(key, now)

    def take(self, key: str, now: datetime) -> bytes | None:
        """As `SessionStore.take`."""
        with self._lock:
            self._forget(key)
        return self._store.take(key, now)

    def __len__(self) -> int:
        """How many entries are noted, expired ones that were not yet cleared away included."""
        return len(self._entries)

    def _note(self, key: str, holder: str, octets: int, expires: datetime) -> None:
        self._entries[key] = (holder, octets, expires)
        self._held.setdefault(holder, OrderedDict())[key] = None
        self._octets[holder] = self._octets.get(holder, 0) + octets
        self._total += octets
        self._rank(holder)

    def _forget(self, key: str) -> None:
        known = self._entries.pop(key, None)
        if known is None:
            return
        holder, octets, _ = known
        self._total -= octets
        self._octets[holder] -= octets
        del self._held[holder][key]
        if self._held[holder]:
            self._rank(holder)
        else:
            del self._held[holder], self._octets[holder]

    def _forget_expired(self, now: datetime) -> None:
        while self._entries:
            key, (_, _, expires) = next(iter(self._entries.items()))
            if now < expires:
                return
            self._forget(key)

    def _oldest_of_largest(self) -> str:
        while True:
            octets, holder = self._largest[0]
            if self._octets.get(holder) == -octets:
                key = next(iter(self._held[holder]))
                self._forget(key)
                return key
            heapq.heappop(self._largest)

    def _rank(self, holder: str) -> None:
        heapq.heappush(self._largest, (-self._octets[holder], holder))
        if len(self._largest) > 2 * len(self._held) + 64:
            self._largest = [(-octets, one) for one, octets in self._octets.items()]
            heapq.heapify(self._largest)


def holder_of(remote: str) -> str:
    """Whoever is at an address: the address itself, of IPv6 the network; what is no address (a UNIX socket's peer) all together."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
        address = mapped
    return str(address)
