"""Signing in with a passkey alone, and what an SP that asks for more than a password gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from ostiary.command.demo.people import NORTHGATE
from tests.browser import Answer, forms_of
from tests.factors.walk import Member, Simulate, asks_for_factor, has_field, is_response, passkey_form
from tests.simulator import Simulation, configure


@pytest.fixture
def alice(simulation: Simulation) -> Member:
    """With a passkey, in another browser than that in which she made it."""
    member = Member(simulation)
    member.set_up_passkey()
    simulation.clock.forward(minutes=30)
    return member.elsewhere()


def login_page(member: Member) -> Answer:
    return member.simulation.to_login_page(member.browser, "library", NORTHGATE)


def test_a_passkey_alone_signs_in(alice: Member) -> None:
    page = login_page(alice)
    assert 'autocomplete="username webauthn"' in page.text
    answer = alice.sign_in_by_passkey(page)
    assert is_response(answer)
    shown = alice.browser.submit(answer, having="SAMLResponse")
    assert "What was told about you" in shown.text
    assert alice.events("login.succeeded")[-1].facts["by"] == "passkey"


def test_it_is_two_factors_at_once(alice: Member) -> None:
    assert is_response(alice.sign_in_by_passkey(login_page(alice)))
    assert "Your second factors" in alice.browser.get(f"{alice.idp}/account/factors").text


def test_it_names_nobody_before_and_tells_nothing_about_who_exists(alice: Member) -> None:
    form = passkey_form(login_page(alice), "/login/passkey")
    options = alice.options(form, "/login/passkey/options")
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == "localhost"


def test_a_node_that_did_not_make_the_challenge_accepts_its_answer(alice: Member) -> None:
    page = login_page(alice)
    form = passkey_form(page, "/login/passkey")
    options = alice.options(form, "/login/passkey/options")
    alice.simulation.serve(alice.idp, alice.simulation.idp_node(NORTHGATE))
    assert is_response(alice.send(form, credential=alice.passkeys.get(options)))


def refused(answer: Answer) -> bool:
    return answer.status == 401 and "Nobody could be signed in with that passkey." in answer.text


def test_what_is_no_good_answer_signs_nobody_in(alice: Member) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"origin": "https://evil.example"}, "passkey.other_origin"),
        ({"origin": "http://localhost:20001/"}, "passkey.other_origin"),
        ({"crossOrigin": True}, "passkey.other_origin"),
        ({"challenge": "AAAA"}, "passkey.refused"),
        ({"type": "webauthn.create"}, "passkey.refused"),
        ({"rp_id": "evil.example"}, "passkey.refused"),
    ]
    for changes, reason in wrong:
        answer = alice.sign_in_by_passkey(login_page(alice), **changes)
        assert refused(answer), changes
        assert reason not in answer.text
        assert alice.simulation.events("login_failed")[-1]["code"] == reason
        assert not is_response(login_page(alice))
    # The way back leads to the login page of the same sign-on.
    assert 'href="' + alice.idp + "/saml/sso/login?ticket=" in answer.text


def test_who_was_not_verified_by_her_authenticator_is_not_signed_in(alice: Member) -> None:
    alice.passkeys.verifies_user = False
    assert refused(alice.sign_in_by_passkey(login_page(alice)))


def test_an_answer_without_a_user_handle_signs_nobody_in(alice: Member) -> None:
    form = passkey_form(login_page(alice), "/login/passkey")
    signed = json.loads(alice.passkeys.get(alice.options(form, "/login/passkey/options")))
    signed["response"]["userHandle"] = None
    assert refused(alice.send(form, credential=json.dumps(signed)))


def test_a_passkey_that_nobody_registered_signs_nobody_in(alice: Member) -> None:
    alice.passkeys.credentials[-1].id = b"unknown"
    assert refused(alice.sign_in_by_passkey(login_page(alice)))


def test_a_removed_passkey_signs_nobody_in(simulation: Simulation) -> None:
    alice = Member(simulation)
    page = alice.set_up_passkey()
    page = alice.own_page()
    remove = next(form for form in forms_of(page) if form.action.endswith("/remove"))
    alice.browser.submit(alice.send(remove), having="sure")
    other = alice.elsewhere()
    assert refused(other.sign_in_by_passkey(login_page(other)))


def test_who_left_the_organisation_is_not_signed_in(alice: Member) -> None:
    alice.simulation.disable("alice")
    assert refused(alice.sign_in_by_passkey(login_page(alice)))
    assert alice.events("login.failed")[-1].facts["reason"] == "passkey.disabled"


def test_an_answer_is_good_once_and_in_its_own_sign_on_only(alice: Member) -> None:
    form = passkey_form(login_page(alice), "/login/passkey")
    signed = alice.passkeys.get(alice.options(form, "/login/passkey/options"))
    thief = alice.elsewhere()
    other = passkey_form(login_page(thief), "/login/passkey")
    assert refused(thief.send(other, credential=signed))
    thief.options(other, "/login/passkey/options")
    assert refused(thief.send(other, credential=signed))
    assert is_response(alice.send(form, credential=signed))


def test_the_ticket_of_another_browser_is_refused(alice: Member) -> None:
    form = passkey_form(login_page(alice), "/login/passkey")
    thief = alice.elsewhere()
    stolen = dict(form.fields)["ticket"]
    own = passkey_form(login_page(thief), "/login/passkey")
    own.fields = [(name, stolen if name == "ticket" else value) for name, value in own.fields]
    for path in ("/login/passkey/options", "/login/passkey"):
        answer = thief.browser.submit_without_following(f"{thief.idp}{path}", [*own.fields, ("credential", "{}")][:3])
        assert answer.status == 400


def test_it_is_not_offered_where_the_operator_does_not_want_it(simulate: Simulate) -> None:
    alice = Member(simulate(passwordless=False))
    alice.set_up_passkey()
    other = alice.elsewhere()
    page = login_page(other)
    assert not has_field(page, "credential")
    assert "webauthn" not in page.text
    token = dict(forms_of(page)[0].fields)["csrf_token"]
    assert other.browser.post(f"{other.idp}/login/passkey", [("csrf_token", token)]).status == 404
    assert asks_for_factor(other.give_password(page))


def test_without_configuration_there_is_nothing_of_second_factors(state: Path) -> None:
    configure(state / NORTHGATE.key / "idp.yaml", second_factor=None)
    simulation = Simulation(state)
    try:
        alice = Member(simulation)
        page = login_page(alice)
        assert not has_field(page, "credential")
        assert is_response(alice.give_password(page))
        for path in ("/account/factors", "/login/second-factor", "/login/passkey"):
            assert alice.browser.get(f"{alice.idp}{path}").status == 404
    finally:
        simulation.close()
