"""A web server asks whether a request may pass: what it is told, and that nobody speaks for it."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE
from ostiary.saml.ecp import PAOS_HEADER, PAOS_TYPE
from sp_shire.adapters.forward_auth import SERVERS, ForwardAuth, Server
from tests.browser import Browser
from tests.flows.test_asgi_applications import exchange
from tests.simulator import BASE_PORT, Simulation, configure


def ask(
    simulation: Simulation,
    browser: Browser | None,
    *,
    server: Server = "nginx",
    at: str = "/check",
    uri: str = "/library/",
    method: str = "GET",
    more: tuple[tuple[str, str], ...] = (),
) -> tuple[int, dict[str, str], str]:
    """What the server is told about a request of this browser: status, headers, body."""
    host = simulation.origin("library").partition("://")[2]
    headers = [("accept", "text/html"), *more]
    if server == "nginx":
        headers += [("host", host), ("x-original-uri", uri), ("x-original-method", method)]
    else:
        headers += [("host", "127.0.0.1:9"), ("x-forwarded-host", host)]
        headers += [("x-forwarded-uri", uri), ("x-forwarded-method", method)]
    if browser is not None:
        site = urlsplit(simulation.origin("library")).hostname
        cookie = "; ".join(f"{name}={value}" for (known, name), value in browser.cookies.items() if known == site)
        headers.append(("cookie", cookie))
    return answer_of(simulation, server, at, headers)


def answer_of(
    simulation: Simulation, server: Server, at: str, headers: list[tuple[str, str]]
) -> tuple[int, dict[str, str], str]:
    scope = {
        "type": "http",
        "method": "GET",
        "path": at,
        "query_string": b"",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
    }
    application = ForwardAuth(simulation.shires["library"], server=server)
    start, body = asyncio.run(exchange(application, scope, [{"type": "http.request"}]))
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], found, body["body"].decode()


@pytest.fixture
def alice(simulation: Simulation) -> Browser:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    return browser


@pytest.mark.parametrize("server", SERVERS)
def test_somebody_with_a_session_passes_and_the_server_is_told_who_she_is(
    simulation: Simulation, alice: Browser, server: Server
) -> None:
    for at in ("/check", "/page"):
        status, headers, body = ask(simulation, alice, server=server, at=at)
        assert (status, body) == (200, "")
        assert headers["ostiary-idp"] == NORTHGATE.entity_id
        # Nothing to say is said, too: it takes away what the client sent under that name.
        assert headers["remote-user"] == ""


@pytest.mark.parametrize("server", SERVERS)
def test_without_a_session_nginx_learns_where_to_log_in_and_others_send_the_browser_there(
    simulation: Simulation, server: Server
) -> None:
    status, headers, body = ask(simulation, None, server=server, uri="/library/shelf?a=1&b=2")
    assert (status, body) == (401, "")
    location = urlsplit(headers["location"])
    assert (location.path, parse_qs(location.query)) == ("/ostiary/login", {"target": ["/library/shelf?a=1&b=2"]})
    assert "set-cookie" not in headers
    status, headers, _ = ask(simulation, None, server=server, at="/page", uri="/library/shelf?a=1&b=2")
    assert status == 302
    assert headers["location"].startswith(simulation.layout.wayf_url)


def test_whom_the_rules_refuse_is_refused_and_the_page_says_why(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "carol")
    assert ask(simulation, browser)[0] == 403
    status, _, page = ask(simulation, browser, at="/page")
    assert (status, "open to members" in page) == (403, True)


def test_a_page_that_is_not_protected_is_open_to_everybody(simulation: Simulation) -> None:
    status, headers, _ = ask(simulation, None, uri="/")
    assert (status, headers["ostiary-idp"]) == (200, "")


@pytest.mark.parametrize(
    "uri",
    [
        "/library/../",
        "/library/%2e%2e/",
        "/x/..%2flibrary/",
        "/library/%00",
        "library/",
        "",
        "http://a/library/",
        "/library#/",
        "/library/#a",
        "/#/library/",
        "/library?a#b",
    ],
)
def test_a_path_that_hides_where_it_leads_does_not_pass(simulation: Simulation, alice: Browser, uri: str) -> None:
    assert ask(simulation, alice, uri=uri)[0] == 400


@pytest.mark.parametrize(
    "forged",
    [
        ("x-original-uri", "/"),
        ("X_Original_URI", "/"),
        ("x_original-uri", "/"),
        ("x-original-method", "OPTIONS"),
        ("host", "evil.example"),
    ],
)
def test_a_client_that_speaks_for_the_server_is_refused(simulation: Simulation, forged: tuple[str, str]) -> None:
    assert ask(simulation, None, more=(forged,))[0] == 400


@pytest.mark.parametrize("name", ["Ostiary_Idp", "OSTIARY_IDP", "remote_user", "Ostiary.Idp"])
def test_another_spelling_of_a_name_of_ours_does_not_pass(simulation: Simulation, alice: Browser, name: str) -> None:
    assert ask(simulation, alice, more=((name, "https://northgate.example/idp"),))[0] == 400


def test_a_name_that_the_server_replaces_by_ours_passes(simulation: Simulation, alice: Browser) -> None:
    status, headers, _ = ask(simulation, alice, more=(("Ostiary-Idp", "https://evil.example/idp"),))
    assert (status, headers["ostiary-idp"]) == (200, "https://northgate.example/idp")


@pytest.mark.parametrize("server", ["caddy", "traefik"])
def test_names_of_another_kind_of_server_say_nothing(simulation: Simulation, server: Server) -> None:
    others = (("x-original-uri", "/"), ("x-original-method", "GET"))
    assert ask(simulation, None, server=server, more=others)[0] == 401
    assert ask(simulation, None, more=(("x-forwarded-uri", "/"),))[0] == 401


def test_without_the_original_request_nothing_passes(simulation: Simulation, alice: Browser) -> None:
    assert answer_of(simulation, "nginx", "/check", [("host", "127.0.0.1:1")])[0] == 400
    assert answer_of(simulation, "nginx", "/library/", [("host", "127.0.0.1:1")])[0] == 404


def test_the_handlers_answer_for_themselves(simulation: Simulation, alice: Browser) -> None:
    host = simulation.origin("library").partition("://")[2]
    status, headers, _ = answer_of(simulation, "nginx", "/ostiary/metadata", [("host", host)])
    assert (status, headers["content-type"]) == (200, "application/samlmetadata+xml")


def test_values_beyond_ascii_are_percent_encoded(state: Any, request: pytest.FixtureRequest) -> None:
    configure(state / "library" / "sp.yaml", environ={"displayName": "DISPLAY_NAME"})
    release = state / "northgate" / "release.yaml"
    names = "policies: [{id: names, for: {anyone: true}, rules: [{id: all, permit: '*'}]}]"
    release.write_text(names)
    simulation: Simulation = request.getfixturevalue("simulation")
    with simulation.directory(NORTHGATE) as directory:
        person = directory.find("alice")
        directory.set_attributes(person.principal, {"displayName": ["Zoë 100%"]}, at=simulation.clock.now(), by="test")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    assert ask(simulation, browser)[1]["display-name"] == "Zo%C3%AB 100%25"


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("at", ["/check", "/page"])
def test_what_the_resource_says_itself_is_never_taken_for_a_permission(
    simulation: Simulation, server: Server, at: str
) -> None:
    """To the web server 200 means that somebody may pass; a program that speaks ECP would be answered with 200 and a message."""
    speaks = (("accept", f"text/html, {PAOS_TYPE}"), ("paos", PAOS_HEADER))
    for browser in (None, simulation.browser()):
        status, headers, body = ask(simulation, browser, server=server, at=at, more=speaks)
        assert (status, body) == (401 if at == "/check" else 302, "")
        assert "ostiary-idp" not in headers
        assert headers["location"] == "http://127.0.0.1:20005/ostiary/login?target=%2Flibrary%2F"


@pytest.mark.parametrize("server", SERVERS)
def test_a_form_that_begins_a_login_is_fetched_where_logins_begin(state: Path, server: Server) -> None:
    """An AuthnRequest by HTTP-POST is a page with a form, status 200."""
    layout = Layout(state, BASE_PORT)
    login = {"request_binding": "post"}
    only = {"discovery_url": None, "identity_provider": NORTHGATE.entity_id}
    configure(layout.directory("library") / "sp.yaml", login=login, **only)
    simulation = Simulation(state)
    try:
        assert ask(simulation, None, server=server)[0] == 401
        status, headers, _ = ask(simulation, simulation.browser(), server=server, at="/page")
        assert (status, headers["location"]) == (302, "http://127.0.0.1:20005/ostiary/login?target=%2Flibrary%2F")
        page = simulation.browser().get(headers["location"])
        assert (page.status, "SAMLRequest" in page.text) == (200, True)
    finally:
        simulation.close()
