"""A pool of connections for clients that put questions of their own over HTTP: certificates checked, time and size limited."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ostiary.saml.deadline import ResponseUntilDeadline, up_to


def limited_pool(timeout: timedelta, authorities: Path | None = None) -> urllib3.PoolManager:
    """Connections that are kept for later questions; certificates are checked, redirects and repetition are the caller's to forbid.
    ``timeout`` bounds connecting, and reading the whole answer; ``authorities`` is a PEM file of certificate authorities, the system's
    when None."""
    seconds = timeout.total_seconds()
    pool = urllib3.PoolManager(
        num_pools=50,
        maxsize=10,
        block=False,
        retries=False,
        timeout=urllib3.Timeout(connect=seconds, read=seconds),
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(authorities) if authorities is not None else None,
    )
    pool.pool_classes_by_scheme = dict(POOLS_WITH_DEADLINE)
    return pool


def close_pool(pool: urllib3.PoolManager) -> None:
    """Closes the connections that are kept open."""
    for key in pool.pools.keys():  # noqa: SIM118 - not a dict: iterating over it is refused
        pool.pools[key].close()
    pool.clear()


def read_limited(response: urllib3.BaseHTTPResponse, most: int) -> bytes | None:
    """The whole body of a response that was not read yet; None when it has more than so many bytes. Raises what urllib3 raises."""
    body = up_to(response, most)
    if body is not None:
        response.release_conn()
    # The connection is kept; what was opened to read this answer is not.
    response.close()
    return body


class _InOnePiece(HTTPConnection):
    """Sends head and body together: two pieces cost each side a wake-up more than they say."""

    response_class = ResponseUntilDeadline
    _held: list[bytes] | None = None

    def request(self, *arguments: Any, **options: Any) -> None:
        held: list[bytes] = []
        self._held = held
        try:
            super().request(*arguments, **options)
        finally:
            self._held = None
        self.send(b"".join(held))

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        elif isinstance(data, bytes):
            self._held.append(data)
        else:
            raise TypeError("a message on the back channel is octets")


class _Http(_InOnePiece):
    pass


class _Https(_InOnePiece, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


# For urllib3's ``pool_classes_by_scheme``: the read timeout bounds the whole answer, status line and headers included.
POOLS_WITH_DEADLINE: Final = {"http": _HttpPool, "https": _HttpsPool}
