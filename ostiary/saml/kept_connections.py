"""Connections that are kept for later messages: opened before a deadline, certificates checked, handed out while they live."""

import contextlib
import select
import socket
import ssl
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from urllib3.util import wait_for_read, wait_for_write

_KEPT: Final = 10
_PLACES: Final = 50


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes. ``head``: the request up to the length of its body."""

    https: bool
    host: str
    port: int
    head: bytes


class NotPermitted(OSError):
    """No address of a name is one that may be asked."""


_Place = tuple[bool, str, int]
_Idle = OrderedDict[_Place, list[socket.socket]]


class KeptConnections:
    """At most `_KEPT` connections to each of the last `_PLACES` places, the latest first. Safe for use by several threads.
    ``authorities`` is a PEM file of certificate authorities, the system's when None; ``permits`` is asked about each IP address before it
    is connected to."""

    def __init__(self, authorities: Path | None, permits: Callable[[str], bool] | None = None) -> None:
        self._authorities = authorities
        self._permits = permits
        self._lock = threading.Lock()
        self._idle: _Idle = OrderedDict()
        # Whoever drops this without a word leaves no open socket behind.
        weakref.finalize(self, _close_all, self._idle)

    def take(self, address: Address, deadline: float) -> socket.socket:
        """A socket that is connected: one that was kept and that the other side has not closed since, or a new one, before ``deadline``
        (of `time.monotonic`; looking up the name is the system's, with limits of its own). Raises `OSError`, `ValueError`."""
        while (kept := self._pop(address)) is not None:
            if not _has_something_to_read(kept):
                return kept
            # Nothing was asked on it: what there is to read is its end.
            kept.close()
        return self._connected(address, deadline)

    def give_back(self, address: Address, connection: socket.socket) -> None:
        """Keeps it for the next message."""
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

    def _pop(self, address: Address) -> socket.socket | None:
        with self._lock:
            idle = self._idle.get((address.https, address.host, address.port))
            return idle.pop() if idle else None

    def _connected(self, address: Address, deadline: float) -> socket.socket:
        failed: OSError = TimeoutError("the time to connect is over")
        for family, kind, protocol, _, place in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
            if (left := deadline - time.monotonic()) <= 0:
                break
            if self._permits is not None and not self._permits(str(place[0])):
                failed = NotPermitted(str(place[0]))
                continue
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(left)
                connection.connect(place)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                failed = error
                continue
            return self._secured(connection, address.host, deadline) if address.https else connection
        raise failed

    def _secured(self, connection: socket.socket, host: str, deadline: float) -> ssl.SSLSocket:
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            # Made anew, so that another file of authorities holds without a restart.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._authorities is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(self._authorities)
            secured = context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
            undo.callback(secured.close)
            _shake_hands(secured, deadline)
            undo.pop_all()
        return secured


def _has_something_to_read(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _shake_hands(connection: ssl.SSLSocket, deadline: float) -> None:
    """All of it before the deadline: a timeout of the socket would begin anew with each octet."""
    connection.setblocking(False)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the TLS handshake is over")
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            wait_for_read(connection, timeout=left)
        except ssl.SSLWantWriteError:
            wait_for_write(connection, timeout=left)
        else:
            return


def _close_all(idle: _Idle) -> None:
    while idle:
        for one in idle.popitem()[1]:
            one.close()
