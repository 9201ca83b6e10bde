"""TLS over one connected socket, each step with a deadline for the whole of it, so that no peer can hold a thread. Decides no trust."""

import contextlib
import socket
import ssl
import time
from _ssl import ENCODING_DER
from typing import Final, Protocol

_RECORD: Final = 65_536
_MAXIMUM_DRAINED: Final = 1_048_576


class Deadline:
    """A point in time, ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, more than 0. Raises `TimeoutError` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left


class Stream(Protocol):
    """The server's side of TLS over one socket. `TlsStream` is one; another says which client certificates it takes by itself."""

    @property
    def resumed(self) -> bool: ...
    def handshake(self, deadline: Deadline) -> None: ...
    def peer_chain(self) -> tuple[bytes, ...]: ...
    def receive(self, deadline: Deadline) -> bytes: ...
    def send(self, data: bytes, deadline: Deadline) -> None: ...
    def close(self, deadline: Deadline) -> None: ...


class OpensStreams(Protocol):
    """What stands in place of an `ssl.SSLContext` where Python's own TLS is not enough."""

    def open(self, raw: socket.socket) -> Stream:
        """The server's side of one connection."""
        ...


TlsContext = ssl.SSLContext | OpensStreams


def open_stream(raw: socket.socket, context: TlsContext) -> Stream:
    """The server's side of one connection, by the means that ``context`` is for."""
    return TlsStream(raw, context) if isinstance(context, ssl.SSLContext) else context.open(raw)


class TlsStream:
    """The server's side of TLS. Every method raises `TimeoutError` after its deadline and `OSError` when the connection breaks."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def handshake(self, deadline: Deadline) -> None:
        """Raises `ssl.SSLError` after the peer was sent the alert that belongs to it, `EOFError` when the peer hangs up."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush(deadline)
                if not self._receive(deadline):
                    raise EOFError("hung up during the handshake") from None
            except ssl.SSLError:
                self._flush(deadline)
                raise
            else:
                return self._flush(deadline)

    @property
    def resumed(self) -> bool:
        """Whether an earlier session was taken up again, in which case no certificate was verified."""
        return bool(self._tls.session_reused)

    def peer_chain(self) -> tuple[bytes, ...]:
        """The peer's certificates (DER) as it sent them, its own first; empty when it sent none."""
        if self._tls.getpeercert(binary_form=True) is None:
            return ()
        # Public from Python 3.13 on; the certificates underneath are the same.
        public = getattr(self._tls, "get_unverified_chain", None)
        if public is not None:
            return tuple(public() or ())
        found = getattr(self._tls, "_sslobj").get_unverified_chain()  # noqa: B009  # no public way before 3.13
        return tuple(certificate.public_bytes(ENCODING_DER) for certificate in found or ())

    def receive(self, deadline: Deadline) -> bytes:
        """Some octets, at least one; none at all when the peer says no more."""
        while True:
            try:
                return self._tls.read(_RECORD)
            except ssl.SSLWantReadError:
                self._flush(deadline)
                if not self._receive(deadline):
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    def send(self, data: bytes, deadline: Deadline) -> None:
        """All of ``data``."""
        for start in range(0, len(data), _RECORD):
            self._tls.write(data[start : start + _RECORD])
            self._flush(deadline)

    def close(self, deadline: Deadline) -> None:
        """Says close_notify (TLS 1.3 only) and closes our half, then waits for the peer to hang up; never raises."""
        with contextlib.suppress(OSError):
            if self._tls.version() == "TLSv1.2":
                self._forget_session()
            else:
                # The peer's own close_notify is not waited for.
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
            self._flush(deadline)
            drain(self._raw, deadline)

    def _forget_session(self) -> None:
        # A TLS 1.2 session could be taken up again by its identifier, tickets or not, and then nobody verifies the certificate.
        # OpenSSL drops a session after a fatal error, but no longer once close_notify was said, and Python has no other way to ask for
        # that. The alert about our own error is not sent: the end of the connection says enough.
        self._incoming.write(b"\x00" * 16)
        with contextlib.suppress(ssl.SSLError):
            while self._tls.read(_RECORD):
                pass
        self._outgoing.read()

    def _receive(self, deadline: Deadline) -> bool:
        self._raw.settimeout(deadline.left())
        data = self._raw.recv(_RECORD)
        self._incoming.write(data)
        return bool(data)

    def _flush(self, deadline: Deadline) -> None:
        send_all(self._raw, self._outgoing.read(), deadline)


def send_all(raw: socket.socket, data: bytes, deadline: Deadline) -> None:
    """All of ``data`` before the deadline. Raises `TimeoutError`, `OSError`."""
    rest = memoryview(data)
    while rest:
        raw.settimeout(deadline.left())
        rest = rest[raw.send(rest) :]


def drain(raw: socket.socket, deadline: Deadline) -> None:
    """Closes our half and reads on until the peer hangs up: closing over unread octets would throw our answer away on the way.

    Raises `TimeoutError`, `OSError`.
    """
    raw.shutdown(socket.SHUT_WR)
    drained = 0
    while drained < _MAXIMUM_DRAINED:
        raw.settimeout(deadline.left())
        data = raw.recv(_RECORD)
        if not data:
            return
        drained += len(data)
