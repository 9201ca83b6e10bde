"""Each parameter of each address of second factors missing, doubled, too long, of the wrong kind or forged; and other sites' requests."""

from urllib.parse import urlencode

import pytest

from ostiary.command.demo.people import NORTHGATE
from tests.browser import PAGE, Answer, forms_of
from tests.factors.walk import Member, asks_for_factor, form_of_kind, is_response, passkey_form
from tests.simulator import Simulation

LONG = "x" * 20_000


@pytest.fixture
def alice(simulation: Simulation) -> Member:
    """With an app and a passkey, signed in lately."""
    member = Member(simulation)
    member.set_up_app()
    member.set_up_passkey()
    return member


Requests = list[tuple[Member, str, list[tuple[str, str]]]]


def good_requests(alice: Member) -> Requests:
    """Each address that takes a POST, with fields that it would take, and whose browser sends them: in one she is signed in altogether, in
    the other by her password only."""
    page = alice.own_page()
    own = [("csrf_token", dict(passkey_form(page, "/account/factors/passkey").fields)["csrf_token"])]
    factor = next(dict(form.fields)["factor"] for form in forms_of(page) if form.action.endswith("/rename"))
    waiting = alice.elsewhere()
    asked = dict(form_of_kind(waiting.to_resource(), "totp").fields)
    ticket = [("csrf_token", asked["csrf_token"]), ("ticket", asked["ticket"])]
    return [
        (alice, "/account/factors/rename", [*own, ("factor", factor), ("label", "my phone")]),
        (alice, "/account/factors/remove", [*own, ("factor", factor), ("sure", "no")]),
        (alice, "/account/factors/codes", own),
        (alice, "/account/factors/totp", [*own, ("code", "12345"), ("label", "phone")]),
        (alice, "/account/factors/passkey", [*own, ("credential", "{}"), ("label", "key")]),
        (alice, "/account/factors/passkey/options", own),
        (waiting, "/login/second-factor", [*ticket, ("kind", "totp"), ("code", "12345")]),
        (waiting, "/login/second-factor", [*ticket, ("kind", "recovery_code"), ("code", "AAAA")]),
        (waiting, "/login/second-factor", [*ticket, ("kind", "passkey"), ("credential", "{}")]),
        (waiting, "/login/second-factor/passkey", ticket),
        (waiting, "/login/passkey", [*ticket, ("credential", "{}")]),
        (waiting, "/login/passkey/options", ticket),
    ]


OPTIONAL = {("/account/factors/remove", "sure")}


def send(alice: Member, path: str, fields: list[tuple[str, str]]) -> Answer:
    return alice.browser.submit_without_following(f"{alice.idp}{path}", fields)


def test_a_parameter_that_is_missing_doubled_too_long_or_wrong_is_refused(alice: Member) -> None:
    for member, path, good in good_requests(alice):
        check_parameters(member, path, good)
    assert "crashed" not in alice.simulation.logged
    assert alice.simulation.events("refused") != []


def check_parameters(alice: Member, path: str, good: list[tuple[str, str]]) -> None:
    # Whatever is refused below is refused for what is wrong with it.
    assert send(alice, path, good).status in (200, 303, 400, 401, 429), path
    for name, value in good[1:]:
        rest = [(key, kept) for key, kept in good if key != name]
        if (path, name) not in OPTIONAL:
            assert 400 <= send(alice, path, rest).status < 500, name
            assert 400 <= send(alice, path, [*rest, (name, "")]).status < 500, name
        assert send(alice, path, [*good, (name, value)]).status == 400, name
        assert 400 <= send(alice, path, [*rest, (name, LONG)]).status < 500, name
        for wrong in ("\u202e", "0", "[]", "null", "%00", "' OR 1=1 --", "ticket\r\nSet-Cookie: a=b"):
            answer = send(alice, path, [*rest, (name, wrong)])
            assert answer.status < 500, (name, wrong)
            assert not is_response(answer)


def test_another_site_and_a_form_without_its_token_change_nothing(alice: Member) -> None:
    for member, path, good in good_requests(alice):
        assert send(member, path, good[1:]).status == 403, path
        assert send(member, path, [("csrf_token", "0" * 64), *good[1:]]).status == 403, path
        foreign = member.browser.submit_without_following(f"{alice.idp}{path}", good, site="https://evil.example")
        assert foreign.status == 403, path
        headers = {**PAGE, "Content-Type": "application/json", "Origin": alice.idp}
        answer = member.browser.request("POST", f"{member.idp}{path}", headers=headers, body=b"{}")
        assert answer.status in (400, 403), path
    assert alice.factors() == ["my phone", "my key"]
    assert alice.codes_left() == 10


def test_a_change_is_never_made_by_get(alice: Member) -> None:
    for member, path, good in good_requests(alice):
        answer = member.browser.request("GET", f"{alice.idp}{path}?{urlencode(good)}")
        assert answer.status in (200, 303, 400, 405), path
    assert alice.factors() == ["my phone", "my key"]
    assert alice.codes_left() == 10


def test_a_ticket_that_is_none_leads_nowhere(alice: Member) -> None:
    for path in ("/login/second-factor", "/account/factors/first", "/account/factors/totp"):
        for ticket in ("", "x", LONG, "../../", "http://evil.example/", "A" * 43):
            for query in (f"ticket={ticket}", f"ticket={ticket}&ticket={ticket}"):
                answer = alice.browser.request("GET", f"{alice.idp}{path}?{query}")
                assert answer.status == 400, (path, ticket)
                assert answer.header("Location") is None


def test_the_pages_of_a_sign_on_need_its_ticket(alice: Member) -> None:
    for path in ("/login/second-factor", "/account/factors/first"):
        assert alice.browser.request("GET", f"{alice.idp}{path}").status == 400
        assert alice.browser.request("HEAD", f"{alice.idp}{path}").status == 405


def test_the_ticket_of_a_sign_on_in_another_browser_is_refused(alice: Member) -> None:
    waiting = alice.elsewhere()
    asked = waiting.to_resource()
    assert asks_for_factor(asked)
    form = form_of_kind(asked, "totp")
    stolen = dict(form.fields)["ticket"]
    thief = Member(alice.simulation, "bob")
    own = dict(passkey_form(thief.own_page(), "/account/factors/passkey").fields)["csrf_token"]
    alice.simulation.clock.forward(minutes=1)
    for path, more in (
        ("/login/second-factor", [("kind", "totp"), ("code", alice.code())]),
        ("/login/second-factor/passkey", []),
        ("/account/factors/totp", [("code", alice.code()), ("label", "x")]),
    ):
        answer = send(thief, path, [("csrf_token", own), ("ticket", stolen), *more])
        assert answer.status == 400
        assert "another browser" in answer.text
    assert is_response(waiting.prove(asked, "totp", alice.code()))


def test_a_second_factor_without_a_login_proves_nothing(simulation: Simulation) -> None:
    alice = Member(simulation)
    alice.set_up_app()
    simulation.clock.forward(minutes=5)
    stranger = alice.elsewhere()
    page = simulation.to_login_page(stranger.browser, "library", NORTHGATE)
    form = next(form for form in forms_of(page) if form.has("password"))
    fields = [(name, value) for name, value in form.fields if name in ("csrf_token", "ticket")]
    answer = send(stranger, "/login/second-factor", [*fields, ("kind", "totp"), ("code", alice.code())])
    assert answer.status == 303
    assert (answer.header("Location") or "").startswith(f"{stranger.idp}/saml/sso/login?ticket=")
    assert send(stranger, "/login/second-factor/passkey", fields).status == 401
    assert alice.factors() == ["my phone"]


def test_what_was_done_is_said_only_of_what_can_be_done(alice: Member) -> None:
    for done in ("renamed", "removed", "<script>", "0"):
        page = alice.browser.get(f"{alice.idp}/account/factors?{urlencode({'done': done})}")
        assert page.status == 200
        assert "<script>" not in page.text
    assert alice.browser.get(f"{alice.idp}/account/factors?done=renamed&done=removed").status == 400
    assert alice.browser.get(f"{alice.idp}/account/factors?done={LONG}").status == 400
