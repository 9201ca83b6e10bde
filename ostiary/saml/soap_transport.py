"""The back channel: one SOAP message by POST over HTTP(S), with limits on time and size, no redirects, certificates checked."""

import http.client
import io
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

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
        self._pool = limited_pool(timeout, authorities)

    def post(self, url: str, envelope: bytes) -> bytes:
        """The body of the answer. Raises `Unavailable` (``soap.unreachable``)."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise Unavailable("soap.unreachable", expected="an https address", found=url)
        try:
            response = self._pool.request(
                "POST",
                url,
                body=envelope,
                headers=_HEADERS,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            body = read_limited(response, MESSAGE.max_bytes)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(
                "soap.unreachable", expected=f"an answer from {url} within {self._timeout} s", found=error
            ) from None
        if body is None:
            raise Unavailable("soap.unreachable", expected=f"at most {MESSAGE.max_bytes} bytes", found="more")
        # A SOAP fault comes with 500 (SOAP 1.1 6.2) and is for the reader of the envelope to complain about.
        if response.status not in (200, 500):
            raise Unavailable("soap.unreachable", expected="HTTP 200", found=f"HTTP {response.status} from {url}")
        return body

    def close(self) -> None:
        """Closes the connections that are kept open."""
        close_pool(self._pool)


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
    body = b""
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > most:
            response.close()
            return None
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
_HEADERS: Final = {
    "Content-Type": "text/xml; charset=utf-8",
    "SOAPAction": '"http://www.oasis-open.org/committees/security"',
    "Accept-Encoding": "identity",
}
