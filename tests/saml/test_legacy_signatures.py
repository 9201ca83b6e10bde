"""SHA-1 signatures are refused, but for keys of a partner whom the configuration names."""

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.keys import TrustedKey, allow_sha1_from_legacy_partner
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.xml import Element, make, parse_xml, to_bytes
from tests.saml.legacy import sign_with_sha1
from tests.saml.world import private_pem, signer


def signed_with_sha1(*, digest: str = names.SHA256) -> Element:
    """An element whose signature Shibboleth's default would have written: rsa-sha1, over a SHA-256 or SHA-1 digest."""
    element = make(names.SAMLP, "AttributeQuery", ID="_1")
    sign_with_sha1(element, signer(), digest=digest)
    return parse_xml(to_bytes(element))


@pytest.mark.parametrize("digest", [names.SHA256, names.SHA1])
def test_a_sha1_signature_is_refused_unless_the_partner_is_named(digest: str) -> None:
    element = signed_with_sha1(digest=digest)
    with pytest.raises(Refusal) as refused:
        verify_element(element, [signer().public])
    assert refused.value.code == "signature.algorithm"
    proof = verify_element(element, allow_sha1_from_legacy_partner([signer().public]))
    assert proof.algorithm == names.RSA_SHA1
    assert proof.key == signer().public


def test_the_exception_is_no_exception_for_other_keys_and_forgeries() -> None:
    element = signed_with_sha1()
    with pytest.raises(Refusal) as refused:
        verify_element(element, allow_sha1_from_legacy_partner([signer("rsa", "another").public]))
    assert refused.value.code == "signature.wrong"
    element.set("Version", "2.0")
    with pytest.raises(Refusal) as refused:
        verify_element(element, allow_sha1_from_legacy_partner([signer().public]))
    assert refused.value.code == "signature.wrong"


def test_detached_signatures_go_by_the_same_rule() -> None:
    key = serialization.load_pem_private_key(private_pem(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("an RSA key is needed")
    value = key.sign(b"octets", padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    strict = signer().public
    (legacy,) = allow_sha1_from_legacy_partner([strict])
    assert not strict.verify(names.RSA_SHA1, value, b"octets")
    assert legacy.verify(names.RSA_SHA1, value, b"octets")
    assert not legacy.verify(names.RSA_SHA1, value, b"other octets")
    assert legacy.allows(names.RSA_SHA256)


def test_an_ec_key_has_no_such_exception() -> None:
    (legacy,) = allow_sha1_from_legacy_partner([signer("p256").public])
    assert not legacy.allows(names.RSA_SHA1)
    assert not legacy.verify(names.RSA_SHA1, b"x" * 64, b"octets")


def test_a_key_is_the_same_key_with_and_without_the_exception() -> None:
    key = signer().public
    assert allow_sha1_from_legacy_partner([key]) == (key,)
    assert TrustedKey(key.spki, True) in {key}


@pytest.mark.parametrize(
    ("kind", "digest", "algorithm"),
    [
        ("rsa", "sha512", names.RSA_SHA512),
        ("rsa", None, names.RSA_SHA256),
        ("p256", "sha384", names.ECDSA_SHA384),
        ("p256", "sha256", names.ECDSA_SHA256),
    ],
)
def test_a_key_signs_with_the_digest_that_a_partner_wants(kind: str, digest: str | None, algorithm: str) -> None:
    made = signer(kind).with_digest(digest)  # type: ignore[arg-type]
    element = make(names.SAMLP, "Response", ID="_1")
    sign(element, made)
    assert verify_element(parse_xml(to_bytes(element)), [signer(kind).public]).algorithm == algorithm  # type: ignore[arg-type]
    assert signer(kind).with_digest(digest) is made or digest is None  # type: ignore[arg-type]
