"""The embedded directory: names, states, attributes in time, and an audit row with each change."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from idp.accounts.directory import ATTRIBUTE_QUERY, Directory, login_key
from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from idp.tables import metadata, person_attribute
from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.errors import Missing, Refusal, Unavailable
from ostiary.storage.engine import open_engine, reading
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from tests.databases import DATABASES, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, IDP_MIGRATIONS]) as opened:
        yield opened


def add(directory: Directory, name: str = "ada", **attributes: list[str]) -> str:
    return directory.create(name, password_hash="hash", attributes=attributes, at=NOW, by="operator")


def actions(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [event.action for event in audit.events(connection)]


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(engine: Engine) -> None:
    def ours(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name in metadata.tables

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_person_is_active_under_an_opaque_principal(directory: Directory) -> None:
    principal = add(directory)
    assert len(principal) == 32
    assert set(principal) <= set("0123456789abcdef")
    assert "ada" not in principal
    assert directory.is_active(principal)


def test_two_people_have_different_principals(directory: Directory) -> None:
    assert add(directory, "ada") != add(directory, "bob")


def test_nobody_is_active_under_an_unknown_principal(directory: Directory) -> None:
    assert directory.is_active("0" * 32) is False


def test_a_disabled_person_is_inactive_until_she_is_enabled(directory: Directory) -> None:
    principal = add(directory)
    directory.disable(principal, at=NOW, by="operator")
    assert directory.is_active(principal) is False
    directory.enable(principal, at=NOW, by="operator")
    assert directory.is_active(principal) is True


@pytest.mark.parametrize("other", ["ADA", " ada ", "ａｄａ", "Ada"])
def test_a_login_name_is_found_in_every_spelling_that_counts_as_the_same(directory: Directory, other: str) -> None:
    principal = add(directory, "ada")
    found = directory.find(other)
    assert found is not None
    assert found.principal == principal
    assert found.login_name == "ada"


@pytest.mark.parametrize("other", ["ADA", "ａｄａ"])
def test_a_login_name_that_counts_as_the_same_is_taken(directory: Directory, other: str) -> None:
    add(directory, "ada")
    with pytest.raises(Refusal) as refused:
        add(directory, other)
    assert refused.value.code == "people.login_taken"


def test_a_name_with_an_accent_is_another_name(directory: Directory) -> None:
    assert add(directory, "rene") != add(directory, "rené")


@pytest.mark.parametrize("name", ["", "   ", "a" * 129, "a\nb", "a\u202eb", "a\u200bb"])
def test_a_name_that_nobody_could_tell_from_another_is_refused(directory: Directory, name: str) -> None:
    with pytest.raises(Refusal) as refused:
        add(directory, name)
    assert refused.value.code == "people.login_name"


@settings(max_examples=100)
@given(st.text(max_size=20))
def test_the_compared_form_of_a_name_is_its_own_compared_form(name: str) -> None:
    assert login_key(login_key(name)) == login_key(name)


def test_a_renamed_person_keeps_her_principal_and_frees_her_name(directory: Directory) -> None:
    principal = add(directory, "ada")
    directory.rename_login(principal, "Ada.Lovelace", at=NOW, by="operator")
    found = directory.find("ada.lovelace")
    assert found is not None
    assert found.principal == principal
    assert directory.find("ada") is None
    assert add(directory, "ada") != principal


def test_a_person_is_not_renamed_to_somebody_else(directory: Directory) -> None:
    principal = add(directory, "ada")
    add(directory, "bob")
    with pytest.raises(Refusal) as refused:
        directory.rename_login(principal, "BOB", at=NOW, by="operator")
    assert refused.value.code == "people.login_taken"
    assert directory.find("ada") is not None


def test_a_new_password_replaces_the_old_one(directory: Directory) -> None:
    principal = add(directory)
    directory.set_password(principal, "another hash", at=NOW, by="operator")
    credentials = directory.credentials("ada")
    assert credentials is not None
    assert credentials.password_hash == "another hash"


def test_a_hash_is_renewed_only_while_the_password_is_the_same(directory: Directory) -> None:
    principal = add(directory)
    directory.set_password(principal, "changed meanwhile", at=NOW, by="operator")
    directory.renew_hash(principal, "hash", "renewed", at=NOW, by="idp")
    credentials = directory.credentials("ada")
    assert credentials is not None
    assert credentials.password_hash == "changed meanwhile"


def test_attributes_keep_the_order_of_their_values(directory: Directory) -> None:
    principal = add(directory, eduPersonAffiliation=["student", "member", "alum"], mail=["ada@example.org"])
    assert directory.attributes(principal) == {
        "eduPersonAffiliation": ("student", "member", "alum"),
        "mail": ("ada@example.org",),
    }


def test_setting_an_attribute_leaves_the_others(directory: Directory) -> None:
    principal = add(directory, mail=["old@example.org"], sn=["Lovelace"])
    directory.set_attributes(principal, {"mail": ["new@example.org"]}, at=NOW, by="operator")
    assert directory.attributes(principal) == {"mail": ("new@example.org",), "sn": ("Lovelace",)}


def test_an_attribute_without_values_is_taken_away(directory: Directory) -> None:
    principal = add(directory, mail=["old@example.org"], sn=["Lovelace"])
    directory.set_attributes(principal, {"mail": []}, at=NOW, by="operator")
    assert directory.attributes(principal) == {"sn": ("Lovelace",)}


def test_what_was_said_before_stays_readable_with_its_interval_and_serials(
    directory: Directory, engine: Engine
) -> None:
    principal = add(directory, mail=["old@example.org"])
    later = NOW + timedelta(days=1)
    directory.set_attributes(principal, {"mail": ["new@example.org"]}, at=later, by="operator")
    with reading(engine) as connection:
        rows = connection.execute(person_attribute.select().order_by(person_attribute.c.id)).all()
    assert [(row.value, row.valid_from, row.valid_to) for row in rows] == [
        ("old@example.org", NOW, later),
        ("new@example.org", later, None),
    ]
    assert rows[0].deleted_serial == rows[1].created_serial > rows[0].created_serial
    assert rows[1].deleted_serial is None


def test_the_authoritys_query_reads_the_present_values_of_one_person(directory: Directory, engine: Engine) -> None:
    principal = add(directory, "ada", mail=["old@example.org"], sn=["Lovelace"])
    add(directory, "bob", mail=["bob@example.org"])
    directory.set_attributes(principal, {"mail": ["b@example.org", "a@example.org"]}, at=NOW, by="operator")
    with reading(engine) as connection:
        rows = connection.execute(text(ATTRIBUTE_QUERY), {"principal": principal}).all()
    assert [tuple(row) for row in rows] == [
        ("mail", "b@example.org"),
        ("mail", "a@example.org"),
        ("sn", "Lovelace"),
    ]


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"": ["x"]}, "people.attribute_name"),
        ({"two words": ["x"]}, "people.attribute_name"),
        ({"mail": [""]}, "people.attribute_value"),
        ({"mail": ["x" * 4097]}, "people.attribute_value"),
        ({"mail": ["x"] * 1001}, "people.attribute_value"),
        ({f"a{number}": ["x"] for number in range(51)}, "people.attributes"),
    ],
)
def test_attributes_that_nobody_could_use_are_refused(
    directory: Directory, attributes: dict[str, list[str]], code: str
) -> None:
    principal = add(directory, mail=["ada@example.org"])
    with pytest.raises(Refusal) as refused:
        directory.set_attributes(principal, attributes, at=NOW, by="operator")
    assert refused.value.code == code
    assert directory.attributes(principal) == {"mail": ("ada@example.org",)}


def test_every_change_leaves_an_audit_row_about_that_person(directory: Directory, engine: Engine) -> None:
    principal = add(directory)
    directory.disable(principal, at=NOW, by="operator")
    directory.enable(principal, at=NOW, by="operator")
    directory.set_password(principal, "new", at=NOW, by="operator")
    directory.renew_hash(principal, "new", "newer", at=NOW, by="idp")
    directory.rename_login(principal, "countess", at=NOW, by="operator")
    directory.set_attributes(principal, {"mail": ["ada@example.org"]}, at=NOW, by="operator")
    with reading(engine) as connection:
        events = audit.events(connection)
    assert [event.action for event in events] == [
        "person.created",
        "person.disabled",
        "person.enabled",
        "person.password_set",
        "person.password_rehashed",
        "person.login_renamed",
        "person.attributes_set",
    ]
    assert {event.person for event in events} == {principal}
    assert events[-1].facts["attributes"] == {"mail": [0, 1]}


def test_the_audit_holds_neither_names_nor_values(directory: Directory, engine: Engine) -> None:
    principal = add(directory, "ada", mail=["ada@example.org"])
    directory.rename_login(principal, "countess", at=NOW, by="operator")
    with reading(engine) as connection:
        rows = connection.exec_driver_sql("SELECT * FROM audit_event").all()
        rows += connection.exec_driver_sql("SELECT * FROM audit_person").all()
    # Digests hold these three letters now and then.
    assert re.search("(?<![0-9a-f])ada(?![0-9a-f])", str(rows)) is None
    assert "countess" not in str(rows)


def test_a_change_that_fails_leaves_no_audit_row(directory: Directory, engine: Engine) -> None:
    add(directory, "ada")
    with pytest.raises(Refusal):
        add(directory, "ada")
    assert actions(engine) == ["person.created"]


def test_a_change_of_somebody_unknown_is_refused_without_a_trace(directory: Directory, engine: Engine) -> None:
    with pytest.raises(Missing) as refused:
        directory.disable("0" * 32, at=NOW, by="operator")
    assert refused.value.code == "people.unknown"
    assert actions(engine) == []


def test_everybody_is_listed_by_login_name(directory: Directory) -> None:
    add(directory, "bob")
    add(directory, "Ada")
    assert [person.login_name for person in directory.all()] == ["Ada", "bob"]


def test_a_directory_that_does_not_answer_is_told_from_an_unknown_person() -> None:
    broken = Directory(open_engine("sqlite://"))
    with pytest.raises(Unavailable):
        broken.is_active("0" * 32)
