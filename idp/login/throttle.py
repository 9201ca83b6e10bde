"""How often somebody may try to log in: one address at one name, all addresses at one name, one address at all names.

Knows nothing about who exists. A stranger at one address can't keep out the owner of a name, who sits at another; many strangers can't
keep her out of a browser in which she has logged in before, nor for long out of another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from idp.accounts.directory import login_key
from ostiary.config import customer_of
from ostiary.errors import TooMany
from ostiary.storage.stores import Counters

REMEMBERED: Final = timedelta(hours=1)
"""For so long after the first one, the attempts of one address at one name (or of one known browser) count together."""

NEW_ADDRESS: Final = timedelta(days=1)
"""For so long an address that tried a name which was used up is no longer a new one for it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Attempts in one ``window``: ``per_name_and_address`` of one address at one login name, ``per_name`` at one login name from
    everywhere, ``per_address`` of one address at any names.

    An address that used up its attempts at a name waits ``window``, then twice as long before each further one, up to
    ``longest_wait``. While a name is used up, each address that is new to it still has ``for_new_addresses`` attempts a day, all of them
    together ``new_addresses`` an hour: whoever attacks from fewer addresses than half of that can't keep its owner out.
    """

    per_name_and_address: int = 10
    per_name: int = 50
    per_address: int = 100
    window: timedelta = timedelta(minutes=1)
    longest_wait: timedelta = timedelta(minutes=15)
    for_new_addresses: int = 2
    new_addresses: int = 2_500


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was let through: what it counts for, and what a right password clears."""

    counted: tuple[str, ...]
    cleared: tuple[str, ...]


class Throttle:
    """Counts attempts in a `Counters` store, which keeps hashes of the names. ``limits`` gives those of the moment."""

    def __init__(self, counters: Counters, limits: Callable[[], Limits]) -> None:
        self._counters = counters
        self._limits = limits

    def attempt(self, username: str, address: str, now: datetime, *, browser: str | None = None) -> Attempt:
        """Count one attempt. ``browser`` is the id of one in which somebody logged in by this name before (`idp.login.device`): it has
        attempts of its own, which no stranger can use up, and those of everybody after them.

        Raises `TooMany` (``login.throttled``), the same for names that exist and names that don't.
        """
        if browser is not None and self._wait(_browser_key(browser), now) is None:
            key = _browser_key(browser)
            return Attempt((key,), (key, _gate(key), *_pair_keys(username, address)))
        # The name comes last: an address that is used up no longer counts against the name, or it could keep its owner out alone.
        by_address, pair = _address_key(address), _pair_keys(username, address)[0]
        self._count(by_address, self._limits().per_address, now)
        wait = self._wait(pair, now)
        if wait is not None:
            raise self._too_many(wait, self._limits().per_name_and_address)
        by_name = self._count_name(username, address, now)
        return Attempt((by_address, pair, by_name), (pair, _gate(pair)))

    def succeeded(self, attempt: Attempt, now: datetime) -> None:
        """A right password clears the name at this address, and this attempt no longer counts: neither for the address, behind which a
        whole campus may sit, nor for the name. The wrong ones before it stay counted there, or an own account would buy free attempts at
        others, and each login of its owner would buy strangers free attempts at her."""
        for key in attempt.cleared:
            self._counters.forget(key)
        for key in attempt.counted:
            if key not in attempt.cleared:
                self._counters.give_back(key, now)

    def unanswered(self, attempt: Attempt, now: datetime) -> None:
        """Whether the password was right could not be found out, so this attempt counts nowhere."""
        for key in attempt.counted:
            self._counters.give_back(key, now)
        for key in attempt.cleared:
            # Without this the last free attempt would have begun a wait.
            if key.endswith(_GATE):
                self._counters.give_back(key, now)

    def knock(self, address: str, now: datetime) -> Attempt:
        """Count one attempt to log in by something that can't be guessed, but costs work to check. Raises `TooMany`."""
        key = _address_key(address)
        self._count(key, self._limits().per_address, now)
        return Attempt((key,), ())

    def _count(self, key: str, limit: int, now: datetime) -> None:
        if self._counters.hit(key, window=self._limits().window, now=now) > limit:
            raise self._too_many(self._limits().window, limit)

    def _count_name(self, username: str, address: str, now: datetime) -> str:
        """The key by which this attempt counts for the name."""
        limits, key = self._limits(), _name_key(username)
        if self._counters.hit(key, window=limits.window, now=now) <= limits.per_name:
            return key
        # Whoever floods a name is no reason to keep out somebody who was not part of it.
        fresh, all_fresh = _fresh_key(username, address), f"{key} from new addresses"
        if self._counters.hit(fresh, window=NEW_ADDRESS, now=now) <= limits.for_new_addresses:
            if self._counters.hit(all_fresh, window=REMEMBERED, now=now) <= limits.new_addresses:
                return fresh
            # Still new when there is room again.
            self._counters.give_back(fresh, now)
        raise self._too_many(limits.window, limits.per_name)

    def _wait(self, key: str, now: datetime) -> timedelta | None:
        """Count an attempt that has to wait when there were many before; how long at most, or None when it may go on.

        The last free attempt begins the first wait. An attempt during a wait does not make it longer.
        """
        limits = self._limits()
        over = self._counters.hit(key, window=REMEMBERED, now=now) - limits.per_name_and_address
        if over < 0:
            return None
        if self._counters.hit(_gate(key), window=_doubled(limits, over), now=now) == 1:
            return None
        self._counters.give_back(key, now)
        return _doubled(limits, over - 1)

    def _too_many(self, wait: timedelta, limit: int) -> TooMany:
        seconds = max(1, int(wait.total_seconds()))
        return TooMany(
            "login.throttled", retry_after=seconds, expected=f"{limit} attempts, then one in {seconds} s", found="more"
        )


_GATE: Final = " waits"


def _gate(key: str) -> str:
    return key + _GATE


def _doubled(limits: Limits, times: int) -> timedelta:
    # Bounded before it is computed: 2**20 windows are longer than any wait.
    return max(limits.window, min(limits.longest_wait, limits.window * (1 << min(max(times, 0), 20))))


def _browser_key(browser: str) -> str:
    return f"login browser {browser}"


def _name_key(username: str) -> str:
    return f"login name {login_key(username)}"


def _address_key(address: str) -> str:
    return f"login address {customer_of(address, 64)}"


def _pair_keys(username: str, address: str) -> tuple[str, str]:
    key = f"login name {login_key(username)!r} at {customer_of(address, 64)!r}"
    return key, _gate(key)


def _fresh_key(username: str, address: str) -> str:
    # A /64 costs nothing to whoever has a /48.
    return f"login name {login_key(username)!r} new to {customer_of(address, 48)!r}"
