"""Fetches the logos of the organisations that are offered, in the background, one after the other; never while somebody waits for a page.

Addresses in metadata are anybody's words: only public ones are asked, unless the configuration says otherwise.
"""

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Final
from urllib.parse import unquote_to_bytes

from ostiary.clock import Clock
from ostiary.config.alone import alone
from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.model import Logo
from ostiary.federation.sources.fetching import Fetched, FetchLimits, fetch
from ostiary.federation.summary import Summary
from ostiary.web.log import Log
from wayf.logos.drawing import drawn_small
from wayf.logos.shelf import Shelf
from wayf.logos.which import chosen, kept_as
from wayf.settings import LogoSettings

_ACCEPT: Final = "image/png, image/webp, image/jpeg, image/gif, image/x-icon;q=0.8"
_AGAIN_WHERE_NONE: Final = timedelta(days=2)
_LOOK_EVERY: Final = 60.0
_KEEP_UNUSED: Final = timedelta(days=30)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# All that was ever given out of IPv6 (RFC 4291 2.4, IANA); what is beyond it may lead anywhere inside.
_GIVEN_OUT: Final = ipaddress.IPv6Network("2000::/3")


class Collecting:
    """Keeps a shelf filled. ``summaries`` gives the organisations of the moment."""

    def __init__(
        self,
        settings: LogoSettings,
        shelf: Shelf,
        summaries: Callable[[datetime], Iterable[Summary]],
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings = settings
        self._shelf = shelf
        self._summaries = summaries
        self._clock = clock
        self._log = log
        self._stopped = Event()

    def start(self) -> Callable[[], None]:
        """Begins, in a thread of its own; gives what ends it."""
        thread = Thread(target=self._run, name="logos", daemon=True)
        thread.start()

        def stop() -> None:
            self._stopped.set()
            thread.join(timeout=5)

        return stop

    def round(self) -> int:
        """Fetches every logo whose turn it is; gives how many were tried. Does nothing while another process of this machine does it."""
        tried = 0
        with alone(self._shelf.lock, wait=False) as ours:
            if not ours:
                return 0
            for key, logo in self._due(self._clock.now()):
                if self._stopped.wait(self._settings.pause.total_seconds() if tried else 0):
                    break
                self._fetch(key, logo)
                tried += 1
        return tried

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY if self._shelf.lock.exists() else 0.1):
            try:
                self.round()
            except Exception as error:
                # A disk that is full, or a defect: the next round tries again, and pages go without pictures.
                self._log.error("logos_not_kept", problem=repr(error)[:300])

    def _due(self, now: datetime) -> Iterator[tuple[str, Logo]]:
        """Those that are not there yet first, then those that were fetched long ago; what nobody has any more is forgotten."""
        known = self._shelf.everything()
        wanted = {kept_as(logo): logo for summary in self._summaries(now) if (logo := chosen(summary)) is not None}
        for key, kept in known.items():
            if key not in wanted and now - kept.at > _KEEP_UNUSED:
                self._shelf.drop(key)
        yield from ((key, logo) for key, logo in wanted.items() if key not in known)
        for key, logo in wanted.items():
            if (kept_before := known.get(key)) is not None:
                after = self._settings.refresh if kept_before.is_there else _AGAIN_WHERE_NONE
                if not timedelta(0) <= now - kept_before.at < after:
                    yield key, logo

    def _fetch(self, key: str, logo: Logo) -> None:
        try:
            picture = drawn_small(self._octets(logo.url))
        except OstiaryError as problem:
            self._log.info(
                "logo_not_usable",
                address=logo.url[:200],
                code=problem.code,
                expected=problem.expected,
                found=problem.found,
            )
            self._shelf.put(key, None, self._clock.now())
        else:
            self._shelf.put(key, picture, self._clock.now())

    def _octets(self, url: str) -> bytes:
        if url[:5].lower() == "data:":
            return data_octets(url)
        limits = FetchLimits(self._settings.max_bytes, self._settings.within)
        permits = None if self._settings.allow_private_addresses else is_public
        found = fetch(url, limits=limits, accept=_ACCEPT, permits=permits)
        if not isinstance(found, Fetched):
            raise Refusal("wayf.logo", expected="a picture", found="nothing new")
        return found.content


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet's, and not of a network that only we can reach; an IPv4 address inside of one of IPv6
    (mapped, NAT64 of RFC 6052, 6to4) counts as well."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    found = [parsed]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if parsed in _NAT64:
            found.append(ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF))
        elif parsed not in _GIVEN_OUT:
            return False
        if parsed.sixtofour is not None:
            found.append(parsed.sixtofour)
    return all(one.is_global and not one.is_multicast for one in found)


def data_octets(url: str) -> bytes:
    """What a data: URL holds (RFC 2397). Raises `Refusal` (``wayf.logo``)."""
    kind, comma, data = url[5:].partition(",")
    try:
        octets = unquote_to_bytes(data)
        if kind.lower().endswith(";base64"):
            octets = base64.b64decode(b"".join(octets.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("wayf.logo", expected="a data: URL", found=error) from None
    if not comma or not octets:
        raise Refusal("wayf.logo", expected="a data: URL", found="nothing in it")
    return octets
