import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, select, text

from ostiary.audit import Event, erase_person, events, record
from ostiary.audit.tables import MIGRATIONS, audit_person, metadata
from ostiary.storage.engine import reading, writing
from tests.databases import DATABASES, upgraded

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [MIGRATIONS]) as opened:
        yield opened


def write(
    engine: Engine, action: str = "vo.member_added", *, writer: str = "voms-1", subject: str | None = None
) -> int:
    with writing(engine) as connection:
        return record(connection, at=NOON, writer=writer, actor="p-admin", action=action, subject=subject)


def read(engine: Engine, **wanted: object) -> list[Event]:
    with reading(engine) as connection:
        return events(connection, **wanted)  # type: ignore[arg-type]


def test_a_row_is_read_as_it_was_written(engine: Engine) -> None:
    with writing(engine) as connection:
        serial = record(
            connection,
            at=NOON,
            writer="voms-1",
            actor="p-admin",
            action="vo.member_added",
            subject="p-42",
            facts={"group": "/vo/g", "days": 30, "roles": ["a", "ü"]},
            reference="7F3A-91C2",
        )
    (event,) = read(engine)
    assert serial == 1
    assert (event.serial, event.at, event.writer, event.actor) == (1, NOON, "voms-1", "p-admin")
    assert (event.action, event.person, event.reference) == ("vo.member_added", "p-42", "7F3A-91C2")
    assert event.facts == {"group": "/vo/g", "days": 30, "roles": ["a", "ü"]}


def test_the_subject_is_a_salted_commitment(engine: Engine) -> None:
    write(engine, subject="p-42")
    with reading(engine) as connection:
        salt = connection.execute(select(audit_person.c.salt)).scalar_one()
    (event,) = read(engine)
    assert len(salt) == 32
    assert event.subject == hashlib.sha256(salt + b"p-42").hexdigest()


def test_one_person_has_one_commitment_and_two_have_two(engine: Engine) -> None:
    for person in ("p-1", "p-2", "p-1"):
        write(engine, subject=person)
    first, second, third = (event.subject for event in read(engine))
    assert first == third
    assert first != second


def test_serials_are_one_sequence_over_all_writers(engine: Engine) -> None:
    assert [write(engine, writer=writer) for writer in ("a", "b", "a", "c")] == [1, 2, 3, 4]


def test_a_row_goes_with_the_transaction_that_it_records(engine: Engine) -> None:
    def record_and_fail() -> None:
        with writing(engine) as connection:
            record(connection, at=NOON, writer="w", actor="a", action="x.y", subject="p-1")
            raise KeyError

    with pytest.raises(KeyError):
        record_and_fail()
    assert read(engine) == []


def test_a_serial_is_never_given_twice(engine: Engine) -> None:
    assert [write(engine), write(engine)] == [1, 2]
    with writing(engine) as connection:
        connection.execute(text("delete from audit_waiting"))
        connection.execute(text("delete from audit_event"))
    assert write(engine) == 3


def test_rows_are_found_by_what_they_hold(engine: Engine) -> None:
    with writing(engine) as connection:
        for number, (writer, actor, action, subject) in enumerate(
            [
                ("w1", "a", "vo.member_added", "p-1"),
                ("w1", "b", "vo.member_removed", "p-2"),
                ("w2", "a", "vo_other.x", "p-1"),
                ("w2", "a", "policy.changed", None),
            ]
        ):
            at = NOON + timedelta(hours=number)
            record(connection, at=at, writer=writer, actor=actor, action=action, subject=subject)

    def found(**wanted: object) -> list[int]:
        return [event.serial for event in read(engine, **wanted)]

    assert found() == [1, 2, 3, 4]
    assert found(after=2) == [3, 4]
    assert found(limit=2) == [1, 2]
    assert found(writer="w1") == [1, 2]
    assert found(writer="W1") == []
    assert found(actor="a") == [1, 3, 4]
    assert found(action="vo") == [1, 2]
    assert found(action="vo.member_added") == [1]
    assert found(action="v%") == []
    assert found(subject="p-1") == [1, 3]
    assert found(subject="p-3") == []
    assert found(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=3)) == [2, 3]
    assert found(subject="p-1", writer="w2") == [3]


def test_an_erased_person_is_named_nowhere_in_the_database(engine: Engine, tmp_path: Path) -> None:
    write(engine, subject="very-private-person")
    write(engine, subject="p-2")
    with writing(engine) as connection:
        serial = erase_person(connection, "very-private-person", at=NOON, writer="w", actor="p-admin", reference="R")
    assert serial == 3
    first, second, erased = read(engine)
    assert (first.person, second.person, erased.person) == (None, "p-2", None)
    assert (erased.action, erased.subject, erased.reference) == ("audit.person_erased", first.subject, "R")
    assert read(engine, subject="very-private-person") == []
    with reading(engine) as connection:
        dump = [connection.execute(select(table)).all() for table in metadata.sorted_tables]
    assert "very-private-person" not in str(dump)


def test_a_person_who_returns_after_erasure_can_not_be_linked_to_the_old_rows(engine: Engine) -> None:
    write(engine, subject="p-1")
    with writing(engine) as connection:
        erase_person(connection, "p-1", at=NOON, writer="w", actor="a")
    write(engine, subject="p-1")
    before, _, after = read(engine)
    assert before.subject != after.subject
    assert after.person == "p-1"


def test_erasing_somebody_unknown_leaves_no_row(engine: Engine) -> None:
    with writing(engine) as connection:
        assert erase_person(connection, "p-1", at=NOON, writer="w", actor="a") is None
    assert read(engine) == []


def test_people_whose_ids_differ_in_case_or_space_are_different(engine: Engine) -> None:
    for person in ("p-a", "p-A", "p-a "):
        write(engine, subject=person)
    assert [event.person for event in read(engine)] == ["p-a", "p-A", "p-a "]
    assert len({event.subject for event in read(engine)}) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "nodots"},
        {"action": "Upper.case"},
        {"action": "a.b\n"},
        {"action": "a." + "b" * 99},
        {"writer": ""},
        {"writer": "w" * 65},
        {"actor": ""},
        {"actor": "a" * 256},
        {"reference": "r" * 33},
        {"facts": {"x": "y" * 16_000}},
        {"facts": {"x": float("nan")}},
    ],
)
def test_what_does_not_fit_is_refused_and_its_twin_is_written(engine: Engine, wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"at": NOON, "writer": "w" * 64, "actor": "a" * 255, "action": "a." + "b" * 98}
    good |= {"reference": "r" * 32, "facts": {"x": "y" * 15_990}}
    with writing(engine) as connection:
        with pytest.raises(ValueError):  # noqa: PT011 - a ValueError has no code
            record(connection, **(good | wrong))  # type: ignore[arg-type]
        assert record(connection, **good) == 1  # type: ignore[arg-type]


def test_facts_that_are_not_json_are_refused(engine: Engine) -> None:
    with writing(engine) as connection, pytest.raises(TypeError):
        record(connection, at=NOON, writer="w", actor="a", action="x.y", facts={"at": NOON})


def test_the_migration_makes_the_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
