"""The ASGI adapter (asgiref 3): wraps an application so that only those whom the access policy lets in reach its protected paths.

The core is synchronous and runs in threads of its own, so that neither it nor the application waits for the other's. Made for asyncio.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ostiary.web.identity import PERSON_KEY
from sp_shire.adapters.exports import DECISION_KEY, SESSION_KEY, forged_headers
from sp_shire.assembly import make_shire
from sp_shire.messages import MAXIMUM_BODY, Passage, Reply, Request
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

ENVIRON_KEY: Final = "ostiary.environ"
"""Under this key of the scope stand the configured names and values, which a WSGI application finds in its environment."""

THREADS: Final = 32
# What a policy forbids (RFC 6455 7.4.1).
_FORBIDDEN: Final = 1008


class CoreThreads:
    """Lets the core look at so many requests at a time, away from the event loop."""

    def __init__(self, shire: Shire, threads: int = THREADS) -> None:
        self._shire = shire
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ostiary")

    async def handle(self, request: Request) -> Reply | Passage:
        """As `Shire.handle`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._shire.handle, request)


class ShireAsgiMiddleware:
    """``config``: the path of an ``sp.yaml``, its settings, or a `Shire` made elsewhere. ``threads``: how many requests the core looks at
    at a time.

    The application finds the person under ``scope["ostiary.person"]`` (`ostiary.web.identity.person` takes the scope), the configured
    names under ``scope["ostiary.environ"]`` and the decision that let her in under ``scope["ostiary.decision"]``. Headers that a client
    sends under these names are removed first. WebSockets are refused unless ``websockets: by_rule`` lets the rules for GET decide about
    them; then one begins only from a page of this site, and ends with the session at the latest.

    Raises `ConfigurationError` for a configuration that can't be used.
    """

    def __init__(
        self, app: AsgiApplication, config: str | Path | ShireSettings | Shire, *, threads: int = THREADS
    ) -> None:
        self._app = app
        self._shire = config if isinstance(config, Shire) else make_shire(config)
        self._core = CoreThreads(self._shire, threads)
        self._forged = forged_headers(self._shire.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await self._app(scope, receive, send)
            case kind:
                # Whatever it is, no rule speaks of it.
                raise ValueError(f"no rule speaks of ASGI connections of the type {kind!r}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(self._shire, scope, receive)
        if request is None:
            return
        answer = await self._core.handle(request)
        if isinstance(answer, Reply):
            await send_reply(answer, request.method, send)
        else:
            await self._app(self._passed(scope, answer), receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As a GET that no login can answer. Browsers let any page open one with this site's cookies, so it has to say where it is from."""
        request = _request_of(scope, "GET")
        request = replace(request, headers={**request.headers, "sec-fetch-mode": "websocket"})
        allowed = (
            self._shire.settings.websockets == "by_rule"
            and request.headers.get("origin") == self._shire.addresses.origin
        )
        answer = await self._core.handle(request) if allowed else None
        if not isinstance(answer, Passage):
            # Before it was accepted: the server answers 403.
            await receive()
            await send({"type": "websocket.close", "code": _FORBIDDEN})
            return
        remaining = None
        if answer.session is not None:
            remaining = (answer.session.ends - self._shire.now()).total_seconds()
        try:
            async with asyncio.timeout(remaining) as limit:
                await self._app(self._passed(scope, answer), receive, send)
        except TimeoutError:
            if not limit.expired():
                raise
            await send({"type": "websocket.close", "code": _FORBIDDEN})

    def _passed(self, scope: Scope, answer: Passage) -> Scope:
        """What the application sees: no name of ours that somebody else put there."""
        passed = {
            **scope,
            "headers": [pair for pair in scope["headers"] if not self._forged(pair[0].decode("latin-1"))],
            ENVIRON_KEY: dict(answer.exports),
        }
        for key, value in ((PERSON_KEY, answer.person), (SESSION_KEY, answer.session), (DECISION_KEY, answer.decision)):
            passed.pop(key, None)
            if value is not None:
                passed[key] = value
        return passed


async def read_request(shire: Shire, scope: Scope, receive: Receive) -> Request | None:
    """An HTTP request as the core sees it, with the body of a POST to the handlers. None: the client went away."""
    request = _request_of(scope, scope["method"])
    if request.method != "POST" or not shire.is_handler(request.path):
        return request
    body = await _body_of(receive)
    return replace(request, body=body) if body is not None else None


def _request_of(scope: Scope, method: str) -> Request:
    """Without a body."""
    client = scope.get("client")
    return Request(
        method=method,
        path=scope["path"] or "/",
        query=scope.get("query_string", b""),
        headers=_headers(scope["headers"]),
        remote=client[0] if client else "",
    )


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Joined as HTTP says (RFC 9110 5.3), cookies by their own sign."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        sign = "; " if name == "cookie" else ", "
        found[name] = f"{found[name]}{sign}{value}" if name in found else value
    return found


async def _body_of(receive: Receive) -> bytes | None:
    """The body up to the limit; one byte more tells the core's own check that there was more. None: the client went away."""
    parts, length = [], 0
    while length <= MAXIMUM_BODY:
        event = await receive()
        if event["type"] != "http.request":
            return None
        part = event.get("body", b"")
        parts.append(part)
        length += len(part)
        if not event.get("more_body", False):
            break
    return b"".join(parts)[: MAXIMUM_BODY + 1]


async def send_reply(reply: Reply, method: str, send: Send) -> None:
    """Sends an answer of the core's own."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
