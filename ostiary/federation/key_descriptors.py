"""The keys of a role in metadata, and what their owner decrypts: md:KeyDescriptor (SAML metadata 2.4.1.1). Trusts nothing by itself."""

import binascii
import functools
from collections.abc import Callable, Iterator
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.model import EntityKey
from ostiary.saml import names
from ostiary.saml.encryption_methods import EncryptionMethod
from ostiary.saml.keys import TrustedKey
from ostiary.saml.xml import Element, children, qname, required_child, text_of

_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "urn:oid:1.2.840.10045.3.1.7": ec.SECP256R1(),
    "urn:oid:1.3.132.0.34": ec.SECP384R1(),
    "urn:oid:1.3.132.0.35": ec.SECP521R1(),
}
_ENCRYPTION_METHOD: Final = qname(names.MD, "EncryptionMethod")
_CERTIFICATE: Final = qname(names.DS, "X509Certificate")
_KEYS: Final = (_CERTIFICATE, qname(names.DS, "RSAKeyValue"), qname(names.DSIG11, "ECKeyValue"))


def read_keys(descriptor: Element, notice: Callable[[OstiaryError], None] | None = None) -> Iterator[EntityKey]:
    """Each certificate and bare RSA or EC KeyValue of a KeyDescriptor. A key that is too weak or of an unknown kind is left out, and
    ``notice`` is told: nothing that it signs will verify. Of a certificate the key alone counts, not its dates, issuer or signature."""
    use: Literal["signing", "encryption"] | None
    match descriptor.get("use"):
        case None:
            use = None
        case "signing":
            use = "signing"
        case "encryption":
            use = "encryption"
        case other:
            raise Refusal("metadata.key_use", expected="signing or encryption", found=other[:40])
    methods = tuple([_read_method(part) for part in descriptor if part.tag == _ENCRYPTION_METHOD])
    for found in descriptor.iter(*_KEYS):
        try:
            if found.tag == _CERTIFICATE:
                key, der = _in_certificate(found.text or "")
                yield EntityKey(key, use, der, methods)
            else:
                yield EntityKey(TrustedKey.from_public_key(_bare_key(found)), use, None, methods)
        except (Refusal, UnsupportedAlgorithm, ValueError) as error:
            if notice is not None:
                problem = error if isinstance(error, Refusal) else Refusal("key.unusable", found=error)
                notice(problem)


# Most roles name one certificate twice, for signing and for encryption, and a document that changed names the same again.
@functools.lru_cache(maxsize=256)
def _in_certificate(text: str) -> tuple[TrustedKey, bytes]:
    der = _octets(text)
    return TrustedKey.from_certificate(der), der


def _read_method(element: Element) -> EncryptionMethod:
    """SAML metadata 2.4.1.1, with the parameters that XML Encryption 1.1 (5.5.2) gives OAEP."""
    digest = next(children(element, names.DS, "DigestMethod"), None)
    mask = next(children(element, names.XENC11, "MGF"), None)
    return EncryptionMethod(
        element.get("Algorithm", ""),
        digest.get("Algorithm") if digest is not None else None,
        mask.get("Algorithm") if mask is not None else None,
    )


def _bare_key(value: Element) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """XMLDSig 4.5.2.2, and XMLDSig 1.1 4.5.2.3 with a named curve. Raises `Refusal` or ValueError."""
    if value.tag == qname(names.DS, "RSAKeyValue"):
        modulus, exponent = (
            int.from_bytes(_decoded(required_child(value, names.DS, name))) for name in ("Modulus", "Exponent")
        )
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    curve = _CURVES.get(required_child(value, names.DSIG11, "NamedCurve").get("URI", ""))
    if curve is None:
        raise Refusal("key.unusable", expected="a named curve: P-256, P-384 or P-521", found="another curve")
    point = _decoded(required_child(value, names.DSIG11, "PublicKey"))
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)


def _decoded(element: Element) -> bytes:
    return _octets(text_of(element))


def _octets(text: str) -> bytes:
    """Of base64 in lines. Raises ValueError."""
    return binascii.a2b_base64("".join(text.split()), strict_mode=True)
