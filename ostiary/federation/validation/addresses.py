"""Addresses in metadata: what can be used, and what points to a place that only tests have. Pure; asks no name server."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

# RFC 2606, RFC 6761, RFC 6762, RFC 8375, and what people call their networks at home.
_TEST_DOMAINS: Final = frozenset(
    {
        *(
            "localhost",
            "local",
            "test",
            "example",
            "invalid",
            "internal",
            "lan",
            "home",
            "localdomain",
            "corp",
            "intranet",
        ),
        *("home.arpa", "example.com", "example.net", "example.org"),
    }
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)


def split_address(url: str) -> SplitResult | None:
    """The parts of an address for browsers; None for one that can't be used: other scheme, no host, blanks, a user name, a wrong port."""
    if not url.isascii() or any(character <= " " or character in "\\\x7f" for character in url):
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    usable = parts.scheme in ("https", "http") and host and parts.username is None
    return parts if usable else None


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a host is written as."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def only_in_tests(host: str) -> bool:
    """Whether nobody elsewhere reaches this host: a reserved name, a name without dots, a private address."""
    number = address_of(host)
    if number is not None:
        return not number.is_global
    labels = host.lower().rstrip(".").split(".")
    endings = {".".join(labels[-count:]) for count in range(1, min(len(labels), 3) + 1)}
    return len(labels) == 1 or not endings.isdisjoint(_TEST_DOMAINS)


def is_loopback(host: str) -> bool:
    """Whether it is this machine: the one place where plain http is accepted."""
    number = address_of(host)
    return number.is_loopback if number is not None else host.lower() == "localhost"


def is_domain(text: str) -> bool:
    """Whether this is a domain name with at least two labels, in lower case, as scopes are compared."""
    labels = text.split(".")
    return text == text.lower() and len(text) <= 253 and len(labels) > 1 and all(map(_LABEL.fullmatch, labels))


def base_domain(host: str) -> str:
    """The last two labels; the last three where the one before the last is short (``ac.uk``). A guess, for hints only."""
    labels = host.lower().rstrip(".").split(".")
    wanted = 3 if len(labels) > 2 and len(labels[-2]) <= 3 and len(labels[-1]) == 2 else 2
    return ".".join(labels[-wanted:])
