"""The cookie that tells one browser from another, so that only the one which asked gets the answer. Names nobody."""

import re
import secrets
from dataclasses import replace
from hashlib import sha256
from typing import Final

from ostiary.web.cookies import MAX_HEADER, cookie_name, read_cookie, set_cookie
from sp_shire.addresses import Addresses
from sp_shire.messages import Request
from sp_shire.settings import ShireSettings

_MOST: Final = 16


class BrowserMark:
    """The marks of one resource.

    A browser that begins several logins at the same time, before it has any mark, gets one for each: under names of their own, so that
    none takes the place of another. Once it has one, that one serves for all that follow.
    """

    def __init__(self, settings: ShireSettings, addresses: Addresses) -> None:
        self._https = addresses.https
        self._cookie = cookie_name("browser", settings.space, https=addresses.https)
        self._name = re.compile(rf"(?:^|;)\s*({re.escape(self._cookie)}-[0-9a-f]{{8}})=")

    def of(self, request: Request) -> tuple[str, tuple[str, ...]]:
        """The token that tells this browser from others, and the cookie to set where it has none yet."""
        known = self._marks(request)
        if known:
            return known[0], ()
        browser = secrets.token_urlsafe(32)
        name = f"{self._cookie}-{secrets.token_hex(4)}"
        return browser, (set_cookie(name, browser, https=self._https),)

    def marked(self, request: Request) -> tuple[Request, tuple[str, ...]]:
        """The request as if the browser had its mark already, and the cookie to set where it has none yet: for what needs it twice."""
        _, cookies = self.of(request)
        pairs = [request.headers.get("cookie", ""), *(cookie.partition(";")[0] for cookie in cookies)]
        header = "; ".join(pair for pair in pairs if pair)
        return replace(request, headers={**request.headers, "cookie": header}), cookies

    def fits(self, request: Request, digest: str) -> bool:
        """Whether the request comes from the browser that has a mark with this digest."""
        return any(secrets.compare_digest(self.digest(mark), digest) for mark in self._marks(request))

    def is_known(self, request: Request) -> bool:
        """Whether the browser has any mark."""
        return bool(self._marks(request))

    @staticmethod
    def digest(browser: str) -> str:
        """What is kept of a mark."""
        return sha256(browser.encode()).hexdigest()

    def _marks(self, request: Request) -> tuple[str, ...]:
        header = request.headers.get("cookie")
        if header is None or len(header) > MAX_HEADER:
            return ()
        names = dict.fromkeys(self._name.findall(header))
        values = (read_cookie(header, name) for name in sorted(names)[:_MOST])
        return tuple(value for value in values if value)
