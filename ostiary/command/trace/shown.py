"""What may be shown of what came from elsewhere: one line, no control characters, no password, no whole session cookie or ticket."""

import re
from typing import Final
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

from ostiary.errors import OstiaryError
from ostiary.web.log import one_line

_LONGEST_VALUE: Final = 40
_LONGEST_ADDRESS: Final = 160
_SECRET_NAMES: Final = frozenset({"ticket", "token", "code", "session", "jsessionid", "signature"})
_PATH_SESSION: Final = re.compile(r";(\w+)=[^/;?]*")
_FLAGS: Final = ("secure", "httponly", "samesite")
# A word this short stands in any page by chance.
_SHORTEST_SECRET: Final = 4


class Veil:
    """Makes text safe for a terminal and a report; passwords that it was told of never get through, wherever a page repeats them."""

    def __init__(self) -> None:
        self._secrets: list[str] = []

    def hide(self, secret: str) -> str:
        """From now on this is not shown; returns it."""
        if len(secret) >= _SHORTEST_SECRET:
            self._secrets += [secret, quote(secret, safe=""), quote_plus(secret)]
        return secret

    def over(self, error: OstiaryError) -> OstiaryError:
        """The same error with nothing in it that may not be shown, for the command line to tell."""
        params = {name: self.show(value) for name, value in error.params.items()}
        return OstiaryError(error.code, expected=self.show(error.expected), found=self.show(error.found), **params)

    def show(self, text: object) -> str:
        """One line of what may be shown."""
        plain = str(text)
        for secret in self._secrets:
            plain = plain.replace(secret, "[…]")
        return one_line(plain)


def shown_url(url: str) -> str:
    """The address with long values, tickets and the like cut short."""
    parts = urlsplit(url)
    pairs = [_shown_parameter(pair) for pair in parts.query.split("&") if pair]
    return urlunsplit((parts.scheme, parts.netloc, _PATH_SESSION.sub(r";\1=…", parts.path), "&".join(pairs), ""))


def _shown_parameter(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if name.lower() in _SECRET_NAMES:
        return f"{name}{equals}…"
    longest = _LONGEST_ADDRESS if value.lower().startswith("http") else _LONGEST_VALUE
    return pair if len(value) <= longest else f"{name}={value[:12]}… ({len(value)} characters)"


def shown_cookie(header: str) -> str:
    """The name of a cookie that is set, and its flags; never its value."""
    pair, *attributes = header.split(";")
    flags = [flag.strip() for flag in attributes if flag.strip().partition("=")[0].lower() in _FLAGS]
    name = pair.partition("=")[0].strip()
    return f"{name} ({', '.join(flags)})" if flags else name
