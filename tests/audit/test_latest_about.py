"""The newest audit rows about one person: hers alone, of the kinds that are asked for, page by page, and by the index."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ostiary import audit
from ostiary.audit.tables import MIGRATIONS
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import upgrade
from tests.databases import DATABASES, emptied

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    opened = emptied(DATABASES[request.param](tmp_path))
    upgrade(opened, [MIGRATIONS])
    with writing(opened) as connection:
        for number in range(6):
            for person in ("ada", "bob"):
                audit.record(
                    connection,
                    at=NOW + timedelta(minutes=number),
                    writer="aa",
                    actor=person,
                    action="attributes.released" if number % 2 else "login.succeeded",
                    subject=person,
                    facts={"number": number},
                )
    yield opened
    opened.dispose()


def numbers(engine: Engine, subject: str = "ada", **wanted: object) -> list[int]:
    with reading(engine) as connection:
        found = audit.latest_about(connection, subject, **{"actions": ["attributes.released"], **wanted})
    assert {event.person for event in found} <= {subject}
    return [event.facts["number"] for event in found]


def test_the_newest_come_first_and_only_hers(engine: Engine) -> None:
    assert numbers(engine) == [5, 3, 1]
    assert numbers(engine, actions=["attributes.released", "login.succeeded"], limit=4) == [5, 4, 3, 2]
    assert numbers(engine, actions=["attributes"]) == []
    assert numbers(engine, "eve") == []


def test_they_come_page_by_page(engine: Engine) -> None:
    with reading(engine) as connection:
        [newest] = audit.latest_about(connection, "ada", actions=["attributes.released"], limit=1)
    assert numbers(engine, before=newest.serial) == [3, 1]


def test_of_who_was_erased_nothing_is_found(engine: Engine) -> None:
    with writing(engine) as connection:
        audit.erase_person(connection, "ada", at=NOW, writer="idp", actor="operator")
    assert numbers(engine) == []
    assert numbers(engine, "bob") == [5, 3, 1]


def test_only_the_rows_of_that_person_are_looked_at(tmp_path: Path) -> None:
    engine = emptied(f"sqlite:///{tmp_path / 'plan.db'}")
    upgrade(engine, [MIGRATIONS])
    with writing(engine) as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM audit_event WHERE subject = 'x' AND action IN ('a.b', 'c.d') "
            "AND serial < 9 ORDER BY serial DESC LIMIT 5"
        ).all()
    engine.dispose()
    assert [row[3] for row in plan] == ["SEARCH audit_event USING INDEX ix_audit_event_subject (subject=? AND rowid<?)"]
