"""The federation in memory, for every test that wants one: `simulation` is the test's own, `federation` is shared.

The simulator loads every service, so it is imported by those fixtures that need it.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

if TYPE_CHECKING:
    from tests.simulator import Simulation


@pytest.fixture(scope="session")
def state_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory that all others are copies of: made once, by whichever worker comes first."""
    from tests.simulator import make_template

    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    template, ready = base / "federation", base / "federation.ready"
    with (base / "federation.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            make_template(template)
            ready.touch()
    return template


@pytest.fixture
def state(state_template: Path, tmp_path: Path) -> Path:
    """A state directory of the test's own, to be changed before `simulation` starts."""
    from tests.simulator import prepared_state

    return prepared_state(state_template, tmp_path / "state")


@pytest.fixture
def simulation(state: Path) -> "Iterator[Simulation]":
    """The test's own federation: it may move the clock, change files and stop services."""
    from tests.simulator import Simulation

    simulated = Simulation(state)
    yield simulated
    simulated.close()


@pytest.fixture(scope="session")
def federation(state_template: Path, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Simulation]":
    """One federation for all tests of a worker that come with browsers of their own, and leave clock, files and services alone."""
    from tests.simulator import Simulation, prepared_state

    simulated = Simulation(prepared_state(state_template, tmp_path_factory.mktemp("shared") / "state"))
    yield simulated
    simulated.close()
