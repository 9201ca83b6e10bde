"""Persistent identifiers in the database: issued once, found by the right SP, never given again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from idp.identifiers.stored import ImportedId, PersistentId, PersistentIds
from idp.identifiers.tables import persistent_id
from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from idp.tables import metadata
from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.errors import Missing, Refusal, Unavailable
from ostiary.ports import NamedPerson
from ostiary.storage.engine import open_engine, reading
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from tests.databases import DATABASES, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
LIBRARY, LAB = "https://library.example/shar", "https://lab.example/shar"


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, IDP_MIGRATIONS]) as opened:
        yield opened


def counted(prefix: str):  # type: ignore[no-untyped-def]
    return lambda generation: f"{prefix}-{generation}"


def issue(stored: PersistentIds, principal: str = "p1", sp: str = LIBRARY, *, authority: int = 0) -> PersistentId:
    return stored.issue(principal, sp, counted(f"{principal} at {sp}"), authority=authority, origin="computed", at=NOW)


def recorded(engine: Engine) -> list[tuple[str, str, str | None, dict[str, object]]]:
    with reading(engine) as connection:
        return [(row.action, row.actor, row.person, dict(row.facts)) for row in audit.events(connection)]


def test_the_migration_makes_exactly_this_table(engine: Engine) -> None:
    def ours(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name == persistent_id.name

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_identifier_is_made_once_and_found_again(engine: Engine) -> None:
    stored = PersistentIds(engine)
    assert stored.find("p1", LIBRARY) is None
    made = issue(stored)
    assert made == PersistentId("p1", LIBRARY, f"p1 at {LIBRARY}-0", 0, "computed", NOW, None)
    assert issue(stored) == made
    assert stored.find("p1", LIBRARY) == made
    assert recorded(engine) == [("nameid.issued", "p1", "p1", {"for": LIBRARY, "origin": "computed"})]


def test_each_pair_of_person_and_resource_has_its_own(engine: Engine) -> None:
    stored = PersistentIds(engine)
    made = {issue(stored, who, where).value for who in ("p1", "p2") for where in (LIBRARY, LAB)}
    assert len(made) == 4


def test_an_identifier_names_its_person_to_its_resource_alone(engine: Engine) -> None:
    stored = PersistentIds(engine)
    value = issue(stored, authority=3).value
    assert stored.person_named(value, LIBRARY) == NamedPerson("p1", 3)
    assert stored.person_named(value, LAB) is None
    assert stored.person_named(value.upper(), LIBRARY) is None
    assert stored.person_named(value + " ", LIBRARY) is None


def test_a_revoked_identifier_names_nobody_and_another_one_is_made(engine: Engine) -> None:
    stored = PersistentIds(engine)
    first = issue(stored)
    stored.revoke("p1", LIBRARY, at=LATER, by="operator")
    assert stored.find("p1", LIBRARY) is None
    assert stored.person_named(first.value, LIBRARY) is None
    second = issue(stored)
    assert second.value == f"p1 at {LIBRARY}-1"
    assert stored.person_named(second.value, LIBRARY) == NamedPerson("p1", 0)
    assert stored.person_named(first.value, LIBRARY) is None
    assert [(known.value, known.revoked) for known in stored.all("p1")] == [(first.value, LATER), (second.value, None)]
    assert ("nameid.revoked", "operator", "p1", {"for": LIBRARY}) in recorded(engine)


def test_a_value_that_was_revoked_is_given_to_nobody(engine: Engine) -> None:
    stored = PersistentIds(engine)
    stored.issue("p1", LIBRARY, lambda _: "same", authority=0, origin="random", at=NOW)
    stored.revoke("p1", LIBRARY, at=NOW, by="operator")
    for principal in ("p1", "p2"):
        with pytest.raises(Refusal) as caught:
            stored.issue(principal, LIBRARY, lambda _: "same", authority=0, origin="random", at=NOW)
        assert caught.value.code == "identifiers.persistent_value"
    assert [known.principal for known in stored.all()] == ["p1"]


def test_what_is_not_there_cannot_be_revoked(engine: Engine) -> None:
    stored = PersistentIds(engine)
    issue(stored)
    for principal, sp in (("p1", LAB), ("p2", LIBRARY)):
        with pytest.raises(Missing) as caught:
            stored.revoke(principal, sp, at=NOW, by="operator")
        assert caught.value.code == "identifiers.no_persistent_id"
    stored.revoke("p1", LIBRARY, at=NOW, by="operator")
    with pytest.raises(Missing):
        stored.revoke("p1", LIBRARY, at=NOW, by="operator")


def test_who_moves_to_another_authority_keeps_her_identifier(engine: Engine) -> None:
    stored = PersistentIds(engine)
    before, after = issue(stored), issue(stored, authority=2)
    assert before.value == after.value
    assert stored.person_named(before.value, LIBRARY) == NamedPerson("p1", 2)
    assert recorded(engine)[-1] == ("nameid.moved", "p1", "p1", {"for": LIBRARY, "authority": 2})


def test_logins_at_the_same_time_get_the_same_identifier(engine: Engine) -> None:
    stored = PersistentIds(engine)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: issue(stored).value, range(8)))
    assert made == [f"p1 at {LIBRARY}-0"] * 8
    assert len(stored.all()) == 1
    assert [row[0] for row in recorded(engine)] == ["nameid.issued"]


def test_what_another_identity_provider_gave_out_is_taken_over(engine: Engine) -> None:
    stored = PersistentIds(engine)
    entries = [
        ImportedId("p1", LIBRARY, "old-1"),
        ImportedId("p2", LIBRARY, "old-2"),
        ImportedId("p1", LIBRARY, "older", revoked=True),
    ]
    assert stored.import_all(entries, at=NOW, by="operator") == 3
    assert stored.person_named("old-1", LIBRARY) == NamedPerson("p1", 0)
    assert stored.person_named("older", LIBRARY) is None
    assert issue(stored).value == "old-1"
    assert stored.import_all(entries, at=LATER, by="operator") == 0
    assert [row[0] for row in recorded(engine)] == ["nameid.imported"] * 3


CLASHES = [
    ("another's value", [ImportedId("p2", LIBRARY, f"p1 at {LIBRARY}-0")]),
    ("a second value", [ImportedId("p1", LIBRARY, "other")]),
    ("one that lives as revoked", [ImportedId("p1", LIBRARY, f"p1 at {LIBRARY}-0", revoked=True)]),
    ("no value", [ImportedId("p2", LIBRARY, "")]),
    ("no resource", [ImportedId("p2", "", "x")]),
    ("no person", [ImportedId("", LIBRARY, "x")]),
    ("too long a value", [ImportedId("p2", LIBRARY, "x" * 257)]),
    ("too long a resource", [ImportedId("p2", "x" * 1025, "x")]),
]


@pytest.mark.parametrize(("what", "entries"), CLASHES, ids=[what for what, _ in CLASHES])
def test_an_import_that_does_not_fit_takes_nothing(engine: Engine, what: str, entries: list[ImportedId]) -> None:
    stored = PersistentIds(engine)
    issue(stored)
    with pytest.raises(Refusal) as caught:
        stored.import_all([ImportedId("p9", LAB, "good"), *entries], at=NOW, by="operator")
    assert (caught.value.code, caught.value.params["number"]) == ("identifiers.import", "2")
    assert [known.principal for known in stored.all()] == ["p1"]
    assert [row[0] for row in recorded(engine)] == ["nameid.issued"]


def test_the_longest_value_and_resource_are_kept(engine: Engine) -> None:
    stored = PersistentIds(engine)
    sp, value = "https://" + "x" * 1016, "ä" * 256
    assert stored.import_all([ImportedId("p" * 64, sp, value)], at=NOW, by="operator") == 1
    assert stored.person_named(value, sp) == NamedPerson("p" * 64, 0)


def test_a_database_that_does_not_answer_is_told_apart_from_nobody() -> None:
    engine = open_engine("sqlite:///:memory:")
    with pytest.raises(Unavailable):
        PersistentIds(engine).person_named("x", LIBRARY)
    engine.dispose()
