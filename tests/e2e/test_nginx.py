"""A real nginx asks before it serves: the block of docs/forward-auth.md before a program that tells all that it was sent; `sp.yaml` and
policies are those of examples/nginx."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from tests.browser import Answer, Browser, HttpTransport
from tests.docs.test_documents_work_as_written import blocks, commands
from tests.examples.places import Place, environment, made_ready

pytestmark = pytest.mark.e2e


class Told(BaseHTTPRequestHandler):
    """Says which headers it was sent, and under which path."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@dataclass
class Site:
    """The protected site behind nginx."""

    place: Place
    answering: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return self.place.url

    def get(self, path: str, browser: Browser | None = None, **headers: str) -> Answer:
        """Follows nothing."""
        return (browser or Browser(HttpTransport())).request("GET", self.url + path, headers=headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with made_ready(tmp_path_factory.mktemp("nginx"), ["nginx"]) as places, contextlib.ExitStack() as stack:
        place = places["nginx"]
        port, directory = place.port, place.directory
        ports = {"8080": port, "8081": port + 1, "8082": port + 2}
        backend = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", ports["8082"]), Told))
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        stack.callback(backend.shutdown)
        [serve] = commands("docs/forward-auth.md")
        words = [str(ports.get(word, word)) for word in serve.split()]
        answering = subprocess.Popen(
            [sys.executable, "-m", "ostiary.command", *words[1:]],
            cwd=directory,
            env=environment(),
            start_new_session=True,
        )
        stack.callback(_stop, answering)
        stack.callback(_stop, subprocess.Popen(["nginx", "-p", directory, "-c", _nginx(directory, ports)]))
        _await(f"http://127.0.0.1:{ports['8081']}/ostiary/metadata")
        _await(f"http://127.0.0.1:{port}/")
        yield Site(place, answering)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def _nginx(directory: Path, ports: dict[str, int]) -> Path:
    [block] = blocks("docs/forward-auth.md", "nginx")
    for written, given in ports.items():
        block = block.replace(f":{written}", f":{given}")
    places = "".join(
        f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Its workers have to reach the directory, which is ours alone.
    user = "user root root;" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(
        f"{user} daemon off; pid {directory}/pid; error_log {directory}/error.log; events {{}}\n"
        f"http {{ {places} access_log off; server {{ listen 127.0.0.1:{ports['8080']};\n{block}}} }}\n"
    )
    return config


def _await(url: str) -> None:
    pool = urllib3.PoolManager(retries=False, timeout=5)
    for _ in range(300):
        try:
            pool.request("GET", url, redirect=False)
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} does not answer")


def test_nobody_passes_without_a_login(site: Site) -> None:
    answer = site.get("/notebook/list?a=1&b=2", Accept="text/html")
    assert answer.status == 302
    assert answer.header("Location") == f"{site.url}/ostiary/login?target=%2Fnotebook%2Flist%3Fa%3D1%26b%3D2"


@pytest.mark.parametrize("target", ["/notebook/list#", "/notebook#/list", "/#/notebook/list"])
def test_what_nginx_cuts_off_hides_no_page(site: Site, target: str) -> None:
    host = site.url.partition("//")[2]
    with socket.create_connection((host.partition(":")[0], int(host.partition(":")[2])), timeout=10) as raw:
        raw.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        with raw.makefile("rb") as answer:
            status, body = answer.readline(), answer.read()
    assert status.split()[1] == b"500"
    assert b'"path"' not in body


def test_what_is_not_protected_is_open(site: Site) -> None:
    answer = site.get("/about")
    assert (answer.status, json.loads(answer.text)["path"]) == (200, "/about")


def test_who_logs_in_comes_back_to_her_page_and_the_application_learns_who_she_is(site: Site) -> None:
    _, answer = site.place.log_in("/notebook/list?a=1&b=2")
    told = json.loads(answer.text)
    assert told["path"] == "/notebook/list?a=1&b=2"
    assert "member@northgate.example" in told["headers"]["affiliation"].split(";")
    assert told["headers"]["ostiary-idp"] == site.place.demo.ready["idp"][0]["entity_id"]


def test_what_a_client_says_about_itself_never_reaches_the_application(site: Site) -> None:
    forged = {"Affiliation": "president@northgate.example", "Ostiary-Idp": "https://evil.example"}
    told = json.loads(site.get("/about", **forged).text)
    assert {"affiliation", "ostiary-idp"} & set(told["headers"]) == set()
    browser, _ = site.place.log_in("/notebook/")
    told = json.loads(site.get("/notebook/", browser, **forged).text)
    assert "president" not in told["headers"]["affiliation"]


@pytest.mark.parametrize("name", ["X-Original-URI", "X-Original-Method", "X-Forwarded-Uri", "X_Original_URI"])
def test_a_client_does_not_choose_which_page_is_asked_about(site: Site, name: str) -> None:
    answer = site.get("/notebook/", Accept="text/html", **{name: "/about"})
    assert (answer.status, "path" in answer.text) == (302, False)


def test_whom_the_rules_refuse_sees_why(site: Site) -> None:
    _, answer = site.place.log_in("/notebook/", "carol")
    assert (answer.status, "members of the participating universities" in answer.text) == (403, True)


def test_when_ostiary_does_not_answer_nothing_passes(site: Site) -> None:
    browser, _ = site.place.log_in("/notebook/")
    os.killpg(site.answering.pid, signal.SIGSTOP)
    try:
        pool = urllib3.PoolManager(retries=False, timeout=2)
        with pytest.raises(urllib3.exceptions.HTTPError):
            pool.request("GET", site.url + "/notebook/")
    finally:
        os.killpg(site.answering.pid, signal.SIGCONT)
    assert site.get("/notebook/", browser).status == 200
