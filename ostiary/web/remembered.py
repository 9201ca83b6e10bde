"""The cookie that remembers which home organisations a browser chose last. A hint and no more: it is never trusted."""

import base64
from typing import Final

from ostiary.web.cookies import MAX_VALUE

MOST: Final = 3
_MAX_ENTITY_ID: Final = 1024  # SAML core 8.3.6


def with_choice(remembered: tuple[str, ...], chosen: str) -> tuple[str, ...]:
    """The entityIDs to remember after ``chosen``: it comes first, at most three in all."""
    return (chosen, *(entity_id for entity_id in remembered if entity_id != chosen))[:MOST]


def without(remembered: tuple[str, ...], forgotten: str) -> tuple[str, ...]:
    """The entityIDs to remember when ``forgotten`` is to be forgotten."""
    return tuple(entity_id for entity_id in remembered if entity_id != forgotten)


def cookie_value(remembered: tuple[str, ...]) -> str:
    """Base64url of each entityID, newest first, joined by dots; the oldest are left out where a cookie would be too long."""
    value = ""
    for entity_id in remembered:
        word = base64.urlsafe_b64encode(entity_id.encode()).decode("ascii").rstrip("=")
        longer = f"{value}.{word}" if value else word
        if len(longer) > MAX_VALUE:
            break
        value = longer
    return value


def from_cookie(value: str | None) -> tuple[str, ...]:
    """The remembered entityIDs, newest first. Whatever we would not have written is no memory at all: ()."""
    if not value:
        return ()
    words = value.split(".")
    if len(words) > MOST:
        return ()
    try:
        found = tuple(
            base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True).decode() for word in words
        )
    except ValueError:  # not Base64, not ASCII, not UTF-8
        return ()
    sound = all(entity_id and len(entity_id) <= _MAX_ENTITY_ID and entity_id.isprintable() for entity_id in found)
    return found if sound and len(set(found)) == len(found) and cookie_value(found) == value else ()


def asked_by_own_page(fetch_site: str | None) -> bool:
    """Whether memory may change: another site must not plant a home organisation by a link. ``fetch_site`` is the header
    ``Sec-Fetch-Site`` (Fetch Metadata 2.3), None from a browser that sends none."""
    return fetch_site in (None, "same-origin", "none")
