"""Single logout through the federation: from the home organisation and from a resource, by SOAP and by the browser, over nodes."""

import base64
import shutil
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.command.demo.people import NORTHGATE
from ostiary.config import load_settings
from ostiary.saml import names
from ostiary.saml.bindings import encode_soap
from ostiary.saml.encryption import Recipient, encrypt_name_id
from ostiary.saml.message import Status
from ostiary.saml.signature import sign
from ostiary.saml.xml import make, parse_xml
from sp_shire.assembly import make_stores
from sp_shire.settings import ShireSettings
from tests.browser import Browser, forms_of
from tests.flows.forging import log_line, signer_of
from tests.flows.logging_out import (
    INSTRUMENT,
    LIBRARY,
    RESOURCES,
    SOAP,
    answer_url,
    at_both,
    idp,
    is_in,
    known,
    lets_in,
    only_by,
    over_soap,
    press,
    refresh,
    sign_out,
    soap_status,
    to_idp,
    to_resource,
    to_the_end,
    words,
)
from tests.simulator import Simulation, configure

FRONT = (names.HTTP_REDIRECT, names.HTTP_POST)


def urls(browser: Browser, path: str) -> list[str]:
    """How often, and where, the browser came by."""
    return [answer.url.partition("?")[0] for answer in browser.trail if urlsplit(answer.url).path.startswith(path)]


# -- from the home organisation ----------------------------------------------------------------------------------------


def test_everywhere_ends_the_session_at_home_and_at_every_resource(federation: Simulation) -> None:
    browser = at_both(federation)
    page = browser.get(idp(federation, "/logout"))
    assert "In this session you used: Collaboratory Microscope The Common Library" in words(page)
    done = sign_out(federation, browser, "everywhere")
    assert "You are signed out everywhere" in words(done)
    assert "The Common Library Signed out Collaboratory Microscope Signed out" in words(done)
    assert urls(browser, "/ostiary/slo") == []
    assert lets_in(federation, browser) == [False, False]
    assert federation.to_login_page(browser, "library", NORTHGATE).text.count('name="password"') == 1


def test_only_here_leaves_the_resources_alone(federation: Simulation) -> None:
    browser = at_both(federation)
    assert "You are signed out" in words(sign_out(federation, browser, "here"))
    assert lets_in(federation, browser) == [True, True]
    assert "Nobody is signed in" in words(browser.get(idp(federation, "/logout")))


def test_nobody_can_sign_out_and_that_is_no_error(federation: Simulation) -> None:
    browser = federation.browser()
    assert "Nobody is signed in" in words(browser.get(idp(federation, "/logout")))
    assert browser.get(idp(federation, "/signed-out")).status == 200


@pytest.mark.parametrize("binding", FRONT)
def test_who_speaks_no_soap_is_told_through_the_browser(
    federation: Simulation, monkeypatch: pytest.MonkeyPatch, binding: str
) -> None:
    only_by(monkeypatch, {LIBRARY: (binding,), INSTRUMENT: (binding,)})
    browser = at_both(federation)
    assert "You are signed out everywhere" in words(sign_out(federation, browser, "everywhere"))
    assert lets_in(federation, browser) == [False, False]
    path = "/ostiary/slo/redirect" if binding == names.HTTP_REDIRECT else "/ostiary/slo/post"
    assert urls(browser, "/ostiary/slo") == [federation.origin(resource) + path for resource in RESOURCES]


def test_where_soap_brings_no_answer_the_browser_gets_through(simulation: Simulation) -> None:
    browser = at_both(simulation)
    simulation.idp_soap.down = True
    assert "You are signed out everywhere" in words(sign_out(simulation, browser, "everywhere"))
    assert lets_in(simulation, browser) == [False, False]
    assert len(simulation.idp_soap.sent) == 2
    # Both at once, so either may be first.
    assert {line["sp"] for line in simulation.events("logout_not_answered")} == {LIBRARY, INSTRUMENT}


def test_who_does_not_answer_is_named(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    only_by(monkeypatch, {LIBRARY: (names.SOAP,), INSTRUMENT: (names.HTTP_REDIRECT,)})
    browser = at_both(simulation)
    simulation.idp_soap.down = True
    done = words(sign_out(simulation, browser, "everywhere"))
    assert "You are signed out here, but not everywhere" in done
    assert "The Common Library Did not answer Collaboratory Microscope Signed out" in done
    assert lets_in(simulation, browser) == [True, False]


def test_who_can_not_be_told_is_named(federation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    only_by(monkeypatch, {LIBRARY: ()})
    browser = at_both(federation)
    done = words(sign_out(federation, browser, "everywhere"))
    assert "You are signed out here, but not everywhere" in done
    assert "The Common Library Cannot be told to sign you out Collaboratory Microscope Signed out" in done
    assert lets_in(federation, browser) == [True, False]


def test_an_answer_over_soap_that_nobody_signed_is_none(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_by(monkeypatch, {LIBRARY: (names.SOAP,)})
    browser = known(simulation).browser
    monkeypatch.setattr("sp_shire.logout.flow.sign", lambda element, signer: None)
    done = words(sign_out(simulation, browser, "everywhere"))
    assert "The Common Library Did not answer" in done
    assert [line["code"] for line in simulation.events("logout_not_answered")] == ["signature.missing"]


def test_every_site_of_one_resource_is_told(federation: Simulation) -> None:
    """One entityID, two browsers' worth of sessions out of one session at home: both end."""
    browser = at_both(federation)
    before = dict(browser.cookies)
    for name in [name for name in browser.cookies if name[0] == "127.0.0.1"]:
        del browser.cookies[name]
    assert federation.log_in(browser, "library", "alice").status == 200
    sign_out(federation, browser, "everywhere")
    assert not is_in(federation, browser, "library")
    browser.cookies = before
    assert lets_in(federation, browser) == [False, False]


# -- a service that hangs ----------------------------------------------------------------------------------------------


def test_whoever_comes_back_from_a_service_that_hangs_goes_on_with_the_next(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_by(monkeypatch, {LIBRARY: FRONT, INSTRUMENT: FRONT})
    browser = at_both(simulation)
    progress = press(browser, browser.get(idp(simulation, "/logout")), "scope", "everywhere")
    assert "The Common Library Not yet told Collaboratory Microscope Not yet told" in words(progress)
    gone = browser.request("GET", refresh(progress) or "")
    assert (gone.header("Location") or "").startswith("http://127.0.0.1:20005/ostiary/slo/redirect?SAMLRequest=")
    # The library never answers. She presses "back".
    again = browser.get(progress.url)
    assert "The Common Library Told, has not answered yet" in words(again)
    done = to_the_end(browser, again)
    assert "The Common Library Did not answer Collaboratory Microscope Signed out" in words(done)
    assert lets_in(simulation, browser) == [True, False]
    # A late answer still counts.
    late = browser.get(gone.header("Location") or "")
    assert "You are signed out everywhere" in words(to_the_end(browser, late))
    assert lets_in(simulation, browser) == [False, False]


def test_another_node_of_the_idp_goes_on_with_a_logout(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    only_by(monkeypatch, {LIBRARY: FRONT})
    one = simulation.transport.applications[simulation.layout.idp_url(NORTHGATE)]
    other = simulation.idp_node(NORTHGATE)
    browser = at_both(simulation)
    nodes = [one, other]

    def turn() -> None:
        nodes.reverse()
        simulation.serve(simulation.layout.idp_url(NORTHGATE), nodes[0])

    answer = press(browser, browser.get(idp(simulation, "/logout")), "scope", "everywhere")
    while (ahead := refresh(answer)) is not None or answer.status == 303:
        turn()
        answer = browser.request("GET", ahead or answer.header("Location") or "")
    assert "The Common Library Signed out Collaboratory Microscope Signed out" in words(answer)
    assert lets_in(simulation, browser) == [False, False]


# -- the resource's nodes ----------------------------------------------------------------------------------------------


@pytest.fixture
def common_store(state: Path) -> None:
    """Both resources keep their sessions in databases; must come before ``simulation``."""
    for resource in RESOURCES:
        configure(state / resource / "sp.yaml", store={"url": "sqlite:///sessions.db"}, workers=2)


@pytest.mark.usefixtures("common_store")
@pytest.mark.parametrize("bindings", [(names.SOAP,), FRONT])
def test_the_second_resources_session_is_gone_also_when_it_lives_on_another_node(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, bindings: tuple[str, ...]
) -> None:
    only_by(monkeypatch, {LIBRARY: bindings, INSTRUMENT: bindings})
    ones = {resource: simulation.protect(resource, simulation.shires[resource]) for resource in RESOURCES}
    others = {}
    for resource in RESOURCES:
        settings = load_settings(simulation.layout.directory(resource) / "sp.yaml", ShireSettings)
        node = simulation.resource_node(resource, stores=make_stores(settings))
        others[resource] = simulation.protect(resource, node)
        simulation.serve(simulation.origin(resource), ones[resource])
    browser = at_both(simulation)
    # The LogoutRequest reaches a node that has never seen this session.
    for resource in RESOURCES:
        simulation.serve(simulation.origin(resource), others[resource])
    page = browser.get(simulation.handler("library", "logout"))
    done = to_the_end(browser, press(browser, page, "scope", "everywhere"))
    assert "You are signed out everywhere" in words(done)
    for nodes in (ones, others):
        for resource in RESOURCES:
            simulation.serve(simulation.origin(resource), nodes[resource])
        assert lets_in(simulation, browser) == [False, False]


# -- from a resource ---------------------------------------------------------------------------------------------------


def test_a_resource_ends_the_session_at_home_and_at_the_other_resource(federation: Simulation) -> None:
    browser = at_both(federation)
    page = browser.get(federation.handler("library", "logout"))
    done = to_the_end(browser, press(browser, page, "scope", "everywhere"))
    assert urlsplit(done.url).path == "/ostiary/signed-out"
    assert "You are signed out everywhere" in words(done)
    assert "so have all services that Northgate University told about you." in words(done)
    assert lets_in(federation, browser) == [False, False]
    assert "Nobody is signed in" in words(browser.get(idp(federation, "/logout")))


def test_only_here_at_a_resource_leaves_everything_else(federation: Simulation) -> None:
    browser = at_both(federation)
    page = browser.get(federation.handler("library", "logout"))
    assert "You are signed out here" in words(press(browser, page, "scope", "here"))
    assert lets_in(federation, browser) == [False, True]
    assert "Sign out everywhere" in words(browser.get(idp(federation, "/logout")))


def test_a_partial_logout_is_told_first_at_home_and_then_at_the_resource(
    federation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_by(monkeypatch, {INSTRUMENT: ()})
    browser = at_both(federation)
    page = browser.get(federation.handler("library", "logout"))
    told = to_the_end(browser, press(browser, page, "scope", "everywhere"))
    assert told.url.startswith(idp(federation, "/logout/progress"))
    assert "Collaboratory Microscope Cannot be told to sign you out Back to The Common Library" in words(told)
    back = told.text.partition('href="http://localhost:20001/logout/answer')[2].partition('"')[0]
    done = to_the_end(browser, browser.get(idp(federation, f"/logout/answer{back}")))
    assert urlsplit(done.url).path == "/ostiary/signed-out"
    assert "You are signed out here" in words(done)
    assert "Not every other service could be told." in words(done)
    assert lets_in(federation, browser) == [False, True]


def test_where_home_no_longer_knows_the_session_a_logout_is_only_partial(federation: Simulation) -> None:
    browser = at_both(federation)
    sign_out(federation, browser, "here")
    page = browser.get(federation.handler("library", "logout"))
    told = to_the_end(browser, press(browser, page, "scope", "everywhere"))
    assert "nobody could tell the other services that you used" in words(told)


def test_a_session_that_became_idle_at_home_is_still_logged_out_everywhere(simulation: Simulation) -> None:
    browser = at_both(simulation)
    for _ in range(3):
        simulation.clock.forward(minutes=50)
        assert lets_in(simulation, browser) == [True, True]
    page = browser.get(simulation.handler("library", "logout"))
    done = to_the_end(browser, press(browser, page, "scope", "everywhere"))
    assert "You are signed out everywhere" in words(done)
    assert lets_in(simulation, browser) == [False, False]


@pytest.mark.parametrize("binding", ["redirect", "post"])
def test_a_request_through_the_browser_is_answered_by_the_same_binding(federation: Simulation, binding: str) -> None:
    session = known(federation)
    asking = to_idp(federation, session, binding)
    browser = session.browser
    if binding == "redirect":
        answer = browser.request("GET", asking.by_redirect("the state"))
    else:
        fields = [("SAMLRequest", asking.as_field()), ("RelayState", "the state")]
        answer = browser.submit_without_following(asking.location, fields, site=federation.origin("library"))
    while answer.status == 303 and (answer.header("Location") or "").startswith(idp(federation, "")):
        answer = browser.request("GET", answer.header("Location") or "")
    if binding == "redirect":
        location = answer.header("Location") or ""
        sent = parse_qs(urlsplit(location).query)
        message = parse_xml(zlib.decompress(base64.b64decode(sent["SAMLResponse"][0]), -15))
        state = sent["RelayState"]
    else:
        [form] = [form for form in forms_of(answer) if form.has("SAMLResponse")]
        assert form.action == federation.handler("library", "slo/post")
        message = parse_xml(base64.b64decode(dict(form.fields)["SAMLResponse"]))
        state = [dict(form.fields)["RelayState"]]
    assert state == ["the state"]
    assert message.get("InResponseTo") == asking.message.id
    assert message.find(f".//{{{names.SAMLP}}}StatusCode").get("Value") == names.SUCCESS  # type: ignore[union-attr]
    assert "Nobody is signed in" in words(browser.get(idp(federation, "/logout")))


def test_over_soap_everybody_is_told_who_speaks_it(federation: Simulation) -> None:
    session = known(federation)
    assert federation.log_in(session.browser, "instrument", "alice").status == 200
    answer = over_soap(federation, to_idp(federation, session, "soap"))
    assert soap_status(answer, signer_of(federation, NORTHGATE.key)) == ("Success", None)
    # Its own session is the asking resource's own business.
    assert lets_in(federation, session.browser) == [True, False]
    assert "Nobody is signed in" in words(session.browser.get(idp(federation, "/logout")))


def test_over_soap_who_needs_a_browser_can_not_be_told(federation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    session = known(federation)
    assert federation.log_in(session.browser, "instrument", "alice").status == 200
    only_by(monkeypatch, {INSTRUMENT: FRONT})
    answer = over_soap(federation, to_idp(federation, session, "soap"))
    assert soap_status(answer, signer_of(federation, NORTHGATE.key)) == ("Success", "PartialLogout")
    assert lets_in(federation, session.browser) == [True, True]


def test_without_a_session_index_all_sessions_of_the_name_end(federation: Simulation) -> None:
    session = known(federation)
    asking = to_idp(federation, session, "soap").changed(session_indexes=())
    assert soap_status(over_soap(federation, asking), signer_of(federation, NORTHGATE.key)) == ("Success", None)
    assert "Nobody is signed in" in words(session.browser.get(idp(federation, "/logout")))


def test_another_session_index_ends_nothing(federation: Simulation) -> None:
    session = known(federation)
    asking = to_idp(federation, session, "soap").changed(session_indexes=("_another",))
    answer = over_soap(federation, asking)
    assert soap_status(answer, signer_of(federation, NORTHGATE.key)) == ("Success", "PartialLogout")
    assert "Sign out everywhere" in words(session.browser.get(idp(federation, "/logout")))


def test_a_resource_can_not_end_the_session_of_a_name_that_another_was_given(federation: Simulation) -> None:
    session = known(federation)
    asking = to_idp(federation, session, "soap", "instrument")
    answer = over_soap(federation, asking)
    assert soap_status(answer, signer_of(federation, NORTHGATE.key)) == ("Success", "PartialLogout")
    assert is_in(federation, session.browser, "library")
    assert "Sign out everywhere" in words(session.browser.get(idp(federation, "/logout")))


def test_who_wants_no_answer_gets_none(federation: Simulation) -> None:
    session = known(federation)
    asking = to_idp(federation, session, "redirect").changed(asynchronous=True)
    done = session.browser.get(asking.by_redirect())
    assert done.url.startswith(idp(federation, "/logout/progress"))
    assert "You are signed out everywhere" in words(done)


# -- the list of sessions ----------------------------------------------------------------------------------------------


def test_a_session_of_another_browser_is_listed_and_ended_with_its_resources(simulation: Simulation) -> None:
    here, there = at_both(simulation), at_both(simulation)
    page = here.get(idp(simulation, "/account/sessions"))
    assert words(page).count("Network 127.0.0.0/24") == 2
    assert words(page).index("This browser") < words(page).index("An unknown browser Network")
    forms = [dict(form.fields)["session"] for form in forms_of(page) if form.has("session")]
    form = next(form for form in forms_of(page) if ("session", forms[1]) in form.fields)
    done = to_the_end(here, here.post(form.action, form.fields))
    assert "You are signed out everywhere" in words(done)
    assert lets_in(simulation, here) == [True, True]
    assert lets_in(simulation, there) == [False, False]
    assert "Nobody is signed in" in words(there.get(idp(simulation, "/logout")))


@pytest.mark.parametrize(("which", "left"), [("others", 1), ("every", 0)])
def test_all_others_or_all_are_ended(simulation: Simulation, which: str, left: int) -> None:
    browsers = [at_both(simulation) for _ in range(2)]
    page = browsers[0].get(idp(simulation, "/account/sessions"))
    assert "You are signed out everywhere" in words(to_the_end(browsers[0], press(browsers[0], page, "all", which)))
    known_at_home = ["Sign out everywhere" in words(one.get(idp(simulation, "/logout"))) for one in browsers]
    assert known_at_home == [left == 1, False]
    assert [lets_in(simulation, one) for one in browsers] == [[left == 1] * 2, [False, False]]


def test_what_another_browser_holds_is_not_told_through_this_one(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resource that finds sessions by cookie would say that it knows nobody, and the session would live on."""
    only_by(monkeypatch, {LIBRARY: FRONT})
    here, there = at_both(simulation), at_both(simulation)
    page = here.get(idp(simulation, "/account/sessions"))
    done = words(to_the_end(here, press(here, page, "all", "others")))
    assert "The Common Library Cannot be told to sign you out Collaboratory Microscope Signed out" in done
    assert lets_in(simulation, there) == [True, False]


@pytest.mark.parametrize("binding", ["redirect", "post"])
def test_a_resource_learns_nothing_of_the_others_by_a_browser_that_holds_no_session(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, binding: str
) -> None:
    """Its request ends the sessions of the name it knows; whose browser brings it, nobody has shown."""
    only_by(monkeypatch, {INSTRUMENT: FRONT})
    session, operators = known(simulation), simulation.browser()
    if simulation.log_in(session.browser, "instrument", "alice").status != 200:
        raise RuntimeError("alice does not get into the instrument")
    asking, seen = to_idp(simulation, session, binding), []
    if binding == "redirect":
        answer = operators.request("GET", asking.by_redirect())
    else:
        fields = [("SAMLRequest", asking.as_field())]
        answer = operators.submit_without_following(asking.location, fields, site=simulation.origin("library"))
    while answer.status == 303 and (answer.header("Location") or "").startswith(idp(simulation, "")):
        answer = operators.request("GET", answer.header("Location") or "")
        seen.append(words(answer))
    assert "Nobody is signed in" in words(session.browser.get(idp(simulation, "/logout")))
    assert answer.status == 200
    assert not any(form.has("SAMLRequest") for form in forms_of(answer))
    assert "Microscope" not in " ".join(seen)
    assert "You are signed out here, but not everywhere" in words(answer)


def test_nobody_ends_a_session_of_somebody_else(simulation: Simulation) -> None:
    alice, bob = at_both(simulation), simulation.browser()
    simulation.log_in(bob, "library", "bob")
    page = alice.get(idp(simulation, "/account/sessions"))
    hers = next(dict(form.fields)["session"] for form in forms_of(page) if form.has("session"))
    own = next(form for form in forms_of(bob.get(idp(simulation, "/account/sessions"))) if form.has("session"))
    answer = bob.post(own.action, [(name, hers if name == "session" else value) for name, value in own.fields])
    assert urlsplit(answer.url).path == "/account/sessions"
    assert lets_in(simulation, alice) == [True, True]
    assert "Sign out everywhere" in words(alice.get(idp(simulation, "/logout")))


def test_the_sessions_of_somebody_who_is_disabled_are_gone_from_the_database(simulation: Simulation) -> None:
    from sqlalchemy import func, select

    from idp.sessions.tables import sso_session
    from ostiary.storage.engine import open_engine, reading

    at_both(simulation)
    simulation.disable("alice")
    engine = open_engine(f"sqlite:///{simulation.layout.directory(NORTHGATE.key) / 'home.db'}")
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(sso_session)).scalar_one() == 0
    engine.dispose()


# -- a logout and a login that cross -----------------------------------------------------------------------------------


def test_an_assertion_that_comes_after_its_logout_begins_no_session(simulation: Simulation) -> None:
    browser = at_both(simulation)
    # A third answer is on its way when she signs out in another window.
    for name in [name for name in browser.cookies if name[0] == "127.0.0.1"]:
        del browser.cookies[name]
    page = simulation.to_response(browser, "library", "alice")
    assert "You are signed out everywhere" in words(sign_out(simulation, browser, "everywhere"))
    answer = browser.submit(page, having="SAMLResponse")
    assert (answer.status, log_line(simulation, answer)["code"]) == (400, "sp.logged_out_meanwhile")
    assert lets_in(simulation, browser) == [False, False]
    simulation.clock.forward(seconds=1)
    assert simulation.log_in(browser, "library", "alice").status == 200


def test_an_answer_to_a_session_that_ended_meanwhile_is_not_sent(simulation: Simulation, monkeypatch: Any) -> None:
    from idp.sessions.session import Sessions

    browser = at_both(simulation)
    for name in [name for name in browser.cookies if name[0] == "127.0.0.1"]:
        del browser.cookies[name]
    monkeypatch.setattr(Sessions, "note_participant", lambda *given, **more: False)
    answer = simulation.to_login_page(browser, "library", NORTHGATE)
    assert (answer.status, log_line(simulation, answer)["code"]) == (401, "session.ended")
    assert "SAMLResponse" not in answer.text


# -- another account ---------------------------------------------------------------------------------------------------


def test_another_account_means_proving_anew_who_one_is(simulation: Simulation) -> None:
    browser = simulation.browser()
    denied = simulation.log_in(browser, "instrument", "bob")
    assert denied.status == 403
    asked = browser.submit(denied, having="target")
    assert not is_in_session(simulation, browser)
    form = browser.submit(asked, {"choice": NORTHGATE.entity_id}, having="choice")
    # There is a session at home, and all the same she is asked.
    assert form.text.count('name="password"') == 1
    credentials = {"username": "alice", "password": "alice-opens-doors"}
    response = browser.submit(form, credentials, having="password")
    done = browser.submit(response, having="SAMLResponse")
    assert (done.status, done.url) == (200, simulation.url("instrument"))


def is_in_session(simulation: Simulation, browser: Browser) -> bool:
    answer = browser.request("GET", simulation.handler("instrument", "session") + "?format=json")
    return answer.status == 200


def test_a_login_that_is_not_new_does_not_do_where_a_new_one_was_asked_for(simulation: Simulation) -> None:
    from tests.flows.forging import deliver, take_apart

    browser = simulation.browser()
    begun = browser.get(simulation.handler("library", f"login?entityID={NORTHGATE.entity_id}&forceAuthn=true"))
    page = browser.submit(begun, {"username": "alice", "password": "alice-opens-doors"}, having="password")
    message = take_apart(simulation, page)
    old = message.with_statement(authn_instant=simulation.clock.now().replace(hour=7))
    answer = deliver(simulation, browser, "library", old.encoded())
    assert (answer.status, log_line(simulation, answer)["code"]) == (400, "sp.not_anew")


# -- what the home organisation says to a resource ---------------------------------------------------------------------


def test_a_resource_ends_what_is_named_and_nothing_else(federation: Simulation) -> None:
    one, other = known(federation), known(federation)
    answer = over_soap(federation, to_resource(federation, one, "soap"))
    assert soap_status(answer, signer_of(federation, "library")) == ("Success", None)
    assert [is_in(federation, session.browser, "library") for session in (one, other)] == [False, True]


def test_a_refusal_of_the_home_organisation_is_told_as_such(federation: Simulation) -> None:
    session = known(federation)
    page = session.browser.get(federation.handler("library", "logout"))
    form = next(form for form in forms_of(page) if ("scope", "everywhere") in form.buttons)
    sent = session.browser.submit_without_following(form.action, [("scope", "everywhere")])
    location = sent.header("Location") or ""
    request = parse_xml(zlib.decompress(base64.b64decode(parse_qs(urlsplit(location).query)["SAMLRequest"][0]), -15))
    back = answer_url(
        federation.handler("library", "slo/redirect"),
        NORTHGATE.entity_id,
        request.get("ID", ""),
        federation,
        signer_of(federation, NORTHGATE.key),
        status=Status(names.RESPONDER),
    )
    done = session.browser.get(back)
    assert "Northgate University could not end the others." in words(done)
    again = session.browser.get(back)
    assert (again.status, log_line(federation, again)["code"]) == (400, "sp.unknown_logout")


# -- a name that only the other side can read --------------------------------------------------------------------------


@pytest.fixture
def keys_to_decrypt(state: Path) -> None:
    """Home and library can open what was encrypted for them; must come before ``simulation``."""
    for part in (NORTHGATE.key, "library"):
        shutil.copy(state / NORTHGATE.key / "keys" / "current.key", state / part / "keys" / "encryption-current.key")
        shutil.copy(state / NORTHGATE.key / "keys" / "current.crt", state / part / "keys" / "encryption-current.crt")


@pytest.mark.usefixtures("keys_to_decrypt")
@pytest.mark.parametrize("side", ["idp", "resource"])
def test_an_encrypted_name_is_opened(simulation: Simulation, side: str) -> None:
    session = known(simulation)
    asking = (to_idp if side == "idp" else to_resource)(simulation, session, "soap")
    name = make(names.SAML, "NameID", Format=names.TRANSIENT)
    name.text = session.name_id.value
    reader = NORTHGATE.entity_id if side == "idp" else LIBRARY
    encrypted = encrypt_name_id(name, Recipient(reader, signer_of(simulation, NORTHGATE.key).public))
    element = asking.message.to_xml(encrypted)
    if asking.signer is None:
        raise RuntimeError("it is signed")
    sign(element, asking.signer)
    answer = simulation.transport.send("POST", asking.location, SOAP, encode_soap(element))
    assert answer.status == 200
    assert session.name_id.value.encode() not in encode_soap(element)
    if side == "idp":
        assert "Nobody is signed in" in words(session.browser.get(idp(simulation, "/logout")))
    else:
        assert not is_in(simulation, session.browser, "library")


def test_who_can_open_nothing_refuses_an_encrypted_name(federation: Simulation) -> None:
    session = known(federation)
    asking = to_idp(federation, session, "soap")
    name = make(names.SAML, "NameID")
    name.text = session.name_id.value
    to_nobody = Recipient(NORTHGATE.entity_id, signer_of(federation, NORTHGATE.key).public)
    element = asking.message.to_xml(encrypt_name_id(name, to_nobody))
    sign(element, signer_of(federation, "library"))
    answer = federation.transport.send("POST", asking.location, SOAP, encode_soap(element))
    assert (answer.status, log_line(federation, answer)["code"]) == (400, "saml.encrypted")
