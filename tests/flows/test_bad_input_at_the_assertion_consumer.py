"""Each bad Response beside its valid twin, which differs in that one field, comes in the same browser to the same request, and
logs in."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from lxml import etree

from ostiary.attributes import make_attribute
from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import encode_post
from ostiary.saml.protocol import AuthnRequest, Status, new_id
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element, add, make, to_bytes
from ostiary.storage.memory import MemoryReplayStore, MemorySessionStore
from tests.browser import PAGE, Answer, Browser
from tests.flows.forging import Message, deliver, log_line, signer_of, take_apart
from tests.simulator import START, Simulation, configure

LIBRARY = "https://library.example/shar"
INSTRUMENT = "https://instrument.example/shar"
ACS = "http://127.0.0.1:20005/ostiary/acs"
FORM = {**PAGE, "Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Kept:
    """How much the library remembers."""

    sessions: int
    logins: int
    replays: int


def kept(simulation: Simulation) -> Kept:
    stores = simulation.stores["library"]
    assert isinstance(stores.sessions, MemorySessionStore)
    assert isinstance(stores.logins, MemorySessionStore)
    assert isinstance(stores.replay, MemoryReplayStore)
    return Kept(len(stores.sessions), len(stores.logins), len(stores.replay))


@dataclass(frozen=True)
class Start:
    """Alice's browser with a Response to the library in hand."""

    simulation: Simulation
    browser: Browser
    message: Message

    def deliver(self, encoded: str) -> Answer:
        return deliver(self.simulation, self.browser, "library", encoded)


@pytest.fixture
def start(federation: Simulation) -> Start:
    browser = federation.browser()
    page = federation.to_response(browser, "library", "alice")
    return Start(federation, browser, take_apart(federation, page))


def assert_refused(
    start: Start, answer: Answer, code: str, status: int = 400, *, before: Kept | None = None
) -> dict[str, str]:
    """A clear page with a reference number, a log line under that number, no cookie, no trace, nobody logged in. ``before`` is what the
    library had kept until then."""
    assert before in (None, kept(start.simulation))
    line = log_line(start.simulation, answer)
    assert (answer.status, line["code"], line["status"]) == (status, code, status)
    assert line["expected"]
    assert line["found"]
    assert line["service"] == "library"
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert answer.header("Set-Cookie") is None
    assert "Traceback" not in answer.text
    assert not any(name.startswith("ost-session") for site, name in start.browser.cookies if site == "127.0.0.1")
    asked = start.browser.request("GET", start.simulation.url("library"))
    assert asked.status == 302
    assert (asked.header("Location") or "").startswith("http://localhost:20000/discovery?")
    return {name: str(value) for name, value in line.items()}


def assert_logs_in(start: Start, message: Message) -> None:
    answer = start.deliver(message.encoded())
    assert (answer.status, answer.url) == (200, "http://127.0.0.1:20005/library/")


# -- one field is wrong ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneField:
    """``bad``: makes the message bad; ``found``: what the log says was found."""

    name: str
    code: str
    bad: Callable[[Message], Message]
    found: str = ""
    status: int = 400


def audience(*audiences: str) -> Callable[[Message], Message]:
    return lambda message: message.with_conditions(audiences=(audiences,))


MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ONE_FIELD = [
    OneField("the audience is another resource", "saml.audience", audience(INSTRUMENT), INSTRUMENT),
    OneField("the audience differs in case", "saml.audience", audience(LIBRARY.upper()), LIBRARY.upper()),
    OneField(
        "of two audience restrictions one is not met",
        "saml.audience",
        lambda message: message.with_conditions(audiences=((LIBRARY,), (INSTRUMENT,))),
        INSTRUMENT,
    ),
    OneField(
        "no audience", "saml.audience", lambda message: message.with_conditions(audiences=()), "no AudienceRestriction"
    ),
    OneField("no conditions", "saml.audience", lambda message: message.with_assertion(conditions=None)),
    OneField(
        "the recipient is another resource",
        "saml.recipient",
        lambda message: message.with_confirmation(recipient="http://127.0.0.1:20006/ostiary/acs"),
        "http://127.0.0.1:20006/ostiary/acs",
    ),
    OneField("no recipient", "saml.recipient", lambda message: message.with_confirmation(recipient=None), "none"),
    OneField(
        "the destination is another resource",
        "saml.destination",
        lambda message: message.with_response(destination="http://127.0.0.1:20006/ostiary/acs"),
        "http://127.0.0.1:20006/ostiary/acs",
    ),
    OneField("no destination", "saml.destination", lambda message: message.with_response(destination=None), "none"),
    OneField(
        "the response is too old",
        "saml.too_old",
        lambda message: message.with_response(issue_instant=START - 8 * MINUTE - SECOND),
        "2026-11-22T08:51:59.000Z",
    ),
    OneField(
        "the assertion is too old",
        "saml.too_old",
        lambda message: message.with_assertion(issue_instant=START - 8 * MINUTE - SECOND),
        "2026-11-22T08:51:59.000Z",
    ),
    OneField(
        "the response comes from the future",
        "saml.from_the_future",
        lambda message: message.with_response(issue_instant=START + 3 * MINUTE + SECOND),
        "2026-11-22T09:03:01.000Z",
    ),
    OneField(
        "the assertion comes from the future",
        "saml.from_the_future",
        lambda message: message.with_assertion(issue_instant=START + 3 * MINUTE + SECOND),
        "2026-11-22T09:03:01.000Z",
    ),
    OneField(
        "the conditions begin in the future",
        "saml.from_the_future",
        lambda message: message.with_conditions(not_before=START + 3 * MINUTE + SECOND),
        "NotBefore 2026-11-22T09:03:01.000Z",
    ),
    OneField(
        "the login is in the future",
        "saml.from_the_future",
        lambda message: message.with_statement(authn_instant=START + 3 * MINUTE + SECOND),
        "AuthnInstant 2026-11-22T09:03:01.000Z",
    ),
    OneField(
        "the conditions have expired",
        "saml.expired",
        lambda message: message.with_conditions(not_on_or_after=START - 3 * MINUTE),
        "NotOnOrAfter 2026-11-22T08:57:00.000Z",
    ),
    OneField(
        "the confirmation has expired",
        "saml.expired",
        lambda message: message.with_confirmation(not_on_or_after=START - 3 * MINUTE),
        "NotOnOrAfter 2026-11-22T08:57:00.000Z",
    ),
    OneField(
        "the session at home has ended",
        "saml.expired",
        lambda message: message.with_statement(session_not_on_or_after=START - 3 * MINUTE),
        "SessionNotOnOrAfter 2026-11-22T08:57:00.000Z",
    ),
    OneField(
        "the conditions have no end",
        "saml.no_expiry",
        lambda message: message.with_conditions(not_on_or_after=None),
        "none",
    ),
    OneField(
        "the confirmation has no end",
        "saml.no_expiry",
        lambda message: message.with_confirmation(not_on_or_after=None),
        "none",
    ),
    OneField(
        "the confirmation has a beginning",
        "saml.bearer_not_before",
        lambda message: message.with_confirmation(not_before=START),
        "2026-11-22T09:00:00.000Z",
    ),
    OneField(
        "the confirmation is not a bearer's",
        "saml.no_bearer",
        lambda message: message.with_confirmation(method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"),
    ),
    OneField("no confirmation", "saml.no_bearer", lambda message: message.with_assertion(confirmations=())),
    OneField(
        "a request that was never made",
        "sp.unknown_request",
        lambda message: message.answering("_0000000000000000000000000000000000000000"),
        "_0000000000000000000000000000000000000000",
    ),
    OneField("no request", "sp.unsolicited", lambda message: message.answering(None), "unsolicited from"),
    OneField(
        "the response answers no request, its assertion does",
        "saml.in_response_to",
        lambda message: message.with_response(in_response_to=None),
    ),
    OneField(
        "the assertion answers no request, its response does",
        "saml.in_response_to",
        lambda message: message.with_confirmation(in_response_to=None),
    ),
    OneField(
        "an unknown issuer",
        "sp.unknown_idp",
        lambda message: message.with_response(issuer="https://evil.example/idp"),
        "https://evil.example/idp",
    ),
    OneField(
        "a resource as issuer", "sp.unknown_idp", lambda message: message.with_response(issuer=INSTRUMENT), INSTRUMENT
    ),
    OneField(
        "the response of another home, signed by this one",
        "signature.wrong",
        lambda message: message.with_response(issuer=SOUTHBANK.entity_id),
    ),
    OneField(
        "the assertion of another home",
        "saml.issuer",
        lambda message: message.with_assertion(issuer=SOUTHBANK.entity_id),
        SOUTHBANK.entity_id,
    ),
    OneField("no subject", "saml.no_name_id", lambda message: message.with_assertion(name_id=None), "none"),
    OneField("an empty name", "saml.no_name_id", lambda message: message.with_assertion(name_id=NameId("")), "none"),
    OneField("no login", "saml.no_authn_statement", lambda message: message.with_assertion(authn_statements=())),
    OneField(
        "the status is no success",
        "saml.status",
        lambda message: message.with_response(status=Status(names.RESPONDER, names.AUTHN_FAILED)),
        "AuthnFailed",
        403,
    ),
    OneField(
        "a quarter of a million bytes",
        "xml.too_large",
        lambda message: message.with_assertion(attributes=(make_attribute("displayName", ["x" * 257_000]),)),
        status=413,
    ),
    OneField(
        "more than a quarter of a million bytes",
        "binding.too_large",
        lambda message: message.with_assertion(attributes=(make_attribute("displayName", ["x" * 300_000]),)),
        status=413,
    ),
    OneField(
        "ten thousand attributes",
        "http.too_large",
        lambda message: message.with_assertion(
            attributes=tuple(make_attribute(f"urn:x:{number}", ["v"]) for number in range(10_000))
        ),
        status=413,
    ),
]


@pytest.mark.parametrize("case", ONE_FIELD, ids=lambda case: case.name.replace(" ", "_"))
def test_a_response_with_one_bad_field_is_refused_and_its_twin_logs_in(start: Start, case: OneField) -> None:
    before = kept(start.simulation)
    answer = start.deliver(case.bad(start.message).encoded())
    line = assert_refused(start, answer, case.code, case.status, before=before)
    assert case.found in line["found"]
    assert_logs_in(start, start.message)


# -- times at the very edge --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edge",
    [
        lambda message: message.issued_at(START - 8 * MINUTE),
        lambda message: message.issued_at(START + 3 * MINUTE),
        lambda message: message.with_conditions(not_before=START + 3 * MINUTE),
        lambda message: message.with_conditions(not_on_or_after=START - 3 * MINUTE + SECOND),
        lambda message: message.with_confirmation(not_on_or_after=START - 3 * MINUTE + SECOND),
        lambda message: message.with_statement(authn_instant=START + 3 * MINUTE),
    ],
    ids=["age", "issued_ahead", "not_before", "conditions_end", "confirmation_ends", "authn_instant"],
)
def test_clocks_may_differ_by_three_minutes(start: Start, edge: Callable[[Message], Message]) -> None:
    assert_logs_in(start, edge(start.message))


def test_a_session_that_ended_a_moment_ago_at_home_starts_none_here(start: Start) -> None:
    """Within the tolerance for clocks, but a session that is over at once would send the browser round in circles."""
    answer = start.deliver(start.message.with_statement(session_not_on_or_after=START - SECOND).encoded())
    line = assert_refused(start, answer, "saml.expired")
    assert line["found"] == "SessionNotOnOrAfter 2026-11-22T08:59:59.000Z"
    again = start.simulation.to_response(start.browser, "library", "alice")
    message = take_apart(start.simulation, again).with_statement(session_not_on_or_after=START + SECOND)
    assert_logs_in(replace(start, message=message), message)


# -- the bytes are wrong -----------------------------------------------------------------------------------------------


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def genuine(message: Message) -> bytes:
    return to_bytes(message.around(message.assertion_element()))


def another_message(message: Message) -> Element:
    element = AuthnRequest(new_id(), NORTHGATE.entity_id, START, destination=ACS).to_xml()
    sign(element, message.signer)
    return element


def encrypted(message: Message) -> Element:
    data = etree.Element("{http://www.w3.org/2001/04/xmlenc#}EncryptedData", nsmap={"xenc": names.XENC})
    etree.SubElement(
        etree.SubElement(data, f"{{{names.XENC}}}CipherData"), f"{{{names.XENC}}}CipherValue"
    ).text = "AAAA"
    assertion = make(names.SAML, "EncryptedAssertion")
    assertion.append(data)
    return message.around(assertion)


def tampered_inside(message: Message) -> Element:
    """The Response is signed over an assertion that was changed after it was signed."""
    assertion = message.assertion_element()
    subject = assertion.find(f"{{{names.SAML}}}Subject/{{{names.SAML}}}NameID")
    assert subject is not None
    subject.text = "somebody else"
    return message.around(assertion)


def signed_by_nobody(message: Message) -> Element:
    return message.around(message.assertion_element(signed=False), signed=False)


def added_after_signing(message: Message) -> Element:
    response = message.around(message.assertion_element())
    status = response.find(f"{{{names.SAMLP}}}Status")
    assert status is not None
    add(status, names.SAMLP, "StatusMessage", "added")
    return response


@dataclass(frozen=True)
class Bytes:
    name: str
    code: str
    bad: Callable[[Message], str]
    status: int = 400


BYTES = [
    Bytes("not base64", "binding.base64", lambda _: "this is not base64!"),
    Bytes("not XML", "xml.not_well_formed", lambda _: text(b"a person called Alice")),
    Bytes("nothing", "http.parameter_missing", lambda _: ""),
    Bytes("cut in the middle", "xml.not_well_formed", lambda message: text(genuine(message)[:-200])),
    Bytes("a page", "xml.schema", lambda _: text(b"<html><body>Response</body></html>")),
    Bytes("another message", "saml.other_message", lambda message: encode_post(another_message(message))),
    Bytes("an assertion alone", "saml.several_assertions", lambda message: encode_post(message.assertion_element())),
    Bytes("a DOCTYPE", "xml.doctype", lambda message: text(b"<!DOCTYPE Response>" + genuine(message))),
    Bytes(
        "an entity",
        "xml.doctype",
        lambda message: text(b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + genuine(message)),
    ),
    Bytes("UTF-16", "xml.encoding", lambda message: text(genuine(message).decode().encode("utf-16"))),
    Bytes(
        "a processing instruction", "xml.processing_instruction", lambda message: text(b"<?a b?>" + genuine(message))
    ),
    Bytes("unsigned", "signature.missing", lambda message: encode_post(signed_by_nobody(message))),
    Bytes(
        "tampered after signing",
        "signature.wrong",
        lambda message: text(genuine(message).replace(b"classes:Password", b"classes:Smartcard")),
    ),
    Bytes("a tampered assertion in a signed response", "signature.wrong", lambda m: encode_post(tampered_inside(m))),
    Bytes("added after signing", "signature.wrong", lambda message: encode_post(added_after_signing(message))),
    Bytes("encrypted", "saml.encrypted", lambda message: encode_post(encrypted(message))),
    Bytes("without assertion", "saml.no_assertion", lambda message: encode_post(message.around())),
    Bytes(
        "two assertions",
        "saml.several_assertions",
        lambda m: encode_post(m.around(m.assertion_element(), m.anew().assertion_element())),
    ),
]


@pytest.mark.parametrize("case", BYTES, ids=lambda case: case.name.replace(" ", "_"))
def test_a_response_of_bad_bytes_is_refused_and_its_twin_logs_in(start: Start, case: Bytes) -> None:
    before = kept(start.simulation)
    bad = case.bad(start.message)
    assert bad != start.message.encoded()
    assert_refused(start, start.deliver(bad), case.code, case.status, before=before)
    assert_logs_in(start, start.message)


@pytest.mark.parametrize("part", ["southbank", "library", "federation"])
def test_a_response_signed_with_another_key_is_refused_and_its_twin_logs_in(start: Start, part: str) -> None:
    other = signer_of(start.simulation, part)
    before = kept(start.simulation)
    answer = start.deliver(replace(start.message, signer=other).encoded())
    assert_refused(start, answer, "signature.wrong", before=before)
    assert_logs_in(start, start.message)


def test_one_right_signature_does_not_make_up_for_a_wrong_one(start: Start) -> None:
    message, other = start.message, signer_of(start.simulation, "southbank")
    inside = message.around(message.assertion_element(signer=other))
    outside = message.around(message.assertion_element(), signer=other)
    assert_refused(start, start.deliver(encode_post(inside)), "signature.wrong")
    assert_refused(start, start.deliver(encode_post(outside)), "signature.wrong")
    assert_logs_in(start, message)


@pytest.mark.parametrize("response_signed", [True, False])
def test_one_signature_is_enough(start: Start, response_signed: bool) -> None:
    element = start.message.around(start.message.assertion_element(signed=not response_signed), signed=response_signed)
    assert start.deliver(encode_post(element)).url == "http://127.0.0.1:20005/library/"


# -- the request is wrong ----------------------------------------------------------------------------------------------


def assert_used_before(start: Start, answer: Answer) -> None:
    """A friendly page that leads to the one that she wanted; nobody is logged in by it."""
    assert (answer.status, answer.header("Set-Cookie")) == (200, None)
    assert "This sign-in was used already" in answer.text
    assert 'href="http://127.0.0.1:20005/library/"' in answer.text
    assert start.browser.request("GET", start.simulation.url("library")).status == 302


def test_a_response_is_good_once(start: Start) -> None:
    """Sent twice (a button that was pressed twice), it is the same answer; no other browser can do anything with it."""
    encoded = start.message.encoded()
    site = "http://localhost:20001"
    held = [start.browser.submit_without_following(ACS, [("SAMLResponse", encoded)], site=site) for _ in range(2)]
    assert [answer.status for answer in held] == [303, 303]
    assert held[0].header("Location") == held[1].header("Location")
    stranger = replace(start, browser=start.simulation.browser())
    assert_refused(stranger, stranger.deliver(encoded), "sp.other_browser")
    assert start.browser.get(held[1].header("Location") or "").url == "http://127.0.0.1:20005/library/"
    # Once more: on to the page, in the session that there is.
    session = dict(start.browser.cookies)
    assert start.deliver(encoded).url == "http://127.0.0.1:20005/library/"
    assert start.browser.cookies == session
    assert_refused(stranger, stranger.deliver(encoded), "sp.ticket")


def test_a_response_does_not_log_in_again_after_signing_out(start: Start) -> None:
    assert_logs_in(start, start.message)
    start.browser.post("http://127.0.0.1:20005/ostiary/logout", [])
    assert_used_before(start, start.deliver(start.message.encoded()))


def test_an_old_response_that_was_used_leads_to_the_page(start: Start, simulation: Simulation) -> None:
    browser = simulation.browser()
    late = Start(simulation, browser, take_apart(simulation, simulation.to_response(browser, "library", "alice")))
    assert_logs_in(late, late.message)
    simulation.clock.forward(minutes=20)
    assert late.deliver(late.message.encoded()).url == "http://127.0.0.1:20005/library/"
    simulation.clock.forward(minutes=10)
    assert_refused(replace(late, browser=simulation.browser()), late.deliver(late.message.encoded()), "saml.too_old")


def test_a_request_is_answered_once(start: Start) -> None:
    """A second message, never seen before, for a request that was answered."""
    assert_logs_in(start, start.message)
    start.browser.post("http://127.0.0.1:20005/ostiary/logout", [])
    assert_used_before(start, start.deliver(start.message.anew().encoded()))


def test_an_answer_to_another_browsers_request_logs_nobody_in(start: Start) -> None:
    stranger = replace(start, browser=start.simulation.browser())
    assert_refused(stranger, stranger.deliver(start.message.encoded()), "sp.other_browser")
    assert_logs_in(start, start.message.anew())


def test_an_answer_to_another_browsers_request_logs_nobody_in_although_that_browser_asked_too(start: Start) -> None:
    other = start.simulation.browser()
    stranger = Start(
        start.simulation, other, take_apart(start.simulation, start.simulation.to_response(other, "library", "bob"))
    )
    assert_refused(stranger, stranger.deliver(start.message.encoded()), "sp.other_browser")
    assert_logs_in(stranger, stranger.message)
    assert_logs_in(start, start.message.anew())


def test_an_answer_of_a_home_that_was_not_asked_is_refused(start: Start) -> None:
    """Everything is right but that the person chose Northgate."""
    southbank = replace(
        start.message.with_response(issuer=SOUTHBANK.entity_id).with_assertion(issuer=SOUTHBANK.entity_id),
        signer=signer_of(start.simulation, "southbank"),
    )
    line = assert_refused(start, start.deliver(southbank.encoded()), "saml.issuer")
    assert (line["expected"], line["found"]) == ("https://northgate.example/idp", "https://southbank.example/idp")
    assert_logs_in(start, start.message)


def test_a_ticket_is_good_once_and_for_two_minutes(start: Start, simulation: Simulation) -> None:
    held = start.browser.submit_without_following(ACS, [("SAMLResponse", start.message.encoded())])
    finish = held.header("Location") or ""
    assert start.browser.get(finish).url == "http://127.0.0.1:20005/library/"
    start.browser.post("http://127.0.0.1:20005/ostiary/logout", [])
    assert_used_before(start, start.browser.get(finish))
    stranger = replace(start, browser=start.simulation.browser())
    assert_refused(stranger, stranger.browser.get(finish), "sp.ticket")

    browser = simulation.browser()
    late = Start(simulation, browser, take_apart(simulation, simulation.to_response(browser, "library", "alice")))
    held = browser.submit_without_following(ACS, [("SAMLResponse", late.message.encoded())])
    simulation.clock.forward(minutes=2)
    assert_refused(late, browser.get(held.header("Location") or ""), "sp.ticket")


def test_a_login_may_take_half_an_hour(simulation: Simulation) -> None:
    page = simulation.to_login_page(in_time := simulation.browser(), "library", NORTHGATE)
    other = simulation.to_login_page(too_late := simulation.browser(), "library", NORTHGATE)
    simulation.clock.forward(minutes=29, seconds=59)
    credentials = {"username": "alice", "password": "alice-opens-doors"}
    answer = in_time.submit(in_time.submit(page, credentials, having="password"), having="SAMLResponse")
    assert answer.url == "http://127.0.0.1:20005/library/"

    response = too_late.submit(other, credentials, having="password")
    simulation.clock.forward(seconds=1)
    late = Start(simulation, too_late, take_apart(simulation, response))
    assert_refused(late, too_late.submit(response, having="SAMLResponse"), "sp.unknown_request")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([("RelayState", "x")], "http.parameter_missing"),
        ([("SAMLRequest", "MESSAGE")], "http.parameter_missing"),
        ([("samlresponse", "MESSAGE")], "http.parameter_missing"),
        ([("SAMLResponse", "MESSAGE"), ("SAMLResponse", "MESSAGE")], "http.parameter_repeated"),
        ([("SAMLResponse", "MESSAGE"), ("RelayState", "a"), ("RelayState", "b")], "http.parameter_repeated"),
        ([("SAMLResponse", "MESSAGE"), ("RelayState", "x" * 1025)], "http.parameter_too_long"),
        ([("SAMLResponse", "MESSAGE"), ("RelayState", "a\r\nb")], "binding.encoding"),
        ([("SAMLResponse", "MESSAGE"), *((f"p{number}", "") for number in range(16))], "http.too_many_parameters"),
    ],
    ids=["missing", "other name", "other case", "twice", "relay state twice", "relay state long", "control", "many"],
)
def test_wrong_parameters_are_refused_and_the_right_ones_log_in(
    start: Start, fields: list[tuple[str, str]], code: str
) -> None:
    encoded, before = start.message.encoded(), kept(start.simulation)
    sent = [(name, encoded if value == "MESSAGE" else value) for name, value in fields]
    answer = start.browser.post(ACS, sent, site="http://localhost:20001")
    assert_refused(start, answer, code, before=before)
    right = [("SAMLResponse", encoded), ("RelayState", "x" * 1024), ("of-another-protocol", "is left alone")]
    assert start.browser.post(ACS, right, site="http://localhost:20001").url == "http://127.0.0.1:20005/library/"


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"SAMLResponse=%", "http.encoding", 400),
        (b"SAMLResponse=%ff%fe", "http.encoding", 400),
        (b"SAMLResponse=%00", "http.encoding", 400),
        (b"SAMLResponse=" + b"A" * (512 * 1024), "http.too_large", 413),
        (b"", "http.parameter_missing", 400),
    ],
    ids=["percent", "not UTF-8", "NUL", "half a megabyte", "empty"],
)
def test_a_body_that_is_no_form_is_refused_and_a_form_logs_in(
    start: Start, body: bytes, code: str, status: int
) -> None:
    assert_refused(start, start.browser.request("POST", ACS, headers=FORM, body=body), code, status)
    assert_logs_in(start, start.message)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "text/plain", "application/json", ""])
def test_another_content_type_is_refused(start: Start, content_type: str) -> None:
    body = b"SAMLResponse=" + start.message.encoded().replace("+", "%2B").encode()
    answer = start.browser.request("POST", ACS, headers={**PAGE, "Content-Type": content_type}, body=body)
    assert_refused(start, answer, "http.content_type")
    right = {**PAGE, "Content-Type": "Application/X-WWW-Form-Urlencoded ; charset=utf-8"}
    assert start.browser.request("POST", ACS, headers=right, body=body).status == 303


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_the_assertion_consumer_takes_posts_only(start: Start, method: str) -> None:
    query = "?SAMLResponse=" + start.message.encoded().replace("+", "%2B")
    answer = start.browser.request(method, ACS + query)
    assert answer.status == 405
    if method != "HEAD":
        assert assert_refused(start, answer, "http.method", 405)["expected"] == "POST"
    assert_logs_in(start, start.message)


def test_an_unsolicited_response_logs_in_where_the_settings_allow_it(simulation: Simulation) -> None:
    """The twin of the refused one above: the same message, another configuration."""
    template = take_apart(simulation, simulation.to_response(simulation.browser(), "library", "alice")).answering(None)
    browser = simulation.browser()
    assert_refused(
        Start(simulation, browser, template),
        deliver(simulation, browser, "library", template.encoded()),
        "sp.unsolicited",
    )
    configure(simulation.layout.directory("library") / "sp.yaml", allow_unsolicited_from=[NORTHGATE.entity_id])
    shire = simulation.resource_node("library")
    simulation.serve(simulation.origin("library"), simulation.protect("library", shire))
    assert deliver(simulation, browser, "library", template.encoded()).url == "http://127.0.0.1:20005/library/"
