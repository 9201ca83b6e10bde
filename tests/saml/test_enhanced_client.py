"""An enhanced client carries a request from SP to IdP and the Response back, as SAML profiles 4.2 says, and stops when the two disagree."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.ecp import (
    PAOS_HEADER,
    EcpResponse,
    PaosRequest,
    PaosResponse,
    check_consumer,
    decode_ecp_response,
    decode_paos_request,
    decode_paos_response,
    encode_ecp_request,
    encode_ecp_response,
    encode_paos_request,
    encode_paos_response,
    speaks_paos,
)
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.soap import soap_fault
from ostiary.saml.validate import accept_response, verify_response
from ostiary.saml.xml import Element
from tests.saml.world import ACS, ASSERTION, IDP, NOW, REQUEST, SP, refusal_code, response_element, signer

KEYS = [signer().public]
SOAP11 = "{http://schemas.xmlsoap.org/soap/envelope/}"
ECP = "{urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp}"


def authn_request() -> Element:
    element = AuthnRequest(id=REQUEST, issuer=SP, issue_instant=NOW, acs_url=ACS, protocol_binding=names.PAOS).to_xml()
    sign(element, signer("rsa", "sp"))
    return element


def paos_request() -> PaosRequest:
    return PaosRequest(
        authn_request(),
        ACS,
        message_id="_message",
        relay_state=" state with spaces ",
        issuer=SP,
        provider_name="Library",
        is_passive=False,
        idps=(IDP, "https://other.example/idp"),
    )


def test_a_whole_round() -> None:
    asked = decode_paos_request(encode_paos_request(paos_request()))
    assert asked == paos_request()

    at_idp = decode_soap(encode_ecp_request(asked))
    request = AuthnRequest.from_proof(verify_element(at_idp, [signer("rsa", "sp").public]))
    assert (request.id, request.acs_url, request.protocol_binding) == (REQUEST, ACS, names.PAOS)

    answered = decode_ecp_response(encode_ecp_response(response_element(), ACS, request_authenticated=True))
    assert (answered.acs_url, answered.request_authenticated) == (ACS, True)
    check_consumer(asked, answered)

    brought = encode_paos_response(PaosResponse(answered.message, asked.message_id, asked.relay_state))
    at_sp = decode_paos_response(brought)
    assert (at_sp.ref_to_message_id, at_sp.relay_state) == ("_message", " state with spaces ")
    proven = verify_response(at_sp.message, KEYS)
    accepted = accept_response(proven, issuer=IDP, audience=SP, recipient=ACS, now=NOW)
    assert accepted.assertion == ASSERTION


def test_little_is_needed() -> None:
    plain = PaosRequest(authn_request(), ACS)
    assert decode_paos_request(encode_paos_request(plain)) == plain
    assert decode_ecp_response(encode_ecp_response(response_element(), ACS)).request_authenticated is False
    assert decode_paos_response(encode_soap(response_element())).relay_state is None


def test_the_answer_has_the_headers_that_the_profile_names() -> None:
    envelope = etree.fromstring(encode_ecp_response(response_element(), ACS, request_authenticated=True))
    header = envelope[0]
    assert [block.tag for block in header] == [f"{ECP}Response", f"{ECP}RequestAuthenticated"]
    assert dict(header[0].attrib) == {
        "AssertionConsumerServiceURL": ACS,
        f"{SOAP11}mustUnderstand": "1",
        f"{SOAP11}actor": "http://schemas.xmlsoap.org/soap/actor/next",
    }
    assert dict(header[1].attrib) == {f"{SOAP11}actor": "http://schemas.xmlsoap.org/soap/actor/next"}
    assert envelope[1][0].tag == "{urn:oasis:names:tc:SAML:2.0:protocol}Response"


def test_a_client_gives_the_response_to_nobody_but_who_asked() -> None:
    other = EcpResponse(response_element(), "https://evil.example/acs")
    assert refusal_code(lambda: check_consumer(paos_request(), other)) == "ecp.consumer"


@pytest.mark.parametrize(
    ("accept", "paos", "expected"),
    [
        ("text/html, application/vnd.paos+xml", PAOS_HEADER, True),
        ("application/vnd.paos+xml;q=0.9", PAOS_HEADER, True),
        ("APPLICATION/VND.PAOS+XML", PAOS_HEADER, True),
        (
            "text/html; application/vnd.paos+xml",
            PAOS_HEADER,
            False,
        ),
        (
            "application/vnd.paos+xml",
            'ver="urn:liberty:paos:2003-08";"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"',
            True,
        ),
        ("application/vnd.paos+xml", 'ver="urn:liberty:paos:2003-08"; "urn:x", "' + names.ECP + '"', True),
        ("application/vnd.paos+xml", 'ver="urn:liberty:paos:2003-08"; "urn:x"', False),
        ("application/vnd.paos+xml", 'ver="urn:liberty:paos:2006-08"; "' + names.ECP + '"', False),
        ("application/vnd.paos+xml", "", False),
        ("text/html", PAOS_HEADER, False),
        ("", "", False),
    ],
)
def test_a_client_says_that_it_is_one(accept: str, paos: str, expected: bool) -> None:
    assert speaks_paos(accept, paos) is expected


def answer_with(before: str, after: str) -> bytes:
    envelope = encode_ecp_response(response_element(), ACS, request_authenticated=True).decode()
    if before not in envelope:
        raise ValueError(before)
    return envelope.replace(before, after, 1).encode()


CHANNEL_BINDINGS = (
    '<cb:ChannelBindings xmlns:cb="urn:oasis:names:tc:SAML:protocol:ext:channel-binding" soap11:mustUnderstand="1"/>'
)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("AssertionConsumerServiceURL=", "Elsewhere=", "ecp.envelope"),
        (f'AssertionConsumerServiceURL="{ACS}"', 'AssertionConsumerServiceURL=""', "ecp.envelope"),
        ("actor/next", "actor/other", "ecp.envelope"),
        ("<soap11:Header>", f"<soap11:Header>{CHANNEL_BINDINGS}", "soap.envelope"),
        ("<soap11:Header>", '<soap11:Header><x:y xmlns:x="urn:x"/>', "accepted"),
        ("</soap11:Header>", "</soap11:Header><soap11:Header/>", "soap.envelope"),
    ],
)
def test_other_headers_are_refused(before: str, after: str, code: str) -> None:
    data = answer_with(before, after)
    assert refusal_code(lambda: decode_ecp_response(data)) == code


def test_headers_stand_once() -> None:
    envelope = etree.fromstring(encode_ecp_response(response_element(), ACS))
    envelope[0].append(etree.fromstring(etree.tostring(envelope[0][0])))
    data = etree.tostring(envelope)
    assert refusal_code(lambda: decode_ecp_response(data)) == "ecp.envelope"


def test_each_side_reads_what_is_for_it() -> None:
    request = encode_paos_request(paos_request())
    answer = encode_ecp_response(response_element(), ACS)
    brought = encode_paos_response(PaosResponse(response_element(), relay_state="x"))
    assert refusal_code(lambda: decode_soap(request)) == "soap.envelope"
    assert refusal_code(lambda: decode_ecp_response(request)) == "soap.envelope"
    assert refusal_code(lambda: decode_paos_request(answer)) == "soap.envelope"
    assert refusal_code(lambda: decode_paos_response(answer)) == "soap.envelope"
    assert refusal_code(lambda: decode_ecp_response(brought)) == "soap.envelope"
    assert refusal_code(lambda: decode_ecp_response(encode_soap(authn_request()))) == "ecp.envelope"
    assert refusal_code(lambda: decode_ecp_response(encode_soap(response_element()))) == "ecp.envelope"
    assert refusal_code(lambda: decode_paos_request(encode_soap(authn_request()))) == "ecp.envelope"
    assert refusal_code(lambda: decode_paos_response(encode_soap(authn_request()))) == "ecp.envelope"


def test_a_fault_is_no_answer() -> None:
    fault = soap_fault(Refusal("sso.unknown_sp"), "AB12-CD34")
    for decode in (decode_paos_request, decode_ecp_response, decode_paos_response):
        with pytest.raises(Refusal, match=r"soap\.fault.*AB12-CD34"):
            decode(fault)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (lambda: replace(paos_request(), relay_state="x" * 1024), "accepted"),
        (lambda: replace(paos_request(), relay_state="x" * 1025), "http.parameter_too_long"),
        (lambda: replace(paos_request(), idps=("https://a.example",) * 100), "accepted"),
        (lambda: replace(paos_request(), idps=("https://a.example",) * 101), "ecp.envelope"),
        (lambda: replace(paos_request(), response_consumer_url=""), "ecp.envelope"),
    ],
)
def test_what_an_sp_asks_is_bounded(request_: Callable[[], PaosRequest], code: str) -> None:
    data = encode_paos_request(request_())
    assert refusal_code(lambda: decode_paos_request(data)) == code


def test_a_service_of_another_kind_is_refused() -> None:
    data = encode_paos_request(paos_request()).replace(f'service="{names.ECP}"'.encode(), b'service="urn:x"')
    assert refusal_code(lambda: decode_paos_request(data)) == "ecp.envelope"


def test_what_is_passed_on_keeps_the_declarations_around_it() -> None:
    """A signature may cover prefixes that only the IdP's envelope declares."""
    answer = encode_ecp_response(response_element(), ACS).decode()
    for prefix, uri in (("xs", names.XS), ("xsi", names.XSI)):
        declaration = f' xmlns:{prefix}="{uri}"'
        answer = answer.replace(declaration, "").replace("<soap11:Envelope", f"<soap11:Envelope{declaration}")
    answered = decode_ecp_response(answer.encode())
    brought = decode_paos_response(encode_paos_response(PaosResponse(answered.message)))
    assert verify_response(brought.message, KEYS).assertion == ASSERTION
    assert brought.message.nsmap["xs"] == names.XS
