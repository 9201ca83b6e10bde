"""The application behind the proxy: its address, connections to it, and one exchange over one of them. HTTP/1.1, as RFC 9112 has it.

Decides nothing about what is passed on. Framing is h11's, which refuses what can be read in two ways.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import h11

from ostiary.errors import BadGateway, ConfigurationError, GatewayTimeout, Refusal, Unavailable
from sp_shire.adapters.settings import ProxySettings
from sp_shire.proxy.passing_on import MAXIMUM_HEADERS, Pairs

PIECE: Final = 64 * 1024
"""Octets that are read at a time, and that wait to be written at most."""
_KEPT: Final = 16
# Servers close connections that nobody uses after 2 seconds (gunicorn) and more; whoever asks over one at that moment asks for nothing.
_KEPT_SECONDS: Final = 1.5

_HTTP: Final = re.compile(r"http://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?")
_UNIX: Final = re.compile(r"unix:(?P<path>/[^\x00]{1,100})")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the application listens: ``host`` and ``port``, or the ``path`` of a socket. ``name`` is its own Host header."""

    name: str
    host: str = ""
    port: int = 0
    path: str = ""


def read_address(text: str) -> Address:
    """``http://HOST:PORT`` (no path) or ``unix:/PATH``. Raises `ConfigurationError` (``proxy.address``)."""
    if (found := _UNIX.fullmatch(text)) is not None:
        return Address("localhost", path=found["path"])
    found = _HTTP.fullmatch(text)
    port = int(found["port"] or 80) if found is not None else 0
    if found is None or not 0 < port < 65536:
        raise ConfigurationError("proxy.address", file=text, expected="http://HOST:PORT or unix:/PATH", found=text)
    host = found["host"]
    return Address(host if port == 80 else f"{host}:{port}", host.strip("[]"), port)


def _new_state() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEADERS)


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection = field(default_factory=_new_state)
    used: bool = False
    idle_since: float = 0.0

    async def is_silent(self) -> bool:
        """Whether it is open, and nothing came that nobody asked for: that would pass for the next answer."""
        try:
            async with asyncio.timeout(0):
                await self.reader.read(1)
        except TimeoutError:
            return not self.writer.is_closing()
        except OSError:
            return False
        return False

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.writer.transport.abort()


class Backend:
    """Connections to one application, at most so many at a time, used again for requests that can be repeated. For one event loop."""

    def __init__(self, address: Address, settings: ProxySettings) -> None:
        self.address = address
        self._connect_seconds = settings.connect_timeout.total_seconds()
        self.seconds = settings.answer_timeout.total_seconds()
        self._places = asyncio.Semaphore(settings.connections)
        self._kept: deque[_Connection] = deque()

    @contextlib.asynccontextmanager
    async def exchange(self, *, repeatable: bool) -> AsyncIterator["Exchange"]:
        """One request and its answer. ``repeatable``: it has no body and changes nothing, so it may go over a connection that the
        application is just about to close, and be sent again.

        Raises `Unavailable` (``proxy.busy``), `BadGateway` (``proxy.unreachable``), and what the exchange raises.
        """
        try:
            async with asyncio.timeout(self._connect_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable("proxy.busy", expected="a free connection", found="none") from None
        try:
            kept = await self._waiting() if repeatable else None
            exchange = Exchange(self, kept or await self.connect())
            try:
                yield exchange
            finally:
                self._finished(exchange.connection)
        finally:
            self._places.release()

    def close(self) -> None:
        """Closes what is kept."""
        while self._kept:
            self._kept.pop().close()

    async def connect(self) -> _Connection:
        """A connection that nobody has used. Raises `BadGateway` (``proxy.unreachable``)."""
        try:
            async with asyncio.timeout(self._connect_seconds):
                if self.address.path:
                    reader, writer = await asyncio.open_unix_connection(self.address.path, limit=PIECE)
                else:
                    reader, writer = await asyncio.open_connection(self.address.host, self.address.port, limit=PIECE)
        except (OSError, TimeoutError) as error:
            raise BadGateway(
                "proxy.unreachable", expected=f"an application at {self.address}", found=error or type(error).__name__
            ) from None
        writer.transport.set_write_buffer_limits(high=PIECE)
        return _Connection(reader, writer)

    async def _waiting(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._kept:
            connection = self._kept.pop()
            fresh = now - connection.idle_since < _KEPT_SECONDS
            if fresh and await connection.is_silent():
                return connection
            connection.close()
        return None

    def _finished(self, connection: _Connection) -> None:
        state = connection.state
        over = state.our_state is h11.DONE and state.their_state is h11.DONE and state.trailing_data == (b"", False)
        if not over or len(self._kept) >= _KEPT:
            connection.close()
            return
        state.start_next_cycle()
        connection.used = True
        connection.idle_since = asyncio.get_running_loop().time()
        self._kept.append(connection)


class Exchange:
    """One request and its answer over one connection: `ask`, `send` and `end`, while `answer` and then `pieces` are read."""

    def __init__(self, backend: Backend, connection: _Connection) -> None:
        self._backend = backend
        self.connection = connection
        self._request: h11.Request | None = None
        self._ended = False
        self._waiting_since = 0.0

    async def ask(self, method: bytes, target: bytes, headers: Pairs) -> None:
        """Sends the head of the request. Raises `Refusal` (``proxy.request``) for what is no HTTP, `BadGateway` (``proxy.unreachable``),
        `GatewayTimeout` (``proxy.too_slow``)."""
        try:
            self._request = h11.Request(method=method, target=target, headers=headers)
        except h11.LocalProtocolError as error:
            raise Refusal("proxy.request", expected="a request in HTTP/1.1", found=error) from None
        try:
            await self._send(self._request)
        except BadGateway:
            if not self.connection.used:
                raise
            await self._take_new_connection()
            await self._send(self._request)

    async def send(self, piece: bytes) -> None:
        """Sends a piece of the body, when those before it are on their way. Raises as `ask`."""
        await self._send(h11.Data(data=piece))

    async def end(self) -> None:
        """Ends the request; from now on the application has to answer in time. Raises as `ask`."""
        await self._send(h11.EndOfMessage())
        self._waiting_since = asyncio.get_running_loop().time()
        self._ended = True

    async def answer(self) -> h11.Response:
        """The head of the answer. Raises `BadGateway` (``proxy.bad_answer``), `GatewayTimeout` (``proxy.too_slow``)."""
        while True:
            event = await self._next()
            match event:
                case h11.Response():
                    return event
                case h11.InformationalResponse(status_code=101):
                    raise BadGateway("proxy.bad_answer", expected="an answer in HTTP/1.1", found="101")
                case h11.InformationalResponse():
                    continue
                case _:
                    if self.connection.used and await self._again():
                        continue
                    raise BadGateway("proxy.bad_answer", expected="an answer", found="a closed connection")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body of the answer as it comes. Raises as `answer`."""
        while True:
            event = await self._next()
            match event:
                case h11.Data(data=data):
                    yield bytes(data)
                case h11.EndOfMessage():
                    return
                case _:
                    raise BadGateway("proxy.bad_answer", expected="the rest of the answer", found="a closed connection")

    async def _again(self) -> bool:
        """The application had closed a connection that was kept. The request, which has no body, goes over a new one."""
        if self._request is None:
            return False
        await self._take_new_connection()
        await self._send(self._request)
        await self.end()
        return True

    async def _take_new_connection(self) -> None:
        self.connection.close()
        self.connection = await self._backend.connect()

    async def _send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        connection = self.connection
        try:
            data = connection.state.send(event)
            async with asyncio.timeout(self._backend.seconds):
                connection.writer.write(data or b"")
                await connection.writer.drain()
        except TimeoutError:
            raise GatewayTimeout(
                "proxy.too_slow", expected="that it takes the request", found="nothing taken"
            ) from None
        except h11.LocalProtocolError as error:
            # More or less than its Content-Length says.
            raise Refusal("proxy.request", expected="a request as long as it says", found=error) from None
        except OSError as error:
            raise BadGateway("proxy.unreachable", expected="that it takes the request", found=error) from None

    def _remaining(self) -> float:
        """Seconds that it may still say nothing; as long as the request is being sent, that has a limit of its own."""
        if not self._ended:
            return self._backend.seconds
        return self._waiting_since + self._backend.seconds - asyncio.get_running_loop().time()

    async def _next(self) -> object:
        """The next event; `h11.ConnectionClosed` also for a connection that broke before anything came."""
        while True:
            state = self.connection.state
            try:
                event = state.next_event()
            except h11.RemoteProtocolError as error:
                if self.connection.used and state.their_state is h11.ERROR and not state.trailing_data[0]:
                    return h11.ConnectionClosed()
                raise BadGateway("proxy.bad_answer", expected="an answer in HTTP/1.1", found=error) from None
            if event is not h11.NEED_DATA:
                return event
            try:
                async with asyncio.timeout(self._remaining()):
                    data = await self.connection.reader.read(PIECE)
                self._waiting_since = asyncio.get_running_loop().time()
            except TimeoutError:
                if self._remaining() > 0:
                    continue
                raise GatewayTimeout("proxy.too_slow", expected="an answer in time", found="nothing") from None
            except OSError as error:
                if self.connection.used:
                    return h11.ConnectionClosed()
                raise BadGateway("proxy.bad_answer", expected="an answer", found=error) from None
            self.connection.state.receive_data(data)
