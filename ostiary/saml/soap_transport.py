"""The back channel: one SOAP message by POST over HTTP(S), with limits on time and size, no redirects, certificates checked."""

import http.client
import io
import socket
import threading
import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url

from ostiary.config import is_loopback
from ostiary.errors import Unavailable
from ostiary.saml.xml import MESSAGE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class SoapTransport(Protocol):
    """Posts one SOAP message and returns the answer's body."""

    def post(self, url: str, envelope: bytes) -> bytes:
        """Raises `Unavailable` (``soap.unreachable``) when there is no answer in time, or one that is too large."""
        ...


class HttpSoapTransport:
    """Keeps connections open between messages. Plain http is spoken to loopback addresses only.

    ``timeout`` bounds connecting, and reading the whole answer; ``authorities`` is a PEM file of certificate authorities, the
    system's when None.
    """

    def __init__(self, timeout: timedelta, authorities: Path | None = None) -> None:
        self._timeout = timeout.total_seconds()
        self._kept = _KeptConnections(self._timeout, authorities)

    def post(self, url: str, envelope: bytes) -> bytes:
        """The body of the answer. Raises `Unavailable` (``soap.unreachable``)."""
        try:
            address = _address(url)
            if address is None:
                raise Unavailable("soap.unreachable", expected="an https address", found=url)
            status, body = self._exchanged(address, envelope)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise Unavailable(
                "soap.unreachable", expected=f"an answer from {url} within {self._timeout} s", found=error
            ) from None
        if body is None:
            raise Unavailable("soap.unreachable", expected=f"at most {MESSAGE.max_bytes} bytes", found="more")
        # A SOAP fault comes with 500 (SOAP 1.1 6.2) and is for the reader of the envelope to complain about.
        if status not in (200, 500):
            raise Unavailable("soap.unreachable", expected="HTTP 200", found=f"HTTP {status} from {url}")
        return body

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._kept.close()

    def _exchanged(self, address: "_Address", envelope: bytes) -> tuple[int, bytes | None]:
        """Status and body, None for one that is too large. A message is sent once: whoever got it may have acted on it."""
        connection = self._kept.take(address)
        stays = False
        try:
            connection.sock.settimeout(self._timeout)
            connection.sock.sendall(b"%s%d\r\n\r\n%s" % (address.head, len(envelope), envelope))
            response = _Response(connection.sock, method="POST")
            try:
                response.begin()
                body = _body(response, MESSAGE.max_bytes)
                stays = body is not None and not response.will_close
            finally:
                response.close()
        finally:
            if not stays:
                connection.close()
        self._kept.give_back(address, connection)
        return response.status, body


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a message goes. ``head``: the request up to the length of its body."""

    https: bool
    host: str
    port: int
    head: bytes


@lru_cache(maxsize=256)
def _address(url: str) -> _Address | None:
    """None for what is no https address, unless it is http on this machine. Raises what urllib3 raises."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return None
    # The host as it is connected to, and a path in which nothing can end the line.
    parsed = parse_url(url)
    if not parsed.host:
        raise urllib3.exceptions.LocationValueError("no host")
    https = parsed.scheme == "https"
    if not https and not is_loopback(parsed.host.strip("[]")):
        return None
    usual = 443 if https else 80
    port = parsed.port or usual
    named = parsed.host if port == usual else f"{parsed.host}:{port}"
    head = f"POST {parsed.request_uri} HTTP/1.1\r\nHost: {named}\r\n{_HEADERS}Content-Length: "
    return _Address(https, parsed.host.strip("[]"), port, head.encode("ascii"))


_Idle = OrderedDict[tuple[bool, str, int], "list[_Http | _Https]"]


class _KeptConnections:
    """Connections to use again: at most `_KEPT` to each of the last `_PLACES` places, the latest first. Safe for use by several threads."""

    def __init__(self, timeout: float, authorities: Path | None) -> None:
        self._timeout = timeout
        self._authorities = str(authorities) if authorities is not None else None
        self._lock = threading.Lock()
        self._idle: _Idle = OrderedDict()
        # Whoever drops this without a word leaves no open socket behind.
        weakref.finalize(self, _close_all, self._idle)

    def take(self, address: _Address) -> "_Http | _Https":
        """One that is connected: one that was kept and that the other side has not closed since, or a new one."""
        while (kept := self._pop(address)) is not None:
            if kept.is_connected:
                return kept
            kept.close()
        connection: _Http | _Https
        if address.https:
            connection = _Https(
                address.host,
                address.port,
                timeout=self._timeout,
                cert_reqs="CERT_REQUIRED",
                ca_certs=self._authorities,
            )
        else:
            connection = _Http(address.host, address.port, timeout=self._timeout)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, address: _Address, connection: "_Http | _Https") -> None:
        """Keeps it, unless it was closed."""
        if connection.sock is None:
            return
        surplus = []
        with self._lock:
            place = (address.https, address.host, address.port)
            idle = self._idle.setdefault(place, [])
            self._idle.move_to_end(place)
            idle.append(connection)
            if len(idle) > _KEPT:
                surplus.append(idle.pop(0))
            if len(self._idle) > _PLACES:
                surplus.extend(self._idle.popitem(last=False)[1])
        for one in surplus:
            one.close()

    def close(self) -> None:
        """Closes all that are kept."""
        with self._lock:
            _close_all(self._idle)

    def _pop(self, address: _Address) -> "_Http | _Https | None":
        with self._lock:
            idle = self._idle.get((address.https, address.host, address.port))
            return idle.pop() if idle else None


def _close_all(idle: "_Idle") -> None:
    while idle:
        for one in idle.popitem()[1]:
            one.close()


def _body(response: http.client.HTTPResponse, most: int) -> bytes | None:
    """The whole body; None when it has more than so many bytes. Raises `http.client.HTTPException`, `OSError`."""
    if response.length is not None:
        return response.read() if response.length <= most else None
    return _up_to(response, most)


def _up_to(response: http.client.HTTPResponse | urllib3.BaseHTTPResponse, most: int) -> bytes | None:
    body = b""
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > most:
            return None
    return body


def limited_pool(timeout: timedelta, authorities: Path | None = None) -> urllib3.PoolManager:
    """Connections that are kept for later questions; certificates are checked, redirects and repetition are the caller's to forbid.
    ``timeout`` and ``authorities`` as for `HttpSoapTransport`."""
    seconds = timeout.total_seconds()
    pool = urllib3.PoolManager(
        num_pools=50,
        maxsize=10,
        block=False,
        retries=False,
        timeout=urllib3.Timeout(connect=seconds, read=seconds),
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(authorities) if authorities is not None else None,
    )
    pool.pool_classes_by_scheme = dict(POOLS_WITH_DEADLINE)
    return pool


def close_pool(pool: urllib3.PoolManager) -> None:
    """Closes the connections that are kept open."""
    for key in pool.pools.keys():  # noqa: SIM118 - not a dict: iterating over it is refused
        pool.pools[key].close()
    pool.clear()


def read_limited(response: urllib3.BaseHTTPResponse, most: int) -> bytes | None:
    """The whole body of a response that was not read yet; None when it has more than so many bytes. Raises what urllib3 raises."""
    body = _up_to(response, most)
    if body is not None:
        response.release_conn()
    # The connection is kept; what was opened to read this answer is not.
    response.close()
    return body


class _UntilDeadline(io.RawIOBase):
    """A socket's octets until a deadline. A timeout of the socket alone would begin anew with each octet of a peer that drips."""

    def __init__(self, connection: socket.socket, source: socket.SocketIO) -> None:
        super().__init__()
        self._connection = connection
        self._source = source
        self._deadline = time.monotonic() + (connection.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        self._connection.settimeout(left)
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Status line, headers and body, all before one deadline."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_UntilDeadline(sock, sock.makefile("rb", buffering=0)))


class _InOnePiece(HTTPConnection):
    """Sends head and body together: two pieces cost each side a wake-up more than they say."""

    response_class = _Response
    _held: list[bytes] | None = None

    def request(self, *arguments: Any, **options: Any) -> None:
        held: list[bytes] = []
        self._held = held
        try:
            super().request(*arguments, **options)
        finally:
            self._held = None
        self.send(b"".join(held))

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        elif isinstance(data, bytes):
            self._held.append(data)
        else:
            raise TypeError("a message on the back channel is octets")


class _Http(_InOnePiece):
    pass


class _Https(_InOnePiece, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


# For urllib3's ``pool_classes_by_scheme``: the read timeout bounds the whole answer, status line and headers included.
POOLS_WITH_DEADLINE: Final = {"http": _HttpPool, "https": _HttpsPool}
_KEPT: Final = 10
_PLACES: Final = 50
_HEADERS: Final = (
    "Content-Type: text/xml; charset=utf-8\r\n"
    'SOAPAction: "http://www.oasis-open.org/committees/security"\r\n'
    "Accept-Encoding: identity\r\n"
    "User-Agent: ostiary\r\n"
)
