"""TLS that takes any client certificate: self-signed, expired, of no authority. What the peer proves is that it has the key, nothing else;
whose key that is, metadata tells (SAML Metadata Interoperability Profile 2.5), or who verifies the chain and can say in words what is wrong
with it. Python's own `ssl` can't: it refuses what does not verify.
"""

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Final

from OpenSSL import SSL, crypto

from ostiary.errors import ConfigurationError
from ostiary.federation.keys import load_private_key
from ostiary.web.tls_stream import Deadline, drain, send_all

_RECORD: Final = 65_536
# OpenSSL demands one where peers are verified, though no session is ever taken up again.
_SESSION_CONTEXT: Final = b"ostiary"


class AnyPeerContext:
    """What `ostiary.web.listener.TlsListener` takes in place of an `ssl.SSLContext`; see `make_any_peer_context`."""

    def __init__(self, context: SSL.Context, *, whole_chain: bool = False) -> None:
        self._context = context
        self._whole_chain = whole_chain

    def open(self, raw: socket.socket) -> "AnyPeerStream":
        """The server's side of one connection."""
        return AnyPeerStream(raw, self._context, whole_chain=self._whole_chain)


def make_any_peer_context(certificate: Path, key: Path, *, whole_chain: bool = False) -> AnyPeerContext:
    """The server's side of TLS 1.2 and 1.3 with this certificate (PEM, with its intermediates) and private key (PEM, a private file).

    A client is asked for a certificate and need not have one. ``whole_chain``: what else it sends is told, too, as proxies (RFC 3820)
    need; nothing of that is proven. Raises `ConfigurationError` (``listener.certificate``, ``key.file``, ``config.private_file_*``).
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    # A session that is taken up again has no certificate of its own.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION_CONTEXT)
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey(load_private_key(key))
        context.check_privatekey()
    except SSL.Error as error:
        raise ConfigurationError(
            "listener.certificate",
            file=certificate,
            expected="a certificate and its private key, PEM",
            found=_reason(error),
        ) from None
    context.set_verify(SSL.VERIFY_PEER, _accept)
    return AnyPeerContext(context, whole_chain=whole_chain)


def _accept(_connection: SSL.Connection, _certificate: crypto.X509, _error: int, _depth: int, _verified: int) -> bool:
    return True


class AnyPeerStream:
    """As `ostiary.web.tls_stream.TlsStream`, with OpenSSL's own functions underneath."""

    resumed: Final = False
    """A session is never taken up again."""

    def __init__(self, raw: socket.socket, context: SSL.Context, *, whole_chain: bool = False) -> None:
        self._raw = raw
        self._whole_chain = whole_chain
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()

    def handshake(self, deadline: Deadline) -> None:
        """Raises `ssl.SSLError` after the peer was sent the alert that belongs to it, `EOFError` when the peer hangs up."""
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                self._flush(deadline)
                if not self._receive(deadline):
                    raise EOFError("hung up during the handshake") from None
            except SSL.Error as error:
                self._flush(deadline)
                raise _as_ssl_error(error) from None
            else:
                return self._flush(deadline)

    def peer_chain(self) -> tuple[bytes, ...]:
        """The peer's certificate (DER), of which alone it has the key, and with ``whole_chain`` the others as it sent them; empty when it
        sent none."""
        own = self._tls.get_peer_certificate()
        if own is None:
            return ()
        # On the server's side OpenSSL counts the peer's own certificate to the chain or not, as the version pleases.
        others = (self._tls.get_peer_cert_chain() or []) if self._whole_chain else []
        sent = [crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in (own, *others)]
        return tuple(dict.fromkeys(sent))

    def receive(self, deadline: Deadline) -> bytes:
        """Some octets, at least one; none at all when the peer says no more."""
        while True:
            try:
                return self._tls.recv(_RECORD)
            except SSL.WantReadError:
                self._flush(deadline)
                if not self._receive(deadline):
                    return b""
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                raise _as_ssl_error(error) from None

    def send(self, data: bytes, deadline: Deadline) -> None:
        """All of ``data``."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._tls.send(rest[:_RECORD]) :]
            except SSL.Error as error:
                raise _as_ssl_error(error) from None
            self._flush(deadline)

    def close(self, deadline: Deadline) -> None:
        """Says close_notify and closes our half, then waits for the peer to hang up; never raises."""
        with contextlib.suppress(OSError):
            # The peer's own close_notify is not waited for.
            with contextlib.suppress(SSL.Error):
                self._tls.shutdown()
            self._flush(deadline)
            drain(self._raw, deadline)

    def _receive(self, deadline: Deadline) -> bool:
        self._raw.settimeout(deadline.left())
        data = self._raw.recv(_RECORD)
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.bio_write(bytes(rest)) :]
        return bool(data)

    def _flush(self, deadline: Deadline) -> None:
        while True:
            try:
                data = self._tls.bio_read(_RECORD)
            except SSL.WantReadError:
                return
            send_all(self._raw, data, deadline)


def _as_ssl_error(error: SSL.Error) -> ssl.SSLError:
    """The same as the rest of the listener knows it."""
    told = ssl.SSLError(ssl.SSL_ERROR_SSL, _reason(error))
    told.reason = _reason(error)
    return told


def _reason(error: Exception) -> str:
    """OpenSSL's last word, such as ``unsupported protocol``."""
    told = error.args[0] if error.args else ""
    if isinstance(told, list) and told:
        return str(told[-1][-1])
    return str(told) or type(error).__name__
