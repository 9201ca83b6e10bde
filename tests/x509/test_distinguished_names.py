"""Names in OpenSSL's one-line form, their canonical form and the file hashes; every expected value was printed by OpenSSL 3.0."""

import pytest
from cryptography import x509
from cryptography.x509 import NameAttribute, ObjectIdentifier, RelativeDistinguishedName
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.x509 import asn1, names, oids
from tests.x509.authorities import distinguished_name, error_code, root

PLAIN = distinguished_name("/C=ZZ/O=HV Test/CN=Alice Member")
SPACED = x509.Name(
    [
        NameAttribute(NameOID.DOMAIN_COMPONENT, "org"),
        NameAttribute(NameOID.DOMAIN_COMPONENT, "Example Grid"),
        NameAttribute(NameOID.USER_ID, "alice"),
        NameAttribute(NameOID.EMAIL_ADDRESS, "Alice@Example.org"),
        NameAttribute(NameOID.COMMON_NAME, "  Zoë   Müller "),
    ]
)
SEVERAL = x509.Name(
    [
        RelativeDistinguishedName([NameAttribute(NameOID.COUNTRY_NAME, "ZZ")]),
        RelativeDistinguishedName(
            [NameAttribute(NameOID.COMMON_NAME, "a+b/c\\d"), NameAttribute(NameOID.USER_ID, "u1")]
        ),
        RelativeDistinguishedName([NameAttribute(NameOID.SERIAL_NUMBER, "42")]),
    ]
)
ODD = x509.Name(
    [
        NameAttribute(NameOID.COMMON_NAME, "AB é", _ASN1Type.BMPString),
        NameAttribute(NameOID.ORGANIZATION_NAME, "Wide", _ASN1Type.UniversalString),
        NameAttribute(ObjectIdentifier("1.2.3.4"), "odd"),
        NameAttribute(NameOID.GIVEN_NAME, "G"),
        NameAttribute(NameOID.SURNAME, "S"),
        NameAttribute(NameOID.TITLE, "T"),
        NameAttribute(NameOID.STREET_ADDRESS, "st"),
        NameAttribute(NameOID.POSTAL_CODE, "pc"),
        NameAttribute(NameOID.DN_QUALIFIER, "dq"),
        NameAttribute(NameOID.PSEUDONYM, "ps"),
        NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "x"),
        NameAttribute(NameOID.LOCALITY_NAME, "l"),
        NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "ou\tx"),
        NameAttribute(NameOID.JURISDICTION_COUNTRY_NAME, "ZZ"),
        NameAttribute(NameOID.BUSINESS_CATEGORY, "b"),
        NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "oi"),
        NameAttribute(NameOID.UNSTRUCTURED_NAME, "un"),
        NameAttribute(NameOID.GENERATION_QUALIFIER, "III"),
        NameAttribute(NameOID.INITIALS, "in"),
        NameAttribute(NameOID.JURISDICTION_LOCALITY_NAME, "jl"),
        NameAttribute(NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME, "js"),
        NameAttribute(NameOID.POSTAL_ADDRESS, "pa"),
        NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\1\2", _ASN1Type.BitString),
    ]
)

AS_OPENSSL_PRINTS_THEM = [
    (PLAIN, "/C=ZZ/O=HV Test/CN=Alice Member", "8d6d648e", "baf313dc"),
    (
        SPACED,
        r"/DC=org/DC=Example Grid/UID=alice/emailAddress=Alice@Example.org/CN=  Zo\xC3\xAB   M\xC3\xBCller ",
        "1c64edc6",
        "a1671791",
    ),
    (SEVERAL, r"/C=ZZ/CN=a\+b\/c\d+UID=u1/serialNumber=42", "573dd690", "87b17a0b"),
    (
        ODD,
        (
            r"/CN=\x00A\x00B\x00 \x00\xE9/O=\x00\x00\x00W\x00\x00\x00i\x00\x00\x00d\x00\x00\x00e/1.2.3.4=odd/GN=G/SN=S"
            r"/title=T/street=st/postalCode=pc/dnQualifier=dq/pseudonym=ps/ST=x/L=l/OU=ou\x09x/jurisdictionC=ZZ"
            r"/businessCategory=b/organizationIdentifier=oi/unstructuredName=un/generationQualifier=III/initials=in"
            r"/jurisdictionL=jl/jurisdictionST=js/postalAddress=pa/x500UniqueIdentifier=\x02"
        ),
        "e360062e",
        "55144663",
    ),
]


@pytest.mark.parametrize(("name", "slash", "hashed", "hashed_old"), AS_OPENSSL_PRINTS_THEM)
def test_a_name_is_written_and_hashed_as_openssl_does(
    name: x509.Name, slash: str, hashed: str, hashed_old: str
) -> None:
    assert names.slash_form(name) == slash
    assert names.slash_form_of(name.public_bytes()) == slash
    assert names.subject_hash(name) == hashed
    assert names.subject_hash_old(name) == hashed_old


def test_a_general_string_loses_its_empty_columns_only_when_all_of_them_are_empty() -> None:
    def written(value: bytes) -> str:
        item = asn1.AttributeTypeAndValue(type=oids.COMMON_NAME, value=asn1.raw(value))
        return names.slash_form_of(asn1.sequence_of([asn1.set_of([asn1.encode(item)])]))

    assert written(b"\x1b\x08\x00\x00\x00A\x00\x00\x00B") == "/CN=AB"
    assert written(b"\x1b\x08\x00\x00\x00A\x00\x00\x01B") == r"/CN=\x00\x00\x00A\x00\x00\x01B"
    assert written(b"\x1b\x03ABC") == "/CN=ABC"


def test_the_empty_name_is_an_empty_text() -> None:
    assert names.slash_form(x509.Name([])) == ""


def test_the_names_of_a_certificate_come_out_byte_for_byte() -> None:
    authority = root()
    alice = authority.issue(ODD).certificate
    assert names.subject_bytes(alice) == ODD.public_bytes()
    assert names.issuer_bytes(alice) == authority.certificate.subject.public_bytes()


def test_names_are_compared_as_openssl_compares_them() -> None:
    def same(one: x509.Name, other: x509.Name) -> bool:
        return names.same_name(one.public_bytes(), other.public_bytes())

    assert same(PLAIN, distinguished_name("/C=zz/O=hv  TEST/CN= alice member "))
    printable = x509.Name([NameAttribute(NameOID.COMMON_NAME, "Alice", _ASN1Type.PrintableString)])
    assert same(printable, distinguished_name("/CN=Alice"))
    assert not same(printable, distinguished_name("/O=Alice"))
    assert not same(PLAIN, distinguished_name("/O=HV Test/C=ZZ/CN=Alice Member"))
    assert not same(distinguished_name("/CN=Zoë"), distinguished_name("/CN=ZOË"))
    # One value with a slash in it, and two values.
    assert not same(distinguished_name("/CN=a/CN=b"), x509.Name([NameAttribute(NameOID.COMMON_NAME, "a/CN=b")]))


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("/C=ZZ/E=a@b.example/CN=x", "/C=ZZ/emailAddress=a@b.example/CN=x"),
        ("/C=ZZ/CN=x+Email=a@b.example", "/C=ZZ/CN=x+emailAddress=a@b.example"),
        ("/USERID=u/CN=x", "/UID=u/CN=x"),
        (r"/CN=host\/a.example", "/CN=host/a.example"),
        ("/C=ZZ/O=HV Test", "/C=ZZ/O=HV Test"),
    ],
)
def test_older_spellings_in_files_mean_the_same(written: str, compared: str) -> None:
    assert names.normal_slash_form(written) == compared


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"\x30",
        b"\x30\x01",
        b"\x30\x81\x00",
        PLAIN.public_bytes() + b"\x00",
        PLAIN.public_bytes()[:-1],
        bytes.fromhex("300d310b3009060355040313025a"),
        # A SET with nothing but a name in it, an attribute without value, a BMPString of one octet.
        bytes.fromhex("3009310706035504033000"),
        bytes.fromhex("300c310a300806035504031e0141"),
        bytes.fromhex("300c310a300806035504030c01ff"),
    ],
)
def test_what_is_not_a_name_is_refused(name: bytes) -> None:
    assert error_code(lambda: names.canonical_rdns(name)) == "x509.name"


def test_an_endless_name_is_refused_before_it_is_read() -> None:
    assert error_code(lambda: names.canonical_rdns(b"\x30" * 9000)) == "x509.name"


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_every_name_has_a_form_and_equals_itself_in_capitals(values: list[str]) -> None:
    name = x509.Name([NameAttribute(NameOID.COMMON_NAME, value) for value in values]).public_bytes()
    text = names.slash_form_of(name)
    assert text.isascii()
    assert text.isprintable()
    shouted = ["".join(letter.upper() if letter.isascii() else letter for letter in value) for value in values]
    again = x509.Name([NameAttribute(NameOID.COMMON_NAME, value) for value in shouted]).public_bytes()
    assert names.same_name(name, again)


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_rubbish_is_refused_and_never_crashes(data: bytes) -> None:
    assert error_code(lambda: names.slash_form_of(data)) in ("accepted", "x509.name")
