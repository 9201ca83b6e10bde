"""The mark that a second factor leaves in a browser: that it was proven there, when, and whether she asked to be spared afterwards. Pure.

It belongs to one person and to the factors that she had then: it is worth nothing once one is added or removed.
"""

import base64
import binascii
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from idp.factors.keys import FactorKeys

KNOWN_FOR: Final = timedelta(days=365)
_VERSION: Final = "1"
_MARK: Final = re.compile(r"1\.([0-9]{1,12})\.([01])\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class BrowserMark:
    """``at``: when the factor was proven; ``spared``: she asked not to be asked again here."""

    at: datetime
    spared: bool


def write_mark(keys: FactorKeys, principal: str, factors: Collection[str], mark: BrowserMark) -> str:
    """The value of the cookie, 60 characters or so. ``factors`` are the ids of all her factors."""
    head = f"{_VERSION}.{int(mark.at.timestamp())}.{int(mark.spared)}"
    signature = keys.sign(_signed(head, principal, factors))
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode('ascii')}"


def read_mark(
    keys: FactorKeys, value: str | None, principal: str, factors: Collection[str], now: datetime
) -> BrowserMark | None:
    """What the cookie says of this person with these factors; None for a mark that is not ours, not hers, or older than
    `KNOWN_FOR`."""
    found = _MARK.fullmatch(value) if value is not None else None
    if found is None:
        return None
    head, _, signature = found[0].rpartition(".")
    try:
        given = base64.urlsafe_b64decode(signature + "=")
    except (binascii.Error, ValueError):
        return None
    if not keys.verifies(_signed(head, principal, factors), given):
        return None
    at = datetime.fromtimestamp(int(found[1]), UTC)
    return BrowserMark(at, found[2] == "1") if now < at + KNOWN_FOR else None


def _signed(head: str, principal: str, factors: Collection[str]) -> bytes:
    return json.dumps(["second factor in this browser", head, principal, sorted(factors)]).encode()
