"""Requests and answers on their way through the proxy, over real connections to an application that does as each test says."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ostiary.errors import ConfigurationError
from ostiary.web.log import make_log
from sp_shire.adapters.settings import ProxySettings
from sp_shire.messages import Reply
from sp_shire.proxy.application import ReverseProxy
from sp_shire.proxy.backend import Address, read_address
from sp_shire.settings import ShireSettings

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "members.example.org"


class _Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Front:
    """The SHIRE as far as the proxy asks it: its settings, and a page for what is refused."""

    settings: Any
    refused: list[str] = field(default_factory=list)
    addresses: Any = field(default_factory=lambda: SimpleNamespace(https=True, host=HOST))

    def refuse(self, request: object, error: Any) -> Reply:
        self.refused.append(error.code)
        return Reply(error.status, (("X-Code", error.code),), error.code.encode())


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes
    whole: bool
    parts: int


class Behind:
    """An application behind the proxy. ``talk`` is called for each connection."""

    def __init__(self, proxy: ReverseProxy, front: Front, log: io.StringIO) -> None:
        self.proxy, self.front, self.log = proxy, front, log

    async def ask(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        body: tuple[bytes, ...] = (b"",),
        stalls: bool = False,
        leaves: asyncio.Event | None = None,
        started: asyncio.Event | None = None,
    ) -> Answer:
        """``body`` in pieces; ``stalls``: the last of them never comes; ``leaves``: then the browser goes away."""
        sent: list[dict[str, Any]] = []
        pieces = iter(range(len(body)))

        async def receive() -> dict[str, Any]:
            number = next(pieces, None)
            if number is None or (stalls and number == len(body) - 1):
                if leaves is None:
                    await asyncio.sleep(3600)
                else:
                    await leaves.wait()
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": body[number], "more_body": number < len(body) - 1}

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)
            if started is not None:
                started.set()

        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": list(headers)}
        scope["client"] = ("192.0.2.7", 4711)
        await self.proxy(scope, receive, send)
        if not sent:
            return Answer(0, {}, b"", False, 0)
        parts = [event["body"] for event in sent[1:]]
        whole = len(sent) > 1 and not sent[-1].get("more_body", False)
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), b"".join(parts), whole, len(parts))


@contextlib.asynccontextmanager
async def behind(talk: Talk | None, trusted_proxies: int = 0, **settings: Any) -> AsyncIterator[Behind]:
    """``talk`` None: nobody listens."""
    talks: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        talks.extend([task] if task is not None else [])
        try:
            if talk is not None:
                await talk(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if talk is None:
        server.close()
    front = Front(ShireSettings.model_construct(proxy=ProxySettings(**settings), trusted_proxies=trusted_proxies))
    stream = io.StringIO()
    log = make_log(_Clock(), service="proxy", stream=stream)
    proxy = ReverseProxy(front, Address(f"127.0.0.1:{port}", "127.0.0.1", port), log)  # type: ignore[arg-type]
    try:
        yield Behind(proxy, front, stream)
    finally:
        await stop(proxy)
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks)
        # Transports are closed by what the loop does next.
        await asyncio.sleep(0.001)


async def stop(proxy: ReverseProxy) -> None:
    """As a server does at its end."""

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.shutdown"}

    async def send(event: Any) -> None:
        assert event == {"type": "lifespan.shutdown.complete"}

    await proxy({"type": "lifespan"}, receive, send)


def always(answer: bytes, heads: list[bytes] | None = None, *, close: bool = False) -> Talk:
    """Reads heads of requests, and answers each with the same."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if heads is not None:
                    heads.append(head)
                writer.write(answer)
                await writer.drain()
                if close:
                    break
        writer.close()

    return talk


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def one(
    talk: Talk | None,
    *,
    method: str = "GET",
    headers: Any = (),
    body: Any = (b"",),
    stalls: bool = False,
    **settings: Any,
) -> tuple[Answer, Behind]:
    """One request."""

    async def ask() -> tuple[Answer, Behind]:
        async with behind(talk, **settings) as application:
            return await application.ask(method, headers=headers, body=body, stalls=stalls), application

    return asyncio.run(ask())


def test_the_application_gets_a_request_of_the_proxys_own_making() -> None:
    heads: list[bytes] = []
    answer, _ = one(always(OK, heads), headers=((b"host", b"evil.example"), (b"accept", b"*/*")))
    assert (answer.status, answer.body, answer.whole) == (200, b"ok", True)
    assert b"".join(heads).split(b"\r\n") == [
        b"GET / HTTP/1.1",
        b"host: members.example.org",
        b"accept: */*",
        b"x-forwarded-for: 192.0.2.7",
        b"x-forwarded-proto: https",
        b"x-forwarded-host: members.example.org",
        b"via: 1.1 ostiary",
        b"",
        b"",
    ]


def test_the_client_behind_a_trusted_web_server_is_named() -> None:
    heads: list[bytes] = []
    forwarded = ((b"x-forwarded-for", b"198.51.100.9, 203.0.113.4"),)
    one(always(OK, heads), headers=forwarded, trusted_proxies=1)
    one(always(OK, heads), headers=forwarded)
    assert [b"\r\nx-forwarded-for: 203.0.113.4\r\n" in heads[0], b"\r\nx-forwarded-for: 192.0.2.7\r\n" in heads[1]] == [
        True,
        True,
    ]


def test_an_application_that_wants_its_own_name_gets_it() -> None:
    heads: list[bytes] = []
    one(always(OK, heads), host="backend")
    assert b"\r\nhost: 127.0.0.1:" in heads[0]
    assert b"\r\nx-forwarded-host: members.example.org\r\n" in heads[0]


def test_a_body_with_a_length_goes_on_piece_by_piece() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.append(await reader.readexactly(9))
        writer.write(OK)
        writer.close()

    answer, _ = one(talk, method="POST", headers=((b"content-length", b"9"),), body=(b"one", b"", b"two", b"six"))
    assert (answer.status, seen[1]) == (200, b"onetwosix")
    assert b"\r\ncontent-length: 9\r\n" in seen[0]
    assert b"transfer-encoding" not in seen[0]


def test_a_body_without_a_length_goes_on_in_chunks() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(OK)
        writer.close()

    answer, _ = one(talk, method="PUT", headers=((b"transfer-encoding", b"chunked"),), body=(b"one", b"three"))
    assert (answer.status, seen[1]) == (200, b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked\r\n" in seen[0]


def test_a_post_without_a_body_says_so() -> None:
    heads: list[bytes] = []
    one(always(OK, heads), method="POST")
    assert b"\r\ncontent-length: 0\r\n" in heads[0]


@pytest.mark.parametrize(
    ("method", "answer", "status", "headers", "body"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, {b"content-length": b"5"}, b""),
        (
            "GET",
            b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n',
            304,
            {b"etag": b'"a"', b"content-length": b"5"},
            b"",
        ),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, {}, b""),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n2\r\nup\r\n0\r\nX-T: 1\r\n\r\n",
            200,
            {},
            b"oneup",
        ),
        (
            "GET",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9000/x\r\nContent-Length: 0\r\n\r\n",
            302,
            {b"location": b"http://127.0.0.1:9000/x", b"content-length": b"0"},
            b"",
        ),
        (
            "GET",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            200,
            {b"content-length": b"2"},
            b"ok",
        ),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, {}, b"until the end"),
    ],
    ids=["HEAD", "304", "204", "chunked", "redirect", "early hints", "HTTP/1.0"],
)
def test_answers_of_every_kind_come_back(
    method: str, answer: bytes, status: int, headers: dict[bytes, bytes], body: bytes
) -> None:
    found, _ = one(always(answer, close=True), method=method)
    assert (found.status, found.headers, found.body, found.whole) == (status, headers, body, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=["nothing", "half a line", "no HTTP", "two framings", "two lengths", "other coding", "NUL", "endless", "101"],
)
def test_an_answer_that_is_none_becomes_a_page_of_ours(answer: bytes) -> None:
    found, application = one(always(answer, close=True))
    assert (found.status, application.front.refused) == (502, ["proxy.bad_answer"])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nno size\r\n",
    ],
)
def test_an_answer_that_breaks_off_does_not_pass_for_whole(answer: bytes) -> None:
    found, application = one(always(answer, close=True))
    assert (found.status, found.body, found.whole, application.front.refused) == (200, b"half", False, [])
    assert "answer_broken_off" in application.log.getvalue()


def test_nobody_behind_is_a_502_and_a_slow_one_a_504() -> None:
    found, _ = one(None)
    assert (found.status, found.body) == (502, b"proxy.unreachable")

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    found, _ = one(slow, answer_timeout=timedelta(seconds=0.1))
    assert (found.status, found.body) == (504, b"proxy.too_slow")


def test_an_application_that_takes_nothing_is_a_504() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        writer.close()

    body = (b"x" * 1_000_000,) * 20
    found, _ = one(
        deaf,
        method="POST",
        headers=((b"content-length", b"20000000"),),
        body=body,
        answer_timeout=timedelta(seconds=0.1),
    )
    assert (found.status, found.body) == (504, b"proxy.too_slow")


def test_a_client_that_stalls_in_mid_body_is_a_408() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            seen.append(await reader.read())
        writer.close()

    found, _ = one(
        talk, method="POST", headers=((b"content-length", b"6"),), body=(b"one", b"two"), stalls=True, answer_timeout=timedelta(seconds=0.1)
    )  # fmt: skip
    assert (found.status, found.body) == (408, b"proxy.slow_client")


def test_a_client_that_lets_its_body_trickle_holds_no_connection() -> None:
    """Each octet would come in time, and the whole of them never."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async def trickle() -> tuple[int, float]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"100000")]}
        scope |= {"client": ("192.0.2.7", 4711), "query_string": b""}
        async with behind(talk, answer_timeout=timedelta(seconds=0.1)) as application:
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(5):
                await application.proxy(scope, receive, send)
            return sent[0]["status"], asyncio.get_running_loop().time() - began

    status, seconds = asyncio.run(trickle())
    assert (status, seconds < 2) == (408, True)


def test_an_answer_given_before_the_body_was_read_comes_back() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    found, application = one(
        talk, method="POST", headers=((b"content-length", b"20000000"),), body=(b"x" * 1_000_000,) * 20
    )
    assert (found.status, found.whole, application.front.refused) == (413, True, [])


def test_a_body_longer_or_shorter_than_it_says_is_refused() -> None:
    for body in ((b"12345", b"6"), (b"1234",)):

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        found, _ = one(talk, method="POST", headers=((b"content-length", b"5"),), body=body)
        assert (found.status, found.body) == (400, b"proxy.request")


def test_when_the_browser_goes_away_the_application_is_left_alone() -> None:
    async def leave() -> None:
        gone, started, leaves = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n")
            with contextlib.suppress(ConnectionError):
                await reader.read()
            gone.set()
            writer.close()

        async with behind(talk) as application, asyncio.timeout(5):
            asking = asyncio.create_task(application.ask(leaves=leaves, started=started))
            await started.wait()
            leaves.set()
            found = await asking
            await gone.wait()
        assert (found.status, found.whole, application.front.refused) == (200, False, [])

    asyncio.run(leave())


def test_a_browser_that_takes_nothing_holds_no_connection() -> None:
    async def wait() -> None:
        gone = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            with contextlib.suppress(ConnectionError):
                await reader.read()
            gone.set()

        async def receive() -> dict[str, Any]:
            if not asked.is_set():
                asked.set()
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.sleep(3600)
            return {}

        async def send(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.body":
                await asyncio.sleep(3600)

        asked = asyncio.Event()
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        async with behind(talk, answer_timeout=timedelta(seconds=0.1)) as application, asyncio.timeout(5):
            await application.proxy(scope, receive, send)
            await gone.wait()

    asyncio.run(wait())


def test_connections_are_used_again_for_what_can_be_repeated() -> None:
    opened: list[int] = []
    heads: list[bytes] = []
    answering = always(OK, heads)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        await answering(reader, writer)

    async def several() -> None:
        async with behind(talk) as application:
            for _ in range(2):
                assert (await application.ask()).body == b"ok"
            assert (len(opened), len(heads)) == (1, 2)
            await application.ask("POST")
            assert (len(opened), len(heads)) == (2, 3)

    asyncio.run(several())


def test_a_connection_that_was_closed_meanwhile_is_no_trouble() -> None:
    opened: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        if len(opened) == 1:
            # Read, and not answered: as a server does that stops at this moment.
            with contextlib.suppress(asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def twice() -> None:
        async with behind(talk) as application:
            assert [(await application.ask()).status for _ in range(2)] == [200, 200]
            assert (len(opened), application.front.refused) == (2, [])

    asyncio.run(twice())


def test_what_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    opened: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await reader.readuntil(b"\r\n\r\n")

    async def twice() -> None:
        async with behind(talk) as application:
            assert (await application.ask()).body == b"ok"
            await asyncio.sleep(0.05)
            assert (await application.ask()).body == b"ok"
            assert len(opened) == 2

    asyncio.run(twice())


def test_a_post_is_never_sent_twice() -> None:
    heads: list[bytes] = []
    found, _ = one(always(b"", heads, close=True), method="POST")
    assert (found.status, len(heads)) == (502, 1)


def test_more_requests_than_places_wait_and_then_are_told_so() -> None:
    async def crowd() -> None:
        release = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await release.wait()
            writer.write(OK)
            writer.close()

        async with behind(talk, connections=2, connect_timeout=timedelta(seconds=0.1)) as application:
            asking = [asyncio.create_task(application.ask()) for _ in range(3)]
            await asyncio.sleep(0.2)
            release.set()
            assert sorted(answer.status for answer in await asyncio.gather(*asking)) == [200, 200, 503]
            assert application.front.refused == ["proxy.busy"]

    asyncio.run(crowd())


def test_what_the_proxy_refuses_never_reaches_the_application() -> None:
    heads: list[bytes] = []
    for how in (
        {"method": "TRACE"},
        {"headers": ((b"content-length", b"1"), (b"content-length", b"2"))},
        {"headers": ((b"x", b"y" * 70_000),)},
        {"headers": ((b"x\r\nevil", b"y"),)},
        {"headers": ((b"x", b"y\r\nevil: 1"),)},
    ):
        found, _ = one(always(OK, heads), **how)  # type: ignore[arg-type]
        assert found.status in (400, 405, 431)
    assert heads == []


def test_a_websocket_is_refused() -> None:
    async def open_one() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(event: Any) -> None:
            sent.append(event)

        async with behind(always(OK)) as application:
            await application.proxy({"type": "websocket", "path": "/", "headers": []}, receive, send)
        return sent

    assert asyncio.run(open_one()) == [{"type": "websocket.close", "code": 1008}]


def test_an_application_at_a_socket_of_the_file_system_is_reached(tmp_path: Path) -> None:
    async def ask() -> None:
        path = tmp_path / "app.sock"
        heads: list[bytes] = []
        server = await asyncio.start_unix_server(always(OK, heads), path)
        front = Front(ShireSettings.model_construct(proxy=ProxySettings(host="backend")))
        proxy = ReverseProxy(front, read_address(f"unix:{path}"), make_log(_Clock(), service="proxy"))  # type: ignore[arg-type]
        assert (await Behind(proxy, front, io.StringIO()).ask()).body == b"ok"
        assert b"\r\nhost: localhost\r\n" in heads[0]
        await stop(proxy)
        server.close()
        await asyncio.sleep(0.01)

    asyncio.run(ask())


def test_addresses_are_read() -> None:
    assert read_address("http://127.0.0.1:9000") == Address("127.0.0.1:9000", "127.0.0.1", 9000)
    assert read_address("http://app") == Address("app", "app", 80)
    assert read_address("http://[::1]:9000/") == Address("[::1]:9000", "::1", 9000)
    assert read_address("unix:/run/app.sock") == Address("localhost", path="/run/app.sock")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:9000",
        "https://a",
        "http://a/b",
        "http://u@a",
        "http://a:0",
        "http://a:70000",
        "unix:relative",
        "http://a?b",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_address(text)
    assert refused.value.code == "proxy.address"
