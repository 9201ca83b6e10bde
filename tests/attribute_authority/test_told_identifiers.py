"""Queries by subject-id and pairwise-id: a requester may ask by a value that it was told, and by no other."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from attribute_authority.queries.identifiers import RemembersIdentifiers, ToldIdentifiers
from attribute_authority.tables import told_identifier
from ostiary import audit
from ostiary.attributes import make_attribute
from ostiary.policy.release import ReleaseDecision
from ostiary.ports import NamedPerson, Release, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.storage.engine import reading, writing
from tests.attribute_authority.query_home import (
    AFFILIATION,
    HOME,
    LAB,
    LAB_SIGNER,
    LIBRARY,
    NOW,
    REGISTRY,
    Home,
    envelope,
    prepared,
    query,
    texts,
)

SUBJECT, PAIRWISE = "urn:oasis:names:tc:SAML:attribute:subject-id", "urn:oasis:names:tc:SAML:attribute:pairwise-id"
HERS = "ABC234@uni.example"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = prepared(tmp_path)
    yield made
    made.dispose()


def rows(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(told_identifier)).scalar_one()


def told(engine: Engine) -> list[tuple[str | None, object, object]]:
    with reading(engine) as connection:
        events = audit.events(connection, action="identifier.told")
        return [(event.person, event.facts["for"], event.facts["identifier"]) for event in events]


def test_a_value_is_found_by_whom_it_was_told_to_without_regard_to_case(engine: Engine) -> None:
    store = ToldIdentifiers(engine)
    store.told("pairwise-id", HERS, LIBRARY, NamedPerson("p1", 2), NOW)
    assert store.person_told("pairwise-id", HERS.lower(), LIBRARY) == NamedPerson("p1", 2)
    assert store.person_told("pairwise-id", HERS, LAB) is None
    assert store.person_told("subject-id", HERS, LIBRARY) is None
    assert store.person_told("pairwise-id", "x" * 5000, LIBRARY) is None
    assert told(engine) == [("p1", LIBRARY, "pairwise-id")]


def test_a_value_is_written_once_and_no_more(engine: Engine) -> None:
    store = ToldIdentifiers(engine)
    for _ in range(3):
        store.told("subject-id", HERS, LIBRARY, NamedPerson("p1"), NOW)
    ToldIdentifiers(engine).told("subject-id", HERS, LIBRARY, NamedPerson("p1"), NOW)
    assert (rows(engine), len(told(engine))) == (1, 1)


def test_a_value_that_somebody_else_has_now_names_her_alone(engine: Engine) -> None:
    store = ToldIdentifiers(engine)
    store.told("subject-id", HERS, LIBRARY, NamedPerson("p1"), NOW)
    store.told("subject-id", HERS, LIBRARY, NamedPerson("p2"), NOW + timedelta(days=1))
    assert store.person_told("subject-id", HERS, LIBRARY) == NamedPerson("p2")
    assert [person for person, _, _ in told(engine)] == ["p1", "p2"]


def test_a_value_is_forgotten_with_its_person(engine: Engine) -> None:
    store = ToldIdentifiers(engine)
    store.told("subject-id", HERS, LIBRARY, NamedPerson("p1"), NOW)
    store.told("subject-id", f"x{HERS}", LIBRARY, NamedPerson("p2"), NOW)
    with writing(engine) as connection:
        audit.erase_person(connection, "p1", at=NOW, writer="test", actor="test")
    assert store.person_told("subject-id", HERS, LIBRARY) is None
    assert rows(engine) == 1


class Tells:
    """An authority that tells everybody the same."""

    def release(self, request: ReleaseRequest) -> Release:
        attributes = (make_attribute("subject-id", [HERS]), make_attribute("displayName", ["Ada"]))
        return Release(attributes, ReleaseDecision(attributes, ()))


def test_what_is_released_is_noted_but_not_for_nobody_in_particular(engine: Engine) -> None:
    store = ToldIdentifiers(engine)
    source = RemembersIdentifiers(Tells(), store)
    source.release(ReleaseRequest("p1", "", NOW, anonymous=True))
    assert rows(engine) == 0
    source.release(ReleaseRequest("p1", LIBRARY, NOW, authority=1))
    assert rows(engine) == 1
    assert store.person_told("subject-id", HERS, LIBRARY) == NamedPerson("p1", 1)


def test_a_query_by_a_told_identifier_is_answered_and_by_any_other_is_not(tmp_path: Path, engine: Engine) -> None:
    home = Home(tmp_path, engine, REGISTRY)
    ToldIdentifiers(engine).told("pairwise-id", HERS, LIBRARY, NamedPerson("p1"), NOW)
    asked = query(name_id=NameId(HERS, PAIRWISE))
    assert texts(home.post(envelope(asked)), asked) == AFFILIATION
    for number, name_id in enumerate(
        (NameId(HERS, SUBJECT), NameId(f"X{HERS}", PAIRWISE), NameId(HERS, names.UNSPECIFIED_NAMEID))
    ):
        asked = query(id=f"_{number:040x}", name_id=name_id)
        assert names.UNKNOWN_PRINCIPAL in home.post(envelope(asked)).text
    asked = query(id="_lab", issuer=LAB, name_id=NameId(HERS, PAIRWISE, HOME))
    assert names.UNKNOWN_PRINCIPAL in home.post(envelope(asked, LAB_SIGNER)).text
    assert len(home.recorded()) == 1


def test_whoever_was_told_the_subject_id_asks_by_it_afterwards(tmp_path: Path, engine: Engine) -> None:
    policies = f"policies: [{{id: all, for: {{requesters: {LIBRARY}}}, rules: [{{id: id, permit: subject-id}}]}}]"
    home = Home(tmp_path, engine, REGISTRY, policy_text=policies)
    by_value = query(id="_q1", name_id=NameId("ABC-234@UNI.example", SUBJECT))
    assert names.UNKNOWN_PRINCIPAL in home.post(envelope(by_value)).text
    by_handle = query(id="_q2")
    assert texts(home.post(envelope(by_handle)), by_handle) == {"subject-id": ("abc-234@uni.example",)}
    by_value = query(id="_q3", name_id=by_value.name_id)
    assert texts(home.post(envelope(by_value)), by_value) == {"subject-id": ("abc-234@uni.example",)}
    assert told(engine) == [("p1", LIBRARY, "subject-id")]
