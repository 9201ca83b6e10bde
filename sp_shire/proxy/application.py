"""The reverse proxy as an ASGI application: hands requests on to an application that can't be changed, and its answers back, as they come.

It stands inside `ShireAsgiMiddleware`, which alone decides who gets through, and serves HTTP; WebSockets are refused.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import h11

from ostiary.errors import BadGateway, OstiaryError, TooSlow
from ostiary.web.log import Log
from sp_shire.adapters.asgi import (
    Event,
    Receive,
    Scope,
    Send,
    ShireAsgiMiddleware,
    lifespan,
    request_of,
    send_reply,
)
from sp_shire.adapters.exports import forged_headers
from sp_shire.proxy.backend import Address, Backend, Exchange
from sp_shire.proxy.passing_on import Outside, length_of, method_of, request_headers, response_headers, target_of
from sp_shire.sessions.client_address import behind_proxies
from sp_shire.shire import Shire

_REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})
# Octets a second. Who lets a body trickle would hold a connection to the application for as long as he likes.
_LEAST_RATE: Final = 512
# What a policy forbids (RFC 6455 7.4.1).
_FORBIDDEN: Final = 1008


class ClientGoneError(Exception):
    """The browser went away: there is nobody to answer."""


def protected(shire: Shire, address: Address, log: Log) -> ShireAsgiMiddleware:
    """The application at this address behind the SHIRE. What it is told of the person comes as headers."""
    return ShireAsgiMiddleware(ReverseProxy(shire, address, log), shire, hand_over="headers")


class ReverseProxy:
    """Everything that is passed to it goes on to the application at ``address``; `protected` puts the SHIRE before it."""

    def __init__(self, shire: Shire, address: Address, log: Log) -> None:
        self._shire = shire
        self._log = log
        self._address = address
        self._ours = forged_headers(shire.settings)
        self._backend: tuple[asyncio.AbstractEventLoop, Backend] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await lifespan(receive, send)
                if self._backend is not None:
                    self._backend[1].close()
            case _:
                await receive()
                await send({"type": "websocket.close", "code": _FORBIDDEN})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = _Answering(send, self._shire.settings.proxy.answer_timeout.total_seconds())
        try:
            await self._pass_on(scope, receive, answering)
        except ClientGoneError:
            return
        except OstiaryError as problem:
            if answering.begun:
                # Half an answer is out. Left without an end, it makes the server break the connection, so that it does not pass for whole.
                self._log.warning("answer_broken_off", code=problem.code, found=problem.found, path=scope["path"][:500])
                return
            request = request_of(scope, scope["method"])
            reply = await asyncio.get_running_loop().run_in_executor(None, self._shire.refuse, request, problem)
            await send_reply(reply, scope["method"], send)

    async def _pass_on(self, scope: Scope, receive: Receive, answering: "_Answering") -> None:
        method = method_of(scope["method"])
        target = target_of(scope["path"], scope.get("raw_path"), scope.get("query_string", b""))
        addresses, settings = self._shire.addresses, self._shire.settings.proxy
        request = behind_proxies(request_of(scope, scope["method"]), self._shire.settings.trusted_proxies)
        outside = Outside("https" if addresses.https else "http", addresses.host, request.remote)
        host = addresses.host if settings.host == "public" else self._address.name
        headers = request_headers(scope["headers"], outside, self._ours, host)
        length = length_of(scope["headers"])
        seconds = settings.answer_timeout.total_seconds()
        first = await _piece_of_body(receive, seconds)
        has_body = bool(length) or bool(first.get("body")) or first.get("more_body", False)
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        elif has_body:
            headers.append((b"transfer-encoding", b"chunked"))
        elif method not in _REPEATABLE:
            headers.append((b"content-length", b"0"))
        repeatable = method in _REPEATABLE and not has_body
        async with self._of_this_loop().exchange(repeatable=repeatable) as exchange:
            await exchange.ask(method, target, headers)
            await _both_ways(_send_body(exchange, first, receive, seconds), _read_answer(exchange, answering))

    def _of_this_loop(self) -> Backend:
        loop = asyncio.get_running_loop()
        if self._backend is None or self._backend[0] is not loop:
            self._backend = loop, Backend(self._address, self._shire.settings.proxy)
        return self._backend[1]


class _Answering:
    """What goes back to the browser. ``begun``: its head is out. One that takes nothing for ``seconds`` counts as gone, or it would hold
    a connection to the application for as long as it likes."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._seconds = seconds
        self.begun = False

    async def head(self, response: h11.Response) -> None:
        headers = response_headers(list(response.headers))
        self.begun = True
        await self._send({"type": "http.response.start", "status": response.status_code, "headers": headers})

    async def piece(self, data: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            raise ClientGoneError from None


async def _both_ways(send_body: Coroutine[Any, Any, None], read_answer: Coroutine[Any, Any, None]) -> None:
    """Sends the body while the answer is read, because an application may answer before it has read everything. Raises `ClientGoneError`
    when the browser goes away before the end."""
    sending, answer = asyncio.create_task(send_body), asyncio.create_task(read_answer)
    try:
        await asyncio.wait((sending, answer), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            if isinstance(sending.exception(), BadGateway):
                # It may have answered before it stopped reading.
                await asyncio.wait((answer,))
            if not answer.done() or answer.exception() is not None:
                sending.result()
        await answer
    finally:
        sending.cancel()
        answer.cancel()
        await asyncio.gather(sending, answer, return_exceptions=True)


async def _send_body(exchange: Exchange, first: Event, receive: Receive, seconds: float) -> None:
    """Sends the body; then waits for the browser to go away, and says so by `ClientGoneError`."""
    clock = asyncio.get_running_loop().time
    event, come, waited = first, 0, 0.0
    while True:
        if data := event.get("body", b""):
            come += len(data)
            await exchange.send(data)
        if not event.get("more_body", False):
            break
        began = clock()
        event = await _piece_of_body(receive, seconds)
        # Only what it was waited for counts: the application may take its time.
        waited += clock() - began
        if waited > seconds + come / _LEAST_RATE:
            raise TooSlow("proxy.slow_client", expected=f"{_LEAST_RATE} octets a second", found=f"{come} octets")
    await exchange.end()
    while (await receive())["type"] == "http.request":
        # Some servers repeat the end of the body.
        await asyncio.sleep(1)
    raise ClientGoneError


async def _piece_of_body(receive: Receive, seconds: float) -> Event:
    try:
        async with asyncio.timeout(seconds):
            event = await receive()
    except TimeoutError:
        raise TooSlow("proxy.slow_client", expected="the rest of the request", found="nothing") from None
    if event["type"] != "http.request":
        raise ClientGoneError
    return event


async def _read_answer(exchange: Exchange, answering: _Answering) -> None:
    await answering.head(await exchange.answer())
    async for piece in exchange.pieces():
        await answering.piece(piece, more=True)
    await answering.piece(b"", more=False)
