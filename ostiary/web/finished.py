"""An answer whose octets and headers we wrote ourselves, so that nothing about it has to be found out or mended before it goes out."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _OurOwn(Headers):
    """Not looked through one by one, as those are that come from elsewhere."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__()
        self._list = pairs


class Finished(Response):
    """With status 200. Whatever comes after may add headers to it, as to any other."""

    def __init__(self, octets: bytes, content_type: str, headers: Iterable[tuple[str, str]]) -> None:
        own = [("Content-Type", content_type), ("Content-Length", str(len(octets))), *headers]
        super().__init__([octets], "200 OK", _OurOwn(own))

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """As WSGI has it: not even a copy is made."""
        start_response(self.status, self.headers.to_wsgi_list())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.get_data()]
