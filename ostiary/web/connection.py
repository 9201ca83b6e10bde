"""One connection of the TLS listener, from its first octet to its last: handshake, one request, one answer. Each end is one log line."""

import contextlib
import enum
import io
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Refusal, TooLarge
from ostiary.web.http_message import Answer, Head, end_of_head, environ_fields, parse_head, plain_answer, write_answer
from ostiary.web.log import Log, reference
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue
from ostiary.web.tls_stream import Deadline, Stream, TlsContext, drain, open_stream, send_all

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# The WSGI environ key of the peer's certificates: tuple[bytes, ...], DER, its own first, as sent. No header can produce it.
PEER_CHAIN: Final = "ostiary.tls.peer_chain"

_HANDSHAKE_RECORD: Final = 0x16
_END_OF_LEGACY: Final = b"</voms>"


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """What one peer may take. Seconds are for the whole step, however its octets trickle in.

    ``connections`` are open at once, each with a thread; one more pushes out the one that has kept us waiting longest, if that is
    more than ``patience_seconds``, and waits otherwise. ``requests`` are in the application at once. ``request_seconds`` run from the
    end of the handshake until head and body are there.
    """

    connections: int = 256
    requests: int = 32
    patience_seconds: float = 0.5
    handshake_seconds: float = 10.0
    request_seconds: float = 20.0
    answer_seconds: float = 30.0
    closing_seconds: float = 2.0
    stopping_seconds: float = 10.0
    line_bytes: int = 8_192
    head_bytes: int = 32_768
    header_fields: int = 64
    body_bytes: int = 65_536


LegacyAnswer = Callable[[bytes, tuple[bytes, ...]], bytes]

RefusalAnswer = Callable[[OstiaryError, str], Answer]
"""How a request that does not get as far as the application is refused, where plain text would not do; given the sentence to say."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What all connections of one listener share. ``turns`` lets so many requests into the application at once."""

    application: "WSGIApplication"
    context: Callable[[], TlsContext]
    limits: ListenerLimits
    log: Log
    clock: Clock
    texts: Catalogue
    legacy: LegacyAnswer | None
    refusal: RefusalAnswer | None
    host: str
    port: int
    turns: threading.BoundedSemaphore


class Phase(enum.Enum):
    """Whom we wait for: the peer (who may be pushed out), or ourselves."""

    WAITING = enum.auto()
    ANSWERING = enum.auto()


class Connection:
    """``run`` it in a thread of its own; ``cut`` it from any other."""

    def __init__(
        self,
        raw: socket.socket,
        address: Sequence[Any],
        serving: Serving,
        closed: Callable[["Connection"], None],
    ) -> None:
        self.phase = Phase.WAITING
        self.has_certificate = False
        self.peer = f"{address[0]}:{address[1]}"
        self._raw, self._serving, self._closed = raw, serving, closed
        self._address = address
        self._subject = ""
        self._cut_because = ""
        self._reference = ""
        self._lock = threading.Lock()
        self._is_closed = False
        self._begin = time.monotonic()

    @property
    def is_cut(self) -> bool:
        """Whether somebody asked it to end."""
        return bool(self._cut_because)

    def age(self) -> float:
        """Seconds since it was taken."""
        return time.monotonic() - self._begin

    def cut(self, code: str) -> None:
        """Ends the connection: whatever its thread waits for, it waits no longer. ``code`` says why."""
        with self._lock:
            if self._is_closed or self._cut_because:
                return
            self._cut_because = code
            try:
                self._raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The peer was faster.
                return

    def close(self) -> None:
        """Frees the socket and tells the listener."""
        with self._lock:
            self._is_closed = True
            self._raw.close()
        self._closed(self)

    def run(self) -> None:
        """From the first octet to the last. Never raises."""
        try:
            self._serve()
        except OstiaryError as error:
            self._tell(error)
        except (OSError, EOFError) as error:
            self._tell(Refusal("listener.broken", expected="a whole conversation", found=error or type(error).__name__))
        except Exception:
            self._serving.log.exception("listener_failed", peer=self.peer)
        finally:
            self.close()

    def _serve(self) -> None:
        limits = self._serving.limits
        arriving = Deadline(limits.handshake_seconds)
        self._check_first_octet(arriving)
        stream = open_stream(self._raw, self._serving.context())
        self._shake_hands(stream, arriving)
        chain = stream.peer_chain()
        self.has_certificate, self._subject = bool(chain), subject_of(chain)
        try:
            self._converse(stream, chain)
        except TimeoutError:
            raise Refusal(
                "listener.slow", expected=f"a request within {limits.request_seconds} s", found="an unfinished one"
            ) from None
        finally:
            self.phase = Phase.WAITING
            stream.close(Deadline(limits.closing_seconds))

    def _check_first_octet(self, deadline: Deadline) -> None:
        """A TLS handshake starts with 0x16. To plain HTTP we say what this port speaks."""
        self._raw.settimeout(deadline.left())
        try:
            first = self._raw.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            raise Refusal("listener.silent", expected="a TLS handshake", found="nothing") from None
        if not first:
            raise Refusal("listener.silent", expected="a TLS handshake", found="nothing, and a closed connection")
        if first[0] == _HANDSHAKE_RECORD:
            return
        if not first.isalpha():
            raise Refusal("listener.not_tls", expected="a TLS handshake", found=f"an octet {first[0]:#04x}")
        error = Refusal("listener.plain_http", expected="a TLS handshake", found="plain text, such as HTTP without TLS")
        closing = Deadline(self._serving.limits.closing_seconds)
        # It is told in the log whether or not the peer listens.
        with contextlib.suppress(OSError):
            send_all(self._raw, self._written(self._refused(error)), closing)
            drain(self._raw, closing)
        raise error

    def _shake_hands(self, stream: Stream, deadline: Deadline) -> None:
        try:
            stream.handshake(deadline)
        except TimeoutError:
            raise Refusal("listener.silent", expected="a whole TLS handshake", found="an unfinished one") from None
        except ssl.SSLError as error:
            with contextlib.suppress(OSError):
                # Or the alert might not arrive.
                drain(self._raw, Deadline(self._serving.limits.closing_seconds))
            raise _handshake_refusal(error) from None
        if stream.resumed:
            raise Refusal("listener.resumed", expected="a full handshake", found="a resumed session")

    def _converse(self, stream: Stream, chain: tuple[bytes, ...]) -> None:
        arriving = Deadline(self._serving.limits.request_seconds)
        try:
            received = self._first_octets(stream, arriving)
            if received.startswith(b"<"):
                self._answer_legacy(stream, received, chain, arriving)
                return
            head, rest = self._read_head(stream, received, arriving)
            body = self._read_body(stream, head, rest, arriving)
        except OstiaryError as error:
            answering = Deadline(self._serving.limits.closing_seconds)
            if error.code not in ("listener.not_http", "listener.legacy", "listener.incomplete"):
                stream.send(self._written(self._refused(error)), answering)
            raise
        self.phase = Phase.ANSWERING
        with self._serving.turns:
            answer = self._ask_application(head, body, chain)
        self._send_answer(stream, self._written(answer, head_only=head.method == "HEAD"))
        self._serving.log.info(
            "request",
            peer=self.peer,
            subject=self._subject,
            method=head.method,
            path=head.path,
            status=int(answer.status[:3]),
            bytes=len(answer.body),
            milliseconds=round(self.age() * 1000),
        )

    def _send_answer(self, stream: Stream, data: bytes) -> None:
        seconds = self._serving.limits.answer_seconds
        try:
            stream.send(data, Deadline(seconds))
        except TimeoutError:
            raise Refusal(
                "listener.slow_reader", expected=f"a peer that reads within {seconds} s", found="none"
            ) from None

    def _first_octets(self, stream: Stream, deadline: Deadline) -> bytearray:
        """What the peer says, without the ``0`` that grid clients say first (GSI: no delegation), alone or glued, and without
        empty lines (RFC 9112 2.2)."""
        received = bytearray(self._more(stream, deadline))
        if received.startswith(b"0"):
            del received[0]
        while not received.lstrip(b"\r\n"):
            if len(received) > 4:
                raise Refusal("listener.not_http", expected="a request", found="empty lines")
            received += self._more(stream, deadline)
        received[:] = received.lstrip(b"\r\n")
        if not (received[:1].isalpha() or received.startswith(b"<")):
            raise Refusal("listener.not_http", expected="a request", found=f"an octet {received[0]:#04x}")
        return received

    def _read_head(self, stream: Stream, received: bytearray, deadline: Deadline) -> tuple[Head, bytes]:
        limits = self._serving.limits
        searched = 0
        while (end := end_of_head(received, searched)) is None:
            if len(received) > limits.head_bytes:
                break
            searched = len(received)
            received += self._more(stream, deadline)
        if end is None or end > limits.head_bytes:
            raise TooLarge("listener.head", expected=f"a head of at most {limits.head_bytes} bytes", found="more")
        head = parse_head(bytes(received[:end]), line_bytes=limits.line_bytes, fields=limits.header_fields)
        return head, bytes(received[end:])

    def _read_body(self, stream: Stream, head: Head, received: bytes, deadline: Deadline) -> bytes:
        limit = self._serving.limits.body_bytes
        if head.content_length > limit:
            raise TooLarge("listener.body", expected=f"a body of at most {limit} bytes", found=head.content_length)
        if head.waits_for_continue and len(received) < head.content_length:
            stream.send(b"HTTP/1.1 100 Continue\r\n\r\n", deadline)
        body = bytearray(received)
        while len(body) < head.content_length:
            body += self._more(stream, deadline)
        # What follows the request is thrown away: there is one on a connection.
        return bytes(body[: head.content_length])

    def _more(self, stream: Stream, deadline: Deadline) -> bytes:
        data = stream.receive(deadline)
        if not data:
            raise Refusal("listener.incomplete", expected="a whole request", found="the end of it too early")
        return data

    def _answer_legacy(self, stream: Stream, received: bytearray, chain: tuple[bytes, ...], deadline: Deadline) -> None:
        """An XML document without any framing, which ends at its outermost end tag. Of one that is too long, the beginning is answered: it
        is no document."""
        answer_it, limit = self._serving.legacy, self._serving.limits.body_bytes
        if answer_it is None:
            raise Refusal("listener.legacy", expected="HTTP", found="an XML document")
        while _END_OF_LEGACY not in received:
            if len(received) > limit:
                self._serving.log.warning("legacy_too_long", peer=self.peer, subject=self._subject, most=limit)
                break
            received += self._more(stream, deadline)
        self.phase = Phase.ANSWERING
        try:
            with self._serving.turns:
                answer = answer_it(bytes(received), chain)
        except Exception:
            self._serving.log.exception("crashed", peer=self.peer)
            return
        self._send_answer(stream, answer)
        self._serving.log.info(
            "legacy_request", peer=self.peer, subject=self._subject, received=len(received), bytes=len(answer)
        )

    def _ask_application(self, head: Head, body: bytes, chain: tuple[bytes, ...]) -> Answer:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": head.path,
            "QUERY_STRING": head.query,
            "SERVER_NAME": self._serving.host,
            "SERVER_PORT": str(self._serving.port),
            "SERVER_PROTOCOL": head.version,
            "REMOTE_ADDR": str(self._address[0]),
            "REMOTE_PORT": str(self._address[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **environ_fields(head),
            PEER_CHAIN: chain,
        }
        try:
            return _call(self._serving.application, environ)
        except Exception:
            answer = self._refused(OstiaryError("internal"))
            self._serving.log.exception("crashed", peer=self.peer, path=head.path, reference=self._reference)
            return answer

    def _refused(self, error: OstiaryError) -> Answer:
        self._reference = reference()
        message, remedy = self._serving.texts.error(SOURCE_LANGUAGE, error)
        sentence = f"{message} {remedy} ({self._reference})"
        if self._serving.refusal is not None:
            return self._serving.refusal(error, sentence)
        return plain_answer(error.status, sentence)

    def _written(self, answer: Answer, *, head_only: bool = False) -> bytes:
        date = format_datetime(self._serving.clock.now(), usegmt=True)
        return write_answer(answer, date=date, head_only=head_only)

    def _tell(self, error: OstiaryError) -> None:
        code = self._cut_because or error.code
        self._serving.log.warning(
            "connection_refused",
            peer=self.peer,
            subject=self._subject,
            code=code,
            expected=error.expected,
            found=error.found,
            **({"reference": self._reference} if self._reference else {}),
        )


def subject_of(chain: Sequence[bytes]) -> str:
    """The subject of the peer's own certificate as RFC 4514 text, for the log; empty without a certificate."""
    if not chain:
        return ""
    try:
        return x509.load_der_x509_certificate(chain[0]).subject.rfc4514_string()
    except (ValueError, x509.InvalidVersion):
        return "(unreadable)"


def _handshake_refusal(error: ssl.SSLError) -> Refusal:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(
            "listener.certificate_refused", expected="a client certificate of a trusted CA", found=error.verify_message
        )
    reason = error.reason or str(error)
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return Refusal("listener.no_certificate", expected="a client certificate", found="none")
    return Refusal("listener.handshake", expected="a TLS handshake that both sides understand", found=reason)


def _call(application: "WSGIApplication", environ: dict[str, Any]) -> Answer:
    """One call of a WSGI application (PEP 3333), its whole answer at once."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, fields: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        # Nothing has been sent yet, so a second call just replaces the first.
        begun[:] = [(status, fields)]
        return written.append

    chunks: Iterable[bytes] = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    if not begun:
        raise RuntimeError("the application did not call start_response")
    status, fields = begun[0]
    return Answer(status, fields, b"".join(written) + body)
