"""``ostiary demo`` as other people's scripts use it: separate processes, real sockets, the ready file, SIGTERM."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from ostiary.command.cli import ostiary
from ostiary.command.demo import run
from ostiary.saml.xml import METADATA, parse_xml
from tests.browser import Answer, Browser, HttpTransport
from tests.running_demo import RunningDemo, free_base_port


@dataclass(frozen=True)
class Ended:
    """A demo that ran in ``directory`` and was told to stop: the processes that it had, and its exit status."""

    directory: Path
    running: RunningDemo
    family: tuple[int, ...]
    status: int


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    directory = tmp_path_factory.mktemp("ended")
    running = RunningDemo(directory)
    children = psutil.Process(running.process.pid).children(recursive=True)
    return Ended(directory, running, (running.process.pid, *(child.pid for child in children)), running.stop())


@pytest.fixture
def browser() -> Iterator[Browser]:
    transport = HttpTransport()
    yield Browser(transport)
    transport.close()


def log_in(browser: Browser, demo: RunningDemo, sp: int, idp: int, user: int) -> Answer:
    home = demo.ready["idp"][idp]
    page = browser.get(demo.ready["sp"][sp]["url"])
    page = browser.submit(page, {"choice": home["entity_id"]}, having="choice")
    person = home["users"][user]
    page = browser.submit(page, {"username": person["username"], "password": person["password"]}, having="password")
    return browser.submit(page, having="SAMLResponse")


def test_the_ready_file_has_the_keys_that_scripts_rely_on(demo: RunningDemo) -> None:
    ready = demo.ready
    assert set(ready) == {"idp", "sp", "wayf", "voms", "federation", "ca_cert", "pid"}
    assert [set(home) for home in ready["idp"]] == [{"entity_id", "metadata", "sso", "users", "aa"}] * 2
    assert [set(resource) for resource in ready["sp"]] == [{"entity_id", "metadata", "url", "acs", "session"}] * 2
    assert set(ready["wayf"]) == {"url", "feed", "mdq"}
    assert all(set(user) == {"username", "password", "attributes"} for home in ready["idp"] for user in home["users"])
    assert all(set(home["aa"]) == {"entity_id", "soap"} for home in ready["idp"])
    assert ready["pid"] == demo.process.pid
    assert Path(ready["ca_cert"]).is_absolute()
    assert Path(ready["ca_cert"]).read_text().startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(("idp", "user"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_first_two_people_of_each_home_enter_the_library(
    demo: RunningDemo, browser: Browser, idp: int, user: int
) -> None:
    page = log_in(browser, demo, 0, idp, user)
    assert (page.status, page.url) == (200, demo.ready["sp"][0]["url"])
    session = json.loads(browser.get(demo.ready["sp"][0]["session"]).body)
    assert session["authenticated"] is True
    assert session["idp"] == demo.ready["idp"][idp]["entity_id"]
    home = demo.ready["idp"][idp]["users"][user]["attributes"]
    assert session["attributes"] == {"eduPersonScopedAffiliation": home["eduPersonScopedAffiliation"]}


def test_the_third_person_of_a_home_is_told_why_she_stays_outside(demo: RunningDemo, browser: Browser) -> None:
    page = log_in(browser, demo, 0, 0, 2)
    assert page.status == 403
    assert "The library is open to members of the participating universities." in page.text


def test_without_a_session_the_session_page_says_so(demo: RunningDemo, browser: Browser) -> None:
    answer = browser.get(demo.ready["sp"][0]["session"])
    assert (answer.status, json.loads(answer.body)) == (401, {"authenticated": False})


def test_every_metadata_address_gives_the_entity_that_it_is_for(demo: RunningDemo, browser: Browser) -> None:
    ready = demo.ready
    for entry in (*ready["idp"], *ready["sp"]):
        answer = browser.get(entry["metadata"])
        assert answer.status == 200
        assert parse_xml(answer.body, METADATA).get("entityID") == entry["entity_id"]
    aggregate = parse_xml(browser.get(ready["federation"]["aggregate"]).body, METADATA)
    assert len(aggregate.findall("{*}EntityDescriptor")) == 5
    feed = json.loads(browser.get(ready["wayf"]["feed"]).body)
    assert sorted(home["entityID"] for home in feed) == sorted(home["entity_id"] for home in ready["idp"])


def test_sigterm_to_the_named_process_stops_everything_and_takes_the_ready_file_away(ended: Ended) -> None:
    running, family = ended.running, ended.family
    assert len(family) >= 8
    assert ended.status == 0
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in family if psutil.pid_exists(pid)] == []
    assert not running.ready_file.exists()
    modes = {path.name: path.stat().st_mode & 0o777 for path in running.state.rglob("*.key")}
    assert {"current.key", "handle.key"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert running.state.stat().st_mode & 0o077 == 0


@pytest.fixture
def refused_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Gives these arguments to the demo, which refuses them before anything starts; returns what it says."""

    def never(*_: object) -> None:
        raise RuntimeError("something was started")

    monkeypatch.setattr(run, "Supervisor", never)

    def start(*arguments: str) -> str:
        told = CliRunner().invoke(ostiary, ["demo", "--state", str(tmp_path / "state"), *arguments])
        assert told.exit_code == 1
        assert isinstance(told.exception, SystemExit)
        assert not (tmp_path / "state").exists()
        return told.stderr

    return start


def test_a_port_that_is_taken_is_named_before_anything_starts(refused_start: Callable[..., str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refused_start("--base-port", str(port))
    assert f"Another program uses port {port} already." in told
    assert "serve.port" in told


@pytest.mark.parametrize("content", ["", "<not-metadata/>", "<!DOCTYPE x []><x/>"])
def test_metadata_to_trust_that_is_none_stops_the_start(
    tmp_path: Path, content: str, refused_start: Callable[..., str]
) -> None:
    (tmp_path / "partner.xml").write_text(content)
    told = refused_start("--base-port", str(free_base_port()), "--trust", str(tmp_path / "partner.xml"))
    assert "The metadata to trust could not be used." in told
    assert "Traceback" not in told


def test_a_second_demo_with_the_same_files_is_refused(demo: RunningDemo) -> None:
    command = [sys.executable, "-m", "ostiary.command", "demo", "--state", str(demo.state)]
    command += ["--base-port", str(free_base_port())]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 1
    assert f"Another demo runs with the files in {demo.state}." in finished.stderr
    log_in(Browser(transport := HttpTransport()), demo, 0, 0, 0)
    transport.close()


def test_a_release_policy_that_somebody_edited_is_kept(ended: Ended) -> None:
    edited, other = (ended.running.state / home / "release.yaml" for home in ("northgate", "southbank"))
    edited.write_text("policies: []\n")
    before, ports = other.read_text(), ended.running.ready["sp"][1]["url"]
    again = RunningDemo(ended.directory)
    again.stop()
    assert edited.read_text() == "policies: []\n"
    # Ours follows the ports of the new start.
    assert (other.read_text() == before) is (ports == again.ready["sp"][1]["url"])


def test_a_trusted_partner_joins_the_aggregate(
    tmp_path: Path, ended: Ended, demo: RunningDemo, browser: Browser
) -> None:
    partner = browser.get(demo.ready["sp"][0]["metadata"]).body.replace(
        b"https://library.example/shar", b"https://partner.example/sp"
    )
    (tmp_path / "partner.xml").write_bytes(partner)
    running = RunningDemo(ended.directory, "--trust", str(tmp_path / "partner.xml"))
    try:
        ready: dict[str, Any] = running.ready
        aggregate = browser.get(ready["federation"]["aggregate"]).text
        assert 'entityID="https://partner.example/sp"' in aggregate
    finally:
        running.stop()
