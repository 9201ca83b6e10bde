"""A VO in which some manage a little: made once for each test on SQLite."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ostiary.command.vo_service import MIGRATIONS
from ostiary.storage.engine import open_engine
from ostiary.x509.certificate_names import CertificateNames
from tests.databases import DATABASES, upgraded, write_upgraded
from voms.administration.acl import AclEntry
from voms.administration.callers import OPERATOR, Caller, caller_of_certificate
from voms.administration.desk import Desk
from voms.administration.permissions import parse_permissions
from voms.administration.who import Who
from voms.directory import create_vo

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def names(person: str) -> CertificateNames:
    return CertificateNames(f"CN={person},O=Test,C=ZZ", "CN=Test CA,O=Test,C=ZZ")


@dataclass(frozen=True)
class Managed:
    """``testvo`` with the groups ``g``, ``g/sub``, ``other`` and the role ``pilot``; nobody is a member yet."""

    engine: Engine
    operator: Desk

    def add(self, person: str) -> str:
        return self.operator.add_member(names(person))

    def caller(self, person: str, at: datetime = NOW) -> Caller:
        return caller_of_certificate(self.engine, "testvo", names(person), at)

    def desk(self, person: str, at: datetime = NOW) -> Desk:
        return Desk(self.engine, "testvo", self.caller(person, at), at)

    def allow(self, who: Who, permissions: str, group: str, role: str | None = None) -> None:
        self.operator.set_acl_entry(AclEntry(group, role, who, parse_permissions(permissions)))

    def shows_the_way_to(self, group: str, who: Who) -> None:
        """Lets somebody see all groups above."""
        parts = group.split("/")[1:-1]
        for count in range(len(parts)):
            self.allow(who, "CONTAINER_READ", "/" + "/".join(parts[: count + 1]))


def _made(engine: Engine, inherits: bool) -> Managed:
    create_vo(engine, "testvo", at=NOW, by="operator", inherits=inherits)
    desk = Desk(engine, "testvo", OPERATOR, NOW)
    for group in ("/testvo/g", "/testvo/g/sub", "/testvo/other"):
        desk.add_group(group)
    desk.add_role("pilot")
    return Managed(engine, desk)


class Shelf:
    """One SQLite engine for all tests, which knows its statements after the first; each test begins with a file as it was put here."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "a.db"
        write_upgraded(self._path, MIGRATIONS)
        self.engine = open_engine(f"sqlite:///{self._path}")
        self._kept: dict[object, bytes] = {"empty": self._path.read_bytes()}

    def put(self, key: object) -> None:
        """Keeps the file as it is."""
        self.engine.dispose()
        self._kept[key] = self._path.read_bytes()

    def take(self, key: object) -> bool:
        """Puts the file back as it was; False: nobody kept it."""
        self.engine.dispose()
        if key in self._kept:
            self._path.write_bytes(self._kept[key])
        return key in self._kept


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    made = Shelf(tmp_path_factory.mktemp("shelf"))
    yield made
    made.engine.dispose()


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path, shelf: Shelf) -> Iterator[Engine]:
    if request.param == "sqlite":
        shelf.take("empty")
        yield shelf.engine
    else:
        with upgraded(request.param, tmp_path, MIGRATIONS) as opened:
            yield opened


@pytest.fixture
def make_vo(engine: Engine, shelf: Shelf) -> Callable[[bool], Managed]:
    """Makes the VO; the argument: whether roles come down."""

    def made(inherits: bool) -> Managed:
        if engine is not shelf.engine:
            return _made(engine, inherits)
        if not shelf.take(inherits):
            _made(engine, inherits)
            shelf.put(inherits)
        return Managed(engine, Desk(engine, "testvo", OPERATOR, NOW))

    return made


@pytest.fixture
def vo(make_vo: Callable[[bool], Managed]) -> Managed:
    return make_vo(True)
