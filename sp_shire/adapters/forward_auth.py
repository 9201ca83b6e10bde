"""For a web server that asks before it serves (nginx ``auth_request``, Caddy ``forward_auth``, Traefik ForwardAuth): says whether a request
may pass, and as whom. Serves no page but the handlers' own.

An ASGI application, because there each header has the name under which it came: in a WSGI environment ``X_Forwarded_Uri`` of a client would
be the same as ``X-Forwarded-Uri`` of the server.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import unquote_to_bytes

from ostiary.errors import Denied, Missing, Refusal
from sp_shire.adapters.asgi import CoreThreads, Receive, Scope, Send, lifespan, read_request, send_reply
from sp_shire.adapters.exports import exported_names, forged_headers, header_name, headers_of
from sp_shire.assembly import make_shire
from sp_shire.header_names import folded_name
from sp_shire.messages import Passage, Reply, Request
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire

CHECK: Final = "/check"
"""Answers 200, 401 (``Location``: where to log in) or 403, each without a body: all that nginx understands."""
PAGE: Final = "/page"
"""Answers 200, or what the person is to see: the way to a login, or why she may not enter."""

Server = Literal["nginx", "caddy", "traefik"]
SERVERS: Final[tuple[Server, ...]] = get_args(Server)

# URI, method and host of the original request. Only what this server sets is read: a client may send the other names.
_FORWARDED: Final = ("x-forwarded-uri", "x-forwarded-method", "x-forwarded-host")
_ORIGINAL: Final[Mapping[Server, tuple[str, str, str]]] = {
    "nginx": ("x-original-uri", "x-original-method", "host"),
    "caddy": _FORWARDED,
    "traefik": _FORWARDED,
}


# A name that the web server replaces by ours, where it is the same.
_REPLACED: Final = re.compile("[A-Za-z0-9-]+")


class ForwardAuth:
    """``config``: the path of an ``sp.yaml``, its settings, or a `Shire` made elsewhere; ``server`` is the kind that asks.

    It hands on requests for the handlers (``/ostiary/...``), and asks at `CHECK` or `PAGE` about all others. An answer 200 carries the
    configured names as headers (``_`` written ``-``) and the signed token, each of them always: an empty one takes away what a client sent
    under it. What is not ASCII, and ``%``, stands in them percent-encoded (UTF-8). With ``forward_auth`` in the settings, only the web
    server that they describe is answered. Raises `ConfigurationError` for a configuration that can't be used.
    """

    def __init__(self, config: str | Path | ShireSettings | Shire, *, server: Server) -> None:
        self._shire = config if isinstance(config, Shire) else make_shire(config)
        self._core = CoreThreads(self._shire)
        self._names = _ORIGINAL[server]
        settings = self._shire.settings
        self._asker = settings.forward_auth.open() if settings.forward_auth is not None else None
        self._always = {header_name(name): "" for name in exported_names(settings)}
        self._forged = forged_headers(settings)
        self._token_header = settings.jwt.header if settings.jwt is not None else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"no rule speaks of ASGI connections of the type {scope['type']!r}")
        request = await read_request(self._shire, scope, receive)
        if request is None:
            return
        answer: Reply | Passage
        if self._asker is not None and not self._asker.trusts(request.connected_from, request.headers):
            expected = "the web server of this resource"
            problem = Denied("sp.unknown_front_end", expected=expected, found=request.connected_from)
            answer = self._shire.refuse(request, problem)
        elif self._shire.is_handler(request.path):
            answer = await self._core.handle(request)
        else:
            answer = await self._asked(scope, request)
        if isinstance(answer, Passage):
            answer = Reply(200, (*self._exported(answer), ("Cache-Control", "no-store")))
        await send_reply(answer, request.method, send)

    async def _asked(self, scope: Scope, asking: Request) -> Reply | Passage:
        if asking.path not in (CHECK, PAGE):
            return self._shire.refuse(asking, Missing("http.not_found", found=asking.path[:200]))
        try:
            request = self._original(scope, asking)
        except Refusal as problem:
            return self._shire.refuse(asking, problem)
        if asking.path == PAGE:
            return self._no_permission(await self._core.handle(request), request)
        # As a script, which can't follow a login: nothing is begun that the browser would know nothing of.
        answer = await self._core.handle(replace(request, headers={**request.headers, "sec-fetch-mode": "cors"}))
        if isinstance(answer, Passage):
            return answer
        if answer.status == 401 or answer.status < 300:
            return Reply(401, (("Location", self._shire.login_url(request)),))
        return Reply(answer.status)

    def _no_permission(self, answer: Reply | Passage, request: Request) -> Reply | Passage:
        """What the core says itself lets nobody in, and the web server takes every status below 300 for a permission: who would be shown a
        page (a form that carries a message on) fetches it where a login begins."""
        if isinstance(answer, Passage) or answer.status >= 300:
            return answer
        return Reply(302, (("Location", self._shire.login_url(request)), ("Cache-Control", "no-store")))

    def _original(self, scope: Scope, asking: Request) -> Request:
        """The request about which the web server asks. Raises `Refusal`: ``sp.original_request`` where it does not say, or says it in
        more than one way; ``sp.header_spelling`` for a header that some applications take for one of ours, which it would not replace."""
        for raw, _ in scope["headers"]:
            name = raw.decode("latin-1")
            if self._forged(name) and not _REPLACED.fullmatch(name):
                raise Refusal("sp.header_spelling", expected="no other spelling of a name of ours", found=name[:100])
        uri, method, host = (_only(scope, name) for name in self._names)
        # nginx serves what stands before a number sign, and tells of all of it; no browser sends one.
        if not uri.startswith("/") or "#" in uri or not method.isalpha() or not host:
            found = f"{uri[:200] or 'none'} {method[:20] or 'none'} {host[:200] or 'none'}"
            raise Refusal("sp.original_request", expected=", ".join(self._names), found=found)
        path, _, query = uri.partition("?")
        try:
            decoded = unquote_to_bytes(path.encode("latin-1")).decode()
        except UnicodeError:
            # Refused as a path that hides where it leads.
            decoded = "\x00"
        return Request(
            method=method.upper(),
            path=decoded,
            query=query.encode("latin-1"),
            headers={**asking.headers, "host": host},
            remote=asking.remote,
            # Not its ``peer``: that would be the web server itself.
            connected_from=asking.connected_from,
        )

    def _exported(self, passage: Passage) -> tuple[tuple[str, str], ...]:
        headers = {**self._always, **headers_of(passage.exports)}
        if self._token_header:
            headers[self._token_header] = passage.token
        return tuple(headers.items())


def _only(scope: Scope, name: str) -> str:
    """The one header of this name; empty when there is none, more than one, or another that some server takes for the same."""
    wanted = folded_name(name)
    found = [(raw, value) for raw, value in scope["headers"] if folded_name(raw.decode("latin-1")) == wanted]
    if len(found) != 1 or found[0][0].decode("latin-1").lower() != name:
        return ""
    return str(found[0][1].decode("latin-1"))
