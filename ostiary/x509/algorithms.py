"""Which keys and signature algorithms count, and whether a signature fits. Weak ones never do: RSA below 2048 bits, MD5, SHA-1."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ObjectIdentifier

from ostiary.errors import NotAuthenticated
from ostiary.x509 import asn1, oids
from ostiary.x509.reading import UNREADABLE

MINIMUM_RSA_BITS: Final = 2048
MINIMUM_EC_BITS: Final = 256

_STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512, hashes.SHA3_256, hashes.SHA3_384, hashes.SHA3_512)


def _with_null(dotted: str) -> bytes:
    return asn1.encode(asn1.AlgorithmWithNull(algorithm=ObjectIdentifier(dotted), parameters=asn1.Null()))


def _alone(dotted: str) -> bytes:
    return asn1.encode(asn1.AlgorithmAlone(algorithm=ObjectIdentifier(dotted)))


SHA256_WITH_RSA: Final = _with_null(oids.SHA256_WITH_RSA.dotted_string)
ECDSA_SHA256: Final = _alone(oids.ECDSA_SHA256.dotted_string)

# AlgorithmIdentifiers (DER) that an attribute certificate may be signed with: vomsd takes the digest of its own CA.
_RSA: Final[Mapping[bytes, hashes.HashAlgorithm]] = MappingProxyType(
    {
        SHA256_WITH_RSA: hashes.SHA256(),
        _with_null("1.2.840.113549.1.1.12"): hashes.SHA384(),
        _with_null("1.2.840.113549.1.1.13"): hashes.SHA512(),
    }
)
_ECDSA: Final[Mapping[bytes, hashes.HashAlgorithm]] = MappingProxyType(
    {
        ECDSA_SHA256: hashes.SHA256(),
        _alone("1.2.840.10045.4.3.3"): hashes.SHA384(),
        _alone("1.2.840.10045.4.3.4"): hashes.SHA512(),
    }
)


def is_known_ac_algorithm(algorithm: bytes) -> bool:
    """Whether an AlgorithmIdentifier (DER) is one that `signature_fits` understands."""
    return algorithm in _RSA or algorithm in _ECDSA


def signature_fits(public_key: object, algorithm: bytes, signature: bytes, data: bytes) -> bool:
    """Whether a signature over ``data`` was made by the holder of this key with this algorithm (AlgorithmIdentifier, DER)."""
    try:
        if isinstance(public_key, rsa.RSAPublicKey) and algorithm in _RSA:
            public_key.verify(signature, data, padding.PKCS1v15(), _RSA[algorithm])
        elif isinstance(public_key, ec.EllipticCurvePublicKey) and algorithm in _ECDSA:
            public_key.verify(signature, data, ec.ECDSA(_ECDSA[algorithm]))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def certificate_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key made the certificate's signature. Names are not looked at; see `check_digest` for the digest."""
    try:
        key = issuer.public_key()
        parameters = certificate.signature_algorithm_parameters
        signature, data = certificate.signature, certificate.tbs_certificate_bytes
        if isinstance(key, rsa.RSAPublicKey) and isinstance(parameters, padding.PKCS1v15 | padding.PSS):
            digest = certificate.signature_hash_algorithm
            if digest is None:
                return False
            key.verify(signature, data, parameters, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
            key.verify(signature, data, parameters)
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) and parameters is None:
            key.verify(signature, data)
        else:
            return False
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def check_key(certificate: x509.Certificate, subject: str) -> None:
    """The certificate's key is strong enough. Raises `NotAuthenticated` (``x509.weak_key``)."""
    try:
        key = certificate.public_key()
    except UNREADABLE as error:
        raise NotAuthenticated(
            "x509.weak_key", expected="an RSA, EC or Edwards key", found=error, subject=subject
        ) from None
    if isinstance(key, rsa.RSAPublicKey):
        weak = key.key_size < MINIMUM_RSA_BITS
        found = f"RSA of {key.key_size} bits"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        weak = key.curve.key_size < MINIMUM_EC_BITS
        found = key.curve.name
    else:
        weak = not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)
        found = type(key).__name__
    if weak:
        raise NotAuthenticated(
            "x509.weak_key",
            expected=f"RSA of at least {MINIMUM_RSA_BITS} bits, EC of at least {MINIMUM_EC_BITS}, or Edwards",
            found=found,
            subject=subject,
        )


def check_digest(certificate: x509.Certificate, subject: str) -> None:
    """The digest that the issuer signed is strong enough. Not for a trust anchor, on whose own signature nobody relies.

    Raises `NotAuthenticated` (``x509.weak_signature``).
    """
    try:
        digest = certificate.signature_hash_algorithm
    except UNREADABLE as error:
        raise NotAuthenticated("x509.weak_signature", expected="SHA-2 or SHA-3", found=error, subject=subject) from None
    # None: Ed25519 and Ed448, which bring their own.
    if digest is not None and not isinstance(digest, _STRONG):
        raise NotAuthenticated("x509.weak_signature", expected="SHA-2 or SHA-3", found=digest.name, subject=subject)


def key_identifier(certificate: x509.Certificate) -> bytes:
    """SHA-1 over the bits of the public key: method 1 of RFC 5280 4.2.1.2."""
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
