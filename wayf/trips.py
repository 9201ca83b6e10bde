"""How often a browser was just sent back to the same resource: notices people who go round in a circle. Pure; kept in a short-lived cookie
of that browser, which names nobody and no organisation.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

WINDOW: Final = timedelta(minutes=2)
MOST_UNSEEN: Final = 6
"""So many answers within `WINDOW` may go out without a page that anybody sees; a browser that asks once more goes in a circle."""
_MOST: Final = 99


@dataclass(frozen=True, slots=True)
class Trips:
    """``count`` answers to one resource since ``since``; ``resource`` are 16 hexadecimal digits of the SHA-256 of its entityID."""

    resource: str
    since: datetime
    count: int

    def cookie_value(self) -> str:
        """For the cookie; `read_trips` reads it."""
        return f"{self.resource}.{int(self.since.timestamp())}.{self.count}"


def read_trips(value: str | None) -> Trips | None:
    """What a cookie says; None for what we did not write."""
    parts = (value or "").split(".")
    if len(parts) != 3 or not all(part.isascii() and len(part) <= 16 for part in parts):
        return None
    resource, since, count = parts
    if not since.isdecimal() or not count.isdecimal() or int(since) >= 2**40 or not 0 < int(count) <= _MOST:
        return None
    return Trips(resource, datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(since)), int(count))


def one_more(before: Trips | None, entity_id: str, now: datetime) -> Trips:
    """With the answer that goes out now."""
    recent = _recent(before, entity_id, now)
    if recent is None:
        return Trips(_short(entity_id), now, 1)
    return Trips(recent.resource, recent.since, min(recent.count + 1, _MOST))


def goes_round(before: Trips | None, entity_id: str, now: datetime) -> bool:
    """Whether an answer that nobody sees would only send the browser round once more."""
    recent = _recent(before, entity_id, now)
    return recent is not None and recent.count >= MOST_UNSEEN


def came_back(before: Trips | None, entity_id: str, now: datetime) -> bool:
    """Whether she was sent off more than once already and is here again, so that her choice seems to lead nowhere."""
    recent = _recent(before, entity_id, now)
    return recent is not None and recent.count >= 2


def _recent(before: Trips | None, entity_id: str, now: datetime) -> Trips | None:
    if before is None or before.resource != _short(entity_id):
        return None
    return before if timedelta(0) <= now - before.since < WINDOW else None


def _short(entity_id: str) -> str:
    return sha256(entity_id.encode()).hexdigest()[:16]
