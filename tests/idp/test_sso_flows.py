"""Whole logins through the application: what a browser and a resource see, with sessions, tickets and refusals."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote_plus

import pytest
from lxml import html

from idp.accounts.passwords import Passwords
from idp.settings import AttributesInResponseSettings, ThrottleSettings
from ostiary.attributes import texts_of
from ostiary.handle import HandleKey, open_handle
from ostiary.saml import names
from ostiary.saml.protocol import RequestedAuthnContext, Response, unproven_envelope
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import verify_element
from ostiary.saml.xml import parse_xml, qname

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = HandleKey(bytes.fromhex("ab" * 32))
LOGIN_FORM = "current-password"


def shown_form(page) -> html.FormElement:
    return html.document_fromstring(page.get_data(as_text=True)).forms[0]


def response_in(page):
    return parse_xml(base64.b64decode(shown_form(page).fields["SAMLResponse"]))


def is_login_page(page) -> bool:
    return page.status_code in (200, 401) and LOGIN_FORM in page.get_data(as_text=True)


def is_response(page) -> bool:
    return page.status_code == 200 and "SAMLResponse" in page.get_data(as_text=True)


def status_of(page, resource, signer) -> tuple[str, str | None]:
    """The status of an error answer, which must be signed, addressed and without assertion."""
    form, element = shown_form(page), response_in(page)
    assert form.action == resource.acs
    envelope = Response.from_proof(verify_element(element, [signer.public]))
    assert envelope.assertions == ()
    assert (envelope.destination, envelope.in_response_to) == (resource.acs, "_request1")
    return envelope.status.code, envelope.status.detail


def assert_refused(home, page, code: str, status: int = 400) -> None:
    """A page with a reference number that stands in the log beside the code; nothing left behind."""
    text = page.get_data(as_text=True)
    assert page.status_code == status, text
    number = re.search(r"[0-9A-F]{4}-[0-9A-F]{4}", text)
    assert number is not None
    line = next(line for line in home.log.getvalue().splitlines() if number.group() in line)
    assert f'"code": "{code}"' in line
    assert "Traceback" not in text
    assert "SAMLResponse" not in text
    assert LOGIN_FORM not in text
    assert home.session_cookie() is None
    assert home.events("handle") == []


# The good ways


def test_a_login_by_redirect_hands_the_resource_a_handle_and_attributes(home, library) -> None:
    page = home.whole_login(library.redirect())
    assert shown_form(page).action == "https://library.example.net/acs"
    assert shown_form(page).fields["RelayState"] == "state"
    accepted = home.accept(page, library)
    assert accepted.in_response_to == "_request1"
    assert accepted.authn.authn_instant == NOW
    assert accepted.authn.context_class == names.PASSWORD_PROTECTED_TRANSPORT
    assert accepted.authn.session_not_on_or_after == NOW + timedelta(hours=10)
    assert accepted.name_id.format == names.TRANSIENT
    assert accepted.name_id.name_qualifier == "https://home.example.org/idp"
    assert accepted.name_id.sp_name_qualifier == "https://library.example.net/sp"
    handle = open_handle([KEY], accepted.name_id.value, requester="https://library.example.net/sp", now=NOW)
    assert handle.principal == home.people["ada"]
    assert handle.expires == NOW + timedelta(hours=4)
    assert texts_of(accepted.assertion.attributes, "eduPersonScopedAffiliation") == ("member@example.org",)
    assert texts_of(accepted.assertion.attributes, "mail") == ("ada@example.org",)


def test_a_login_by_post_goes_on_at_a_same_site_address_and_ends_the_same(home, library, lab) -> None:
    for resource, signed in ((library, False), (library, True), (lab, True)):
        home.client = home.make_client()
        answer = home.post("/saml/sso/post", resource.form(signed=signed))
        assert answer.status_code == 303
        assert re.fullmatch(r"http://localhost:8001/saml/sso/continue\?ticket=[\w-]{43}", answer.headers["Location"])
        assert "Set-Cookie" not in answer.headers
        page = home.log_in(home.follow(answer))
        assert home.accept(page, resource).in_response_to == "_request1"


def test_a_response_is_valid_by_the_schema_and_signed_twice(home, library) -> None:
    element = response_in(home.whole_login(library.redirect()))
    check_schema(element, "protocol")
    assert len(element.findall(f".//{qname(names.DS, 'Signature')}")) == 2
    verify_element(element, [home.signer.public])
    assertion = element.find(qname(names.SAML, "Assertion"))
    assert assertion is not None
    verify_element(assertion, [home.signer.public])


def test_nothing_that_leaves_names_the_person(home, library) -> None:
    page = home.whole_login(library.redirect())
    message = base64.b64decode(shown_form(page).fields["SAMLResponse"]).decode()
    assert home.people["ada"] not in message
    assert ">ada<" not in message


def test_a_second_resource_needs_no_second_password(home, library, lab) -> None:
    first = home.accept(home.whole_login(library.redirect()), library)
    home.clock.move(timedelta(minutes=5))
    page = home.get(lab.redirect(signed=True, issue_instant=home.clock.now()))
    second = home.accept(page, lab)
    assert second.authn.authn_instant == NOW
    assert second.name_id.value != first.name_id.value
    assert second.authn.session_index != first.authn.session_index


def test_a_posted_request_is_answered_from_the_session_without_a_password(home, library) -> None:
    home.whole_login(library.redirect())
    page = home.follow(home.post("/saml/sso/post", library.form()))
    assert home.accept(page, library)


def test_a_handle_ends_with_the_session_at_the_latest(home, library) -> None:
    home.whole_login(library.redirect())
    for _ in range(9):
        home.clock.move(timedelta(hours=1))
        accepted = home.accept(home.get(library.redirect(issue_instant=home.clock.now())), library)
    handle = open_handle([KEY], accepted.name_id.value, requester=accepted.name_id.sp_name_qualifier, now=NOW)
    assert handle.expires == NOW + timedelta(hours=10)


def test_the_relay_state_is_echoed_only_if_there_was_one(home, library) -> None:
    page = home.whole_login(library.redirect(relay_state=None))
    assert "RelayState" not in shown_form(page).fields
    page = home.get(library.redirect(relay_state='"><script>alert(1)</script>'))
    assert shown_form(page).fields["RelayState"] == '"><script>alert(1)</script>'
    assert "<script>alert" not in page.get_data(as_text=True)


def test_the_target_of_the_request_reaches_the_authority(home, library) -> None:
    home.whole_login(library.redirect(target="https://library.example.net/maps/", signed=True))
    (asked,) = home.attribute_source.asked
    assert (asked.principal, asked.requester, asked.target, asked.wanted, asked.at) == (
        home.people["ada"],
        "https://library.example.net/sp",
        "https://library.example.net/maps/",
        None,
        NOW,
    )


def test_a_target_that_nobody_signed_does_not_reach_the_authority(home, library) -> None:
    home.whole_login(library.redirect(target="https://library.example.net/maps/"))
    home.follow(home.post("/saml/sso/post", library.form(target="https://library.example.net/maps/")))
    # Where the answer goes is registered in metadata, and stands for the application domain.
    assert [asked.target for asked in home.attribute_source.asked] == ["https://library.example.net/acs"] * 2


def test_the_authority_is_told_from_where_she_came_and_how_she_logged_in(home, library) -> None:
    home.whole_login(library.redirect())
    (asked,) = home.attribute_source.asked
    assert asked.network == "127.0.0.1"
    assert asked.authn_context == names.PASSWORD_PROTECTED_TRANSPORT


def test_a_resource_that_asks_for_itself_gets_no_attributes_in_the_response(make_home, library) -> None:
    home = make_home(attributes_in_response=AttributesInResponseSettings(never_for=("https://library.example.net/sp",)))
    _add_ada(home)
    accepted = home.accept(home.whole_login(library.redirect()), library)
    assert accepted.assertion.attributes == ()
    assert home.attribute_source.asked == []


def _add_ada(home) -> None:
    hashed = Passwords(home.settings.password_hashing.parameters()).hash("right horse")
    home.people["ada"] = home.directory.create("ada", password_hash=hashed, attributes={}, at=NOW, by="operator")


def test_an_authority_that_releases_nothing_still_lets_the_person_in(home, library) -> None:
    home.attribute_source.attributes = ()
    assert home.accept(home.whole_login(library.redirect()), library).assertion.attributes == ()


def test_each_handle_leaves_an_audit_row_about_the_person(home, library) -> None:
    home.whole_login(library.redirect())
    (login,) = home.events("login.succeeded")
    assert (login.person, login.actor) == (home.people["ada"], home.people["ada"])
    assert login.facts == {"for": "https://library.example.net/sp", "by": "password"}
    (minted,) = home.events("handle.minted")
    assert minted.person == home.people["ada"]
    assert minted.facts == {
        "for": "https://library.example.net/sp",
        "request": "_request1",
        "context": names.PASSWORD_PROTECTED_TRANSPORT,
        "attributes": ["eduPersonScopedAffiliation", "mail"],
    }


# ForceAuthn, IsPassive and what can't be satisfied


def test_a_request_that_forces_authentication_asks_again_in_spite_of_a_session(home, library) -> None:
    home.whole_login(library.redirect())
    home.clock.move(timedelta(minutes=10))
    page = home.follow(home.get(library.redirect(force_authn=True, issue_instant=home.clock.now())))
    assert is_login_page(page)
    accepted = home.accept(home.log_in(page), library)
    assert accepted.authn.authn_instant == NOW + timedelta(minutes=10)


def test_reloading_does_not_get_around_forced_authentication(home, library) -> None:
    home.whole_login(library.redirect())
    for answer in (
        home.get(library.redirect(force_authn=True)),
        home.follow(home.post("/saml/sso/post", library.form(force_authn=True))),
        home.get(library.redirect(force_authn=True)),
    ):
        page = home.follow(answer)
        assert is_login_page(page)
    form = shown_form(page)
    address = f"/saml/sso/login?ticket={form.fields['ticket']}"
    for _ in range(3):
        assert is_login_page(home.get(address))
    assert is_login_page(home.log_in(page, password="wrong"))
    assert is_login_page(home.get(address))
    assert len(home.events("handle.minted")) == 1


def test_a_passive_request_without_session_is_answered_without_showing_anything(home, library) -> None:
    page = home.follow(home.get(library.redirect(is_passive=True)))
    assert status_of(page, library, home.signer) == (names.RESPONDER, names.NO_PASSIVE)
    page = home.follow(home.post("/saml/sso/post", library.form(is_passive=True)))
    assert status_of(page, library, home.signer) == (names.RESPONDER, names.NO_PASSIVE)
    assert home.session_cookie() is None


def test_a_passive_request_with_a_session_succeeds(home, library) -> None:
    home.whole_login(library.redirect())
    assert home.accept(home.get(library.redirect(is_passive=True)), library)


def test_a_passive_request_that_forces_authentication_can_not_succeed(home, library) -> None:
    home.whole_login(library.redirect())
    page = home.get(library.redirect(is_passive=True, force_authn=True))
    assert status_of(page, library, home.signer) == (names.RESPONDER, names.NO_PASSIVE)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"nameid_format": names.PERSISTENT}, (names.REQUESTER, names.INVALID_NAMEID_POLICY)),
        (
            {"requested_context": RequestedAuthnContext((names.PASSWORD,))},
            (names.RESPONDER, names.NO_AUTHN_CONTEXT),
        ),
    ],
)
def test_what_can_not_be_satisfied_is_answered_at_once_with_its_status(home, library, changes, status) -> None:
    for page in (home.get(library.redirect(**changes)), home.post("/saml/sso/post", library.form(**changes))):
        assert status_of(page, library, home.signer) == status
        assert shown_form(page).fields["RelayState"] == "state"


# Wrong credentials


def without_what_differs_each_time(page) -> str:
    text = re.sub(r'(name="(csrf_token|ticket)" value=")[^"]*', r"\1", page.get_data(as_text=True))
    return re.sub(r"[0-9A-F]{4}-[0-9A-F]{4}", "", re.sub(r'(id="username"[^>]*value=")[^"]*', r"\1", text))


def test_every_reason_for_a_refusal_shows_the_same_page(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    answers = [
        home.log_in(page, username="ada", password="wrong"),
        home.log_in(page, username="eve", password="wrong"),
        home.log_in(page, username="bob", password="wrong"),
        home.log_in(page, username="ada", password=""),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({without_what_differs_each_time(answer) for answer in answers}) == 1
    assert len({tuple(sorted(name for name, _ in answer.headers)) for answer in answers}) == 1
    assert home.session_cookie() is None
    assert [event.facts["reason"] for event in home.events("login.failed")] == [
        "wrong_password",
        "unknown",
        "wrong_password",
        "wrong_password",
    ]
    assert [event.person for event in home.events("login.failed")] == [
        home.people["ada"],
        None,
        home.people["bob"],
        home.people["ada"],
    ]


def test_after_a_wrong_password_the_right_one_still_works(home, library) -> None:
    page = home.log_in(home.follow(home.get(library.redirect())), password="wrong")
    assert "That user name and password do not go together." in page.get_data(as_text=True)
    assert home.accept(home.log_in(page), library)


def test_neither_log_nor_audit_learns_what_was_typed(home, library) -> None:
    home.log_in(home.follow(home.get(library.redirect())), username="hunter2typo", password="s3cret!")
    with home.engine.connect() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM audit_event").all())
        rows += str(connection.exec_driver_sql("SELECT * FROM audit_person").all())
        rows += str(connection.exec_driver_sql("SELECT * FROM counter").all())
    for text in (home.log.getvalue(), rows):
        assert "hunter2typo" not in text
        assert "s3cret!" not in text
    number = home.events("login.failed")[0].reference
    assert number is not None
    assert number in home.log.getvalue()


def test_too_many_attempts_are_refused_alike_for_known_and_unknown_names(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    for name in ("ada", "eve"):
        for _ in range(10):
            assert home.log_in(page, username=name, password="wrong").status_code == 401
        answer = home.log_in(page, username=name, password="right horse")
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "60"
    home.clock.move(timedelta(seconds=60))
    assert is_response(home.log_in(page))


def test_guesses_from_one_address_do_not_keep_out_a_person_at_another(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    for _ in range(10):
        assert home.log_in(page, password="wrong").status_code == 401
    assert home.log_in(page).status_code == 429
    typed = {**dict(shown_form(page).fields), "username": "ada", "password": "right horse"}
    answer = home.client.post(
        "/saml/sso/login",
        data=typed,
        base_url="http://localhost:8001",
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    assert is_response(answer)


def test_a_forwarded_address_does_not_count_as_another_address(make_home, library) -> None:
    home = make_home(throttle=ThrottleSettings(per_address=3))
    page = home.follow(home.get(library.redirect()))
    form = shown_form(page)
    statuses = []
    for number in range(4):
        typed = {**dict(form.fields), "username": f"name{number}", "password": "wrong"}
        headers = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
        answer = home.client.post("/saml/sso/login", data=typed, headers=headers, base_url="http://localhost:8001")
        statuses.append(answer.status_code)
    assert statuses == [401, 401, 401, 429]


def test_a_password_that_can_not_be_one_is_refused_before_any_work(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    assert_refused(home, home.log_in(page, password="x" * 1025), "password.too_long")


# Sessions


def test_each_login_brings_a_new_token_and_ends_the_old_session(home, library) -> None:
    home.whole_login(library.redirect())
    before = home.session_cookie()
    home.log_in(home.follow(home.get(library.redirect(force_authn=True))))
    after = home.session_cookie()
    assert before != after
    other = home.make_client()
    other.set_cookie(cookie_called(home, "session"), before, domain="localhost")
    page = other.get(library.redirect(), base_url="http://localhost:8001")
    assert page.status_code == 303


def cookie_called(home, purpose: str) -> str:
    return next(cookie.key for cookie in home.client._cookies.values() if f"-{purpose}-" in cookie.key)


def test_a_token_that_somebody_planted_before_the_login_is_worth_nothing(home, library) -> None:
    name = "ost-session-" + sha256(b"https://home.example.org/idp").hexdigest()[:8]
    planted = "A" * 43
    home.client.set_cookie(name, planted, domain="localhost")
    home.whole_login(library.redirect())
    assert home.session_cookie() not in (None, planted)
    other = home.make_client()
    other.set_cookie(name, planted, domain="localhost")
    assert other.get(library.redirect(), base_url="http://localhost:8001").status_code == 303


def test_the_cookies_are_kept_from_scripts_and_other_sites(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    answer = home.log_in(page)
    (cookie,) = [value for value in answer.headers.getlist("Set-Cookie") if "session" in value]
    assert re.fullmatch(r"ost-session-[0-9a-f]{8}=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax", cookie)


def test_somebody_who_was_disabled_is_asked_again_and_stays_out(home, library) -> None:
    home.whole_login(library.redirect())
    home.directory.disable(home.people["ada"], at=NOW, by="operator")
    page = home.follow(home.get(library.redirect()))
    assert is_login_page(page)
    assert home.log_in(page).status_code == 401


def test_an_idle_session_asks_again(home, library) -> None:
    home.whole_login(library.redirect())
    later = home.clock.move(timedelta(hours=2))
    assert is_login_page(home.follow(home.get(library.redirect(issue_instant=later))))


def test_a_login_in_another_window_serves_the_window_that_waits(home, library, lab) -> None:
    waiting = home.get(lab.redirect(signed=True))
    home.whole_login(library.redirect())
    assert home.accept(home.follow(waiting), lab)


# Tickets


def assert_used_up(home, answer) -> None:
    """Refused, and no Response, no session and no login came of it."""
    text = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "was used already" in text
    assert "SAMLResponse" not in text
    assert "Set-Cookie" not in answer.headers
    assert len(home.events("handle.minted")) == len(home.events("login.succeeded"))


def test_a_ticket_answers_once(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    assert is_response(home.log_in(page))
    home.clock.move(timedelta(seconds=10))
    assert_used_up(home, home.log_in(page))
    assert len(home.events("handle.minted")) == 1


def test_both_halves_of_a_double_click_get_a_response(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    first = home.log_in(page)
    home.clock.move(timedelta(seconds=9))
    second = home.log_in(page)
    assert is_response(first)
    assert home.accept(second, library).in_response_to == "_request1"


def test_two_submits_at_the_same_time_both_get_a_response(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    release, answers = home.attribute_source.release, []

    def with_another_submit_meanwhile(request):
        if not answers:
            answers.append(None)
            other = home.make_client()
            for cookie in home.client._cookies.values():
                other.set_cookie(cookie.key, cookie.value, domain="localhost")
            mine, home.client = home.client, other
            answers[0] = home.log_in(page)
            home.client = mine
        return release(request)

    home.attribute_source.release = with_another_submit_meanwhile
    answers.append(home.log_in(page))
    assert [is_response(answer) for answer in answers] == [True, True]


def test_answering_again_does_not_make_a_ticket_last_longer(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    assert is_response(home.log_in(page))
    home.clock.move(timedelta(seconds=6))
    assert is_response(home.log_in(page))
    home.clock.move(timedelta(seconds=6))
    assert_used_up(home, home.log_in(page))


@pytest.mark.parametrize("force_authn", [False, True])
def test_an_answered_ticket_is_of_no_use_without_the_password(home, library, force_authn: bool) -> None:
    page = home.follow(home.get(library.redirect(force_authn=force_authn)))
    ticket = shown_form(page).fields["ticket"]
    assert is_response(home.log_in(page))
    assert_used_up(home, home.get(f"/saml/sso/login?ticket={ticket}"))
    assert_used_up(home, home.get(f"/saml/sso/continue?ticket={ticket}"))
    assert home.log_in(page, password="wrong").status_code == 401
    assert_used_up(home, home.get(f"/saml/sso/login?ticket={ticket}"))


def test_an_answered_ticket_is_of_no_use_to_another_browser(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    ticket = shown_form(page).fields["ticket"]
    assert is_response(home.log_in(page))
    home.client = home.make_client()
    form = dict(shown_form(home.follow(home.get(library.redirect()))).fields)
    answer = home.post("/saml/sso/login", {**form, "ticket": ticket, "username": "ada", "password": "right horse"})
    assert answer.status_code == 400
    assert '"code": "sso.other_browser"' in home.log.getvalue()
    assert len(home.events("handle.minted")) == len(home.events("login.succeeded")) == 1


def test_a_login_form_can_not_bring_a_ticket_that_belongs_to_no_browser_yet(home, library) -> None:
    passing = home.post("/saml/sso/post", library.form()).headers["Location"].rpartition("=")[2]
    page = home.follow(home.get(library.redirect()))
    assert_refused(home, home.log_in(page, ticket=passing), "sso.ticket")
    assert home.events("login.succeeded") == []
    assert is_response(home.log_in(page))


def stored_rows(home) -> int:
    with home.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM session_entry").scalar_one()


def test_the_same_request_of_one_browser_leaves_one_ticket_however_often_it_comes(home, library) -> None:
    url = library.redirect()
    pages = [home.follow(home.get(url)) for _ in range(5)]
    assert len({shown_form(page).fields["ticket"] for page in pages}) == 1
    assert stored_rows(home) == 1
    assert home.accept(home.log_in(pages[0]), library)


def test_another_request_resource_or_browser_has_another_ticket(home, library, lab) -> None:
    urls = [library.redirect(), library.redirect(id="_request2"), lab.redirect(signed=True)]
    pages = [home.follow(home.get(url)) for url in urls]
    home.client = home.make_client()
    pages += [home.follow(home.get(url)) for url in urls]
    tickets = {shown_form(page).fields["ticket"] for page in pages}
    assert len(tickets) == stored_rows(home) == 6
    assert all(re.fullmatch(r"[\w-]{43}", ticket) for ticket in tickets)


def test_coming_back_with_an_answered_request_asks_or_answers_anew(home, library) -> None:
    url = library.redirect(force_authn=True)
    assert is_response(home.whole_login(url))
    page = home.follow(home.get(url))
    assert is_login_page(page)
    assert is_login_page(home.get(f"/saml/sso/login?ticket={shown_form(page).fields['ticket']}"))
    home.clock.move(timedelta(minutes=1))
    assert home.accept(home.log_in(page), library)


def test_the_ticket_of_a_posted_request_works_once(home, library) -> None:
    location = home.post("/saml/sso/post", library.form()).headers["Location"].removeprefix("http://localhost:8001")
    assert home.get(location).status_code == 303
    assert_refused(home, home.get(location), "sso.ticket")


def test_a_ticket_does_not_wait_for_ever(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    home.clock.move(timedelta(minutes=29))
    assert home.log_in(page, password="wrong").status_code == 401
    home.clock.move(timedelta(minutes=1))
    assert_refused(home, home.log_in(page), "sso.ticket")
    location = home.post("/saml/sso/post", library.form(issue_instant=home.clock.now())).headers["Location"]
    home.clock.move(timedelta(minutes=2))
    assert_refused(home, home.get(location.removeprefix("http://localhost:8001")), "sso.ticket")


def test_the_login_of_one_browser_can_not_be_finished_by_another(home, library) -> None:
    location = home.get(library.redirect()).headers["Location"].removeprefix("http://localhost:8001")
    mine, home.client = home.client, home.make_client()
    assert_refused(home, home.get(location), "sso.other_browser")
    # A browser that began a login of its own has another token.
    page = home.follow(home.get(library.redirect()))
    form = dict(shown_form(page).fields)
    ticket = location.rpartition("=")[2]
    answer = home.post("/saml/sso/login", {**form, "ticket": ticket, "username": "ada", "password": "right horse"})
    assert_refused(home, answer, "sso.other_browser")
    home.client = mine
    assert is_login_page(home.get(location))


def test_two_windows_of_one_browser_can_both_log_in(home, library, lab) -> None:
    first = home.follow(home.get(library.redirect()))
    second = home.follow(home.get(lab.redirect(signed=True)))
    assert home.accept(home.log_in(first), library)
    assert home.accept(home.log_in(second), lab)


def test_looking_at_a_link_uses_nothing_up(home, library) -> None:
    location = home.post("/saml/sso/post", library.form()).headers["Location"].removeprefix("http://localhost:8001")
    assert home.client.head(location, base_url="http://localhost:8001").status_code == 405
    assert is_login_page(home.follow(home.get(location)))


def test_a_resource_that_was_removed_meanwhile_gets_no_answer(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    home.entities.remove(library.entity)
    assert_refused(home, home.log_in(page), "sso.unknown_sp")


def test_the_login_form_is_not_taken_without_its_token_or_from_another_site(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    assert_refused(home, home.log_in(page, csrf_token="0" * 64), "csrf.token", 403)
    typed = {**dict(shown_form(page).fields), "username": "ada", "password": "right horse"}
    answer = home.client.post(
        "/saml/sso/login", data=typed, headers={"Origin": "https://evil.example"}, base_url="http://localhost:8001"
    )
    assert_refused(home, answer, "csrf.cross_site", 403)


# The authority is out of order


def test_without_an_answer_of_the_authority_nothing_is_sent_and_the_page_can_be_reloaded(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    home.attribute_source.out_of_order = True
    answer = home.log_in(page)
    assert answer.status_code == 503
    text = answer.get_data(as_text=True)
    assert "SAMLResponse" not in text
    assert "secret connection" not in text
    assert home.events("handle.minted") == []
    home.attribute_source.out_of_order = False
    # Her login counted: the waiting page goes on without a password.
    again = home.get(f"/saml/sso/login?ticket={shown_form(page).fields['ticket']}")
    assert home.accept(again, library)


# Bad requests at the endpoints: a page, no session, nothing behind


def test_a_request_without_a_message_is_refused(home) -> None:
    assert_refused(home, home.get("/saml/sso/redirect"), "sso.no_request")
    assert_refused(home, home.get("/saml/sso/redirect?RelayState=x"), "sso.no_request")
    assert_refused(home, home.post("/saml/sso/post", {}), "http.content_type")
    assert_refused(home, home.post("/saml/sso/post", {"RelayState": "x"}), "sso.no_request")


def test_a_parameter_that_stands_there_twice_is_refused(home, library) -> None:
    url = library.redirect()
    assert_refused(home, home.get(url + "&" + url.partition("?")[2].partition("&")[0]), "http.parameter_repeated")
    assert_refused(home, home.get(url + "&RelayState=other"), "http.parameter_repeated")
    form = library.form()
    body = "&".join(f"{name}={quote_plus(value)}" for name, value in form.items())
    for twice in ("SAMLRequest=x", "RelayState=other"):
        answer = home.client.post(
            "/saml/sso/post",
            data=f"{body}&{twice}",
            content_type="application/x-www-form-urlencoded",
            base_url="http://localhost:8001",
        )
        assert_refused(home, answer, "http.parameter_repeated")


def test_a_relay_state_that_is_too_long_is_refused(home, library) -> None:
    for length, refused in ((1024, False), (1025, True)):
        answers = (
            home.get(library.redirect(relay_state="x" * length)),
            home.post("/saml/sso/post", library.form(relay_state="x" * length)),
        )
        for answer in answers:
            if refused:
                assert_refused(home, answer, "http.parameter_too_long")
            else:
                assert answer.status_code == 303


@pytest.mark.parametrize(
    ("message", "code", "status"),
    [
        (b"not XML", "xml.not_well_formed", 400),
        (b"<!DOCTYPE a><a/>", "xml.doctype", 400),
        (b'<a xmlns="urn:x"/>', "xml.schema", 400),
        (b"", "http.parameter_missing", 400),
        (b" " * 262_145, "xml.too_large", 413),
    ],
)
def test_a_posted_message_that_is_none_is_refused(home, message: bytes, code: str, status: int) -> None:
    answer = home.post("/saml/sso/post", {"SAMLRequest": base64.b64encode(message).decode()})
    assert_refused(home, answer, code, status)


def test_a_body_larger_than_any_message_is_refused_before_it_is_read(home) -> None:
    assert_refused(home, home.post("/saml/sso/post", {"SAMLRequest": "A" * 600_000}), "http.too_large", 413)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "https://nobody.example/sp"}, "sso.unknown_sp"),
        ({"acs_url": "https://evil.example/acs"}, "sso.acs_unregistered"),
        ({"destination": "https://other.example/saml/sso"}, "saml.destination"),
        ({"issue_instant": NOW - timedelta(hours=2)}, "saml.too_old"),
        ({"issue_instant": NOW + timedelta(hours=2)}, "saml.from_the_future"),
        ({"protocol_binding": names.HTTP_REDIRECT}, "sso.binding"),
    ],
)
def test_a_request_against_a_rule_is_a_page_and_never_an_answer(home, library, changes, code: str) -> None:
    assert_refused(home, home.get(library.redirect(**changes)), code)
    assert_refused(home, home.post("/saml/sso/post", library.form(**changes)), code)
    assert is_login_page(home.follow(home.get(library.redirect())))


def test_an_unsigned_or_wrongly_signed_request_of_a_signing_resource_is_a_page(home, library, lab) -> None:
    assert_refused(home, home.get(lab.redirect()), "signature.missing")
    assert_refused(home, home.post("/saml/sso/post", lab.form()), "signature.missing")
    stranger = replace(lab, signer=library.signer)
    assert_refused(home, home.get(stranger.redirect(signed=True)), "signature.wrong")
    assert is_login_page(home.follow(home.get(lab.redirect(signed=True))))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/saml/sso/login", "http.parameter_missing"),
        ("/saml/sso/continue", "http.parameter_missing"),
        ("/saml/sso/login?ticket=" + "A" * 43, "sso.ticket"),
        ("/saml/sso/continue?ticket=" + "A" * 43, "sso.ticket"),
        ("/saml/sso/login?ticket=" + "A" * 65, "http.parameter_too_long"),
        ("/saml/sso/login?ticket=a&ticket=b", "http.parameter_repeated"),
    ],
)
def test_a_page_without_a_good_ticket_is_refused(home, path: str, code: str) -> None:
    assert_refused(home, home.get(path), code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"username": None}, "http.parameter_missing"),
        ({"password": None}, "http.parameter_missing"),
        ({"ticket": None}, "http.parameter_missing"),
        ({"username": "x" * 257}, "http.parameter_too_long"),
    ],
)
def test_a_login_form_with_a_missing_or_overlong_field_is_refused(home, library, change, code: str) -> None:
    page = home.follow(home.get(library.redirect()))
    typed = {**dict(shown_form(page).fields), "username": "ada", "password": "right horse", **change}
    assert_refused(home, home.post("/saml/sso/login", {k: v for k, v in typed.items() if v is not None}), code)


def test_a_refusal_of_a_clock_states_both_times(home, library) -> None:
    home.get(library.redirect(issue_instant=NOW - timedelta(hours=2)))
    assert "2026-11-22T10:00:00.000Z" in home.log.getvalue()
    assert "2026-11-22T12:00:00.000Z" in home.log.getvalue()


def test_an_error_answer_says_nothing_about_anybody(home, library) -> None:
    home.whole_login(library.redirect())
    page = home.get(library.redirect(is_passive=True, force_authn=True))
    envelope = unproven_envelope(response_in(page))
    assert envelope.status.message is None
    assert response_in(page).find(f".//{qname(names.SAML, 'NameID')}") is None


# Headers


def test_the_pages_of_a_login_are_not_stored_and_may_not_be_framed(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    answer = home.log_in(page)
    for shown in (page, answer):
        assert shown.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert "form-action" not in answer.headers["Content-Security-Policy"]
