"""A VO with its API, asked in process: by people with certificates, with tokens, and with nothing."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from ostiary.x509.certificate_names import CertificateNames
from tests.databases import upgraded
from tests.voms.conftest import NOW
from tests.voms_tokens.conftest import ISSUER, TokenSite, make_whole
from tests.voms_tokens.conftest import texts_read_once as texts_read_once
from tests.x509.authorities import Identity
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.administration.who import Who
from voms.api.callers import Callers
from voms.api.service import TEXTS, ApiService
from voms.requests.letters import Letters
from voms.requests.office import Office
from voms.requests.settings import RequestsSettings
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS
from voms.tokens.subjects import Subjects


@dataclass(frozen=True)
class Told:
    """What a program got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, object]:
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str]:
        return self.status, str(self.content["code"])


@dataclass
class ApiSite:
    """``admin`` may do everything; Alice is a member without rights."""

    tokens: TokenSite
    service: ApiService
    admin: Identity
    admin_member: str
    engine: Engine

    @property
    def alice(self) -> str:
        return self.tokens.grid.vo.alice

    @property
    def desk(self) -> Desk:
        return Desk(self.engine, "testvo", OPERATOR, NOW)

    def certificate(self, name: str) -> Identity:
        """Of the CA that the VO trusts."""
        lifetimes = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=300)}
        return self.tokens.grid.authority.issue(f"/C=ZZ/O=HV Test/CN={name}", **lifetimes)

    def token(self, scope: str, *, who: Identity | None = None) -> str:
        told = self.tokens.by_certificate(scope, audience=ISSUER, chain=(who or self.admin).ders)
        return str(told.content["access_token"])

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: str = "",
        chain: Sequence[bytes] | None = None,
        token: str = "",
        raw: bytes | None = None,
        **environ: str,
    ) -> Told:
        octets = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        told: list[tuple[str, list[tuple[str, str]]]] = []
        shown = self.admin.ders if chain is None else chain
        whole: dict[str, object] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"/api/v1{path}",
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(octets)),
            "wsgi.input": io.BytesIO(octets),
            PEER_CHAIN: () if token else tuple(shown),
            **({"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}),
            **environ,
        }
        parts = self.service(whole, lambda status, headers, _info=None: told.append((status, headers)))
        return Told(int(told[0][0].split()[0]), dict(told[0][1]), b"".join(parts))

    def get(self, path: str, query: str = "", **more: object) -> Told:
        return self.call("GET", path, query=query, **more)

    def as_alice(self, method: str, path: str, body: object = None, query: str = "") -> Told:
        return self.call(method, path, body, query=query, chain=self.tokens.grid.alice.ders)


def make_api_site(engine: Engine, directory: Path) -> ApiSite:
    tokens = make_whole(engine, directory)
    grid = tokens.grid
    subjects: Subjects = tokens.service._authority._subjects
    callers = Callers(engine, "testvo", grid.trust, subjects)
    log = make_log(grid.clock, service="voms", stream=grid.log)
    letters = Letters(
        Catalogue.load(TEXTS),
        None,
        "testvo",
        pages_url=None,
        certificate_url="https://voms.test:15010/voms/testvo",
        log=log,
    )
    office = Office(engine, "testvo", RequestsSettings(), letters)
    service = ApiService(callers, server=ISSUER, office=office, log=log, clock=grid.clock)
    lifetimes = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=300)}
    admin = grid.authority.issue("/C=ZZ/O=HV Test/CN=Ada Manager", **lifetimes)
    desk = Desk(engine, "testvo", OPERATOR, NOW)
    member = desk.add_member(CertificateNames.of(admin.certificate))
    desk.add_manager("/testvo", Who.member(member), Permission.ALL)
    return ApiSite(tokens, service, admin, member, engine)


def made(directory: Path) -> Iterator[ApiSite]:
    with upgraded("sqlite", directory, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as engine:
        yield make_api_site(engine, directory)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ApiSite]:
    yield from made(tmp_path)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSite]:
    """The same, once for all tests of a module that change nothing."""
    yield from made(tmp_path_factory.mktemp("api"))
