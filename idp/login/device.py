"""The mark that a login leaves in a browser: by it the browser is known when this login name is typed again, so that strangers who use
up the name's attempts do not keep its owner out (OWASP: device cookies). Pure. Proves nothing about who types.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from idp.accounts.directory import login_key

KNOWN_FOR: Final = timedelta(days=180)
MAXIMUM_MARKS: Final = 5
_DAY: Final = timedelta(days=1)
_MARK: Final = re.compile(r"([0-9]{1,6})-([A-Za-z0-9_-]{22})-([A-Za-z0-9_-]{43})")


class DeviceMarks:
    """Writes and reads marks. ``keys`` are the secrets of the moment: the first signs, all of them verify. The names stand in no mark."""

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys

    def known(self, cookie: str | None, username: str, now: datetime) -> str | None:
        """The id of the browser for this login name, from the value of its cookie; None where nobody logged in by this name, or not for
        `KNOWN_FOR`."""
        for mark in _marks(cookie):
            if self._is_for(mark, username) and _is_fresh(mark, now):
                return mark[2]
        return None

    def remembered(self, cookie: str | None, username: str, now: datetime) -> str:
        """The value of the cookie after a login by this name: a new mark first, then those of the other names that this browser knew."""
        day, browser = str(_day_of(now)), secrets.token_urlsafe(16)
        new = f"{day}-{browser}-{_signature(self._keys()[0], day, browser, username)}"
        others = [mark[0] for mark in _marks(cookie) if _is_fresh(mark, now) and not self._is_for(mark, username)]
        return ".".join([new, *others][:MAXIMUM_MARKS])

    def _is_for(self, mark: re.Match[str], username: str) -> bool:
        expected = (_signature(key, mark[1], mark[2], username) for key in self._keys())
        return any(hmac.compare_digest(mark[3], one) for one in expected)


def _marks(cookie: str | None) -> list[re.Match[str]]:
    parts = (cookie or "").split(".")
    return [found for part in parts[:MAXIMUM_MARKS] if (found := _MARK.fullmatch(part)) is not None]


def _is_fresh(mark: re.Match[str], now: datetime) -> bool:
    return 0 <= _day_of(now) - int(mark[1]) < KNOWN_FOR // _DAY


def _day_of(now: datetime) -> int:
    return int(now.timestamp() // _DAY.total_seconds())


def _signature(key: bytes, day: str, browser: str, username: str) -> str:
    signed = json.dumps([day, browser, login_key(username)]).encode()
    return base64.urlsafe_b64encode(hmac.digest(key, signed, hashlib.sha256)).rstrip(b"=").decode("ascii")
