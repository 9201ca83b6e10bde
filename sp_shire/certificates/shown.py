"""Which certificates a request shows: those of its own TLS connection, or those that a trusted web server in front passes on. Verifies none
of them.
"""

from dataclasses import replace
from typing import Final

from ostiary.config import TrustedPeer
from ostiary.errors import NotAuthenticated
from ostiary.web.ignored_once import IgnoredOnce
from ostiary.web.log import Log
from ostiary.x509.passed_on import chain_in
from sp_shire.certificates.settings import FrontEndSettings
from sp_shire.messages import Request


class Shown:
    """Reads requests. Raises `ConfigurationError` (``config.private_file_*``, ``config.secret_file``)."""

    def __init__(self, front_end: FrontEndSettings | None, log: Log) -> None:
        self._certificate: Final = front_end.certificate_header.lower() if front_end is not None else ""
        self._chain: Final = (front_end.chain_header or "").lower() if front_end is not None else ""
        self._peer: Final = front_end.open() if front_end is not None else TrustedPeer()
        self._ignored: Final = IgnoredOnce(log)

    def reading(self, request: Request) -> Request:
        """The request with the certificates that it shows as its ``peer``: nobody has to look at those headers any more.

        Raises `NotAuthenticated` (``certificates.unreadable_header``) for what a trusted web server sends and is no certificate.
        """
        given = request.headers.get(self._certificate, "").strip() if self._certificate else ""
        if not given or request.peer:
            return request
        if not self._peer.trusts(request.connected_from, request.headers):
            self._ignored.tell(self._certificate, request.connected_from, request.remote)
            return request
        chain = chain_in(given, request.headers.get(self._chain, "") if self._chain else "")
        if not chain:
            raise NotAuthenticated(
                "certificates.unreadable_header", expected=f"one certificate in {self._certificate}", found=given[:200]
            )
        return replace(request, peer=chain)
