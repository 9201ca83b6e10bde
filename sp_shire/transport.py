"""The back channel: one POST over HTTP(S) with limits on time and size, no redirects, certificates checked."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import urllib3

from ostiary.config import is_loopback
from ostiary.errors import Unavailable
from ostiary.saml.xml import MESSAGE


class HttpSoapTransport:
    """Keeps connections open between queries. Plain http is spoken to loopback addresses only.

    ``timeout`` bounds connecting, and reading the whole answer; ``authorities`` is a PEM file of certificate authorities, the
    system's when None.
    """

    def __init__(self, timeout: timedelta, authorities: Path | None = None) -> None:
        self._timeout = timeout.total_seconds()
        self._pool = urllib3.PoolManager(
            num_pools=50,
            maxsize=10,
            block=False,
            retries=False,
            timeout=urllib3.Timeout(connect=self._timeout, read=self._timeout),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(authorities) if authorities is not None else None,
        )

    def post(self, url: str, envelope: bytes) -> bytes:
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise Unavailable("shar.unreachable", expected="an https address", found=url)
        try:
            response = self._pool.request(
                "POST",
                url,
                body=envelope,
                headers=_HEADERS,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            body = _read(response, self._timeout)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable("shar.unreachable", expected=f"an answer from {url}", found=error) from None
        # A SOAP fault comes with 500 (SOAP 1.1 6.2) and is for the reader of the envelope to complain about.
        if response.status not in (200, 500):
            raise Unavailable("shar.unreachable", expected="HTTP 200", found=f"HTTP {response.status} from {url}")
        return body


def _read(response: urllib3.BaseHTTPResponse, seconds: float) -> bytes:
    """The whole body, bounded in size and, against a peer that drips, in time altogether."""
    deadline = time.monotonic() + seconds
    body = b""
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > MESSAGE.max_bytes or time.monotonic() > deadline:
            response.close()
            raise Unavailable(
                "shar.unreachable",
                expected=f"at most {MESSAGE.max_bytes} bytes within {seconds} s",
                found="more or slower",
            )
    response.release_conn()
    return body


_HEADERS: Final = {
    "Content-Type": "text/xml; charset=utf-8",
    "SOAPAction": '"http://www.oasis-open.org/committees/security"',
    "Accept-Encoding": "identity",
}
