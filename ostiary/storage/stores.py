"""What a store of sessions, of their groups, of used messages and of counted attempts can do; says nothing about where it keeps them.

Each is a small Protocol with one conformance suite (tests/storage). Times are aware UTC datetimes, passed in.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

MAXIMUM_MEMBER: Final = 64
MAXIMUM_MEMBERS: Final = 1_000


class SessionStore(Protocol):
    """Bytes under a secret key until they expire: sessions, one-time tickets, requests that wait for their answer."""

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        """Keep ``value`` under ``key`` until ``expires`` (exclusive), in place of what was there.

        With ``expires`` not after ``now`` nothing is kept. Raises `Unavailable` when the store does not answer.
        """
        ...

    def get(self, key: str, now: datetime) -> bytes | None:
        """What is kept under ``key``; None when there is nothing or it has expired."""
        ...

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        """As `get` for each of ``keys``, in their order, by asking once."""
        ...

    def take(self, key: str, now: datetime) -> bytes | None:
        """The same, and remove it: of all processes that try, one gets it. This is how a session is ended, too."""
        ...


class ReplayStore(Protocol):
    """Remembers what may be used once."""

    def first_use(self, key: str, *, expires: datetime, now: datetime) -> bool:
        """Whether ``key`` is used for the first time: True once among all processes until ``expires`` (exclusive).

        False also when ``expires`` is not after ``now``: what can't be remembered can't be accepted. Raises
        `Unavailable` when the store does not answer, or would have to forget another key too early.
        """
        ...


class Groups(Protocol):
    """Which members a group has, each until it expires: the sessions of one NameID, for instance. Members are no secrets."""

    def add(self, group: str, member: str, *, expires: datetime, now: datetime) -> None:
        """``member`` (at most `MAXIMUM_MEMBER` characters) belongs to ``group`` until ``expires`` (exclusive); added again, until the
        later time. Members that are added at the same time are all kept. Raises `Unavailable` when the store does not answer."""
        ...

    def members(self, group: str, now: datetime) -> tuple[str, ...]:
        """Those that have not expired, in the order of their names, at most `MAXIMUM_MEMBERS`."""
        ...

    def remove(self, group: str, member: str) -> None:
        """It belongs no more; nothing happens where it did not."""
        ...


class Counters(Protocol):
    """Counts hits for rate limits."""

    def hit(self, key: str, *, window: timedelta, now: datetime) -> int:
        """Count one hit; returns the hits in the present window, this one included.

        A window is fixed: it begins with the first hit after the last window's end, and lasts ``window``.
        """
        ...

    def give_back(self, key: str, now: datetime) -> None:
        """Take one hit of the present window back, for instance that of an attempt which turned out to be right; never below none."""
        ...

    def forget(self, key: str) -> None:
        """Begin anew, for instance after a right password."""
        ...


def stored_key(namespace: str, key: str) -> str:
    """What a store keeps in place of ``key``: SHA-256 in hex (64 characters).

    Keys are session tokens and names of people: who reads a store must learn neither, and can't take over a session.
    The namespace keeps apart what different uses of one database call by the same key.
    """
    return stored_digest(namespace, key).hex()


def stored_digest(namespace: str, key: str) -> bytes:
    """The same as 32 octets."""
    prefix = namespace.encode()
    return hashlib.sha256(len(prefix).to_bytes(4, "big") + prefix + key.encode()).digest()
