"""Programs that speak ECP: a page asked for without a session answers with a request for them to take home, and what they bring back opens
a session for the program that asked, once."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.saml import names
from ostiary.saml.ecp import (
    PAOS_TYPE,
    EcpResponse,
    PaosRequest,
    PaosResponse,
    check_consumer,
    decode_ecp_response,
    decode_paos_request,
    encode_ecp_request,
    encode_paos_response,
)
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import UnsignedAllowedByMetadata, sign, verify_element
from ostiary.saml.soap import encode_soap
from ostiary.saml.validate import verify_response
from ostiary.saml.xml import parse_xml, to_bytes
from sp_shire.messages import Passage, Reply
from tests.flows.forging import Message, signer_of
from tests.simulator import START, home_of
from tests.sp_shire.answering import HERE, answered, home_location, logged_in, post, program
from tests.sp_shire.conftest import Core, cookie_of, header

CONSUMER = f"{HERE}ostiary/acs/paos"
HANDLER = "/ostiary/acs/paos"


def asked(core: Core, path: str = "/library/", **headers: Any) -> PaosRequest:
    """The request that a program is given."""
    reply = program(core, path, **headers)
    if not isinstance(reply, Reply) or reply.status != 200:
        raise AssertionError(f"no request: {reply}"[:500])
    return decode_paos_request(reply.body)


def taken_home(core: Core, request: PaosRequest, username: str = "alice") -> EcpResponse:
    """What the home organisation says to the program, which shows its person's password."""
    home, password = home_of(username)
    basic = base64.b64encode(f"{username}:{password}".encode()).decode()
    answer = core.federation.transport.send(
        "POST",
        core.federation.layout.idp_url(home) + "/saml/sso/ecp",
        {"Content-Type": "text/xml", "Authorization": f"Basic {basic}"},
        encode_ecp_request(request),
    )
    if answer.status != 200:
        raise AssertionError(answer.text[:900])
    return decode_ecp_response(answer.body)


def brought(core: Core, body: bytes, **headers: str) -> Reply:
    reply = core.ask(HANDLER, method="POST", body=body, **{"content_type": PAOS_TYPE, "accept": "*/*", **headers})
    if not isinstance(reply, Reply):
        raise TypeError("the application was reached")
    return reply


@dataclass(frozen=True)
class Round:
    """A program of Alice's between its two posts: ``request`` is what the resource gave it, ``answer`` what her home did."""

    core: Core
    request: PaosRequest
    answer: EcpResponse

    def body(self, **changes: Any) -> bytes:
        response = PaosResponse(self.answer.message, relay_state=self.request.relay_state)
        return encode_paos_response(replace(response, **changes))

    def refused(self, body: bytes, **headers: str) -> str:
        reply = brought(self.core, body, **headers)
        line = self.core.log_lines()[-1]
        if reply.status not in (400, 403, 413, 500) or header(reply, "Set-Cookie") is not None:
            raise AssertionError(f"not refused: {reply.status}, {line}")
        return str(line["code"])

    def message(self) -> Message:
        signer = signer_of(self.core.federation, NORTHGATE.key)
        proven = verify_response(self.answer.message, [signer.public])
        if proven.assertion is None:
            raise ValueError("a Response without assertion")
        return Message(proven.envelope, proven.assertion, signer)

    def with_message(self, message: Message) -> bytes:
        return self.body(message=parse_xml(to_bytes(message.around(message.assertion_element()))))


@pytest.fixture
def between(core: Core) -> Round:
    request = asked(core)
    return Round(core, request, taken_home(core, request))


def test_a_program_signs_in_with_its_persons_password_and_gets_the_page(core: Core) -> None:
    request = asked(core, "/library/", query=b"shelf=3&shelf=4")
    answer = taken_home(core, request)
    check_consumer(request, answer)
    assert answer.request_authenticated
    done = brought(core, encode_paos_response(PaosResponse(answer.message, relay_state=request.relay_state)))
    assert (done.status, header(done, "Location")) == (303, f"{HERE}library/?shelf=3&shelf=4")
    passage = core.ask("/library/", cookie=cookie_of(done))
    assert isinstance(passage, Passage)
    assert passage.exports["affiliation"] == "member@northgate.example;staff@northgate.example"


def test_the_request_for_a_program_says_where_the_answer_goes_and_who_could_give_it(core: Core) -> None:
    reply = program(core)
    assert isinstance(reply, Reply)
    assert (header(reply, "Content-Type"), header(reply, "Pragma")) == (PAOS_TYPE, "no-cache")
    assert cookie_of(reply) == ""
    request = decode_paos_request(reply.body)
    assert (request.response_consumer_url, request.message_id, request.is_passive) == (CONSUMER, None, False)
    assert (request.issuer, request.provider_name) == ("https://library.example/shar", "The Common Library")
    assert set(request.idps) == {"https://northgate.example/idp", "https://southbank.example/idp"}
    verify_element(request.message, [signer_of(core.federation, "library").public])
    message = AuthnRequest.from_proof(UnsignedAllowedByMetadata(request.message, request.issuer))
    assert (message.acs_url, message.protocol_binding, message.destination) == (CONSUMER, names.PAOS, None)


def test_where_there_is_one_home_its_address_stands_in_the_request(make_core: Callable[..., Core]) -> None:
    core = make_core(identity_provider=NORTHGATE.entity_id, discovery_url=None)
    request = asked(core)
    assert request.idps == (NORTHGATE.entity_id,)
    assert request.message.get("Destination") == home_location(core.federation, "/saml/sso/ecp")
    assert logged_in(core, brought(core, Round(core, request, taken_home(core, request)).body()))
    other = asked(core)
    message = answered_by_southbank(core, other)
    assert brought(core, Round(core, other, message).body()).status == 400
    assert core.log_lines()[-1]["code"] == "saml.issuer"


def answered_by_southbank(core: Core, request: PaosRequest) -> EcpResponse:
    # Southbank refuses a request that names another destination, so it gets one without.
    request.message.attrib.pop("Destination")
    for signature in request.message.findall("{http://www.w3.org/2000/09/xmldsig#}Signature"):
        request.message.remove(signature)
    sign(request.message, signer_of(core.federation, "library"))
    return taken_home(core, request, SOUTHBANK.people[0].username)


def test_a_program_may_begin_where_logins_begin(core: Core) -> None:
    """Where the web server in front only asks whether it may pass, it is sent there."""
    request = asked(core, "/ostiary/login", query=b"target=/library/?shelf=3")
    done = brought(core, Round(core, request, taken_home(core, request)).body())
    assert header(done, "Location") == f"{HERE}library/?shelf=3"
    reply = program(core, "/ostiary/login", query=b"target=//evil.example/")
    assert isinstance(reply, Reply)
    assert (reply.status, core.log_lines()[-1]["code"]) == (400, "sp.target")


@pytest.mark.parametrize(
    "headers",
    [
        {"accept": "text/html"},
        {"paos": ""},
        {"paos": 'ver="urn:liberty:paos:2006-08"; "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"'},
        {"paos": 'ver="urn:liberty:paos:2003-08"'},
    ],
    ids=["no_type", "no_header", "other_version", "other_service"],
)
def test_who_does_not_say_that_it_speaks_ecp_is_sent_as_a_browser(core: Core, headers: dict[str, str]) -> None:
    reply = program(core, **headers)
    assert isinstance(reply, Reply)
    assert reply.status == 302


def test_a_program_with_a_session_gets_the_page(core: Core) -> None:
    assert isinstance(program(core, cookie=core.session()), Passage)


def test_a_resource_for_browsers_alone_sends_a_program_as_a_browser(make_core: Callable[..., Core]) -> None:
    core = make_core(answers_by=("post", "artifact"))
    reply = program(core)
    assert isinstance(reply, Reply)
    assert reply.status == 302
    assert core.refused(HANDLER, method="POST", body=b"", content_type=PAOS_TYPE) == (404, "http.not_found")


# -- one thing is wrong ------------------------------------------------------------------------------------------------


def test_an_answer_is_bound_to_the_program_that_asked(between: Round) -> None:
    """By the token in RelayState, which no home organisation sees: whoever brings an answer without it did not ask."""
    another = asked(between.core)
    for token in (None, "", "x" * 43, another.relay_state):
        assert between.refused(between.body(relay_state=token)) == "sp.other_program"
    assert logged_in(between.core, brought(between.core, between.body()))


def test_an_answer_serves_once(between: Round) -> None:
    assert logged_in(between.core, brought(between.core, between.body()))
    assert between.refused(between.body()) == "sp.unknown_request"
    fresh = between.with_message(between.message().anew())
    assert between.refused(fresh) == "sp.unknown_request"


def test_a_request_waits_half_an_hour(make_core: Callable[..., Core]) -> None:
    core = make_core()
    request = asked(core)
    answer = Round(core, request, taken_home(core, request))
    message = answer.message()
    core.clock.forward(minutes=30)
    at = core.clock.now()
    later = (
        message.issued_at(at)
        .with_conditions(not_before=at, not_on_or_after=at.replace(minute=35))
        .with_confirmation(not_on_or_after=at.replace(minute=35))
    )
    assert answer.refused(answer.with_message(later)) == "sp.unknown_request"


def test_an_answer_to_a_browsers_request_is_not_one_for_a_program(core: Core, between: Round) -> None:
    _, message = answered(core)
    moved = message.with_response(destination=CONSUMER).with_confirmation(recipient=CONSUMER)
    assert between.refused(between.with_message(moved)) == "sp.unknown_request"


def test_an_answer_for_a_program_is_not_one_for_a_browser(core: Core, between: Round) -> None:
    cookie, _ = answered(core)
    acs = f"{HERE}ostiary/acs"
    message = between.message()
    moved = message.with_response(destination=acs).with_confirmation(recipient=acs)
    for sent, code in ((message, "saml.destination"), (moved, "sp.unknown_request")):
        reply = post(core, sent.encoded(), cookie=cookie)
        assert isinstance(reply, Reply)
        assert (reply.status, core.log_lines()[-1]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda m: m.answering(None), "sp.unsolicited"),
        (lambda m: m.answering("_never_asked"), "sp.unknown_request"),
        (lambda m: m.with_confirmation(recipient=f"{HERE}ostiary/acs"), "saml.recipient"),
        (lambda m: m.with_response(destination=f"{HERE}ostiary/acs"), "saml.destination"),
        (lambda m: m.with_conditions(audiences=(("https://instrument.example/shar",),)), "saml.audience"),
    ],
    ids=["unsolicited", "request", "recipient", "destination", "audience"],
)
def test_an_answer_keeps_to_every_rule(between: Round, change: Callable[[Message], Message], code: str) -> None:
    assert between.refused(between.with_message(change(between.message()))) == code
    assert logged_in(between.core, brought(between.core, between.body()))


def test_an_unsolicited_answer_is_none_for_a_program_even_of_a_home_that_may(make_core: Callable[..., Core]) -> None:
    core = make_core(allow_unsolicited_from=(NORTHGATE.entity_id,))
    request = asked(core)
    answer = Round(core, request, taken_home(core, request))
    assert answer.refused(answer.with_message(answer.message().answering(None))) == "sp.unsolicited"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_type": "text/xml"}, "sp.paos_content_type"),
        ({"content_type": "text/plain"}, "sp.paos_content_type"),
        ({"content_type": "application/x-www-form-urlencoded"}, "sp.paos_content_type"),
        ({"origin": "https://evil.example"}, "sp.paos_elsewhere"),
        ({"origin": "null"}, "sp.paos_elsewhere"),
        ({"sec_fetch_site": "cross-site"}, "sp.paos_elsewhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_page_of_another_site_logs_nobody_in_as_somebody_else(
    between: Round, headers: dict[str, str], code: str
) -> None:
    """The three types that a form can have are not this one, and a script that sends it says where it is from."""
    assert between.refused(between.body(), **headers) == code
    assert logged_in(between.core, brought(between.core, between.body()))


def test_an_answer_to_a_message_id_that_was_never_given_is_refused(between: Round) -> None:
    assert between.refused(between.body(ref_to_message_id="_somebody_elses")) == "sp.other_program"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "xml."),
        (b"<html/>", "soap.envelope"),
        (b"<!DOCTYPE a><a/>", "xml.doctype"),
        (b"<a>" * 5000, "xml."),
        (b"x" * 300_000, "xml.too_large"),
        (encode_soap(AuthnRequest("_a", "https://a.example", START).to_xml()), "ecp.envelope"),
    ],
    ids=["empty", "page", "doctype", "deep", "large", "other"],
)
def test_nonsense_from_a_program_is_refused(between: Round, body: bytes, code: str) -> None:
    assert between.refused(body).startswith(code)


def test_programs_that_never_come_back_leave_bounded_state(make_core: Callable[..., Core]) -> None:
    core = make_core()
    for _ in range(50):
        asked(core)
    assert len(core.stores.logins) == 50  # type: ignore[arg-type]
    core.clock.forward(minutes=31)
    asked(core)
    assert len(core.stores.sessions) == 0  # type: ignore[arg-type]


def test_what_the_settings_demand_of_every_login_is_demanded_of_a_program(make_core: Callable[..., Core]) -> None:
    core = make_core()
    demanding = {**core.settings.login.model_dump(), "authn_contexts": (names.REFEDS_MFA,)}
    core = make_core(login=demanding)
    request = asked(core)
    assert b"RequestedAuthnContext" in to_bytes(request.message)
    plain = make_core(stores=core.stores)
    other = asked(plain)
    weak = Round(core, other, taken_home(plain, other))
    assert weak.refused(weak.body()) == "sp.other_context"
