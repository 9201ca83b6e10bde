"""What a person sets on her own page, in a database: kept, taken back, forgotten, erased, each with its audit row and within bounds."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from ostiary import audit
from ostiary.attributes import Attribute, Value
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.consent.choices import (
    AttributeChoice,
    ByChoice,
    Offered,
    Purpose,
    ReadPurpose,
    askable,
    must_ask,
    nothing_was_asked,
)
from ostiary.consent.general_rule import GeneralRules, SaidRule
from ostiary.consent.personal import Personal, Setting, Switch
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.store import Choices, EnforcedChoices, _choice, choice_key, erase_choices
from ostiary.consent.tables import MIGRATIONS, consent_choice, consent_rule
from ostiary.errors import Denied, Missing
from ostiary.policy.release import Requester, Wish
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import upgrade
from tests.databases import DATABASES, emptied, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SP, LAB = Requester("https://library.example/shar"), Requester("https://lab.example/shar")
MAIL = Switch(Attribute("mail", (Value("a"), Value("b"))), frozenset({Value("a"), Value("b")}), frozenset({Value("a")}))
UID = Switch(Attribute("uid", (Value("u"),)), frozenset(), frozenset({Value("u")}))


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [AUDIT_MIGRATIONS, MIGRATIONS]) as opened:
        yield opened


@pytest.fixture
def choices(engine: Engine) -> Choices:
    return Choices(engine, writer="aa")


@pytest.fixture
def rules(engine: Engine) -> GeneralRules:
    return GeneralRules(engine, writer="aa")


def setting(*switches: Switch, requester: Requester = SP, principal: str = "p1") -> Setting:
    return Setting(principal, requester, switches, ReadPurpose())


def audited(engine: Engine) -> list[tuple[str, dict[str, object]]]:
    with reading(engine) as connection:
        return [(event.action, dict(event.facts)) for event in audit.events(connection, action="consent")]


def number_of_rows(engine: Engine) -> int:
    with reading(engine) as connection:
        return sum(len(connection.execute(select(table.c.id)).all()) for table in (consent_choice, consent_rule))


def test_a_setting_is_found_again_with_what_she_added_and_kept_back(choices: Choices, engine: Engine) -> None:
    kept = choices.decide(setting(MAIL, UID), at=NOW, by="p1")
    assert choices.latest("p1", SP.entity_id) == kept
    mail, uid = kept.attributes
    assert (mail.allowed, mail.more, len(mail.values), len(mail.withheld_values)) == (True, False, 2, 1)
    assert (uid.allowed, uid.more, uid.withheld_values) == (True, True, frozenset())
    assert audited(engine) == [
        (
            "consent.set",
            {
                "for": SP.entity_id,
                "mode": "ask_when_changed",
                "allowed": ["mail", "uid"],
                "withheld": [],
                "more": ["uid"],
                "in_part": ["mail"],
            },
        )
    ]


def test_a_row_of_before_people_could_add_anything_is_read(choices: Choices, engine: Engine) -> None:
    choices.decide(setting(MAIL), at=NOW, by="p1")
    with writing(engine) as connection:
        connection.execute(consent_choice.update().values(attributes='[["mail",true,["x"]],["cn",false,[]]]'))
    found = choices.latest("p1", SP.entity_id)
    assert found is not None
    assert found.attributes == (AttributeChoice("mail", True, frozenset({"x"})), AttributeChoice("cn", False))


@pytest.mark.parametrize(
    ("precedence", "wanted"),
    [
        (Precedence(people_may=frozenset({"release"})), MAIL),
        (Precedence(people_may=frozenset({"withhold"})), UID),
        (Precedence(never_release=frozenset({"uid"})), UID),
    ],
)
def test_the_store_refuses_what_people_may_not_do(engine: Engine, precedence: Precedence, wanted: Switch) -> None:
    choices = Choices(engine, writer="aa", precedence=lambda at: precedence)
    with pytest.raises(Denied) as denied:
        choices.decide(setting(wanted), at=NOW, by="p1")
    assert (denied.value.code, number_of_rows(engine)) == ("consent.beyond_bounds", 0)


def test_where_nothing_may_be_kept_back_nothing_is_stopped(engine: Engine) -> None:
    only_release = Precedence(people_may=frozenset({"release"}))
    choices = Choices(engine, writer="aa", precedence=lambda at: only_release)
    with pytest.raises(Denied):
        choices.stop("p1", SP.entity_id, at=NOW, by="p1")


def test_what_was_never_set_can_be_stopped_and_stopped_once(choices: Choices, engine: Engine) -> None:
    choices.stop("p1", SP.entity_id, at=NOW, by="p1")
    choices.stop("p1", SP.entity_id, at=LATER, by="p1")
    found = choices.latest("p1", SP.entity_id)
    assert found is not None
    assert (found.revoked_at, found.revoked_serial, found.attributes) == (NOW, found.created_serial, ())
    assert [action for action, _ in audited(engine)] == ["consent.revoked"]


def test_everything_is_taken_back_at_once_or_nothing(choices: Choices, engine: Engine) -> None:
    choices.decide(setting(MAIL), at=NOW, by="p1")
    choices.decide(setting(UID, requester=LAB), at=NOW, by="p1")
    choices.decide(setting(MAIL, principal="p2"), at=NOW, by="p2")
    assert choices.revoke_all("p1", at=LATER, by="p1") == 2
    assert [choice.revoked_at for choice in choices.all_of("p1")] == [LATER, LATER]
    assert [choice.revoked_at for choice in choices.all_of("p2")] == [None]
    assert choices.revoke_all("p1", at=LATER, by="p1") == 0


def test_what_is_forgotten_is_the_past_and_no_longer_counts(choices: Choices, engine: Engine) -> None:
    choices.decide(setting(MAIL), at=NOW, by="p1")
    choices.forget("p1", SP.entity_id, at=LATER, by="p1")
    assert choices.personal("p1", SP.entity_id) == Personal()
    [past] = choices.ever_by("p1")
    assert past.revoked_at == LATER
    assert audited(engine)[-1] == ("consent.forgotten", {"for": SP.entity_id})
    with pytest.raises(Missing):
        choices.forget("p1", SP.entity_id, at=LATER, by="p1")


def test_her_word_about_a_resource_and_in_general_come_together(choices: Choices, rules: GeneralRules) -> None:
    assert choices.personal("p1", SP.entity_id) == Personal()
    rules.say("p1", "minimal", at=NOW, by="p1")
    assert choices.personal("p1", SP.entity_id) == Personal(None, "minimal")
    kept = choices.decide(setting(MAIL), at=NOW, by="p1")
    assert choices.personal("p1", SP.entity_id) == Personal(kept, "minimal")
    assert choices.personal("p1", LAB.entity_id) == Personal(None, "minimal")
    assert choices.personal("p2", SP.entity_id) == Personal()


def test_a_general_rule_has_a_past_and_an_audit_row(rules: GeneralRules, engine: Engine) -> None:
    rules.say("p1", "minimal", at=NOW, by="p1")
    rules.say("p1", "minimal", at=LATER, by="p1")
    rules.say("p1", "ask", at=LATER, by="p1")
    assert rules.said_by("p1") == "ask"
    assert rules.said_by("p2") is None
    assert rules.ever_by("p1") == (SaidRule("minimal", NOW, LATER), SaidRule("ask", LATER, None))
    assert audited(engine) == [
        ("consent.rule_set", {"rule": "minimal", "before": None}),
        ("consent.rule_set", {"rule": "ask", "before": "minimal"}),
    ]


def test_a_general_rule_that_is_not_offered_is_refused(engine: Engine) -> None:
    strict = Precedence(new_resources=("ask",))
    with pytest.raises(Denied):
        GeneralRules(engine, writer="aa", precedence=lambda at: strict).say("p1", "recommended", at=NOW, by="p1")


def test_of_two_windows_that_choose_a_rule_at_once_one_is_the_last(rules: GeneralRules, engine: Engine) -> None:
    rules.say("p1", "recommended", at=NOW, by="p1")
    with ThreadPoolExecutor(2) as windows:
        list(windows.map(lambda rule: rules.say("p1", rule, at=LATER, by="p1"), ["minimal", "ask"]))
    assert rules.said_by("p1") in ("minimal", "ask")
    assert [one.until is None for one in rules.ever_by("p1")].count(True) == 1


def test_erasing_leaves_nothing_of_hers_and_all_of_others(
    choices: Choices, rules: GeneralRules, engine: Engine
) -> None:
    for principal in ("p1", "p2"):
        choices.decide(setting(MAIL, principal=principal), at=NOW, by=principal)
        choices.decide(setting(UID, principal=principal), at=LATER, by=principal)
        rules.say(principal, "ask", at=NOW, by=principal)
    with writing(engine) as connection:
        erase_choices(connection, "p1", at=LATER, writer="idp", by="operator")
    assert choices.ever_by("p1") == ()
    assert rules.said_by("p1") is None
    assert len(choices.ever_by("p2")) == 2
    assert audited(engine)[-1] == ("consent.erased", {"rows": 3})
    with writing(engine) as connection:
        erase_choices(connection, "p1", at=LATER, writer="idp", by="operator")
    assert [action for action, _ in audited(engine)].count("consent.erased") == 1


def test_the_settings_say_where_nobodys_own_choice_counts(choices: Choices) -> None:
    choices.stop("p1", SP.entity_id, at=NOW, by="p1")
    spared = EnforcedChoices(choices, ConsentSettings(never_for=(SP.entity_id,)))
    assert spared.wish("p1", SP, NOW) is None
    assert spared.wish("p1", Requester("", known=False, anonymous=True), NOW) is None
    wish = EnforcedChoices(choices, ConsentSettings()).wish("p1", SP, NOW)
    assert wish is not None
    assert wish("mail", Value("a")) == "not_asked"


def test_a_choice_by_which_was_just_decided_is_not_looked_up_again(choices: Choices, engine: Engine) -> None:
    mail = Attribute("mail", (Value("a"), Value("b")))
    choices.decide(setting(Switch(mail, frozenset(mail.values), frozenset({Value("a")}))), at=NOW, by="p1")
    stored = choices.latest("p1", SP.entity_id)
    assert stored is not None
    for settings in (ConsentSettings(), ConsentSettings(mode="required")):
        wish = EnforcedChoices(choices, settings).wish("p1", SP, NOW)
        assert isinstance(wish, ByChoice)
        assert wish.stored == stored
        said = [wish("mail", value) for value in mail.values]
        # Through another object on the same database, too; whoever it is about, and where it is kept, has to be the same.
        found, digests = Choices(engine, writer="idp").latest_after(wish, "p1", SP.entity_id)
        assert found is wish.stored
        assert digests is wish.digests
        assert choices.latest_after(wish, "p1", "https://other.example/shar") == (None, None)
        assert choices.latest_after(wish, "p2", SP.entity_id) == (None, None)
        elsewhere = EnforcedChoices(choices, settings).wish("p1", SP, NOW)
        assert isinstance(elsewhere, ByChoice)
        elsewhere.place = object()
        assert choices.latest_after(elsewhere, "p1", SP.entity_id) == (stored, None)
        # With the digests worked out before, and without them.
        offered = (Offered(mail),)
        assert askable(found, offered, digests) == askable(stored, offered) == (Offered(mail.keeping([Value("a")])),)
        for value in ("a", "c"):
            shown = (Offered(Attribute("mail", (Value(value),))),)
            told = must_ask(found, shown, Purpose(), NOW, digests=digests)
            assert told == must_ask(stored, shown, Purpose(), NOW)
            assert (told is not None) is (value == "c")
        assert said == [None, "withheld"]
    assert choices.latest_after(None, "p1", SP.entity_id) == (stored, None)


def test_no_value_of_hers_is_written_anywhere(tmp_path: Path) -> None:
    engine = emptied(f"sqlite:///{tmp_path / 'home.db'}")
    upgrade(engine, [AUDIT_MIGRATIONS, MIGRATIONS])
    secret = Switch(
        Attribute("mail", (Value("ada@example.org"), Value("lovelace@example.org"))),
        frozenset(),
        frozenset({Value("ada@example.org")}),
    )
    Choices(engine, writer="aa").decide(setting(secret), at=NOW, by="p1")
    engine.dispose()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert choice_key("p1", SP.entity_id).encode() in written
    assert b"ada@" not in written
    assert b"lovelace@" not in written


@pytest.fixture
def said(choices: Choices) -> Choices:
    choices.decide(setting(MAIL, UID), at=NOW, by="p1")
    return choices


def wish_again(choices: Choices, before: Wish | None, requester: Requester = SP, **given: Any) -> Wish | None:
    settings = ConsentSettings(mode=given.get("mode", "off"), ask_again_after=timedelta(days=1))
    precedence = given.get("precedence", DEFAULT_PRECEDENCE)
    enforced = EnforcedChoices(choices, settings, lambda _at: precedence)
    return enforced.wish("p1", requester, given.get("at", NOW), before=before)


def test_a_wish_is_given_again_while_she_said_nothing_else(said: Choices) -> None:
    before = wish_again(said, None)
    assert before is not None
    assert wish_again(said, before) is before
    assert wish_again(said, before, at=LATER) is before
    # Another look at the same row.
    _choice.cache_clear()
    assert wish_again(said, before) is before


@pytest.mark.parametrize(
    "other",
    [
        {"requester": LAB},
        {"requester": Requester(SP.entity_id, entity_categories=("c",))},
        {"precedence": Precedence(people_may=frozenset({"release"}))},
        {"mode": "required"},
        {"at": NOW + timedelta(days=1)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_wish_that_follows_from_something_else_is_another(said: Choices, other: dict[str, Any]) -> None:
    before = wish_again(said, None)
    assert wish_again(said, before, **other) is not before


def test_a_wish_is_another_after_each_word_of_hers(said: Choices, rules: GeneralRules) -> None:
    before = wish_again(said, None)
    rules.say("p1", "ask", at=NOW, by="p1")
    asking = wish_again(said, before)
    assert asking is not before
    said.decide(setting(MAIL), at=LATER, by="p1")
    changed = wish_again(said, asking)
    assert changed is not asking
    said.revoke("p1", SP.entity_id, at=LATER, by="p1")
    assert wish_again(said, changed) is nothing_was_asked
