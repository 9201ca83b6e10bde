"""Several WSGI applications behind one address, told apart by how the path begins. Changes nothing of the request."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ByPath:
    """Hands a request to the application of the longest of ``parts`` (``/status``: that path and all below it), or to ``rest``. The
    application sees the whole path."""

    def __init__(self, parts: Mapping[str, "WSGIApplication"], rest: "WSGIApplication") -> None:
        self._parts = sorted(parts.items(), key=lambda part: -len(part[0]))
        self._rest = rest

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        for prefix, application in self._parts:
            if path == prefix or path.startswith(f"{prefix}/"):
                return application(environ, start_response)
        return self._rest(environ, start_response)
