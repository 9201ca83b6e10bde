"""The page for somebody who is signed in and not let in: in plain words, what was needed, what was told, and whom to write to."""

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator import Simulation, configure

Denied = Callable[..., str]


@pytest.fixture
def denied(state: Path) -> Iterator[Denied]:
    """What the instrument's page says, as text, to somebody whom this policy refuses."""
    opened: list[Simulation] = []

    def page(policy: str | None = None, *, user: str = "bob", markup: bool = False, **settings: object) -> str:
        config = state / "instrument" / "sp.yaml"
        if policy is not None:
            (state / "access.yaml").write_text(policy)
            settings["access"] = [str(state / "access.yaml")]
        configure(config, **settings)
        opened.append(Simulation(state))
        answer = opened[-1].log_in(opened[-1].browser(), "instrument", user)
        assert answer.status == 403
        return answer.text if markup else " ".join(html.unescape(re.sub("<[^>]*>", " ", answer.text)).split())

    yield page
    for simulation in opened:
        simulation.close()


def test_it_says_what_is_missing_who_has_to_say_it_and_whom_to_write_to(denied: Denied) -> None:
    said = denied()
    for words in (
        "The instrument is for people whom the laboratory has admitted as operators",
        "You signed in at Northgate University, and that went well.",
        "Permission granted by your organisation Missing It has to say: urn:x-ostiary:demo:instrument:operate",
        "operate Northgate University told us nothing of this kind.",
        "Ask its help desk to let Collaboratory Microscope know, if it holds for you. Write to help@northgate.example .",
        "Who may be let in is decided by the people who run Collaboratory Microscope.",
        "Write to help@instrument.example .",
        "Sign in with another account",
        "What this service was told about you Nothing else counts here.",
        "Name displayName Bob Brewer",
        "Rule that refused operators Needed eduPersonEntitlement urn:x-ostiary:demo:instrument:operate",
    ):
        assert words in said


def test_letters_to_the_help_desks_begin_with_the_reference(denied: Denied) -> None:
    page = denied(markup=True)
    [number] = re.findall(r"<code>([0-9A-F]{4}-[0-9A-F]{4})</code>", page)
    subject = f"Collaboratory%20Microscope%3A%20not%20allowed%20in%20%28reference%20{number}%29"
    assert re.findall(r'href="(mailto:[^"]*)"', page) == [
        f"mailto:help@northgate.example?subject={subject}",
        f"mailto:help@instrument.example?subject={subject}",
    ]


def test_values_are_hidden_where_the_resource_does_not_show_them(denied: Denied) -> None:
    said = denied(
        "rules: [{id: staff, paths: /instrument, permit: {attribute: eduPersonScopedAffiliation, left: staff}}]",
        show_attribute_values=False,
    )
    assert "Role at the organisation Missing It has to say: staff Northgate University told us 2 values." in said
    assert "student@northgate.example" not in said


def test_a_value_of_the_right_kind_that_is_not_enough_is_shown_beside_what_is(denied: Denied) -> None:
    said = denied(
        "rules: [{id: staff, paths: /instrument, permit: {attribute: eduPersonScopedAffiliation, left: [staff, faculty]}}]"
    )
    assert (
        "It has to say: staff or faculty Northgate University told us: member@northgate.example student@northgate.example"
        in said
    )


def test_of_several_things_it_says_which_are_there_and_whether_one_is_enough(denied: Denied) -> None:
    parts = "[{attribute: eduPersonEntitlement}, {attribute: eduPersonAssurance, value: high}]"
    said = denied(f"rules: [{{id: any, paths: /instrument, permit: {{any: {parts}}}}}]")
    assert "What this page needs to know One of these is enough:" in said
    assert "Permission granted by your organisation Missing Any value will do." in said
    both = "[{attribute: mail}, {attribute: eduPersonAssurance, value: high}]"
    said = denied(f"rules: [{{id: all, paths: /instrument, permit: {{all: {both}}}}}]")
    assert "One of these is enough" not in said
    assert "Mail address There Any value will do." in said
    assert "How sure the organisation is of the person Missing It has to say: high" in said


def test_what_must_not_be_there_is_not_called_missing(denied: Denied) -> None:
    unwanted = "{attribute: eduPersonScopedAffiliation, left: student}"
    said = denied(f"rules: [{{id: no students, paths: /instrument, permit: {{not: {unwanted}}}}}]")
    assert "Role at the organisation In the way It must not say: student" in said
    assert "What is missing comes from" not in said


def test_a_way_of_signing_in_that_is_asked_for_is_told(denied: Denied) -> None:
    said = denied("rules: [{id: mfa, paths: /instrument, permit: {authn_context: https://refeds.org/profile/mfa}}]")
    wanted = "two different proofs, such as a password and a code (two factors)"
    assert f"A certain way of signing in Missing Signed in by: {wanted} You signed in by: a password" in said
    assert "Needed authn_context https://refeds.org/profile/mfa" in said
    assert "Sign in again at Northgate University, in the way that this page needs." in said


@pytest.mark.parametrize(
    ("dates", "words", "written"),
    [
        ("{from: 2020-03-01, to: 2020-03-06}", "from 2020-03-01, and before 2020-03-06", "2020-03-01/2020-03-06"),
        ("{from: 2999-03-01}", "from 2999-03-01 on", "2999-03-01/"),
        ("{to: 2020-03-06}", "before 2020-03-06", "/2020-03-06"),
    ],
)
def test_dates_are_said_in_words_and_as_written_for_the_help_desk(
    denied: Denied, dates: str, words: str, written: str
) -> None:
    said = denied(f"rules: [{{id: dates, paths: /instrument, permit: {{when: {{dates: {dates}, time_zone: UTC}}}}}}]")
    assert f"Certain dates Not so Only: {words} Today is: " in said
    assert f"Needed date {written} " in said


def test_a_home_organisation_is_named_and_its_entity_id_told_to_the_help_desk(denied: Denied) -> None:
    said = denied("rules: [{id: south, paths: /instrument, permit: {issuer: https://southbank.example/idp}}]")
    assert "You have to sign in at: Southbank Institute You signed in at: Northgate University" in said
    assert "Needed issuer https://southbank.example/idp" in said


def test_a_page_that_no_rule_opens_says_so(denied: Denied) -> None:
    said = denied("rules: [{id: elsewhere, paths: /instrument/other, permit: {authenticated: true}}]")
    assert "Nobody may open this page; its owners have not said who may." in said
    assert "What this page needs to know" not in said


def test_what_a_page_needs_and_was_told_but_does_not_believe_is_told(denied: Denied, state: Path) -> None:
    (state / "accept.yaml").write_text("rules: []\n")
    said = denied(accept=[str(state / "accept.yaml")], user="alice")
    assert (
        "Northgate University told us something of this kind, but nothing that this service believes; see below."
        in said
    )
    assert "this service has no use for it." in said
