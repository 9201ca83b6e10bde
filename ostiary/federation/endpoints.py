"""Which addresses of metadata a browser or a message may be sent to, and which links may be shown. Pure; asks no name server."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

LONGEST_URL: Final = 2_048

# What nearly all of them look like; everything else goes the long way, which decides the same.
_PLAIN: Final = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?(?::[0-9]{1,4})?(?:[/?#][!-\[\]-~]*)?")
_PLAIN_LINK: Final = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?(?::[0-9]{1,4})?(?:[/?#][!-\[\]-~]*)?"
)


def is_usable_location(url: str) -> bool:
    """Whether an endpoint may be here: an https URL with a host and no user name, or http on loopback (DESIGN.md: endpoints are https
    except on loopback). Anything else, ``javascript:`` among it, is not."""
    if len(url) > LONGEST_URL:
        return False
    if _PLAIN.fullmatch(url):
        return True
    # Endpoints become headers and pages: urlsplit drops control characters, browsers take a backslash for a slash.
    if not url.isascii() or any(c <= " " or c in "\\\x7f" for c in url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    return bool(host) and safe and parts.username is None


def is_link(url: str) -> bool:
    """Whether a link for people may be shown as one: http or https with a host, no user name (``https://bank.example@elsewhere``), nothing
    invisible in it."""
    if len(url) > LONGEST_URL:
        return False
    if _PLAIN_LINK.fullmatch(url):
        return True
    if not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(host) and parts.username is None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
