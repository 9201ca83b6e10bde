"""The page of one's own factors: setting up, renaming, removing, recovery codes; and the help desk's commands."""

import re

import pytest
from click.testing import CliRunner

from ostiary.command.cli import ostiary
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
    passkey_form,
    secret_in,
)
from tests.simulator import Simulation


@pytest.fixture
def alice(simulation: Simulation) -> Member:
    return Member(simulation)


def factor_ids(page: Answer) -> list[str]:
    """The ids in the forms of the list, in its order."""
    return [dict(form.fields)["factor"] for form in forms_of(page) if form.action.endswith("/rename")]


def change(member: Member, what: str, **fields: str) -> Answer:
    """Sends one of the forms of the page."""
    page = member.own_page()
    form = next(form for form in forms_of(page) if form.action.endswith(f"/{what}"))
    return member.send(form, **fields)


def test_the_page_wants_a_login(alice: Member) -> None:
    page = alice.browser.get(f"{alice.idp}/account/factors")
    assert has_field(page, "password")
    page = alice.give_password(page)
    assert page.url == f"{alice.idp}/account/factors"
    assert "You have none yet." in page.text


def test_the_page_wants_a_login_of_the_last_ten_minutes(alice: Member) -> None:
    alice.own_page()
    alice.simulation.clock.forward(minutes=10)
    assert "Your second factors" in alice.browser.get(f"{alice.idp}/account/factors").text
    alice.simulation.clock.forward(seconds=1)
    assert has_field(alice.browser.get(f"{alice.idp}/account/factors"), "password")


def test_an_app_is_set_up_by_picture_or_key_and_confirmed_by_its_first_code(alice: Member) -> None:
    alice.own_page()
    page = alice.browser.get(f"{alice.idp}/account/factors/totp")
    assert re.search(r'<svg [^>]*class="qr"', page.text)
    assert "style=" not in page.text
    policy = page.header("Content-Security-Policy") or ""
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert len(secret_in(page)) == 32
    answer = alice.set_up_app(page)
    assert answer.status == 200
    assert len(codes_in(answer)) == 10
    assert answer.header("Cache-Control") == "no-store"
    assert alice.factors() == ["my phone"]
    (added,) = alice.events("factor.added")
    assert added.actor == alice.principal


def test_the_key_stays_the_same_until_it_is_confirmed_and_then_changes(alice: Member) -> None:
    alice.own_page()
    address = f"{alice.idp}/account/factors/totp"
    first, second = alice.browser.get(address), alice.browser.get(address)
    assert secret_in(first) == secret_in(second)
    alice.set_up_app(first)
    assert secret_in(alice.browser.get(address)) != secret_in(first)


def test_a_wrong_first_code_shows_the_same_key_again_and_sets_up_nothing(alice: Member) -> None:
    alice.own_page()
    page = alice.browser.get(f"{alice.idp}/account/factors/totp")
    wrong = alice.set_up_app(page, code="12345")
    assert wrong.status == 400
    assert "That is not the code that your app should show now." in wrong.text
    assert secret_in(wrong) == secret_in(page)
    assert alice.factors() == []


def test_first_codes_can_not_be_tried_without_end(alice: Member) -> None:
    alice.own_page()
    page = alice.browser.get(f"{alice.idp}/account/factors/totp")
    statuses = [alice.set_up_app(page, code="12345").status for _ in range(6)]
    assert statuses == [400, 400, 400, 400, 400, 429]


def test_the_first_code_does_not_log_anybody_in(alice: Member) -> None:
    alice.set_up_app()
    thief = alice.elsewhere()
    page = thief.prove(thief.to_resource(), "totp", alice.code())
    assert page.status == 401
    assert "That code was used already." in page.text


def test_setting_up_counts_for_the_session_at_hand(alice: Member) -> None:
    alice.set_up_app()
    assert is_response(alice.to_resource())
    assert "Your second factors" in alice.own_page().text


def test_a_second_factor_brings_no_new_codes(alice: Member) -> None:
    alice.set_up_app()
    first = alice.codes
    answer = alice.set_up_passkey()
    assert codes_in(answer) == []
    assert answer.url == f"{alice.idp}/account/factors"
    assert "You have 10 codes left." in answer.text
    assert alice.codes == first
    assert alice.factors() == ["my phone", "my key"]


def test_who_has_a_factor_needs_it_to_change_her_factors(alice: Member) -> None:
    alice.set_up_app()
    thief = alice.elsewhere()
    assert asks_for_factor(thief.own_page())
    for path in ("/account/factors", "/account/factors/totp"):
        assert asks_for_factor(thief.browser.get(f"{thief.idp}{path}"))
    token = dict(form_of_kind(thief.browser.get(f"{thief.idp}/account/factors"), "totp").fields)["csrf_token"]
    for what in ("remove", "rename", "codes", "totp", "passkey"):
        fields = [("csrf_token", token), ("factor", "0"), ("sure", "yes"), ("label", "x"), ("code", "123456")]
        assert asks_for_factor(thief.browser.post(f"{thief.idp}/account/factors/{what}", fields))
    refused = thief.browser.submit_without_following(
        f"{thief.idp}/account/factors/passkey/options", [("csrf_token", token)]
    )
    assert refused.status == 400
    assert alice.factors() == ["my phone"]
    assert alice.codes_left() == 10


def test_a_rule_that_never_asks_does_not_open_the_page_of_ones_factors(simulate: Simulate) -> None:
    alice = Member(simulate(rules=[{"ask": "never"}]))
    alice.set_up_app()
    other = alice.elsewhere()
    assert is_response(other.to_resource())
    assert asks_for_factor(other.browser.get(f"{other.idp}/account/factors"))


def test_a_factor_is_renamed(alice: Member) -> None:
    alice.set_up_app()
    (factor,) = factor_ids(alice.own_page())
    page = change(alice, "rename", factor=factor, label="<b>new</b> phone")
    assert "It has its new name." in page.text
    assert "&lt;b&gt;new&lt;/b&gt; phone" in page.text
    assert alice.factors() == ["<b>new</b> phone"]


def test_a_factor_is_removed_after_one_more_question(alice: Member) -> None:
    alice.set_up_app()
    alice.set_up_passkey()
    app, passkey = factor_ids(alice.own_page())
    question = change(alice, "remove", factor=app)
    assert "my phone" in question.text
    assert "It is your last one." not in question.text
    assert alice.factors() == ["my phone", "my key"]
    assert "It is removed." in alice.browser.submit(question, having="sure").text
    assert alice.factors() == ["my key"]
    last = change(alice, "remove", factor=passkey)
    assert "It is your last one. Your recovery codes go with it." in last.text
    assert "Your password alone will then be enough to sign in as you." in last.text
    alice.browser.submit(last, having="sure")
    assert alice.factors() == []
    assert alice.codes_left() == 0
    assert is_response(alice.elsewhere().to_resource()) is True


def test_removing_the_last_one_says_when_something_needs_it(simulate: Simulate) -> None:
    alice = Member(simulate(rules=[{"ask": "required", "sp": [LIBRARY]}, {"ask": "never"}]))
    alice.set_up_app()
    (factor,) = factor_ids(alice.own_page())
    question = change(alice, "remove", factor=factor)
    assert "Something that you use needs a second factor." in question.text
    alice.browser.submit(question, having="sure")
    alice.simulation.clock.forward(hours=3)
    assert "asks for a second factor, and you have none yet" in alice.to_resource().text


def test_new_recovery_codes_void_the_earlier_ones(alice: Member) -> None:
    alice.set_up_app()
    old = alice.codes
    new = codes_in(change(alice, "codes"))
    assert len(new) == 10
    assert not set(old) & set(new)
    alice.simulation.clock.forward(minutes=5)
    other = alice.elsewhere()
    page = other.prove(other.to_resource(), "recovery_code", old[0])
    assert page.status == 401
    assert is_response(other.prove(page, "recovery_code", new[0]))
    assert "You have 9 codes left." in alice.own_page().text
    assert "The last one was used on" in alice.own_page().text
    assert len(alice.events("factor.recovery_codes_made")) == 2


def test_there_are_no_recovery_codes_without_a_factor(alice: Member) -> None:
    alice.own_page()
    page = alice.browser.get(f"{alice.idp}/account/factors")
    token = dict(passkey_form(page, "/account/factors/passkey").fields)["csrf_token"]
    answer = alice.browser.post(f"{alice.idp}/account/factors/codes", [("csrf_token", token)])
    assert answer.status == 404
    assert alice.codes_left() == 0


def test_a_passkey_from_another_origin_is_not_set_up(alice: Member) -> None:
    answer = alice.set_up_passkey(origin="http://localhost:1")
    assert answer.status == 400
    assert "This passkey was used on another website than this one." in answer.text
    assert alice.factors() == []


def test_a_challenge_of_one_session_sets_up_nothing_in_another(simulation: Simulation) -> None:
    alice, bob = Member(simulation, "alice"), Member(simulation, "bob")
    form = passkey_form(alice.own_page(), "/account/factors/passkey")
    options = alice.options(form, "/account/factors/passkey/options")
    victim = passkey_form(bob.own_page(), "/account/factors/passkey")
    bob.options(victim, "/account/factors/passkey/options")
    answer = bob.send(victim, credential=alice.passkeys.create(options), label="mine now")
    assert answer.status == 400
    assert bob.factors() == []


def test_one_credential_belongs_to_one_person(simulation: Simulation) -> None:
    alice, bob = Member(simulation, "alice"), Member(simulation, "bob")
    alice.set_up_passkey()
    stolen = alice.passkeys.credentials[-1]
    form = passkey_form(bob.own_page(), "/account/factors/passkey")
    options = bob.options(form, "/account/factors/passkey/options")
    made = bob.passkeys.create(options)
    bob.send(form, credential=made, label="his own")
    options = bob.options(form, "/account/factors/passkey/options")
    assert [entry["type"] for entry in options["excludeCredentials"]] == ["public-key"]
    copied = bob.passkeys.create(options, credential_id=stolen.id)
    answer = bob.send(form, credential=copied, label="hers")
    assert answer.status == 400
    assert "This passkey is registered already." in answer.text
    assert bob.factors() == ["his own"]


def run(simulation: Simulation, *arguments: str) -> str:
    config = simulation.layout.directory(NORTHGATE.key) / "idp.yaml"
    result = CliRunner().invoke(
        ostiary, ["people", "--config", str(config), "factors", *arguments], catch_exceptions=False
    )
    return f"{result.exit_code} {result.output}"


def test_the_help_desk_looks_at_somebodys_factors_and_removes_one(alice: Member) -> None:
    alice.set_up_app()
    alice.set_up_passkey()
    listed = run(alice.simulation, "list", "--user", "Alice")
    assert "my phone" in listed
    assert "my key" in listed
    assert "10 recovery codes left" in listed
    app, _ = factor_ids(alice.own_page())
    assert app in listed
    assert run(alice.simulation, "remove", "--user", "alice", app) == "0 1 removed\n"
    assert alice.factors() == ["my key"]
    removed = alice.events("factor.removed")
    assert [event.actor for event in removed] == ["operator"]


def test_the_help_desk_removes_everything_of_who_lost_everything(alice: Member) -> None:
    alice.set_up_app()
    alice.set_up_passkey()
    assert run(alice.simulation, "remove", "--user", "alice", "--all") == "0 2 removed\n"
    assert alice.factors() == []
    assert alice.codes_left() == 0
    assert is_response(alice.elsewhere().to_resource())


def test_the_help_desk_is_told_what_does_not_exist(alice: Member, capfd: pytest.CaptureFixture[str]) -> None:
    alice.set_up_app()
    (app,) = factor_ids(alice.own_page())
    for arguments, words in (
        (("list", "--user", "nobody"), "There is no such person"),
        (("remove", "--user", "alice", "0" * 32), "There is no such second factor"),
        (("remove", "--user", "bob", app), "There is no such second factor"),
        (("remove", "--user", "alice"), "Name one FACTOR_ID"),
        (("remove", "--user", "alice", app, "--all"), "Name one FACTOR_ID"),
    ):
        output = run(alice.simulation, *arguments)
        assert not output.startswith("0 "), arguments
        assert words in output + capfd.readouterr().err
    assert alice.factors() == ["my phone"]
