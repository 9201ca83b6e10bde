"""The cookies of the identity provider: the session's token, and the token that binds a login to one browser. Knows neither's meaning."""

import re
import secrets
from dataclasses import dataclass
from typing import Final

from flask import Response, after_this_request

from ostiary.web.at_hand import current_request
from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.service import shell

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class BrowserCookies:
    """``session`` holds the token of the single sign-on session, ``browser`` a random token that binds a login to one browser."""

    session: str
    browser: str

    @classmethod
    def of(cls, entity_id: str, *, https: bool) -> "BrowserCookies":
        """The names for one identity provider."""
        return cls(cookie_name("session", entity_id, https=https), cookie_name("browser", entity_id, https=https))

    def session_token(self) -> str | None:
        """The token that this browser sent, if it has the form of one."""
        return _sent(self.session)

    def browser_token(self) -> str | None:
        """The same for the one that binds logins to it."""
        return _sent(self.browser)

    def keep_browser_token(self) -> str:
        """The token of this browser, kept for its other windows; a new one for a browser that has none."""
        token = _sent(self.browser)
        if token is None:
            token = secrets.token_urlsafe(32)
            _send(set_cookie(self.browser, token, https=shell().https))
        return token

    def send_session(self, token: str) -> None:
        """With the answer, also if it is an error page: the login happened, whatever goes wrong afterwards."""
        _send(set_cookie(self.session, token, https=shell().https))

    def clear_session(self) -> None:
        """With the answer."""
        _send(clear_cookie(self.session, https=shell().https))


def _sent(name: str) -> str | None:
    value = read_cookie(current_request().environ.get("HTTP_COOKIE"), name)
    return value if value is not None and _TOKEN.fullmatch(value) else None


def _send(header: str) -> None:
    @after_this_request
    def send(response: Response) -> Response:
        response.headers.add("Set-Cookie", header)
        return response
