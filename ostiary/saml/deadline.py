"""An answer over HTTP that is read before one deadline and up to one size, however slowly its server drips. Knows no SAML."""

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class UntilDeadline(io.RawIOBase):
    """A socket's octets until a deadline: the socket's timeout from now. A timeout of the socket alone would begin anew with each octet of
    a peer that drips. ``begun``: octets that were read from it before; ``began``: whether there has been one."""

    def __init__(self, connection: socket.socket, source: socket.SocketIO, begun: bytes = b"") -> None:
        super().__init__()
        self.began = bool(begun)
        self._begun = begun
        self._connection = connection
        self._source = source
        self._deadline = time.monotonic() + (connection.gettimeout() or 0)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Raises `TimeoutError` after the deadline, and what the socket raises."""
        if self._begun:
            view = memoryview(buffer).cast("B")
            count = min(len(view), len(self._begun))
            view[:count], self._begun = self._begun[:count], self._begun[count:]
            return count
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        self._connection.settimeout(left)
        read = self._source.readinto(buffer)
        self.began = self.began or bool(read)
        return read

    def close(self) -> None:
        """Closes the reader, not the socket."""
        self._source.close()
        super().close()


class ResponseUntilDeadline(http.client.HTTPResponse):
    """Status line, headers and body, all before one deadline: the timeout that the socket has now. ``begun``: what was read of them."""

    def __init__(self, sock: socket.socket, *arguments: Any, begun: bytes = b"", **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.source = UntilDeadline(sock, sock.makefile("rb", buffering=0), begun)
        self.fp = io.BufferedReader(self.source)


def up_to(response: http.client.HTTPResponse | urllib3.BaseHTTPResponse, most: int) -> bytes | None:
    """The rest of a body; None when it has more than so many bytes. Raises what reading raises."""
    body = b""
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > most:
            return None
    return body
