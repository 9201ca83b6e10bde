"""Who wants to be asked is asked at a sign-on though the organisation does not ask; whoever never set anything costs it nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.consent.settings import ConsentPageSettings
from ostiary.attributes import make_attribute
from ostiary.consent.choices import Answer, Mode, Offered, ReadPurpose
from ostiary.consent.general_rule import GeneralRules
from ostiary.consent.personal import Setting, Switch
from ostiary.consent.purpose import purpose_of
from ostiary.consent.store import Choices, EnforcedChoices
from ostiary.consent.tables import consent_choice, consent_rule
from ostiary.policy.release import Requester
from ostiary.policy.release.precedence import Precedence
from ostiary.storage.engine import reading
from tests.idp.conftest import LIBRARY, NOW, KnownAttributes
from tests.idp.test_consent_page import (
    again,
    ask,
    boxes,
    is_consent,
    send,
    sent_to,
    text_of,
)

MAIL = make_attribute("mail", ["ada@example.org"])


class Quiet(KnownAttributes):
    """Says, as an Attribute Authority does, whether her own word bears on the answer."""

    def release(self, request):
        answer = super().release(request)
        said = self.choices.wish(request.principal, Requester(request.requester), request.at) if self.choices else None
        return answer._replace(has_her_say=said is not None)


@pytest.fixture
def make_home_with(make_populated_home, library):
    def make(precedence=Precedence(), **settings):  # noqa: B008
        asks = ConsentPageSettings.model_validate(settings)
        made = make_populated_home(consent=asks, precedence=precedence)
        choices = Choices(made.engine, writer="aa")
        made.attribute_source.__class__ = Quiet
        made.attribute_source.choices = EnforcedChoices(choices, asks, lambda at: precedence)
        return made

    return make


def rules(home) -> GeneralRules:
    return GeneralRules(home.engine, writer="aa")


def decide(home, name: str, value: str, *, on: bool, recommended: bool = True) -> None:
    values = make_attribute(name, [value])
    every = frozenset(values.values)
    switch = Switch(values, every if recommended else frozenset(), every if on else frozenset())
    ada = home.people["ada"]
    Choices(home.engine, writer="aa").decide(Setting(ada, Requester(LIBRARY), (switch,), ReadPurpose()), at=NOW, by=ada)


@pytest.mark.parametrize("mode", ["off", "inform"])
def test_who_wants_to_be_asked_is_asked_and_what_she_leaves_out_stays(make_home_with, library, mode) -> None:
    home = make_home_with(mode=mode)
    rules(home).say(home.people["ada"], "ask", at=NOW, by="p")
    page = ask(home, library)
    assert is_consent(page)
    assert boxes(page) == {"eduPersonScopedAffiliation": True, "mail": True}
    assert sent_to(home, send(home, page, release=["mail"]), library) == {"mail": ("ada@example.org",)}
    assert sent_to(home, again(home, library), library) == {"mail": ("ada@example.org",)}


def test_where_she_never_set_anything_nobody_is_asked_and_her_word_is_not_looked_up_again(
    make_home_with, library
) -> None:
    home = make_home_with(mode="off")
    ask(home, library)
    seen: list[str] = []
    original = Choices.personal
    latest = Choices.latest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Choices, "personal", lambda self, *args: seen.append(self._writer) or original(self, *args))
        patch.setattr(Choices, "latest", lambda self, *args: seen.append("latest") or latest(self, *args))
        page = again(home, library)
    assert set(sent_to(home, page, library)) == {"eduPersonScopedAffiliation", "mail"}
    # That of the Attribute Authority alone, none of the page's.
    assert set(seen) == {"aa"}


def test_resources_that_are_spared_are_never_asked_about(make_home_with, library) -> None:
    home = make_home_with(mode="off", never_for=(LIBRARY,))
    rules(home).say(home.people["ada"], "ask", at=NOW, by="p")
    assert set(sent_to(home, ask(home, library), library)) == {"eduPersonScopedAffiliation", "mail"}


def test_who_took_everything_back_is_asked_at_the_next_visit(make_home_with, library) -> None:
    home = make_home_with(mode="off")
    Choices(home.engine, writer="aa").stop(home.people["ada"], LIBRARY, at=NOW, by="p")
    page = ask(home, library)
    assert is_consent(page)
    assert "You took back what you had agreed to." in text_of(page)


def test_who_chose_to_be_asked_at_every_visit_is_asked_where_consent_is_off_now(make_home_with, library) -> None:
    home = make_home_with(mode="off")
    shown = tuple(Offered(one) for one in home.attribute_source.attributes)
    every = frozenset(one.name for one in shown)
    ada = home.people["ada"]
    told = Answer(ada, LIBRARY, Mode.ASK_ALWAYS, shown, every, purpose_of(library.entity).read_in("en"))
    Choices(home.engine, writer="idp").give(told, at=NOW, by=ada)
    page = ask(home, library)
    assert "You are asked at every visit." in text_of(page)


def test_what_she_set_on_her_page_stays_without_a_question(make_home_with, library) -> None:
    home = make_home_with(mode="off")
    decide(home, "mail", "ada@example.org", on=False)
    assert set(sent_to(home, ask(home, library), library)) == {"eduPersonScopedAffiliation"}


def test_a_question_does_not_take_away_what_she_added(make_home_with, library) -> None:
    home = make_home_with(mode="required")
    decide(home, "mail", "ada@example.org", on=True, recommended=False)
    page = ask(home, library)
    assert "It would learn something that you were not asked about before: Role at the organisation." in text_of(page)
    send(home, page)
    found = Choices(home.engine, writer="aa").latest(home.people["ada"], LIBRARY)
    assert found is not None
    assert {said.name: (said.allowed, said.more) for said in found.attributes} == {
        "eduPersonScopedAffiliation": (True, False),
        "mail": (True, True),
    }


@pytest.mark.parametrize("people_may", [{"release"}, set()])
def test_where_people_may_keep_nothing_back_nobody_is_asked(make_home_with, library, people_may) -> None:
    home = make_home_with(Precedence(people_may=frozenset(people_may), new_resources=("ask",)), mode="off")
    assert set(sent_to(home, ask(home, library), library)) == {"eduPersonScopedAffiliation", "mail"}


def test_a_value_that_she_keeps_back_by_itself_is_not_asked_about(make_home_with, library) -> None:
    home = make_home_with(mode="off")
    both = make_attribute("eduPersonScopedAffiliation", ["member@example.org", "staff@example.org"])
    home.attribute_source.attributes = (both,)
    ada = home.people["ada"]
    switch = Switch(both, frozenset(both.values), frozenset(both.values[:1]))
    Choices(home.engine, writer="aa").decide(Setting(ada, Requester(LIBRARY), (switch,), ReadPurpose()), at=NOW, by=ada)
    rules(home).say(ada, "ask", at=NOW, by=ada)
    home.clock.move(timedelta(minutes=1))
    page = ask(home, library)
    if is_consent(page):
        # Her settings were made without the purpose that the library states.
        assert "staff@example.org" not in text_of(page)
        page = send(home, page)
    assert sent_to(home, page, library) == {"eduPersonScopedAffiliation": ("member@example.org",)}


def test_her_list_says_what_she_added_and_leads_to_her_page(make_home_with, library) -> None:
    home = make_home_with(mode="off")
    decide(home, "mail", "ada@example.org", on=True, recommended=False)
    page = home.follow(home.log_in(home.follow(home.get("/account/consents"))))
    assert "Mail address You added this" in text_of(page)


def test_erasing_an_account_erases_what_she_said(make_home_with) -> None:
    home = make_home_with(mode="off")
    ada = home.people["ada"]
    decide(home, "mail", "ada@example.org", on=False)
    rules(home).say(ada, "ask", at=NOW, by=ada)
    home.directory.delete(ada, at=NOW, by="operator", erase=True)
    with reading(home.engine) as connection:
        assert connection.execute(select(consent_choice.c.id)).all() == []
        assert connection.execute(select(consent_rule.c.id)).all() == []
    assert [event.person for event in home.events("consent.erased")] == [None]


def test_an_account_that_only_ends_keeps_its_past(make_home_with) -> None:
    home = make_home_with(mode="off")
    decide(home, "mail", "ada@example.org", on=False)
    home.directory.delete(home.people["ada"], at=NOW, by="operator")
    with reading(home.engine) as connection:
        assert len(connection.execute(select(consent_choice.c.id)).all()) == 1
