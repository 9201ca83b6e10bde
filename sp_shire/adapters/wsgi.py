"""The WSGI adapter (PEP 3333): wraps an application so that only those whom the access policy lets in reach its protected paths."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.web.connection import PEER_CHAIN
from ostiary.web.identity import PERSON_KEY
from sp_shire.adapters.doorkeeper import OSTIARY_KEY
from sp_shire.adapters.exports import DECISION_KEY, SESSION_KEY, Cleaning, headers_of
from sp_shire.adapters.mounting import MOUNT_HEADERS, UNREADABLE, is_claimed
from sp_shire.assembly import make_shire
from sp_shire.header_names import folded_name
from sp_shire.messages import MAXIMUM_BODY, Reply, Request
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


_MOUNT_KEYS: Final = tuple(f"HTTP_{folded_name(name)}" for name in MOUNT_HEADERS)
_CONTENT: Final = (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length"))


class ShireMiddleware:
    """``config``: the path of an ``sp.yaml``, its settings, or a `Shire` made elsewhere.

    The application finds attributes in ``environ`` under the configured names, and all that is known as one object under ``ostiary``
    (`Ostiary.of`); also the person alone under ``ostiary.person`` and the decision that let her in under ``ostiary.decision``. Whatever a
    client sends under these names is removed first. Raises `ConfigurationError` for a configuration that can't be used.
    """

    def __init__(self, app: "WSGIApplication", config: str | Path | ShireSettings | Shire) -> None:
        self._app = app
        self._shire = config if isinstance(config, Shire) else make_shire(config)
        self._remove_forged = Cleaning(self._shire.settings)
        self._environ = self._shire.settings.hand_over != "headers"
        self._headers = self._shire.settings.hand_over != "environ"
        token = self._shire.settings.jwt
        self._token_key = _header_key(token.header) if token is not None else ""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = self._request(environ)
        self._remove_forged(environ)
        answer = self._shire.handle(request)
        if isinstance(answer, Reply):
            if answer.reads:
                # The application never gets this request, so that its body may be read here.
                answer = self._shire.with_body(replace(request, body=_body(environ, answer.reads)))
            return _send(answer, environ, start_response)
        if self._environ:
            environ.update(answer.exports)
        if self._headers:
            environ.update((_header_key(name), value) for name, value in headers_of(answer.exports).items())
        if answer.token:
            environ[self._token_key] = answer.token
        environ[OSTIARY_KEY] = answer.ostiary
        if answer.person is not None:
            environ[PERSON_KEY] = answer.person
            environ[SESSION_KEY] = answer.session
        if answer.decision is not None:
            environ[DECISION_KEY] = answer.decision
        return self._app(environ, start_response)

    def _request(self, environ: "WSGIEnvironment") -> Request:
        mount = environ.get("SCRIPT_NAME", "")
        path = _text(mount + environ.get("PATH_INFO", ""))
        if mount and is_claimed(mount, (environ.get(key, "") for key in _MOUNT_KEYS), self._shire.addresses.base_path):
            path = UNREADABLE
        method = environ.get("REQUEST_METHOD", "GET")
        ours = self._shire.is_handler(path)
        return Request(
            method=method,
            path=path or "/",
            query=environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
            headers=_headers(environ),
            body=_body(environ, MAXIMUM_BODY) if method == "POST" and ours else b"",
            remote=environ.get("REMOTE_ADDR", ""),
            peer=environ.get(PEER_CHAIN, ()),
            # What stands between may have put there whom forwarded headers name.
            connected_from=environ.get("werkzeug.proxy_fix.orig", environ).get("REMOTE_ADDR") or "",
            body_waits=method == "POST" and not ours,
        )


@lru_cache(maxsize=256)
def _header_key(name: str) -> str:
    return f"HTTP_{folded_name(name)}"


def _text(path: str) -> str:
    """PEP 3333 gives octets as latin-1; what is not UTF-8 becomes a path that is refused."""
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return UNREADABLE


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    return {name: environ[key] for key, name in _header_names(tuple(environ))}


# Nearly all requests bring the same few sets of names.
@lru_cache(maxsize=128)
def _header_names(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Those of an environment that are headers, and what each is called."""
    headers = [(key, key[5:].replace("_", "-").lower()) for key in keys if key.startswith("HTTP_")]
    return (*headers, *((key, name) for key, name in _CONTENT if key in keys))


def _body(environ: "WSGIEnvironment", limit: int) -> bytes:
    """The body up to the limit in octets; one byte more tells the core's own check that there was more."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdecimal() or len(length) > 18:
        return b""
    body: bytes = environ["wsgi.input"].read(min(int(length), limit + 1))
    return body


def _send(reply: Reply, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    phrase = HTTPStatus(reply.status).phrase
    start_response(f"{reply.status} {phrase}", [*reply.headers, ("Content-Length", str(len(reply.body)))])
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [reply.body]
