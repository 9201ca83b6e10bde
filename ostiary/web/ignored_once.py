"""Says once in the log that a header came from somebody who is not trusted to send it. Decides nothing."""

import threading

from ostiary.web.log import Log


class IgnoredOnce:
    """One line in the log, ever, for a header that came from somebody who is not trusted: a mistake in the configuration, or an attempt."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._unsaid = threading.Lock()

    def tell(self, header: str, peer: str, client: str) -> None:
        """Says it, the first time. ``peer`` is the address of the connection itself, ``client`` what is said of the browser's."""
        if self._unsaid.acquire(blocking=False):
            self._log.warning("front_end_not_trusted", header=header, peer=peer, client=client)
