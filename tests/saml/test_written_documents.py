"""Messages that are written without a tree, as documents that others read: each prefix is declared once, and signatures hold."""

import pytest

from ostiary.attributes import make_attribute
from ostiary.saml import names, outline
from ostiary.saml.assertion import Assertion, NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.protocol import AttributeQuery, Response
from ostiary.saml.signature import canonical, sign, verify_element, write_signed
from ostiary.saml.soap import encode_soap_written
from ostiary.saml.xml import to_bytes
from tests.saml.world import IDP, NOW, SP, signer

DECLARATION = f' xmlns:xsi="{names.XSI}"'
QUERIES = {
    "everything": AttributeQuery("_q", SP, NOW, NameId("handle")),
    "a target": AttributeQuery("_q", SP, NOW, NameId("handle"), target="https://library.example/a?b=c&d=e"),
    "values": AttributeQuery("_q", SP, NOW, NameId("handle"), attributes=(make_attribute("mail", ["a@b.example"]),)),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_says_the_same_with_and_without_a_tree(query: AttributeQuery) -> None:
    tree = query.to_xml()
    sign(tree, signer())
    message = decode_soap(encode_soap_written(write_signed(query.written(), None, signer())))
    # PKCS#1 v1.5 signatures of the same octets are the same.
    assert canonical(message) == canonical(tree)
    assert message.nsmap == {"soap11": names.SOAP11, **tree.nsmap}
    assert AttributeQuery.from_proof(verify_element(message, [signer().public])) == query


def test_the_envelope_is_the_same_around_a_tree_and_around_octets() -> None:
    message = QUERIES["a target"].to_xml()
    assert encode_soap_written(to_bytes(message)) == encode_soap(message)


def answer(*values: str) -> bytes:
    assertion = Assertion("_a", IDP, NOW, attributes=(make_attribute("isMemberOf", values, issuer=IDP),))
    return write_signed(Response("_r", IDP, NOW).written(), assertion.written(), signer(), sign_inner=False)


def test_a_thousand_values_declare_no_prefix_a_thousand_times() -> None:
    values = [f"group {number}" for number in range(1_000)]
    octets = answer(*values)
    assert octets.count(b"xmlns:") < 10
    proof = verify_element(decode_soap(encode_soap_written(octets)), [signer().public])
    assert Response.from_proof(proof).assertions[0].attributes[0].texts() == tuple(values)


def test_of_a_message_longer_than_others_no_shape_is_kept() -> None:
    many = [make_attribute(f"urn:x:{number}", ["v"]) for number in range(500)]
    query = AttributeQuery("_q", SP, NOW, NameId("handle"), attributes=tuple(many))
    assert b"urn:x:499" in query.written().octets
    assert to_bytes(query.to_xml()).count(b"urn:x:") == 500
    # Nobody else in this process writes as many.
    kept = outline._written_form, outline._form
    before = [cache.cache_info().misses for cache in kept]
    assert query.written().octets == canonical(query.to_xml())
    assert [cache.cache_info().misses for cache in kept] == before


@pytest.mark.parametrize("value", [DECLARATION, f"<a{DECLARATION}/>", " xmlns:", f"xmlns{DECLARATION}\t&amp;"])
def test_a_value_that_looks_like_a_declaration_stays_what_it_is(value: str) -> None:
    proof = verify_element(decode_soap(encode_soap_written(answer(value, "staff"))), [signer().public])
    assert Response.from_proof(proof).assertions[0].attributes[0].texts() == (value.strip(), "staff")
