"""How often somebody may try to log in: one address at one name, all addresses at one name, one address at all names.

Knows nothing about who exists. A stranger at one address can't keep out the owner of a name, who sits at another.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.accounts.directory import login_key
from ostiary.errors import TooMany
from ostiary.storage.stores import Counters


@dataclass(frozen=True, slots=True)
class Limits:
    """Attempts in one ``window``: ``per_name_and_address`` of one address at one login name, ``per_name`` at one login name from
    everywhere, ``per_address`` of one address at any names.

    The window is short, so that somebody whose name is tried from very many addresses is not kept out for long.
    """

    per_name_and_address: int = 10
    per_name: int = 50
    per_address: int = 100
    window: timedelta = timedelta(minutes=1)


class Throttle:
    """Counts attempts in a `Counters` store, which keeps hashes of the names."""

    def __init__(self, counters: Counters, limits: Limits) -> None:
        self._counters = counters
        self._limits = limits

    def attempt(self, username: str, address: str, now: datetime) -> None:
        """Count one attempt. Raises `TooMany` (``login.throttled``), the same for names that exist and names that don't."""
        # The name comes last: an address that is used up no longer counts against the name, or it could keep its owner out alone.
        self._count(_address_key(address), self._limits.per_address, now)
        self._count(_pair_key(username, address), self._limits.per_name_and_address, now)
        self._count(_name_key(username), self._limits.per_name, now)

    def succeeded(self, username: str, address: str, now: datetime) -> None:
        """A right password clears the name at this address, and this attempt no longer counts: neither for the address, behind which a
        whole campus may sit, nor for the name. The wrong ones before it stay counted there, or an own account would buy free attempts at
        others, and each login of its owner would buy strangers free attempts at her."""
        self._counters.forget(_pair_key(username, address))
        self._counters.give_back(_address_key(address), now)
        self._counters.give_back(_name_key(username), now)

    def unanswered(self, username: str, address: str, now: datetime) -> None:
        """Whether the password was right could not be found out, so this attempt counts nowhere."""
        for key in (_address_key(address), _pair_key(username, address), _name_key(username)):
            self._counters.give_back(key, now)

    def _count(self, key: str, limit: int, now: datetime) -> None:
        hits = self._counters.hit(key, window=self._limits.window, now=now)
        if hits > limit:
            seconds = max(1, int(self._limits.window.total_seconds()))
            raise TooMany(
                "login.throttled", retry_after=seconds, expected=f"{limit} attempts in {seconds} seconds", found=hits
            )


def _name_key(username: str) -> str:
    return f"login name {login_key(username)}"


def _address_key(address: str) -> str:
    return f"login address {_address(address)}"


def _pair_key(username: str, address: str) -> str:
    return f"login name {login_key(username)!r} at {_address(address)!r}"


def _address(address: str) -> str:
    """One IPv6 customer holds a whole /64, so that is what counts as one address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)
