"""The federation in memory, for every test that wants one: `simulation` is the test's own, `federation` is shared.

The simulator loads every service, so it is imported by those fixtures that need it.
"""

import fcntl
import functools
import gc
import os
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

import alembic.util
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import settings
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from ostiary.config import document
from ostiary.config.problems import DocumentError, KeyPath
from ostiary.storage import engine as storage
from ostiary.web import pages
from ostiary.web.texts import Catalogue
from tests.running_demo import RunningDemo

_ROOT = Path(__file__).parents[1]

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

if TYPE_CHECKING:
    from tests.simulator import Simulation


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector would look through all of it again and again, up to half a second each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


class _CompiledOnce(BytecodeCache):
    """Every service of every test has the same templates, which take longer to compile than most tests to run."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._code[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def compiled_templates() -> Iterator[None]:
    """A template is compiled once for its content in each process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "Environment", functools.partial(Environment, bytecode_cache=_CompiledOnce()))
        yield


def _version_files_once() -> Callable[[str, str], ModuleType]:
    """alembic's own way of loading a file, but each content once; ``env.py`` is not loaded but run."""
    load: Callable[[str, str], ModuleType] = alembic.util.load_python_file
    loaded = functools.cache(lambda directory, name, content: load(directory, name))

    def load_once(directory: str, name: str) -> ModuleType:
        if name == "env.py":
            return load(directory, name)
        found: ModuleType = loaded(directory, name, Path(directory, name).read_bytes())
        return found

    return load_once


@pytest.fixture(scope="session", autouse=True)
def version_files() -> Iterator[None]:
    """Every database of every service asks for all of them anew, to find that nothing is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alembic.util, "load_python_file", _version_files_once())
        yield


_LOAD_TEXTS = Catalogue.load
_read_data = document._data
_texts_that_ship = functools.cache(_LOAD_TEXTS)


def _texts_once(*directories: Path) -> Catalogue:
    ship = all(directory.resolve().is_relative_to(_ROOT) for directory in directories)
    return _texts_that_ship(*directories) if ship else _LOAD_TEXTS(*directories)


@pytest.fixture(scope="session", autouse=True)
def texts_loaded_once() -> Iterator[None]:
    """Texts that ship are the same for every service of every test, and never change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "load", _texts_once)
        yield


@functools.lru_cache(maxsize=1_000)
def _parsed(text: str, deepest: int) -> bytes:
    lines: dict[KeyPath, int] = {}
    return pickle.dumps((_read_data(text, Path(), lines, deepest), lines))


def _data_once(text: str, path: Path, lines: dict[KeyPath, int], deepest: int) -> dict[str, Any]:
    try:
        data, found = pickle.loads(_parsed(text, deepest))  # noqa: S301 - our own
    except (DocumentError, RecursionError):
        return _read_data(text, path, lines, deepest)
    lines.update(found)
    whole: dict[str, Any] = data
    return whole


@pytest.fixture(scope="session", autouse=True)
def documents_read_once() -> Iterator[None]:
    """Policies and texts that ship are the same for every service of every test: a text is parsed once, and copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_data", _data_once)
        yield


class _Keys:
    """RSA keys of the size that people get, each of which takes a quarter of a second: a test makes as many as it likes, and they all
    differ, but the next test may get the same ones. What outlives a test keeps its keys for itself."""

    def __init__(self) -> None:
        self._generate = rsa.generate_private_key
        self._known: list[rsa.RSAPrivateKey] = []
        self.taken = 0
        self.lasting = 0

    def make(self, public_exponent: int, key_size: int, backend: object = None) -> rsa.RSAPrivateKey:
        if key_size != 3072 or self.lasting:
            return self._generate(public_exponent, key_size)
        if self.taken == len(self._known):
            self._known.append(self._generate(public_exponent, key_size))
        self.taken += 1
        return self._known[self.taken - 1]


_KEYS = pytest.StashKey[_Keys]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEYS] = _Keys()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[_KEYS].taken = 0


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[None]:
    keys = request.config.stash[_KEYS]
    lasting = fixturedef.scope != "function"
    keys.lasting += lasting
    try:
        return (yield)
    finally:
        keys.lasting -= lasting


@pytest.fixture(scope="session", autouse=True)
def keys_made_once(pytestconfig: pytest.Config) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", pytestconfig.stash[_KEYS].make)
        yield


_SET_UP = storage._set_up


def _set_up_for_now(connection: sqlite3.Connection, record: object) -> None:
    _SET_UP(connection, record)
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session", autouse=True)
def no_power_cut() -> Iterator[None]:
    """SQLite files of tests end with the test, so nothing waits until the disk has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_set_up", _set_up_for_now)
        yield


@pytest.fixture
def sqlite_as_in_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what `no_power_cut` takes away."""
    monkeypatch.setattr(storage, "_set_up", _SET_UP)


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
    simulated.start_all()
    yield simulated
    simulated.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """``ostiary demo``, for all tests that only look at it and log in there; `tests.whole_files` gives them to one worker."""
    running = RunningDemo(tmp_path_factory.mktemp("demo"))
    yield running
    running.stop()
