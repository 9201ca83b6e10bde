"""Refuses a change that another website makes a browser ask for. Says nothing about who the person is.

Two locks: what the browser says about the sender (``Sec-Fetch-Site``, ``Origin``), and a token in the form that belongs to a
cookie. SAML endpoints, which other sites do post to, are marked `cross_site` and read no cookie while they do it.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from flask import Flask, Response, current_app, g, request
from markupsafe import Markup

from ostiary.errors import Denied
from ostiary.web import incoming
from ostiary.web.at_hand import kept
from ostiary.web.cookies import cookie_name, read_cookie, set_cookie
from ostiary.web.forms import FORM_TYPE, optional

FIELD: Final = "csrf_token"
HEADER: Final = "X-CSRF-Token"

_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_COOKIE_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MARK: Final = "ostiary_cross_site"

ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def cross_site(view: ViewT) -> ViewT:
    """Mark a view that other websites may post to: a SAML endpoint. It must authenticate the message itself."""
    setattr(view, _MARK, True)
    return view


def token_for(cookie: str, secret: bytes) -> str:
    """The token that belongs to a cookie's value: 64 hexadecimal digits."""
    return hmac.digest(secret, b"ostiary csrf\0" + cookie.encode(), "sha256").hex()


def comes_from_elsewhere(own_origin: str, *, origin: str | None, fetch_site: str | None) -> bool:
    """Whether the browser says that another origin sent this (Fetch 3.1; Fetch Metadata 2.3). A browser that says nothing is
    left to the token."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return True
    return origin is not None and origin.lower() != own_origin


def protect(app: Flask, *, secrets_now: Callable[[], Sequence[bytes]], own_origin: str, entity_id: str) -> None:
    """Check every unsafe request to ``app`` that is not marked `cross_site`, and keep the cookie that the token belongs to.

    ``secrets_now``: the first makes tokens, all of them are good for checking one, so that a form outlives a change of keys.
    ``own_origin`` is scheme, host and port in lower case, as browsers write it in ``Origin``.
    """
    https = own_origin.startswith("https:")
    name = cookie_name("csrf", entity_id, https=https)

    def cookie() -> str | None:
        value = read_cookie(request.headers.get("Cookie"), name)
        return value if value is not None and _COOKIE_VALUE.fullmatch(value) else None

    def check() -> None:
        if request.method in _SAFE_METHODS or request.endpoint is None:
            return
        if getattr(current_app.view_functions.get(request.endpoint), _MARK, False):
            return
        origin, fetch_site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if comes_from_elsewhere(own_origin, origin=origin, fetch_site=fetch_site):
            raise Denied("csrf.cross_site", expected=own_origin, found=f"Origin {origin}, Sec-Fetch-Site {fetch_site}")
        held, given = cookie(), _given_token()
        if held is None or given is None:
            raise Denied(
                "csrf.token", expected="cookie and token", found=f"cookie {held is not None}, token {given is not None}"
            )
        good = [hmac.compare_digest(given.encode(), token_for(held, secret).encode()) for secret in secrets_now()]
        if not any(good):
            raise Denied("csrf.token", expected="the token that belongs to the cookie", found="another token")

    def token() -> str:
        if "csrf_cookie" not in g:
            g.csrf_cookie = cookie() or secrets.token_urlsafe(32)
        return token_for(g.csrf_cookie, secrets_now()[0])

    def keep(response: Response) -> Response:
        given = kept().get("csrf_cookie")
        if given is not None and given != cookie():
            response.headers.add("Set-Cookie", set_cookie(name, given, https=https))
        return response

    app.before_request(check)
    app.after_request(keep)
    app.extensions["ostiary.csrf_token"] = token


def csrf_field() -> Markup:
    """The hidden field that every form with ``method="post"`` to this service needs; templates call it as ``csrf_field()``."""
    token: Callable[[], str] = current_app.extensions["ostiary.csrf_token"]
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token())


def _given_token() -> str | None:
    if HEADER in request.headers:
        return request.headers[HEADER]
    if request.mimetype != FORM_TYPE:
        return None
    return optional(incoming.form(), FIELD, max_length=128)
