"""What other organisations call a person: found by its value on every database, also what was there before values were looked up."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from idp.accounts.directory import Directory
from idp.tables import MIGRATIONS as IDP
from ostiary.audit.tables import MIGRATIONS as AUDIT
from ostiary.consent.tables import MIGRATIONS as CONSENT
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import MIGRATIONS as STORAGE
from ostiary.storage.migrate import upgrade
from tests.databases import DATABASES, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT = {"at": NOW, "by": "operator"}
NAME = "voPersonExternalID"
HERS = "7Q2LXW=-9@northgate.example"


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [STORAGE, AUDIT, CONSENT, IDP]) as opened:
        yield opened


@pytest.fixture
def directory(engine: Engine) -> Directory:
    return Directory(engine)


def add(directory: Directory, name: str, *values: str, attribute: str = NAME) -> str:
    return directory.create(name, password_hash=None, attributes={attribute: values}, **AT)


def found(directory: Directory, value: str) -> list[str]:
    return [person.login_name for person in directory.by_external_id(value)]


def test_a_person_is_found_by_each_of_her_values_in_any_case_of_ascii_letters(directory: Directory) -> None:
    add(directory, "ada", "ada@southbank.example", HERS)
    add(directory, "bob", "8Q2LXW=-9@northgate.example", "stra\u00dfe@northgate.example")
    for value in (HERS, "7q2lxw=-9@NORTHGATE.example", "Ada@southbank.EXAMPLE"):
        assert found(directory, value) == ["ada"]
    assert found(directory, "stra\u00dfe@NORTHGATE.example") == ["bob"]
    for value in ("", "7q2lxw=-9", f"{HERS} ", f" {HERS}", "7q2lxw=-_@northgate.example", "strasse@northgate.example"):
        assert found(directory, value) == []


def test_the_same_value_in_another_attribute_names_nobody(directory: Directory) -> None:
    add(directory, "ada", HERS, attribute="eduPersonPrincipalName")
    assert found(directory, HERS) == []


def test_a_value_that_was_taken_away_or_whose_holder_is_gone_names_nobody(directory: Directory) -> None:
    ada, bob = add(directory, "ada", HERS), add(directory, "bob", "bob@northgate.example")
    directory.set_attributes(ada, {NAME: ["new@northgate.example"]}, at=NOW + timedelta(days=1), by="operator")
    directory.delete(bob, **AT)
    assert (found(directory, HERS), found(directory, "new@northgate.example")) == ([], ["ada"])
    assert found(directory, "bob@northgate.example") == []
    directory.disable(ada, **AT)
    assert found(directory, "new@northgate.example") == ["ada"]


def test_of_those_who_share_a_value_each_stands_there_once(directory: Directory) -> None:
    add(directory, "ada", HERS, HERS.lower())
    add(directory, "bob", HERS)
    assert found(directory, HERS) == ["ada", "bob"]


@pytest.mark.parametrize("database", sorted(DATABASES))
def test_values_that_were_there_before_they_were_looked_up_are_found(database: str, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(IDP, before, ignore=shutil.ignore_patterns("idp_0007*", "__pycache__"))
    person = "INSERT INTO person (principal, login_name, login_key, active, created_serial, valid_from) VALUES "
    value = "INSERT INTO person_attribute (principal, name, value, position, created_serial, valid_from) VALUES ('p1', "
    with upgraded(database, tmp_path, [STORAGE, AUDIT, CONSENT, before]) as engine:
        with writing(engine) as connection:
            connection.execute(
                text(f"{person} ('p1', 'ada', 'ada', :yes, 1, :now)"), {"yes": True, "now": "2026-11-22"}
            )
            for name in (NAME, "mail"):
                given = {"name": name, "value": HERS, "now": "2026-11-22"}
                connection.execute(text(f"{value} :name, :value, 0, 1, :now)"), given)
        upgrade(engine, [STORAGE, AUDIT, CONSENT, IDP])
        with reading(engine) as connection:
            keys = connection.execute(text("SELECT name, value_key FROM person_attribute ORDER BY name")).all()
            holders = connection.execute(
                text("SELECT principal FROM person_attribute WHERE value_key = :key"), {"key": keys[1].value_key}
            )
            assert holders.scalars().all() == ["p1"]
        assert [(row.name, row.value_key is None) for row in keys] == [("mail", True), (NAME, False)]
        add(Directory(engine), "bob", HERS)
        with reading(engine) as connection:
            same = text("SELECT COUNT(*) FROM person_attribute WHERE value_key = :key")
            assert connection.execute(same, {"key": keys[1].value_key}).scalar_one() == 2


def test_the_look_up_reads_no_more_than_it_has_to(tmp_path: Path) -> None:
    with upgraded("sqlite", tmp_path, [STORAGE, AUDIT, CONSENT, IDP]) as engine, reading(engine) as connection:
        plan = connection.execute(
            text("EXPLAIN QUERY PLAN SELECT principal FROM person_attribute WHERE value_key = 'x' AND valid_to IS NULL")
        ).all()
        assert [row.detail for row in plan] == [
            "SEARCH person_attribute USING INDEX ix_person_attribute_value_key (value_key=?)"
        ]
