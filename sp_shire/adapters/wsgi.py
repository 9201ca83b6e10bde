"""The WSGI adapter (PEP 3333): wraps an application so that only those whom the access policy lets in reach its protected paths."""

from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.web.identity import PERSON_KEY
from sp_shire.adapters.exports import DECISION_KEY, SESSION_KEY, remove_forged
from sp_shire.assembly import make_shire
from sp_shire.messages import MAXIMUM_BODY, Reply, Request
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ShireMiddleware:
    """``config``: the path of an ``sp.yaml``, its settings, or a `Shire` made elsewhere.

    The application finds attributes in ``environ`` under the configured names, the person under ``ostiary.person``
    (`ostiary.web.identity.person`) and the decision that let her in under ``ostiary.decision``. Whatever a client sends under these names
    is removed first. Raises `ConfigurationError` for a configuration that can't be used.
    """

    def __init__(self, app: "WSGIApplication", config: str | Path | ShireSettings | Shire) -> None:
        self._app = app
        self._shire = config if isinstance(config, Shire) else make_shire(config)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        remove_forged(self._shire.settings, environ)
        answer = self._shire.handle(self._request(environ))
        if isinstance(answer, Reply):
            return _send(answer, environ, start_response)
        environ.update(answer.exports)
        if answer.person is not None:
            environ[PERSON_KEY] = answer.person
            environ[SESSION_KEY] = answer.session
        if answer.decision is not None:
            environ[DECISION_KEY] = answer.decision
        return self._app(environ, start_response)

    def _request(self, environ: "WSGIEnvironment") -> Request:
        path = _text(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        method = environ.get("REQUEST_METHOD", "GET")
        body = b""
        if method == "POST" and self._shire.is_handler(path):
            body = _body(environ)
        return Request(
            method=method,
            path=path or "/",
            query=environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
            headers=_headers(environ),
            body=body,
            remote=environ.get("REMOTE_ADDR", ""),
        )


def _text(path: str) -> str:
    """PEP 3333 gives octets as latin-1; what is not UTF-8 becomes a path that is refused."""
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return "\x00"


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    if "CONTENT_TYPE" in environ:
        headers["content-type"] = environ["CONTENT_TYPE"]
    return headers


def _body(environ: "WSGIEnvironment") -> bytes:
    """The body up to the limit; one byte more tells the core's own check that there was more."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdecimal() or len(length) > 18:
        return b""
    body: bytes = environ["wsgi.input"].read(min(int(length), MAXIMUM_BODY + 1))
    return body


def _send(reply: Reply, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    phrase = HTTPStatus(reply.status).phrase
    start_response(f"{reply.status} {phrase}", [*reply.headers, ("Content-Length", str(len(reply.body)))])
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [reply.body]
