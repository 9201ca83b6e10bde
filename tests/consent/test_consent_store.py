"""People's choices in a database: the latest word counts, the past stays, each change has its audit row."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, select

from ostiary import audit
from ostiary.attributes import Value, make_attribute
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.consent.choices import Answer, Mode, Offered, Purpose
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.store import Choices, EnforcedChoices, choice_key
from ostiary.consent.tables import MIGRATIONS, consent_choice, metadata
from ostiary.errors import Missing, Refusal, Unavailable
from ostiary.policy.release import Requester
from ostiary.storage.engine import open_engine, reading, writing
from ostiary.storage.migrate import upgrade
from tests.databases import DATABASES, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SP = "https://instrument.example/shar"
LIBRARY = "https://library.example/shar"
PURPOSE = Purpose((("en", "A microscope."),), (("en", "https://instrument.example/privacy"),))


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [AUDIT_MIGRATIONS, MIGRATIONS]) as opened:
        yield opened


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Engine]:
    """SQLite, whatever else there is."""
    opened = open_engine(f"sqlite:///{tmp_path / 'home.db'}")
    upgrade(opened, [AUDIT_MIGRATIONS, MIGRATIONS])
    yield opened
    opened.dispose()


@pytest.fixture
def choices(engine: Engine) -> Choices:
    return Choices(engine, writer="idp")


def answer(principal: str = "p1", entity_id: str = SP, **changes: object) -> Answer:
    shown = (
        Offered(make_attribute("mail", ["ada@example.org"])),
        Offered(make_attribute("displayName", ["Ada"]), required=True),
    )
    given: dict[str, object] = {"mode": Mode.ASK_WHEN_CHANGED, "shown": shown, "allowed": frozenset({"displayName"})}
    given |= {"purpose": PURPOSE.read_in("en"), "visit": "v1"}
    return Answer(principal=principal, entity_id=entity_id, **{**given, **changes})  # type: ignore[arg-type]


def rows(engine: Engine) -> list[dict[str, object]]:
    with reading(engine) as connection:
        found = connection.execute(select(consent_choice).order_by(consent_choice.c.id))
        return [dict(row._mapping) for row in found]


def audited(engine: Engine) -> list[tuple[str, str, str | None, dict[str, object]]]:
    with reading(engine) as connection:
        found = audit.events(connection, action="consent")
        return [(event.action, event.actor, event.person, dict(event.facts)) for event in found]


def test_the_migration_makes_exactly_the_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        )
        assert compare_metadata(context, metadata) == []


def test_what_was_given_is_found_again(choices: Choices) -> None:
    given = choices.give(answer(), at=NOW, by="p1")
    assert choices.latest("p1", SP) == given
    assert (given.mode, given.given_at, given.visit, given.revoked_at) == (Mode.ASK_WHEN_CHANGED, NOW, "v1", None)
    assert given.names(allowed=True) == ("displayName",)
    assert given.names(allowed=False) == ("mail",)
    assert len(given.salt) == 32


def test_nobody_finds_the_choice_of_another_or_about_another(choices: Choices) -> None:
    choices.give(answer(), at=NOW, by="p1")
    assert choices.latest("p2", SP) is None
    assert choices.latest("p1", LIBRARY) is None
    assert choices.all_of("p2") == ()


def test_a_choice_is_audited_without_values(choices: Choices, engine: Engine) -> None:
    choices.give(answer(), at=NOW, by="p1")
    facts = {"for": SP, "mode": "ask_when_changed", "allowed": ["displayName"], "withheld": ["mail"]}
    assert audited(engine) == [("consent.given", "p1", "p1", facts)]


def test_no_value_is_written_anywhere(embedded: Engine, tmp_path: Path) -> None:
    Choices(embedded, writer="idp").give(answer(), at=NOW, by="p1")
    embedded.dispose()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert SP.encode() in written
    for secret in (b"ada@example.org", b"Ada", b"A microscope.", b"/privacy"):
        assert secret not in written


def test_a_new_answer_takes_the_place_of_the_old_one_which_stays_as_the_past(choices: Choices, engine: Engine) -> None:
    first = choices.give(answer(), at=NOW, by="p1")
    second = choices.give(answer(mode=Mode.REMEMBER, allowed=frozenset({"mail", "displayName"})), at=LATER, by="p1")
    assert choices.latest("p1", SP) == second
    assert choices.all_of("p1") == (second,)
    old, new = rows(engine)
    assert (old["valid_from"], old["valid_to"], old["current_key"]) == (NOW, LATER, None)
    assert (old["created_serial"], old["deleted_serial"]) == (first.created_serial, second.created_serial)
    assert (new["valid_to"], new["deleted_serial"]) == (None, None)


def test_without_something_required_there_is_no_answer(choices: Choices, engine: Engine) -> None:
    with pytest.raises(Refusal) as refused:
        choices.give(answer(allowed=frozenset({"mail"})), at=NOW, by="p1")
    assert (refused.value.code, refused.value.found) == ("consent.required", "displayName")
    assert rows(engine) == []
    assert audited(engine) == []


def test_taking_back_leaves_the_fact_that_it_was_taken_back(choices: Choices, engine: Engine) -> None:
    choices.give(answer(), at=NOW, by="p1")
    choices.revoke("p1", SP, at=LATER, by="p1")
    found = choices.latest("p1", SP)
    assert found is not None
    assert found.revoked_at == LATER
    assert audited(engine)[1] == ("consent.revoked", "p1", "p1", {"for": SP})
    assert found.revoked_serial == 2
    again = choices.give(answer(), at=LATER, by="p1")
    assert again.revoked_at is None
    assert again.salt != found.salt
    assert [row["valid_to"] for row in rows(engine)] == [LATER, None]
    assert rows(engine)[0]["deleted_serial"] == 2


def test_what_is_not_there_can_neither_be_taken_back_nor_changed(choices: Choices) -> None:
    with pytest.raises(Missing) as missing:
        choices.revoke("p1", SP, at=NOW, by="p1")
    assert missing.value.code == "consent.unknown"
    choices.give(answer(), at=NOW, by="p1")
    choices.revoke("p1", SP, at=LATER, by="p1")
    for attempt in (
        lambda: choices.revoke("p1", SP, at=LATER, by="p1"),
        lambda: choices.change("p1", SP, mode=Mode.REMEMBER, allowed=frozenset(), at=LATER, by="p1"),
        lambda: choices.change("p2", SP, mode=Mode.REMEMBER, allowed=frozenset(), at=LATER, by="p2"),
    ):
        with pytest.raises(Missing):
            attempt()


def test_changing_keeps_the_digests_and_is_audited(choices: Choices, engine: Engine) -> None:
    first = choices.give(answer(), at=NOW, by="p1")
    second = choices.change("p1", SP, mode=Mode.ASK_ALWAYS, allowed=frozenset({"mail"}), at=LATER, by="p1")
    assert second.names(allowed=True) == ("mail",)
    assert (second.mode, second.given_at, second.salt, second.visit) == (Mode.ASK_ALWAYS, LATER, first.salt, "")
    assert {one.name: one.values for one in second.attributes} == {one.name: one.values for one in first.attributes}
    facts = {"for": SP, "mode": "ask_always", "allowed": ["mail"], "withheld": ["displayName"]}
    assert audited(engine)[1] == ("consent.changed", "p1", "p1", facts)


def test_the_list_has_the_newest_first(choices: Choices) -> None:
    choices.give(answer(), at=NOW, by="p1")
    choices.give(answer(entity_id=LIBRARY), at=LATER, by="p1")
    choices.give(answer(principal="p2"), at=LATER, by="p2")
    assert [choice.entity_id for choice in choices.all_of("p1")] == [LIBRARY, SP]


def test_an_entity_id_and_names_of_the_greatest_length_fit(choices: Choices, engine: Engine) -> None:
    long = "https://" + "e" * 1016
    shown = tuple(Offered(make_attribute(f"{number:0200}", ["x" * 500] * 3)) for number in range(60))
    given = choices.give(
        answer(entity_id=long, shown=shown, allowed=frozenset(one.name for one in shown)), at=NOW, by="p1"
    )
    assert given.entity_id == long
    assert len(given.attributes) == 60
    [(_, _, _, facts)] = audited(engine)
    assert len(json.dumps(facts)) < 16_000


def test_an_answer_that_came_in_between_is_ended_by_this_one(embedded: Engine) -> None:
    """As databases with several writers allow; the first attempt is undone with its audit row."""
    raced: list[bool] = []

    @event.listens_for(embedded, "before_cursor_execute")
    def race(_connection: object, cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("INSERT INTO consent_choice") and not raced:
            raced.append(True)
            cursor.execute(  # type: ignore[attr-defined]
                "INSERT INTO consent_choice (principal, entity_id, current_key, mode, attributes, text_language, "
                "url_language, purpose, salt, visit, created_serial, valid_from) "
                "VALUES (?, ?, ?, 'remember', '[]', '', '', '', x'00', '', 0, ?)",
                ("p1", SP, choice_key("p1", SP), "2026-11-22 12:00:00.000000"),
            )

    choices = Choices(embedded, writer="idp")
    given = choices.give(answer(), at=NOW, by="p1")
    assert raced == [True]
    assert choices.latest("p1", SP) == given
    assert [action for action, *_ in audited(embedded)] == ["consent.given"]


def test_of_windows_that_answer_at_once_one_answer_is_the_last(choices: Choices, engine: Engine) -> None:
    def give(number: int) -> None:
        choices.give(answer(visit=f"v{number}"), at=NOW + timedelta(seconds=number), by="p1")

    choices.give(answer(), at=NOW, by="p1")
    with ThreadPoolExecutor(3) as windows:
        list(windows.map(give, range(1, 4)))
    found = rows(engine)
    assert len(found) == len(audited(engine)) == 4
    [latest] = [row for row in found if row["current_key"] is not None]
    assert latest["valid_to"] is None
    assert all(row["valid_to"] is not None for row in found if row is not latest)


def test_every_audited_end_has_ended_an_answer(choices: Choices, engine: Engine) -> None:
    """Another window answers while this one takes back, in any order."""
    for number in range(8):
        choices.give(answer(), at=NOW, by="p1")
        with ThreadPoolExecutor(2) as windows:
            gives = windows.submit(choices.give, answer(visit=f"v{number}"), at=LATER, by="p1")
            windows.submit(choices.revoke, "p1", SP, at=LATER, by="p1").result()
            gives.result()
    with reading(engine) as connection:
        revoked = {event.serial for event in audit.events(connection, action="consent.revoked")}
    assert len(revoked) == 8
    ended = [row["deleted_serial"] for row in rows(engine) if row["valid_to"] is not None]
    assert revoked <= set(ended)
    assert None not in ended


def test_a_database_that_does_not_answer_is_said_to_be_unavailable(embedded: Engine) -> None:
    with writing(embedded) as connection:
        connection.exec_driver_sql("DROP TABLE consent_choice")
    with pytest.raises(Unavailable):
        Choices(embedded, writer="idp").latest("p1", SP)


ANY = Value("anything")


def wish_for(choices: Choices, entity_id: str = SP, categories: tuple[str, ...] = (), **settings: object) -> object:
    enforced = EnforcedChoices(choices, ConsentSettings.model_validate(settings))
    found = enforced.wish("p1", Requester(entity_id, categories), NOW)
    return None if found is None else found("mail", ANY)


@pytest.mark.parametrize("mode", ["off", "inform"])
def test_where_consent_is_not_required_what_she_said_counts_all_the_same(choices: Choices, mode: str) -> None:
    assert wish_for(choices, mode=mode) is None
    choices.give(answer(), at=NOW, by="p1")
    assert wish_for(choices, mode=mode) == "withheld"


def test_where_consent_is_required_nothing_goes_without_it(choices: Choices) -> None:
    assert wish_for(choices, mode="required") == "not_asked"
    choices.give(answer(), at=NOW, by="p1")
    assert wish_for(choices, mode="required") == "withheld"


@pytest.mark.parametrize("never_for", [SP, "https://refeds.org/category/research-and-scholarship"])
def test_exempt_resources_are_left_to_the_policies(choices: Choices, never_for: str) -> None:
    categories = ("https://refeds.org/category/research-and-scholarship",)
    assert wish_for(choices, SP, categories, mode="required", never_for=(never_for,)) is None
    assert wish_for(choices, LIBRARY, (), mode="required", never_for=(never_for,)) == "not_asked"


def test_an_answer_that_is_too_old_lets_nothing_go(choices: Choices) -> None:
    choices.give(answer(allowed=frozenset({"mail", "displayName"}), mode=Mode.REMEMBER), at=NOW, by="p1")
    enforced = EnforcedChoices(choices, ConsentSettings(mode="required", ask_again_after=timedelta(days=1)))
    fresh = enforced.wish("p1", Requester(SP), NOW + timedelta(hours=23))
    old = enforced.wish("p1", Requester(SP), NOW + timedelta(days=1))
    assert fresh is not None
    assert old is not None
    assert (fresh("mail", ANY), old("mail", ANY)) == (None, "not_asked")
