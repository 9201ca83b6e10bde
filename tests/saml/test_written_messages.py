"""Messages are copies of a form with values filled in, and a nested signature is made without a second canonical form: neither shows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.attributes import make_attribute
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, NameId
from ostiary.saml.outline import Outline, row
from ostiary.saml.protocol import Response, Status
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import sign, verify_elements, write_nested
from ostiary.saml.xml import Element, make, parse_xml, qname, to_bytes
from tests.saml.world import ASSERTION, NOW, RESPONSE, signer

# Everything that canonical XML writes in another way than plain XML does, and what only looks like markup or a declaration.
TEXT = st.text(
    st.sampled_from("aZ09äß漢😀 \t\n\"'&<>/:=;#]") | st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")),
    max_size=40,
) | st.sampled_from(["</saml:Issuer>", " xmlns:samlp=", "<ds:Signature/>", "IDENTIFIER", "DIGEST", "]]>", "</"])


def canonical(element: Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def nested(assertion: Element, response: Element) -> bytes:
    return write_nested(response, assertion, signer())


@settings(max_examples=60, deadline=None)
@given(
    issuer=TEXT.filter(str.strip),
    handle=TEXT,
    values=st.lists(TEXT, max_size=3),
    name=st.sampled_from(["mail", "urn:x:1", "a & b <c>"]),
    status=TEXT,
)
def test_a_nested_signature_is_that_of_two_single_signatures(
    issuer: str, handle: str, values: list[str], name: str, status: str
) -> None:
    assertion = replace(ASSERTION, issuer=issuer, name_id=NameId(handle), attributes=(make_attribute(name, values),))
    response = Response("_r", issuer, NOW, Status(message=status), destination=issuer)
    one_by_one = response.to_xml(inner := assertion.to_xml())
    sign(inner, signer())
    sign(one_by_one, signer())
    together = nested(assertion.to_xml(), response.to_xml())
    received = parse_xml(together)
    # PKCS#1 v1.5 signatures of the same octets are the same.
    assert canonical(received) == canonical(one_by_one)
    # Every prefix of a type is declared where it stands.
    assert [value.nsmap["xs"] for value in received.iter(qname(names.SAML, "AttributeValue"))] == [names.XS] * len(
        values
    )
    assert len(verify_elements([received, received[-1]], [signer().public])) == 2


def test_a_nested_signature_follows_the_schema() -> None:
    received = parse_xml(nested(ASSERTION.to_xml(), replace(RESPONSE, assertions=()).to_xml()))
    check_schema(received, "protocol")


def assertion_that_uses_the_namespace_of_the_response() -> Element:
    element = ASSERTION.to_xml()
    etree.SubElement(element[-1][0][0], qname(names.SAMLP, "Extensions"), nsmap={"samlp": names.SAMLP})
    return element


def assertion_with_the_prefix_of_the_response_for_something_else() -> Element:
    element = ASSERTION.to_xml()
    etree.SubElement(element[-1][0][0], "{urn:other}Extensions", nsmap={"samlp": "urn:other"})
    return element


def assertion_without_issuer() -> Element:
    element = ASSERTION.to_xml()
    element.remove(element[0])
    return element


def assertion_whose_issuer_comes_later() -> Element:
    element = ASSERTION.to_xml()
    element.append(element[0])
    return element


def assertion_with_an_element_in_its_issuer() -> Element:
    element = ASSERTION.to_xml()
    etree.SubElement(element[0], qname(names.SAML, "Issuer")).text = "inside"
    return element


@pytest.mark.parametrize(
    "make_inner",
    [
        ASSERTION.to_xml,
        assertion_that_uses_the_namespace_of_the_response,
        assertion_with_the_prefix_of_the_response_for_something_else,
        assertion_without_issuer,
        assertion_whose_issuer_comes_later,
        assertion_with_an_element_in_its_issuer,
    ],
    ids=lambda function: function.__name__,
)
@pytest.mark.parametrize("outer", ["Response", "Response with a qualified attribute"])
def test_both_nested_signatures_verify_whatever_the_two_elements_look_like(
    make_inner: Callable[[], Element], outer: str
) -> None:
    response = replace(RESPONSE, assertions=()).to_xml()
    if outer != "Response":
        response.set("{urn:oasis:names:tc:SAML:2.0:assertion}extra", "1")
    received = parse_xml(nested(make_inner(), response))
    assert len(verify_elements([received, received[-1]], [signer().public])) == 2


def test_an_outer_element_without_children_is_signed_too() -> None:
    outer = make(names.SAMLP, "Response", ID="_outer")
    received = parse_xml(nested(ASSERTION.to_xml(), outer))
    assert len(verify_elements([received, received[-1]], [signer().public])) == 2


def test_nothing_of_one_message_is_left_in_the_next_of_the_same_shape() -> None:
    first, second = (
        Assertion(
            id=f"_{who}",
            issuer=f"https://{who}.example",
            issue_instant=datetime(2026, 1, 1, tzinfo=UTC),
            name_id=NameId(who, sp_name_qualifier=qualifier),
            attributes=(make_attribute("mail", [f"{who}@example.org"]),),
        )
        for who, qualifier in (("alma", "https://sp.example"), ("bruno", None))
    )
    written = to_bytes(first.to_xml())
    assert b"alma" not in to_bytes(second.to_xml())
    assert b"sp.example" not in to_bytes(second.to_xml())
    assert to_bytes(first.to_xml()) == written


def test_a_change_of_one_message_does_not_reach_the_next() -> None:
    changed = ASSERTION.to_xml()
    changed.set("Version", "9")
    changed[0].text = "changed"
    changed.remove(changed[1])
    assert ASSERTION.to_xml().get("Version") == "2.0"
    assert len(ASSERTION.to_xml()) == 5


@pytest.mark.parametrize("text", ["\x00", "a\x08", "\ud800", "\ufffe"])
def test_what_xml_cannot_hold_is_refused_as_text_and_as_attribute(text: str) -> None:
    shape = row(0, names.SAML, "Assertion", "ID", text=True)
    for values in ((text, "fine"), ("fine", text)):
        outline = Outline()
        outline.add(shape, *values)
        with pytest.raises(Refusal, match=r"xml\.unwritable"):
            outline.to_xml("saml")
    with pytest.raises(Refusal, match=r"xml\.unwritable"):
        replace(ASSERTION, attributes=(make_attribute("mail", [text]),)).to_xml()


def test_values_that_do_not_fit_the_shape_are_a_defect_and_not_a_message() -> None:
    outline = Outline()
    outline.add(row(0, names.SAML, "Assertion", "ID"))
    with pytest.raises(RuntimeError, match="0 values for 1 places"):
        outline.to_xml("saml")
