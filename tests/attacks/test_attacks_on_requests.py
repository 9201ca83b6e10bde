"""The same classes of attack against the Handle Service (AuthnRequest) and the Attribute Authority (AttributeQuery)."""

from collections.abc import Callable
from copy import deepcopy

import pytest
from lxml import etree

from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import encode_redirect
from ostiary.saml.protocol import AttributeQuery, AuthnRequest
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element, make, parse_xml, qname, to_bytes
from tests.attacks.victim import AA, SSO, attribute_query, posted_request, redirected_request
from tests.attacks.wrapping import SIGNATURE, the
from tests.saml.world import ACS, HANDLE, NOW, SP, signer

SP_SIGNER, ATTACKER = signer("rsa", "sp"), signer("rsa", "attacker")
TARGET = "https://library.example/reading-room"
REQUEST = AuthnRequest("_request", SP, NOW, destination=SSO, acs_url=ACS, target=TARGET)
QUERY = AttributeQuery("_query", SP, NOW, NameId(HANDLE, names.TRANSIENT), destination=AA)
BELIEVED = f"{SP} at {ACS} for {TARGET}"
ANSWERED = f"{SP} about {HANDLE}"


def request() -> Element:
    element = REQUEST.to_xml()
    sign(element, SP_SIGNER)
    return parse_xml(to_bytes(element))


def query() -> Element:
    element = QUERY.to_xml()
    sign(element, SP_SIGNER)
    return parse_xml(to_bytes(element))


def forged(element: Element) -> Element:
    """The same message from the same sender, unsigned, with what the attacker wants in it."""
    evil = deepcopy(element)
    evil.remove(the(evil, SIGNATURE))
    evil.set("ID", "_evil")
    for tag, wanted in (
        (qname(names.OSTIARY_TARGET, "Target"), "https://library.example/evil"),
        (qname(names.SAML, "NameID"), "victim"),
    ):
        for found in evil.iter(tag):
            found.text = wanted
    return evil


def envelope(body: Element, *header: Element) -> bytes:
    root = make(names.SOAP11, "Envelope")
    if header:
        etree.SubElement(root, qname(names.SOAP11, "Header")).extend(header)
    etree.SubElement(root, qname(names.SOAP11, "Body")).append(body)
    return to_bytes(root)


def extended(element: Element, inside: Element) -> Element:
    extensions = element.find(qname(names.SAMLP, "Extensions"))
    if extensions is None:
        extensions = etree.Element(qname(names.SAMLP, "Extensions"))
        signature = element.find(SIGNATURE)
        (element[0] if signature is None else signature).addnext(extensions)
    wrapper = etree.SubElement(extensions, "{urn:x}Wrapper")
    wrapper.append(inside)
    return element


def stripped(original: Element) -> Element:
    original.remove(the(original, SIGNATURE))
    return original


def tampered(original: Element) -> Element:
    for tag in (qname(names.OSTIARY_TARGET, "Target"), qname(names.SAML, "NameID")):
        for found in original.iter(tag):
            found.text = "https://library.example/evil"
    return original


def wrapped(original: Element) -> Element:
    """A forged message with the signed one in its Extensions."""
    return extended(forged(original), original)


def wrapped_with_signature(original: Element) -> Element:
    """A forged message with the signature, and the signed one in its Extensions."""
    evil = forged(original)
    evil.insert(1, deepcopy(the(original, SIGNATURE)))
    return extended(evil, stripped(original))


def object_in_signature(original: Element) -> Element:
    """A forged message whose signature holds the signed one."""
    evil = forged(original)
    signature = deepcopy(the(original, SIGNATURE))
    etree.SubElement(signature, qname(names.DS, "Object")).append(stripped(original))
    evil.insert(1, signature)
    return evil


def signed_by_the_attacker(original: Element) -> Element:
    evil = forged(original)
    sign(evil, ATTACKER)
    return evil


def id_twice(original: Element) -> Element:
    inside = etree.Element("{urn:x}Other", Id=original.get("ID", ""))
    evil = extended(stripped(original), inside)
    sign(evil, SP_SIGNER)
    return evil


def as_it_is(original: Element) -> Element:
    return original


CASES: list[tuple[Callable[[Element], Element], str]] = [
    (stripped, "signature.missing"),
    (tampered, "signature.wrong"),
    (wrapped, "signature.missing"),
    (wrapped_with_signature, "signature.structure"),
    (object_in_signature, "signature.structure"),
    (signed_by_the_attacker, "signature.wrong"),
    (id_twice, "signature.duplicate_id"),
]


@pytest.mark.parametrize(("attack", "outcome"), [(as_it_is, BELIEVED), *CASES])
def test_an_attacked_authentication_request_is_refused(attack: Callable[[Element], Element], outcome: str) -> None:
    assert posted_request(to_bytes(attack(request()))) == outcome


@pytest.mark.parametrize(("attack", "outcome"), [(as_it_is, ANSWERED), *CASES])
def test_an_attacked_attribute_query_is_refused(attack: Callable[[Element], Element], outcome: str) -> None:
    assert attribute_query(envelope(attack(query()))) == outcome


def test_a_signed_query_in_the_header_proves_nothing_about_the_body() -> None:
    assert attribute_query(envelope(query())) == ANSWERED
    assert attribute_query(envelope(forged(query()), query())) == "signature.missing"
    evil = forged(query())
    evil.insert(1, deepcopy(the(query(), SIGNATURE)))
    assert attribute_query(envelope(evil, stripped(query()))) == "signature.structure"
    same = forged(query())
    same.set("ID", "_query")
    same.insert(1, deepcopy(the(query(), SIGNATURE)))
    assert attribute_query(envelope(same, stripped(query()))) == "signature.duplicate_id"


def test_a_query_by_an_unknown_requester_is_refused() -> None:
    original = query()
    original[0].text = "https://evil.example/sp"
    assert attribute_query(envelope(original)) == "aa.requester_unknown"


def test_a_document_type_around_a_query_is_refused() -> None:
    assert (
        attribute_query(b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + envelope(query())) == "xml.doctype"
    )


def redirect(**more: str) -> str:
    element = REQUEST._replace(**more).to_xml()  # type: ignore[arg-type]
    return encode_redirect(SSO, "SAMLRequest", element, relay_state="state", signer=SP_SIGNER).partition("?")[2]


def test_a_redirected_request_is_believed_by_its_query_signature_only() -> None:
    good = redirect()
    assert redirected_request(good) == BELIEVED
    assert redirected_request(good.partition("&SigAlg")[0]) == "signature.missing"
    assert redirected_request(good.replace("RelayState=state", "RelayState=other")) == "signature.wrong"
    other = redirect(target="https://library.example/evil").partition("&")[0]
    assert redirected_request(f"{other}&{good.partition('&')[2]}") == "signature.wrong"
    assert redirected_request(f"{good}&{other}") == "http.parameter_repeated"
    inside = encode_redirect(SSO, "SAMLRequest", request()).partition("?")[2]
    assert redirected_request(inside) == "sso.signature_in_redirect"


def test_an_answer_goes_to_no_address_that_metadata_does_not_register() -> None:
    assert redirected_request(redirect(acs_url="https://evil.example/acs")) == "sso.acs_unregistered"
    assert redirected_request(redirect(acs_url=ACS + "?x=1")) == "sso.acs_unregistered"
    assert redirected_request(redirect(destination="https://other.example/sso")) == "saml.destination"
