"""What operators see of the sources of metadata: the status pages of IdP, resource and WAYF, the log; and the thread that
refreshes: one for a machine, none before a fork, and no request waits for it."""

import gc
import io
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from idp.operate.status import Status
from ostiary.command.discovery import make_discovery
from ostiary.command.watched import LOOK_NOW, Watching
from ostiary.command.wording import catalogue
from ostiary.errors import Refusal
from ostiary.federation.keys import create_key_ring
from ostiary.federation.registry import SourceReport
from ostiary.federation.sources.living import IndexedMetadata, open_metadata
from ostiary.web.log import make_log
from ostiary.web.metadata_log import trusted_metadata
from ostiary.web.status import metadata_lines
from tests.federation.entities import aggregate
from tests.metadata_sources.servers_that_misbehave import Server, reply, serving
from tests.metadata_sources.trusting import Service, certificate
from tests.saml.world import IDP, NOW, signer


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(reply(body=aggregate(), ETag='"1"')) as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, server: Server) -> Service:
    return Service(tmp_path, [{"url": server.url, "trusted_certificates": [certificate(tmp_path)]}])


def test_the_log_tells_each_change_once(service: Service, server: Server) -> None:
    out = io.StringIO()
    metadata = trusted_metadata(
        service.settings(), service.clock, make_log(service.clock, service="test", stream=out), refresh=False
    )
    if not isinstance(metadata, IndexedMetadata):
        pytest.fail("no index")
    server.answer = reply(body=aggregate(by=signer("rsa", "somebody")))
    for _ in range(3):
        service.clock.forward(hours=6)
        metadata.refresh_now()
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["event"], first["source"], first["entities"], first["added"]) == (
        "metadata_refreshed",
        server.url,
        2,
        2,
    )
    assert (second["event"], second["level"], second["source"]) == ("metadata_refused", "error", server.url)
    assert second["code"].startswith("signature.")


def until(condition, seconds: float = 10) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("it did not happen")
        time.sleep(0.02)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ostiary-metadata"]


def test_the_background_refreshes_and_a_request_never_waits_for_it(service: Service, server: Server) -> None:
    metadata = open_metadata(service.settings(), service.clock)
    assert threads() == []
    metadata.registry()
    (thread,) = threads()
    asked = threading.Event()
    answered = threading.Event()

    def slowly(connection, request: str) -> None:  # type: ignore[no-untyped-def]
        asked.set()
        answered.wait(10)
        reply(body=aggregate(by=signer("rsa", "somebody")))(connection, request)

    server.answer = slowly
    service.clock.forward(hours=6)
    metadata.look_now()
    assert asked.wait(10)
    assert metadata.registry().idp(IDP, service.clock.at) is not None
    answered.set()

    def alarmed() -> bool:
        service.clock.forward(seconds=2)
        return any(report.problem is not None for report in metadata.reports())

    until(alarmed)
    assert metadata.registry().idp(IDP, service.clock.at) is not None
    metadata.close()
    until(lambda: not thread.is_alive())


def test_an_operator_who_asks_for_it_need_not_wait_for_the_turn_of_a_source(service: Service, server: Server) -> None:
    metadata = open_metadata(service.settings(), service.clock)
    metadata.registry()
    assert len(server.asked) == 1
    metadata.look_now()
    until(lambda: len(server.asked) == 2)
    metadata.close()


def test_a_process_that_serves_refreshes_before_anybody_asks_anything(service: Service) -> None:
    watching = Watching(service.clock, make_log(service.clock, service="test", stream=io.StringIO()))
    registry = watching.registry(service.settings())
    assert threads() == []
    watching.begin()
    (thread,) = threads()
    del registry, watching
    gc.collect()
    until(lambda: not thread.is_alive())


def test_what_is_dropped_ends_its_thread(service: Service) -> None:
    metadata = open_metadata(service.settings(), service.clock)
    metadata.registry()
    (thread,) = threads()
    del metadata
    until(lambda: not thread.is_alive())


_HOLDS_THE_LOCK = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_of_a_machine_refreshes_and_another_takes_over_when_it_dies(
    service: Service, server: Server
) -> None:
    first = open_metadata(service.settings(), service.clock)
    first.registry()
    locks = service.directory / "state"
    until(lambda: list(locks.glob("refresh-*.lock")))
    first.close()
    (lock,) = locks.glob("refresh-*.lock")
    with subprocess.Popen(
        [sys.executable, "-S", "-c", _HOLDS_THE_LOCK, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        server.answer = reply("304 Not Modified")
        service.clock.forward(hours=6)
        metadata = open_metadata(service.settings(), service.clock)
        metadata.registry()
        metadata.look_now()
        time.sleep(0.1)
        assert len(server.asked) == 1
        other.kill()

    def refreshed() -> bool:
        metadata.look_now()
        return len(server.asked) == 2

    until(refreshed)
    metadata.close()


def test_a_forked_worker_refreshes_by_itself(service: Service) -> None:
    metadata = open_metadata(service.settings(), service.clock)
    with warnings.catch_warnings():
        # The threads of the test itself; what is under test has none yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        metadata.registry()
        found = metadata.registry().idp(IDP, NOW) is not None
        os._exit(0 if found and len(threads()) == 1 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert threads() == []


REFUSED = SourceReport(
    "https://federation.example/metadata",
    7,
    4,
    3,
    NOW,
    kind="url",
    left_out=2,
    scopes_dropped=5,
    last_success=NOW,
    last_attempt=NOW,
    next_attempt=NOW,
    problem=Refusal("metadata.shrunk", expected="4 or more", found="1"),
)


def test_the_identity_provider_says_that_something_waits_for_the_operator() -> None:
    (line,) = metadata_lines([REFUSED], catalogue())
    well = Status("1", NOW, NOW, (), (replace(line, problem=None),), (), (), (), 0, None)
    assert (well.good, replace(well, metadata=(line,)).good) == (True, False)


def test_the_discovery_service_has_a_status_for_its_operators_alone(service: Service, server: Server) -> None:
    create_key_ring(service.directory / "wayf-keys", "wayf.example", now=NOW)
    config = {
        "public_url": "http://localhost:8080",
        "listen": {"port": 8080},
        "federation_name": "https://federation.example",
        "trust": {"keys": "wayf-keys", "state": "wayf-state", "metadata": service.sources},
    }
    (service.directory / "wayf.yaml").write_text(json.dumps(config))
    out = io.StringIO()
    log = make_log(service.clock, service="wayf", stream=out)
    app = make_discovery(service.directory / "wayf.yaml", clock=service.clock, log=log)
    client = app.test_client()
    here = {"Host": "localhost:8080"}
    good = client.get("/status?format=json", headers=here)
    assert good.json is not None
    assert (good.status_code, good.json["good"], good.json["metadata"][0]["entities"]) == (200, True, 2)
    server.answer = reply("500 Oops")
    service.clock.forward(hours=6)
    app.extensions[LOOK_NOW]()
    until(lambda: "metadata_refused" in out.getvalue())
    service.clock.forward(seconds=2)
    page = client.get("/status?format=html", headers=here)
    assert page.status_code == 200
    assert "fetch.status" in page.text
    assert server.url in page.text
    away = client.get("/status", headers=here, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert (away.status_code, server.url in away.text) == (404, False)
