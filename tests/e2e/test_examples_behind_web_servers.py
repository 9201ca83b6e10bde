"""examples/nginx, examples/caddy and examples/traefik, each with the real server, as its README starts it."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser import PAGE, Browser, HttpTransport
from tests.examples.places import Place, made_ready, serving

pytestmark = pytest.mark.e2e

SERVERS = ("nginx", "caddy", "traefik")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with made_ready(tmp_path_factory.mktemp("web-servers"), SERVERS) as ready:
        yield ready


@pytest.fixture(scope="module", params=SERVERS)
def notebook(request: pytest.FixtureRequest, places: dict[str, Place]) -> Iterator[Place]:
    with places[request.param].running(*started(request.param)) as place:
        yield place


def started(server: str) -> list[str]:
    """The commands of the README."""
    commands = serving(server)
    if os.geteuid() != 0:
        return commands
    # nginx's workers have to reach the directory, which is ours alone.
    return [command.replace("'daemon off;'", "'daemon off; user root root;'") for command in commands]


class Told(BaseHTTPRequestHandler):
    """An application that says which headers it was sent."""

    def do_GET(self) -> None:
        body = json.dumps([name.lower() for name in self.headers]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.mark.parametrize("server", SERVERS)
def test_no_header_that_some_server_takes_for_one_of_ours_reaches_the_application(
    server: str, places: dict[str, Place]
) -> None:
    place = places[server]
    commands = [command for command in started(server) if "notebook.py" not in command]
    with ThreadingHTTPServer(("127.0.0.1", place.port + 2), Told) as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        with place.running(*commands):
            browser, _ = place.log_in("/notebook/")
            forged = {**PAGE, "Ostiary_Idp": "https://evil.example", "OSTIARY_IDP": "https://evil.example"}
            answer = browser.get(f"{place.url}/notebook/", headers=forged)
        backend.shutdown()
    if server == "caddy":
        # It passes such names on to whom it asks, who refuses the request.
        assert answer.status == 400
        return
    folded = [name for name in json.loads(answer.body) if name.replace("_", "-") == "ostiary-idp"]
    assert folded == ["ostiary-idp"]


def visitor() -> Browser:
    return Browser(HttpTransport())


def test_who_signs_in_comes_back_to_her_page_and_the_application_learns_who_she_is(notebook: Place) -> None:
    _, page = notebook.log_in("/notebook/?page=3")
    assert (page.status, page.url) == (200, f"{notebook.url}/notebook/?page=3")
    assert "You are <strong>member@northgate.example</strong>, says https://northgate.example/idp." in page.text


def test_who_is_no_member_sees_why_she_stays_outside(notebook: Place) -> None:
    _, page = notebook.log_in("/notebook/", "carol")
    assert page.status == 403
    assert "The notebook is for members of the participating universities." in page.text


def test_what_is_not_protected_is_open(notebook: Place) -> None:
    page = visitor().get(f"{notebook.url}/")
    assert page.status == 200
    assert "You are <strong>a guest</strong>, says nobody." in page.text


@pytest.mark.parametrize("name", ["Affiliation", "affiliation", "AFFILIATION"])
def test_what_a_client_says_about_itself_never_reaches_the_application(notebook: Place, name: str) -> None:
    forged = {**PAGE, name: "president@northgate.example", "Ostiary-Idp": "https://evil.example"}
    assert "You are <strong>a guest</strong>, says nobody." in visitor().get(f"{notebook.url}/", headers=forged).text
    browser, _ = notebook.log_in("/notebook/")
    page = browser.get(f"{notebook.url}/notebook/", headers=forged)
    assert "You are <strong>member@northgate.example</strong>, says https://northgate.example/idp." in page.text


@pytest.mark.parametrize(
    "name", ["X-Original-URI", "X-Forwarded-Uri", "X_Forwarded_Uri", "X-Forwarded-Host", "X-Forwarded-Method"]
)
def test_a_client_does_not_choose_which_page_is_asked_about(notebook: Place, name: str) -> None:
    answer = visitor().request("GET", f"{notebook.url}/notebook/", headers={**PAGE, name: "/"})
    assert answer.status != 200
    assert "You are" not in answer.text


def test_a_program_without_a_session_gets_nothing(notebook: Place) -> None:
    answer = visitor().request("GET", f"{notebook.url}/notebook/", headers={"Accept": "application/json"})
    assert answer.status in (302, 401)
    assert "You are" not in answer.text


def test_who_signs_out_is_outside_again(notebook: Place) -> None:
    browser, _ = notebook.log_in("/notebook/")
    page = browser.get(f"{notebook.url}/ostiary/logout")
    assert browser.submit(page, having="scope").status == 200
    assert browser.request("GET", f"{notebook.url}/notebook/").status == 302
