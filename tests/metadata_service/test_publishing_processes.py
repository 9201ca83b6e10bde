"""Processes: one that is killed while it writes, two at once, one for each document; and pysaml2, which reads over HTTP."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from ostiary.command.metadata_child import MakeApart, publication_of
from ostiary.errors import Refusal, Unavailable
from tests.metadata_service.conftest import NOW, ODD, MakeService, Service
from tests.metadata_service.pysaml2_reader import store
from tests.running_demo import free_base_port

IDP1, IDP2, SP1 = "https://idp1.example/saml", "https://idp2.example/saml", "https://sp1.example/saml"


@pytest.fixture
def base(make_service: MakeService) -> Iterator[str]:
    """The service over HTTP; its base URL."""
    port = free_base_port(1)
    # pysaml2 asks the clock of the machine whether metadata has ended.
    service = make_service(public_url=f"http://127.0.0.1:{port}", now=datetime.now(UTC))
    service.publisher.publish_due()
    server = make_server("127.0.0.1", port, service.app, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """The log of the service says enough."""


def test_pysaml2_reads_the_published_documents(base: str) -> None:
    for path, expected in (("/all.xml", {IDP1, IDP2, SP1, ODD}), ("/role/idp.xml", {IDP1, IDP2, ODD})):
        known = store()
        known.load("remote", url=base + path)
        assert set(known.keys()) == expected
        assert known.service(IDP1, "idpsso_descriptor", "single_sign_on_service")


def test_pysaml2_asks_for_single_entities(base: str) -> None:
    known = store()
    known.load("mdq", url=base)
    assert known[IDP1]["entity_id"] == IDP1
    assert known[SP1]["spsso_descriptor"]
    with pytest.raises(KeyError):
        known["https://nobody.example"]


def test_another_process_at_it_is_waited_for_by_nobody_who_serves(service: Service) -> None:
    before = service.get("/all.xml").data
    with (service.directory / "published" / ".state" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        service.clock.at += timedelta(hours=2)
        assert not service.publisher.publish_due()
        assert service.get("/all.xml").data == before
    assert service.publisher.publish_due()
    assert service.get("/all.xml").data != before


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.metadata_service.conftest import Service, NOW
from ostiary.federation.publish.publication import Made

class Killed(Service):
    def make(self, publication, path, now):
        path.write_bytes(b"<md:EntitiesDescriptor")
        os.kill(os.getpid(), signal.SIGKILL)

service = Killed.__new__(Killed)
service.directory, service.file = Path(sys.argv[1]), Path(sys.argv[1]) / "metadata.yaml"
from tests.metadata_service.conftest import Clock
import io
service.clock, service.stream = Clock(), io.StringIO()
from datetime import timedelta
service.clock.at = NOW + timedelta(hours=2)
service.app = service.started()
service.publisher.publish_due()
"""


def test_one_that_is_killed_while_it_writes_leaves_the_last_document_and_the_next_one_tidies_up(
    service: Service,
) -> None:
    published = service.directory / "published"
    last = (published / "all.xml").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(service.directory)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    leftovers = [path.name for path in published.iterdir() if path.name.startswith(".all.xml.")]
    assert len(leftovers) == 1
    assert (published / "all.xml").read_bytes() == last
    service.clock.at += timedelta(hours=2)
    service.publisher.publish_due()
    assert [path.name for path in published.iterdir() if path.name.startswith(".all.xml.")] == []
    assert len(service.published()) == 4


def test_a_document_is_made_in_a_process_of_its_own(service: Service) -> None:
    _, publication = publication_of(service.file, "metadata", "role/idp")
    path = service.directory / "made.xml"
    made = MakeApart(service.file, "metadata")(publication, path, NOW)
    assert (made.entities, made.left_out, [source.entities for source in made.sources]) == (3, 0, [4])
    assert path.read_bytes().count(b"<md:EntityDescriptor") == 3


def test_what_is_wrong_in_that_process_is_told_as_if_it_were_wrong_here(service: Service) -> None:
    _, publication = publication_of(service.file, "metadata", "all")
    (service.directory / "source.xml").write_bytes(b"nothing")
    with pytest.raises(Refusal) as refused:
        MakeApart(service.file, "metadata")(publication, service.directory / "made.xml", NOW)
    assert refused.value.code == "metadata.file"
    assert refused.value.params["file"].endswith("source.xml")


def test_a_process_that_ends_without_a_word_is_told(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    _, publication = publication_of(service.file, "metadata", "all")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Unavailable) as refused:
        MakeApart(service.file, "metadata")(publication, service.directory / "made.xml", NOW)
    assert refused.value.code == "publish.apart"


def test_the_timer_publishes_by_itself(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.federation.publish.publisher.FIRST_LOOK_SECONDS", 0.01)
    monkeypatch.setattr("ostiary.federation.publish.publisher.LOOK_EVERY_SECONDS", 0.01)
    service = make_service()
    looked: list[Any] = []

    def before() -> None:
        looked.append(None)
        if len(looked) == 1:
            # A defect of any kind does not end the timer.
            raise RuntimeError("a defect")

    service.publisher.start(before)
    deadline = time.monotonic() + 10
    while len(service.events("published")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    service.publisher.stop()
    assert service.published("role/idp") == {IDP1, "https://idp2.example/saml", ODD}
    assert [one["kind"] for one in service.events("publisher_failed")] == ["RuntimeError"]


def test_keys_that_can_not_be_read_change_nothing(service: Service) -> None:
    last = service.get("/all.xml").data
    key = service.directory / "keys" / "current.key"
    key.chmod(0o644)
    service.clock.at += timedelta(hours=2)
    with pytest.raises(Exception, match="private_file_mode"):
        service.publisher.publish_due()
    assert service.get("/all.xml").data == last
