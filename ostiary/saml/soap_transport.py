"""The back channel: one SOAP message by POST over HTTP(S), with limits on time and size, no redirects, certificates checked."""

import http.client
import re
import socket
import ssl
import time
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import urllib3
from urllib3.util import parse_url

from ostiary.config import is_loopback
from ostiary.errors import Unavailable
from ostiary.saml.deadline import ResponseUntilDeadline, up_to
from ostiary.saml.kept_connections import Address, KeptConnections
from ostiary.saml.xml import MESSAGE

_HEADERS: Final = (
    "Content-Type: text/xml; charset=utf-8\r\n"
    'SOAPAction: "http://www.oasis-open.org/committees/security"\r\n'
    "Accept-Encoding: identity\r\n"
    "User-Agent: ostiary\r\n"
)
_FIRST_PIECE: Final = 65_536
# Lines that no reader takes for others: each a name and a value, none of them folded.
_USUAL_HEAD: Final = re.compile(rb"HTTP/1\.1 (200|500) [^\r\n]*\r\n(?:[A-Za-z0-9-]+:[\t -~]*\r\n)+\r\n")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,6})[ \t]*(?=\r\n)")


class SoapTransport(Protocol):
    """Posts one SOAP message and returns the answer's body."""

    def post(self, url: str, envelope: bytes) -> bytes:
        """Raises `Unavailable` (``soap.unreachable``) when there is no answer in time, or one that is too large."""
        ...


class ConnectionDied(Unavailable):
    """The connection ended before the first octet of an answer: most often one that had been kept too long. The message may have arrived
    nevertheless, so what is sent once more is a new message."""


class HttpSoapTransport:
    """Keeps connections open between messages. Plain http is spoken to loopback addresses only.

    ``timeout`` bounds the whole: connecting, sending, and reading the answer; ``authorities`` is a PEM file of certificate authorities,
    the system's when None.
    """

    def __init__(self, timeout: timedelta, authorities: Path | None = None) -> None:
        self._timeout = timeout.total_seconds()
        self._kept = KeptConnections(authorities)

    def post(self, url: str, envelope: bytes, *, within: float | None = None) -> bytes:
        """The body of the answer, in at most ``within`` seconds where that is shorter than the timeout. Raises `Unavailable`
        (``soap.unreachable``), as `ConnectionDied` where that is what happened."""
        seconds = self._timeout if within is None else min(within, self._timeout)
        try:
            address = _address(url)
            if address is None:
                raise Unavailable("soap.unreachable", expected="an https address", found=url)
            status, body = self._exchanged(address, envelope, time.monotonic() + seconds)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            kind = ConnectionDied if isinstance(error, _Died) else Unavailable
            raise kind("soap.unreachable", expected=f"an answer from {url} within {seconds:g} s", found=error) from None
        if body is None:
            raise Unavailable("soap.unreachable", expected=f"at most {MESSAGE.max_bytes} bytes", found="more")
        # A SOAP fault comes with 500 (SOAP 1.1 6.2) and is for the reader of the envelope to complain about.
        if status not in (200, 500):
            raise Unavailable("soap.unreachable", expected="HTTP 200", found=f"HTTP {status} from {url}")
        return body

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._kept.close()

    def _exchanged(self, address: Address, envelope: bytes, deadline: float) -> tuple[int, bytes | None]:
        """Status and body, None for one that is too large. A message is sent once: whoever got it may have acted on it."""
        connection = self._kept.take(address, deadline)
        stays = False
        try:
            connection.settimeout(_left(deadline))
            try:
                connection.sendall(b"%s%d\r\n\r\n%s" % (address.head, len(envelope), envelope))
                connection.settimeout(_left(deadline))
                begun = connection.recv(_FIRST_PIECE)
            except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
                raise _Died(str(error)) from None
            status, body, stays = _usual_answer(begun) or _read_answer(connection, begun, deadline)
        finally:
            if not stays:
                connection.close()
        if stays:
            self._kept.give_back(address, connection)
        return status, body


class _Died(ConnectionError):
    """Before the first octet of an answer."""


def _usual_answer(octets: bytes) -> tuple[int, bytes | None, bool] | None:
    """What `_read_answer` would say of an answer that came in one piece and tells its length in the usual way, without the parser of
    mail headers; None for any other."""
    head = _USUAL_HEAD.match(octets)
    if head is None:
        return None
    fields = head.group().lower()
    lengths = _LENGTH.findall(fields)
    if len(lengths) != 1 or b"\r\ntransfer-encoding" in fields or b"\r\nconnection" in fields:
        return None
    if len(octets) - head.end() != int(lengths[0]) or int(lengths[0]) > MESSAGE.max_bytes:
        return None
    return int(head[1]), octets[head.end() :], True


def _read_answer(connection: socket.socket, begun: bytes, deadline: float) -> tuple[int, bytes | None, bool]:
    """Status, body (None for one that is too large), and whether the connection can be used again; ``begun`` was read of it already."""
    connection.settimeout(_left(deadline))
    response = ResponseUntilDeadline(connection, method="POST", begun=begun)
    try:
        _begin(response)
        body = _body(response, MESSAGE.max_bytes)
        return response.status, body, body is not None and not response.will_close
    finally:
        response.close()


def _begin(response: ResponseUntilDeadline) -> None:
    try:
        response.begin()
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        if response.source.began:
            raise
        raise _Died(str(error)) from None


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for the whole exchange is over")
    return left


@lru_cache(maxsize=256)
def _address(url: str) -> Address | None:
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
    return Address(https, parsed.host.strip("[]"), port, head.encode("ascii"))


def _body(response: http.client.HTTPResponse, most: int) -> bytes | None:
    """The whole body; None when it has more than so many bytes. Raises `http.client.HTTPException`, `OSError`."""
    if response.length is not None:
        return response.read() if response.length <= most else None
    return up_to(response, most)
