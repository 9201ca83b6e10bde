"""One request over TLS as the holder of a certificate, and its answer: each server has so many seconds, however it drips. Trusts by the CA
directory only; who the server has to be, its callers decide from its certificates before anything is sent."""

import socket
import ssl
import time
from _ssl import ENCODING_DER
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ostiary.errors import OstiaryError, Unavailable
from voms.proxy.credential import Credential

TIMEOUT: Final = 30.0
MAXIMUM_ANSWER: Final = 262_144
_RECORD: Final = 65_536
_END_OF_HEAD: Final = b"\r\n\r\n"

Check = Callable[[tuple[bytes, ...]], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an HTTP answer; ``content_type`` as sent."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Server:
    """Where somebody listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def make_client_context(credential: Credential, ca_certificates: Sequence[bytes]) -> ssl.SSLContext:
    """TLS as the holder of the credential, trusting the CAs (DER). Servers may show RFC 3820 proxies; no name is compared.

    Raises `Refusal` (``voms.client_key``).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_ALLOW_PROXY_CERTS
    context.load_verify_locations(cadata=b"".join(ca_certificates))
    credential.load_into(context)
    return context


def exchange(
    server: Server,
    request: bytes,
    context: ssl.SSLContext,
    check: Check,
    *,
    seconds: float = TIMEOUT,
    most: int = MAXIMUM_ANSWER,
) -> Answer:
    """Sends the request once ``check`` has seen the server's certificates (DER, its own first) and raised nothing. ``most``: octets of
    an answer that are read.

    Raises what ``check`` raises; `Unavailable` (``voms.unreachable``, ``voms.untrusted_server``, ``voms.refused_certificate``).
    """
    # Not the time of day: how long this server is waited for.
    deadline = time.monotonic() + seconds
    try:
        with (
            socket.create_connection((server.host, server.port), timeout=seconds) as raw,
            context.wrap_socket(raw, server_hostname=server.host) as stream,
        ):
            check(_chain_of(stream))
            stream.sendall(request)
            data = _all_of(stream, deadline, most)
    except ssl.SSLCertVerificationError as error:
        raise _problem("voms.untrusted_server", server, error.verify_message) from error
    except ssl.SSLError as error:
        alert = "ALERT" in (error.reason or "")
        raise _problem("voms.refused_certificate" if alert else "voms.unreachable", server, error) from error
    except OSError as error:
        raise _problem("voms.unreachable", server, error) from error
    try:
        return read_answer(data)
    except ValueError as error:
        raise _problem("voms.unreachable", server, error) from error


def read_answer(data: bytes) -> Answer:
    """The one answer on a connection that was read to its end (RFC 9112 6 and 7). Raises `ValueError`."""
    head, separator, body = data.partition(_END_OF_HEAD)
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    status = rest[:3]
    if not separator or not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit()):
        raise ValueError("no HTTP answer")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = _without_chunks(body)
    elif "content-length" in fields:
        length = fields["content-length"]
        if not length.isascii() or not length.isdigit() or int(length) > len(body):
            raise ValueError("the answer ends too early")
        body = body[: int(length)]
    return Answer(int(status), fields.get("content-type", ""), body)


def is_success(status: int) -> bool:
    """2xx."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _without_chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        line, separator, rest = body.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16) if separator else -1
        if size < 0 or len(rest) < size:
            raise ValueError("the answer ends too early")
        if size == 0:
            return b"".join(parts)
        parts.append(rest[:size])
        body = rest[size:].removeprefix(b"\r\n")


def _chain_of(stream: ssl.SSLSocket) -> tuple[bytes, ...]:
    # Public from Python 3.13 on; the certificates underneath are the same.
    public = getattr(stream, "get_unverified_chain", None)
    if public is not None:
        return tuple(public() or ())
    found = getattr(stream, "_sslobj").get_unverified_chain()  # noqa: B009  # no public way before 3.13
    return tuple(certificate.public_bytes(ENCODING_DER) for certificate in found or ())


def _all_of(stream: ssl.SSLSocket, deadline: float, most: int) -> bytes:
    parts: list[bytes] = []
    length = 0
    while part := stream.recv(_RECORD):
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
        parts.append(part)
        length += len(part)
        if length > most:
            raise OSError("the answer is too long")
    return b"".join(parts)


def _problem(code: str, server: Server, cause: object) -> OstiaryError:
    return Unavailable(code, expected="an answer", found=cause, server=server)
