"""What `make bench` says of mod_shib: it really runs, refuses what it has to, and is gone afterwards."""

import tempfile
from pathlib import Path

import pytest

from bench import mod_shib
from bench.mod_shib import measure_mod_shib
from bench.resource import Resource, headers
from tests.shibboleth_server import ShibbolethServer

pytestmark = pytest.mark.interop


def test_both_tasks_are_measured_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ShibbolethServer] = []

    def make(port: int) -> ShibbolethServer:
        made.append(ShibbolethServer(port))
        return made[0]

    monkeypatch.setattr(mod_shib, "ShibbolethServer", make)
    with tempfile.TemporaryDirectory() as name:
        resource = Resource(Path(name))
        found = measure_mod_shib(resource.home, resource.metadata, headers, quick=True)
    assert {task: type(value) for task, value in found.items()} == {"request": float, "acceptance": float}, found
    assert min(found.values()) > 0
    [server] = made
    assert server.running == []
    assert not server.directory.exists()
