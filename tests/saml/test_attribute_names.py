"""Names and values of attributes on the wire: every name of the maps both ways, custom names, persistent names as NameID."""

import warnings

import pytest
from lxml import etree

from ostiary.attributes import Attribute, NameIdValue, Value, make_attribute, make_name_id_value
from ostiary.saml import names
from ostiary.saml.attribute_names import friendly_name, is_known, read_attributes, wire_name, write_attributes
from ostiary.saml.outline import Outline, row
from ostiary.saml.xml import Element, parse_xml, qname, to_bytes

HOME, SP = "https://idp.uni.example", "https://sp.example"
STATEMENT = row(0, names.SAML, "AttributeStatement")

# Of which object class or specification an attribute is; the OIDs are those of RFC 4519, RFC 4524, RFC 2798, eduPerson 202208, SCHAC 1.6.
PEOPLE = {
    "cn": "2.5.4.3",
    "sn": "2.5.4.4",
    "telephoneNumber": "2.5.4.20",
    "seeAlso": "2.5.4.34",
    "description": "2.5.4.13",
    "title": "2.5.4.12",
    "facsimileTelephoneNumber": "2.5.4.23",
    "street": "2.5.4.9",
    "postOfficeBox": "2.5.4.18",
    "postalCode": "2.5.4.17",
    "postalAddress": "2.5.4.16",
    "physicalDeliveryOfficeName": "2.5.4.19",
    "ou": "2.5.4.11",
    "st": "2.5.4.8",
    "l": "2.5.4.7",
    "o": "2.5.4.10",
    "givenName": "2.5.4.42",
    "initials": "2.5.4.43",
    "businessCategory": "2.5.4.15",
    "userCertificate": "2.5.4.36",
    "x500UniqueIdentifier": "2.5.4.45",
    "audio": "0.9.2342.19200300.100.1.55",
    "homePhone": "0.9.2342.19200300.100.1.20",
    "homePostalAddress": "0.9.2342.19200300.100.1.39",
    "jpegPhoto": "0.9.2342.19200300.100.1.60",
    "mail": "0.9.2342.19200300.100.1.3",
    "manager": "0.9.2342.19200300.100.1.10",
    "mobile": "0.9.2342.19200300.100.1.41",
    "pager": "0.9.2342.19200300.100.1.42",
    "photo": "0.9.2342.19200300.100.1.7",
    "roomNumber": "0.9.2342.19200300.100.1.6",
    "secretary": "0.9.2342.19200300.100.1.21",
    "uid": "0.9.2342.19200300.100.1.1",
    "carLicense": "2.16.840.1.113730.3.1.1",
    "departmentNumber": "2.16.840.1.113730.3.1.2",
    "displayName": "2.16.840.1.113730.3.1.241",
    "employeeNumber": "2.16.840.1.113730.3.1.3",
    "employeeType": "2.16.840.1.113730.3.1.4",
    "preferredLanguage": "2.16.840.1.113730.3.1.39",
    "userSMIMECertificate": "2.16.840.1.113730.3.1.40",
    "userPKCS12": "2.16.840.1.113730.3.1.216",
    "labeledURI": "1.3.6.1.4.1.250.1.57",
    "eduPersonAffiliation": "1.3.6.1.4.1.5923.1.1.1.1",
    "eduPersonNickname": "1.3.6.1.4.1.5923.1.1.1.2",
    "eduPersonOrgDN": "1.3.6.1.4.1.5923.1.1.1.3",
    "eduPersonOrgUnitDN": "1.3.6.1.4.1.5923.1.1.1.4",
    "eduPersonPrimaryAffiliation": "1.3.6.1.4.1.5923.1.1.1.5",
    "eduPersonPrincipalName": "1.3.6.1.4.1.5923.1.1.1.6",
    "eduPersonEntitlement": "1.3.6.1.4.1.5923.1.1.1.7",
    "eduPersonPrimaryOrgUnitDN": "1.3.6.1.4.1.5923.1.1.1.8",
    "eduPersonScopedAffiliation": "1.3.6.1.4.1.5923.1.1.1.9",
    "eduPersonTargetedID": "1.3.6.1.4.1.5923.1.1.1.10",
    "eduPersonAssurance": "1.3.6.1.4.1.5923.1.1.1.11",
    "eduPersonPrincipalNamePrior": "1.3.6.1.4.1.5923.1.1.1.12",
    "eduPersonUniqueId": "1.3.6.1.4.1.5923.1.1.1.13",
    "eduPersonOrcid": "1.3.6.1.4.1.5923.1.1.1.16",
    "eduPersonAnalyticsTag": "1.3.6.1.4.1.5923.1.1.1.17",
    "eduPersonDisplayPronouns": "1.3.6.1.4.1.5923.1.1.1.18",
    "isMemberOf": "1.3.6.1.4.1.5923.1.5.1.1",
    "schacMotherTongue": "1.3.6.1.4.1.25178.1.2.1",
    "schacGender": "1.3.6.1.4.1.25178.1.2.2",
    "schacDateOfBirth": "1.3.6.1.4.1.25178.1.2.3",
    "schacPlaceOfBirth": "1.3.6.1.4.1.25178.1.2.4",
    "schacCountryOfCitizenship": "1.3.6.1.4.1.25178.1.2.5",
    "schacSn1": "1.3.6.1.4.1.25178.1.2.6",
    "schacSn2": "1.3.6.1.4.1.25178.1.2.7",
    "schacPersonalTitle": "1.3.6.1.4.1.25178.1.2.8",
    "schacHomeOrganization": "1.3.6.1.4.1.25178.1.2.9",
    "schacHomeOrganizationType": "1.3.6.1.4.1.25178.1.2.10",
    "schacCountryOfResidence": "1.3.6.1.4.1.25178.1.2.11",
    "schacUserPresenceID": "1.3.6.1.4.1.25178.1.2.12",
    "schacPersonalPosition": "1.3.6.1.4.1.25178.1.2.13",
    "schacPersonalUniqueCode": "1.3.6.1.4.1.25178.1.2.14",
    "schacPersonalUniqueID": "1.3.6.1.4.1.25178.1.2.15",
    "schacExpiryDate": "1.3.6.1.4.1.25178.1.2.17",
    "schacUserPrivateAttribute": "1.3.6.1.4.1.25178.1.2.18",
    "schacUserStatus": "1.3.6.1.4.1.25178.1.2.19",
    "schacProjectMembership": "1.3.6.1.4.1.25178.1.2.20",
    "schacProjectSpecificRole": "1.3.6.1.4.1.25178.1.2.21",
    "schacYearOfBirth": "1.3.6.1.4.1.25178.1.0.2.3",
}


def test_attributes_of_people_are_known_by_name_and_by_oid() -> None:
    assert {name: wire_name(name) for name in PEOPLE} == {name: f"urn:oid:{oid}" for name, oid in PEOPLE.items()}
    assert {friendly_name(f"urn:oid:{oid}", names.URI_NAME) for oid in PEOPLE.values()} == set(PEOPLE)
    for name in ("pairwise-id", "subject-id"):
        assert wire_name(name) == f"urn:oasis:names:tc:SAML:attribute:{name}"
        assert friendly_name(wire_name(name), names.URI_NAME) == name


def test_no_oid_of_ours_is_another_attribute_in_the_maps() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from saml2.attributemaps import saml_uri
    told = saml_uri.MAP["fro"]
    assert {oid for name, oid in PEOPLE.items() if told.get(f"urn:oid:{oid}", name) != name} == set()
    assert set(saml_uri.MAP["to"]) >= {name for name in PEOPLE if not is_known(name)}


@pytest.mark.parametrize("name_format", [names.URI_NAME, names.BASIC_NAME, names.UNSPECIFIED_NAME])
def test_older_names_are_read_in_every_format(name_format: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from saml2.attributemaps import basic
    assert basic.MAP["identifier"] == names.BASIC_NAME
    told = basic.MAP["fro"]
    assert {wire: friendly_name(wire, name_format) for wire in told} == told
    assert friendly_name("urn:mace:dir:attribute-def:mail", name_format) == "mail"
    assert friendly_name("urn:mace:dir:attribute-def:shoeSize", name_format) == "urn:mace:dir:attribute-def:shoeSize"
    assert friendly_name("mail", name_format) == "mail"


def written(*attributes: Attribute) -> Element:
    outline = Outline()
    outline.add(STATEMENT)
    write_attributes(outline, 1, attributes)
    return parse_xml(to_bytes(outline.to_xml("saml", "xs", "xsi")))


def test_an_attribute_of_ones_own_goes_by_its_uri() -> None:
    statement = written(
        Attribute("shoeSize", (Value("37"),), wire_name="https://uni.example/shoe-size"),
        make_attribute("mail", ["a@b"]),
    )
    assert [dict(found.attrib) for found in statement] == [
        {"Name": "https://uni.example/shoe-size", "NameFormat": names.URI_NAME, "FriendlyName": "shoeSize"},
        {"Name": "urn:oid:0.9.2342.19200300.100.1.3", "NameFormat": names.URI_NAME, "FriendlyName": "mail"},
    ]
    assert [found.name for found in read_attributes(statement, HOME)] == ["https://uni.example/shoe-size", "mail"]


TARGETED = make_name_id_value(NameIdValue("a1b2", HOME, SP))


def test_a_persistent_name_is_written_as_name_id_and_read_again() -> None:
    statement = written(Attribute("eduPersonTargetedID", (TARGETED, TARGETED)), make_attribute("mail", ["a@b"]))
    value = statement[0][0]
    assert (value.tag, dict(value.attrib), value.text) == (qname(names.SAML, "AttributeValue"), {}, None)
    assert [(inner.tag, dict(inner.attrib), inner.text) for inner in value] == [
        (
            qname(names.SAML, "NameID"),
            {"Format": names.PERSISTENT, "NameQualifier": HOME, "SPNameQualifier": SP},
            "a1b2",
        )
    ]
    targeted, mail = read_attributes(statement, HOME)
    assert targeted == Attribute("eduPersonTargetedID", (TARGETED, TARGETED), HOME)
    assert targeted.texts()[0] == "https://idp.uni.example!https://sp.example!a1b2"
    assert mail.values == (Value("a@b"),)


def test_pysaml2_reads_a_persistent_name_of_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from saml2.attribute_converter import ac_factory, to_local
        from saml2.saml import attribute_statement_from_string
    statement = written(Attribute("eduPersonTargetedID", (TARGETED,)), make_attribute("mail", ["a@b"]))
    told = to_local(ac_factory(), attribute_statement_from_string(to_bytes(statement).decode()))
    assert told == {"eduPersonTargetedID": ["a1b2"], "mail": ["a@b"]}


def test_a_persistent_name_that_is_only_asked_for_may_be_a_text() -> None:
    statement = written(make_attribute("eduPersonTargetedID", ["a1b2"]))
    assert read_attributes(statement, None)[0].values == (Value("a1b2"),)


def value_of(inside: str) -> tuple[Value, ...]:
    text = (
        f'<saml:AttributeStatement xmlns:saml="{names.SAML}" xmlns:xs="{names.XS}" xmlns:xsi="{names.XSI}"><saml:Attribute '
        f'Name="urn:oid:1.3.6.1.4.1.5923.1.1.1.10" NameFormat="{names.URI_NAME}">{inside}</saml:Attribute></saml:AttributeStatement>'
    )
    return read_attributes(parse_xml(text.encode()), HOME)[0].values


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<saml:NameID>a</saml:NameID>", NameIdValue("a")),
        (f"\n <saml:NameID NameQualifier='{HOME}'> a </saml:NameID>\n", NameIdValue("a", HOME)),
        (
            f"<saml:NameID Format='{names.UNSPECIFIED_NAMEID}' SPNameQualifier='x'>a</saml:NameID>",
            NameIdValue("a", None, "x"),
        ),
        (f"<saml:NameID Format='{names.TRANSIENT}'>a</saml:NameID>", None),
        (f"<saml:NameID Format='{names.EMAIL_ADDRESS}'>a</saml:NameID>", None),
        ("<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>", None),
        ("<saml:NameID>a<saml:NameID>b</saml:NameID></saml:NameID>", None),
        ("<saml:NameID/>", None),
        ("<saml:Issuer>a</saml:Issuer>", None),
        ("a<NameID xmlns='urn:x'>b</NameID>", None),
    ],
)
def test_only_one_persistent_name_id_is_read(inside: str, expected: NameIdValue | None) -> None:
    found = value_of(f"<saml:AttributeValue>{inside}</saml:AttributeValue>")
    assert [value.name_id for value in found] == ([expected] if expected is not None else [])


def test_a_text_with_qualifiers_on_it_is_a_text() -> None:
    (value,) = value_of(
        f"<saml:AttributeValue xsi:type='saml:NameIDType' NameQualifier='{HOME}'>a</saml:AttributeValue>"
    )
    assert (value.text, value.name_id) == ("a", None)


def test_a_message_with_texts_only_is_written_as_ever() -> None:
    assert etree.tostring(written(make_attribute("cn", ["Ada", "Ada L."]))) == (
        b'<saml:AttributeStatement xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><saml:Attribute Name="urn:oid:2.5.4.3" '
        b'NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri" FriendlyName="cn"><saml:AttributeValue xsi:type="xs:string">Ada'
        b'</saml:AttributeValue><saml:AttributeValue xsi:type="xs:string">Ada L.</saml:AttributeValue></saml:Attribute>'
        b"</saml:AttributeStatement>"
    )
