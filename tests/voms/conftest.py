"""A VO in a database: groups of depth two, roles, attributes, people."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.x509.certificate_names import CertificateNames
from tests.databases import DATABASES, upgraded
from voms.directory import VoDirectory, create_vo
from voms.memberships import Memberships
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ALICE = CertificateNames("CN=Alice,O=Test,C=ZZ", "CN=Test CA,O=Test,C=ZZ")


@dataclass(frozen=True)
class Vo:
    """The VO ``testvo`` with groups ``g1``, ``g1/sub``, ``g2`` and roles ``admin``, ``pilot``; ``alice`` is a member. Nothing
    comes down."""

    engine: Engine
    directory: VoDirectory
    memberships: Memberships
    alice: str


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as opened:
        yield opened


@pytest.fixture
def vo(engine: Engine) -> Vo:
    return fill_vo(engine)


def fill_vo(engine: Engine) -> Vo:
    """The VO in an empty database."""
    create_vo(engine, "testvo", at=NOW, by="operator", inherits=False)
    directory = VoDirectory(engine, "testvo")
    for group in ("/testvo/g1", "/testvo/g1/sub", "/testvo/g2"):
        directory.add_group(group, at=NOW, by="operator")
    for role in ("admin", "pilot"):
        directory.add_role(role, at=NOW, by="operator")
    alice = directory.add_member(ALICE, at=NOW, by="operator")
    return Vo(engine, directory, Memberships(engine, "testvo"), alice)
