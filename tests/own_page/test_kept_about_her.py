"""What else the Attribute Authority keeps about a person comes into her download, and nobody else's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from attribute_authority.administration.requests import RememberedRequests
from attribute_authority.own_page.kept import remembered_requests, told_identifiers
from attribute_authority.queries.identifiers import ToldIdentifiers
from attribute_authority.tables import MIGRATIONS
from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.ports import NamedPerson, ReleaseRequest
from ostiary.storage.engine import open_engine, writing
from ostiary.storage.migrate import upgrade

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SP = "https://library.example/shar"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'aa.db'}")
    upgrade(opened, [AUDIT_MIGRATIONS, MIGRATIONS])
    with writing(opened) as connection:
        for person in ("p1", "p2"):
            audit.record(connection, at=NOW, writer="aa", actor="aa", action="attributes.released", subject=person)
            request = ReleaseRequest(person, SP, NOW, target=f"https://library.example/{person}")
            RememberedRequests(opened, keep=timedelta(days=14)).note(connection, request, pushed=True)
    for person in ("p1", "p2"):
        ToldIdentifiers(opened).told("pairwise-id", f"{person}@home.example", SP, NamedPerson(person), NOW)
    yield opened
    opened.dispose()


def test_the_requests_that_are_remembered(engine: Engine) -> None:
    [found] = remembered_requests(engine)("p1")  # type: ignore[misc]
    assert found["target"] == "https://library.example/p1"
    assert (found["resource"], found["at"], found["kept_until"]) == (
        SP,
        "2026-11-22T12:00:00Z",
        "2026-12-06T12:00:00Z",
    )
    assert remembered_requests(engine)("p3") == []


def test_the_identifiers_that_were_told(engine: Engine) -> None:
    assert told_identifiers(engine)("p1") == [
        {"attribute": "pairwise-id", "resource": SP, "at": "2026-11-22T12:00:00Z"}
    ]
    assert told_identifiers(engine)("p3") == []
