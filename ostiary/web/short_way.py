"""One kind of POST past Flask, whose dispatch costs as much as a signature. Takes only what is as usual; the long way does the rest.

Whatever would be refused, warned of or read in another way on the long way is not taken here, so there is one place for each of these.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

RAISED: Final = "ostiary.raised"
"""Under which key of the environment the long way finds what this one raised. No client can write there."""


class Answer(NamedTuple):
    """As WSGI has it."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class ShortWay:
    """To ``path`` at ``host``, with a body of ``media_type``, at most ``max_body`` bytes. ``proxied``: reverse proxies are expected.
    ``finish`` gives what ``answer`` answers the headers of every answer."""

    path: str
    media_type: str
    host: str
    max_body: int
    proxied: bool
    answer: Callable[["WSGIEnvironment", bytes], Response]
    finish: Callable[[Response], Response]

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
            response = self.finish(self.answer(environ, body))
        except Exception as error:
            # For the pages and the log lines of errors, which are made there.
            environ[RAISED] = error
            return None
        return Answer(response.status, response.headers.to_wsgi_list(), response.get_data())

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
