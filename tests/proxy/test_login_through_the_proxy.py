"""People log in, and reach an application that knows nothing of any of it, through the reverse proxy."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from jose import jwt

from sp_shire.proxy.application import protected
from sp_shire.proxy.backend import read_address
from tests.browser import Browser
from tests.flows.test_asgi_applications import AsWsgi
from tests.simulator import Simulation, configure

FORGED = {"Affiliation": "staff@evil.example", "OSTIARY_IDP": "https://evil.example", "Ostiary-Jwt": "e30.e30.e30"}


class _Legacy(http.server.BaseHTTPRequestHandler):
    """An application that can't be changed: it says what it was asked, and sets a cookie that is ours."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        told = {"line": self.requestline, "headers": [[k.lower(), v] for k, v in self.headers.items()], "body": body}
        content = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "legacy=1; Path=/")
        self.send_header("Set-Cookie", "ost-session-b43dc9a7=planted; Path=/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def legacy() -> Iterator[str]:
    """Its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Legacy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def alice(simulation: Simulation, legacy: str) -> Browser:
    """Somebody who is logged in at the library, which is that application behind the proxy."""
    simulation.start_all()
    configure(simulation.layout.directory("library") / "sp.yaml", jwt={"audience": "https://legacy.example"})
    shire = simulation.resource_node("library")
    proxy = protected(shire, read_address(legacy), simulation.log("proxy"))
    simulation.serve(simulation.origin("library"), AsWsgi(proxy))
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    return browser


def test_the_application_learns_who_she_is_from_headers_and_a_signed_token(
    simulation: Simulation, alice: Browser
) -> None:
    answer = alice.request("GET", simulation.url("library") + "shelf?a=%20b", headers=FORGED)
    told = json.loads(answer.text)
    headers = dict(told["headers"])
    assert told["line"] == "GET /library/shelf?a=%20b HTTP/1.1"
    assert len(headers) == len(told["headers"])
    assert headers["affiliation"] == "member@northgate.example;staff@northgate.example"
    assert headers["ostiary-idp"] == "https://northgate.example/idp"
    assert headers["x-forwarded-host"] == headers["host"] == "127.0.0.1:20005"
    assert "evil" not in answer.text
    keys = json.loads(alice.get(simulation.handler("library", "jwks")).text)
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(
        headers["ostiary-jwt"],
        keys["keys"][0],
        algorithms=["ES256"],
        audience="https://legacy.example",
        options=options,
    )
    assert claims["attributes"]["eduPersonScopedAffiliation"] == ["member@northgate.example", "staff@northgate.example"]


def test_no_cookie_of_ours_goes_to_the_application_and_none_comes_from_it(
    simulation: Simulation, alice: Browser
) -> None:
    before = {name: value for (_, name), value in alice.cookies.items() if name.startswith("ost-session")}
    told = dict(json.loads(alice.get(simulation.url("library")).text)["headers"])
    assert "legacy=1" in told["cookie"]
    assert "ost-" not in told["cookie"]
    after = {name: value for (_, name), value in alice.cookies.items() if name.startswith("ost-session")}
    assert before == after
    assert before


def test_a_stranger_reaches_nothing_that_is_protected_and_is_nobody_elsewhere(
    simulation: Simulation, alice: Browser
) -> None:
    stranger = simulation.browser()
    sent_off = stranger.request("GET", simulation.url("library"), headers=FORGED)
    assert (sent_off.status, simulation.layout.wayf_url in (sent_off.header("location") or "")) == (302, True)
    answer = stranger.request("GET", simulation.origin("library") + "/open", headers=FORGED)
    assert not {"affiliation", "ostiary-idp", "ostiary-jwt"} & dict(json.loads(answer.text)["headers"]).keys()
    assert "evil" not in answer.text


def test_a_form_reaches_the_application_as_it_was_sent(simulation: Simulation, alice: Browser) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = alice.request("POST", simulation.url("library"), headers=form, body=b"a=1&b=%C3%A9")
    told = json.loads(answer.text)
    assert (told["line"], told["body"]) == ("POST /library/ HTTP/1.1", "a=1&b=%C3%A9")


def test_when_the_application_is_down_the_page_says_so_in_plain_words(simulation: Simulation, alice: Browser) -> None:
    proxy = protected(simulation.shires["library"], read_address("http://127.0.0.1:1"), simulation.log("proxy"))
    simulation.serve(simulation.origin("library"), AsWsgi(proxy))
    answer = alice.get(simulation.origin("library") + "/open")
    assert answer.status == 502
    assert "The application behind this page does not answer at the moment." in answer.text
    assert "127.0.0.1:1" not in answer.text
    [line] = simulation.events("refused", service="library")
    assert (line["code"], line["reference"] in answer.text) == ("proxy.unreachable", True)


def test_when_the_application_is_down_the_same_page_can_be_tried_again_but_no_form(
    simulation: Simulation, alice: Browser
) -> None:
    proxy = protected(simulation.shires["library"], read_address("http://127.0.0.1:1"), simulation.log("proxy"))
    simulation.serve(simulation.origin("library"), AsWsgi(proxy))
    page = simulation.url("library")
    assert (
        f'<a class="button primary" href="{page}?q=a%26b&amp;r=1">Try once more</a>'
        in alice.get(f"{page}?q=a%26b&r=1").text
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = alice.request("POST", f"{page}?q=1", headers=form, body=b"a=1").text
    assert "Try once more" not in sent
    assert (
        f'<a class="button primary" href="{simulation.origin("library")}/library">Go to The Common Library</a>' in sent
    )
