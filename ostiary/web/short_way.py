"""One kind of POST past Flask, whose dispatch costs as much as a signature. Takes only what is as usual; the long way does the rest.

Whatever would be refused, warned of or read in another way on the long way is not taken here, so there is one place for each of these.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

RAISED: Final = "ostiary.raised"
"""Under which key of the environment the long way finds what this one raised. No client can write there."""


class Document(NamedTuple):
    """What is answered, without its headers, which depend on ``status`` alone."""

    body: bytes
    status: int = 200


class Answer(NamedTuple):
    """As WSGI has it."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class ShortWay:
    """To ``path`` at ``host``, with a body of ``media_type``, at most ``max_body`` bytes. ``proxied``: reverse proxies are expected.
    ``respond`` makes of what ``answer`` answers what the long way sends; it is asked once for each status, for the headers."""

    path: str
    media_type: str
    host: str
    max_body: int
    proxied: bool
    answer: Callable[["WSGIEnvironment", bytes], Document]
    respond: Callable[[Document], Response]
    # Two threads may fill it at once; both fill in the same.
    _heads: dict[int, "_Head"] = field(default_factory=dict)

    def __call__(self, environ: "WSGIEnvironment") -> Answer | None:
        """None for what goes the long way, which finds its body unread, and what ``answer`` raised under `RAISED`."""
        if not self._takes(environ):
            return None
        length = int(environ["CONTENT_LENGTH"])
        try:
            body = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(body)
            if len(body) != length:
                return None
            document = self.answer(environ, body)
            head = self._heads.get(document.status)
            if head is None:
                head = self._heads[document.status] = _head(self.respond(Document(b"", document.status)))
        except Exception as error:
            # For the pages and the log lines of errors, which are made there.
            environ[RAISED] = error
            return None
        headers = [*head.before, ("Content-Length", str(len(document.body))), *head.after]
        return Answer(head.status, headers, document.body)

    def _takes(self, environ: "WSGIEnvironment") -> bool:
        length = environ.get("CONTENT_LENGTH", "")
        return (
            environ["REQUEST_METHOD"] == "POST"
            and environ.get("PATH_INFO") == self.path
            # The log warns of it where it is not expected.
            and (self.proxied or "HTTP_X_FORWARDED_FOR" not in environ)
            and "HTTP_TRANSFER_ENCODING" not in environ
            and environ.get("HTTP_HOST") == self.host
            and environ.get("CONTENT_TYPE", "").partition(";")[0] == self.media_type
            and 0 < len(length) < 10
            and length.isascii()
            and length.isdigit()
            and int(length) <= self.max_body
        )


class _Head(NamedTuple):
    """Status and headers, before and after the length."""

    status: str
    before: list[tuple[str, str]]
    after: list[tuple[str, str]]


def _head(response: Response) -> _Head:
    headers = response.headers.to_wsgi_list()
    place = next(place for place, (name, _) in enumerate(headers) if name == "Content-Length")
    return _Head(response.status, headers[:place], headers[place + 1 :])
