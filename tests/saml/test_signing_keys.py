"""Which keys are trusted material at all, and the octets that they sign and verify."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.keys import Signer, TrustedKey
from tests.saml.world import NOW, Kind, certificate_for, private_key, signer

DATA = b"the octets that are signed"


@pytest.mark.parametrize(
    ("kind", "algorithm", "length"),
    [
        ("rsa", names.RSA_SHA256, 256),
        ("p256", names.ECDSA_SHA256, 64),
        ("p384", names.ECDSA_SHA384, 96),
        ("p521", names.ECDSA_SHA512, 132),
    ],
)
def test_each_kind_of_key_signs_with_the_digest_that_fits_and_at_its_length(
    kind: Kind, algorithm: str, length: int
) -> None:
    by = signer(kind)
    value = by.sign(DATA)
    assert by.algorithm == algorithm
    assert len(value) == length
    assert by.public.verify(algorithm, value, DATA)
    assert not by.public.verify(algorithm, value, DATA + b" ")
    assert not signer(kind, "another").public.verify(algorithm, value, DATA)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521"])
def test_an_ecdsa_value_is_r_and_s_and_nothing_else(kind: Kind) -> None:
    by = signer(kind)
    value = by.sign(DATA)
    key = private_key(kind)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    asn1 = key.sign(DATA, ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(asn1)
    size = (key.curve.key_size + 7) // 8
    for wrong in (b"", value[:-1], value + b"\x00", b"\x00" + value, asn1, bytes(2 * size), r.to_bytes(size)):
        assert not by.public.verify(names.ECDSA_SHA256, wrong, DATA)
    assert by.public.verify(names.ECDSA_SHA256, r.to_bytes(size) + s.to_bytes(size), DATA)


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
        names.ECDSA_SHA256,
        "",
    ],
)
def test_no_other_algorithm_verifies(algorithm: str) -> None:
    key = private_key()
    assert isinstance(key, rsa.RSAPrivateKey)
    public = signer().public
    for digest in (hashes.SHA256(), hashes.SHA1()):  # noqa: S303
        assert not public.verify(algorithm, key.sign(DATA, padding.PKCS1v15(), digest), DATA)
    assert not public.allows(algorithm)


def test_rsa_below_2048_bits_is_refused_in_every_form() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    with pytest.raises(Refusal) as raised:
        TrustedKey.from_public_key(weak.public_key())
    assert (raised.value.code, raised.value.found) == ("key.unusable", "1024 bits")
    with pytest.raises(Refusal, match=r"key\.unusable"):
        TrustedKey.from_certificate(certificate_for(weak))
    with pytest.raises(Refusal, match=r"key\.unusable"):
        Signer(weak, certificate_for(weak))


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1()], ids=["secp256k1", "brainpool"])
def test_other_curves_are_refused(curve: ec.EllipticCurve) -> None:
    with pytest.raises(Refusal, match=r"key\.unusable"):
        TrustedKey.from_public_key(ec.generate_private_key(curve).public_key())


def test_other_kinds_of_keys_are_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ed25519")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW.replace(year=2027)).sign(key, None)
    ).public_bytes(serialization.Encoding.DER)
    with pytest.raises(Refusal, match=r"key\.unusable"):
        TrustedKey.from_public_key(key.public_key())
    with pytest.raises(Refusal, match=r"key\.unusable"):
        TrustedKey.from_certificate(certificate)


@pytest.mark.parametrize("damage", ["empty", "cut", "version"])
def test_what_is_no_certificate_is_refused(damage: str) -> None:
    der = signer().certificate
    # Version 3 is [0] INTEGER 2; a version 8 does not exist.
    broken = {
        "empty": b"",
        "cut": der[:-20],
        "version": der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1),
    }
    assert TrustedKey.from_certificate(der) == signer().public
    with pytest.raises(Refusal) as raised:
        TrustedKey.from_certificate(broken[damage])
    assert raised.value.code == "key.unusable"


def test_the_certificate_only_carries_the_key() -> None:
    first, second = certificate_for(private_key(), "first"), certificate_for(private_key(), "second")
    assert first != second
    assert TrustedKey.from_certificate(first) == TrustedKey.from_certificate(second) == signer().public
    # The same subject with another key is another key.
    assert TrustedKey.from_certificate(certificate_for(private_key("rsa", "another"), "first")) != signer().public


def test_a_signer_needs_the_certificate_of_its_own_key() -> None:
    with pytest.raises(Refusal) as raised:
        Signer(private_key(), certificate_for(private_key("rsa", "another")))
    assert raised.value.code == "key.certificate_mismatch"


def test_a_signer_needs_an_algorithm_of_its_kind_of_key() -> None:
    assert Signer(private_key(), certificate_for(private_key()), names.RSA_SHA512).algorithm == names.RSA_SHA512
    with pytest.raises(Refusal) as raised:
        Signer(private_key(), certificate_for(private_key()), names.ECDSA_SHA256)
    assert raised.value.code == "key.algorithm"
    with pytest.raises(Refusal):
        Signer(private_key(), certificate_for(private_key()), "http://www.w3.org/2000/09/xmldsig#rsa-sha1")
