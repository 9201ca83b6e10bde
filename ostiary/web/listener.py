"""TLS with client certificates in front of a WSGI application, for clients that no ordinary web server understands (VOMS).

Each connection has a thread, one request and a time limit for each step; nobody who stays silent keeps others out. OpenSSL decides
whether a certificate chain is trusted; who the certificate belongs to and whether it is revoked is the application's business.
"""

import contextlib
import errno
import gc
import queue
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.clock import Clock, SystemClock
from ostiary.config import ListenSettings, read_private_file
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.web.connection import (
    PEER_CHAIN,
    Connection,
    LegacyAnswer,
    ListenerLimits,
    Phase,
    RefusalAnswer,
    Serving,
)
from ostiary.web.log import Log
from ostiary.web.texts import Catalogue
from ostiary.web.tls_stream import TlsContext

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["PEER_CHAIN", "ListenerLimits", "TlsListener", "make_context", "serve_tls"]

_BACKLOG: Final = 256
_LOOK_UP: Final = 0.5
_PAUSE: Final = 0.1
_MOST_IDLE: Final = 16
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def make_context(
    certificate: Path, key: Path, ca_ders: Sequence[bytes], *, require_client_certificate: bool = True
) -> ssl.SSLContext:
    """The server's side of TLS 1.2 and 1.3 with this certificate (PEM, with its intermediates) and private key (PEM, a private file).

    Client certificates must chain to one of ``ca_ders`` (DER), directly or through RFC 3820 proxies of any depth. A certificate that
    does not is refused in any case; whether one must be shown says ``require_client_certificate``.
    Raises `ConfigurationError` (``listener.certificate``, ``listener.authorities``, ``config.private_file_*``).
    """
    read_private_file(key)
    # Not create_default_context: from Python 3.13 on it is stricter than grid certificates are.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    try:
        # A password that is asked for on the terminal would hang the start.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "listener.certificate", file=certificate, expected="a certificate and its private key, PEM", found=error
        ) from None
    if require_client_certificate and not ca_ders:
        raise ConfigurationError("listener.authorities", file=certificate, expected="at least one CA", found="none")
    try:
        if ca_ders:
            context.load_verify_locations(cadata=b"".join(ca_ders))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            "listener.authorities", file=certificate, expected="CA certificates in DER", found=error
        ) from None
    context.verify_flags |= ssl.VERIFY_ALLOW_PROXY_CERTS
    context.verify_mode = ssl.CERT_REQUIRED if require_client_certificate else ssl.CERT_OPTIONAL
    return context


class TlsListener:
    """Listens from `start` to `stop`. ``listen.workers`` plays no part: there is one process, with threads.

    ``context`` is called for each connection, so what it returns may change while running; when it raises, that connection is closed
    and the log says why. The application finds the peer's certificates (tuple of DER, its own first, as sent; empty without) in its
    environ under `PEER_CHAIN`. ``legacy`` answers what is no HTTP but an XML document, given that document and the same
    certificates; without it such a connection is closed at once. ``refusal`` words what does not get as far as the application, plain text
    does if None. ``texts`` has the sentences of refusals, the ground floor's if None.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        listen: ListenSettings,
        context: Callable[[], TlsContext],
        *,
        log: Log,
        limits: ListenerLimits | None = None,
        legacy: LegacyAnswer | None = None,
        refusal: RefusalAnswer | None = None,
        clock: Clock | None = None,
        texts: Catalogue | None = None,
    ) -> None:
        self._listen, self._log = listen, log
        self._limits = limits or ListenerLimits()
        self._context = context
        self._legacy, self._refusal, self._application = legacy, refusal, application
        self._clock = clock or SystemClock()
        self._texts = texts
        self._open: list[Connection] = []
        # Threads that wait for a connection, and what they are given; None: to end.
        self._idle = 0
        self._handed_over: queue.SimpleQueue[Connection | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._told_full = False

    def start(self) -> None:
        """Raises `Unavailable` (``listener.port``), or what ``context`` raises: before anything listens."""
        self._context()
        texts = self._texts or Catalogue.load()
        self._socket = _bind(self._listen)
        self._serving = Serving(
            application=self._application,
            context=self._context,
            limits=self._limits,
            log=self._log,
            clock=self._clock,
            texts=texts,
            legacy=self._legacy,
            refusal=self._refusal,
            host=self._listen.host,
            port=self.port,
            turns=threading.BoundedSemaphore(self._limits.requests),
        )
        self._thread = threading.Thread(target=self._accept_all, name="tls-accept", daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._listen.host

    @property
    def port(self) -> int:
        """The port that it listens on, also where the system chose it."""
        port: int = self._socket.getsockname()[1]
        return port

    def stop(self) -> bool:
        """No new connections; whoever keeps us waiting has ``closing_seconds`` left, a request that is answered ``stopping_seconds``.

        Whether all requests were answered.
        """
        self._stopping.set()
        with contextlib.suppress(OSError):
            # Wakes the thread that waits in accept, where the system does so; elsewhere it looks up soon.
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._changed:
            self._changed.notify_all()
        self._thread.join()
        self._socket.close()
        with self._changed:
            for _ in range(self._idle):
                self._handed_over.put(None)
            self._idle = 0
        limits = self._limits
        with self._changed:
            patience = min(limits.closing_seconds, limits.stopping_seconds)
            if self._changed.wait_for(lambda: not self._open, patience):
                return True
            for connection in self._open:
                if connection.phase is Phase.WAITING:
                    connection.cut("listener.stopping")
            finished = self._changed.wait_for(lambda: not self._open, limits.stopping_seconds - patience)
            for connection in self._open:
                connection.cut("listener.stopping")
            return finished

    def _accept_all(self) -> None:
        while not self._stopping.is_set():
            try:
                raw, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if not self._stopping.is_set():
                    self._log.error("listener_accept", problem=str(error))
                    self._recover(error)
                continue
            self._make_room()
            self._take(raw, address)

    def _recover(self, error: OSError) -> None:
        with self._changed:
            if error.errno in _EXHAUSTED:
                self._push_out()
            self._changed.wait(_PAUSE)

    def _take(self, raw: socket.socket, address: tuple[str, int]) -> None:
        connection = Connection(raw, address, self._serving, self._forget)
        with self._changed:
            self._open.append(connection)
        if self._stopping.is_set():
            connection.close()
            return
        if not self._hand_over(connection):
            try:
                threading.Thread(target=self._work, args=(connection,), name="tls-connection", daemon=True).start()
            except RuntimeError as error:
                self._log.error("listener_thread", problem=str(error))
                connection.close()

    def _hand_over(self, connection: Connection) -> bool:
        """To a thread that waits for one, if there is any: to make one costs as much as a good part of the request."""
        with self._changed:
            if not self._idle:
                return False
            self._idle -= 1
        self._handed_over.put(connection)
        return True

    def _work(self, connection: Connection | None) -> None:
        """One connection, then those that are handed over, until the listener stops or enough others wait."""
        while connection is not None:
            connection.run()
            with self._changed:
                if self._stopping.is_set() or self._idle >= _MOST_IDLE:
                    return
                self._idle += 1
            connection = self._handed_over.get()

    def _make_room(self) -> None:
        """Returns when the connection at the door may be taken; until then others wait in the system's queue."""
        with self._changed:
            while len(self._open) >= self._limits.connections and not self._stopping.is_set():
                self._push_out()
                self._changed.wait(_PAUSE)

    def _push_out(self) -> None:
        """Cuts the connection that has kept us waiting longest, one without a client certificate before one with, unless those have taken
        more than half of the places."""
        if any(connection.is_cut for connection in self._open):
            return
        waiting = [connection for connection in self._open if connection.phase is Phase.WAITING]
        if not waiting and not self._told_full:
            self._told_full = True
            self._log.warning("listener_full", connections=len(self._open))
        known = [connection for connection in waiting if connection.has_certificate]
        unknown = [connection for connection in waiting if not connection.has_certificate]
        candidates = known if len(known) > self._limits.connections // 2 else unknown or known
        # A crowd that arrives at once is no reason to send somebody away who has just come.
        if candidates and candidates[0].age() > self._limits.patience_seconds:
            candidates[0].cut("listener.crowded")

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            self._open.remove(connection)
            self._told_full = False
            self._changed.notify_all()


def serve_tls(
    application: "WSGIApplication",
    listen: ListenSettings,
    context: Callable[[], TlsContext],
    *,
    log: Log,
    limits: ListenerLimits | None = None,
    legacy: LegacyAnswer | None = None,
    clock: Clock | None = None,
    texts: Catalogue | None = None,
) -> bool:
    """Serves until SIGTERM or SIGINT; call it in the main thread. Parameters, result and errors as `TlsListener` has them."""
    listener = TlsListener(
        application, listen, context, log=log, limits=limits, legacy=legacy, clock=clock, texts=texts
    )
    return serve_listeners([listener], log=log)


def serve_listeners(listeners: Sequence[TlsListener], *, log: Log) -> bool:
    """The same for several, in one process: all of them listen, or none. Whether all requests were answered at the end."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    started: list[TlsListener] = []
    try:
        for listener in listeners:
            listener.start()
            started.append(listener)
        # What is made at the start stays: the collector need not look through it at the cost of the request that it meets.
        gc.collect()
        gc.freeze()
        for listener in started:
            log.info("listening", host=listener.host, port=listener.port, tls=True)
        told.wait()
        finished = _stop_all(started)
        started = []
        log.info("stopped", all_answered=finished)
        return finished
    finally:
        _stop_all(started)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_all(listeners: Sequence[TlsListener]) -> bool:
    """Whether all requests of all of them were answered. At the same time, so that patience with one does not add to that with the next."""
    if not listeners:
        return True
    with ThreadPoolExecutor(len(listeners)) as pool:
        return all(list(pool.map(TlsListener.stop, listeners)))


def _bind(listen: ListenSettings) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((listen.host, listen.port))
        bound.listen(_BACKLOG)
        bound.settimeout(_LOOK_UP)
    except OSError as error:
        bound.close()
        raise Unavailable("listener.port", expected="a free port", found=error, port=listen.port) from None
    return bound
