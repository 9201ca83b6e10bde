"""A real nginx asks before it serves: the block of docs/forward-auth.md, with the demo as federation and a plain program behind it."""

import json
import os
import re
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
from tests.docs.test_documents_work_as_written import ENVIRONMENT, blocks, commands, run
from tests.running_demo import RunningDemo, free_base_port

pytestmark = pytest.mark.e2e

PAGE = "docs/protect-your-application.md"


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
    """The protected site behind nginx, and the demo that vouches for people."""

    url: str
    demo: RunningDemo
    answering: subprocess.Popen[bytes]

    def get(self, path: str, browser: Browser | None = None, **headers: str) -> Answer:
        """Follows nothing."""
        return (browser or Browser(HttpTransport())).request("GET", self.url + path, headers=headers)

    def enter(self, username: str, path: str) -> tuple[Browser, Answer]:
        """From a page of the site through discovery and login at the first home, back to it."""
        home = self.demo.ready["idp"][0]
        [password] = [user["password"] for user in home["users"] if user["username"] == username]
        browser = Browser(HttpTransport())
        page = browser.submit(browser.get(self.url + path), {"choice": home["entity_id"]}, having="choice")
        page = browser.submit(page, {"username": username, "password": password}, having="password")
        return browser, browser.submit(page, having="SAMLResponse")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("nginx")
    port = free_base_port(4)
    ports = {"8080": port, "8081": port + 1, "8082": port + 2}
    settings, accept, access = blocks(PAGE, "yaml")
    (directory / "sp.yaml").write_text(settings.replace(":8080", f":{port}"))
    (directory / "accept.yaml").write_text(accept)
    (directory / "access.yaml").write_text(access)
    for name in ("federation.xml", "federation.crt"):
        (directory / name).touch()
    create, *_, metadata = [
        command for command in commands(PAGE) if "keys create" in command or "metadata sp" in command
    ]
    run(create, directory)
    (directory / "federation.crt").write_bytes((directory / "keys" / "current.crt").read_bytes())
    (directory / "members.xml").write_text(run(metadata, directory))
    demo = RunningDemo(directory, "--trust", str(directory / "members.xml"))
    federation = demo.state / "federation"
    (directory / "federation.xml").write_bytes((federation / "metadata.xml").read_bytes())
    (directory / "federation.crt").write_bytes((federation / "keys" / "current.crt").read_bytes())
    text = (directory / "sp.yaml").read_text()
    text = re.sub(r"discovery_url: \S+", f"discovery_url: {demo.ready['wayf']['url'].partition('?')[0]}", text)
    (directory / "sp.yaml").write_text(text)
    backend = ThreadingHTTPServer(("127.0.0.1", ports["8082"]), Told)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    [serve] = commands("docs/forward-auth.md")
    words = [str(ports.get(word, word)) for word in serve.split()]
    answering = subprocess.Popen(
        [sys.executable, "-m", "ostiary.command", *words[1:]], cwd=directory, env=ENVIRONMENT, start_new_session=True
    )
    nginx = subprocess.Popen(["nginx", "-p", directory, "-c", _nginx(directory, ports)])
    try:
        _await(f"http://127.0.0.1:{ports['8081']}/ostiary/metadata")
        _await(f"http://127.0.0.1:{port}/")
        yield Site(f"http://127.0.0.1:{port}", demo, answering)
    finally:
        for process in (nginx, answering):
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        backend.shutdown()
        backend.server_close()
        demo.stop()


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
    answer = site.get("/members/list?a=1&b=2", Accept="text/html")
    assert answer.status == 302
    assert answer.header("Location") == f"{site.url}/ostiary/login?target=%2Fmembers%2Flist%3Fa%3D1%26b%3D2"


@pytest.mark.parametrize("target", ["/members/list#", "/members#/list", "/#/members/list"])
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
    _, answer = site.enter("alice", "/members/list?a=1&b=2")
    told = json.loads(answer.text)
    assert told["path"] == "/members/list?a=1&b=2"
    assert "member@northgate.example" in told["headers"]["affiliation"].split(";")
    assert told["headers"]["ostiary-idp"] == site.demo.ready["idp"][0]["entity_id"]


def test_what_a_client_says_about_itself_never_reaches_the_application(site: Site) -> None:
    forged = {"Affiliation": "president@northgate.example", "Ostiary-Idp": "https://evil.example"}
    told = json.loads(site.get("/about", **forged).text)
    assert {"affiliation", "ostiary-idp"} & set(told["headers"]) == set()
    browser, _ = site.enter("alice", "/members/")
    told = json.loads(site.get("/members/", browser, **forged).text)
    assert "president" not in told["headers"]["affiliation"]


@pytest.mark.parametrize("name", ["X-Original-URI", "X-Original-Method", "X-Forwarded-Uri", "X_Original_URI"])
def test_a_client_does_not_choose_which_page_is_asked_about(site: Site, name: str) -> None:
    answer = site.get("/members/", Accept="text/html", **{name: "/about"})
    assert (answer.status, "path" in answer.text) == (302, False)


def test_whom_the_rules_refuse_sees_why(site: Site) -> None:
    home = site.demo.ready["idp"][0]
    refused = next(user["username"] for user in home["users"] if user["username"] == "carol")
    _, answer = site.enter(refused, "/members/")
    assert (answer.status, "members of the participating universities" in answer.text) == (403, True)


def test_when_ostiary_does_not_answer_nothing_passes(site: Site) -> None:
    browser, _ = site.enter("alice", "/members/")
    os.killpg(site.answering.pid, signal.SIGSTOP)
    try:
        pool = urllib3.PoolManager(retries=False, timeout=2)
        with pytest.raises(urllib3.exceptions.HTTPError):
            pool.request("GET", site.url + "/members/")
    finally:
        os.killpg(site.answering.pid, signal.SIGCONT)
    assert site.get("/members/", browser).status == 200
