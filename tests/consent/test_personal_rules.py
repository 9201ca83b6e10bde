"""A person's own release policy as rules: what she set, what her general rule fills in, and that neither leaves its bounds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import Attribute, Value
from ostiary.consent.choices import Answer, AttributeChoice, Choice, Mode, Offered, ReadPurpose, answered, askable
from ostiary.consent.personal import (
    Personal,
    Setting,
    Switch,
    asks_herself,
    beyond_bounds,
    personal_wish,
    rule_in_force,
    set_by_her,
    switches_of,
)
from ostiary.policy.release import (
    HER_OWN,
    PersonalWish,
    ReleaseDecision,
    RequestedAttribute,
    Requester,
    Verdict,
    as_she_wishes,
)
from ostiary.policy.release.precedence import Precedence

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SP = Requester("https://library.example/shar", requested=(RequestedAttribute("mail", True), RequestedAttribute("cn")))
ALL = Precedence()
SALT = b"s" * 32


def attribute(name: str, *values: str) -> Attribute:
    return Attribute(name, tuple(Value(value) for value in values))


def switch(name: str, values: str, recommended: str = "", on: str = "") -> Switch:
    """Each value a letter."""
    return Switch(attribute(name, *values), frozenset(map(Value, recommended)), frozenset(map(Value, on)))


def choice(*switches: Switch, previous: Choice | None = None, at: datetime = NOW) -> Choice:
    return set_by_her(previous, Setting("p1", SP, switches, ReadPurpose()), salt=SALT, now=at)


def says(personal: Personal, name: str, value: str, *, requester: Requester = SP, **more: object) -> str | None:
    given = {"precedence": ALL, **more}
    found = personal_wish(personal, requester, NOW, **given)  # type: ignore[arg-type]
    return None if found is None else found(name, Value(value))


# --- the general rule


@pytest.mark.parametrize(
    ("rule", "mail", "cn"),
    [("recommended", None, None), ("minimal", None, "withheld"), ("ask", "not_asked", "not_asked"), (None, None, None)],
)
def test_the_general_rule_counts_where_she_set_nothing(rule, mail, cn) -> None:
    said = Personal(None, rule)
    assert (says(said, "mail", "a"), says(said, "cn", "b")) == (mail, cn)


def test_the_organisations_first_rule_counts_for_who_chose_none_and_for_who_chose_one_that_is_gone() -> None:
    strict = Precedence(new_resources=("minimal", "ask"))
    assert rule_in_force(None, strict) == "minimal"
    assert rule_in_force("recommended", strict) == "minimal"
    assert rule_in_force("ask", strict) == "ask"
    assert rule_in_force("recommended", ALL, required=True) == "ask"
    nothing = Precedence(people_may=frozenset(), new_resources=("ask",))
    assert rule_in_force("ask", nothing) == "recommended"
    assert says(Personal(None, "ask"), "cn", "a", precedence=nothing) is None


def test_what_she_set_comes_before_the_general_rule_which_fills_the_rest() -> None:
    said = Personal(choice(switch("cn", "a", "a", "a"), switch("uid", "u", on="u")), "minimal")
    assert says(said, "cn", "a") is None
    assert says(said, "uid", "u") == "chosen"
    assert says(said, "ou", "x") == "withheld"
    assert says(said, "mail", "m") is None


def test_taken_back_nothing_goes_whatever_the_general_rule_says() -> None:
    back = choice(switch("cn", "a", "a", "a"))._replace(revoked_at=NOW)
    for rule in (None, "recommended", "minimal", "ask"):
        assert says(Personal(back, rule), "cn", "a") == "not_asked"


def test_where_consent_is_required_an_answer_is_needed_whatever_her_rule_says() -> None:
    assert says(Personal(None, "recommended"), "cn", "a", required=True) == "not_asked"
    given_ = Personal(choice(switch("cn", "a", "a", "a")), "minimal")
    assert says(given_, "cn", "a", required=True) is None
    assert says(given_, "mail", "m", required=True) == "not_asked"
    old = Personal(given_.choice._replace(given_at=NOW - timedelta(days=2)))
    assert says(old, "cn", "a", required=True, lifetime=timedelta(days=1)) == "not_asked"
    assert says(old, "cn", "a", lifetime=timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (Personal(), False),
        (Personal(None, "minimal"), False),
        (Personal(None, "ask"), True),
        (Personal(choice(switch("cn", "a", "a", "a"))), False),
        (Personal(choice(switch("cn", "a", "a", "a"))._replace(revoked_at=NOW)), True),
        (Personal(choice(switch("cn", "a", "a", "a"))._replace(mode=Mode.ASK_ALWAYS)), True),
    ],
)
def test_who_wants_to_be_asked_is_asked(said, asked) -> None:
    assert asks_herself(said, ALL) is asked


# --- single values


def test_of_several_values_she_keeps_back_one_and_a_new_one_follows_the_policies() -> None:
    said = Personal(choice(switch("mail", "ab", "ab", "a")))
    assert [says(said, "mail", value) for value in "abc"] == [None, "withheld", None]


def test_what_she_adds_is_what_she_was_shown_and_not_what_comes_later() -> None:
    said = Personal(choice(switch("group", "ab", "", "a")))
    assert [says(said, "group", value) for value in "abc"] == ["chosen", "withheld", None]


def test_a_value_that_she_kept_back_stays_back_when_she_does_not_have_it_for_a_while() -> None:
    first = choice(switch("mail", "ab", "ab", "a"))
    second = choice(switch("mail", "a", "a", "a"), previous=first)
    assert says(Personal(second), "mail", "b") == "withheld"


def test_what_she_leaves_as_it_is_follows_a_later_policy_and_what_she_turned_off_again_does_not() -> None:
    left = choice(switch("uid", "u"))
    assert left.about("uid") is None
    off = choice(switch("uid", "u"), previous=choice(switch("uid", "u", on="u")))
    assert says(Personal(off), "uid", "u") == "withheld"


def test_a_later_answer_at_a_sign_on_keeps_what_she_added_and_kept_back() -> None:
    first = choice(switch("mail", "ab", "ab", "a"), switch("uid", "u", on="u"))
    offered = askable(first, (Offered(attribute("mail", "a", "b")), Offered(attribute("uid", "u"))))
    assert [one.attribute.texts() for one in offered] == [("a",), ("u",)]
    told = Answer("p1", SP.entity_id, Mode.REMEMBER, offered, frozenset({"mail", "uid"}), ReadPurpose())
    said = Personal(answered(first, told, salt=SALT, now=NOW))
    assert [says(said, "mail", value) for value in "ab"] == [None, "withheld"]
    assert says(said, "uid", "u") == "chosen"


# --- bounds


def test_what_people_may_no_longer_do_no_longer_counts() -> None:
    said = Personal(choice(switch("mail", "ab", "ab", "a"), switch("cn", "c", "c", ""), switch("uid", "u", on="u")))
    only_release = Precedence(people_may=frozenset({"release"}))
    assert [says(said, "mail", value, precedence=only_release) for value in "ab"] == [None, None]
    assert says(said, "cn", "c", precedence=only_release) is None
    assert says(said, "uid", "u", precedence=only_release) == "chosen"
    only_withhold = Precedence(people_may=frozenset({"withhold"}))
    assert says(said, "uid", "u", precedence=only_withhold) is None
    assert says(said, "uid", "u", precedence=Precedence(never_release=frozenset({"uid"}))) is None


@pytest.mark.parametrize("stranger", [replace(SP, known=False), replace(SP, anonymous=True)])
def test_nothing_is_added_for_a_requester_that_nobody_knows(stranger) -> None:
    said = Personal(choice(switch("uid", "u", on="u"), switch("cn", "c", "c", "")))
    assert says(said, "uid", "u", requester=stranger) is None
    assert says(said, "cn", "c", requester=stranger) == "withheld"


@pytest.mark.parametrize(
    ("wanted", "precedence", "refused"),
    [
        (switch("cn", "ab", "ab", "a"), ALL, None),
        (switch("cn", "ab", "ab", "a"), Precedence(people_may=frozenset({"release"})), "cn"),
        (switch("uid", "u", "", "u"), Precedence(people_may=frozenset({"withhold"})), "uid"),
        (switch("uid", "u", "", "u"), Precedence(never_release=frozenset({"uid"})), "uid"),
        (switch("cn", "ab", "ab", "ab"), Precedence(people_may=frozenset()), None),
    ],
)
def test_a_setting_beyond_what_people_may_do_is_named(wanted, precedence, refused) -> None:
    assert beyond_bounds(Setting("p1", SP, (wanted,), ReadPurpose()), precedence) == refused


def test_bound_values_and_those_withheld_for_another_reason_are_no_switches() -> None:
    decision = ReleaseDecision(
        (),
        (
            Verdict("o", Value("x"), True, "law", "r", "permit", bound=True),
            Verdict("secret", Value("x"), False, "never", "r", "deny", bound=True),
            Verdict("old", Value("x"), False, "", "no rule", "expired"),
            Verdict("mail", Value("a"), True, "p", "r", "permit"),
            Verdict("mail", Value("b"), False, "", "no rule", "withheld"),
            Verdict("mail", Value("c"), True, HER_OWN, "no rule", "chosen"),
            Verdict("uid", Value("u"), False, "p", "r", "deny"),
        ),
    )
    assert switches_of(decision) == (switch("mail", "abc", "ab", "ac"), switch("uid", "u"))


_NAMES = ("mail", "cn", "uid")
_VALUES = "abc"


@st.composite
def decisions(draw: st.DrawFn) -> tuple[ReleaseDecision, tuple[Attribute, ...]]:
    """What policies may have decided about the values of three attributes."""
    known = tuple(attribute(name, *draw(st.sets(st.sampled_from(_VALUES), min_size=1))) for name in _NAMES)
    kinds = [
        (True, "permit", False),
        (True, "permit", True),
        (False, "deny", False),
        (False, "deny", True),
        (False, "no_rule", False),
        (False, "expired", False),
    ]
    verdicts = []
    for one in known:
        for value in one.values:
            released, reason, bound = draw(st.sampled_from(kinds))
            verdicts.append(Verdict(one.name, value, released, "p", "r", reason, bound))
    going = {(verdict.attribute, verdict.value) for verdict in verdicts if verdict.released}
    left = tuple(one.keeping(value for value in one.values if (one.name, value) in going) for one in known)
    return ReleaseDecision(tuple(one for one in left if one.values), tuple(verdicts)), known


choices_made = st.builds(
    lambda said, mode, back: Choice(
        "p1",
        SP.entity_id,
        mode,
        said,
        shown_purpose_of_nothing(),
        SALT,
        NOW,
        revoked_at=NOW if back else None,
    ),
    st.lists(
        st.builds(
            AttributeChoice,
            st.sampled_from(_NAMES),
            st.booleans(),
            st.frozensets(st.sampled_from(_VALUES)),
            st.booleans(),
            st.just(frozenset()),
        ),
        unique_by=lambda said: said.name,
    ).map(tuple),
    st.sampled_from(Mode),
    st.booleans(),
)


def shown_purpose_of_nothing():
    return choice().purpose


precedences = st.builds(
    Precedence,
    st.frozensets(st.sampled_from(["withhold", "release"])),
    st.permutations(["recommended", "minimal", "ask"]).map(tuple),
    st.none(),
    st.frozensets(st.sampled_from(_NAMES)),
)


@given(
    decisions(),
    st.one_of(st.none(), choices_made),
    st.sampled_from([None, "recommended", "minimal", "ask"]),
    precedences,
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_whatever_she_says_stays_within_the_bounds(decided, said, rule, precedence, required, known) -> None:
    decision, attributes = decided
    requester = replace(SP, known=known)
    wish = personal_wish(Personal(said, rule), requester, NOW, precedence=precedence, required=required)
    after = decision
    if wish is not None:
        after = as_she_wishes(decision, wish, attributes, requester=requester, precedence=precedence)

        def asked_about_everything(name: str, value: Value) -> PersonalWish | None:
            return wish(name, value)

        # A wish that says of itself that it never adds anything is right about that.
        assert after == as_she_wishes(
            decision, asked_about_everything, attributes, requester=requester, precedence=precedence
        )
    for before, now in zip(decision.verdicts, after.verdicts, strict=True):
        if before.bound or before.reason == "expired":
            assert now == before
        if now.released and not before.released:
            assert "release" in precedence.people_may
            assert now.attribute not in precedence.never_release
            assert known
        if before.released and not now.released and now.reason == "withheld":
            assert "withhold" in precedence.people_may
    for one in after.attributes:
        [mine] = [known_ for known_ in attributes if known_.name == one.name]
        assert set(one.values) <= set(mine.values)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_what_she_sees_ticked_is_what_goes(data: st.DataObject) -> None:
    """Setting the switches of a page leads to exactly those values, as long as policies stay as they are."""
    (decision, attributes), earlier = data.draw(decisions()), data.draw(st.one_of(st.none(), choices_made))
    shown = switches_of(decision)
    wanted = tuple(
        replace(one, on=frozenset(data.draw(st.sets(st.sampled_from(one.attribute.values))))) for one in shown
    )
    set_ = choice(*wanted, previous=earlier)
    rule = data.draw(st.sampled_from(["recommended", "ask"]))
    wish = personal_wish(Personal(set_, rule), SP, NOW, precedence=ALL)
    assert wish is not None
    after = as_she_wishes(decision, wish, attributes, requester=SP)
    hers = {one.name: one for one in wanted}
    released = {(verdict.attribute, verdict.value) for verdict in after.verdicts if verdict.released}
    for verdict in decision.verdicts:
        if verdict.attribute in hers and verdict.value in hers[verdict.attribute].attribute.values:
            assert ((verdict.attribute, verdict.value) in released) is (verdict.value in hers[verdict.attribute].on)
