"""When a person is asked again, and what her answer lets through."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import Attribute, Value, make_attribute
from ostiary.consent.choices import (
    MAXIMUM_DIGESTS,
    Answer,
    Choice,
    Mode,
    Offered,
    Purpose,
    Reason,
    Why,
    answered,
    apply,
    changed,
    must_ask,
    refused_though_required,
    wish_of,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=100)
SALT = b"s" * 32
SP = "https://instrument.example/shar"
PURPOSE = Purpose((("en", "A microscope."), ("nl", "Een microscoop.")), (("en", "https://instrument.example/privacy"),))


def offered(required: tuple[str, ...] = (), **attributes: list[str]) -> tuple[Offered, ...]:
    return tuple(Offered(make_attribute(name, texts), name in required) for name, texts in attributes.items())


MAIL_AND_NAME = offered(mail=["ada@example.org"], displayName=["Ada"])


def answer(
    shown: tuple[Offered, ...] = MAIL_AND_NAME,
    *,
    mode: Mode = Mode.ASK_WHEN_CHANGED,
    allowed: set[str] | None = None,
    language: str = "en",
    purpose: Purpose = PURPOSE,
    visit: str = "",
) -> Answer:
    names = {one.name for one in shown} if allowed is None else allowed
    return Answer("p1", SP, mode, shown, frozenset(names), purpose.read_in(language), visit)


def choice(previous: Choice | None = None, at: datetime = NOW, **given_answer: object) -> Choice:
    return answered(previous, answer(**given_answer), salt=SALT, now=at)  # type: ignore[arg-type]


def kept(stored: Choice | None, *attributes: Attribute, at: datetime = LATER) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in apply(stored, attributes, at)}


def test_somebody_who_was_never_asked_is_asked() -> None:
    assert must_ask(None, MAIL_AND_NAME, PURPOSE, NOW) == Reason(Why.FIRST_VISIT)


def test_where_nothing_goes_there_is_nothing_to_ask() -> None:
    assert must_ask(None, (), PURPOSE, NOW) is None
    assert must_ask(choice(mode=Mode.ASK_ALWAYS), (), PURPOSE, NOW) is None


CHANGES = {
    "nothing": (MAIL_AND_NAME, PURPOSE, None),
    "fewer attributes": (MAIL_AND_NAME[:1], PURPOSE, None),
    "fewer values": (offered(mail=["ada@example.org"], displayName=[]), PURPOSE, None),
    "a new value": (
        offered(mail=["ada@example.org", "ada@new.example"], displayName=["Ada"]),
        PURPOSE,
        Reason(Why.NEW_VALUES, ("mail",)),
    ),
    "a new attribute": (
        (*MAIL_AND_NAME, *offered(eduPersonOrcid=["0000"])),
        PURPOSE,
        Reason(Why.NEW_ATTRIBUTES, ("eduPersonOrcid",)),
    ),
    "another purpose": (
        MAIL_AND_NAME,
        replace(PURPOSE, descriptions=(("en", "Advertising."), ("nl", "Een microscoop."))),
        Reason(Why.NEW_PURPOSE),
    ),
    "another privacy statement": (
        MAIL_AND_NAME,
        replace(PURPOSE, privacy_urls=(("en", "https://elsewhere.example/"),)),
        Reason(Why.NEW_PURPOSE),
    ),
    "no purpose any more": (MAIL_AND_NAME, Purpose(), Reason(Why.NEW_PURPOSE)),
    "one more translation": (
        MAIL_AND_NAME,
        replace(PURPOSE, descriptions=(("de", "Ein Mikroskop."), *PURPOSE.descriptions)),
        None,
    ),
    "another translation changed": (
        MAIL_AND_NAME,
        replace(PURPOSE, descriptions=(("en", "A microscope."), ("nl", "Reclame."))),
        None,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_changes_that_ask_somebody_who_wants_to_hear_of_changes(change: str) -> None:
    about_to_go, purpose, expected = CHANGES[change]
    assert must_ask(choice(), about_to_go, purpose, LATER) == expected


@pytest.mark.parametrize("change", CHANGES)
def test_somebody_who_chose_to_be_remembered_is_not_asked_about_new_values(change: str) -> None:
    about_to_go, purpose, expected = CHANGES[change]
    silent = expected is not None and expected.why is Why.NEW_VALUES
    remembered = choice(mode=Mode.REMEMBER)
    assert must_ask(remembered, about_to_go, purpose, LATER) == (None if silent else expected)


@pytest.mark.parametrize("change", CHANGES)
def test_somebody_who_wants_to_be_asked_always_is_told_what_changed_else_asked_all_the_same(change: str) -> None:
    about_to_go, purpose, expected = CHANGES[change]
    found = must_ask(choice(mode=Mode.ASK_ALWAYS), about_to_go, purpose, LATER)
    assert found == (expected or Reason(Why.ASKS_ALWAYS))


def test_a_resource_may_ask_always_whatever_she_chose() -> None:
    assert must_ask(choice(mode=Mode.REMEMBER), MAIL_AND_NAME, PURPOSE, LATER, always=True) == Reason(Why.ASKS_ALWAYS)


@pytest.mark.parametrize("mode", list(Mode))
def test_within_one_sign_on_nobody_is_asked_twice(mode: Mode) -> None:
    stored = choice(mode=mode, visit="v1")
    more = (*MAIL_AND_NAME, *offered(sn=["Lovelace"]))
    assert must_ask(stored, more, PURPOSE, NOW, always=True, visit="v1") is None
    assert must_ask(stored, more, PURPOSE, NOW, always=True, visit="v2") is not None
    assert must_ask(stored._replace(visit=""), more, PURPOSE, NOW, always=True, visit="") is not None


def test_what_was_taken_back_is_asked_again_even_within_the_same_sign_on() -> None:
    taken_back = choice(visit="v1")._replace(revoked_at=NOW)
    assert must_ask(taken_back, MAIL_AND_NAME, PURPOSE, LATER, visit="v1") == Reason(Why.REVOKED)


def test_an_answer_that_is_too_old_is_asked_again_from_the_very_moment_on() -> None:
    lifetime = timedelta(days=30)
    just_before, at_the_end = NOW + lifetime - timedelta(microseconds=1), NOW + lifetime
    stored = choice(mode=Mode.REMEMBER)
    assert must_ask(stored, MAIL_AND_NAME, PURPOSE, just_before, lifetime=lifetime) is None
    assert must_ask(stored, MAIL_AND_NAME, PURPOSE, at_the_end, lifetime=lifetime) == Reason(Why.EXPIRED)
    mail = make_attribute("mail", ["ada@example.org"])
    assert apply(stored, (mail,), just_before, lifetime=lifetime) == (mail,)
    assert apply(stored, (mail,), at_the_end, lifetime=lifetime) == ()


def test_a_value_of_an_attribute_that_she_withholds_is_no_change() -> None:
    stored = choice(allowed={"displayName"})
    assert must_ask(stored, offered(mail=["other@example.org"], displayName=["Ada"]), PURPOSE, LATER) is None


def test_an_attribute_that_she_withheld_and_that_is_required_now_is_asked_again() -> None:
    stored = choice(mode=Mode.REMEMBER, allowed={"displayName"})
    about_to_go = offered(("mail",), mail=["ada@example.org"], displayName=["Ada"])
    assert must_ask(stored, about_to_go, PURPOSE, LATER) == Reason(Why.NOW_REQUIRED, ("mail",))


def test_a_purpose_that_appears_later_is_asked_about() -> None:
    stored = choice(purpose=Purpose())
    assert must_ask(stored, MAIL_AND_NAME, Purpose(), LATER) is None
    assert must_ask(stored, MAIL_AND_NAME, PURPOSE, LATER) == Reason(Why.NEW_PURPOSE)


@pytest.mark.parametrize(
    ("language", "text"), [("nl", "Een microscoop."), ("nl-BE", "Een microscoop."), ("fr", "A microscope.")]
)
def test_a_purpose_is_read_in_her_language_else_in_english(language: str, text: str) -> None:
    assert PURPOSE.read_in(language).text == text


def test_a_purpose_in_neither_language_is_read_in_the_first_there_is() -> None:
    assert Purpose((("de", "Ein Mikroskop."),)).read_in("fr").text == "Ein Mikroskop."


def test_what_she_withheld_stays_and_what_she_was_not_asked_about_stays() -> None:
    stored = choice(allowed={"displayName"})
    wanted = wish_of(stored, LATER)
    assert wanted("displayName", Value("Ada")) is None
    assert wanted("mail", Value("ada@example.org")) == "withheld"
    assert wanted("sn", Value("Lovelace")) == "not_asked"


def test_without_an_answer_nothing_goes() -> None:
    mail = make_attribute("mail", ["ada@example.org"])
    assert kept(None, mail) == {}
    assert kept(choice()._replace(revoked_at=NOW), mail) == {}
    assert wish_of(None, NOW)("mail", Value("ada@example.org")) == "not_asked"


def test_a_value_that_she_was_never_shown_goes_only_where_she_chose_to_be_remembered() -> None:
    mail = make_attribute("mail", ["ada@example.org", "ada@new.example"])
    assert kept(choice(), mail) == {"mail": ("ada@example.org",)}
    assert kept(choice(mode=Mode.ASK_ALWAYS), mail) == {"mail": ("ada@example.org",)}
    assert kept(choice(mode=Mode.REMEMBER), mail) == {"mail": ("ada@example.org", "ada@new.example")}


def test_a_value_counts_as_shown_only_under_its_own_attribute() -> None:
    stored = choice(shown=offered(mail=["x"], displayName=["y"]))
    assert kept(stored, make_attribute("mail", ["y"])) == {}


def test_a_scoped_value_is_compared_as_a_whole() -> None:
    stored = choice(shown=offered(eduPersonScopedAffiliation=["member@a.example"]))
    assert kept(stored, make_attribute("eduPersonScopedAffiliation", ["member@a.example", "member@b.example"])) == {
        "eduPersonScopedAffiliation": ("member@a.example",)
    }


def test_an_answer_without_something_required_is_told() -> None:
    shown = offered(("mail",), mail=["a"], displayName=["b"])
    assert refused_though_required(answer(shown, allowed={"displayName"})) == ("mail",)
    assert refused_though_required(answer(shown, allowed={"mail"})) == ()


def test_what_she_said_on_another_page_of_the_resource_still_holds() -> None:
    first = choice(allowed={"displayName"})
    second = choice(first, LATER, shown=offered(mail=["ada@second.example"], sn=["Lovelace"]), allowed={"mail", "sn"})
    assert second.names(allowed=True) == ("mail", "sn", "displayName")
    assert second.salt == SALT
    assert second.given_at == LATER
    assert must_ask(second, MAIL_AND_NAME, PURPOSE, LATER) is None
    assert must_ask(second, offered(mail=["ada@second.example"]), PURPOSE, LATER) is None


def test_after_she_took_her_word_back_only_the_new_answer_counts() -> None:
    first = choice()._replace(revoked_at=NOW)
    second = answered(first, answer(offered(sn=["Lovelace"])), salt=b"t" * 32, now=LATER)
    assert second.names(allowed=True) == ("sn",)
    assert second.salt == b"t" * 32
    assert second.revoked_at is None


def test_changing_her_mind_keeps_what_she_was_shown() -> None:
    stored = changed(choice(visit="v1"), mode=Mode.REMEMBER, allowed=frozenset({"mail"}), now=LATER)
    assert (stored.names(allowed=True), stored.names(allowed=False)) == (("mail",), ("displayName",))
    assert (stored.mode, stored.given_at, stored.visit) == (Mode.REMEMBER, LATER, "")
    back = changed(stored, mode=Mode.ASK_WHEN_CHANGED, allowed=frozenset({"mail", "displayName"}), now=LATER)
    assert must_ask(back, MAIL_AND_NAME, PURPOSE, LATER) is None


def test_no_value_and_no_purpose_stands_in_a_choice_in_clear() -> None:
    written = repr(choice())
    for secret in ("ada@example.org", "'Ada'", "A microscope.", "privacy"):
        assert secret not in written


def test_the_same_value_has_another_digest_under_another_salt() -> None:
    digests = {
        answered(None, answer(MAIL_AND_NAME[:1]), salt=salt, now=NOW).attributes[0].values
        for salt in (b"a" * 32, b"b" * 32)
    }
    assert len(digests) == 2


def test_values_beyond_the_bound_are_forgotten_but_never_those_that_go_now() -> None:
    many = offered(isMemberOf=[f"/vo/{number}" for number in range(MAXIMUM_DIGESTS + 5)])
    first = choice(shown=many)
    assert must_ask(first, many, PURPOSE, LATER) is None
    second = choice(first, LATER, shown=offered(isMemberOf=["/vo/new"]))
    about = second.about("isMemberOf")
    assert about is not None
    assert len(about.values) == MAXIMUM_DIGESTS
    assert must_ask(second, offered(isMemberOf=["/vo/new"]), PURPOSE, LATER) is None


NAMES = st.sampled_from(["mail", "sn", "cn", "o", "uid"])
PERSON = st.dictionaries(NAMES, st.lists(st.sampled_from("abcd"), min_size=1, unique=True), min_size=1)


@settings(max_examples=50, deadline=None)
@given(shown=PERSON, going=PERSON, allowed=st.frozensets(NAMES), mode=st.sampled_from(Mode))
def test_nothing_ever_leaves_that_she_did_not_agree_to(
    shown: dict[str, list[str]], going: dict[str, list[str]], allowed: frozenset[str], mode: Mode
) -> None:
    stored = choice(shown=offered((), **shown), allowed=set(allowed), mode=mode)
    left = kept(stored, *(make_attribute(name, texts) for name, texts in going.items()))
    expected = {}
    for name, texts in going.items():
        if name in shown and name in allowed:
            agreed = tuple(text for text in texts if mode is Mode.REMEMBER or text in shown[name])
            if agreed:
                expected[name] = agreed
    assert left == expected


@settings(max_examples=50, deadline=None)
@given(shown=PERSON, allowed=st.frozensets(NAMES), mode=st.sampled_from([Mode.REMEMBER, Mode.ASK_WHEN_CHANGED]))
def test_nobody_is_asked_again_about_the_same(shown: dict[str, list[str]], allowed: frozenset[str], mode: Mode) -> None:
    stored = choice(shown=offered((), **shown), allowed=set(allowed), mode=mode)
    assert must_ask(stored, offered((), **shown), PURPOSE, LATER) is None
