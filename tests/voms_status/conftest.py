"""The VO of `tests.voms.grid` with its status service, and a relying party that trusts it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ostiary.web.log import make_log
from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.lsc import VomsDirectory
from tests.voms.conftest import engine as engine
from tests.voms.grid import Grid, Reply, make_grid
from tests.x509.authorities import NOW, root
from voms.issuing import Issuer
from voms.renewal import load_issuer
from voms.settings import VomsSettings
from voms.status.service import StatusService
from voms.status.settings import StatusSettings


@dataclass
class Status:
    """A VO, its status service, and what a relying party installed. ``issuer`` can be replaced, as a renewed certificate does."""

    grid: Grid
    service: StatusService
    issuer: Issuer
    settings: VomsSettings

    @property
    def vomsdir(self) -> VomsDirectory:
        """Of a relying party that has the present LSC file."""
        return VomsDirectory({("testvo", "localhost"): self.issuer.lsc()})

    def ask(
        self, path: str, *, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request."""
        told: list[tuple[str, list[tuple[str, str]]]] = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(body), **(headers or {})}
        parts = self.service(environ, lambda status, headers, _info=None: told.append((status, headers)))  # type: ignore[arg-type,func-returns-value,misc]
        return Reply(told[0][0], dict(told[0][1]), b"".join(parts))

    def issued(self, query: str = "fqans=/testvo") -> AttributeCertificate:
        """An attribute certificate for alice."""
        return read_attribute_certificate(self.grid.certificate(query))


@pytest.fixture
def status(engine: Engine, tmp_path: Path) -> Status:
    grid = make_grid(engine, tmp_path, root(), now=NOW)
    settings = VomsSettings.model_validate(
        {
            "vo": "testvo",
            "host": "localhost",
            "port": 15010,
            "listen": {"port": 0},
            "database": {"url": "sqlite:///vo.db"},
            "certificate": "host.pem",
            "key": "host.key",
            "ca_directory": "certificates",
        },
        context={"directory": tmp_path},
    )
    log = make_log(grid.clock, service="voms", stream=grid.log)
    made = Status(grid, None, load_issuer(settings), settings)  # type: ignore[arg-type]
    made.service = StatusService(
        "testvo", StatusSettings(), engine=engine, issuer=lambda: made.issuer, clock=grid.clock, log=log
    )
    return made
