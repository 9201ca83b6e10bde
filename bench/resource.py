"""A protected resource: what a request with a session costs besides the application, 100,000 sessions in memory, a whole acceptance.

The application does nothing, and sees eight attributes in its environment. A request is what a browser sends: 14 headers, four cookies.
"""

import gc
import io
import json
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import psutil

from bench.measure import Row, cpu_milliseconds
from bench.mod_shib import measure_mod_shib
from bench.saml_messages import ACS, IDP, MADE, SP, Home, make_home
from bench.served import write_keys
from ostiary.clock import SystemClock
from ostiary.config import Sources
from ostiary.documents import policies
from ostiary.federation.model import Endpoint, Entity, EntityKey, IdpRole, Scope
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.federation.sources.files import MetadataFile, load_registry
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_redirect, encode_written
from ostiary.saml.protocol import new_id
from ostiary.web.log import make_log
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.addresses import Addresses
from sp_shire.assembly import load_snapshot, make_shire, make_stores
from sp_shire.messages import Request
from sp_shire.sessions.records import Login, Session
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.shar.transport import HttpSoapTransport
from sp_shire.shire import Shire
from sp_shire.snapshot import Snapshot, Stores

MICROSECONDS: Final = {"memory": 40.0, "Valkey": 250.0}
"""What a request with a session may cost more than without this software, by where sessions are kept."""
SESSIONS: Final = 100_000
MEGABYTES: Final = 150.0
ACCEPTANCE: Final = 6.4
"""Milliseconds of CPU that mod_shib took for a whole acceptance where it was measured."""


def rows(*, quick: bool) -> list[Row]:
    """Four rows, five with a Redis or Valkey server at hand."""
    rounds = 20 if quick else 80
    with tempfile.TemporaryDirectory() as name:
        resource = Resource(Path(name))
        mod_shib = measure_mod_shib(resource.home, resource.metadata, headers, quick=quick)
        found = [request(resource, "memory", {}, rounds=rounds)]
        if shutil.which("redis-server") is None:
            print("request with a session in Valkey: not measured, redis-server is not installed", file=sys.stderr)
        else:
            with _valkey(Path(name)) as url:
                found.append(request(resource, "Valkey", {"store": {"url": url}}, rounds=rounds))
        found.append(Row(f"{SESSIONS:,} sessions in memory", megabytes(SESSIONS), "MB", MEGABYTES, 1.0))
        found.append(acceptance(resource, rounds=4 if quick else 20, loops=20))
    return beside(found, mod_shib)


def beside(rows: list[Row], mod_shib: dict[str, float | str]) -> list[Row]:
    """The rows, with what mod_shib needs for the same. Of its requests there is one figure: its sessions are in shibd, or with Apache."""
    tasks = {"Request with a session": "request", "A whole acceptance": "acceptance"}
    for begin, task in tasks.items():
        peers = {"mod_shib": mod_shib[task]}
        rows = [replace(row, peers=peers) if row.name.startswith(begin) else row for row in rows]
    return rows


def application(environ: Any, start_response: Any) -> list[bytes]:
    """Needs nothing of its own."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class _Nowhere(io.StringIO):
    """A log that is written as ever and kept by nobody."""

    def write(self, text: str) -> int:
        return len(text)


@dataclass
class Resource:
    """A resource in ``directory``, and the home organisation that it trusts."""

    directory: Path

    def __post_init__(self) -> None:
        self.home: Home = make_home(datetime.now(UTC).replace(microsecond=0))
        self.clock = SystemClock()
        self.log = make_log(self.clock, service="benchmark", stream=_Nowhere())
        write_keys(self.directory / "keys")
        (self.directory / "access.yaml").write_text(
            "rules:\n  - id: members\n    paths: /\n    permit:\n"
            "      attribute: eduPersonScopedAffiliation\n      left: member\n"
        )
        key = EntityKey(self.home.signer.public, certificate=self.home.signer.certificate)
        role = IdpRole(
            keys=(key,),
            single_sign_on=(Endpoint(names.HTTP_REDIRECT, IDP),),
            scopes=(Scope("home.example", is_pattern=False),),
        )
        self.metadata = self.directory / "metadata.xml"
        self.metadata.write_bytes(unsigned_entity(Entity(IDP, idp=role)))
        self.registry = load_registry([MetadataFile(self.metadata, allow_unsigned_local_file=True)], now=self.home.now)

    def settings(self, **changes: object) -> ShireSettings:
        return ShireSettings.model_validate(
            {
                "entity_id": SP,
                "public_url": ACS.removesuffix("/ostiary/acs"),
                "display": {"name": "Benchmark"},
                "trust": {
                    "keys": str(self.directory / "keys"),
                    "metadata": [{"file": str(self.metadata), "allow_unsigned_local_file": True}],
                },
                "identity_provider": IDP,
                "accept": [str(policies() / "acceptance" / "default.yaml")],
                "access": [str(self.directory / "access.yaml")],
                "environ": {attribute.name: attribute.name for attribute in MADE},
                "remote_user": ["eduPersonPrincipalName"],
                **changes,
            }
        )

    def shire(self, settings: ShireSettings, stores: Stores) -> Shire:
        return make_shire(settings, clock=self.clock, log=self.log, stores=stores)

    def visits(self, settings: ShireSettings, stores: Stores) -> Visits:
        """Its sessions, to open some without any message."""
        transport = HttpSoapTransport(settings.query_time, settings.tls_authorities)
        return Visits(settings, Addresses(settings), stores.sessions, stores.groups, transport, self.log)

    def snapshot(self, settings: ShireSettings) -> Snapshot:
        return load_snapshot(settings, Sources(), self.registry)

    def login(self) -> Login:
        now = self.clock.now()
        handle = secrets.token_urlsafe(105)
        return Login(
            IDP,
            NameId(handle, names.TRANSIENT, IDP, SP),
            now,
            new_id(),
            new_id(),
            names.PASSWORD_PROTECTED_TRANSPORT,
            now + timedelta(hours=8),
            tuple(attribute._replace(issuer=IDP) for attribute in MADE),
        )


def environ(cookie: str, path: str = "/books/17", query: str = "page=3") -> dict[str, Any]:
    """The environment of a request as a server makes it of what a browser sends."""
    host = urlsplit(ACS).netloc
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": host,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.17",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_HOST": host,
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "HTTP_ACCEPT_LANGUAGE": "de,en-US;q=0.7,en;q=0.3",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
        "HTTP_CONNECTION": "keep-alive",
        "HTTP_REFERER": f"https://{host}/books/",
        "HTTP_COOKIE": f"theme=dark; _pk_id.1.2=abcdef0123456789; {cookie}; lang=de",
        "HTTP_SEC_FETCH_DEST": "document",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_SEC_FETCH_SITE": "same-origin",
        "HTTP_SEC_FETCH_USER": "?1",
        "HTTP_UPGRADE_INSECURE_REQUESTS": "1",
        "HTTP_PRIORITY": "u=0, i",
    }


def headers(cookie: str) -> dict[str, str]:
    """The same request's headers, for a server that is reached over HTTP under its own name."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ(cookie).items()
        if name.startswith("HTTP_") and name != "HTTP_HOST"
    }


def request(resource: Resource, where: str, changes: dict[str, object], *, rounds: int, loops: int = 400) -> Row:
    """What a request costs that is let in, beyond the same request to the application alone. ``changes``: of settings, for the store."""
    settings = resource.settings(**changes)
    stores = make_stores(settings)
    visits, now = resource.visits(settings, stores), resource.clock.now()
    snapshot = resource.snapshot(settings)
    set_cookie, _ = visits.begin(Request("GET", "/ostiary/finish"), resource.login(), "/", snapshot, now)
    given = environ(set_cookie.partition(";")[0])
    protected = ShireMiddleware(application, resource.shire(settings, stores))
    seen = dict(given)
    protected(seen, _expect_200)
    if not all(attribute.name in seen for attribute in MADE):
        raise RuntimeError("the application does not see the attributes")
    best = cpu_milliseconds(
        {
            "bare": lambda: application(dict(given), _expect_200),
            "protected": lambda: protected(dict(given), _expect_200),
        },
        rounds=rounds,
        loops=loops,
    )
    more = (best["protected"] - best["bare"]) * 1000
    name = f"Request with a session in {where}: more than without"
    return Row(name, more, "us CPU", MICROSECONDS[where], 1.0)


def _expect_200(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
    if status != "200 OK":
        raise RuntimeError(f"{status} {headers}")


def acceptance(resource: Resource, *, rounds: int, loops: int) -> Row:
    """From the octets that a browser posts to the answer that sets the cookie of a session: two requests, ``acs`` and ``finish``."""
    settings = resource.settings()
    protected = ShireMiddleware(application, resource.shire(settings, make_stores(settings)))
    best = float("inf")
    for _ in range(rounds):
        waiting = [_answered(resource, protected) for _ in range(loops)]
        begin = time.process_time()
        for cookie, form in waiting:
            _accept(protected, cookie, form)
        best = min(best, (time.process_time() - begin) / loops * 1000)
    return Row("A whole acceptance: ACS, ticket, session", best, "ms CPU", ACCEPTANCE, 1.0)


def _answered(resource: Resource, protected: ShireMiddleware) -> tuple[str, bytes]:
    """A login begun, and the home organisation's answer: the browser's cookie, and the form that it posts."""
    begun = _ask(protected, environ("", "/ostiary/login", urlencode({"target": "/books/17"})))
    location, cookie = urlsplit(begun["Location"]), begun["Set-Cookie"].partition(";")[0]
    request = decode_redirect(location.query.encode(), "SAMLRequest").element.attrib["ID"]
    home = replace(resource.home, request=request, handle=secrets.token_urlsafe(105))
    message = encode_written(home.build())
    return cookie, f"SAMLResponse={quote(message, safe='')}".encode()


def _accept(protected: ShireMiddleware, cookie: str, form: bytes) -> None:
    posted = environ("", "/ostiary/acs", "") | {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(form)),
        "wsgi.input": io.BytesIO(form),
        "HTTP_SEC_FETCH_SITE": "cross-site",
    }
    finish = urlsplit(_ask(protected, posted)["Location"])
    done = _ask(protected, environ(cookie, finish.path, finish.query))
    if "session" not in done["Set-Cookie"]:
        raise RuntimeError("no session began")


def _ask(protected: ShireMiddleware, given: dict[str, Any]) -> dict[str, str]:
    """The headers of a redirect."""
    answered: list[dict[str, str]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
        if status[:3] not in ("302", "303"):
            raise RuntimeError(f"{status} {headers}")
        answered.append(dict(headers))

    protected(given, start_response)
    return answered[0]


def megabytes(count: int) -> float:
    """In a process of its own, so that nothing that was measured before has left room behind."""
    command = [sys.executable, "-m", "bench.resource", str(count)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    found: float = json.loads(ended.stdout)
    return found


def open_sessions(count: int) -> float:
    """Megabytes by which this process has grown when so many people, each with eight attributes, have logged in."""
    with tempfile.TemporaryDirectory() as name:
        resource = Resource(Path(name))
        settings = resource.settings()
        stores = make_stores(settings)
        visits, snapshot = resource.visits(settings, stores), resource.snapshot(settings)
        arriving, now = Request("GET", "/ostiary/finish"), resource.clock.now()
        # What the policy makes of her attributes is made once: it is no part of what is measured.
        _, first = visits.begin(arriving, resource.login(), "/", snapshot, now)
        gc.collect()
        before = psutil.Process().memory_full_info().uss
        for number in range(count):
            at = now + number * timedelta(milliseconds=97)
            visits.keeper.keep(_session_of(first, resource.login(), number, at), now)
        gc.collect()
        grown = (psutil.Process().memory_full_info().uss - before) / 1e6
        if len(stores.sessions) != 2 * (count + 1) or len(stores.groups) != count + 1:  # type: ignore[arg-type]
            raise RuntimeError("not all sessions are there")
    return grown


def _session_of(first: Session, login: Login, number: int, at: datetime) -> Session:
    """With names of her own wherever people have some."""
    own = tuple(
        attribute._replace(
            values=tuple(
                value._replace(text=value.text.replace("lice", f"lice{number}")) for value in attribute.values
            ),
        )
        for attribute in first.knowledge.attributes
    )
    source = replace(first.knowledge.sources[0], attributes=own, at=at)
    knowledge = replace(first.knowledge, attributes=own, at=at, sources=(source,))
    return replace(
        first,
        login=replace(login, attributes=()),
        knowledge=knowledge,
        started=at,
        ends=at + (first.ends - first.started),
    )


@contextmanager
def _valkey(directory: Path) -> Iterator[str]:
    """An empty server of this run's own: Redis, which stands in for Valkey."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(directory)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as connection:
                if connection.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"valkey://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=20)


if __name__ == "__main__":
    print(json.dumps(open_sessions(int(sys.argv[1]))))
