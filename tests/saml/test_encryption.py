"""What is encrypted here is opened here and by xmlsec and pysaml2, and the other way round; whatever was changed is not opened."""

import base64
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product

import pytest
import xmlsec
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, NameId, name_id_element, name_id_of
from ostiary.saml.bindings import decode_post, encode_post, prove
from ostiary.saml.decryption import Decryption, decrypt_assertion, decrypt_name_id
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.encryption import Recipient, encrypt_assertion, encrypt_name_id
from ostiary.saml.encryption_methods import Encryption
from ostiary.saml.keys import TrustedKey
from ostiary.saml.logout import LogoutRequest
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import SignedElement, sign, verify_element
from ostiary.saml.validate import accept_response
from ostiary.saml.xml import Element, add, make, parse_xml, qname, required_child, to_bytes
from tests.saml.world import (
    ACS,
    ASSERTION,
    HANDLE,
    IDP,
    NOW,
    RESPONSE,
    SP,
    certificate_for,
    private_key,
    private_pem,
    refusal_code,
    signer,
)


def rsa_key(whose: str = "sp") -> rsa.RSAPrivateKey:
    key = private_key("rsa", whose)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("an RSA key is needed")
    return key


KEYS = [signer().public]
TO_SP = Recipient(SP, TrustedKey.from_public_key(rsa_key().public_key()))
OPEN = Decryption(SP, (rsa_key(),))
WITH_CBC = OPEN._replace(allow_cbc_for_this_partner=True)
GCM = (names.AES128_GCM, names.AES192_GCM, names.AES256_GCM)
CBC = (names.AES128_CBC, names.AES192_CBC, names.AES256_CBC)
MGF1P = [(names.RSA_OAEP_MGF1P, digest, names.MGF1_SHA1) for digest in (names.SHA1, names.SHA256, names.SHA512)]
OAEP11 = [
    (names.RSA_OAEP, names.SHA256, names.MGF1_SHA256),
    (names.RSA_OAEP, names.SHA1, names.MGF1_SHA512),
    (names.RSA_OAEP, names.SHA384, names.MGF1_SHA384),
]
WITH_GCM = [Encryption(cipher, *transport) for cipher, transport in product(GCM, MGF1P + OAEP11)]


def signed_assertion() -> Element:
    element = ASSERTION.to_xml()
    sign(element, signer())
    return element


def sent(encrypted: Element) -> Element:
    """As it arrives."""
    return parse_xml(to_bytes(encrypted))


def response_with(encrypted: Element, *, signed: bool = True) -> Element:
    element = RESPONSE._replace(assertions=()).to_xml(encrypted)
    if signed:
        sign(element, signer())
    return sent(element)


def outcome(response: Element, decryption: Decryption = OPEN) -> str:
    return refusal_code(lambda: verify_response_that_may_be_encrypted(response, KEYS, decryption))


@pytest.mark.parametrize("encryption", WITH_GCM)
def test_an_assertion_is_opened_by_its_recipient(encryption: Encryption) -> None:
    encrypted = sent(encrypt_assertion(signed_assertion(), replace(TO_SP, encryption=encryption)))
    check_schema(encrypted, "protocol")
    assert HANDLE.encode() not in to_bytes(encrypted)
    opened = decrypt_assertion(encrypted, OPEN)
    assert Assertion.from_proof(verify_element(opened, KEYS)) == ASSERTION


def test_a_name_is_opened_by_its_recipient() -> None:
    encrypted = sent(encrypt_name_id(name_id_element(NameId(HANDLE, names.TRANSIENT, IDP, SP)), TO_SP))
    check_schema(encrypted, "protocol")
    assert name_id_of(decrypt_name_id(encrypted, OPEN)) == NameId(HANDLE, names.TRANSIENT, IDP, SP)
    assert refusal_code(lambda: decrypt_assertion(encrypted, OPEN)) == "encryption.structure"


def test_a_logout_request_may_hide_whom_it_is_about() -> None:
    name_id = NameId(HANDLE, names.TRANSIENT, IDP, SP)
    request = LogoutRequest(id="_logout", issuer=IDP, issue_instant=NOW, name_id=name_id, session_indexes=("_one",))
    message = request.to_xml(encrypt_name_id(name_id_element(name_id), TO_SP))
    sign(message, signer())
    received = decode_post(encode_post(message), None)
    assert HANDLE.encode() not in to_bytes(received.element)
    proof = prove(received, KEYS)
    opened = LogoutRequest.from_proof(proof, partial(decrypt_name_id, decryption=OPEN, outer=proof))
    assert opened == request
    stranger = partial(decrypt_name_id, decryption=OPEN._replace(keys=(rsa_key("stranger"),)), outer=proof)
    assert refusal_code(lambda: LogoutRequest.from_proof(proof, stranger)) == "encryption.failed"


def test_nothing_is_encrypted_as_what_it_is_not() -> None:
    with pytest.raises(ValueError, match="NameID"):
        encrypt_name_id(signed_assertion(), TO_SP)


def test_two_encryptions_share_neither_key_nor_nonce() -> None:
    values = {to_bytes(encrypt_assertion(ASSERTION.to_xml(), TO_SP)) for _ in range(3)}
    assert len(values) == 3


@pytest.mark.parametrize("cipher", CBC)
def test_cbc_is_opened_for_a_named_partner_inside_a_signed_message_only(cipher: str) -> None:
    encryption = Encryption(cipher)
    response = response_with(encrypt_assertion(signed_assertion(), replace(TO_SP, encryption=encryption)))
    proven = verify_response_that_may_be_encrypted(response, KEYS, WITH_CBC)
    assert (proven.assertion, proven.signed_response) == (ASSERTION, True)
    assert outcome(response) == "encryption.algorithm"
    unsigned = response_with(encrypt_assertion(signed_assertion(), replace(TO_SP, encryption=encryption)), signed=False)
    assert outcome(unsigned, WITH_CBC) == "encryption.algorithm"


def test_a_signature_on_another_message_does_not_open_cbc() -> None:
    encrypted = encrypt_assertion(signed_assertion(), replace(TO_SP, encryption=Encryption(names.AES128_CBC)))
    other = response_with(encrypt_assertion(signed_assertion(), TO_SP))
    proof = SignedElement(other, KEYS[0], names.RSA_SHA256)
    assert refusal_code(lambda: decrypt_assertion(sent(encrypted), WITH_CBC, proof)) == "encryption.algorithm"


def test_gcm_text_is_not_decrypted_as_cbc() -> None:
    """Jager, Paterson and Somorovsky 2013: One Bad Apple."""
    encrypted = encrypt_assertion(signed_assertion(), replace(TO_SP, encryption=Encryption(names.AES128_GCM)))
    encrypted[0][0].set("Algorithm", names.AES128_CBC)
    assert outcome(response_with(encrypted, signed=False), WITH_CBC) == "encryption.algorithm"


@pytest.mark.parametrize("kind", ["rsa", "p256"])
@pytest.mark.parametrize(("inside", "outside"), [(True, True), (True, False), (False, True)])
def test_a_response_is_accepted_when_inside_or_outside_is_signed(inside: bool, outside: bool, kind: str) -> None:
    by = signer("rsa") if kind == "rsa" else signer("p256")
    assertion = ASSERTION.to_xml()
    if inside:
        sign(assertion, by)
    element = RESPONSE._replace(assertions=()).to_xml(encrypt_assertion(assertion, TO_SP))
    if outside:
        sign(element, by)
    proven = verify_response_that_may_be_encrypted(sent(element), [by.public], OPEN)
    assert (proven.assertion, proven.signed_response) == (ASSERTION, outside)
    accepted = accept_response(proven, issuer=IDP, audience=SP, recipient=ACS, now=NOW)
    assert accepted.name_id.value == HANDLE


def test_encryption_is_no_signature() -> None:
    """Anybody can encrypt to a public key."""
    response = response_with(encrypt_assertion(ASSERTION.to_xml(), TO_SP), signed=False)
    assert outcome(response) == "signature.missing"
    forged = ASSERTION.to_xml()
    sign(forged, signer("rsa", "another"))
    assert outcome(response_with(encrypt_assertion(forged, TO_SP), signed=False)) == "signature.wrong"
    assert outcome(response_with(encrypt_assertion(forged, TO_SP))) == "signature.wrong"


def test_an_assertion_in_the_clear_is_taken_as_before() -> None:
    element = RESPONSE._replace(assertions=()).to_xml(signed_assertion())
    assert verify_response_that_may_be_encrypted(sent(element), KEYS, OPEN).assertion == ASSERTION


def test_beside_an_encrypted_assertion_there_is_no_other() -> None:
    encrypted = encrypt_assertion(signed_assertion(), TO_SP)
    both = RESPONSE._replace(assertions=()).to_xml(encrypted, signed_assertion())
    assert outcome(sent(both)) == "saml.several_assertions"
    twice = RESPONSE._replace(assertions=()).to_xml(
        encrypt_assertion(signed_assertion(), TO_SP), encrypt_assertion(signed_assertion(), TO_SP)
    )
    assert outcome(sent(twice)) == "saml.several_assertions"


def test_a_retired_key_opens_what_was_sent_to_it() -> None:
    encrypted = sent(encrypt_assertion(signed_assertion(), TO_SP))
    ring = Decryption(SP, (rsa_key("new"), rsa_key("next"), rsa_key()))
    assert decrypt_assertion(encrypted, ring).get("ID") == ASSERTION.id
    others = Decryption(SP, (rsa_key("new"), rsa_key("next")))
    assert refusal_code(lambda: decrypt_assertion(encrypted, others)) == "encryption.failed"
    assert refusal_code(lambda: decrypt_assertion(encrypted, Decryption(SP, ()))) == "encryption.failed"


# Where the key stands.


def parts(encrypted: Element) -> tuple[Element, Element, Element]:
    """EncryptedData, its KeyInfo and the EncryptedKey in it."""
    data = required_child(encrypted, names.XENC, "EncryptedData")
    key_info = required_child(data, names.DS, "KeyInfo")
    return data, key_info, required_child(key_info, names.XENC, "EncryptedKey")


def key_beside(*, retrieval: str | None = None, key_id: str | None = "_key", reference: str | None = None) -> Element:
    encrypted = encrypt_assertion(signed_assertion(), TO_SP)
    data, key_info, key = parts(encrypted)
    data.set("Id", "_data")
    encrypted.append(key)
    if key_id is not None:
        key.set("Id", key_id)
    if retrieval is None:
        data.remove(key_info)
    else:
        add(key_info, names.DS, "RetrievalMethod", URI=retrieval, Type=names.ENCRYPTED_KEY)
    if reference is not None:
        add(add(key, names.XENC, "ReferenceList"), names.XENC, "DataReference", URI=reference)
    return sent(encrypted)


@pytest.mark.parametrize(
    ("encrypted", "code"),
    [
        (key_beside, "accepted"),
        (lambda: key_beside(retrieval="#_key"), "accepted"),
        (lambda: key_beside(retrieval="#_key", reference="#_data"), "accepted"),
        (lambda: key_beside(reference="#_data", key_id=None), "accepted"),
        (lambda: key_beside(retrieval="#_other"), "encryption.structure"),
        (lambda: key_beside(retrieval="#"), "encryption.structure"),
        (lambda: key_beside(retrieval="https://keys.example/key"), "encryption.structure"),
        (lambda: key_beside(retrieval="file:///etc/passwd"), "encryption.structure"),
        (lambda: key_beside(reference="#_other"), "encryption.structure"),
    ],
)
def test_the_key_may_stand_beside_what_it_opens(encrypted: Callable[[], Element], code: str) -> None:
    element = encrypted()
    check_schema(element, "protocol")
    assert refusal_code(lambda: decrypt_assertion(element, OPEN)) == code


def key_for(whose: str, recipient: str | None) -> Element:
    """An EncryptedKey for somebody else."""
    to = Recipient(recipient or "", TrustedKey.from_public_key(rsa_key(whose).public_key()))
    key = parts(encrypt_assertion(ASSERTION.to_xml(), to))[2]
    if recipient is None:
        del key.attrib["Recipient"]
    return key


def with_keys(*others: Element, drop_own: bool = False, own_recipient: str | None = SP) -> Element:
    encrypted = encrypt_assertion(signed_assertion(), TO_SP)
    _, key_info, own = parts(encrypted)
    if own_recipient is None:
        del own.attrib["Recipient"]
    else:
        own.set("Recipient", own_recipient)
    for position, key in enumerate(others):
        key_info.insert(position, key)
    if drop_own:
        key_info.remove(own)
    return sent(encrypted)


@pytest.mark.parametrize(
    ("encrypted", "code"),
    [
        (lambda: with_keys(key_for("x", "https://other.example")), "accepted"),
        (lambda: with_keys(*(key_for("x", f"https://{n}.example") for n in range(10))), "accepted"),
        (lambda: with_keys(key_for("x", None), own_recipient=None), "accepted"),
        (lambda: with_keys(key_for("x", None), key_for("x", SP), key_for("y", SP)), "accepted"),
        (lambda: with_keys(*(key_for("x", None) for _ in range(4))), "encryption.structure"),
        (lambda: with_keys(drop_own=True), "encryption.structure"),
        (lambda: with_keys(own_recipient="https://other.example"), "encryption.structure"),
        (lambda: with_keys(key_for("x", SP), drop_own=True), "encryption.failed"),
    ],
)
def test_of_several_keys_the_recipients_is_taken(encrypted: Callable[[], Element], code: str) -> None:
    element = encrypted()
    assert refusal_code(lambda: decrypt_assertion(element, OPEN)) == code


# Namespaces.

_LOOSE = b"""<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_loose" IssueInstant="2026-11-22T12:00:00Z"
 Version="2.0"><saml:Issuer>https://idp.northgate.example/idp</saml:Issuer><saml:AttributeStatement><saml:Attribute Name="urn:x">
<saml:AttributeValue xsi:type="xs:string">v</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"""


def in_a_response() -> Element:
    """A Response that declares xs and xsi itself, with an assertion that uses them."""
    declared = {"samlp": names.SAMLP, "saml": names.SAML, "xs": names.XS, "xsi": names.XSI}
    root = etree.Element(qname(names.SAMLP, "Response"), nsmap=declared)
    return parse_xml(to_bytes(root).removesuffix(b"/>") + b">" + _LOOSE + b"</samlp:Response>")


def test_namespaces_that_are_declared_outside_go_with_the_assertion() -> None:
    response = in_a_response()
    encrypted = encrypt_assertion(response[0], TO_SP)
    assert b"xmlns:xs=" not in _LOOSE
    alone = decrypt_assertion(sent(encrypted), OPEN)
    value = next(alone.iter(qname(names.SAML, "AttributeValue")))
    assert value.get(qname(names.XSI, "type")) == "xs:string"
    assert value.nsmap["xs"] == names.XS


def test_a_signature_over_prefixes_in_values_still_verifies_inside() -> None:
    """python3-saml once refused what had lost its xs declaration on the way through encryption."""
    encrypted = encrypt_assertion(signed_assertion(), TO_SP)
    opened = decrypt_assertion(sent(encrypted), OPEN)
    assert set(opened.nsmap) >= {"saml", "xs", "xsi"}
    assert verify_element(opened, KEYS).element is opened


def encrypted_text(text: bytes, *declared: str) -> Element:
    """A Response-like document with these prefixes declared outside, whose EncryptedAssertion holds exactly ``text``."""
    encrypted = encrypt_assertion(ASSERTION.to_xml(), TO_SP)
    data = required_child(encrypted, names.XENC, "EncryptedData")
    root = make(names.SAMLP, "Response", "saml", *declared)
    template = xmlsec.template.encrypted_data_create(
        root, xmlsec.constants.TransformAes128Gcm, type=names.ENCRYPTED_ELEMENT, ns="xenc"
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(template)
    key_info = xmlsec.template.encrypted_data_ensure_key_info(template, ns="ds")
    key = xmlsec.template.add_encrypted_key(key_info, xmlsec.constants.TransformRsaOaep)
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    context = xmlsec.EncryptionContext(key_manager())
    context.key = xmlsec.Key.generate(xmlsec.constants.KeyDataAes, 128, xmlsec.constants.KeyDataTypeSession)
    filled = context.encrypt_binary(template, text)
    encrypted.replace(data, filled)
    root.append(encrypted)
    return sent(root)[0]


def key_manager() -> xmlsec.KeysManager:
    """What xmlsec opens with the key of the SP."""
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(private_pem("rsa", "sp"), xmlsec.constants.KeyDataFormatPem))
    return manager


def test_an_assertion_that_leans_on_declarations_outside_is_read_with_them() -> None:
    opened = decrypt_assertion(encrypted_text(_LOOSE, "xs", "xsi"), OPEN)
    assert opened.nsmap["xs"] == names.XS
    assert opened.get("ID") == "_loose"
    without = encrypted_text(_LOOSE, "xs")
    assert refusal_code(lambda: decrypt_assertion(without, OPEN)) == "encryption.failed"


@pytest.mark.parametrize(
    "text",
    [
        b"no element",
        b"<saml:NameID>x</saml:NameID>",
        to_bytes(ASSERTION.to_xml()) * 2,
        b"text " + to_bytes(ASSERTION.to_xml()),
        to_bytes(ASSERTION.to_xml()) + b" text",
        b"</decrypted>" + to_bytes(ASSERTION.to_xml()),
        to_bytes(ASSERTION.to_xml()) + b"</decrypted><decrypted>",
        b"<!DOCTYPE x [<!ENTITY e 'v'>]>" + to_bytes(ASSERTION.to_xml()),
        b"<?pi x?>" + to_bytes(ASSERTION.to_xml()),
        to_bytes(ASSERTION.to_xml()).replace(b'Version="2.0"', b'Versions="2.0"'),
        b"<a>" * 60 + b"</a>" * 60,
        b"\xff\xfe" + to_bytes(ASSERTION.to_xml()),
        to_bytes(ASSERTION.to_xml())[:-9],
    ],
)
def test_a_text_that_is_no_assertion_is_refused_as_if_it_could_not_be_opened(text: bytes) -> None:
    element = encrypted_text(text)
    with pytest.raises(Refusal) as refused:
        decrypt_assertion(element, OPEN)
    assert (refused.value.code, refused.value.found) == ("encryption.failed", "none")


def test_an_xml_declaration_in_front_of_the_assertion_does_no_harm() -> None:
    text = b'<?xml version="1.0" encoding="UTF-8"?>\n' + to_bytes(signed_assertion())
    opened = decrypt_assertion(encrypted_text(text), OPEN)
    assert Assertion.from_proof(verify_element(opened, KEYS)) == ASSERTION


def test_a_signed_assertion_inside_a_forged_one_proves_nothing() -> None:
    """Signature wrapping where the outer signature can't be seen: behind encryption."""
    for sign_again in (False, True):
        forged = ASSERTION._replace(id="_evil", name_id=NameId("admin")).to_xml()
        if sign_again:
            sign(forged, signer("rsa", "another"))
        advice = make(names.SAML, "Advice")
        advice.append(signed_assertion())
        required_child(forged, names.SAML, "Conditions").addnext(advice)
        response = response_with(encrypt_assertion(forged, TO_SP), signed=False)
        assert outcome(response) == ("signature.wrong" if sign_again else "signature.missing")
    borrowed = ASSERTION._replace(name_id=NameId("admin")).to_xml()
    borrowed.insert(1, required_child(signed_assertion(), names.DS, "Signature"))
    assert outcome(response_with(encrypt_assertion(borrowed, TO_SP), signed=False)) == "signature.wrong"


def signed_with_prefix_list() -> Element:
    """A Response that alone declares xs, with an assertion whose signature covers that declaration by name."""
    response = parse_xml(
        to_bytes(RESPONSE._replace(assertions=()).to_xml())
        .replace(b"<samlp:Response", f'<samlp:Response xmlns:xs="{names.XS}" xmlns:xsi="{names.XSI}"'.encode(), 1)
        .replace(b"</samlp:Response>", _LOOSE.replace(b"_loose", ASSERTION.id.encode()) + b"</samlp:Response>")
    )
    assertion = response[-1]
    template = xmlsec.template.create(
        assertion, xmlsec.constants.TransformExclC14N, xmlsec.constants.TransformRsaSha256, ns="ds"
    )
    assertion.insert(1, template)
    reference = xmlsec.template.add_reference(template, xmlsec.constants.TransformSha256, uri=f"#{assertion.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    transform = xmlsec.template.add_transform(reference, xmlsec.constants.TransformExclC14N)
    xmlsec.template.transform_add_c14n_inclusive_namespaces(transform, "xs")
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(private_pem(), xmlsec.constants.KeyDataFormatPem)
    context.register_id(assertion, "ID")
    context.sign(template)
    return response


def test_a_signature_over_a_declaration_outside_holds_after_decryption() -> None:
    response = signed_with_prefix_list()
    assertion = response[-1]
    assert verify_element(assertion, KEYS).element is assertion
    assert b"xmlns:xs" not in etree.tostring(parse_xml(to_bytes(response))).partition(b"<saml:Assertion")[2]
    opened = decrypt_assertion(sent(encrypt_assertion(assertion, TO_SP)), OPEN)
    assert verify_element(opened, KEYS).element is opened


# Against other software.


@pytest.mark.parametrize("encryption", [*WITH_GCM, *(Encryption(cipher) for cipher in CBC)])
def test_xmlsec_opens_what_is_encrypted_here(encryption: Encryption) -> None:
    encrypted = sent(encrypt_assertion(signed_assertion(), replace(TO_SP, encryption=encryption)))
    context = xmlsec.EncryptionContext(key_manager())
    opened = context.decrypt(required_child(encrypted, names.XENC, "EncryptedData"))
    assert Assertion.from_proof(verify_element(opened, KEYS)) == ASSERTION


@pytest.mark.parametrize(
    ("cipher", "bits", "transport"),
    [
        (xmlsec.constants.TransformAes128Gcm, 128, xmlsec.constants.TransformRsaOaep),
        (xmlsec.constants.TransformAes192Gcm, 192, xmlsec.constants.TransformRsaOaep),
        (xmlsec.constants.TransformAes256Gcm, 256, xmlsec.constants.TransformRsaOaep),
        (xmlsec.constants.TransformAes256Cbc, 256, xmlsec.constants.TransformRsaOaep),
        (xmlsec.constants.TransformAes128Gcm, 128, xmlsec.constants.TransformRsaPkcs1),
    ],
)
def test_what_xmlsec_encrypts_is_opened_here(cipher: object, bits: int, transport: object) -> None:
    assertion = signed_assertion()
    holder = make(names.SAML, "EncryptedAssertion")
    holder.append(assertion)
    response = RESPONSE._replace(assertions=()).to_xml(holder)
    template = xmlsec.template.encrypted_data_create(
        response,
        cipher,  # type: ignore[arg-type]
        type=names.ENCRYPTED_ELEMENT,
        ns="xenc",
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(template)
    key_info = xmlsec.template.encrypted_data_ensure_key_info(template, ns="ds")
    key = xmlsec.template.add_encrypted_key(key_info, transport)  # type: ignore[arg-type]
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    context = xmlsec.EncryptionContext(key_manager())
    context.key = xmlsec.Key.generate(xmlsec.constants.KeyDataAes, bits, xmlsec.constants.KeyDataTypeSession)
    context.encrypt_xml(template, assertion)
    sign(response, signer())
    received = sent(response)
    if transport is xmlsec.constants.TransformRsaPkcs1:
        assert outcome(received, WITH_CBC) == "encryption.algorithm"
        return
    assert verify_response_that_may_be_encrypted(received, KEYS, WITH_CBC).assertion == ASSERTION


def test_python3_saml_accepts_an_encrypted_response() -> None:
    """It once refused another peer's, whose namespaces were declared outside of what was encrypted."""
    response = pytest.importorskip("onelogin.saml2.response")
    settings_ = pytest.importorskip("onelogin.saml2.settings")
    partners = {
        "strict": False,
        "sp": {
            "entityId": SP,
            "assertionConsumerService": {"url": ACS},
            "x509cert": base64.b64encode(certificate_for(rsa_key())).decode(),
            "privateKey": private_pem("rsa", "sp").decode(),
        },
        "idp": {
            "entityId": IDP,
            "singleSignOnService": {"url": f"{IDP}/sso"},
            "x509cert": base64.b64encode(signer().certificate).decode(),
        },
        "security": {"wantAssertionsEncrypted": True, "wantAssertionsSigned": True},
    }
    sent_to_it = base64.b64encode(to_bytes(response_with(encrypt_assertion(signed_assertion(), TO_SP)))).decode()
    received = response.OneLogin_Saml2_Response(settings_.OneLogin_Saml2_Settings(partners), sent_to_it)
    request = {"http_host": "library.example", "script_name": "/ostiary/acs", "https": "on"}
    assert (received.is_valid(request), received.get_error(), received.get_nameid()) == (True, None, HANDLE)


# Changed on the way.

_ENCRYPTED = to_bytes(encrypt_assertion(signed_assertion(), TO_SP))
_ALLOWED = {"encryption.failed", "encryption.structure", "encryption.algorithm"}


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_no_change_of_a_ciphertext_is_opened(data: st.DataObject) -> None:
    element = parse_xml(_ENCRYPTED)
    values = list(element.iter(qname(names.XENC, "CipherValue")))
    chosen = values[data.draw(st.integers(0, len(values) - 1))]
    octets = bytearray(base64.b64decode(chosen.text or ""))
    match data.draw(st.sampled_from(["flip", "cut", "grow", "swap"])):
        case "flip":
            octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
        case "cut":
            del octets[data.draw(st.integers(0, len(octets) - 1)) :]
        case "grow":
            octets += data.draw(st.binary(min_size=1, max_size=40))
        case _:
            octets = bytearray(data.draw(st.binary(max_size=600)))
    chosen.text = base64.b64encode(octets).decode()
    with pytest.raises(Refusal) as refused:
        decrypt_assertion(element, OPEN)
    assert (refused.value.code, refused.value.found) == ("encryption.failed", "none")


@given(st.integers(0, len(_ENCRYPTED) - 1), st.binary(min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_octets_changed_anywhere_lead_to_the_same_assertion_or_a_refusal(place: int, octets: bytes) -> None:
    def read() -> Element:
        element = parse_xml(_ENCRYPTED[:place] + octets + _ENCRYPTED[place + len(octets) :])
        check_schema(element, "protocol")
        return decrypt_assertion(element, OPEN)

    code = refusal_code(read)
    if code == "accepted":
        assert Assertion.from_proof(verify_element(read(), KEYS)) == ASSERTION
    else:
        assert code in _ALLOWED or code.startswith("xml.")


def changed(name: str, namespace: str, attribute: str, value: str) -> str:
    element = parse_xml(_ENCRYPTED)
    for found in element.iter(qname(namespace, name)):
        found.set(attribute, value)
    return refusal_code(lambda: decrypt_assertion(element, WITH_CBC))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("EncryptedData", names.XENC, "Type", "http://www.w3.org/2001/04/xmlenc#Content"), "encryption.structure"),
        (("EncryptionMethod", names.XENC, "Algorithm", names.RSA_OAEP_MGF1P), "encryption.algorithm"),
        (("EncryptionMethod", names.XENC, "Algorithm", names.AES256_GCM), "encryption.algorithm"),
        (("DigestMethod", names.DS, "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#md5"), "encryption.algorithm"),
        (("DigestMethod", names.DS, "Algorithm", names.SHA256), "encryption.failed"),
    ],
)
def test_other_algorithms_than_those_written_are_refused(change: tuple[str, str, str, str], code: str) -> None:
    assert changed(*change) == code


@pytest.mark.parametrize("algorithm", [names.RSA_1_5, "http://www.w3.org/2001/04/xmlenc#kw-aes128", ""])
def test_a_key_that_is_not_wrapped_by_oaep_is_refused(algorithm: str) -> None:
    element = parse_xml(_ENCRYPTED)
    parts(element)[2][0].set("Algorithm", algorithm)
    assert refusal_code(lambda: decrypt_assertion(element, OPEN)) == "encryption.algorithm"


def test_nothing_is_fetched_for_a_cipher_reference() -> None:
    element = parse_xml(_ENCRYPTED)
    for data in element.iter(qname(names.XENC, "CipherData")):
        data.remove(data[0])
        add(data, names.XENC, "CipherReference", URI="file:///etc/passwd")
    check_schema(element, "protocol")
    assert refusal_code(lambda: decrypt_assertion(element, OPEN)) == "encryption.structure"
