"""Logins that nobody asked for: whoever comes to an open page is logged in where that needs no page. Decides when it is tried: once per
browser session, by a cookie, and never in a circle.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from ostiary.web.cookies import cookie_name, read_cookie, set_cookie
from sp_shire.addresses import Addresses
from sp_shire.login.pending import PendingTable, holder_of
from sp_shire.messages import Request
from sp_shire.settings import ShireSettings

# An application that asks for a passive login again at once would send the browser round and round.
_PAUSE: Final = timedelta(minutes=1)


class SilentTries:
    """The tries of one resource. ``notes`` remembers for a while who keeps no cookies."""

    def __init__(self, settings: ShireSettings, addresses: Addresses, notes: PendingTable) -> None:
        self._on = settings.login.try_silently
        self._https = addresses.https
        self._cookie = cookie_name("silent", settings.space, https=addresses.https)
        self._notes = notes

    def is_due(self, request: Request, now: datetime) -> bool:
        """Whether this request for an open page may be answered by a try: somebody goes to a page in a browser that says so, has not
        been tried, and seems to keep cookies. Robots and programs are left alone."""
        if not self._on or request.method != "GET":
            return False
        headers = request.headers
        if (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) != ("navigate", "document"):
            return False
        if "sec-purpose" in headers:
            # A page that is fetched before anybody wants to see it.
            return False
        return self._tried_at(request) is None and self._notes.get(_note(request), now) is None

    def is_too_soon(self, request: Request, now: datetime) -> bool:
        """Whether a passive login was tried a moment ago."""
        tried = self._tried_at(request)
        return tried is not None and now.timestamp() - tried < _PAUSE.total_seconds()

    def cookie(self, now: datetime) -> str:
        """The cookie that says that it was tried; it ends with the browser session."""
        return set_cookie(self._cookie, str(int(now.timestamp())), https=self._https)

    def cookie_after_login(self, now: datetime) -> tuple[str, ...]:
        """The same for somebody who has logged in: when she signs out, she is not signed in again without being asked."""
        return (self.cookie(now),) if self._on else ()

    def note_no_cookies(self, request: Request, now: datetime) -> None:
        """A browser came back without its cookies: it is not tried again for a while."""
        self._notes.put(_note(request), b"", remote=request.remote, now=now)

    def _tried_at(self, request: Request) -> int | None:
        value = read_cookie(request.headers.get("cookie"), self._cookie)
        if value is None:
            return None
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= 12 else 0


def _note(request: Request) -> str:
    agent = request.headers.get("user-agent", "")
    return f"no cookies {sha256(f'{holder_of(request.remote)} {agent}'.encode()).hexdigest()}"
