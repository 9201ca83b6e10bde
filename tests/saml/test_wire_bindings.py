"""Redirect, POST and SOAP: what is signed are the octets as received, and nothing is decoded beyond its bounds."""

import base64
import re
import zlib
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.errors import Refusal, TooLarge
from ostiary.saml import names
from ostiary.saml.bindings import (
    ReceivedMessage,
    decode_post,
    decode_redirect,
    decode_soap,
    encode_post,
    encode_redirect,
    encode_soap,
    soap_fault,
    verify_query,
)
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import verify_element
from ostiary.saml.xml import to_bytes
from tests.saml.world import ACS, IDP, NOW, REQUEST, SP, Kind, refusal_code, response_element, signer

SSO = f"{IDP}/sso"
STATE = "/reading room?a=ü&b=1"
MESSAGE = AuthnRequest(id=REQUEST, issuer=SP, issue_instant=NOW, destination=SSO, acs_url=ACS)


def query(relay_state: str | None = STATE, by: Signer | None = None) -> str:
    url = encode_redirect(SSO, "SAMLRequest", MESSAGE.to_xml(), relay_state=relay_state, signer=by)
    return url.partition("?")[2]


def raw(message: bytes) -> str:
    """An unsigned query with these octets as the deflated message."""
    return "SAMLRequest=" + quote_plus(base64.b64encode(message))


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def verified(text: str, by: Signer | None = None) -> str:
    return refusal_code(lambda: verify_query(decode_redirect(text.encode(), "SAMLRequest"), [(by or signer()).public]))


def decoded(text: str | bytes) -> str:
    octets = text if isinstance(text, bytes) else text.encode("ascii")
    return refusal_code(lambda: decode_redirect(octets, "SAMLRequest"))


@given(st.text("AQz9+/==- \n", max_size=12))
@settings(max_examples=300, deadline=None)
def test_base64_has_whole_groups_and_at_most_two_signs_at_its_end(text: str) -> None:
    compact = "".join(text.split())
    is_base64 = len(compact) % 4 == 0 and re.fullmatch("[A-Za-z0-9+/]*={0,2}", compact) is not None
    assert (decoded("SAMLRequest=" + quote_plus(text)) == "binding.base64") is not is_base64


@pytest.mark.parametrize("relay_state", [None, "", "token", STATE])
@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "p521"])
def test_a_signed_redirect_arrives(kind: Kind, relay_state: str | None) -> None:
    received = decode_redirect(query(relay_state, signer(kind)).encode(), "SAMLRequest")
    proof = verify_query(received, [signer("rsa", "another").public, signer(kind).public])
    assert AuthnRequest.from_proof(proof) == MESSAGE
    assert (proof.relay_state, proof.algorithm, proof.key) == (relay_state, signer(kind).algorithm, signer(kind).public)


def test_a_location_with_a_query_of_its_own_keeps_it() -> None:
    url = encode_redirect(f"{SSO}?tenant=north", "SAMLRequest", MESSAGE.to_xml(), signer=signer())
    assert url.startswith(f"{SSO}?tenant=north&SAMLRequest=")
    assert verified(url.partition("?")[2]) == "accepted"


def test_the_octets_that_count_are_those_that_were_received() -> None:
    """A peer may escape in lower case, leave characters unescaped, put its parameters in another order and add some of its own."""
    deflated = base64.b64encode(deflate(to_bytes(MESSAGE.to_xml()))).decode()
    lower = quote_plus(deflated).replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")
    algorithm = quote_plus(names.RSA_SHA256).replace("%3A", ":").replace("%2F", "/")
    octets = f"SAMLRequest={lower}&RelayState=a%20b&SigAlg={algorithm}"
    signature = quote_plus(base64.b64encode(signer().sign(octets.encode())))
    message, state, method = octets.split("&")
    for text in (
        f"{octets}&Signature={signature}",
        f"Signature={signature}&{method}&{state}&{message}",
        f"lang=de&{message}&x=&{state}&&{method}&Signature={signature}&y",
    ):
        received = decode_redirect(text.encode(), "SAMLRequest")
        assert verify_query(received, [signer().public]).relay_state == "a b"
    # The same values in another spelling are other octets.
    assert verified(f"{octets.replace('a%20b', 'a+b')}&Signature={signature}") == "signature.wrong"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text, "accepted"),
        (lambda text: text.replace("RelayState=", "RelayState=x"), "signature.wrong"),
        (lambda text: text.replace("&RelayState=%2F", "&Other=%2F"), "signature.wrong"),
        (lambda text: text + "&RelayState=x", "http.parameter_repeated"),
        (lambda text: text + "&Relay%53tate=x", "http.parameter_repeated"),
        (lambda text: text + "&SAML%52equest=x", "http.parameter_repeated"),
        (lambda text: "%53igAlg=x&" + text, "http.parameter_repeated"),
        (lambda text: text + "&lang=a&l%61ng=b", "http.parameter_repeated"),
        (lambda text: text.replace("rsa-sha256", "rsa-sha512"), "signature.wrong"),
        (lambda text: text.replace("rsa-sha256", "rsa-sha1"), "signature.algorithm"),
        (lambda text: text.replace("rsa-sha256", "hmac-sha256"), "signature.algorithm"),
        (lambda text: text.replace("rsa-sha256", "ecdsa-sha256"), "signature.wrong"),
        (lambda text: text.partition("&SigAlg")[0], "signature.missing"),
        (lambda text: text.partition("&Signature=")[0], "signature.missing"),
        (lambda text: text.partition("&Signature=")[0] + "&Signature=", "signature.wrong"),
        (lambda text: text.replace("SigAlg=", "Sig="), "http.parameter_missing"),
        (lambda text: text.replace("Signature=", "Signature=*"), "binding.base64"),
        (lambda text: "x=1&" * 96 + text, "http.parameter_repeated"),
        (lambda text: "&".join(f"x{n}" for n in range(96)) + "&" + text, "accepted"),
        (lambda text: "&".join(f"x{n}" for n in range(97)) + "&" + text, "http.too_many_parameters"),
        (lambda text: text + "&" + "&".join(f"x{n}" for n in range(96)) + "&SAMLRequest=x", "http.too_many_parameters"),
    ],
)
def test_what_is_changed_in_a_signed_query_is_noticed(change: Callable[[str], str], code: str) -> None:
    assert verified(change(query(by=signer()))) == code


def test_a_signature_by_somebody_else_or_without_known_keys_is_refused() -> None:
    assert verified(query(by=signer("rsa", "another"))) == "signature.wrong"
    received = decode_redirect(query(by=signer()).encode(), "SAMLRequest")
    assert refusal_code(lambda: verify_query(received, [])) == "signature.no_key"


def test_an_unsigned_redirect_is_decoded_but_no_proof() -> None:
    received = decode_redirect(query().encode(), "SAMLRequest")
    assert isinstance(received, ReceivedMessage)
    assert (received.relay_state, received.signature, received.binding) == (STATE, None, names.HTTP_REDIRECT)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (query(), "accepted"),
        (query() + "&SAMLEncoding=" + quote_plus(names.DEFLATE), "accepted"),
        (query() + "&SAMLEncoding=urn:other", "binding.encoding"),
        ("", "http.parameter_missing"),
        ("SAMLResponse=x", "http.parameter_missing"),
        ("SAMLRequest", "binding.deflate"),
        ("SAMLRequest=%", "binding.base64"),
        ("SAMLRequest=abc", "binding.base64"),
        ("SAMLRequest=ab=c", "binding.base64"),
        ("SAMLRequest=%C3%A4%C3%A4", "binding.base64"),
        (b"SAMLRequest=\xff", "binding.encoding"),
        (raw(b"not deflated"), "binding.deflate"),
        (raw(zlib.compress(to_bytes(MESSAGE.to_xml()))), "binding.deflate"),
        (raw(deflate(to_bytes(MESSAGE.to_xml()))[:-1]), "binding.deflate"),
        (raw(deflate(to_bytes(MESSAGE.to_xml())) + b"x"), "binding.deflate"),
        (raw(deflate(b"")), "xml.not_well_formed"),
        (raw(deflate(b"<x/>")), "xml.schema"),
        (raw(deflate(b"<!DOCTYPE x><x/>")), "xml.doctype"),
        (raw(deflate(b" " * 262_145)), "binding.too_large"),
        (raw(deflate(b"\x00" * 40_000_000)), "binding.too_large"),
        (raw(b"x" * 60_000), "binding.too_large"),
        (query("x" * 1_024), "accepted"),
        (query("x" * 1_025), "http.parameter_too_long"),
        (query("a\nb"), "binding.encoding"),
        (query() + "&RelayState=x", "http.parameter_repeated"),
        (query(None) + "&RelayState=%FF", "binding.encoding"),
    ],
)
def test_a_query_is_decoded_within_bounds(text: str | bytes, code: str) -> None:
    assert decoded(text) == code


def test_a_deflate_bomb_is_too_large_and_costs_no_memory() -> None:
    bomb = raw(deflate(b"<a>" + b" " * 40_000_000))
    assert len(bomb) < 60_000
    with pytest.raises(TooLarge) as raised:
        decode_redirect(bomb.encode(), "SAMLRequest")
    assert (raised.value.status, raised.value.expected) == (413, "at most 262144 bytes inflated")


@pytest.mark.parametrize("algorithm", [names.RSA_SHA256, names.ECDSA_SHA384, names.RSA_SHA1, "", "ü", "a b", "a%2Bb"])
@pytest.mark.parametrize(
    "spell", [quote_plus, quote, str.lower, partial(quote, safe=":/%"), lambda name: quote_plus(name).lower()]
)
def test_an_algorithm_is_decoded_once_however_it_is_spelled(algorithm: str, spell: Callable[[str], str]) -> None:
    sent = spell(algorithm).encode("ascii", "replace").replace(b"#", b"%23")
    url = query(by=signer()).encode().replace(quote_plus(names.RSA_SHA256).encode(), sent)
    expected = unquote_to_bytes(sent.replace(b"+", b" ")).decode("ascii", "replace")
    assert decode_redirect(url, "SAMLRequest").signature_algorithm == expected


@given(
    st.lists(
        st.sampled_from(
            ["%", "2", "B", "F", "3", "D", "b", "+", "a", "A", "%2B", "%2f", "%3A", "%23", "%253D", ":", "ü"]
        ),
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_a_relay_state_is_decoded_once(parts: list[str]) -> None:
    raw = quote("".join(parts), safe="%+").encode()
    url = query(relay_state="x").encode().replace(b"RelayState=x", b"RelayState=" + raw)
    expected = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")
    try:
        assert decode_redirect(url, "SAMLRequest").relay_state == expected
    except Refusal:
        assert "\ufffd" in expected


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_query_does_anything_but_decode_or_be_refused(octets: bytes) -> None:
    assert decoded(b"SAMLRequest=" + octets) != "accepted"
    assert decoded(octets) != "accepted"


def test_a_posted_message_arrives() -> None:
    received = decode_post(encode_post(response_element()), STATE)
    assert verify_element(received.element, [signer().public]).element is received.element
    assert (received.relay_state, received.binding, received.signed_octets) == (STATE, names.HTTP_POST, None)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: value, "accepted"),
        (lambda value: "\r\n".join(value[at : at + 76] for at in range(0, len(value), 76)), "accepted"),
        (lambda value: "", "xml.not_well_formed"),
        (lambda value: value[:-1], "binding.base64"),
        (lambda value: "ä" + value, "binding.base64"),
        (lambda value: value.replace("A", "-", 1), "binding.base64"),
        (lambda value: base64.b64encode(deflate(base64.b64decode(value))).decode(), "xml.not_well_formed"),
        (lambda value: base64.b64encode(b"<x/>").decode(), "xml.schema"),
        (lambda value: base64.b64encode(b" " * 262_145).decode(), "xml.too_large"),
        (lambda value: "A" * 358_000, "binding.too_large"),
    ],
)
def test_a_form_field_is_decoded_within_bounds(change: Callable[[str], str], code: str) -> None:
    assert refusal_code(lambda: decode_post(change(encode_post(response_element())), None)) == code


@pytest.mark.parametrize(
    ("relay_state", "code"),
    [
        ("x" * 1_024, "accepted"),
        ("x" * 1_025, "http.parameter_too_long"),
        ("a\x00b", "binding.encoding"),
        ("a\r\nSet-Cookie: b", "binding.encoding"),
        ("\udcff", "binding.encoding"),
    ],
)
def test_a_relay_state_that_could_do_harm_is_refused(relay_state: str, code: str) -> None:
    assert refusal_code(lambda: decode_post(encode_post(response_element()), relay_state)) == code


ENVELOPE = encode_soap(response_element()).decode()
BLOCK = '<x:b xmlns:x="urn:x" soap11:mustUnderstand="{}"/>'


def headed(block: str) -> str:
    return ENVELOPE.replace("<soap11:Body>", f"<soap11:Header>{block}</soap11:Header><soap11:Body>")


def body(content: str) -> str:
    return f'<s:Envelope xmlns:s="{names.SOAP11}"><s:Body>{content}</s:Body></s:Envelope>'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ENVELOPE, "accepted"),
        ('<?xml version="1.0" encoding="UTF-8"?>\n' + ENVELOPE, "accepted"),
        (headed('<x:b xmlns:x="urn:x"/>'), "accepted"),
        (headed(BLOCK.format("0")), "accepted"),
        (headed(BLOCK.format("1")), "soap.envelope"),
        (headed(BLOCK.format("true")), "soap.envelope"),
        (headed(BLOCK.format(" 1 ")), "soap.envelope"),
        (headed(BLOCK.format("maybe")), "xml.boolean"),
        (ENVELOPE.replace("</soap11:Body>", "</soap11:Body><soap11:Body/>"), "soap.envelope"),
        (ENVELOPE.replace("</soap11:Body>", "<x/></soap11:Body>"), "soap.envelope"),
        (body(""), "soap.envelope"),
        (body("text"), "soap.envelope"),
        (body("<x/>"), "xml.schema"),
        (body("<s:Fault><faultcode>s:Server</faultcode><faultstring>down</faultstring></s:Fault>"), "soap.fault"),
        (body("<s:Fault/>"), "soap.fault"),
        (ENVELOPE.replace(names.SOAP11, "http://www.w3.org/2003/05/soap-envelope"), "soap.envelope"),
        (to_bytes(response_element()).decode(), "soap.envelope"),
        ("<!DOCTYPE x>" + ENVELOPE, "xml.doctype"),
        ("<?x y?>" + ENVELOPE, "xml.processing_instruction"),
    ],
)
def test_an_envelope_holds_one_message(text: str, code: str) -> None:
    assert refusal_code(lambda: decode_soap(text.encode())) == code


def test_a_message_in_an_envelope_verifies_in_place() -> None:
    message = decode_soap(ENVELOPE.encode())
    assert verify_element(message, [signer().public]).element is message
    parent = message.getparent()
    assert parent is not None
    assert parent.tag == f"{{{names.SOAP11}}}Body"


def test_namespaces_that_the_envelope_declares_hold_inside_the_message() -> None:
    response = to_bytes(response_element(sign_response=False, sign_assertion=False)).decode()
    for prefix, uri in (("xs", names.XS), ("xsi", names.XSI)):
        response = response.replace(f' xmlns:{prefix}="{uri}"', "")
    envelope = body(response).replace("<s:Envelope", f'<s:Envelope xmlns:xs="{names.XS}" xmlns:xsi="{names.XSI}"')
    assert 'xsi:type="xs:string"' in envelope
    assert decode_soap(envelope.encode()).get("ID") == "_r8e8dc5f69a98cc4c1"


def test_a_fault_tells_the_code_and_the_reference_only() -> None:
    fault = soap_fault(Refusal("xml.schema", expected="secret expectation", found="secret finding"), "AB12-CD34")
    root = etree.fromstring(fault)
    assert root.findtext(".//faultcode") == "soap11:Client"
    assert root.findtext(".//faultstring") == "xml.schema (reference AB12-CD34)"
    assert b"secret" not in fault
    assert refusal_code(lambda: decode_soap(fault)) == "soap.fault"
