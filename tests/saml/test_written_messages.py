"""Messages are a form with values filled in, as a tree or straight as canonical text, and signatures go in between: none of it shows."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.attributes import make_attribute
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, NameId
from ostiary.saml.message import SUCCEEDED
from ostiary.saml.outline import Outline, Written, row
from ostiary.saml.protocol import Response, Status
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import sign, verify_element, verify_elements, write_signed
from ostiary.saml.xml import Element, parse_xml, qname, to_bytes
from tests.saml.world import ASSERTION, NOW, RESPONSE, signer

# Everything that canonical XML writes in another way than plain XML does, and what only looks like markup or a declaration.
TEXT = st.text(
    st.sampled_from("aZ09äß漢😀 \t\n\"'&<>/:=;#%]") | st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")),
    max_size=40,
) | st.sampled_from(["</saml:Issuer>", " xmlns:samlp=", "<ds:Signature/>", "IDENTIFIER", "DIGEST", "]]>", "</", "%s"])


def canonical(element: Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def written(message: Assertion | Response) -> Written:
    """The message as text, which is what lxml makes of its tree."""
    made = message.written()
    assert made.octets == canonical(message.to_xml())
    assert made.id == message.id
    return made


def assertion_with(issuer: str, handle: str, name: str, values: list[str]) -> Assertion:
    return ASSERTION._replace(issuer=issuer, name_id=NameId(handle), attributes=(make_attribute(name, values),))


@settings(max_examples=60, deadline=None)
@given(
    issuer=TEXT.filter(str.strip),
    handle=TEXT,
    values=st.lists(TEXT, max_size=3),
    name=st.sampled_from(["mail", "urn:x:1", "a & b <c>", "urn:x:100%s"]),
    status=TEXT,
)
def test_a_written_message_is_that_of_two_single_signatures(
    issuer: str, handle: str, values: list[str], name: str, status: str
) -> None:
    assertion = assertion_with(issuer, handle, name, values)
    response = Response("_r", issuer, NOW, Status(message=status), destination=issuer)
    one_by_one = response.to_xml(inner := assertion.to_xml())
    sign(inner, signer())
    sign(one_by_one, signer())
    together = write_signed(written(response), written(assertion), signer())
    received = parse_xml(together)
    # PKCS#1 v1.5 signatures of the same octets are the same.
    assert canonical(received) == canonical(one_by_one)
    # Every prefix of a type is declared where it stands.
    assert [value.nsmap["xs"] for value in received.iter(qname(names.SAML, "AttributeValue"))] == [names.XS] * len(
        values
    )
    assert len(verify_elements([received, received[-1]], [signer().public])) == 2


@given(text=TEXT, attribute=TEXT, missing=st.sampled_from(["attribute", "text", "both", ""]), depth=st.integers(1, 3))
def test_whatever_is_written_is_in_the_form_that_lxml_gives_it(
    text: str, attribute: str, missing: str, depth: int
) -> None:
    outline = Outline()
    outline.add(row(0, names.SAMLP, "Response", "ID", "Zeta", "Alpha"), "_1", attribute, None if missing else text)
    for level in range(1, depth + 1):
        fixed = [(qname(names.XSI, "type"), f"xs:{level}"), ("a", '<&>"\t\n\r%s%')]
        shape = row(level, names.SAML, "Attribute", "Name", fixed=fixed, text=True)
        given_text, given_name = missing not in ("text", "both"), missing not in ("attribute", "both")
        outline.add(shape, attribute if given_name else None, text if given_text else None)
        outline.add(row(level, names.SAMLP, "Status"))
    made, prefixes = outline.written("samlp", "saml", "xsi", "xs"), ["samlp", "saml", "xsi", "xs"]
    assert made.octets == canonical(outline.to_xml(*prefixes))
    document = parse_xml(made.in_document())
    assert canonical(document) == made.octets
    assert all(set(element.nsmap) == set(prefixes) for element in document.iter())


@pytest.mark.parametrize(
    "response",
    [
        Response("_r", None, NOW, SUCCEEDED),
        Response("_r", "https://idp.example", NOW, Status(names.RESPONDER, names.REQUEST_DENIED, "no")),
    ],
    ids=["without an Issuer", "with everything else"],
)
def test_the_same_messages_come_signed_or_not_and_alone_or_not(response: Response) -> None:
    for inner in (None, written(ASSERTION)):
        for signs_outer in (True, False):
            for signs_inner in (True, False):
                octets = write_signed(
                    written(response), inner, signer(), sign_outer=signs_outer, sign_inner=signs_inner
                )
                received = parse_xml(octets)
                expected = response.to_xml(*(() if inner is None else (ASSERTION.to_xml(),)))
                if inner is not None and signs_inner:
                    sign(expected[-1], signer())
                    verify_element(received[-1], [signer().public])
                if signs_outer:
                    sign(expected, signer())
                    verify_element(received, [signer().public])
                assert canonical(received) == canonical(expected)


def test_a_written_message_follows_the_schema() -> None:
    response = RESPONSE._replace(assertions=())
    check_schema(parse_xml(write_signed(written(response), written(ASSERTION), signer())), "protocol")


def test_what_would_read_otherwise_inside_than_alone_is_a_defect_and_not_a_message() -> None:
    response = written(RESPONSE._replace(assertions=()))
    with pytest.raises(RuntimeError, match="namespace"):
        write_signed(response, response, signer())


@pytest.mark.parametrize("identifier", ["", "1", "a b", '"'])
def test_what_cannot_be_referred_to_is_not_signed(identifier: str) -> None:
    response = written(RESPONSE._replace(id=identifier, assertions=()))
    with pytest.raises(ValueError, match="NCName"):
        write_signed(response, None, signer())


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
        found = []
        for write in (outline.to_xml, outline.written):
            with pytest.raises(Refusal, match=r"xml\.unwritable") as refused:
                write("saml")
            found.append(refused.value.found)
        assert found[0] == found[1]
    assertion = ASSERTION._replace(attributes=(make_attribute("mail", [text]),))
    for make in (assertion.to_xml, assertion.written):
        with pytest.raises(Refusal, match=r"xml\.unwritable"):
            make()


@given(st.characters())
def test_text_that_a_tree_can_hold_can_be_written_and_no_other(character: str) -> None:
    outline = Outline()
    outline.add(row(0, names.SAML, "Assertion", "ID", text=True), character, character)
    try:
        expected = canonical(outline.to_xml("saml"))
    except Refusal:
        with pytest.raises(Refusal, match=r"xml\.unwritable"):
            outline.written("saml")
    else:
        assert outline.written("saml").octets == expected


def test_values_that_do_not_fit_the_shape_are_a_defect_and_not_a_message() -> None:
    outline = Outline()
    outline.add(row(0, names.SAML, "Assertion", "ID"))
    for write in (outline.to_xml, outline.written):
        with pytest.raises(RuntimeError, match="0 values for 1 places"):
            write("saml")
