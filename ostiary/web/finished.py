"""An answer whose octets and headers we wrote ourselves, so that nothing about it has to be found out or mended before it goes out."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _OurOwn(Headers):
    """Not looked through one by one, as those are that come from elsewhere."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._list = [*pairs]

    def to_wsgi_list(self) -> list[tuple[str, str]]:
        """As WSGI has them."""
        return [*self._list]


# What every answer with status 200 begins with, but for its headers, its octets and what is to be done when it is closed.
_BEGINNING: Final = vars(Response([], 200, Headers()))


class Finished(Response):
    """With status 200. Whatever comes after may add headers to it, as to any other."""

    def __init__(self, octets: bytes, content_type: str, headers: Iterable[tuple[str, str]]) -> None:
        own = [("Content-Type", content_type), ("Content-Length", str(len(octets))), *headers]
        self._octets = [octets]
        vars(self).update(_BEGINNING, headers=_OurOwn(own), response=self._octets, _on_close=[])

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """As WSGI has it: not even a copy is made."""
        start_response(self.status, self.headers.to_wsgi_list())
        if environ["REQUEST_METHOD"] == "HEAD":
            return []
        return self._octets if self.response is self._octets else [self.get_data()]
