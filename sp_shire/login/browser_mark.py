"""The cookie that tells one browser from another, so that only the one which asked gets the answer. Names nobody."""

import secrets
from hashlib import sha256

from ostiary.web.cookies import cookie_name, read_cookie, set_cookie
from sp_shire.addresses import Addresses
from sp_shire.messages import Request
from sp_shire.settings import ShireSettings


class BrowserMark:
    """The marks of one resource."""

    def __init__(self, settings: ShireSettings, addresses: Addresses) -> None:
        self._https = addresses.https
        self._cookie = cookie_name("browser", settings.entity_id, https=addresses.https)

    def of(self, request: Request) -> tuple[str, tuple[str, ...]]:
        """The token that tells this browser from others, and the cookie to set where it has none yet."""
        known = read_cookie(request.headers.get("cookie"), self._cookie)
        if known:
            return known, ()
        browser = secrets.token_urlsafe(32)
        return browser, (set_cookie(self._cookie, browser, https=self._https),)

    def fits(self, request: Request, digest: str) -> bool:
        """Whether the request comes from the browser whose mark has this digest."""
        browser = read_cookie(request.headers.get("cookie"), self._cookie)
        return browser is not None and secrets.compare_digest(self.digest(browser), digest)

    @staticmethod
    def digest(browser: str) -> str:
        """What is kept of a mark."""
        return sha256(browser.encode()).hexdigest()
