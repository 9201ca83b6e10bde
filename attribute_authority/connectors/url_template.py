"""An address, and a JSON body, with places for values: a value can't leave its path segment, its part of the query or its string. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from ostiary.config import WrongSetting, is_loopback

PRINCIPAL: Final = "principal"

_PLACE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9\-._~:/?@!$&'()*+,;=%{}\[\]]+")
_DOTS: Final = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """``https://api.example.org/people/{principal}?with=all``, read by `read_url_template`. ``query`` is None where there is no ``?``."""

    origin: str
    path: tuple[str, ...]
    query: str | None

    def names(self) -> frozenset[str]:
        """Of the values that have a place in it."""
        return frozenset(_PLACE.findall("/".join((*self.path, self.query or ""))))

    def fill(self, values: Mapping[str, str]) -> str | None:
        """The address; each value percent-encoded (RFC 3986 2.1) but for letters, digits and ``-._~``. None where a value would leave its
        path segment empty, or make dots of it, which means another address."""
        segments = []
        for segment in self.path:
            filled = _fill(segment, values)
            if _PLACE.search(segment) and filled in _DOTS:
                return None
            segments.append(filled)
        query = "" if self.query is None else f"?{_fill(self.query, values)}"
        return f"{self.origin}/{'/'.join(segments)}{query}"


def read_url_template(text: str) -> UrlTemplate:
    """Raises `WrongSetting` (``aa.http_url``) unless it is an https address, or http on this machine, without user and fragment, with
    places in path segments and in values of the query only."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _wrong("an address", text) from None
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise _wrong("https://, or http:// on this machine", f"{parts.scheme or 'no scheme'}://{host}")
    good = _PLAIN.fullmatch(text) and host and port != 0 and "@" not in parts.netloc and "{" not in parts.netloc
    if not good or len(text) > 2000 or parts.fragment or not parts.path.startswith("/"):
        raise _wrong("https://HOST/PATH, without user and fragment", "a URL with a user" if "@" in text else text)
    keys = [part.partition("=")[0] for part in parts.query.split("&")]
    rest = _PLACE.sub("", parts.path + parts.query)
    if "{" in rest or "}" in rest or any("{" in key for key in keys):
        raise _wrong("{name} in the path, or after = in the query", text)
    segments = tuple(parts.path.removeprefix("/").split("/"))
    return UrlTemplate(f"{parts.scheme}://{parts.netloc}", segments, parts.query if "?" in text else None)


def names_in(body: Mapping[str, str]) -> frozenset[str]:
    """Of the values that have a place in the strings of a body."""
    return frozenset(name for text in body.values() for name in _PLACE.findall(text))


def fill_body(body: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The body with the values in their places."""
    return {key: _PLACE.sub(lambda found: values[found[1]], text) for key, text in body.items()}


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: quote(values[found[1]], safe=""), template)


def _wrong(expected: str, found: str) -> WrongSetting:
    return WrongSetting("aa.http_url", expected=expected, found=found)
