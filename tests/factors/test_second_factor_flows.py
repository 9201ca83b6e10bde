"""Signing in with a second factor, from the resource to the Response, in the simulated federation with a clock that moves."""

import re

import pytest

from ostiary.command.demo.people import LIBRARY, NORTHGATE
from tests.browser import Answer, forms_of
from tests.factors.walk import (
    Member,
    Simulate,
    asks_for_factor,
    codes_in,
    form_of_kind,
    has_field,
    is_response,
    secret_in,
)
from tests.simulator import Simulation


@pytest.fixture
def alice(simulation: Simulation) -> Member:
    return Member(simulation)


@pytest.fixture
def with_app(alice: Member) -> Member:
    """Alice after she set up an app, in another browser and some minutes later."""
    alice.set_up_app()
    alice.simulation.clock.forward(minutes=30)
    return alice.elsewhere()


@pytest.fixture
def with_passkey(alice: Member) -> Member:
    alice.set_up_passkey()
    alice.simulation.clock.forward(minutes=30)
    return alice.elsewhere()


def arrive(member: Member, page: Answer) -> Answer:
    """Carries the Response to the resource."""
    return member.browser.submit(page, having="SAMLResponse")


def test_who_has_no_second_factor_is_asked_for_none(alice: Member) -> None:
    assert is_response(alice.to_resource())


def test_who_has_one_is_asked_for_it_and_enters_with_the_code_of_her_app(with_app: Member) -> None:
    page = with_app.to_resource()
    assert asks_for_factor(page)
    assert 'autocomplete="one-time-code"' in page.text
    assert 'inputmode="numeric"' in page.text
    answer = with_app.prove(page, "totp", with_app.code())
    assert is_response(answer)
    assert "What was told about you" in arrive(with_app, answer).text
    by = [event.facts["by"] for event in with_app.events("login.succeeded")]
    assert by[-2:] == ["password", "totp"]


def test_a_wrong_code_shows_the_page_again(with_app: Member) -> None:
    page = with_app.to_resource()
    wrong = "000000" if with_app.code() != "000000" else "111111"
    answer = with_app.prove(page, "totp", wrong)
    assert answer.status == 401
    assert "That code is not right." in answer.text
    assert 'aria-describedby="code-hint code-error"' in answer.text
    assert asks_for_factor(answer)
    (failed,) = with_app.events("login.failed")
    assert (failed.facts["by"], failed.facts["reason"], failed.actor) == ("totp", "factor.wrong_code", "anybody")
    assert failed.reference is not None
    assert failed.reference in answer.text
    assert is_response(with_app.prove(answer, "totp", with_app.code()))


def test_a_code_is_good_once_in_its_window_also_at_another_node(with_app: Member) -> None:
    simulation, code = with_app.simulation, with_app.code()
    assert is_response(with_app.prove(with_app.to_resource(), "totp", code))
    thief = with_app.elsewhere()
    page = thief.to_resource()
    assert asks_for_factor(page)
    simulation.serve(with_app.idp, simulation.idp_node(NORTHGATE))
    answer = thief.prove(page, "totp", code)
    assert answer.status == 401
    assert "That code was used already." in answer.text
    simulation.clock.forward(seconds=29)
    assert thief.prove(answer, "totp", code).status == 401
    assert is_response(thief.prove(answer, "totp", thief.next_code()))


def test_a_page_that_one_node_showed_is_answered_by_another(with_app: Member) -> None:
    page = with_app.to_resource()
    with_app.simulation.serve(with_app.idp, with_app.simulation.idp_node(NORTHGATE))
    assert is_response(with_app.prove(page, "totp", with_app.code()))


def test_within_the_session_she_is_not_asked_again(with_app: Member) -> None:
    arrive(with_app, with_app.prove(with_app.to_resource(), "totp", with_app.code()))
    assert is_response(with_app.to_resource("instrument"))


def test_a_password_alone_is_not_enough_at_any_resource(with_app: Member) -> None:
    assert asks_for_factor(with_app.to_resource("library"))
    assert asks_for_factor(with_app.to_resource("instrument"))


def test_a_recovery_code_is_good_once(with_app: Member) -> None:
    answer = with_app.prove(with_app.to_resource(), "recovery_code", with_app.codes[0].lower())
    assert is_response(answer)
    other = with_app.elsewhere()
    page = other.prove(other.to_resource(), "recovery_code", with_app.codes[0])
    assert page.status == 401
    assert "That recovery code is not right, or was used already." in page.text
    assert is_response(other.prove(page, "recovery_code", with_app.codes[1]))
    assert other.codes_left() == 8
    (first, second) = with_app.events("factor.recovery_code_used")
    assert (first.facts["left"], second.facts["left"]) == (9, 8)


def test_a_passkey_is_a_second_factor(with_passkey: Member) -> None:
    page = with_passkey.to_resource()
    assert asks_for_factor(page)
    assert not any(("kind", "totp") in form.fields for form in forms_of(page))
    assert is_response(with_passkey.use_passkey(page))
    assert [event.facts["by"] for event in with_passkey.events("login.succeeded")][-2:] == ["password", "passkey"]


def test_a_passkey_from_another_origin_is_refused(with_passkey: Member) -> None:
    answer = with_passkey.use_passkey(with_passkey.to_resource(), origin="https://login.northgate.example.evil.example")
    assert answer.status == 401
    assert "This passkey was used on another website than this one." in answer.text
    (failed,) = with_passkey.events("login.failed")
    assert failed.facts["reason"] == "passkey.other_origin"
    assert is_response(with_passkey.use_passkey(answer))


def test_an_answer_of_a_passkey_is_good_once(with_passkey: Member) -> None:
    page = with_passkey.to_resource()
    form = form_of_kind(page, "passkey")
    options = with_passkey.options(form, "/login/second-factor/passkey")
    signed = with_passkey.passkeys.get(options)
    thief = with_passkey.elsewhere()
    assert is_response(with_passkey.send(form, credential=signed))
    stolen = thief.to_resource()
    thief.options(form_of_kind(stolen, "passkey"), "/login/second-factor/passkey")
    answer = thief.send(form_of_kind(stolen, "passkey"), credential=signed)
    assert answer.status == 401
    assert "This passkey was not accepted." in answer.text
    again = thief.send(form_of_kind(stolen, "passkey"), credential=signed)
    assert "This passkey was asked for too long ago, or was used already." in again.text


def test_the_passkey_of_somebody_else_is_no_second_factor(simulation: Simulation) -> None:
    bob, alice = Member(simulation, "bob"), Member(simulation, "alice")
    bob.set_up_passkey()
    alice.set_up_passkey()
    thief = bob.elsewhere()
    page = thief.to_resource()
    form = form_of_kind(page, "passkey")
    options = thief.options(form, "/login/second-factor/passkey")
    answer = thief.send(form, credential=alice.passkeys.get(options))
    assert answer.status == 401
    assert "This passkey is not registered here for you." in answer.text


def test_a_copied_passkey_shows_and_is_refused(with_passkey: Member) -> None:
    assert is_response(with_passkey.use_passkey(with_passkey.to_resource()))
    with_passkey.passkeys.credentials[-1].counter = 0
    copy = with_passkey.elsewhere()
    answer = copy.use_passkey(copy.to_resource())
    assert answer.status == 401
    assert "somebody may have a copy of it" in answer.text
    (fallen,) = with_passkey.events("factor.counter_fell_behind")
    assert (fallen.facts["known"], fallen.facts["found"]) == (1, 1)


def test_codes_can_not_be_tried_without_end_and_a_passkey_still_works(alice: Member) -> None:
    alice.set_up_app()
    alice.set_up_passkey()
    stranger = alice.elsewhere()
    page = stranger.to_resource()
    for _ in range(5):
        assert stranger.prove(page, "totp", "000000").status == 401
    answer = stranger.prove(page, "totp", "000000")
    assert answer.status == 429
    assert answer.header("Retry-After") == "60"
    assert stranger.prove(page, "recovery_code", "AAAA-AAAA-AAAA-AAAA").status == 429
    assert is_response(stranger.use_passkey(page))
    alice.simulation.clock.forward(minutes=1)
    other = alice.elsewhere()
    assert is_response(other.prove(other.to_resource(), "totp", other.code()))


def test_strangers_with_her_password_do_not_keep_her_out_where_she_was_before(alice: Member) -> None:
    alice.set_up_app()
    clock = alice.simulation.clock
    stranger = alice.elsewhere()
    page = stranger.to_resource()
    for _ in range(5):
        clock.forward(minutes=1)
        for _ in range(4):
            stranger.prove(page, "totp", "000000")
    clock.forward(minutes=1)
    assert stranger.prove(page, "totp", "000000").status == 429
    alice.browser.post(f"{alice.idp}/logout", form_of_logout(alice))
    clock.forward(minutes=1)
    answer = alice.prove(alice.to_resource(), "totp", alice.code())
    assert is_response(answer)


def form_of_logout(member: Member) -> list[tuple[str, str]]:
    home = member.browser.get(f"{member.idp}/")
    return next(form.fields for form in forms_of(home) if form.action.endswith("/logout"))


def test_a_browser_is_spared_for_as_long_as_she_asked_and_no_longer(simulate: Simulate) -> None:
    simulation = simulate(remember_browser="7d")
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(minutes=5)
    spared = alice.elsewhere()
    page = spared.to_resource()
    assert "Do not ask again in this browser for 7 days" in page.text
    assert is_response(spared.prove(page, "totp", spared.code(), remember="yes"))
    spared.browser.post(f"{spared.idp}/logout", form_of_logout(spared))
    simulation.clock.forward(days=6)
    assert is_response(spared.to_resource())
    assert asks_for_factor(alice.elsewhere().to_resource())
    simulation.clock.forward(days=1)
    assert asks_for_factor(spared.to_resource())


def test_a_spared_browser_is_asked_again_when_her_factors_change(simulation: Simulation) -> None:
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(minutes=5)
    spared = alice.elsewhere()
    assert is_response(spared.prove(spared.to_resource(), "totp", spared.code(), remember="yes"))
    spared.browser.post(f"{spared.idp}/logout", form_of_logout(spared))
    alice.simulation.clock.forward(minutes=5)
    assert is_response(spared.to_resource())
    spared.browser.post(f"{spared.idp}/logout", form_of_logout(spared))
    alice.set_up_passkey()
    assert alice.factors() == ["my phone", "my key"]
    assert asks_for_factor(spared.to_resource())


def test_a_browser_is_not_spared_where_nobody_offered_it(simulate: Simulate) -> None:
    simulation = simulate()
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(minutes=5)
    other = alice.elsewhere()
    page = other.to_resource()
    assert "Do not ask again" not in page.text
    assert is_response(other.prove(page, "totp", other.code(), remember="yes"))
    other.browser.post(f"{other.idp}/logout", form_of_logout(other))
    assert asks_for_factor(other.to_resource())


def test_a_spared_browser_is_not_spared_on_the_page_of_her_factors(simulation: Simulation) -> None:
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(minutes=5)
    spared = alice.elsewhere()
    assert is_response(spared.prove(spared.to_resource(), "totp", spared.code(), remember="yes"))
    simulation.clock.forward(minutes=11)
    page = spared.own_page()
    assert asks_for_factor(page)
    assert "Do not ask again" not in page.text


RULES = [
    {"ask": "required", "sp": [LIBRARY]},
    {"ask": "never"},
]


def test_a_rule_asks_at_one_resource_and_not_at_another(simulate: Simulate) -> None:
    simulation = simulate(rules=RULES)
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(minutes=5)
    other = alice.elsewhere()
    assert is_response(other.to_resource("instrument"))
    assert asks_for_factor(other.to_resource("library"))


def test_who_has_none_where_one_is_required_sets_up_an_app_on_the_way(simulate: Simulate) -> None:
    simulation = simulate(rules=RULES)
    alice = Member(simulation)
    page = alice.to_resource()
    assert "asks for a second factor, and you have none yet" in page.text
    app_page = alice.browser.get(link_in(page, "/account/factors/totp"))
    answer = alice.set_up_app(app_page)
    assert len(alice.codes) == 10
    assert is_response(alice.browser.get(link_in(answer, "/login/second-factor")))
    assert alice.factors() == ["my phone"]


def test_who_has_none_where_one_is_required_sets_up_a_passkey_on_the_way(simulate: Simulate) -> None:
    simulation = simulate(rules=RULES)
    alice = Member(simulation)
    answer = alice.set_up_passkey(alice.to_resource())
    assert len(codes_in(answer)) == 10
    assert is_response(alice.browser.get(link_in(answer, "/login/second-factor")))


def link_in(page: Answer, path: str) -> str:
    """The address of the link to a page."""
    found = re.search(rf'href="([^"]*{path}[^"]*)"', page.text)
    assert found is not None, page.text
    return found[1].replace("&amp;", "&")


def test_a_computer_that_she_left_does_not_do_for_setting_up_her_first(simulate: Simulate) -> None:
    alice = Member(simulate(rules=RULES))
    assert is_response(alice.to_resource("instrument"))
    alice.simulation.clock.forward(minutes=11)
    page = alice.simulation.to_login_page(alice.browser, "library", NORTHGATE)
    assert has_field(page, "password")
    ticket = dict(next(form for form in forms_of(page) if form.has("password")).fields)["ticket"]
    for path in ("/account/factors/first", "/account/factors/totp", "/login/second-factor"):
        assert has_field(alice.browser.get(f"{alice.idp}{path}?ticket={ticket}"), "password")
    assert alice.factors() == []
    answer = alice.set_up_passkey(alice.give_password(page))
    assert is_response(alice.browser.get(link_in(answer, "/login/second-factor")))


def test_who_has_one_can_not_set_up_another_in_the_middle_of_a_sign_on(simulate: Simulate) -> None:
    simulation = simulate(rules=RULES)
    alice = Member(simulation)
    first = alice.to_resource()
    enrolling = alice.browser.get(link_in(first, "/account/factors/totp"))
    secret_in(enrolling)
    # Meanwhile she sets one up elsewhere.
    owner = alice.elsewhere()
    owner.set_up_app()
    answer = alice.set_up_app(enrolling)
    assert asks_for_factor(answer)
    assert asks_for_factor(alice.browser.get(enrolling.url))
    assert asks_for_factor(alice.browser.get(first.url))
    assert owner.factors() == ["my phone"]


def test_who_has_none_is_refused_where_enrolment_is_closed(simulate: Simulate) -> None:
    simulation = simulate(rules=[{"ask": "required", "enrol": False}])
    alice = Member(simulation)
    answer = alice.to_resource()
    assert answer.status == 403
    assert "This needs a second factor, and you have none that is set up." in answer.text
    assert alice.browser.get(f"{alice.idp}/account/factors").status == 403
    assert alice.factors() == []


def test_a_rule_about_people_goes_by_what_is_known_about_them(simulate: Simulate) -> None:
    simulation = simulate(rules=[{"ask": "required", "person": {"displayName": ["Alice Archer"]}}, {"ask": "never"}])
    assert "asks for a second factor, and you have none yet" in Member(simulation, "alice").to_resource().text
    assert is_response(Member(simulation, "bob").to_resource())


def test_rules_by_risk_look_at_the_browser_and_at_the_network(simulate: Simulate) -> None:
    simulation = simulate(
        rules=[
            {"ask": "required", "outside_networks": ["192.0.2.0/24"], "sp": ["https://nowhere.example"]},
            {"ask": "if_enrolled", "new_browser": True},
            {"ask": "required", "outside_networks": ["127.0.0.0/8"]},
            {"ask": "never"},
        ],
    )
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(hours=11)
    assert is_response(alice.to_resource())
    assert asks_for_factor(alice.elsewhere().to_resource())


def test_a_proof_that_is_too_old_for_a_rule_is_asked_for_again(simulate: Simulate) -> None:
    simulation = simulate(rules=[{"ask": "required", "sp": [LIBRARY], "again_after": "30m"}])
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(minutes=29)
    assert is_response(alice.to_resource())
    simulation.clock.forward(minutes=1)
    page = alice.to_resource()
    assert asks_for_factor(page)
    assert not has_field(page, "password")
