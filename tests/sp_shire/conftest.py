"""A resource's core by itself: `Core` hands requests to the SHIRE as an adapter does, without WSGI and without any application."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest

from ostiary.attributes import Attributes
from ostiary.config import load_settings
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.federation.sources.files import load_registry
from ostiary.storage.memory import MemoryGroups, MemoryReplayStore, MemorySessionStore
from ostiary.web.log import make_log
from sp_shire.assembly import make_shire
from sp_shire.login.records import Intent, load_intent
from sp_shire.messages import Passage, Reply, Request
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire
from sp_shire.snapshot import Stores
from tests.flows.forging import response_field, take_apart
from tests.simulator import MovableClock, SimulatedSoap, Simulation, home_of

BROWSER = {"host": "127.0.0.1:20005", "accept": "text/html"}


def memory_stores() -> Stores:
    return Stores(MemorySessionStore(), MemorySessionStore(), MemorySessionStore(), MemoryReplayStore(), MemoryGroups())


@dataclass
class Core:
    """``library`` of the shared federation, with settings, stores, clock and log of its own."""

    federation: Simulation
    settings: ShireSettings
    stores: Stores = field(default_factory=memory_stores)

    def __post_init__(self) -> None:
        self.clock = MovableClock()
        self.log_stream = io.StringIO()
        self.soap = SimulatedSoap(self.federation.transport)
        self.shire: Shire = self._made(None)

    def know(self, *entities: Entity, instead: bool = False) -> None:
        """From now on it knows these, too; ``instead``: nobody else."""
        metadata = [one.source() for one in self.settings.trust.metadata]
        before = [] if instead else load_registry(metadata, now=self.clock.at).all(self.clock.at)
        registry = Registry([*before, *entities])
        self.shire = self._made(lambda: registry)

    def _made(self, registry: Callable[[], Registry] | None) -> Shire:
        return make_shire(
            self.settings,
            clock=self.clock,
            log=make_log(self.clock, service="core", stream=self.log_stream),
            transport=self.soap,
            stores=self.stores,
            registry=registry,
        )

    def ask(
        self, path: str, *, method: str = "GET", query: bytes = b"", body: bytes = b"", **headers: str
    ) -> Reply | Passage:
        """Header names are written with ``_``. ``host`` and ``accept`` are a browser's unless given."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.shire.handle(Request(method, path, query, {**BROWSER, **given}, body, "192.0.2.1"))

    def refused(self, path: str, **how: Any) -> tuple[int, str]:
        """Status and code of a refusal; fails for anything else."""
        reply = self.ask(path, **how)
        assert isinstance(reply, Reply), "the application was reached"
        assert reply.status >= 400
        line = self.log_lines()[-1]
        assert line["reference"] in reply.body.decode()
        assert header(reply, "Set-Cookie") is None
        return reply.status, line.get("code", line["event"])

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_stream.getvalue().splitlines()]

    def session(
        self, username: str = "alice", attributes: Attributes | None = None, *, before: str = "", **query: str
    ) -> str:
        """Logs somebody in by way of her real home organisation, and returns the ``Cookie`` header of her session. ``attributes`` come
        with the Response in place of what the home would tell; ``before`` are cookies that the browser has already."""
        home, password = home_of(username)
        asked = "&".join(f"{name}={quote_plus(value)}" for name, value in {"entityID": home.entity_id, **query}.items())
        begun = self.ask("/ostiary/login", query=asked.encode())
        assert isinstance(begun, Reply)
        assert begun.status == 302, begun
        browser = self.federation.browser()
        page = browser.get(header(begun, "Location") or "")
        page = browser.submit(page, {"username": username, "password": password}, having="password")
        encoded = response_field(page)
        if attributes is not None:
            encoded = take_apart(self.federation, page, home).with_assertion(attributes=attributes).encoded()
        form = f"SAMLResponse={quote_plus(encoded)}".encode()
        held = self.ask(
            "/ostiary/acs", method="POST", body=form, content_type="application/x-www-form-urlencoded", origin="null"
        )
        assert isinstance(held, Reply)
        assert held.status == 303, str(self.log_lines()[-1])[:900]
        finish = urlsplit(header(held, "Location") or "")
        done = self.ask(finish.path, query=finish.query.encode(), cookie=f"{before}; {cookie_of(begun)}")
        assert isinstance(done, Reply)
        assert done.status == 303, str(self.log_lines()[-1])[:900]
        return cookie_of(done)

    def begun(self, reply: Reply | Passage) -> Intent:
        """What the login is for that begins with this answer, which leads to discovery."""
        assert isinstance(reply, Reply)
        assert reply.status == 302
        back = parse_qs(urlsplit(header(reply, "Location") or "").query)["return"][0]
        assert urlsplit(back).path == "/ostiary/discovered"
        ((name, (number,)),) = parse_qs(urlsplit(back).query).items()
        assert name == "login"
        kept = self.stores.logins.get(f"begun {number}", self.clock.now())
        assert kept is not None
        return load_intent(kept)

    def target_of(self, reply: Reply | Passage) -> str:
        """Where the person will be sent after discovery."""
        return self.begun(reply).target


def header(reply: Reply, name: str) -> str | None:
    return next((value for key, value in reply.headers if key == name), None)


def cookie_of(reply: Reply) -> str:
    return (header(reply, "Set-Cookie") or "").partition(";")[0]


@pytest.fixture(scope="session")
def library_settings(federation: Simulation) -> ShireSettings:
    return load_settings(federation.layout.directory("library") / "sp.yaml", ShireSettings)


@pytest.fixture
def make_core(federation: Simulation, library_settings: ShireSettings) -> Callable[..., Core]:
    """A resource with some settings changed."""

    def make(stores: Stores | None = None, **changes: Any) -> Core:
        settings = ShireSettings.model_validate({**library_settings.model_dump(), **changes})
        return Core(federation, settings, stores or memory_stores())

    return make


@pytest.fixture(scope="session")
def kept_core(federation: Simulation, library_settings: ShireSettings) -> Core:
    return Core(federation, library_settings)


@pytest.fixture
def core(kept_core: Core) -> Core:
    """One resource for all tests of a worker that neither move its clock nor count what it keeps."""
    return kept_core
