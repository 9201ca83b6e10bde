"""Whether a request comes through a web server that is trusted to say who the browser is: by the address of the connection, by a secret, or
by both. Never by what a forwarded header says.
"""

import hmac
import threading
from dataclasses import dataclass

from idp.login.methods import Arrival
from ostiary.config import Network, is_in
from ostiary.web.log import Log


@dataclass(frozen=True, slots=True)
class TrustedPeer:
    """``addresses`` are those of the web server; ``secret`` is what it sends in ``secret_header``. What is empty is not asked for; at
    least one of them is there."""

    addresses: tuple[Network, ...] = ()
    secret_header: str = ""
    secret: bytes = b""

    def trusts(self, arrival: Arrival) -> bool:
        """Whether everything that is configured is as it should be. Takes the same time for every wrong secret."""
        if not self.addresses and not self.secret:
            return False
        if self.addresses and not is_in(arrival.peer, self.addresses):
            return False
        if not self.secret:
            return True
        given = arrival.headers.get(self.secret_header.lower(), "")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.secret)


class IgnoredOnce:
    """One line in the log, ever, for a header that came from somebody who is not trusted: a mistake in the configuration, or an attempt."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._unsaid = threading.Lock()

    def tell(self, header: str, arrival: Arrival) -> None:
        """Says it, the first time."""
        if self._unsaid.acquire(blocking=False):
            self._log.warning("front_end_not_trusted", header=header, peer=arrival.peer, client=arrival.client)
