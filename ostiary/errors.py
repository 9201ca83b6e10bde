"""What can go wrong, as one family of exceptions that hold a code and facts, never sentences.

The sentences (what was wrong, what to do) stand in the text catalogue under ``errors.<code>``, so the error page, the log
and the command line render the same object. docs/errors.md lists every code.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar


class OstiaryError(Exception):
    """Base of everything that Ostiary refuses or cannot do.

    ``code`` is a dotted name, for instance ``saml.audience``. ``expected`` and ``found`` are for the log and may hold what a
    stranger must not see; ``params`` fill the placeholders of the catalogue's sentences and may be shown to anybody.
    """

    status: ClassVar[int] = 500

    def __init__(self, code: str, *, expected: object = "", found: object = "", **params: object) -> None:
        self.code = code
        self.expected = str(expected)
        self.found = str(found)
        self.params: Mapping[str, str] = {name: str(value) for name, value in params.items()}
        super().__init__(code)

    def __str__(self) -> str:
        text = self.code
        if self.expected:
            text += f"; expected {self.expected}"
        if self.found:
            text += f"; found {self.found}"
        for name, value in self.params.items():
            text += f"; {name}={value}"
        return text


class Refusal(OstiaryError):
    """Input that is not acceptable: HTTP 400."""

    status = 400


class NotAuthenticated(Refusal):
    """Nobody is logged in, or the credentials are wrong: HTTP 401."""

    status = 401


class Denied(Refusal):
    """Understood, and not allowed: HTTP 403."""

    status = 403


class Missing(Refusal):
    """There is nothing here: HTTP 404."""

    status = 404


class WrongMethod(Refusal):
    """This address does not answer that HTTP method: HTTP 405."""

    status = 405


class TooSlow(Refusal):
    """A request that does not come to its end: HTTP 408."""

    status = 408


class TooLarge(Refusal):
    """More bytes than this place accepts: HTTP 413."""

    status = 413


class TooMany(Refusal):
    """Too many attempts; ``retry_after`` (seconds) says when to come back: HTTP 429."""

    status = 429

    def __init__(
        self, code: str, *, retry_after: int, expected: object = "", found: object = "", **params: object
    ) -> None:
        super().__init__(code, expected=expected, found=found, **params)
        self.retry_after = retry_after


class Unavailable(OstiaryError):
    """Something that this service needs does not answer: HTTP 503."""

    status = 503


class HeadersTooLarge(Refusal):
    """More, or longer, header fields than this place accepts: HTTP 431 (RFC 6585 5)."""

    status = 431


class BadGateway(OstiaryError):
    """What stands behind this service can't be reached, or gives no answer that can be handed on: HTTP 502."""

    status = 502


class GatewayTimeout(OstiaryError):
    """What stands behind this service takes too long: HTTP 504."""

    status = 504


class ConfigurationError(OstiaryError):
    """A configuration or policy file that cannot be used: names the file, the line (1-based) and the key."""

    def __init__(
        self,
        code: str,
        *,
        file: str | Path,
        line: int | None = None,
        key: str = "",
        expected: object = "",
        found: object = "",
    ) -> None:
        self.file = str(file)
        self.line = line
        self.key = key
        super().__init__(code, expected=expected, found=found, file=file, line=line or "?", key=key)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{place}: {self.key}: {self.code}" if self.key else f"{place}: {self.code}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.found:
            text += f"; found {self.found}"
        return text
