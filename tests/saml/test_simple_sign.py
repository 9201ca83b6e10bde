"""HTTP-POST-SimpleSign: the signature covers the octets of the fields before base64, and nothing that was changed is proven."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.saml import names
from ostiary.saml.bindings import (
    Parameter,
    ReceivedMessage,
    decode_post,
    decode_simple_sign,
    encode_post,
    encode_simple_sign,
    prove,
    verify_form,
)
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AuthnRequest, Response
from ostiary.saml.signature import SignedElement, SignedForm, sign
from ostiary.saml.xml import to_bytes
from tests.saml.world import (
    ACS,
    IDP,
    NOW,
    REQUEST,
    RESPONSE,
    SP,
    Kind,
    private_key,
    refusal_code,
    response_element,
    signer,
)

SSO = f"{IDP}/sso"
STATE = "/reading room?a=ü&b=1+1"
MESSAGE = AuthnRequest(id=REQUEST, issuer=SP, issue_instant=NOW, destination=SSO, acs_url=ACS)


def form(relay_state: str | None = STATE, by: Signer | None = None) -> dict[str, str]:
    return encode_simple_sign("SAMLRequest", MESSAGE.to_xml(), relay_state=relay_state, signer=by or signer())


def receive(fields: dict[str, str], parameter: Parameter = "SAMLRequest") -> ReceivedMessage:
    return decode_simple_sign(
        parameter,
        fields[parameter],
        relay_state=fields.get("RelayState"),
        signature=fields.get("Signature"),
        algorithm=fields.get("SigAlg"),
    )


def outcome(fields: dict[str, str]) -> str:
    return refusal_code(lambda: prove(receive(fields), [signer("rsa", "another").public, signer().public]))


@pytest.mark.parametrize("relay_state", [None, "", STATE])
@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "p521"])
def test_a_request_arrives(kind: Kind, relay_state: str | None) -> None:
    proof = prove(receive(form(relay_state, signer(kind))), [signer("rsa", "another").public, signer(kind).public])
    assert isinstance(proof, SignedForm)
    assert AuthnRequest.from_proof(proof) == MESSAGE
    assert (proof.relay_state, proof.algorithm, proof.key) == (relay_state, signer(kind).algorithm, signer(kind).public)


def test_a_response_arrives() -> None:
    element = response_element(sign_response=False)
    fields = encode_simple_sign("SAMLResponse", element, signer=signer())
    assert set(fields) == {"SAMLResponse", "SigAlg", "Signature"}
    proof = verify_form(receive(fields, "SAMLResponse"), [signer().public])
    assert proof.element.get("ID") == RESPONSE.id
    assert Response.from_proof(SignedElement(proof.element, proof.key, proof.algorithm)) == RESPONSE


def test_what_is_signed_are_the_plain_fields_in_order() -> None:
    """SimpleSign 2.5.1, by hand."""
    fields = form()
    octets = b"SAMLRequest=" + to_bytes(MESSAGE.to_xml()) + b"&RelayState=/reading room?a=\xc3\xbc&b=1+1&SigAlg="
    octets += b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    key = private_key()
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("an RSA key is needed")
    signature = base64.b64decode(fields["Signature"])
    key.public_key().verify(signature, octets, padding.PKCS1v15(), hashes.SHA256())
    assert base64.b64decode(fields["SAMLRequest"]) == to_bytes(MESSAGE.to_xml())


def test_lines_in_the_base64_and_a_key_info_make_no_difference() -> None:
    fields = form()
    broken = "\r\n".join(fields["SAMLRequest"][at : at + 76] for at in range(0, len(fields["SAMLRequest"]), 76))
    assert outcome({**fields, "SAMLRequest": broken, "KeyInfo": "bm90IGxvb2tlZCBhdA=="}) == "accepted"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "accepted"),
        ({"RelayState": "/elsewhere"}, "signature.wrong"),
        ({"RelayState": STATE + "&SigAlg=x"}, "signature.wrong"),
        ({"SigAlg": names.RSA_SHA512}, "signature.wrong"),
        ({"SigAlg": names.ECDSA_SHA256}, "signature.wrong"),
        ({"SigAlg": "http://www.w3.org/2000/09/xmldsig#rsa-sha1"}, "signature.algorithm"),
        ({"SigAlg": "http://www.w3.org/2000/09/xmldsig#hmac-sha1"}, "signature.algorithm"),
        ({"SigAlg": ""}, "signature.algorithm"),
        ({"SigAlg": "\ud800"}, "signature.algorithm"),
        ({"SigAlg": "x" * 201}, "binding.too_large"),
        ({"Signature": ""}, "signature.wrong"),
        ({"Signature": "AAAA"}, "signature.wrong"),
        ({"Signature": "!"}, "binding.base64"),
        ({"Signature": "A" * 4097}, "binding.too_large"),
        ({"RelayState": "x" * 1025}, "http.parameter_too_long"),
        ({"SAMLRequest": encode_post(MESSAGE._replace(force_authn=True).to_xml())}, "signature.wrong"),
        ({"SAMLRequest": encode_post(response_element())}, "signature.wrong"),
        ({"SAMLRequest": "?"}, "binding.base64"),
        ({"SAMLRequest": base64.b64encode(b"<x/>").decode()}, "xml.schema"),
        ({"SAMLRequest": "A" * 400_000}, "binding.too_large"),
    ],
)
def test_a_change_of_any_field_is_refused(change: dict[str, str], code: str) -> None:
    assert outcome({**form(), **change}) == code


@pytest.mark.parametrize(
    ("left_out", "code"),
    [
        ("Signature", "signature.missing"),
        ("SigAlg", "http.parameter_missing"),
        ("RelayState", "signature.wrong"),
    ],
)
def test_no_field_may_be_left_out(left_out: str, code: str) -> None:
    assert outcome({name: value for name, value in form().items() if name != left_out}) == code


def test_a_request_is_no_response() -> None:
    fields = form()
    fields["SAMLResponse"] = fields.pop("SAMLRequest")
    assert refusal_code(lambda: prove(receive(fields, "SAMLResponse"), [signer().public])) == "signature.wrong"


def test_a_signature_needs_a_key_that_metadata_lists() -> None:
    assert refusal_code(lambda: prove(receive(form()), [])) == "signature.no_key"
    assert refusal_code(lambda: prove(receive(form()), [signer("rsa", "another").public])) == "signature.wrong"


def test_a_signature_inside_does_without_one_outside() -> None:
    message = MESSAGE.to_xml()
    sign(message, signer())
    assert outcome({"SAMLRequest": encode_post(message)}) == "accepted"
    plain = decode_post(encode_post(MESSAGE.to_xml()), None)
    assert refusal_code(lambda: prove(plain, [signer().public])) == "signature.missing"
    assert refusal_code(lambda: verify_form(plain, [signer().public])) == "signature.missing"


_FORM = form()


@given(st.sampled_from(["SAMLRequest", "RelayState", "Signature"]), st.data())
@settings(max_examples=50, deadline=None)
def test_no_changed_octet_is_proven(field: str, data: st.DataObject) -> None:
    text = _FORM[field]
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from("AZaz09+/").filter(lambda one: one != text[place]))
    code = outcome({**_FORM, field: text[:place] + character + text[place + 1 :]})
    # The last characters of base64 hold bits that say nothing.
    if code == "accepted":
        assert place >= len(text.rstrip("=")) - 1
        assert field != "RelayState"
