"""Messages and parameters of single logout that are missing, doubled, over-long, forged or late: nobody is signed out by them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.saml.keys import Signer
from tests.browser import Answer, Browser
from tests.flows.forging import log_line, signer_of
from tests.flows.logging_out import (
    LIBRARY,
    SOAP,
    Asking,
    Known,
    answer_url,
    idp,
    is_in,
    known,
    over_soap,
    press,
    sign_out,
    to_idp,
    to_resource,
    words,
)
from tests.simulator import Simulation

BINDINGS = ("redirect", "post", "soap")
SIDES: dict[str, Callable[[Simulation, Known, str], Asking]] = {"idp": to_idp, "resource": to_resource}


@pytest.fixture(scope="module")
def session(federation: Simulation) -> Known:
    """A session that survives everything in here."""
    return known(federation)


def send(federation: Simulation, asking: Asking, binding: str, browser: Browser | None = None) -> Answer:
    """The message on its way by this binding, as far as the first answer that is no redirect within one site."""
    browser = browser or federation.browser()
    if binding == "soap":
        return over_soap(federation, asking)
    if binding == "redirect":
        return browser.get(asking.by_redirect())
    return browser.post(asking.location, [("SAMLRequest", asking.as_field())], site="http://127.0.0.1:20005")


def refused(federation: Simulation, answer: Answer) -> tuple[int, str]:
    return answer.status, log_line(federation, answer)["code"]


def lives(federation: Simulation, session: Known) -> bool:
    at_home = "Sign out everywhere" in words(session.browser.get(idp(federation, "/logout")))
    return at_home and is_in(federation, session.browser, "library")


def forgeries(federation: Simulation, side: str) -> dict[str, tuple[Callable[[Asking], Asking], int, str]]:
    now = federation.clock.now()
    minute = timedelta(minutes=1)
    stranger: Signer = signer_of(federation, "instrument" if side == "idp" else SOUTHBANK.key)
    unknown = "sso.unknown_sp" if side == "idp" else "sp.unknown_idp"

    def signed_by(signer: Signer | None) -> Callable[[Asking], Asking]:
        return lambda asking: Asking(asking.message, asking.location, signer)

    def with_(**changes: Any) -> Callable[[Asking], Asking]:
        return lambda asking: asking.changed(**changes)

    return {
        "not signed": (signed_by(None), 400, "signature.missing"),
        "signed by another member": (signed_by(stranger), 400, "signature.wrong"),
        "of somebody unknown": (with_(issuer="https://unknown.example"), 400, unknown),
        "for another address": (with_(destination="https://elsewhere.example/slo"), 400, "saml.destination"),
        "too old": (with_(issue_instant=now - 9 * minute), 400, "saml.too_old"),
        "from the future": (with_(issue_instant=now + 4 * minute), 400, "saml.from_the_future"),
        "no longer to be followed": (with_(not_on_or_after=now - 4 * minute), 400, "saml.expired"),
        "with too many session indexes": (with_(session_indexes=("_i",) * 101), 400, "logout.too_long"),
        "with a long session index": (with_(session_indexes=("_" * 1025,)), 400, "logout.too_long"),
    }


NAMES = (
    "not signed",
    "signed by another member",
    "of somebody unknown",
    "for another address",
    "too old",
    "from the future",
    "no longer to be followed",
    "with too many session indexes",
    "with a long session index",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("side", sorted(SIDES))
def test_a_request_that_breaks_a_rule_ends_nothing(
    federation: Simulation, session: Known, side: str, binding: str, name: str
) -> None:
    change, status, code = forgeries(federation, side)[name]
    answer = send(federation, change(SIDES[side](federation, session, binding)), binding)
    assert refused(federation, answer) == (status, code)
    assert lives(federation, session)


@pytest.mark.parametrize("binding", ["redirect", "post"])
@pytest.mark.parametrize("side", sorted(SIDES))
def test_through_the_browser_a_request_has_to_say_where_it_goes(
    federation: Simulation, session: Known, side: str, binding: str
) -> None:
    asking = SIDES[side](federation, session, binding).changed(destination=None)
    assert refused(federation, send(federation, asking, binding)) == (400, "saml.destination")
    assert lives(federation, session)


@pytest.mark.parametrize(
    ("side", "other"),
    [
        ("resource", {"value": "somebody else"}),
        ("resource", {"format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"}),
        ("resource", {"name_qualifier": "https://other.example/idp"}),
        ("resource", {"sp_name_qualifier": "https://other.example/shar"}),
        # Home looks a value up that it made itself, for one SP alone: the rest of the name adds nothing.
        ("idp", {"value": "somebody else"}),
    ],
)
def test_a_name_that_is_not_quite_hers_ends_nothing(
    federation: Simulation, session: Known, side: str, other: dict[str, str]
) -> None:
    changed = session.name_id._replace(**other)
    asking = SIDES[side](federation, session, "soap").changed(name_id=changed)
    assert over_soap(federation, asking).status == 200
    assert lives(federation, session)


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize(("side", "code"), [("idp", "logout.repeated"), ("resource", "sp.logout_repeated")])
def test_a_request_counts_once(federation: Simulation, side: str, code: str, binding: str) -> None:
    session = known(federation)
    asking = SIDES[side](federation, session, binding)
    send(federation, asking, binding)
    assert not lives(federation, session)
    assert refused(federation, send(federation, asking, binding)) == (400, code)


# -- parameters --------------------------------------------------------------------------------------------------------


def signed_query(asking: Asking) -> str:
    return asking.by_redirect().partition("?")[2]


@pytest.mark.parametrize("side", sorted(SIDES))
def test_parameters_of_a_redirect_that_are_missing_doubled_or_broken_are_refused(
    federation: Simulation, session: Known, side: str
) -> None:
    asking = SIDES[side](federation, session, "redirect")
    good = signed_query(asking)
    message, algorithm, signature = good.split("&")
    none = "logout.no_message" if side == "idp" else "http.parameter_missing"
    cases = {
        "": none,
        "RelayState=x": none,
        f"{good}&{message}": "http.parameter_repeated",
        f"{good}&{signature}": "http.parameter_repeated",
        f"{message}&{signature}": "http.parameter_missing",
        f"{message}&{algorithm}": "signature.missing",
        f"{good}&RelayState=added": "signature.wrong",
        f"{message}&{algorithm}&Signature=AAAA": "signature.wrong",
        f"{message}&SigAlg=none&{signature}": "signature.algorithm",
        f"{message}&SigAlg={quote_plus('http://www.w3.org/2000/09/xmldsig#rsa-sha1')}&{signature}": "signature.algorithm",
        "SAMLRequest=%%%": "http.encoding",
        "SAMLRequest=" + quote_plus("not base64!"): "binding.base64",
        "SAMLRequest=" + "A" * 40: "binding.deflate",
        "SAMLRequest=": "binding.deflate",
        f"{good}&SAMLEncoding=gzip": "binding.encoding",
        f"{good.replace('SAMLRequest', 'SAMLResponse', 1)}": "saml.other_message",
    }
    for query, code in cases.items():
        answer = federation.browser().get(f"{asking.location}?{query}")
        found = refused(federation, answer)
        assert (query, found[1]) in {
            (query, code),
            (query, "signature.wrong") if "SAMLResponse" in query else (query, code),
        }
        assert 400 <= found[0] < 500
    assert lives(federation, session)


@pytest.mark.parametrize("side", sorted(SIDES))
def test_an_over_long_query_and_an_over_long_state_are_refused(
    federation: Simulation, session: Known, side: str
) -> None:
    asking = SIDES[side](federation, session, "redirect")
    answer = federation.browser().get(f"{asking.location}?SAMLRequest={'A' * 70_000}")
    assert answer.status in (400, 413)
    answer = federation.browser().get(asking.by_redirect("s" * 1_025))
    assert refused(federation, answer) == (400, "http.parameter_too_long")
    assert lives(federation, session)


@pytest.mark.parametrize("side", sorted(SIDES))
def test_fields_of_a_form_that_are_missing_doubled_or_broken_are_refused(
    federation: Simulation, session: Known, side: str
) -> None:
    asking = SIDES[side](federation, session, "post")
    field = asking.as_field()
    cases: list[tuple[list[tuple[str, str]], set[str]]] = [
        ([], {"logout.no_message", "http.parameter_missing"}),
        ([("SAMLRequest", "")], {"http.parameter_missing"}),
        ([("SAMLRequest", field)] * 2, {"http.parameter_repeated"}),
        ([("SAMLRequest", field), ("RelayState", "a"), ("RelayState", "b")], {"http.parameter_repeated"}),
        ([("SAMLRequest", "not base64!")], {"binding.base64"}),
        ([("SAMLRequest", "AAAA")], {"xml.syntax", "xml.not_well_formed", "xml.malformed"}),
        ([("SAMLResponse", field)], {"saml.other_message"}),
    ]
    for fields, codes in cases:
        answer = federation.browser().post(asking.location, fields, site="http://127.0.0.1:20005")
        status, code = refused(federation, answer)
        assert 400 <= status < 500
        assert code in codes or code.startswith("xml."), (fields, code)
    assert lives(federation, session)


@pytest.mark.parametrize("side", sorted(SIDES))
@pytest.mark.parametrize("path", ["post", "soap"])
def test_a_body_of_another_type_is_refused(federation: Simulation, session: Known, side: str, path: str) -> None:
    asking = SIDES[side](federation, session, path)
    body = asking.as_envelope() if path == "soap" else urlencode({"SAMLRequest": asking.as_field()}).encode()
    answer = federation.transport.send("POST", asking.location, {"Content-Type": "application/json"}, body)
    assert answer.status == 400
    assert lives(federation, session)


@pytest.mark.parametrize("side", sorted(SIDES))
@pytest.mark.parametrize(
    "body", [b"", b"<a/>", b"not xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<" * 1_000], ids=range(5)
)
def test_a_broken_envelope_gets_a_fault(federation: Simulation, session: Known, side: str, body: bytes) -> None:
    location = SIDES[side](federation, session, "soap").location
    answer = federation.transport.send("POST", location, SOAP, body)
    assert answer.status == 500
    assert b"Fault" in answer.body
    assert lives(federation, session)


@pytest.mark.parametrize("side", sorted(SIDES))
def test_a_body_without_end_is_refused_before_it_is_parsed(federation: Simulation, session: Known, side: str) -> None:
    location = SIDES[side](federation, session, "soap").location
    answer = federation.transport.send("POST", location, SOAP, b" " * 600_000)
    assert answer.status in (413, 500)
    assert lives(federation, session)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("side", sorted(SIDES))
@pytest.mark.parametrize("path", BINDINGS)
def test_other_methods_are_refused(federation: Simulation, session: Known, side: str, path: str, method: str) -> None:
    location = SIDES[side](federation, session, path).location
    answer = federation.transport.send(method, location, {}, b"")
    assert answer.status == 405 or (side == "idp" and method == "OPTIONS" and answer.status == 200)


@pytest.mark.parametrize("side", sorted(SIDES))
def test_a_look_at_a_redirect_uses_nothing_up(federation: Simulation, side: str) -> None:
    session = known(federation)
    asking = SIDES[side](federation, session, "redirect")
    url = asking.by_redirect()
    assert federation.browser().request("HEAD", url).status == 405
    assert lives(federation, session)
    session.browser.get(url)
    assert not lives(federation, session)


# -- answers that nobody asked for -------------------------------------------------------------------------------------


def test_an_answer_to_nothing_is_refused_at_home(federation: Simulation) -> None:
    location, library = idp(federation, "/saml/slo/redirect"), signer_of(federation, "library")
    forged = answer_url(location, LIBRARY, "_nothing", federation, library)
    answer = federation.browser().get(forged)
    assert refused(federation, answer) == (400, "logout.unknown_answer")
    unsigned = answer_url(location, LIBRARY, "_nothing", federation, None)
    assert refused(federation, federation.browser().get(unsigned)) == (400, "signature.missing")


def test_an_answer_of_another_resource_does_not_count(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary.saml import names
    from tests.flows.logging_out import at_both, only_by, refresh

    only_by(monkeypatch, {LIBRARY: (names.HTTP_REDIRECT,), "https://instrument.example/shar": ()})
    browser = at_both(simulation)
    progress = press(browser, browser.get(idp(simulation, "/logout")), "scope", "everywhere")
    browser.request("GET", refresh(progress) or "")
    from sqlalchemy import select

    from idp.logout.tables import logout_step
    from ostiary.storage.engine import open_engine, reading

    engine = open_engine(f"sqlite:///{simulation.layout.directory(NORTHGATE.key) / 'home.db'}")
    with reading(engine) as connection:
        [request_id] = connection.execute(
            select(logout_step.c.request_id).where(logout_step.c.request_id.is_not(None))
        ).scalars()
    engine.dispose()
    location = idp(simulation, "/saml/slo/redirect")
    instrument = signer_of(simulation, "instrument")
    forged = answer_url(location, "https://instrument.example/shar", request_id, simulation, instrument)
    assert refused(simulation, browser.get(forged)) == (400, "saml.issuer")
    elsewhere = answer_url(
        location, LIBRARY, request_id, simulation, signer_of(simulation, "library"), destination="https://x.example/"
    )
    assert refused(simulation, browser.get(elsewhere)) == (400, "saml.destination")
    assert "The Common Library Told, has not answered yet" in words(browser.get(progress.url))


def test_an_answer_to_nothing_is_refused_at_a_resource(federation: Simulation) -> None:
    location, home = federation.handler("library", "slo/redirect"), signer_of(federation, NORTHGATE.key)
    forged = answer_url(location, NORTHGATE.entity_id, "_nothing", federation, home)
    assert refused(federation, federation.browser().get(forged)) == (400, "sp.unknown_logout")


# -- the pages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/logout/progress", "/logout/go", "/logout/answer"])
def test_the_progress_of_a_logout_is_for_its_own_browser(federation: Simulation, path: str) -> None:
    browser = known(federation).browser
    done = sign_out(federation, browser, "everywhere")
    run = done.url.partition("?run=")[2]
    assert browser.get(done.url).status == 200
    stranger = federation.browser()
    assert refused(federation, stranger.get(idp(federation, f"{path}?run={run}"))) == (400, "logout.other_browser")
    for query, code in (
        ("", "http.parameter_missing"),
        ("?run=", "http.parameter_missing"),
        ("?run=unknown", "logout.unknown"),
        (f"?run={run}&run={run}", "http.parameter_repeated"),
        ("?run=" + "r" * 65, "http.parameter_too_long"),
        ("?run=%ff", "http.encoding"),
        ("?run=%00", "http.encoding"),
    ):
        assert refused(federation, browser.get(idp(federation, path + query))) == (400, code)


@pytest.mark.parametrize("path", ["/logout/go", "/logout/answer"])
def test_a_look_at_the_way_on_does_nothing(federation: Simulation, path: str) -> None:
    assert federation.browser().request("HEAD", idp(federation, f"{path}?run=x")).status == 405


def own_form(federation: Simulation, session: Known, path: str) -> list[tuple[str, str]]:
    page = session.browser.get(idp(federation, path))
    from tests.browser import forms_of

    return [
        field
        for field in next(form for form in forms_of(page) if form.method == "post").fields
        if field[0] == "csrf_token"
    ]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([("scope", "elsewhere")], "logout.scope"),
        ([("scope", "here"), ("scope", "everywhere")], "http.parameter_repeated"),
        ([("scope", "x" * 21)], "http.parameter_too_long"),
    ],
)
def test_fields_of_the_sign_out_form_are_checked(
    federation: Simulation, session: Known, fields: list[tuple[str, str]], code: str
) -> None:
    form = [*own_form(federation, session, "/logout"), *fields]
    answer = session.browser.post(idp(federation, "/logout"), form)
    assert refused(federation, answer) == (400, code)
    assert lives(federation, session)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([], "http.parameter_missing"),
        ([("session", "")], "http.parameter_missing"),
        ([("session", "x" * 65)], "http.parameter_too_long"),
        ([("session", "a"), ("session", "b")], "http.parameter_repeated"),
        ([("all", "some")], "logout.scope"),
        ([("all", "others"), ("all", "every")], "http.parameter_repeated"),
    ],
)
def test_fields_of_the_list_of_sessions_are_checked(
    federation: Simulation, session: Known, fields: list[tuple[str, str]], code: str
) -> None:
    form = [*own_form(federation, session, "/account/sessions"), *fields]
    answer = session.browser.post(idp(federation, "/account/sessions"), form)
    assert refused(federation, answer) == (400, code)
    assert lives(federation, session)


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/logout", [("scope", "everywhere")]), ("/account/sessions", [("all", "every")])],
)
def test_another_site_signs_nobody_out(
    federation: Simulation, session: Known, path: str, fields: list[tuple[str, str]]
) -> None:
    for site in ("http://127.0.0.1:20005", None):
        assert session.browser.post(idp(federation, path), fields, site=site).status == 403
    form = [*own_form(federation, session, path), *fields]
    assert session.browser.post(idp(federation, path), form, site="http://localhost:20003").status == 403
    assert lives(federation, session)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([("scope", "elsewhere")], "sp.logout_scope"),
        ([("scope", "here"), ("scope", "here")], "http.parameter_repeated"),
        ([("scope", "x" * 21)], "http.parameter_too_long"),
        ([("scope", "x" * 40_000)], "http.too_large"),
    ],
)
def test_fields_of_a_resources_sign_out_form_are_checked(
    federation: Simulation, session: Known, fields: list[tuple[str, str]], code: str
) -> None:
    answer = session.browser.post(federation.handler("library", "logout"), fields)
    assert refused(federation, answer)[1] == code
    assert lives(federation, session)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([], "http.parameter_missing"),
        ([("target", "https://elsewhere.example/")], "sp.target"),
        ([("target", "//elsewhere.example/")], "sp.target"),
        ([("target", "/\\elsewhere.example/")], "sp.target"),
        ([("target", "/" + "x" * 8_200)], "http.parameter_too_long"),
        ([("target", "/"), ("target", "/")], "http.parameter_repeated"),
    ],
)
def test_another_account_leads_nowhere_else(
    federation: Simulation, session: Known, fields: list[tuple[str, str]], code: str
) -> None:
    answer = session.browser.post(federation.handler("library", "switch"), fields)
    assert refused(federation, answer) == (400, code)
    assert lives(federation, session)


@pytest.mark.parametrize("name", ["logout", "switch"])
def test_another_site_ends_no_session_at_a_resource(federation: Simulation, session: Known, name: str) -> None:
    fields = [("scope", "everywhere"), ("target", "/library/")]
    answer = session.browser.post(federation.handler("library", name), fields, site="http://localhost:20001")
    assert refused(federation, answer) == (400, "sp.form_elsewhere")
    assert lives(federation, session)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "http.parameter_missing"),
        ("?ticket=", "http.parameter_missing"),
        ("?ticket=unknown", "sp.signed_out_ticket"),
        ("?ticket=" + "t" * 101, "http.parameter_too_long"),
        ("?ticket=a&ticket=b", "http.parameter_repeated"),
    ],
)
def test_what_came_of_a_logout_is_not_for_anybody_to_claim(federation: Simulation, query: str, code: str) -> None:
    answer = federation.browser().get(federation.handler("library", "signed-out") + query)
    assert refused(federation, answer) == (400, code)


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=unknown", "?ticket=" + "t" * 65, "?ticket=a&ticket=b"])
def test_a_ticket_of_a_posted_request_is_checked(federation: Simulation, query: str) -> None:
    answer = federation.browser().get(idp(federation, f"/saml/slo/continue{query}"))
    assert refused(federation, answer)[0] == 400


def test_a_posted_request_goes_on_once(federation: Simulation) -> None:
    session = known(federation)
    asking = to_idp(federation, session, "post")
    held = session.browser.submit_without_following(
        asking.location, [("SAMLRequest", asking.as_field())], site=federation.origin("library")
    )
    assert held.status == 303
    assert session.browser.get(held.header("Location") or "").status == 200
    again = session.browser.get(held.header("Location") or "")
    assert refused(federation, again) == (400, "logout.ticket")
