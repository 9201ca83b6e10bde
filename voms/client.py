"""Asks a VO's servers for an attribute certificate, as ``voms-proxy-init`` does: REST over TLS with the user's own certificate.

Trusts a server by the CA directory and by the name that the ``vomses`` file gives it. Writes nothing.
"""

import base64
import binascii
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from cryptography import x509

from ostiary.errors import Denied, NotAuthenticated, OstiaryError, Refusal, Unavailable
from ostiary.saml.xml import MESSAGE, Element, parse_xml
from ostiary.x509.names import slash_form
from ostiary.x509.vomses import VomsServer

TIMEOUT: Final = 30.0
MAXIMUM_ANSWER: Final = 262_144
# The number is that of services which grew from another root.
_DENIED: Final = {
    "NoSuchUser": "voms.answered_unknown",
    "1001": "voms.answered_unknown",
    "SuspendedUser": "voms.answered_not_active",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask for: names (``/vo/group``, ``/vo/group/Role=r``, ``all``), their order, seconds, host names."""

    fqans: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    lifetime: int | None = None
    targets: tuple[str, ...] = ()

    def path(self) -> str:
        """The path and query of the request; what clients leave unescaped stays so."""
        pairs = [("fqans", ",".join(self.fqans)), ("order", ",".join(self.order)), ("targets", ",".join(self.targets))]
        if self.lifetime is not None:
            pairs.insert(1, ("lifetime", str(self.lifetime)))
        query = "&".join(f"{name}={quote(value, safe='/=,.:-_')}" for name, value in pairs if value)
        return f"/generate-ac?{query}" if query else "/generate-ac"


@dataclass(frozen=True, slots=True)
class Received:
    """An attribute certificate, DER, not yet verified, and what the server remarks."""

    certificate: bytes
    warnings: tuple[str, ...]


def make_client_context(
    certificate: str, key: str, passphrase: str | None, ca_certificates: Sequence[bytes]
) -> ssl.SSLContext:
    """TLS as the holder of ``certificate`` and ``key`` (paths of PEM files), trusting the CAs (DER).

    Servers are known by their certificate's subject, not by host name: `ask` compares it with ``vomses``.
    Raises `Refusal` (``voms.client_key``).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_verify_locations(cadata=b"".join(ca_certificates))
        # Without a password OpenSSL would ask the terminal by itself.
        context.load_cert_chain(certificate, key, password=passphrase or "")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise Refusal("voms.client_key", expected="a certificate, its key, and CAs", found=error) from error
    return context


def ask(
    servers: Sequence[VomsServer], wanted: Wanted, context: ssl.SSLContext, tell: Callable[[str], None]
) -> Received:
    """The answer of the first server that gives one: a refusal is an answer, a server that can't be reached is not. ``tell`` hears
    each attempt.

    Raises `Denied` (``voms.answered_unknown``, ``voms.answered_not_active``), `Refusal` (``voms.answered``), `Unavailable`
    (``voms.unreachable``, of the last server).
    """
    last: OstiaryError = Unavailable("voms.unreachable", expected="a server", found="none", server="the VO")
    for server in servers:
        tell(f'Contacting {server.host}:{server.port} [{server.subject}] "{server.vo}"...')
        try:
            return _read(_exchange(server, wanted, context), server)
        except Unavailable as problem:
            last = problem
    raise last


def _exchange(server: VomsServer, wanted: Wanted, context: ssl.SSLContext) -> bytes:
    request = (
        f"GET {wanted.path()} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nUser-Agent: ostiary\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    )
    # Not the time of day: how long this server is waited for, however it drips.
    deadline = time.monotonic() + TIMEOUT
    try:
        with (
            socket.create_connection((server.host, server.port), timeout=TIMEOUT) as raw,
            context.wrap_socket(raw, server_hostname=server.host) as stream,
        ):
            _check_name(stream, server)
            stream.sendall(request.encode())
            return _all_of(stream, deadline)
    except OSError as error:
        raise _unreachable(server, error) from error


def _check_name(stream: ssl.SSLSocket, server: VomsServer) -> None:
    presented = stream.getpeercert(binary_form=True)
    found = slash_form(x509.load_der_x509_certificate(presented).subject) if presented else "nobody"
    if server.subject and found != server.subject:
        raise NotAuthenticated(
            "voms.other_server", expected=server.subject, found=found, server=f"{server.host}:{server.port}"
        )


def _all_of(stream: ssl.SSLSocket, deadline: float) -> bytes:
    parts: list[bytes] = []
    length = 0
    while part := stream.recv(65_536):
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
        parts.append(part)
        length += len(part)
        if length > MAXIMUM_ANSWER:
            raise OSError("the answer is too long")
    return b"".join(parts)


def _read(answer: bytes, server: VomsServer) -> Received:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"HTTP/1."):
        raise _unreachable(server, "no HTTP answer")
    where = f"{server.host}:{server.port}"
    try:
        root = parse_xml(body, MESSAGE)
    except OstiaryError as problem:
        raise _unreachable(server, problem) from problem
    error = root.find("error")
    if error is not None:
        code, message = _text(error, "code"), _text(error, "message")
        if code in _DENIED:
            raise Denied(_DENIED[code], message=message, server=where)
        raise Refusal("voms.answered", message=message, server=where)
    try:
        certificate = base64.b64decode("".join(_text(root, "ac").split()), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise _unreachable(server, problem) from problem
    if not certificate:
        raise _unreachable(server, "an answer without a certificate")
    return Received(certificate, tuple(element.text or "" for element in root.findall("warning")))


def _text(parent: Element, name: str) -> str:
    return parent.findtext(name) or ""


def _unreachable(server: VomsServer, cause: object) -> Unavailable:
    return Unavailable("voms.unreachable", expected="an answer", found=cause, server=f"{server.host}:{server.port}")
