"""What the core works with: the configuration in force, which is swapped as a whole, and the stores. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance import AcceptancePolicy
from ostiary.policy.access import AccessDecider
from ostiary.storage.stores import Groups, ReplayStore, SessionStore


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What may change while the resource runs."""

    registry: Registry
    accept: AcceptancePolicy
    access: AccessDecider
    keys: KeyRing
    token_keys: KeyRing | None = None

    @property
    def signs_tokens(self) -> KeyRing:
        """The keys of signed tokens: of their own, or those of the resource."""
        return self.token_keys or self.keys


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the SHIRE keeps what it must remember: sessions, pending logins and logouts, answers on their way from the ACS, messages used,
    which sessions a NameID has."""

    sessions: SessionStore
    logins: SessionStore
    tickets: SessionStore
    replay: ReplayStore
    groups: Groups


def inside(stores: Stores, space: str) -> Stores:
    """The same stores for a part of the resource: what it keeps there, no other part finds."""
    return Stores(
        _Inside(stores.sessions, space),
        _Inside(stores.logins, space),
        _Inside(stores.tickets, space),
        stores.replay,
        _GroupsInside(stores.groups, space),
    )


@dataclass(frozen=True, slots=True)
class _Inside:
    store: SessionStore
    space: str

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        self.store.put(self._name(key), value, expires=expires, now=now)

    def get(self, key: str, now: datetime) -> bytes | None:
        return self.store.get(self._name(key), now)

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        return self.store.get_many([self._name(key) for key in keys], now)

    def take(self, key: str, now: datetime) -> bytes | None:
        return self.store.take(self._name(key), now)

    def _name(self, key: str) -> str:
        return f"{self.space} {key}"


@dataclass(frozen=True, slots=True)
class _GroupsInside:
    groups: Groups
    space: str

    def add(self, group: str, member: str, *, expires: datetime, now: datetime) -> None:
        self.groups.add(self._name(group), member, expires=expires, now=now)

    def members(self, group: str, now: datetime) -> tuple[str, ...]:
        return self.groups.members(self._name(group), now)

    def remove(self, group: str, member: str) -> None:
        self.groups.remove(self._name(group), member)

    def _name(self, group: str) -> str:
        return f"{self.space} {group}"
