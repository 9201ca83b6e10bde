"""Each change of what is known about people: before and after are kept, proven by the audit, and erased with the person."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from idp.accounts.attribute_history import AttributeChange, attribute_changes
from idp.accounts.directory import Directory
from idp.tables import MIGRATIONS, person_attribute
from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.consent.tables import MIGRATIONS as CONSENT_MIGRATIONS
from ostiary.storage.engine import open_engine, reading, writing
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.storage.migrate import upgrade

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'home.db'}")
    upgrade(opened, (STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, CONSENT_MIGRATIONS, MIGRATIONS))
    yield opened
    opened.dispose()


@pytest.fixture
def directory(engine: Engine) -> Directory:
    return Directory(engine)


@pytest.fixture
def ada(directory: Directory) -> str:
    return directory.create(
        "ada", password_hash=None, attributes={"mail": ["ada@x.example"], "cn": ["Ada"]}, at=NOW, by="operator"
    )


def changes(engine: Engine, principal: str) -> tuple[AttributeChange, ...]:
    with reading(engine) as connection:
        return attribute_changes(connection, principal)


def test_before_and_after_of_each_change_are_there_and_proven(directory: Directory, engine: Engine, ada: str) -> None:
    directory.set_attributes(ada, {"mail": ["a@x.example", "b@x.example"], "title": []}, at=LATER, by="p7")
    directory.rename_login(ada, "countess", at=LATER, by="operator")
    directory.delete(ada, at=LATER, by="operator")
    created, changed, deleted = changes(engine, ada)
    assert (created.before, created.after) == ({}, {"mail": ("ada@x.example",), "cn": ("Ada",)})
    assert (changed.at, changed.by) == (LATER, "p7")
    assert changed.before == {"mail": ("ada@x.example",)}
    assert changed.after == {"mail": ("a@x.example", "b@x.example")}
    assert deleted.before == {"mail": ("a@x.example", "b@x.example"), "cn": ("Ada",)}
    assert deleted.after == {}
    assert [one.proven for one in (created, changed, deleted)] == [True, True, True]


def test_the_audit_holds_numbers_and_digests_and_no_value(directory: Directory, engine: Engine, ada: str) -> None:
    directory.set_attributes(ada, {"mail": ["new@x.example"], "cn": []}, at=LATER, by="operator")
    with reading(engine) as connection:
        facts = audit.events(connection, action="person.attributes_set")[0].facts
    assert facts["attributes"] == {"cn": [1, 0], "mail": [1, 1]}
    assert len(facts["before"]) == len(facts["after"]) == 64
    assert "x.example" not in str(facts)


def test_the_same_values_of_two_people_have_different_digests(directory: Directory, engine: Engine, ada: str) -> None:
    directory.create("eve", password_hash=None, attributes={"cn": ["Ada"]}, at=NOW, by="operator")
    directory.create("mallory", password_hash=None, attributes={"cn": ["Ada"]}, at=NOW, by="operator")
    with reading(engine) as connection:
        states = [event.facts["after"] for event in audit.events(connection, action="person.created")]
    assert len(set(states)) == 3


def test_values_that_somebody_changed_behind_the_audit_are_not_proven(
    directory: Directory, engine: Engine, ada: str
) -> None:
    with writing(engine) as connection:
        connection.execute(update(person_attribute).where(person_attribute.c.name == "cn").values(value="Eve"))
    [created] = changes(engine, ada)
    assert created.proven is False


def test_of_whom_was_erased_nothing_is_left(directory: Directory, engine: Engine, ada: str) -> None:
    directory.delete(ada, at=LATER, by="operator", erase=True)
    assert changes(engine, ada) == ()


def test_an_old_row_without_digests_proves_nothing(directory: Directory, engine: Engine, ada: str) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql(
            'UPDATE audit_event SET facts = \'{"attributes":["cn","mail"]}\' WHERE action = \'person.created\''
        )
    [created] = changes(engine, ada)
    assert (created.proven, created.after) == (None, {"mail": ("ada@x.example",), "cn": ("Ada",)})
