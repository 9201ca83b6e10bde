"""Rules for documents as a whole, and for several entities in one; hostile documents raise nothing."""

import copy
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.federation.publish.documents import signed_aggregate
from ostiary.federation.validation.check import check_document, check_entity
from ostiary.federation.validation.findings import MOST_OF_ONE_RULE, Finding
from ostiary.saml import names
from ostiary.saml.signature import sign
from ostiary.saml.xml import METADATA, Element, parse_xml, qname, to_bytes, write_instant
from tests.federation.entities import HOME, LIBRARY
from tests.metadata_validation.descriptors import (
    IDP,
    IDP_KEY,
    NAMESPACES,
    SP,
    SP_KEY,
    changed,
    found_in,
)
from tests.saml.world import NOW, signer

BY = signer("rsa", "federation")
SOON = NOW + timedelta(days=7)
PUBLISHED = '<md:Extensions><mdrpi:PublicationInfo publisher="https://federation.zz"/></md:Extensions>'


def signed_group(*members: str, until: str = write_instant(SOON), more: str = "", first: str = PUBLISHED) -> Element:
    """An aggregate of these members, signed."""
    text = f'<md:EntitiesDescriptor {NAMESPACES} ID="_one" validUntil="{until}" {more}>\n{first}{"".join(members)}</md:EntitiesDescriptor>'
    root = parse_xml(text.encode(), METADATA)
    sign(root, BY)
    return parse_xml(to_bytes(root), METADATA)


def codes(found: object) -> list[str]:
    return [one.code for one in found]


def checked(root: Element) -> list[str]:
    return codes(check_document(root, NOW, trusted=[BY.public]))


def test_a_signed_aggregate_of_good_entities_has_no_findings() -> None:
    assert checked(signed_group(IDP, SP)) == []


def test_an_entity_that_is_handed_over_by_itself_need_not_be_signed() -> None:
    found = list(check_document(parse_xml(IDP.encode(), METADATA), NOW))
    assert [(one.code, one.severity) for one in found] == [
        ("document.entity_not_signed", "info"),
        ("document.entity_no_valid_until", "info"),
    ]


def test_an_aggregate_without_signature_is_an_error() -> None:
    root = signed_group(IDP)
    root.remove(root[0])
    assert checked(root) == ["document.not_signed"]


def test_an_entity_without_signature_is_an_error_where_a_key_is_expected() -> None:
    root = parse_xml(changed(IDP, "entityID", f'validUntil="{write_instant(SOON)}" entityID').encode(), METADATA)
    assert checked(root) == ["document.not_signed"]


def test_a_signature_by_another_key_is_an_error() -> None:
    found = list(check_document(signed_group(IDP), NOW, trusted=[signer("p256", "sp").public]))
    assert [(one.code, one.path, one.facts) for one in found] == [
        ("document.signature_wrong", "Signature", (("found", "signature.wrong"),))
    ]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (names.RSA_SHA256, names.RSA_SHA1, "document.signature_algorithm"),
        (names.SHA256, names.SHA1, "document.signature_algorithm"),
        ('URI="#_one"', 'URI=""', "document.signature_form"),
        ('URI="#_one"', 'URI="#_two"', "document.signature_form"),
    ],
)
def test_a_signature_of_another_form_is_found_without_any_key(old: str, new: str, code: str) -> None:
    text = changed(to_bytes(signed_group(IDP)).decode(), old, new)
    assert codes(check_document(parse_xml(text.encode(), METADATA), NOW)) == [code]


@pytest.mark.parametrize(
    ("until", "more", "expected"),
    [
        (write_instant(NOW + timedelta(days=27)), "", []),
        (write_instant(NOW + timedelta(days=29)), "", ["document.valid_too_long"]),
        ("9999-12-31T23:59:59Z", "", ["document.valid_too_long"]),
        (write_instant(NOW), "", ["document.expired"]),
        ("tomorrow", "", ["document.instant"]),
        (write_instant(SOON), 'cacheDuration="PT6H"', []),
        (write_instant(SOON), 'cacheDuration="P8D"', ["document.cache_duration"]),
        (write_instant(SOON), 'cacheDuration="6 hours"', ["document.cache_duration"]),
    ],
)
def test_the_end_of_a_document_is_looked_at(until: str, more: str, expected: list[str]) -> None:
    assert checked(signed_group(IDP, until=until, more=more)) == expected


def test_a_signed_document_without_end_is_an_error() -> None:
    root = parse_xml(IDP.encode(), METADATA)
    root.set("ID", "_one")
    sign(root, BY)
    assert checked(parse_xml(to_bytes(root), METADATA)) == ["document.no_valid_until"]


def test_a_group_inside_that_has_ended_is_an_error() -> None:
    inner = (
        f'<md:EntitiesDescriptor validUntil="{write_instant(NOW - timedelta(days=1))}">{IDP}</md:EntitiesDescriptor>'
    )
    assert checked(signed_group(inner, SP)) == ["document.expired"]


def test_an_entity_that_has_ended_is_an_error() -> None:
    ended = changed(IDP, "entityID", f'validUntil="{write_instant(NOW)}" entityID')
    assert checked(signed_group(ended, SP)) == ["entity.expired"]


def test_a_role_that_has_ended_is_an_error() -> None:
    ended = changed(IDP, "protocolSupport", f'validUntil="{write_instant(NOW)}" protocolSupport')
    [found] = check_document(signed_group(ended, SP), NOW)
    assert (found.code, found.path) == ("entity.expired", "IDPSSODescriptor")
    assert codes(found_in(ended)) == ["entity.expired"]


def test_the_same_entity_twice_is_an_error_that_names_the_first() -> None:
    found = [one for one in check_document(signed_group(IDP, IDP), NOW) if one.code == "document.duplicate_entity"]
    assert [(one.entity_id, one.facts) for one in found] == [("https://idp.northgate.zz/idp", (("line", "2"),))]


def test_two_entities_with_one_key_are_told_once_for_each_key() -> None:
    other = changed(SP, SP_KEY, IDP_KEY)
    [found] = check_document(signed_group(IDP, other), NOW)
    facts = dict(found.facts)
    assert (found.code, found.severity, facts["count"]) == ("document.shared_key", "warning", "2")
    assert facts["entities"] == "https://idp.northgate.zz/idp, https://library.northgate.zz/sp"


def test_a_group_without_entities_is_an_error() -> None:
    assert checked(signed_group("<md:EntitiesDescriptor/>", IDP)) == ["document.empty"]


def test_what_is_no_entity_in_a_group_is_an_error() -> None:
    assert checked(signed_group(IDP, "<md:Organization/>")) == ["document.unexpected_element"]


def test_an_aggregate_that_does_not_say_who_published_it_is_remarked() -> None:
    assert checked(signed_group(IDP, first="")) == ["document.no_publication_info"]


def test_an_id_that_stands_there_twice_is_found() -> None:
    doubled = [changed(text, "<md:EntityDescriptor", '<md:EntityDescriptor ID="_two"') for text in (IDP, SP)]
    assert checked(signed_group(*doubled)) == ["document.duplicate_id"]


def test_another_root_is_an_error() -> None:
    assert codes(found_in("<a/>")) == ["document.root", "document.not_signed"]


def test_a_document_of_our_own_maker_has_no_errors() -> None:
    text = signed_aggregate([HOME, LIBRARY], BY, name="https://federation.zz", valid_until=SOON)
    found = check_document(parse_xml(text, METADATA), NOW, trusted=[BY.public])
    assert [one.code for one in found if one.severity == "error"] == []


def test_of_one_rule_a_bounded_number_of_places_is_listed_and_the_rest_counted() -> None:
    more = "<md:EmailAddress>nobody</md:EmailAddress>" * 50
    flood = changed(IDP, "<md:EmailAddress>mailto:help@northgate.zz</md:EmailAddress>", more)
    found = [one for one in found_in(flood) if one.code == "entity.contact_email"]
    assert len(found) == MOST_OF_ONE_RULE
    assert [one.more for one in found] == [0] * (MOST_OF_ONE_RULE - 1) + [50 - MOST_OF_ONE_RULE]


def test_findings_stand_in_the_order_of_the_document_with_lines_and_paths() -> None:
    broken = changed(changed(SP, "/acs/ecp", "/acs#ecp"), "Library (deutsch)", "")
    assert [(one.code, one.line, one.path) for one in found_in(broken)] == [
        ("text.empty", 12, "SPSSODescriptor/Extensions/UIInfo/DisplayName[2]"),
        ("endpoint.fragment", 24, "SPSSODescriptor/AssertionConsumerService[2]"),
    ]


def test_lines_beyond_65535_are_told_as_they_are() -> None:
    found = found_in("\n" * 70_000 + changed(IDP, "Location=", "Place="))
    assert {one.line > 70_000 for one in found} == {True}


def test_processing_instructions_do_not_cut_values() -> None:
    assert found_in(changed(IDP, ">northgate.zz<", ">north<?cut here?>gate.zz<")) == ()


_NAMES = [
    qname(names.MD, "EntityDescriptor"),
    "entityID",
    "Location",
    "index",
    "regexp",
    "width",
    "validUntil",
    "Binding",
]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_whatever_happens_to_a_descriptor_nothing_is_raised(data: st.DataObject) -> None:
    root = parse_xml(data.draw(st.sampled_from([IDP, SP])).encode(), METADATA)
    for _ in range(data.draw(st.integers(1, 6))):
        elements = list(root.iter("*"))
        element = elements[data.draw(st.integers(0, len(elements) - 1))]
        kind = data.draw(st.sampled_from(["remove", "double", "text", "attribute", "tag"]))
        word = (
            data.draw(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12))
            .replace("\ufffe", "")
            .replace("\uffff", "")
        )
        parent = element.getparent()
        if kind == "text":
            element.text = data.draw(st.sampled_from([word, "", "[::1", "https://[", "data:,", "^(", "-1"]))
        elif kind == "attribute" and element.attrib:
            element.set(
                data.draw(st.sampled_from(sorted(element.attrib))),
                data.draw(st.sampled_from([word, "http://[", "99999999999"])),
            )
        elif kind == "tag":
            element.tag = data.draw(st.sampled_from([one.tag for one in elements]))
        elif parent is not None and kind == "remove":
            parent.remove(element)
        elif parent is not None:
            parent.append(copy.deepcopy(element))
    found = check_entity(root, NOW)
    assert all(isinstance(one, Finding) and one.severity in ("error", "warning", "info") for one in found)


def test_the_tree_is_not_changed_by_looking_at_it() -> None:
    root = signed_group(IDP, SP)
    before = etree.tostring(root)
    list(check_document(root, NOW))
    assert etree.tostring(root) == before
