"""The demo federation, which trusts a service provider made with pysaml2."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.pysaml2_peer import Pysaml2ServiceProvider
from tests.running_demo import RunningDemo


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Pysaml2ServiceProvider:
    return Pysaml2ServiceProvider(tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, peer: Pysaml2ServiceProvider) -> Iterator[RunningDemo]:
    directory: Path = tmp_path_factory.mktemp("demo")
    running = RunningDemo(directory, "--trust", str(peer.metadata_file))
    yield running
    running.stop()
