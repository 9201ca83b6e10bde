"""Fetches one document over https: bounded in size (as sent and inflated) and in time (the whole of it), redirects never to plain http,
only if it changed. Believes nothing of what it brings.
"""

import http.client
import io
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.util import parse_url

from ostiary.config import is_loopback
from ostiary.errors import Refusal
from ostiary.saml.deadline import ResponseUntilDeadline
from ostiary.saml.kept_connections import Address, KeptConnections, NotPermitted

METADATA_TYPES: Final = "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CHUNK: Final = 65_536
_LONGEST_URL: Final = 8_192
_LONGEST_VALIDATOR: Final = 1_024


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """``max_bytes``: of the document, inflated or as it comes; ``within``: connecting, all redirects and the whole answer together;
    ``redirects``: how many are followed. ``allow_http_beyond_loopback``: plain http to other machines too."""

    max_bytes: int
    within: timedelta = timedelta(seconds=30)
    redirects: int = 3
    allow_http_beyond_loopback: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document. ``size`` in bytes; ``content`` is empty where it was written into a file instead. ``etag`` and ``last_modified`` as the
    server wrote them, to be shown to it the next time; ``url``: where it was in the end; ``fresh_for``: the max-age of its Cache-Control,
    nothing for ``no-cache`` and ``no-store``; None where it says neither."""

    content: bytes
    size: int
    etag: str | None
    last_modified: str | None
    content_type: str
    url: str
    fresh_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class NotModified:
    """What was fetched before still holds. Validators as for `Fetched`, where the server repeats them."""

    etag: str | None
    last_modified: str | None
    fresh_for: timedelta | None = None


def fetch(
    url: str,
    *,
    limits: FetchLimits,
    etag: str | None = None,
    last_modified: str | None = None,
    accept: str = METADATA_TYPES,
    authorities: Path | None = None,
    into: BinaryIO | None = None,
    permits: Callable[[str], bool] | None = None,
) -> Fetched | NotModified:
    """The document at ``url`` (https, http on loopback), or that it is still the one which ``etag`` and ``last_modified`` came with (RFC
    9110 13).

    ``authorities``: PEM file of certificate authorities, the system's when None. ``into``: takes the document while it is read, so that a
    large one never stands in memory; after a refusal it may hold a part. ``permits`` is asked about each IP address before it is
    connected to. Raises `Refusal`: ``fetch.address``, ``fetch.unreachable``, ``fetch.too_slow``, ``fetch.status``,
    ``fetch.missing`` (404 and 410), ``fetch.redirect``, ``fetch.too_large``, ``fetch.incomplete``, ``fetch.encoding``.
    """
    deadline = time.monotonic() + limits.within.total_seconds()
    conditions = _conditions(etag, last_modified)
    # One connection each: a server of metadata is asked once in hours.
    connections = KeptConnections(authorities, permits)
    here = url
    for _ in range(limits.redirects + 1):
        address = _address(here, url, limits, accept, conditions)
        try:
            answer = _asked(connections, address, deadline, bool(conditions), limits.max_bytes, into)
        except TimeoutError:
            raise Refusal("fetch.too_slow", expected=_in_time(limits), found=here, url=url) from None
        except NotPermitted as error:
            raise Refusal("fetch.address", expected="an address that may be asked", found=error, url=url) from None
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            # A socket that its deadline overtook in the middle of a TLS record says so in words of its own.
            if time.monotonic() >= deadline:
                raise Refusal("fetch.too_slow", expected=_in_time(limits), found=here, url=url) from None
            raise Refusal("fetch.unreachable", expected=f"an answer from {here}", found=error, url=url) from None
        except _Unusable as problem:
            raise Refusal(problem.code, expected=problem.expected, found=problem.found, url=url) from None
        if isinstance(answer, _Redirect):
            here = _next(here, answer.location, url)
            continue
        if isinstance(answer, Fetched):
            return replace(answer, url=here)
        return answer
    raise Refusal("fetch.redirect", expected=f"at most {limits.redirects} redirects", found=here, url=url)


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str


class _Unusable(Exception):
    def __init__(self, code: str, *, expected: str, found: object) -> None:
        super().__init__(code)
        self.code, self.expected, self.found = code, expected, str(found)


def _in_time(limits: FetchLimits) -> str:
    return f"the whole answer within {limits.within.total_seconds():g} s"


def _conditions(etag: str | None, last_modified: str | None) -> Mapping[str, str]:
    kept = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in kept.items() if value}


def _address(here: str, asked: str, limits: FetchLimits, accept: str, conditions: Mapping[str, str]) -> Address:
    """Where it is and the request. Raises `Refusal` (``fetch.address``)."""

    def wrong(found: str) -> Refusal:
        return Refusal("fetch.address", expected="an https URL (http on loopback)", found=found[:200], url=asked)

    # Nothing may end the request line; urlsplit drops control characters, urllib3 writes them as escapes.
    if len(here) > _LONGEST_URL or not here.isascii() or any(c <= " " or c in "\\\x7f" for c in here):
        raise wrong(here)
    try:
        parts, parsed = urlsplit(here), parse_url(here)
        host = (parsed.host or "").strip("[]")
        if parts.username is not None or parts.password is not None:
            raise wrong("a URL with a user")
        if (parts.hostname or "") != host.lower() or not host:
            raise wrong(here)
    except (ValueError, urllib3.exceptions.HTTPError):
        raise wrong(here) from None
    https = parts.scheme == "https"
    plain = parts.scheme == "http" and (limits.allow_http_beyond_loopback or is_loopback(host))
    if not https and not plain:
        raise wrong(here)
    usual = 443 if https else 80
    port = parsed.port or usual
    named = parsed.host if port == usual else f"{parsed.host}:{port}"
    lines = [
        f"GET {parsed.request_uri} HTTP/1.1",
        f"Host: {named}",
        f"Accept: {accept}",
        "Accept-Encoding: gzip, identity;q=0.5",
        "User-Agent: ostiary",
        *(f"{name}: {value}" for name, value in conditions.items()),
        "Connection: close",
    ]
    return Address(https, host, port, ("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))


def _next(here: str, location: str, asked: str) -> str:
    """Where a redirect leads. Whoever reads along on the way must not be able to lead us away: from https to https alone."""
    try:
        found = urljoin(here, location)
        down = urlsplit(here).scheme == "https" and urlsplit(found).scheme != "https"
    except ValueError:
        raise Refusal("fetch.redirect", expected="a URL", found=location[:200], url=asked) from None
    if down:
        raise Refusal("fetch.redirect", expected="a redirect from https to https", found=found[:200], url=asked)
    return found


def _asked(
    connections: KeptConnections,
    address: Address,
    deadline: float,
    conditional: bool,
    most: int,
    into: BinaryIO | None,
) -> Fetched | NotModified | _Redirect:
    connection = connections.take(address, deadline)
    try:
        connection.settimeout(_left(deadline))
        connection.sendall(address.head)
        connection.settimeout(_left(deadline))
        response = ResponseUntilDeadline(connection, method="GET")
        try:
            response.begin()
            return _answer(response, conditional, most, into)
        finally:
            response.close()
    finally:
        connection.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is over")
    return left


def _answer(
    response: http.client.HTTPResponse, conditional: bool, most: int, into: BinaryIO | None
) -> Fetched | NotModified | _Redirect:
    etag, last_modified = _validator(response, "ETag"), _validator(response, "Last-Modified")
    location = response.getheader("Location")
    if response.status == 304 and conditional:
        return NotModified(etag, last_modified, _fresh_for(response))
    if response.status in _REDIRECTS and location:
        return _Redirect(location)
    if response.status in (404, 410):
        raise _Unusable("fetch.missing", expected="HTTP 200", found=f"HTTP {response.status}")
    if response.status != 200:
        raise _Unusable("fetch.status", expected="HTTP 200", found=f"HTTP {response.status}")
    kept = io.BytesIO() if into is None else into
    size = 0
    for part in _inflated(response, most):
        size += len(part)
        if size > most:
            raise _Unusable("fetch.too_large", expected=f"at most {most} bytes", found="more")
        kept.write(part)
    content = kept.getvalue() if isinstance(kept, io.BytesIO) and into is None else b""
    content_type = response.getheader("Content-Type", "")[:200]
    return Fetched(content, size, etag, last_modified, content_type, "", _fresh_for(response))


def _fresh_for(response: http.client.HTTPResponse) -> timedelta | None:
    """RFC 9111 5.2.2."""
    for directive in response.getheader("Cache-Control", "")[:_LONGEST_VALIDATOR].lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name in ("no-cache", "no-store"):
            return timedelta(0)
        number = value.strip('"')
        if name == "max-age" and number.isascii() and number.isdecimal():
            return timedelta(seconds=int(number[:9]))
    return None


def _validator(response: http.client.HTTPResponse, name: str) -> str | None:
    """As it came, so that it can be sent back; None for what no request could carry."""
    value = response.getheader(name)
    if value is None or len(value) > _LONGEST_VALIDATOR or not value.isascii() or not value.isprintable():
        return None
    return value


def _inflated(response: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """The document in parts, none much larger than what came: a bomb goes off in small pieces, which are counted."""
    encoding = response.getheader("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        yield from _parts(response, most)
        return
    if encoding not in ("gzip", "x-gzip"):
        raise _Unusable("fetch.encoding", expected="gzip, or no Content-Encoding", found=encoding[:80])
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for part in _parts(response, most):
            rest = part
            while rest and not inflate.eof:
                yield inflate.decompress(rest, _CHUNK)
                rest = inflate.unconsumed_tail
            if inflate.eof:
                break
        while not inflate.eof and (more := inflate.decompress(inflate.unconsumed_tail, _CHUNK)):
            yield more
    except zlib.error as error:
        raise _Unusable("fetch.encoding", expected="gzip", found=error) from None
    if not inflate.eof:
        raise _Unusable("fetch.incomplete", expected="the whole document", found="the beginning of it")


def _parts(response: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """The body as it comes. Raises `_Unusable` for one that says it is too large, and for one that ends too early."""
    if response.length is not None and response.length > most:
        raise _Unusable("fetch.too_large", expected=f"at most {most} bytes", found=f"{response.length} bytes")
    came = 0
    while chunk := response.read1(_CHUNK):
        came += len(chunk)
        if came > most:
            raise _Unusable("fetch.too_large", expected=f"at most {most} bytes", found="more")
        yield chunk
    if response.length:
        raise _Unusable("fetch.incomplete", expected=f"{response.length} bytes more", found="the end")
