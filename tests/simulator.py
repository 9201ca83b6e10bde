"""The whole federation in one process: two homes with their Attribute Authorities, a WAYF and two resources, with a clock that the
test moves. No sockets: browsers and SHARs call the WSGI applications straight. Real composition, real messages, real stores."""

import functools
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from flask import Flask
from sqlalchemy import Connection, Engine, event

from idp.accounts.directory import Directory
from idp.accounts.passwords import Argon2Parameters
from ostiary.command.demo import federation
from ostiary.command.demo.applications import DemoResource, make_demo_application
from ostiary.command.demo.federation import prepare, write_aggregate
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import HOMES, NORTHGATE, SOUTHBANK, DemoHome
from ostiary.command.discovery import make_discovery
from ostiary.command.home import make_home_authority, make_home_idp
from ostiary.config import load_settings, write_private_file
from ostiary.errors import Unavailable
from ostiary.federation import keys
from ostiary.storage.engine import open_engine
from ostiary.web.log import Log, make_log
from ostiary.web.texts import Catalogue
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_shire, make_stores
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire
from sp_shire.snapshot import Stores
from tests.browser import Answer, Browser, WsgiTransport, forms_of

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
BASE_PORT = 20_000
_CHEAP = {"time_cost": 1, "memory": 8, "parallelism": 1}


@dataclass
class MovableClock:
    """Stands still until it is told to move."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def forward(self, **amount: float) -> None:
        self.at += timedelta(**amount)


@dataclass
class SimulatedSoap:
    """The SHAR's back channel, or a home's. ``down`` makes it fail; ``sent`` keeps every envelope."""

    transport: WsgiTransport
    down: bool = False
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def post(self, url: str, envelope: bytes, *, within: float | None = None) -> bytes:
        self.sent.append((url, envelope))
        if self.down:
            raise Unavailable("shar.unreachable", expected="an answer", found="a simulated failure")
        return self.transport.send("POST", url, {"Content-Type": "text/xml"}, envelope).body


class Later:
    """A service that is started by the first who wants something of it: few tests want all seven."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Any = None

    def made(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.made()(environ, start_response)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made(), name)


class _MadeWhenWanted(dict[str, Any]):
    """What belongs to each resource, made when somebody asks for it first."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, resource: str) -> Any:
        self[resource] = made = self._make(resource)
        return made


class Simulation:
    """``state`` is a directory made by `prepared_state`. Close it at the end.

    Services start when they are first asked, and refuse to when files that they read have changed by then: whoever changes files of a
    running federation calls `start_all` before."""

    def __init__(self, state: Path) -> None:
        self.clock = MovableClock()
        self.layout = Layout(state, BASE_PORT)
        self.log_stream = io.StringIO()
        self.transport = WsgiTransport()
        self.soap = SimulatedSoap(self.transport)
        self.idp_soap = SimulatedSoap(self.transport)
        self.shires: dict[str, Shire] = _MadeWhenWanted(self._first_shire)
        self.stores: dict[str, Stores] = _MadeWhenWanted(self._first_stores)
        self._engines: list[Engine] = []
        self._later: list[Later] = []
        self._files = _files_of(state)
        event.listen(Engine, "engine_connect", self._note_engine)
        self._serve_later("wayf", self.layout.wayf_url, self._discovery)
        for home in HOMES:
            self._serve_later(home.key, self.layout.idp_url(home), functools.partial(self.idp_node, home))
            self._serve_later(home.key, self.layout.aa_url(home), functools.partial(self.authority_node, home))
        for resource in RESOURCES:
            self._serve_later(
                resource.key,
                self.layout.resource_url(resource),
                lambda key=resource.key: self.protect(key, self.shires[key]),
            )

    def start_all(self) -> None:
        """Every service runs from now on; does nothing for those that do already."""
        for later in self._later:
            later.made()

    def _serve_later(self, part: str, url: str, make: Callable[[], Any]) -> None:
        later = Later(lambda: self._unchanged(part, make))
        self._later.append(later)
        self.serve(url, later)

    def _unchanged(self, part: str, make: Callable[[], Any]) -> Any:
        """What ``make`` makes of the files of one part of the federation, as they were at the beginning."""
        ours = tuple(f"{self.layout.directory(name)}{os.sep}" for name in (part, "federation"))
        changed = {name for name, _ in _files_of(self.layout.state) ^ self._files if name.startswith(ours)}
        if changed:
            raise RuntimeError(f"start_all() before these change: {sorted(changed)}")
        return make()

    def _discovery(self) -> Any:
        with _read_once():
            return make_discovery(self.layout.directory("wayf") / "wayf.yaml", clock=self.clock, log=self.log("wayf"))

    def _first_stores(self, resource: str) -> Stores:
        return make_stores(load_settings(self.layout.directory(resource) / "sp.yaml", ShireSettings))

    def _first_shire(self, resource: str) -> Shire:
        return self._unchanged(resource, lambda: self.resource_node(resource))

    def close(self) -> None:
        """Closes what is open in databases."""
        event.remove(Engine, "engine_connect", self._note_engine)
        for engine in self._engines:
            engine.dispose()

    def serve(self, url: str, application: Any) -> None:
        """From now on this application answers under this origin: another node behind the same balancer, for instance."""
        self.transport.applications[url] = application

    def idp_node(self, home: DemoHome) -> Flask:
        """A node of an IdP; nodes share their database."""
        directory = self.layout.directory(home.key)
        with _read_once():
            return make_home_idp(
                directory / "idp.yaml",
                directory / "aa.yaml",
                clock=self.clock,
                log=self.log(f"{home.key}-idp"),
                transport=self.idp_soap,
            )

    def authority_node(self, home: DemoHome) -> Flask:
        """A node of an Attribute Authority."""
        with _read_once():
            return make_home_authority(
                self.layout.directory(home.key) / "aa.yaml",
                clock=self.clock,
                log=self.log(f"{home.key}-aa"),
                transport=self.idp_soap,
            )

    def resource_node(self, resource: str, *, stores: Stores | None = None) -> Shire:
        """A node of a resource: on the resource's stores unless others are given."""
        with _read_once():
            return make_shire(
                self.layout.directory(resource) / "sp.yaml",
                clock=self.clock,
                log=self.log(resource),
                transport=self.soap,
                stores=stores or self.stores[resource],
            )

    def protect(self, resource: str, shire: Shire) -> ShireMiddleware:
        """The demo's application behind a SHIRE."""
        with _read_once():
            application = make_demo_application(_resource(resource), {home.entity_id: home.name for home in HOMES})
        return ShireMiddleware(application, shire)

    @contextmanager
    def directory(self, home: DemoHome) -> Iterator[Directory]:
        """The people of a home organisation, for a change."""
        engine = open_engine(f"sqlite:///{self.layout.directory(home.key) / 'home.db'}")
        try:
            yield Directory(engine)
        finally:
            engine.dispose()

    def disable(self, username: str) -> None:
        """Somebody leaves her organisation."""
        with self.directory(home_of(username)[0]) as directory:
            person = directory.find(username)
            if person is None:
                raise KeyError(username)
            directory.disable(person.principal, at=self.clock.now(), by="test")

    def _note_engine(self, connection: Connection) -> None:
        engine = connection.engine
        if str(self.layout.state) in str(engine.url.database) and engine not in self._engines:
            self._engines.append(engine)

    def log(self, service: str) -> Log:
        return make_log(self.clock, service=service, stream=self.log_stream)

    @property
    def logged(self) -> str:
        return self.log_stream.getvalue()

    def events(self, name: str, *, service: str | None = None) -> list[dict[str, Any]]:
        """The log's lines about one kind of event, in order."""
        lines = (json.loads(line) for line in self.logged.splitlines() if f'"{name}"' in line)
        return [line for line in lines if line["event"] == name and service in (None, line["service"])]

    def browser(self) -> Browser:
        return Browser(self.transport)

    def url(self, resource: str) -> str:
        """The protected page of a resource."""
        return f"{self.origin(resource)}/{resource}/"

    def origin(self, resource: str) -> str:
        """Where a resource is."""
        return self.layout.resource_url(_resource(resource))

    def handler(self, resource: str, name: str) -> str:
        return f"{self.origin(resource)}/ostiary/{name}"

    def to_login_page(self, browser: Browser, resource: str, home: DemoHome) -> Answer:
        """From the protected page through the WAYF to the form that asks for a password (or further, with a session)."""
        discovery = browser.get(self.url(resource))
        return browser.submit(discovery, {"choice": home.entity_id}, having="choice")

    def to_response(self, browser: Browser, resource: str, username: str) -> Answer:
        """The page that carries the signed Response, not yet submitted."""
        home, password = home_of(username)
        page = self.to_login_page(browser, resource, home)
        if any(form.has("SAMLResponse") for form in forms_of(page)):
            return page
        return browser.submit(page, {"username": username, "password": password}, having="password")

    def log_in(self, browser: Browser, resource: str, username: str) -> Answer:
        """The whole way; returns the page at its end."""
        return browser.submit(self.to_response(browser, resource, username), having="SAMLResponse")


def agree(browser: Browser, page: Answer, *, leaving_out: tuple[str, ...] = (), mode: str | None = None) -> Answer:
    """Past the page on which a home organisation asks before something leaves; ``leaving_out`` are the attributes not ticked."""
    form = next(form for form in forms_of(page) if form.has("shown"))
    ticked = [(name, value) for name, value in form.ticked if value not in leaving_out]
    fields = [(name, mode if name == "mode" and mode is not None else value) for name, value in form.fields]
    return browser.post(urljoin(page.url, form.action), [*fields, *ticked, ("answer", "accept")])


def home_of(username: str) -> tuple[DemoHome, str]:
    """The home organisation and the password of somebody."""
    for home in (NORTHGATE, SOUTHBANK):
        for person in home.people:
            if person.username == username:
                return home, person.password
    raise KeyError(username)


def configure(path: Path, **changes: object) -> None:
    """Sets top-level keys of a YAML file; None takes one away."""
    content = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))


def ask_people(layout: Layout, home: DemoHome, mode: str, **more: object) -> None:
    """Whether a home organisation asks its people before something about them leaves. The demo's own pages and `agree` are tested with it;
    all other tests see what policies alone decide."""
    for name in ("idp.yaml", "aa.yaml"):
        configure(layout.directory(home.key) / name, consent={"mode": mode, **more})


def make_template(directory: Path) -> Path:
    """A state directory to copy. One home keeps RSA keys, all others EC keys, which load and sign faster."""
    layout = Layout(directory, BASE_PORT)
    for part in ("federation", "wayf", *(home.key for home in HOMES), *(resource.key for resource in RESOURCES)):
        _write_keys(layout.directory(part) / "keys", rsa_key=part == NORTHGATE.key)
    # Passwords are checked a thousand times, and none of them is worth protecting.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(federation, "_HASHING", Argon2Parameters(**_CHEAP))
        prepare(layout, [], now=START)
    for home in HOMES:
        # Everybody comes from one address, and the clock may stand still.
        throttle = {"per_name": 100_000, "per_address": 1_000_000}
        configure(layout.directory(home.key) / "idp.yaml", throttle=throttle, password_hashing=_CHEAP)
        ask_people(layout, home, "off")
    return directory


def prepared_state(template: Path, directory: Path) -> Path:
    """A state directory of one's own: a copy of ``template`` that speaks of its new place."""
    shutil.copytree(template, directory)
    for path in directory.glob("*/*.yaml"):
        path.write_text(path.read_text().replace(str(template), str(directory)))
    return directory


def state_of_today(template: Path, directory: Path) -> Layout:
    """The same, with metadata for processes of their own: they go by the clock of the machine."""
    layout = Layout(prepared_state(template, directory), BASE_PORT)
    write_aggregate(layout, (), datetime.now(UTC))
    return layout


def _files_of(state: Path) -> frozenset[tuple[str, tuple[int, int, int]]]:
    """What services read at their start, and when each was written; the databases are theirs to change."""
    found = set()
    for directory, _, names in os.walk(state):
        for name in names:
            if name.endswith((".yaml", ".key", ".crt", ".pem", ".xml")):
                status = os.stat(os.path.join(directory, name))
                found.add((os.path.join(directory, name), (status.st_ino, status.st_mtime_ns, status.st_size)))
    return frozenset(found)


def _resource(key: str) -> DemoResource:
    return next(resource for resource in RESOURCES if resource.key == key)


def _write_keys(directory: Path, *, rsa_key: bool) -> None:
    directory.mkdir(parents=True)
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        if rsa_key
        else ec.generate_private_key(ec.SECP256R1())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, directory.parent.name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START - timedelta(days=1))
        .not_valid_after(START + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "current.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_private_file(directory / "current.key", pem)


# Texts and the template's keys are the same in every simulation, and reading them is most of the time that one takes to start.
_load_texts = functools.cache(Catalogue.load)
_private_key_from_pem = functools.cache(keys.private_key_from_pem)


@contextmanager
def _read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "load", _load_texts)
        patch.setattr(keys, "private_key_from_pem", _private_key_from_pem)
        yield
