"""A small LDAP server over a directory in memory, on loopback; and servers that are silent, talk nonsense, or hang up."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ostiary.ldap.filters import And, Compare, Filter, Not, Or, Present, Substrings
from tests.ldap_directory import MemoryDirectory

START_TLS = b"1.3.6.1.4.1.1466.20037"
SUCCESS, SIZE_LIMIT, NO_SUCH_OBJECT, INVALID_CREDENTIALS, UNWILLING = 0, 4, 32, 49, 53

Element = tuple[int, bytes]
Talk = Callable[[socket.socket], None]
BindState = tuple[int, bytes, bytes | None]


class Listener:
    """Takes connections on a port of its own and hands each to ``talk``. ``connections`` counts them."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def url(self, scheme: str = "ldap", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            # A double to end it by, for TLS takes the original away.
            double = connection.dup()
            self._open.append(double)
            thread = threading.Thread(target=self._serve, args=(connection, double))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, double: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            self._talk(connection)
        with suppress(OSError):
            double.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Ends every connection, as a server does with those that are idle."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Ends every connection, and waits until every thread has ended."""
        with suppress(OSError):
            # Wakes the thread that accepts.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._accepting.join(5)
        self.hang_up()
        for thread in self._threads:
            thread.join(5)
        for connection in self._open:
            connection.close()


@contextmanager
def listening(talk: Talk) -> Iterator[Listener]:
    listener = Listener(talk)
    try:
        yield listener
    finally:
        listener.stop()


def silent(connection: socket.socket) -> None:
    """Takes everything and says nothing."""
    while connection.recv(4096):
        pass


def dripping(connection: socket.socket) -> None:
    """Begins a long answer and sends a byte of it now and then."""
    connection.recv(4096)
    connection.sendall(b"\x30\x84\x00\x00\x40\x00")
    while True:
        time.sleep(0.05)
        connection.sendall(b"\x00")


def speaking(nonsense: bytes) -> Talk:
    """Answers the first request with these bytes and hangs up."""

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(nonsense)

    return talk


class LdapServer:
    """Answers binds and searches from a `MemoryDirectory`. ``bound`` are the names of all binds that succeeded."""

    def __init__(
        self,
        directory: MemoryDirectory,
        *,
        base: str = "dc=example,dc=org",
        tls: ssl.SSLContext | None = None,
        at_once: bool = False,
        results: dict[str, int] | None = None,
        states: dict[str, BindState] | None = None,
    ) -> None:
        """``tls`` with ``at_once`` is ldaps, without it StartTLS. ``results`` gives an operation another result code. ``states`` says how
        this kind of server tells the state of an account: code, message, and the value of the password policy's control."""
        self.directory = directory
        self.base = base
        self.tls = tls
        self.at_once = at_once
        self.results = results or {}
        self.states = states or {}
        self.bound: list[str] = []
        self.searched: list[tuple[bool, Filter]] = []
        self.passwords_in_the_open: list[bytes] = []

    def talk(self, connection: socket.socket) -> None:
        if self.tls is not None and self.at_once:
            with self.tls.wrap_socket(connection, server_side=True) as wrapped:
                self._converse(wrapped, protected=True)
        else:
            self._converse(connection, protected=False)

    def _converse(self, connection: socket.socket, *, protected: bool) -> None:
        while (message := _receive(connection)) is not None:
            (_, number), (kind, content) = elements(message)[:2]
            parts = elements(content)
            match kind:
                case 0x60:
                    self._bind(connection, number, parts, protected)
                case 0x63:
                    self._search(connection, number, parts, protected)
                case 0x77 if parts[0] == (0x80, START_TLS):
                    code = self.results.get("starttls", SUCCESS if self.tls is not None else UNWILLING)
                    connection.sendall(_message(number, _result(0x78, code)))
                    if self.tls is not None and code == SUCCESS:
                        with self.tls.wrap_socket(connection, server_side=True) as wrapped:
                            self._converse(wrapped, protected=True)
                        return
                case _:
                    return

    def _bind(self, connection: socket.socket, number: bytes, parts: list[Element], protected: bool) -> None:
        dn, password = parts[1][1].decode(), parts[2][1]
        if not protected:
            self.passwords_in_the_open.append(password)
        self.directory.binds.append((dn, password))
        outcome = self.directory.outcome(dn, password)
        code, told, policy = {
            "accepted": (SUCCESS, b"", None),
            "wrong_password": (INVALID_CREDENTIALS, b"as the test wants it", None),
            "disabled": (UNWILLING, b"as the test wants it", None),
        }.get(outcome) or self.states[outcome]
        code = self.results.get("bind", code)
        if code == SUCCESS:
            self.bound.append(dn)
        controls = () if policy is None else (_controls(policy),)
        connection.sendall(_message(number, _result(0x61, code, told), *controls))

    def _search(self, connection: socket.socket, number: bytes, parts: list[Element], protected: bool) -> None:
        base, limit, wanted = parts[0][1].decode(), int.from_bytes(parts[3][1], "big"), read(parts[6])
        self.searched.append((protected, wanted))
        if not base.endswith(self.base):
            connection.sendall(_message(number, _result(0x65, NO_SUCH_OBJECT)))
            return
        only = parts[1][1] == b"\0"
        found = [entry for entry in self.directory.matching(base, wanted) if not only or entry.dn == base]
        asked = [name.decode() for _, name in elements(parts[7][1])]
        for entry in found[:limit]:
            shown = self.directory.shown(entry, asked)
            attributes = [
                element(0x30, element(0x04, name.encode()), element(0x31, *(element(0x04, value) for value in values)))
                for name, values in shown.attributes.items()
            ]
            answer = element(0x64, element(0x04, shown.dn.encode()), element(0x30, *attributes))
            connection.sendall(_message(number, answer))
        code = SIZE_LIMIT if len(found) > limit else SUCCESS
        connection.sendall(_message(number, _result(0x65, self.results.get("search", code))))


def read(wanted: Element) -> Filter:
    """A filter as it came over the wire (RFC 4511 4.5.1.7)."""
    tag, content = wanted
    if tag == 0x87:
        return Present(content.decode())
    parts = elements(content)
    match tag:
        case 0xA0:
            return And(tuple(map(read, parts)))
        case 0xA1:
            return Or(tuple(map(read, parts)))
        case 0xA2:
            return Not(read(parts[0]))
        case 0xA3:
            return Compare(parts[0][1].decode(), parts[1][1])
        case 0xA4:
            pieces = elements(parts[1][1])
            first = next((value for kind, value in pieces if kind == 0x80), b"")
            last = next((value for kind, value in pieces if kind == 0x82), b"")
            return Substrings(parts[0][1].decode(), first, tuple(value for kind, value in pieces if kind == 0x81), last)
    raise ValueError(tag)


def elements(content: bytes) -> list[Element]:
    """Tag and content of each BER element."""
    found = []
    while content:
        tag, length, start = content[0], content[1], 2
        if length & 0x80:
            start = 2 + (length & 0x7F)
            length = int.from_bytes(content[2:start], "big")
        found.append((tag, content[start : start + length]))
        content = content[start + length :]
    return found


def element(tag: int, *parts: bytes) -> bytes:
    """One BER element."""
    content = b"".join(parts)
    return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content


def _message(number: bytes, operation: bytes, *controls: bytes) -> bytes:
    return element(0x30, element(0x02, number), operation, *controls)


def _result(tag: int, code: int, told: bytes = b"as the test wants it") -> bytes:
    return element(tag, element(0x0A, bytes([code])), element(0x04), element(0x04, told))


def _controls(policy: bytes) -> bytes:
    """The answer of draft-behera-ldap-password-policy."""
    return element(0xA0, element(0x30, element(0x04, b"1.3.6.1.4.1.42.2.27.8.5.1"), element(0x04, policy)))


def _receive(connection: socket.socket) -> bytes | None:
    """The content of one message, or None at the end of the connection."""
    head = _exactly(connection, 2)
    if head is None:
        return None
    length = head[1]
    if length & 0x80:
        more = _exactly(connection, length & 0x7F)
        if more is None:
            return None
        length = int.from_bytes(more, "big")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            return None
        data += more
    return data
