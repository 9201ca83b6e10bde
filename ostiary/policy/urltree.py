"""Trees of URLs (application domains) and trees of paths, matched by whole path segments.

A URL or path that servers read in different ways is read in each of these ways; one that hides where it leads (dot
segments, encoded slashes, user names) is not read at all. Never decides what a match means.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from ostiary.errors import Refusal

MAX_URL_LENGTH = 8192

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\]")
# What a server that decodes once more, or that takes a backslash for a slash, would read as a separator or a dot
# segment.
_HIDDEN = re.compile(r"%(2[ef]|5c|00)|\\|[\x00-\x1f\x7f]", re.IGNORECASE)

_ESCAPED = re.compile(r"%[0-9a-fA-F]{2}")

Segments = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """A URL as read for comparing: origin, and the readings of its path."""

    origin: tuple[str, str, int]
    readings: tuple[Segments, ...]


@dataclass(frozen=True, slots=True)
class UrlTree:
    """All URLs of one origin whose path begins with these segments."""

    url: str
    origin: tuple[str, str, int]
    prefix: Segments

    def holds(self, location: Location) -> bool:
        """Whether the location lies in the tree however its path is read (for permitting)."""
        return location.origin == self.origin and all(
            begins_with(reading, self.prefix) for reading in location.readings
        )

    def touches(self, location: Location) -> bool:
        """Whether the location lies in the tree in at least one way to read its path (for denying)."""
        return location.origin == self.origin and any(
            begins_with(reading, self.prefix) for reading in location.readings
        )


def begins_with(segments: Segments, prefix: Segments) -> bool:
    """Whether the path begins with the prefix, by whole segments: ``/app`` holds ``/app/x``, not ``/apple``."""
    return segments[: len(prefix)] == prefix


def read_path(path: str) -> tuple[Segments, ...]:
    """The ways in which servers read a path that has been percent-decoded once.

    The first reading takes the path as it stands; another one, where it differs, without empty segments and without
    path parameters (``;...``). Returns an empty tuple for a path that hides where it leads: not absolute, dot
    segments, backslashes, control characters, or separators and dots that are still encoded.
    """
    return _read_path(path) if len(path) <= MAX_URL_LENGTH else ()


# The same path is read by several parts of one request, and by many requests.
@lru_cache(maxsize=128)
def _read_path(path: str) -> tuple[Segments, ...]:
    if not path.startswith("/") or _HIDDEN.search(path):
        return ()
    plain = tuple(path.split("/"))[1:]
    bare = tuple(segment.partition(";")[0] for segment in plain)
    if any(segment in (".", "..") for segment in bare):
        return ()
    # A closing slash makes an empty last segment, which says nothing about the tree.
    plain = plain[:-1] if plain[-1] == "" else plain
    bare = tuple(segment for segment in bare if segment)
    readings = (plain,) if plain == bare else (plain, bare)
    if not _ESCAPED.search(path):
        return readings
    # A server behind a server may decode once more; what wants decoding even then hides where it leads.
    once_more = unquote(path)
    again = () if _ESCAPED.search(once_more) else read_path(once_more)
    return tuple(dict.fromkeys((*readings, *again))) if again else ()


def read_url(url: str) -> Location | None:
    """The location that an absolute http or https URL names; query and fragment are left out.

    Default ports equal no port, scheme and host are compared without case. None for every other text, for a URL with
    a user name in it and for one whose path `read_path` does not read.
    """
    return _read_url(url) if len(url) <= MAX_URL_LENGTH else None


# The same few come with every request.
@lru_cache(maxsize=128)
def _read_url(url: str) -> Location | None:
    if not url.isascii() or any(c <= " " or c in "\\\x7f" for c in url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), parts.netloc.lower()
    if scheme not in _DEFAULT_PORTS or "@" in host:
        return None
    host, colon, digits = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    host = host.removesuffix(".")  # the root of the DNS: the same host
    if (colon and not digits.isdigit()) or not _HOST.fullmatch(host):
        return None
    # An encoded separator would become an ordinary one by decoding, so it is looked for before.
    if _HIDDEN.search(parts.path):
        return None
    try:
        path = unquote_to_bytes(parts.path).decode() or "/"
    except UnicodeDecodeError:
        return None
    readings = read_path(path)
    if not readings:
        return None
    return Location((scheme, host, _DEFAULT_PORTS[scheme] if port is None else port), readings)


def make_tree(url: str) -> UrlTree:
    """The tree below ``url``. Raises `Refusal` ``policy.target`` for a URL that `read_url` does not read in exactly
    one way, and for one with a query or fragment.
    """
    location = read_url(url)
    if location is None or len(location.readings) != 1 or "?" in url or "#" in url:
        raise Refusal(
            "policy.target",
            expected="an absolute http or https URL without user name, query, fragment, dot segments or empty segments",
            found=url,
        )
    return UrlTree(url, location.origin, location.readings[0])


def make_prefix(path: str) -> Segments:
    """The segments of a path prefix as written in a policy. Raises `Refusal` ``policy.path`` for a path that can be
    read in more than one way, and for one with a query, a fragment or percent-encoding: it is compared with decoded
    paths.
    """
    readings = read_path(path)
    if len(readings) != 1 or any(c in path for c in "?#%"):
        raise Refusal("policy.path", expected="an absolute path such as /reports, not percent-encoded", found=path)
    return readings[0]
