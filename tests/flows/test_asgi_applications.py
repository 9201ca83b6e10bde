"""An ASGI application behind the SHIRE: the same core as for WSGI, over real logins."""

import asyncio
import json
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ostiary.command.demo.people import NORTHGATE
from ostiary.web.identity import person
from sp_shire import ShireAsgiMiddleware
from tests.browser import Browser
from tests.simulator import Simulation, configure

CLOSED = [{"type": "websocket.close", "code": 1008}]


class Echo:
    """An application that says what it sees; over a WebSocket until it is closed."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        who = person(scope)
        issuer = who.issuer if who is not None else None
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                await send({"type": "websocket.send", "text": issuer})
            return
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = sorted({name.decode() for name, _ in scope["headers"]})
        told = {"issuer": issuer, "environ": scope["ostiary.environ"], "headers": headers, "body": body.decode()}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


class AsWsgi:
    """Lets the browser of the tests, which calls WSGI applications, reach an ASGI application. The body comes in two parts."""

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = [
            (key[5:].replace("_", "-").lower().encode(), value.encode("latin-1"))
            for key, value in environ.items()
            if key.startswith("HTTP_")
        ]
        if environ["CONTENT_LENGTH"] != "0":
            headers.append((b"content-length", environ["CONTENT_LENGTH"].encode()))
        if environ.get("CONTENT_TYPE"):
            headers.append((b"content-type", environ["CONTENT_TYPE"].encode()))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        half = len(body) // 2
        events = [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]
        scope = {
            "type": "http",
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"].encode("latin-1").decode(),
            "query_string": environ.get("QUERY_STRING", "").encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        sent = asyncio.run(exchange(self.application, scope, events))
        status = sent[0]["status"]
        answer = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
        start_response(f"{status} {HTTPStatus(status).phrase}", answer)
        return [event["body"] for event in sent[1:]]


async def exchange(application: Any, scope: dict[str, Any], events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the application sends when it receives these events."""
    sent: list[dict[str, Any]] = []
    waiting = iter(events)

    async def receive() -> dict[str, Any]:
        event = next(waiting, None)
        if event is None:
            await asyncio.sleep(3600)
        return event or {}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await application(scope, receive, send)
    return sent


@pytest.fixture
def echo(simulation: Simulation) -> Echo:
    """The library's page, as an ASGI application."""
    application = Echo()
    protected = ShireAsgiMiddleware(application, simulation.shires["library"])
    simulation.serve(simulation.origin("library"), AsWsgi(protected))
    return application


def signed_in(simulation: Simulation) -> Browser:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    return browser


def open_socket(
    simulation: Simulation, browser: Browser, application: Any, path: str = "/library/live", **headers: str
) -> list[dict[str, Any]]:
    """What becomes of a WebSocket that the browser opens from a page of the library; it says one thing and goes."""
    origin = simulation.origin("library")
    site = urlsplit(origin).hostname
    cookie = "; ".join(f"{name}={value}" for (host, name), value in browser.cookies.items() if host == site)
    given = {"host": origin.partition("://")[2], "origin": origin, "cookie": cookie, **headers}
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
    }
    events = [{"type": "websocket.connect"}, {"type": "websocket.receive"}, {"type": "websocket.disconnect"}]
    protected = ShireAsgiMiddleware(application, simulation.shires["library"])
    return asyncio.run(exchange(protected, scope, events))


def test_somebody_logs_in_and_the_application_knows_her(simulation: Simulation, echo: Echo) -> None:
    told = json.loads(simulation.log_in(simulation.browser(), "library", "alice").text)
    assert (told["issuer"], told["environ"]["OSTIARY_IDP"]) == (NORTHGATE.entity_id, NORTHGATE.entity_id)


def test_nobody_reaches_the_application_without_a_login(simulation: Simulation, echo: Echo) -> None:
    answer = simulation.browser().request("GET", simulation.url("library"))
    assert (answer.status, echo.seen) == (302, [])
    answer = simulation.browser().request("POST", simulation.url("library"))
    assert (answer.status, echo.seen) == (401, [])


def test_names_of_attributes_that_a_client_sends_are_removed(simulation: Simulation, echo: Echo) -> None:
    forged = {"OSTIARY-IDP": "https://evil.example", "Remote-User": "root", "X-Kind": "kept"}
    answer = signed_in(simulation).request("GET", simulation.url("library"), headers=forged)
    found = set(json.loads(answer.text)["headers"])
    assert "x-kind" in found
    assert not {"ostiary-idp", "remote-user"} & found


def test_what_stands_in_the_scope_already_under_our_names_is_removed(simulation: Simulation, echo: Echo) -> None:
    host = simulation.origin("library").partition("://")[2].encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", host), (b"ostiary_idp", b"https://evil.example")],
        "ostiary.person": "somebody",
        "ostiary.decision": "allowed",
    }
    protected = ShireAsgiMiddleware(echo, simulation.shires["library"])
    asyncio.run(exchange(protected, scope, [{"type": "http.request"}]))
    [seen] = echo.seen
    assert not {"ostiary.person", "ostiary.decision"} & set(seen)
    assert seen["headers"] == [(b"host", host)]


def test_a_body_reaches_the_application_whole(simulation: Simulation, echo: Echo) -> None:
    answer = signed_in(simulation).request("POST", simulation.url("library"), body=b"one and two")
    assert json.loads(answer.text)["body"] == "one and two"


def test_a_body_too_large_for_the_handlers_is_refused(simulation: Simulation, echo: Echo) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    acs = simulation.handler("library", "acs")
    answer = simulation.browser().request("POST", acs, headers=form, body=b"x" * 600_000)
    assert (answer.status, echo.seen) == (413, [])


def test_a_client_that_goes_away_in_mid_body_is_answered_nothing(simulation: Simulation, echo: Echo) -> None:
    path = urlsplit(simulation.handler("library", "acs")).path
    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    protected = ShireAsgiMiddleware(echo, simulation.shires["library"])
    begun = {"type": "http.request", "body": b"SAML", "more_body": True}
    assert asyncio.run(exchange(protected, scope, [begun, {"type": "http.disconnect"}])) == []


def test_an_unknown_kind_of_connection_reaches_nothing(simulation: Simulation, echo: Echo) -> None:
    protected = ShireAsgiMiddleware(echo, simulation.shires["library"])
    with pytest.raises(ValueError, match="no rule"):
        asyncio.run(exchange(protected, {"type": "webtransport"}, []))
    assert echo.seen == []


def test_websockets_are_refused_unless_the_settings_say_otherwise(simulation: Simulation, echo: Echo) -> None:
    browser = signed_in(simulation)
    echo.seen.clear()
    assert open_socket(simulation, browser, echo) == CLOSED
    assert open_socket(simulation, browser, echo, path="/") == CLOSED
    assert echo.seen == []


@pytest.fixture
def by_rule(state: Path) -> None:
    """Must come before ``simulation``."""
    configure(state / "library" / "sp.yaml", websockets="by_rule", sessions={"lifetime": "20m"})


@pytest.mark.usefixtures("by_rule")
class TestWebSocketsByRule:
    def test_open_from_a_page_of_this_site(self, simulation: Simulation, echo: Echo) -> None:
        assert open_socket(simulation, signed_in(simulation), echo) == [
            {"type": "websocket.accept"},
            {"type": "websocket.send", "text": NORTHGATE.entity_id},
        ]

    def test_are_refused_from_elsewhere_and_without_a_session(self, simulation: Simulation, echo: Echo) -> None:
        browser = signed_in(simulation)
        echo.seen.clear()
        for origin in ("https://evil.example", "null", ""):
            assert open_socket(simulation, browser, echo, origin=origin) == CLOSED
        assert open_socket(simulation, simulation.browser(), echo) == CLOSED
        assert echo.seen == []

    def test_are_refused_to_whom_the_rules_refuse_the_page(self, simulation: Simulation, echo: Echo) -> None:
        browser = simulation.browser()
        simulation.log_in(browser, "library", "carol")
        echo.seen.clear()
        assert open_socket(simulation, browser, echo) == CLOSED
        assert echo.seen == []

    def test_end_with_the_session(self, simulation: Simulation, echo: Echo) -> None:
        browser = signed_in(simulation)

        async def stays(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await asyncio.sleep(3600)

        simulation.clock.forward(minutes=19, seconds=59.95)
        assert open_socket(simulation, browser, stays) == [{"type": "websocket.accept"}, *CLOSED]

    def test_end_when_she_signs_out_elsewhere_in_her_browser(
        self, simulation: Simulation, echo: Echo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sp_shire.adapters.asgi.LOOK_AGAIN", 0.02)
        browser = signed_in(simulation)
        told: list[str] = []

        def sign_out() -> None:
            page = browser.get(f"{simulation.origin('library')}/ostiary/logout")
            browser.submit(page, {"scope": "here"}, having="scope")

        async def stays(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await asyncio.sleep(0.1)
            told.append("she is still here")
            try:
                # Its end may be seen before the page that says so is there.
                await asyncio.to_thread(sign_out)
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                told.append("she is not")
                raise

        assert open_socket(simulation, browser, stays) == [{"type": "websocket.accept"}, *CLOSED]
        assert told == ["she is still here", "she is not"]


@pytest.fixture
def soon_idle(state: Path) -> None:
    """Must come before ``simulation``."""
    configure(state / "library" / "sp.yaml", websockets="by_rule", sessions={"idle": "15m"})


@pytest.mark.usefixtures("soon_idle")
def test_an_open_websocket_puts_no_end_of_a_session_off(
    simulation: Simulation, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp_shire.adapters.asgi.LOOK_AGAIN", 0.02)
    browser = signed_in(simulation)

    async def stays(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        simulation.clock.forward(minutes=14)
        await asyncio.sleep(0.1)
        await send({"type": "websocket.send", "text": "still here"})
        simulation.clock.forward(minutes=1)
        await asyncio.sleep(3600)

    said = [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "still here"}]
    assert open_socket(simulation, browser, stays) == [*said, *CLOSED]
