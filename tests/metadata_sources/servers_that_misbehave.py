"""HTTP servers on loopback that answer as a test says, octet by octet."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Handler = Callable[[socket.socket, str], None]


@dataclass
class Server:
    """``asked``: the heads of all requests so far. ``answer`` writes to the connection what comes back; a test may change it."""

    port: int
    answer: Handler
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/metadata"


def reply(status: str = "200 OK", body: bytes = b"", *, length: int | None = None, **headers: str) -> Handler:
    """A whole answer; header names with ``_`` for ``-``. ``length``: another Content-Length than that of the body."""

    def handler(connection: socket.socket, request: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    return handler


@contextlib.contextmanager
def serving_connections(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Hands each connection over as it is; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended = threading.Event()

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            handle(connection)

    def accept() -> None:
        with listener:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def serving(answer: Handler) -> Iterator[Server]:
    """A server that reads one request of each connection and answers it."""

    def handle(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (part := connection.recv(65_536)):
            head += part
        server.asked.append(head.decode())
        server.answer(connection, head.decode())

    with serving_connections(handle) as port:
        server = Server(port, answer)
        yield server
