"""Asks one service whether it serves, as the health check of a container does. Changes nothing and keeps nothing."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import urllib3

from ostiary.config import read_private_file
from ostiary.errors import ConfigurationError, Refusal, Unavailable

_SECONDS: Final = 5.0
_LDAP_PORT: Final = 389
# RFC 4511 4.14.1: message 1, an ExtendedRequest (0x77) whose requestName (0x80) is StartTLS.
_START_TLS: Final = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
# RFC 4511 4.12: the answer to it, an ExtendedResponse, whose first element is the resultCode; 0 is success.
_EXTENDED_RESPONSE: Final = 0x78
_SUCCESS: Final = (0x0A, b"\x00")


def ask(url: str, *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> None:
    """An http or https URL is to answer 200; an ldap URL to offer StartTLS. TLS must chain to ``ca`` (PEM; None: what the system
    trusts); ``certificate`` and ``key`` are shown to servers that ask.

    Raises `Unavailable` (``healthy.silent``) when it does not within five seconds, `Refusal` (``healthy.url``), `ConfigurationError`.
    """
    parts = _split(url)
    match parts.scheme:
        case "http":
            _ask_http(url, None)
        case "https":
            _ask_http(url, _context(ca, certificate, key))
        case "ldap":
            _ask_ldap(url, parts, _context(ca, certificate, key))
        case _:
            raise Refusal("healthy.url", expected="an http, https or ldap URL", found=url)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise Refusal("healthy.url", expected="a URL with a host", found=url)


def _ask_http(url: str, context: ssl.SSLContext | None) -> None:
    with urllib3.PoolManager(retries=False, timeout=_SECONDS, ssl_context=context) as pool:
        try:
            status = pool.request("GET", url, redirect=False).status
        except urllib3.exceptions.HTTPError as error:
            raise _silent(url, "HTTP 200", error) from None
    if status != 200:
        raise _silent(url, "HTTP 200", f"HTTP {status}")


def _ask_ldap(url: str, parts: SplitResult, context: ssl.SSLContext) -> None:
    host = parts.hostname or ""
    try:
        with socket.create_connection((host, parts.port or _LDAP_PORT), timeout=_SECONDS) as plain:
            plain.sendall(_START_TLS)
            answer = plain.recv(1024)
            if not _agrees(answer):
                raise _silent(url, "StartTLS", answer.hex() or "the end of the connection")
            context.wrap_socket(plain, server_hostname=host).close()
    except OSError as error:
        raise _silent(url, "StartTLS", error) from None


def _agrees(answer: bytes) -> bool:
    """Whether this LDAPMessage is an ExtendedResponse of success."""
    try:
        (_, message), *_ = _elements(answer)
        (_, _number), (kind, response), *_ = _elements(message)
        return kind == _EXTENDED_RESPONSE and next(_elements(response)) == _SUCCESS
    except (ValueError, IndexError, StopIteration):
        return False


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each BER element (X.690 8.1); the last may be cut off."""
    while content:
        length, start = content[1], 2
        if length & 0x80:
            start = 2 + (length & 0x7F)
            length = int.from_bytes(content[2:start], "big")
        yield content[0], content[start : start + length]
        content = content[start + length :]


def _context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            if key is not None:
                read_private_file(key)
            # A password that is asked for on the terminal would hang.
            context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        file = certificate or ca or Path()
        raise ConfigurationError("healthy.certificates", file=file, expected="PEM files", found=error) from None
    return context


def _silent(url: str, expected: str, found: object) -> Unavailable:
    return Unavailable("healthy.silent", expected=expected, found=found, url=url)
