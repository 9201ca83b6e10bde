"""Kerberos for real: a KDC of MIT, the identity provider as a process of its own with a keytab, and curl as the browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE
from tests.browser import Browser, HttpTransport, forms_of
from tests.e2e.kdc import Kdc
from tests.running_demo import free_base_port
from tests.simulator import configure

pytestmark = pytest.mark.e2e

TOKEN_SCRIPT = """
import base64, sys, gssapi
context = gssapi.SecurityContext(
    name=gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service),
    mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"),
    usage="initiate",
)
sys.stdout.write(base64.b64encode(context.step()).decode())
"""


@dataclass
class Place:
    """The identity provider at ``url``, and the realm."""

    kdc: Kdc
    url: str
    log: Path

    def curl(self, environment: dict[str, str], path: str, jar: Path, *, follow: bool = True) -> str:
        """What curl prints, headers included, as a browser of this environment."""
        command = ["curl", "-s", "-i", "--negotiate", "-u", ":", "-b", str(jar), "-c", str(jar)]
        command += [*(["-L"] if follow else []), path if path.startswith("http") else self.url + path]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("kerberos")
    base = free_base_port(10)
    kdc = Kdc(directory / "kdc", base + 9)
    log = directory / "idp.log"
    try:
        for name in ("alice", "eve", "alice/admin"):
            kdc.add(name, f"{name}-in-the-realm")
        layout = Layout(directory / "state", base)
        prepare(layout, [], now=datetime.now(UTC))
        home = layout.directory(NORTHGATE.key)
        kdc.add_service("HTTP/localhost", home / "http.keytab")
        methods = [
            {"type": "password"},
            {
                "type": "kerberos",
                "keytab": "http.keytab",
                "service": "HTTP/localhost",
                "realms": {"EXAMPLE.ORG": "{name}"},
                "networks": ["127.0.0.0/8"],
            },
        ]
        configure(home / "idp.yaml", login={"methods": methods})
        command = [sys.executable, "-m", "ostiary.command", "serve", "idp", "--config", str(home / "idp.yaml")]
        with log.open("wb") as output:
            idp = subprocess.Popen(
                [*command, "--authority", str(home / "aa.yaml")],
                env=kdc.environment,
                stdout=output,
                stderr=output,
                cwd=os.getcwd(),
            )
        try:
            _wait_for(layout.idp_port(NORTHGATE), idp, log)
            yield Place(kdc, layout.idp_url(NORTHGATE), log)
        finally:
            idp.send_signal(signal.SIGTERM)
            idp.wait(timeout=30)
    finally:
        kdc.stop()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise RuntimeError(log.read_text())


def login_address(place: Place, environment: dict[str, str], jar: Path) -> str:
    """Where a browser is sent that opens a page without being logged in."""
    answer = place.curl(environment, "/account/sessions", jar, follow=False)
    found = re.search(r"(?mi)^location: (\S+)", answer)
    assert found is not None, answer
    return found[1].replace("/login?", "/login/negotiate?")


def status_of(answer: str) -> str:
    return re.findall(r"(?m)^HTTP/1\.1 (\d{3})", answer)[-1]


def test_who_has_a_ticket_is_signed_in_without_a_form(place: Place, tmp_path: Path) -> None:
    alice = place.kdc.log_in("alice", "alice-in-the-realm")
    answer = place.curl(alice, "/account/sessions", tmp_path / "jar")
    # To the login, to Kerberos, back to the page, and the page; curl shows its ticket without waiting for the challenge.
    assert re.findall(r"(?m)^HTTP/1\.1 (\d{3})", answer) == ["303", "303", "303", "200"]
    # The service proved itself in turn.
    assert re.search(r"(?mi)^www-authenticate: Negotiate [A-Za-z0-9+/]{40,}", answer)
    home = place.curl(place.kdc.nobody(), "/", tmp_path / "jar")
    assert "alice" in home


def test_who_has_none_finds_the_form_at_once_and_it_works(place: Place, tmp_path: Path) -> None:
    answer = place.curl(place.kdc.nobody(), "/account/sessions", tmp_path / "jar")
    assert status_of(answer) == "401"
    assert re.search(r"(?mi)^www-authenticate: Negotiate\s*$", answer)
    assert 'name="password"' in answer
    transport = HttpTransport()
    browser = Browser(transport)
    page = browser.get(place.url + "/account/sessions")
    assert page.status == 401
    assert any(form.has("password") for form in forms_of(page))
    done = browser.submit(page, {"username": "alice", "password": "alice-opens-doors"}, having="password")
    transport.close()
    assert done.status == 200


@pytest.mark.parametrize(("name", "told"), [("eve", "no account here"), ("alice/admin", "no account here")])
def test_a_principal_that_is_nobody_here_does_not_get_in(place: Place, tmp_path: Path, name: str, told: str) -> None:
    answer = place.curl(place.kdc.log_in(name, f"{name}-in-the-realm"), "/account/sessions", tmp_path / "jar")
    assert status_of(answer) == "401"
    assert told in answer
    assert "Sign in another way" in answer


def test_a_ticket_is_good_for_one_login(place: Place, tmp_path: Path) -> None:
    """Shown again by somebody who saw it pass, it proves nothing."""
    alice = place.kdc.log_in("alice", "alice-in-the-realm")
    token = subprocess.run(
        [sys.executable, "-c", TOKEN_SCRIPT], env=alice, check=True, capture_output=True, text=True
    ).stdout
    header = {"Authorization": f"Negotiate {token}"}
    answers = []
    for number in range(2):
        jar = tmp_path / f"jar{number}"
        nobody = place.kdc.nobody()
        address = login_address(place, nobody, jar)
        command = [
            "curl",
            "-s",
            "-i",
            "-b",
            str(jar),
            "-c",
            str(jar),
            "-H",
            f"Authorization: {header['Authorization']}",
        ]
        answers.append(
            subprocess.run([*command, address], env=nobody, check=True, capture_output=True, text=True).stdout
        )
    assert [status_of(answer) for answer in answers] == ["303", "401"]
    assert "Your Kerberos ticket could not be used." in answers[1]


def test_a_ticket_for_a_key_that_the_keytab_does_not_have_leads_back_to_the_form(place: Place, tmp_path: Path) -> None:
    """The last one: the key stays changed."""
    place.kdc.change_key("HTTP/localhost")
    alice = place.kdc.log_in("alice", "alice-in-the-realm")
    answer = place.curl(alice, "/account/sessions", tmp_path / "jar")
    assert status_of(answer) == "401"
    assert "Your Kerberos ticket could not be used." in answer
