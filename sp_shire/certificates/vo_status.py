"""Asks VOs which attribute certificates they have taken back, where the configuration says so, and keeps the answers. What follows from
them decides `ostiary.x509.ac_status`.
"""

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import urllib3

from ostiary.errors import OstiaryError, Unavailable
from ostiary.saml.limited_pool import close_pool, limited_pool, read_limited
from ostiary.web.log import Log
from ostiary.x509.ac_status import MAX_LIST_BYTES, NO_STATUS, AcStatus, StatusList, read_status_list
from ostiary.x509.lsc import VomsDirectory
from ostiary.x509.trust import TrustDirectory
from sp_shire.certificates.settings import VoStatusSettings

_TIMEOUT: Final = timedelta(seconds=5)
_TRY_AGAIN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a VO's status service answered. ``body`` is None where what is known (by its ``tag``) still holds."""

    body: bytes | None
    tag: str


Fetch = Callable[[str, str, Sequence[bytes]], Fetched]
"""The list at an address, unless it is the one with that tag; TLS by these CAs (DER). Raises `Unavailable` (``certificates.vo_status``)."""


def fetch_list(url: str, tag: str, authorities: Sequence[bytes]) -> Fetched:
    """By HTTP."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities:
        context.load_verify_locations(cadata=b"".join(authorities))
    pool = limited_pool(_TIMEOUT)
    pool.connection_pool_kw["ssl_context"] = context
    headers = {"If-None-Match": tag} if tag else {}
    try:
        response = pool.request("GET", url, headers=headers, redirect=False, preload_content=False)
        body = read_limited(response, MAX_LIST_BYTES)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _unavailable(url, error) from error
    finally:
        close_pool(pool)
    if response.status == 304 and tag:
        return Fetched(None, tag)
    if response.status != 200 or body is None:
        raise _unavailable(url, f"status {response.status}" if body is not None else "too much")
    return Fetched(body, response.headers.get("ETag", ""))


@dataclass(slots=True)
class _Asked:
    """One VO: what it said last, and when it is asked again."""

    settings: VoStatusSettings
    known: StatusList | None = None
    tag: str = ""
    again_at: datetime | None = None


class VoStatusLists:
    """Thread-safe. Nobody waits for a list that is asked for while an older one still holds: ``beside`` does that
    work, a thread if None."""

    def __init__(
        self,
        vos: Sequence[VoStatusSettings],
        log: Log,
        *,
        fetch: Fetch = fetch_list,
        beside: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._asked = tuple(_Asked(settings) for settings in vos)
        self._required = frozenset(settings.vo for settings in vos if settings.required)
        self._fetch, self._log = fetch, log
        self._beside = beside or _in_a_thread
        self._lock = threading.Lock()
        self._status = AcStatus(required=self._required) if vos else NO_STATUS

    def current(self, trust: TrustDirectory, vomsdir: VomsDirectory, now: datetime) -> AcStatus:
        """What is known at ``now``; the same object as long as nothing changes."""
        for asked in self._asked:
            if asked.again_at is None or now >= asked.again_at:
                self._ask(asked, trust, vomsdir, now)
        return self._status

    def _ask(self, asked: _Asked, trust: TrustDirectory, vomsdir: VomsDirectory, now: datetime) -> None:
        if asked.known is not None and now <= asked.known.next_update:
            if self._lock.acquire(blocking=False):
                # Others go on with what is known.
                asked.again_at = now + asked.settings.refresh
                self._beside(lambda: self._refresh_and_release(asked, trust, vomsdir, now))
            return
        with self._lock:
            if asked.again_at is None or now >= asked.again_at:
                self._refresh(asked, trust, vomsdir, now)

    def _refresh_and_release(self, asked: _Asked, trust: TrustDirectory, vomsdir: VomsDirectory, now: datetime) -> None:
        try:
            self._refresh(asked, trust, vomsdir, now)
        finally:
            self._lock.release()

    def _refresh(self, asked: _Asked, trust: TrustDirectory, vomsdir: VomsDirectory, now: datetime) -> None:
        settings = asked.settings
        try:
            fetched = self._fetch(settings.url, asked.tag if asked.known is not None else "", trust.certificates())
            if fetched.body is not None:
                read = read_status_list(fetched.body, settings.vo, vomsdir, trust, now)
                # An older one brings nothing back that was taken since.
                if asked.known is None or read.this_update >= asked.known.this_update:
                    asked.known, asked.tag = read, fetched.tag
                    self._publish()
            asked.again_at = now + settings.refresh
        except OstiaryError as problem:
            asked.again_at = now + min(_TRY_AGAIN, settings.refresh)
            told = {"vo": settings.vo, "url": settings.url, "code": problem.code, "found": problem.found}
            self._log.error("vo_status_unknown", **told)

    def _publish(self) -> None:
        lists = {asked.settings.vo: asked.known for asked in self._asked if asked.known is not None}
        self._status = AcStatus(MappingProxyType(lists), self._required)


def _unavailable(url: str, found: object) -> Unavailable:
    return Unavailable("certificates.vo_status", expected=f"the status list at {url}", found=found)


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="vo-status", daemon=True).start()
