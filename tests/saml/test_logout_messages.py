"""Logout requests and answers arrive on each binding as they were sent, and each rule refuses what differs in that one respect."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.errors import Denied, Refusal
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import (
    decode_post,
    decode_redirect,
    decode_simple_sign,
    decode_soap,
    encode_post,
    encode_redirect,
    encode_simple_sign,
    encode_soap,
    prove,
)
from ostiary.saml.logout import (
    PARTIAL_LOGOUT,
    LogoutRequest,
    LogoutResponse,
    check_logout_request,
    check_logout_response,
)
from ostiary.saml.message import Status
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import Authenticated, TlsPeer, sign, verify_element
from ostiary.saml.xml import Element, child, parse_xml, qname, to_bytes
from tests.saml.world import HANDLE, IDP, NOW, REQUEST, SP, refusal_code, signer

SLO = f"{IDP}/slo"
SP_SLO = "https://library.example/ostiary/slo"
MINUTE = timedelta(minutes=1)
REQUESTED = LogoutRequest(
    id=REQUEST,
    issuer=SP,
    issue_instant=NOW,
    name_id=NameId(HANDLE, names.TRANSIENT, name_qualifier=IDP, sp_name_qualifier=SP),
    session_indexes=("_one", "_two"),
    destination=SLO,
    not_on_or_after=NOW + 5 * MINUTE,
    reason=names.LOGOUT_USER,
)
PLAIN = LogoutRequest(id=REQUEST, issuer=SP, issue_instant=NOW, name_id=NameId("alma"))
ANSWER = LogoutResponse(
    id="_answer", issuer=SP, issue_instant=NOW, in_response_to=REQUEST, destination=f"{IDP}/slo", status=Status()
)
KEYS = [signer("p256", "sp").public]


def over_redirect(message: Element) -> Authenticated:
    url = encode_redirect(SLO, "SAMLRequest", message, relay_state="state", signer=signer("p256", "sp"))
    return prove(decode_redirect(url.partition("?")[2].encode(), "SAMLRequest"), KEYS)


def over_post(message: Element) -> Authenticated:
    sign(message, signer("p256", "sp"))
    return prove(decode_post(encode_post(message), "state"), KEYS)


def over_simple_sign(message: Element) -> Authenticated:
    fields = encode_simple_sign("SAMLRequest", message, relay_state="state", signer=signer("p256", "sp"))
    received = decode_simple_sign(
        "SAMLRequest",
        fields["SAMLRequest"],
        relay_state=fields["RelayState"],
        signature=fields["Signature"],
        algorithm=fields["SigAlg"],
    )
    return prove(received, KEYS)


def over_soap(message: Element) -> Authenticated:
    sign(message, signer("p256", "sp"))
    return verify_element(decode_soap(encode_soap(message)), KEYS)


def over_tls(message: Element) -> Authenticated:
    return TlsPeer(decode_soap(encode_soap(message)), KEYS[0])


@pytest.mark.parametrize("carry", [over_redirect, over_post, over_simple_sign, over_soap, over_tls])
@pytest.mark.parametrize(
    "message", [REQUESTED, PLAIN, replace(PLAIN, asynchronous=True)], ids=["full", "plain", "asynchronous"]
)
def test_a_logout_request_arrives_on_every_binding(
    carry: Callable[[Element], Authenticated], message: LogoutRequest
) -> None:
    assert LogoutRequest.from_proof(carry(message.to_xml())) == message


@pytest.mark.parametrize("carry", [over_redirect, over_post, over_simple_sign, over_soap, over_tls])
@pytest.mark.parametrize(
    "status", [Status(), PARTIAL_LOGOUT, Status(names.RESPONDER, names.REQUEST_DENIED, "not today")]
)
def test_a_logout_answer_arrives_on_every_binding(carry: Callable[[Element], Authenticated], status: Status) -> None:
    answer = replace(ANSWER, status=status)
    assert LogoutResponse.from_proof(carry(answer.to_xml())) == answer


@pytest.mark.parametrize("message", [REQUESTED, PLAIN, replace(REQUESTED, asynchronous=True), ANSWER])
def test_what_is_written_follows_the_schema(message: LogoutRequest | LogoutResponse) -> None:
    check_schema(parse_xml(to_bytes(message.to_xml())), "protocol")


def test_an_unsigned_logout_message_proves_nothing() -> None:
    url = encode_redirect(SLO, "SAMLRequest", REQUESTED.to_xml())
    received = decode_redirect(url.partition("?")[2].encode(), "SAMLRequest")
    assert refusal_code(lambda: prove(received, KEYS)) == "signature.missing"
    assert refusal_code(lambda: prove(decode_post(encode_post(REQUESTED.to_xml()), None), KEYS)) == "signature.missing"


def test_an_xml_signature_does_not_stand_in_for_that_of_a_query() -> None:
    message = REQUESTED.to_xml()
    sign(message, signer("p256", "sp"))
    url = encode_redirect(SLO, "SAMLRequest", message)
    received = decode_redirect(url.partition("?")[2].encode(), "SAMLRequest")
    assert refusal_code(lambda: prove(received, KEYS)) == "signature.missing"


def test_a_request_is_not_read_as_an_answer_nor_an_answer_as_a_request() -> None:
    assert refusal_code(lambda: LogoutResponse.from_proof(over_post(REQUESTED.to_xml()))) == "saml.other_message"
    assert refusal_code(lambda: LogoutRequest.from_proof(over_post(ANSWER.to_xml()))) == "saml.other_message"


def encrypted_id() -> Element:
    return parse_xml(
        b'<saml:EncryptedID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">'
        b'<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:CipherData>'
        b"<xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedID>"
    )


def test_an_encrypted_name_is_opened_by_whoever_has_the_key() -> None:
    opened = child(REQUESTED.to_xml(), names.SAML, "NameID")
    assert opened is not None
    sent = REQUESTED.to_xml(encrypted_id())
    assert child(sent, names.SAML, "NameID") is None
    proof = over_post(sent)
    assert refusal_code(lambda: LogoutRequest.from_proof(proof)) == "saml.encrypted"
    seen = []

    def decrypt(element: Element) -> Element:
        seen.append(element.tag)
        return opened

    assert LogoutRequest.from_proof(proof, decrypt) == REQUESTED
    assert seen == [qname(names.SAML, "EncryptedID")]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (replace(REQUESTED, session_indexes=tuple(f"_{n}" for n in range(100))), "accepted"),
        (replace(REQUESTED, session_indexes=tuple(f"_{n}" for n in range(101))), "logout.too_long"),
        (replace(REQUESTED, session_indexes=("x" * 1024,)), "accepted"),
        (replace(REQUESTED, session_indexes=("x" * 1025,)), "logout.too_long"),
        (replace(REQUESTED, reason="urn:" + "x" * 1020), "accepted"),
        (replace(REQUESTED, reason="urn:" + "x" * 1021), "logout.too_long"),
    ],
)
def test_no_more_sessions_are_named_than_anybody_has(message: LogoutRequest, code: str) -> None:
    assert refusal_code(lambda: LogoutRequest.from_proof(over_post(message.to_xml()))) == code


def test_a_request_about_nobody_is_refused() -> None:
    message = REQUESTED.to_xml()
    name_id = child(message, names.SAML, "NameID")
    assert name_id is not None
    message.remove(name_id)
    proof = TlsPeer(message, KEYS[0])
    assert refusal_code(lambda: LogoutRequest.from_proof(proof)) == "xml.missing_element"


@pytest.mark.parametrize(
    ("request_", "front_channel", "code"),
    [
        (REQUESTED, True, "accepted"),
        (REQUESTED, False, "accepted"),
        (replace(REQUESTED, issuer=IDP), True, "saml.issuer"),
        (replace(REQUESTED, destination=f"{IDP}/sso"), True, "saml.destination"),
        (replace(REQUESTED, destination=f"{IDP}/sso"), False, "saml.destination"),
        (replace(REQUESTED, destination=None), True, "saml.destination"),
        (replace(REQUESTED, destination=None), False, "accepted"),
        (replace(REQUESTED, issue_instant=NOW - 8 * MINUTE), True, "accepted"),
        (replace(REQUESTED, issue_instant=NOW - 9 * MINUTE), True, "saml.too_old"),
        (replace(REQUESTED, issue_instant=NOW + 3 * MINUTE), True, "accepted"),
        (replace(REQUESTED, issue_instant=NOW + 4 * MINUTE), True, "saml.from_the_future"),
        (replace(REQUESTED, not_on_or_after=NOW - 2 * MINUTE), True, "accepted"),
        (replace(REQUESTED, not_on_or_after=NOW - 3 * MINUTE), True, "saml.expired"),
        (replace(REQUESTED, not_on_or_after=None), True, "accepted"),
    ],
)
def test_the_rules_of_a_logout_request(request_: LogoutRequest, front_channel: bool, code: str) -> None:
    def check() -> None:
        check_logout_request(request_, issuer=SP, location=SLO, front_channel=front_channel, now=NOW)

    assert refusal_code(check) == code


@pytest.mark.parametrize(
    ("answer", "front_channel", "code"),
    [
        (ANSWER, True, "accepted"),
        (replace(ANSWER, issuer=IDP), True, "saml.issuer"),
        (replace(ANSWER, destination=SP_SLO), True, "saml.destination"),
        (replace(ANSWER, destination=None), True, "saml.destination"),
        (replace(ANSWER, destination=None), False, "accepted"),
        (replace(ANSWER, in_response_to="_another"), True, "saml.in_response_to"),
        (replace(ANSWER, in_response_to=None), True, "saml.in_response_to"),
        (replace(ANSWER, issue_instant=NOW - 9 * MINUTE), True, "saml.too_old"),
        (replace(ANSWER, issue_instant=NOW + 4 * MINUTE), True, "saml.from_the_future"),
    ],
)
def test_the_rules_of_a_logout_answer(answer: LogoutResponse, front_channel: bool, code: str) -> None:
    def check() -> None:
        check_logout_response(answer, request=REQUEST, issuer=SP, location=SLO, front_channel=front_channel, now=NOW)

    assert refusal_code(check) == code


def ended(status: Status) -> bool:
    answer = replace(ANSWER, status=status)
    return check_logout_response(answer, request=REQUEST, issuer=SP, location=SLO, front_channel=True, now=NOW)


def test_an_answer_says_whether_everybody_was_logged_out() -> None:
    assert ended(Status()) is True
    assert ended(PARTIAL_LOGOUT) is False
    assert ended(Status(names.RESPONDER, names.PARTIAL_LOGOUT)) is False
    with pytest.raises(Denied) as failed:
        ended(Status(names.RESPONDER, names.REQUEST_DENIED))
    assert (failed.value.code, failed.value.params["status"]) == ("saml.status", "RequestDenied")
    with pytest.raises(Refusal):
        ended(Status(names.REQUESTER))


def test_pysaml2_reads_a_logout_request_and_its_own_is_read() -> None:
    samlp = pytest.importorskip("saml2.samlp")
    theirs = samlp.logout_request_from_string(to_bytes(REQUESTED.to_xml()))
    assert (theirs.issuer.text, theirs.name_id.text, theirs.reason) == (SP, HANDLE, names.LOGOUT_USER)
    assert [index.text for index in theirs.session_index] == ["_one", "_two"]
    assert theirs.not_on_or_after == "2026-11-22T12:05:00.000Z"
    again = parse_xml(theirs.to_string())
    check_schema(again, "protocol")
    assert LogoutRequest.from_proof(TlsPeer(again, KEYS[0])) == REQUESTED
    answer = samlp.logout_response_from_string(to_bytes(replace(ANSWER, status=PARTIAL_LOGOUT).to_xml()))
    assert answer.status.status_code.value == "urn:oasis:names:tc:SAML:2.0:status:Success"
    assert answer.status.status_code.status_code.value == "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"


def test_what_the_asynchronous_extension_looks_like() -> None:
    message = to_bytes(replace(PLAIN, asynchronous=True).to_xml())
    assert b'xmlns:aslo="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"' in message
    assert b"<samlp:Extensions><aslo:Asynchronous/></samlp:Extensions>" in message
    assert b"aslo" not in to_bytes(PLAIN.to_xml())
