"""A small browser: one request at a time, cookies scoped as browsers scope them, bounded in size and time. Follows nothing by itself.

It speaks http and https only, and is told by its caller which site a request comes from (SameSite: RFC 6265bis 5.2, 8.8).
"""

import http.client
import http.cookiejar
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import urllib3

from ostiary.errors import Refusal, Unavailable
from ostiary.saml.limited_pool import POOLS_WITH_DEADLINE

MAXIMUM_PAGE: Final = 2_000_000
ANSWER_SECONDS: Final = 20.0
_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Encoding": "identity",
    "Accept-Language": "en",
    "User-Agent": "ostiary-trace",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``url`` is what was asked for."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    url: str

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Transport(Protocol):
    """Sends one request; follows and repeats nothing."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises `Unavailable` (``trace.unreachable``) when no whole answer of bounded size comes in time."""
        ...


class HttpTransport:
    """Real connections. ``authorities``: a PEM file of certificate authorities for https, the system's when None."""

    def __init__(self, authorities: Path | None = None, *, seconds: float = ANSWER_SECONDS) -> None:
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=seconds, read=seconds),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(authorities) if authorities is not None else None,
        )
        self._pool.pool_classes_by_scheme = dict(POOLS_WITH_DEADLINE)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        host = urlsplit(url).netloc
        try:
            response = self._pool.request(
                method,
                url,
                body=body or None,
                headers=dict(headers),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            content = _read(response, host)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise Unavailable("trace.unreachable", expected=f"an answer from {url}", found=error, host=host) from None
        return Answer(response.status, tuple(response.headers.items()), content, url)

    def close(self) -> None:
        """Closes the connections that are kept open."""
        for key in self._pool.pools.keys():  # noqa: SIM118 - not a dict: iterating over it is refused
            self._pool.pools[key].close()
        self._pool.clear()


def _read(response: urllib3.BaseHTTPResponse, host: str) -> bytes:
    body = b""
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > MAXIMUM_PAGE:
            response.close()
            raise Unavailable("trace.page_too_large", expected=f"at most {MAXIMUM_PAGE} bytes", found="more", host=host)
    response.release_conn()
    response.close()
    return body


class Browser:
    """The cookies of one person's browser, and the way to the network."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._policy = _Policy()
        self._jar = CookieJar(self._policy)

    def get(self, url: str, *, from_url: str | None = None) -> Answer:
        """Goes to a page; ``from_url`` is the page that led there, None where somebody typed the address.

        Raises `Refusal` (``trace.address``) for anything but http and https, and what the transport raises.
        """
        return self._send("GET", url, b"", from_url)

    def post(self, url: str, body: bytes, *, from_url: str) -> Answer:
        """Submits a form, URL-encoded already, that stands on ``from_url``."""
        return self._send("POST", url, body, from_url)

    def cookies_for(self, url: str) -> tuple[str, ...]:
        """The names of the cookies that are kept for this address."""
        host = _cookie_host(url)
        return tuple(sorted({cookie.name for cookie in self._jar if cookie.domain.lstrip(".") == host}))

    def _send(self, method: str, url: str, body: bytes, from_url: str | None) -> Answer:
        url = web_address(url)
        request = urllib.request.Request(url, method=method)  # noqa: S310 - http and https only, and it is never opened
        self._policy.begin(method, cross_site=from_url is not None and site_of(from_url) != site_of(url))
        headers = dict(_HEADERS)
        self._jar.add_cookie_header(request)
        cookies = request.get_header("Cookie")
        if cookies:
            headers["Cookie"] = cookies
        if method == "POST":
            headers["Content-Type"] = _FORM
            headers["Origin"] = origin_of(from_url or url)
            headers["Sec-Fetch-Site"] = "same-origin" if origin_of(from_url or url) == origin_of(url) else "cross-site"
        answer = self._transport.send(method, url, headers, body)
        self._jar.extract_cookies(_as_response(answer.headers), request)  # type: ignore[arg-type]
        return answer


class _Policy(DefaultCookiePolicy):
    """Netscape cookies with what RFC 6265bis adds: SameSite, and the prefixes ``__Host-`` and ``__Secure-``."""

    def __init__(self) -> None:
        super().__init__(strict_domain=True, rfc2965=False)
        self._method = "GET"
        self._cross_site = False

    def begin(self, method: str, *, cross_site: bool) -> None:
        """The request at hand."""
        self._method, self._cross_site = method, cross_site

    def set_ok(self, cookie: Cookie, request: urllib.request.Request) -> bool:
        host_bound = not cookie.domain_specified and cookie.path == "/"
        if cookie.name.startswith("__Host-") and not (cookie.secure and host_bound):
            return False
        if cookie.name.startswith("__Secure-") and not cookie.secure:
            return False
        # A Secure cookie can come over TLS only.
        if cookie.secure and not request.full_url.startswith("https:"):
            return False
        return super().set_ok(cookie, request)

    def return_ok(self, cookie: Cookie, request: urllib.request.Request) -> bool:
        if self._cross_site:
            same_site = _same_site(cookie)
            if same_site == "strict" or (same_site != "none" and self._method != "GET"):
                return False
        return super().return_ok(cookie, request)


def _same_site(cookie: Cookie) -> str:
    """``strict``, ``none`` or ``lax``, which is also what browsers take for a cookie that does not say."""
    given: Sequence[str | None] = [cookie.get_nonstandard_attr(name) for name in ("SameSite", "samesite", "Samesite")]
    word = next((value for value in given if value), "lax").lower()
    # Without Secure, browsers refuse None.
    return word if word == "strict" or (word == "none" and cookie.secure) else "lax"


def web_address(url: str) -> str:
    """The address without its fragment. Raises `Refusal` (``trace.address``) for what is not http or https, or names no host."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and not any(character <= " " or character == "\x7f" for character in url)
    if not usable or not plain or "@" in parts.netloc or len(url) > 100_000:
        raise Refusal("trace.address", expected="an http or https address", found=url[:300])
    return url.partition("#")[0]


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def site_of(url: str) -> tuple[str, str]:
    """Scheme and registrable domain, as far as they are known without the list of public suffixes: the last two labels of a name."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    labels = host.split(".")
    numeric = ":" in host or labels[-1].isdecimal()
    return parts.scheme, host if numeric else ".".join(labels[-2:])


def _cookie_host(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return host if "." in host or ":" in host else f"{host}.local"


class _HeadersOnly:
    """As much of a response as the cookie jar looks at."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Message:
        return self._message


def _as_response(headers: Sequence[tuple[str, str]]) -> _HeadersOnly:
    message = Message()
    for name, value in headers:
        message[name] = value
    return _HeadersOnly(message)
