"""How often letters are asked for: by one address, and for one mailbox or name. Knows nothing about who exists."""

from datetime import datetime, timedelta
from typing import Final

from idp.accounts.names import login_key
from ostiary.config import customer_of
from ostiary.errors import TooMany
from ostiary.storage.stores import Counters

PER_ADDRESS: Final = 20
ADDRESS_WINDOW: Final = timedelta(minutes=10)
PER_MAILBOX: Final = 3
MAILBOX_WINDOW: Final = timedelta(hours=1)


class LetterLimits:
    """Counts in a `Counters` store, which keeps hashes of what is counted."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def count_address(self, address: str, now: datetime) -> None:
        """Whoever asks. Raises `TooMany` (``account.throttled``)."""
        key = f"account address {customer_of(address)}"
        hits = self._counters.hit(key, window=ADDRESS_WINDOW, now=now)
        if hits > PER_ADDRESS:
            seconds = int(ADDRESS_WINDOW.total_seconds())
            raise TooMany(
                "account.throttled", retry_after=seconds, expected=f"{PER_ADDRESS} in {seconds} seconds", found=hits
            )

    def may_write(self, about: str, now: datetime) -> bool:
        """Whether one more letter may go out about a name, mail address or principal; asked with each. The page never tells."""
        key = f"account letter {login_key(about)}"
        return self._counters.hit(key, window=MAILBOX_WINDOW, now=now) <= PER_MAILBOX
