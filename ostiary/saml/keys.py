"""Keys as SAML sees them: a bare public key that metadata vouches for, and a private key that signs. No trust decisions.

Dates, issuer and chain of a certificate are ignored on purpose (SAML Metadata Interoperability Profile 2.6.1): metadata's
``validUntil`` is what ends trust in a key.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, cast

import xmlsec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from ostiary.errors import Refusal
from ostiary.saml import names

MINIMUM_RSA_BITS: Final = 2048
CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")


class _Digest(NamedTuple):
    """How RSA's data are digested before cryptography sees them, which looks three times at what an algorithm is otherwise."""

    of: "Callable[[bytes], hashlib._Hash]"
    made: Prehashed


RSA_ALGORITHMS: Final[dict[str, _Digest]] = {
    names.RSA_SHA256: _Digest(hashlib.sha256, Prehashed(hashes.SHA256())),
    names.RSA_SHA384: _Digest(hashlib.sha384, Prehashed(hashes.SHA384())),
    names.RSA_SHA512: _Digest(hashlib.sha512, Prehashed(hashes.SHA512())),
}
ECDSA_ALGORITHMS: Final[dict[str, hashes.HashAlgorithm]] = {
    names.ECDSA_SHA256: hashes.SHA256(),
    names.ECDSA_SHA384: hashes.SHA384(),
    names.ECDSA_SHA512: hashes.SHA512(),
}
_PKCS1_V15: Final = padding.PKCS1v15()
_BY_DIGEST_RSA: Final = {"sha256": names.RSA_SHA256, "sha384": names.RSA_SHA384, "sha512": names.RSA_SHA512}
_BY_DIGEST_ECDSA: Final = {"sha256": names.ECDSA_SHA256, "sha384": names.ECDSA_SHA384, "sha512": names.ECDSA_SHA512}


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key as DER SubjectPublicKeyInfo. Whoever makes one says: this key is vouched for.

    ``sha1_from_legacy_partner``: its RSA signatures may use SHA-1, which can be forged by who finds collisions; see
    `allow_sha1_from_legacy_partner`.
    """

    spki: bytes
    sha1_from_legacy_partner: bool = field(default=False, compare=False)

    @classmethod
    def from_certificate(cls, der: bytes) -> "TrustedKey":
        """The key that a DER certificate carries. Raises `Refusal` (``key.unusable``) for keys too weak or of another kind."""
        try:
            public = x509.load_der_x509_certificate(der).public_key()
        except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
            raise Refusal("key.unusable", expected="an X.509 certificate with an RSA or EC key", found=error) from None
        return cls.from_public_key(public)

    @classmethod
    def from_public_key(cls, public: object) -> "TrustedKey":
        """Checks kind and size: RSA of 2048 bits and up, NIST P-256, P-384 and P-521."""
        if isinstance(public, rsa.RSAPublicKey):
            if public.key_size < MINIMUM_RSA_BITS:
                raise Refusal(
                    "key.unusable", expected=f"RSA of at least {MINIMUM_RSA_BITS} bits", found=f"{public.key_size} bits"
                )
        elif not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name not in CURVES:
            raise Refusal("key.unusable", expected="RSA or EC on " + ", ".join(CURVES), found=type(public).__name__)
        return cls(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))

    @property
    def is_rsa(self) -> bool:
        """Whether it can be encrypted to (RSA-OAEP)."""
        return _rsa_key(self.spki) is not None

    @property
    def bits(self) -> int:
        """The length of an RSA modulus, or of an EC curve's field."""
        public = _public_key(self.spki)
        return public.key_size if isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0

    def encrypt(self, data: bytes, oaep: padding.OAEP) -> bytes:
        """RSA-OAEP (RFC 8017 7.1). Raises `Refusal` (``key.unusable``) for a key that is not RSA."""
        public = _rsa_key(self.spki)
        if public is None:
            raise Refusal(
                "key.unusable", expected="an RSA key to encrypt to", found=type(_public_key(self.spki)).__name__
            )
        return public.encrypt(data, oaep)

    def allows(self, algorithm: str) -> bool:
        """Whether a signature algorithm (URI) fits this kind of key."""
        return algorithm in _algorithms(self.spki) or (
            algorithm == names.RSA_SHA1 and self.sha1_from_legacy_partner and self.is_rsa
        )

    def verify(self, algorithm: str, signature: bytes, data: bytes) -> bool:
        """A detached signature over octets; ECDSA values are r||s (RFC 6931 2.3.6). False for anything that does not verify."""
        of_rsa = _rsa_key(self.spki)
        try:
            if of_rsa is not None:
                digest = RSA_ALGORITHMS.get(algorithm)
                if digest is not None:
                    of_rsa.verify(signature, digest.of(data).digest(), _PKCS1_V15, digest.made)
                    return True
                if self.allows(algorithm):
                    of_rsa.verify(signature, data, _PKCS1_V15, hashes.SHA1())  # noqa: S303 - a partner whom the configuration names
                    return True
                return False
            public = _public_key(self.spki)
            if isinstance(public, ec.EllipticCurvePublicKey) and algorithm in ECDSA_ALGORITHMS:
                size = (public.curve.key_size + 7) // 8
                if len(signature) != 2 * size:
                    return False
                dss = encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
                public.verify(dss, data, ec.ECDSA(ECDSA_ALGORITHMS[algorithm]))
                return True
        except InvalidSignature:
            return False
        return False

    def for_xmlsec(self) -> xmlsec.Key:
        """The same key in the form that xmlsec takes."""
        return _xmlsec_key(self.spki)


def allow_sha1_from_legacy_partner(keys: Iterable[TrustedKey]) -> tuple[TrustedKey, ...]:
    """The same keys, of a partner whose software signs with nothing better than SHA-1 and whom the configuration names. Never for what
    decides who somebody is."""
    return tuple(replace(key, sha1_from_legacy_partner=True) for key in keys)


@functools.lru_cache(maxsize=1024)
def _public_key(spki: bytes) -> object:
    return serialization.load_der_public_key(spki)


# What kind a key is of is asked once: isinstance with the abstract classes of cryptography costs as much as a tenth of a verification.
@functools.lru_cache(maxsize=1024)
def _rsa_key(spki: bytes) -> rsa.RSAPublicKey | None:
    public = _public_key(spki)
    return public if isinstance(public, rsa.RSAPublicKey) else None


@functools.lru_cache(maxsize=1024)
def _algorithms(spki: bytes) -> frozenset[str]:
    return frozenset(RSA_ALGORITHMS if _rsa_key(spki) is not None else ECDSA_ALGORITHMS)


@functools.lru_cache(maxsize=1024)
def _xmlsec_key(spki: bytes) -> xmlsec.Key:
    return xmlsec.Key.from_memory(spki, xmlsec.constants.KeyDataFormatDer, None)


class Signer:
    """A private key that signs, with the certificate that is published for it (DER).

    ``algorithm`` is the signature algorithm URI: RSA-SHA256 or ECDSA with the digest that fits the curve, unless named.
    """

    def __init__(
        self, private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, certificate: bytes, algorithm: str = ""
    ) -> None:
        self.certificate = certificate
        self.public = TrustedKey.from_public_key(private_key.public_key())
        if TrustedKey.from_certificate(certificate) != self.public:
            raise Refusal(
                "key.certificate_mismatch", expected="a certificate for this private key", found="another public key"
            )
        self._key = private_key
        self._others: dict[str, Signer] = {}
        self.algorithm = algorithm or _default_algorithm(private_key)
        if not self.public.allows(self.algorithm):
            raise Refusal("key.algorithm", expected="a signature algorithm for this kind of key", found=self.algorithm)
        self._rsa = (
            (private_key, RSA_ALGORITHMS[self.algorithm]) if isinstance(private_key, rsa.RSAPrivateKey) else None
        )

    def with_digest(self, digest: Literal["sha256", "sha384", "sha512"] | None) -> "Signer":
        """The same key with the signature algorithm of this digest; None for its own choice."""
        if digest is None:
            return self
        algorithms = _BY_DIGEST_RSA if isinstance(self._key, rsa.RSAPrivateKey) else _BY_DIGEST_ECDSA
        wanted = algorithms[digest]
        if wanted == self.algorithm:
            return self
        # Two threads may make it at once; both make the same.
        found = self._others.get(wanted)
        if found is None:
            found = self._others[wanted] = Signer(self._key, self.certificate, wanted)
        return found

    def sign(self, data: bytes) -> bytes:
        """The signature value as XML Signature wants it (ECDSA as r||s)."""
        if self._rsa is not None:
            key, digest = self._rsa
            return key.sign(digest.of(data).digest(), _PKCS1_V15, digest.made)
        curve_key = cast("ec.EllipticCurvePrivateKey", self._key)
        size = (curve_key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(curve_key.sign(data, ec.ECDSA(ECDSA_ALGORITHMS[self.algorithm])))
        return r.to_bytes(size) + s.to_bytes(size)


def _default_algorithm(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return names.RSA_SHA256
    return {"secp256r1": names.ECDSA_SHA256, "secp384r1": names.ECDSA_SHA384}.get(key.curve.name, names.ECDSA_SHA512)
