"""Every message written, sent as octets, parsed, proven and read again is the same; and what is not understood is refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.attributes import Attribute, Value, make_value
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, Confirmation, NameId
from ostiary.saml.attribute_names import MAXIMUM_NAME_LENGTH, MAXIMUM_VALUE_LENGTH, friendly_name, is_known, wire_name
from ostiary.saml.protocol import (
    AttributeQuery,
    AuthnRequest,
    RequestedAuthnContext,
    Response,
    Status,
    new_id,
    unproven_envelope,
)
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import SignedElement, UnsignedAllowedByMetadata, sign, verify_element
from ostiary.saml.xml import Element, add, parse_xml, qname, to_bytes
from tests.saml.world import ACS, ASSERTION, IDP, NOW, REQUEST, RESPONSE, SP, refusal_code, response_element, signer

MODEST = settings(max_examples=40, deadline=None)

# What XML keeps as it is: no control characters, no white space at either end of a text.
words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=30,
)
urls = st.sampled_from([SP, ACS, IDP, "https://münchen.example/ä?b=c&d=<e>\"'"])
ids = st.from_regex(r"_[0-9a-f]{1,40}", fullmatch=True)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
maybe = st.none
name_ids = st.builds(
    NameId, words, st.sampled_from([names.TRANSIENT, names.PERSISTENT]), maybe() | words, maybe() | words
)
attribute_names = st.sampled_from(["mail", "eduPersonScopedAffiliation", "displayName", "urn:x-made:up"])


@st.composite
def attributes(draw: st.DrawFn, least: int = 0) -> tuple[Attribute, ...]:
    chosen = draw(st.lists(attribute_names, min_size=least, max_size=4, unique=True))
    return tuple(
        Attribute(name, tuple(make_value(name, text) for text in draw(st.lists(words, min_size=1, max_size=3))), IDP)
        for name in chosen
    )


assertions = st.builds(
    Assertion,
    id=ids,
    issuer=urls,
    issue_instant=instants,
    name_id=name_ids,
    confirmations=st.lists(
        st.builds(
            Confirmation,
            st.sampled_from([names.BEARER, names.SENDER_VOUCHES]),
            maybe() | urls,
            maybe() | instants,
            maybe() | instants,
            maybe() | ids,
        ),
        max_size=2,
    ).map(tuple),
    conditions=maybe()
    | st.builds(
        Conditions,
        maybe() | instants,
        maybe() | instants,
        st.lists(st.lists(urls, min_size=1, max_size=2).map(tuple), max_size=2).map(tuple),
    ),
    authn_statements=st.lists(
        st.builds(AuthnStatement, instants, maybe() | words, maybe() | instants, st.just(names.PASSWORD)), max_size=2
    ).map(tuple),
    attributes=attributes(),
).map(
    # Who asserts an attribute is who issued the assertion.
    lambda made: made._replace(attributes=tuple(one._replace(issuer=made.issuer) for one in made.attributes))
)


def sent(element: Element) -> SignedElement:
    """Signed, sent, parsed, checked and verified."""
    sign(element, signer("p256"))
    arrived = parse_xml(to_bytes(element))
    check_schema(arrived, "protocol")
    return verify_element(arrived, [signer("p256").public])


@given(assertions)
@MODEST
def test_an_assertion_arrives_as_it_was_written(assertion: Assertion) -> None:
    assert Assertion.from_proof(sent(assertion.to_xml())) == assertion


@given(
    st.builds(
        AuthnRequest,
        id=ids,
        issuer=urls,
        issue_instant=instants,
        destination=maybe() | urls,
        acs_url=maybe() | urls,
        acs_index=maybe() | st.integers(0, 65_535),
        protocol_binding=st.sampled_from([None, names.HTTP_POST]),
        nameid_format=st.sampled_from([None, names.TRANSIENT]),
        force_authn=st.booleans(),
        is_passive=st.booleans(),
        requested_context=maybe()
        | st.builds(
            RequestedAuthnContext,
            st.lists(st.sampled_from([names.PASSWORD, names.PASSWORD_PROTECTED_TRANSPORT]), min_size=1).map(tuple),
            st.sampled_from(["exact", "minimum", "maximum", "better"]),
        ),
        target=maybe() | urls,
        attribute_index=maybe() | st.integers(0, 65_535),
    )
)
@MODEST
def test_an_authentication_request_arrives_as_it_was_written(request: AuthnRequest) -> None:
    assert AuthnRequest.from_proof(sent(request.to_xml())) == request
    unsigned = parse_xml(to_bytes(request.to_xml()))
    assert AuthnRequest.from_proof(UnsignedAllowedByMetadata(unsigned, request.issuer)) == request


@given(
    st.builds(
        AttributeQuery,
        id=ids,
        issuer=urls,
        issue_instant=instants,
        name_id=name_ids,
        destination=maybe() | urls,
        attributes=maybe()
        | attributes(1).map(lambda wanted: tuple(attribute._replace(issuer=None) for attribute in wanted)),
        target=maybe() | urls,
    )
)
@MODEST
def test_an_attribute_query_arrives_as_it_was_written(query: AttributeQuery) -> None:
    assert AttributeQuery.from_proof(sent(query.to_xml())) == query


@given(
    st.builds(
        Response,
        id=ids.map(lambda value: f"{value}r"),
        issuer=maybe() | urls,
        issue_instant=instants,
        status=st.builds(
            Status,
            st.sampled_from([names.SUCCESS, names.RESPONDER]),
            st.sampled_from([None, names.NO_PASSIVE]),
            maybe() | words,
        ),
        destination=maybe() | urls,
        in_response_to=maybe() | ids,
        assertions=st.lists(assertions, max_size=1).map(tuple),
    )
)
@MODEST
def test_a_response_arrives_as_it_was_written(response: Response) -> None:
    proof = sent(response.to_xml(*(assertion.to_xml() for assertion in response.assertions)))
    assert Response.from_proof(proof) == response
    assert unproven_envelope(proof.element) == response._replace(assertions=())


def changed(change: Callable[[Element], None]) -> Element:
    element = response_element(sign_assertion=False, sign_response=False)
    change(element)
    return element


def read(element: Element) -> Response:
    sign(element, signer())
    return Response.from_proof(verify_element(element, [signer().public]))


def nothing(_: Element) -> None:
    """The valid twin."""


def assertion_of(response: Element) -> Element:
    found = response.find(qname(names.SAML, "Assertion"))
    if found is None:
        raise ValueError("no assertion")
    return found


def another_condition(element: Element) -> None:
    conditions = assertion_of(element).find(qname(names.SAML, "Conditions"))
    if conditions is not None:
        etree.SubElement(conditions, qname(names.SAML, "Condition"))


def one_time_use(element: Element) -> None:
    conditions = assertion_of(element).find(qname(names.SAML, "Conditions"))
    if conditions is not None:
        etree.SubElement(conditions, qname(names.SAML, "OneTimeUse"))


def encrypted_assertion(element: Element) -> None:
    etree.SubElement(element, qname(names.SAML, "EncryptedAssertion"))


def encrypted_name(element: Element) -> None:
    subject = assertion_of(element).find(qname(names.SAML, "Subject"))
    if subject is not None:
        subject.insert(0, etree.Element(qname(names.SAML, "EncryptedID")))


def encrypted_attribute(element: Element) -> None:
    statement = assertion_of(element).find(qname(names.SAML, "AttributeStatement"))
    if statement is not None:
        etree.SubElement(statement, qname(names.SAML, "EncryptedAttribute"))


def two_subjects(element: Element) -> None:
    subject = assertion_of(element).find(qname(names.SAML, "Subject"))
    if subject is not None:
        subject.addnext(parse_xml(to_bytes(subject)))


def two_name_ids(element: Element) -> None:
    name_id = next(element.iter(qname(names.SAML, "NameID")))
    name_id.addnext(parse_xml(to_bytes(name_id)))


def older_version(element: Element) -> None:
    element.set("Version", "1.1")


def older_assertion(element: Element) -> None:
    assertion_of(element).set("Version", "1.1")


def unknown_issuer_format(element: Element) -> None:
    element[0].set("Format", names.EMAIL_ADDRESS)


def qualified_issuer(element: Element) -> None:
    element[0].set("NameQualifier", SP)


def local_time(element: Element) -> None:
    element.set("IssueInstant", "2026-11-22T13:00:00+01:00")


def another_message(element: Element) -> None:
    element.tag = qname(names.SAMLP, "LogoutResponse")


def value_too_long(element: Element) -> None:
    value = next(element.iter(qname(names.SAML, "AttributeValue")))
    value.text = "x" * (MAXIMUM_VALUE_LENGTH + 1)


def name_too_long(element: Element) -> None:
    next(element.iter(qname(names.SAML, "Attribute"))).set("Name", "x" * (MAXIMUM_NAME_LENGTH + 1))


def name_with_markup(element: Element) -> None:
    name_id = next(element.iter(qname(names.SAML, "NameID")))
    name_id.text = "admin"
    etree.SubElement(name_id, "b").tail = ".evil"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (nothing, "accepted"),
        (one_time_use, "accepted"),
        (another_condition, "saml.unknown_condition"),
        (encrypted_assertion, "saml.encrypted"),
        (encrypted_name, "saml.encrypted"),
        (encrypted_attribute, "saml.encrypted"),
        (two_subjects, "xml.repeated_element"),
        (two_name_ids, "xml.repeated_element"),
        (older_version, "saml.version"),
        (older_assertion, "saml.version"),
        (unknown_issuer_format, "saml.issuer_format"),
        (qualified_issuer, "saml.issuer_format"),
        (local_time, "xml.instant"),
        (another_message, "saml.other_message"),
        (value_too_long, "saml.attribute_limits"),
        (name_too_long, "saml.attribute_limits"),
        (name_with_markup, "xml.unexpected_element"),
    ],
)
def test_what_is_not_understood_is_refused_although_it_is_signed(change: Callable[[Element], None], code: str) -> None:
    assert refusal_code(lambda: read(changed(change))) == code


def test_too_many_values_are_refused() -> None:
    def values(number: int) -> Attribute:
        return Attribute("mail", tuple(Value(str(n)) for n in range(number)))

    for number, code in ((2_000, "accepted"), (2_001, "saml.attribute_limits")):
        element = response_element(assertion=ASSERTION._replace(attributes=(values(number),)), sign_response=False)
        assert refusal_code(partial(read, element)) == code


def test_a_signed_response_of_the_world_reads_as_literal_values() -> None:
    response = Response.from_proof(verify_element(parse_xml(to_bytes(response_element())), [signer().public]))
    assert response == RESPONSE
    assertion = response.assertions[0]
    assert assertion.confirmations == (
        Confirmation(names.BEARER, ACS, datetime(2026, 11, 22, 12, 5, tzinfo=UTC), None, REQUEST),
    )
    assert [attribute.texts() for attribute in assertion.attributes] == [
        ("member@northgate.example", "staff@northgate.example"),
        ("alma@northgate.example",),
    ]


def test_values_that_are_empty_or_hold_markup_say_nothing_and_a_name_id_says_its_text() -> None:
    element = response_element(sign_assertion=False, sign_response=False)
    first, second, third = element.iter(qname(names.SAML, "AttributeValue"))
    first.text = "  "
    second.text = None
    add(second, names.SAML, "NameID", "targeted")
    third.text = "al"
    etree.SubElement(third, "b").tail = "ma"
    assert [attribute.texts() for attribute in read(element).assertions[0].attributes] == [("!!targeted",), ()]


def test_an_id_is_an_xml_name_of_160_random_bits() -> None:
    made = {new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(len(value) == 41 and value.startswith("_") for value in made)


def test_wire_names_are_those_of_the_standards() -> None:
    assert wire_name("eduPersonScopedAffiliation") == "urn:oid:1.3.6.1.4.1.5923.1.1.1.9"
    assert wire_name("mail") == "urn:oid:0.9.2342.19200300.100.1.3"
    assert wire_name("eduPersonEntitlement") == "urn:oid:1.3.6.1.4.1.5923.1.1.1.7"
    assert friendly_name("urn:oid:1.3.6.1.4.1.5923.1.1.1.6", names.URI_NAME) == "eduPersonPrincipalName"
    # A name that only looks like one of the uri format is not translated.
    assert friendly_name("urn:oid:1.3.6.1.4.1.5923.1.1.1.6", names.BASIC_NAME) == "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"
    assert (is_known("mail"), is_known("urn:x-made:up"), wire_name("urn:x-made:up")) == (True, False, "urn:x-made:up")


def test_an_unwritable_value_is_refused_when_it_is_written() -> None:
    assertion = ASSERTION._replace(attributes=(Attribute("mail", (Value("a\x00b"),)),))
    with pytest.raises(Refusal, match=r"xml\.unwritable"):
        assertion.to_xml()


def test_the_end_of_an_assertion_can_be_far_away() -> None:
    far = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assertion = ASSERTION._replace(conditions=Conditions(NOW - timedelta(days=1), far, ((SP,),)))
    assert Assertion.from_proof(sent(assertion.to_xml())).conditions == assertion.conditions
