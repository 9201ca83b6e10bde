"""The ASGI adapter (asgiref 3): wraps an application so that only those whom the access policy lets in reach its protected paths.

The core is synchronous and runs in threads of its own, so that neither it nor the application waits for the other's. Made for asyncio.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ostiary.web.identity import PERSON_KEY
from ostiary.x509.passed_on import certificates_in
from sp_shire.adapters.doorkeeper import OSTIARY_KEY
from sp_shire.adapters.exports import DECISION_KEY, OBJECT_KEYS, SESSION_KEY, forged_headers, headers_of
from sp_shire.adapters.mounting import MOUNT_HEADERS, UNREADABLE, is_claimed
from sp_shire.adapters.settings import HandOver
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
LOOK_AGAIN: Final = 30.0
"""Seconds after which it is looked whether the session with which a WebSocket began is still there."""
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

    async def with_body(self, request: Request) -> Reply:
        """As `Shire.with_body`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._shire.with_body, request)

    async def goes_on(self, request: Request, passage: Passage) -> bool:
        """As `Shire.goes_on`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._shire.goes_on, request, passage)


class ShireAsgiMiddleware:
    """``config``: the path of an ``sp.yaml``, its settings, or a `Shire` made elsewhere. ``threads``: how many requests the core looks at
    at a time. ``hand_over`` counts in place of what the settings say.

    The application finds all that is known as one object under ``scope["ostiary"]`` (`Ostiary.of` takes the scope; Starlette and FastAPI
    have it as ``request.state.ostiary``), the configured names under ``scope["ostiary.environ"]``; also the person alone under
    ``scope["ostiary.person"]`` and the decision that let her in under ``scope["ostiary.decision"]``. Headers that a client sends under
    these names are removed first. WebSockets are refused unless ``websockets: by_rule`` lets the rules for GET decide about
    them; then one begins only from a page of this site, and ends with the session, or the certificate, at the latest.

    Raises `ConfigurationError` for a configuration that can't be used.
    """

    def __init__(
        self,
        app: AsgiApplication,
        config: str | Path | ShireSettings | Shire,
        *,
        threads: int = THREADS,
        hand_over: HandOver | None = None,
    ) -> None:
        self._app = app
        self._shire = config if isinstance(config, Shire) else make_shire(config)
        self._core = CoreThreads(self._shire, threads)
        settings = self._shire.settings
        self._forged = forged_headers(settings)
        hand_over = hand_over or settings.hand_over
        self._environ = hand_over != "headers"
        self._headers = hand_over != "environ"
        self._token_header = settings.jwt.header.lower().encode() if settings.jwt is not None else b""

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
        waits = request.method == "POST" and not self._shire.is_handler(request.path)
        answer = await self._core.handle(replace(request, body_waits=waits))
        if isinstance(answer, Reply):
            if answer.reads:
                # The application never gets this request, so that its body may be read here.
                body = await _body_of(receive, answer.reads)
                if body is None:
                    return
                answer = await self._core.with_body(replace(request, body=body))
            await send_reply(answer, request.method, send)
        else:
            await self._app(self._passed(scope, answer), receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As a GET that no login can answer. Browsers let any page open one with this site's cookies, so it has to say where it is from."""
        request = _as_mounted(self._shire, scope, request_of(scope, "GET"))
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
        clock = asyncio.get_running_loop().time
        ends = math.inf
        if answer.ends is not None:
            ends = clock() + (answer.ends - self._shire.now()).total_seconds()
        connection = asyncio.ensure_future(self._app(self._passed(scope, answer), receive, send))
        try:
            while not connection.done() and (remaining := ends - clock()) > 0:
                await asyncio.wait((connection,), timeout=min(LOOK_AGAIN, remaining))
                if not connection.done() and not await self._core.goes_on(request, answer):
                    break
        finally:
            if ended := not connection.done():
                connection.cancel()
                await asyncio.wait((connection,))
        if ended:
            await send({"type": "websocket.close", "code": _FORBIDDEN})
        else:
            await connection

    def _passed(self, scope: Scope, answer: Passage) -> Scope:
        """What the application sees: no name of ours that somebody else put there."""
        headers = [pair for pair in scope["headers"] if not self._forged(pair[0].decode("latin-1"))]
        if self._headers:
            handed = headers_of(answer.exports).items()
            headers += [(name.lower().encode(), value.encode()) for name, value in handed]
        if answer.token:
            headers.append((self._token_header, answer.token.encode()))
        passed = {
            **scope,
            "headers": headers,
            ENVIRON_KEY: dict(answer.exports) if self._environ else {},
            # Where Starlette and what is made with it keep what belongs to a request.
            "state": {**scope.get("state", {}), OSTIARY_KEY: answer.ostiary},
        }
        for key in OBJECT_KEYS:
            passed.pop(key, None)
        passed[OSTIARY_KEY] = answer.ostiary
        for key, value in ((PERSON_KEY, answer.person), (SESSION_KEY, answer.session), (DECISION_KEY, answer.decision)):
            if value is not None:
                passed[key] = value
        return passed


async def read_request(shire: Shire, scope: Scope, receive: Receive) -> Request | None:
    """An HTTP request as the core sees it, with the body of a POST to the handlers. None: the client went away."""
    request = _as_mounted(shire, scope, request_of(scope, scope["method"]))
    if request.method != "POST" or not shire.is_handler(request.path):
        return request
    body = await _body_of(receive, MAXIMUM_BODY)
    return replace(request, body=body) if body is not None else None


def request_of(scope: Scope, method: str) -> Request:
    """A request as the core sees it, without a body."""
    client = scope.get("client")
    address = str(client[0]) if client else ""
    return Request(
        method=method,
        path=scope["path"] or "/",
        query=scope.get("query_string", b""),
        headers=_headers(scope["headers"]),
        remote=address,
        peer=_peer(scope),
        connected_from=address,
    )


def _as_mounted(shire: Shire, scope: Scope, request: Request) -> Request:
    """The same request; with a path that is refused where a client may have said where the application is mounted."""
    mount = scope.get("root_path", "")
    if mount:
        said = (value for name, value in request.headers.items() if name.replace("_", "-") in MOUNT_HEADERS)
        if is_claimed(mount, said, shire.addresses.base_path):
            return replace(request, path=UNREADABLE)
    return request


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Joined as HTTP says (RFC 9110 5.3), cookies by their own sign."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        sign = "; " if name == "cookie" else ", "
        found[name] = f"{found[name]}{sign}{value}" if name in found else value
    return found


def _peer(scope: Scope) -> tuple[bytes, ...]:
    """The certificates of the client by the ASGI TLS extension, its own first. One that can't be read stays in its place, so that none
    takes that of another."""
    sent = (scope.get("extensions") or {}).get("tls", {}).get("client_cert_chain") or ()
    read = [certificates_in(text) for text in sent]
    return tuple(found[0] if len(found) == 1 else b"" for found in read)


async def _body_of(receive: Receive, limit: int) -> bytes | None:
    """The body up to the limit in octets; one byte more tells the core's own check that there was more. None: the client went away."""
    parts, length = [], 0
    while length <= limit:
        event = await receive()
        if event["type"] != "http.request":
            return None
        part = event.get("body", b"")
        parts.append(part)
        length += len(part)
        if not event.get("more_body", False):
            break
    return b"".join(parts)[: limit + 1]


async def lifespan(receive: Receive, send: Send) -> None:
    """Answers the server's start and stop for an application that has nothing to do then."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def send_reply(reply: Reply, method: str, send: Send) -> None:
    """Sends an answer of the core's own."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
