"""A socket whose every call ends by one deadline, and which takes in so many bytes and no more.

A time limit for each `recv` alone would let a server that sends a byte now and then hold a thread for ever.
"""

import socket
import time
from typing import Final

MAXIMUM_ANSWER: Final = 4 * 1024 * 1024


class Deadline:
    """Until when something has to be done, and how many bytes may come until then. ``passed`` and ``exceeded`` tell what went wrong."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self.exceeded = False
        self._bytes = MAXIMUM_ANSWER
        self._end = time.monotonic() + seconds

    def renew(self, seconds: float) -> None:
        """Begins the next task."""
        self._end = time.monotonic() + seconds
        self._bytes = MAXIMUM_ANSWER

    def left(self) -> float:
        """Seconds, more than 0. Raises `TimeoutError`."""
        left = self._end - time.monotonic()
        if left <= 0:
            self.passed = True
            raise TimeoutError("the time is up")
        return left

    def count(self, received: int) -> None:
        """Raises `OSError` when more came than may."""
        self._bytes -= received
        if self._bytes < 0:
            self.exceeded = True
            raise OSError("the answer is too long")


class TimedSocket:
    """What ldap3 uses of a socket. ``raw`` is the plain or TLS socket inside."""

    def __init__(self, raw: socket.socket, deadline: Deadline) -> None:
        self.raw = raw
        self._deadline = deadline

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end of the connection."""
        self.raw.settimeout(self._deadline.left())
        try:
            data = self.raw.recv(size)
        except TimeoutError:
            self._deadline.passed = True
            raise
        self._deadline.count(len(data))
        return data

    def sendall(self, data: bytes) -> None:
        """Sends all of it."""
        self.raw.settimeout(self._deadline.left())
        try:
            self.raw.sendall(data)
        except TimeoutError:
            self._deadline.passed = True
            raise

    def shutdown(self, how: int) -> None:
        """As a socket does."""
        self.raw.shutdown(how)

    def close(self) -> None:
        """As a socket does."""
        self.raw.close()
