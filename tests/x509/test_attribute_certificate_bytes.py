"""Attribute certificates as bytes: where everything lies in a real one from vomsd 2.1.0, read by a second decoder, and broken."""

import functools
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.der import decoder as pyasn1_decoder
from pyasn1.type import univ
from pyasn1_modules import rfc5280, rfc5755

from ostiary.x509 import asn1, oids
from ostiary.x509.attribute_certificate import (
    AttributeCertificate,
    GenericAttribute,
    Statement,
    read_attribute_certificate,
    sign_attribute_certificate,
)
from ostiary.x509.issuer_key import issuer_key
from tests.x509.authorities import (
    Identity,
    attribute_authority,
    attribute_certificate,
    der,
    error_code,
    private_key,
    root,
    statement,
)

AUTHORITY = root()
ALICE = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=Alice Member", serial=0x1001)
AA = attribute_authority(AUTHORITY)
SAMPLE = attribute_certificate(AA, ALICE.certificate)

# The inputs of the annotated real one.
REAL: dict[str, Any] = {
    "fqans": (
        "/testvo/g1/Role=admin/Capability=NULL",
        "/testvo/g1/Role=NULL/Capability=NULL",
        "/testvo/Role=NULL/Capability=NULL",
        "/testvo/g1/sub/Role=NULL/Capability=NULL",
        "/testvo/g2/Role=NULL/Capability=NULL",
    ),
    "attributes": (
        GenericAttribute("roleattr", "rval", "/testvo/g1/Role=admin"),
        GenericAttribute("grpattr", "gval", "/testvo/g1"),
        GenericAttribute("nickname", "alice", "testvo"),
    ),
    "targets": ("host.a.org", "localhost"),
    "not_before": datetime(2026, 11, 22, 2, 16, 48, tzinfo=UTC),
    "not_after": datetime(2026, 11, 22, 3, 16, 48, tzinfo=UTC),
    "serial": 0xA5B1605331524C3195695563572AFDF3,
}


@functools.cache
def rsa_authority() -> Identity:
    return AUTHORITY.issue("/C=ZZ/O=HV Test/CN=localhost", key=private_key("rsa", "aa"))


@functools.cache
def real_one() -> bytes:
    own = rsa_authority()
    key = issuer_key([own.certificate], own.key, certificate_file=Path("aa.pem"), key_file=Path("aa.key"))
    return attribute_certificate(key, ALICE.certificate, **REAL)


# Offset, first octets (tag and length), of what `openssl asn1parse` shows of the real one before its certificates begin.
OFFSETS = [
    (8, "020101"),
    (11, "3040a03e3038a4363034310b3009060355040613025a5a"),
    (73, "02021001"),
    (77, "a0393037a4353033310b3009060355040613025a5a"),
    (136, "300d06092a864886f70d01010b0500"),
    (151, "021100a5b1605331524c3195695563572afdf3"),
    (170, "3022180f32303236313132323032313634385a180f32303236313132323033313634385a"),
    (206, "3081f43081f1060a2b06010401be456464043181e23081df"),
    (230, "a01a861874657374766f3a2f2f6c6f63616c686f73743a3135303130"),
    (258, "3081c004252f74657374766f2f67312f526f6c653d61646d696e2f4361706162696c6974793d4e554c4c0424"),
    (338, "0421"),
    (373, "0428"),
    (415, "0424"),
]


def test_everything_lies_where_it_lies_in_a_real_one() -> None:
    encoded = real_one()
    assert {offset: encoded[offset : offset + len(octets) // 2].hex() for offset, octets in OFFSETS} == dict(OFFSETS)


def test_the_extensions_are_those_of_a_real_one_in_its_order() -> None:
    encoded = real_one()
    info = asn1.decode(asn1.AcInfo, read_attribute_certificate(encoded).info, "x509.ac_malformed")
    extensions = info.extensions or []
    assert [(item.type.dotted_string, item.critical) for item in extensions] == [
        ("1.3.6.1.4.1.8005.100.100.11", False),
        ("1.3.6.1.4.1.8005.100.100.10", False),
        ("2.5.29.56", False),
        ("2.5.29.35", False),
        ("2.5.29.55", True),
    ]
    generic, certificates, no_revocation, key_identifier, targets = (item.value for item in extensions)
    assert generic.hex() == (
        "308184308181307f301a861874657374766f3a2f2f6c6f63616c686f73743a31353031303061"
        "30270408726f6c656174747204047276616c04152f74657374766f2f67312f526f6c653d61646d696e"
        "301b04076772706174747204046776616c040a2f74657374766f2f6731"
        "301904086e69636b6e616d650405616c696365040674657374766f"
    )
    aa = der(rsa_authority().certificate)
    assert certificates == b"\x30\x82" + (len(aa) + 4).to_bytes(2) + b"\x30\x82" + len(aa).to_bytes(2) + aa
    assert no_revocation.hex() == "0500"
    bits = rsa_authority().key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    assert key_identifier.hex() == "30168014" + hashlib.sha1(bits, usedforsecurity=False).hexdigest()
    assert targets.hex() == "3021301f300ea00c860a686f73742e612e6f7267300da00b86096c6f63616c686f7374"


def test_without_attributes_and_targets_their_extensions_are_left_out() -> None:
    encoded = attribute_certificate(AA, ALICE.certificate, attributes=(), targets=())
    info = asn1.decode(asn1.AcInfo, read_attribute_certificate(encoded).info, "x509.ac_malformed")
    assert [item.type.dotted_string for item in info.extensions or []] == [
        "1.3.6.1.4.1.8005.100.100.10",
        "2.5.29.56",
        "2.5.29.35",
    ]


def second_opinion(encoded: bytes) -> Any:
    decoded, rest = pyasn1_decoder.decode(encoded, asn1Spec=rfc5755.AttributeCertificate())
    assert rest == b""
    return decoded


def test_a_second_decoder_reads_the_same() -> None:
    decoded = second_opinion(real_one())
    info = decoded["acinfo"]
    assert int(info["version"]) == 1
    holder = info["holder"]["baseCertificateID"]
    assert int(holder["serial"]) == 0x1001
    name = holder["issuer"][0]["directoryName"]
    assert [str(rdn[0]["type"]) for rdn in name["rdnSequence"]] == ["2.5.4.6", "2.5.4.10", "2.5.4.3"]
    assert info["issuer"]["v2Form"]["issuerName"][0].getName() == "directoryName"
    assert int(info["serialNumber"]) == 0xA5B1605331524C3195695563572AFDF3
    assert str(info["attrCertValidityPeriod"]["notBeforeTime"]) == "20261122021648Z"
    assert str(info["attrCertValidityPeriod"]["notAfterTime"]) == "20261122031648Z"
    attribute = info["attributes"][0]
    assert str(attribute["type"]) == "1.3.6.1.4.1.8005.100.100.4"
    syntax, _ = pyasn1_decoder.decode(bytes(attribute["values"][0]), asn1Spec=rfc5755.IetfAttrSyntax())
    assert str(syntax["policyAuthority"][0]["uniformResourceIdentifier"]) == "testvo://localhost:15010"
    assert [bytes(value["octets"]).decode() for value in syntax["values"]] == list(REAL["fqans"])
    identifier, _ = pyasn1_decoder.decode(
        bytes(info["extensions"][3]["extnValue"]), asn1Spec=rfc5280.AuthorityKeyIdentifier()
    )
    assert len(bytes(identifier["keyIdentifier"])) == 20
    listed, _ = pyasn1_decoder.decode(bytes(info["extensions"][1]["extnValue"]), asn1Spec=univ.Any())
    assert bytes(listed)[:2] == b"\x30\x82"


def test_the_signature_over_the_second_decoders_bytes_verifies_with_rsa() -> None:
    decoded = second_opinion(real_one())
    key = rsa_authority().key.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(decoded["signatureValue"].asOctets(), _info_bytes(real_one()), padding.PKCS1v15(), hashes.SHA256())


def test_the_signature_verifies_with_ecdsa() -> None:
    encoded = attribute_certificate(AA, ALICE.certificate)
    decoded = second_opinion(encoded)
    assert str(decoded["signatureAlgorithm"]["algorithm"]) == "1.2.840.10045.4.3.2"
    assert not decoded["signatureAlgorithm"]["parameters"].hasValue()
    key = AA.certificates[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(decoded["signatureValue"].asOctets(), _info_bytes(encoded), ec.ECDSA(hashes.SHA256()))


def _info_bytes(encoded: bytes) -> bytes:
    """The signed part, cut out by hand: both headers are four octets long here."""
    assert encoded[:2] == encoded[4:6] == b"\x30\x82"
    return encoded[4 : 8 + int.from_bytes(encoded[6:8])]


# --- round trip

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
vo_names = st.text("abcdefghijklmnopqrstuvwxyz.-_0123456789", min_size=1, max_size=20)
free = st.text(st.characters(codec="utf-8"), max_size=20)
seconds = st.integers(0, 60 * 365 * 86_400)
ANY_STATEMENT = st.builds(
    lambda start, lasts, **fields: Statement(
        holder_issuer=AUTHORITY.certificate.subject.public_bytes(),
        not_before=datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=start),
        not_after=datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=start + lasts),
        **fields,
    ),
    seconds,
    st.integers(1, 10**7),
    holder_serial=st.integers(1, 2**159 - 1),
    vo=vo_names,
    host=vo_names,
    port=st.integers(1, 65_535),
    fqans=st.lists(words, min_size=1, max_size=20).map(tuple),
    attributes=st.lists(st.builds(GenericAttribute, free, free, free), max_size=4).map(tuple),
    targets=st.lists(words, max_size=3).map(tuple),
    serial=st.integers(1, 2**159 - 1),
)


@given(ANY_STATEMENT)
@settings(max_examples=60, deadline=None)
def test_what_is_signed_is_read_again(said: Statement) -> None:
    read = read_attribute_certificate(sign_attribute_certificate(said, AA))
    assert all(getattr(read, field) == getattr(said, field) for field in Statement.__dataclass_fields__)
    assert read.certificates == (der(AA.certificates[0]),)
    assert read.no_revocation
    assert read.unknown_critical == ()
    assert read.issuer == AA.certificates[0].subject.public_bytes()


def test_the_ends_are_written_in_utc_whatever_their_zone() -> None:
    local = timezone(timedelta(hours=2))
    read = read_attribute_certificate(
        attribute_certificate(AA, ALICE.certificate, not_before=datetime(2026, 11, 22, 4, 0, tzinfo=local))
    )
    assert read.not_before == datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert read.uri == "testvo://localhost:15010"


@pytest.mark.parametrize(
    "changes",
    [
        {"not_before": datetime(2026, 11, 22, 12, 0)},  # noqa: DTZ001
        {"not_before": datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=UTC)},
        {"not_after": datetime(2026, 11, 22, 12, 0, tzinfo=UTC)},
        {"serial": 0},
        {"serial": -1},
        {"serial": 1 << 159},
        {"fqans": ()},
        {"fqans": ("/testvo", "")},
        {"fqans": ("/tëstvo",)},
        {"vo": "a://b"},
        {"vo": ""},
        {"host": "a:b"},
        {"host": "h\nx"},
        {"port": 0},
        {"port": 65_536},
        {"targets": ("",)},
        {"holder_issuer": b"\x30\x05"},
    ],
)
def test_what_cannot_be_said_is_refused_before_it_is_signed(changes: dict[str, Any]) -> None:
    assert error_code(lambda: attribute_certificate(AA, ALICE.certificate, **changes)) == "x509.ac_statement"


# --- broken ones


def test_cut_off_at_any_octet_it_is_refused() -> None:
    encoded = SAMPLE
    outcomes = {error_code(lambda end=end: read_attribute_certificate(encoded[:end])) for end in range(len(encoded))}  # type: ignore[misc]
    assert outcomes == {"x509.ac_malformed"}


def test_something_after_it_is_refused() -> None:
    encoded = attribute_certificate(AA, ALICE.certificate)
    assert error_code(lambda: read_attribute_certificate(encoded + b"\x00")) == "x509.ac_malformed"


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x30\x80\x00\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x30\x82\x00\x01\x00",
        b"\x30\x81\x01\x00",
        b"\x30\x82" * 40_000,
        b"\x30\x80" * 60_000,
        b"\x30" * 200_000,
    ],
)
def test_lying_lengths_and_deep_nesting_are_refused(encoded: bytes) -> None:
    assert error_code(lambda: read_attribute_certificate(encoded)) == "x509.ac_malformed"


def test_a_length_in_more_octets_than_needed_is_refused() -> None:
    encoded = attribute_certificate(AA, ALICE.certificate)
    assert encoded[8:11] == b"\x02\x01\x01"
    grown = bytearray(encoded[:8] + b"\x02\x81\x01\x01" + encoded[11:])
    for place in (2, 6):
        grown[place : place + 2] = (int.from_bytes(encoded[place : place + 2]) + 1).to_bytes(2)
    assert error_code(lambda: read_attribute_certificate(bytes(grown))) == "x509.ac_malformed"


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_with_any_octets_changed_it_is_refused_or_says_something_and_never_crashes(data: st.DataObject) -> None:
    encoded = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    code = error_code(lambda: read_attribute_certificate(bytes(encoded)))
    assert code == "accepted" or code.startswith("x509.")


def altered(**changes: Any) -> bytes:
    """An attribute certificate with other fields in its signed part, and the old signature."""
    whole = asn1.decode(asn1.SignedAc, attribute_certificate(AA, ALICE.certificate), "x509.ac_malformed")
    info = asn1.decode(asn1.AcInfo, asn1.encode(whole.info), "x509.ac_malformed")
    for name, value in changes.items():
        setattr(info, name, value)
    whole.info = asn1.raw(asn1.encode(info))
    return asn1.encode(whole)


def fqan_attribute(*values: bytes, authority: str = "testvo://localhost:15010") -> asn1.Attribute:
    syntax = asn1.IetfAttrSyntax(authority=asn1.Uri(text=asn1.Ia5(authority)), values=list(values))
    return asn1.Attribute(type=oids.FQANS, values=asn1.SetOf([asn1.raw(asn1.encode(syntax))]))


def extension(type_: object, value: bytes, *, critical: bool = False) -> asn1.Extension:
    return asn1.Extension(type=type_, critical=critical, value=value)  # type: ignore[arg-type]


GOOD = fqan_attribute(b"/testvo")
EMPTY_NULL = extension(oids.NO_REVOCATION, b"\x05\x00")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": 0}, "x509.ac_version"),
        ({"version": 2}, "x509.ac_version"),
        ({"serial": 0}, "x509.ac_serial"),
        ({"serial": -5}, "x509.ac_serial"),
        ({"serial": 1 << 160}, "x509.ac_serial"),
        ({"attributes": []}, "x509.ac_no_fqans"),
        ({"attributes": [GOOD, GOOD]}, "x509.ac_no_fqans"),
        ({"attributes": [fqan_attribute()]}, "x509.ac_no_fqans"),
        ({"attributes": [fqan_attribute(b"\xff")]}, "x509.ac_malformed"),
        ({"attributes": [fqan_attribute(b"/testvo", authority="testvo")]}, "x509.ac_policy_authority"),
        ({"attributes": [fqan_attribute(b"/testvo", authority="testvo://h")]}, "x509.ac_policy_authority"),
        ({"attributes": [fqan_attribute(b"/testvo", authority="testvo://h:")]}, "x509.ac_policy_authority"),
        ({"attributes": [fqan_attribute(b"/testvo", authority="testvo://h:0")]}, "x509.ac_policy_authority"),
        ({"attributes": [fqan_attribute(b"/testvo", authority="testvo://h:" + "9" * 60)]}, "x509.ac_policy_authority"),
        ({"attributes": [fqan_attribute(b"/testvo", authority="://h:1")]}, "x509.ac_policy_authority"),
        ({"extensions": [EMPTY_NULL, EMPTY_NULL]}, "x509.ac_extension_twice"),
        ({"extensions": [extension(oids.NO_REVOCATION, b"")]}, "x509.ac_malformed"),
        ({"extensions": [extension(oids.TARGETS, b"\x30\x02\x30\x00", critical=True)]}, "x509.ac_malformed"),
        ({"extensions": [extension(oids.TARGETS, b"\x30\x00", critical=True)]}, "x509.ac_malformed"),
        ({"extensions": [extension(oids.AC_CERTIFICATES, b"\x30\x02\x30\x00")]}, "x509.ac_malformed"),
        ({"extensions": [extension(oids.AUTHORITY_KEY_IDENTIFIER, b"\x04\x00")]}, "x509.ac_malformed"),
        ({"extensions": [extension(oids.GENERIC_ATTRIBUTES, b"\x30\x01")]}, "x509.ac_malformed"),
        ({"signature": asn1.raw(b"\x30\x00")}, "x509.ac_algorithm"),
    ],
)
def test_one_thing_wrong_in_it_is_refused_by_its_name(changes: dict[str, Any], code: str) -> None:
    assert error_code(lambda: read_attribute_certificate(altered(**changes))) == code


def test_an_fqan_in_another_string_type_is_refused() -> None:
    encoded = real_one()
    place = encoded.index(b"\x04\x21/testvo/Role=NULL")
    changed = encoded[:place] + b"\x0c" + encoded[place + 1 :]
    assert error_code(lambda: read_attribute_certificate(changed)) == "x509.ac_malformed"


def test_generic_attributes_of_another_authority_are_refused() -> None:
    block = asn1.ProviderBlock(authority=asn1.Uri(text=asn1.Ia5("othervo://localhost:15010")), tags=[])
    value = asn1.encode(asn1.GenericAttributes(items=[block]))
    changed = altered(extensions=[extension(oids.GENERIC_ATTRIBUTES, value)])
    assert error_code(lambda: read_attribute_certificate(changed)) == "x509.ac_policy_authority"


def test_a_fraction_of_a_second_is_refused() -> None:
    validity = asn1.Validity(
        not_before=asn1.GeneralizedTime(datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)),
        not_after=asn1.GeneralizedTime(datetime(2026, 11, 23, tzinfo=UTC)),
    )
    assert error_code(lambda: read_attribute_certificate(altered(validity=validity))) == "x509.ac_malformed"


def test_an_unknown_signature_algorithm_is_refused() -> None:
    sha1_with_rsa = asn1.raw(bytes.fromhex("300d06092a864886f70d0101050500"))
    whole = asn1.decode(asn1.SignedAc, altered(signature=sha1_with_rsa), "x509.ac_malformed")
    whole.algorithm = sha1_with_rsa
    assert error_code(lambda: read_attribute_certificate(asn1.encode(whole))) == "x509.ac_algorithm"


def test_unused_bits_in_the_signature_are_refused() -> None:
    whole = asn1.decode(asn1.SignedAc, attribute_certificate(AA, ALICE.certificate), "x509.ac_malformed")
    whole.signature = asn1.BitString(b"\x80", 7)
    assert error_code(lambda: read_attribute_certificate(asn1.encode(whole))) == "x509.ac_malformed"


def test_an_attribute_certificate_for_an_object_digest_is_refused() -> None:
    # The holder as entityName [1] instead of baseCertificateID [0].
    encoded = real_one()
    assert encoded[13:15] == b"\xa0\x3e"
    assert error_code(lambda: read_attribute_certificate(encoded[:13] + b"\xa1" + encoded[14:])) == "x509.ac_malformed"


def test_a_twenty_octet_serial_number_is_read() -> None:
    read: AttributeCertificate = read_attribute_certificate(altered(serial=(1 << 160) - 1))
    assert read.serial == (1 << 160) - 1
    assert statement(ALICE.certificate).serial == 0xA5B1605331524C3195695563572AFDF3
