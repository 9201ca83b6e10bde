"""Asks over one connection that stays open, with so little work between two requests that what is measured keeps the processors' caches."""

import socket
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_END = b"\r\n\r\n"


class PlainAnswer(NamedTuple):
    """The status line, and the body as it came."""

    status: str
    body: bytes


class PlainClient:
    """For a service of ours, whose answers name their length. Follows nothing and repeats nothing."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """``headers`` go with each request to the host of ``url``."""
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"Host: {parts.netloc}", *(f"{name}: {value}" for name, value in headers.items())]
        self._headers = "\r\n".join(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def written(self, url: str) -> bytes:
        """A GET of ``url`` as it goes over the wire."""
        parts = urlsplit(url)
        return f"GET {parts.path}?{parts.query} HTTP/1.1\r\n{self._headers}\r\n\r\n".encode("ascii")

    def send(self, request: bytes) -> PlainAnswer:
        """Raises `RuntimeError` when the connection ends before the answer does."""
        self._socket.sendall(request)
        head, _, body = self._until(lambda received: _END in received, b"").partition(_END)
        length = _length(head)
        return PlainAnswer(
            head.partition(b"\r\n")[0].decode("latin-1"), self._until(lambda got: len(got) >= length, body)
        )

    def _until(self, enough: Callable[[bytes], bool], received: bytes) -> bytes:
        while not enough(received):
            more = self._socket.recv(65536)
            if not more:
                raise RuntimeError("the connection ended before the answer did")
            received += more
        return received


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise RuntimeError("an answer that does not name its length")
