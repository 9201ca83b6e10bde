"""The keys of a role in metadata, and what their owner decrypts: md:KeyDescriptor (SAML metadata 2.4.1.1). Trusts nothing by itself."""

import base64
from collections.abc import Iterator
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.errors import Refusal
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


def read_keys(descriptor: Element) -> Iterator[EntityKey]:
    """Each certificate and bare RSA KeyValue of a KeyDescriptor. A key that is too weak or of an unknown kind is left out: nothing
    that it signs will verify."""
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
    methods = tuple(_read_method(method) for method in children(descriptor, names.MD, "EncryptionMethod"))
    for certificate in descriptor.iter(qname(names.DS, "X509Certificate")):
        try:
            der = _decoded(certificate)
            yield EntityKey(TrustedKey.from_certificate(der), use, der, methods)
        except (Refusal, ValueError):
            continue
    for value in descriptor.iter(qname(names.DS, "RSAKeyValue"), qname(names.DSIG11, "ECKeyValue")):
        try:
            yield EntityKey(TrustedKey.from_public_key(_bare_key(value)), use, None, methods)
        except (Refusal, UnsupportedAlgorithm, ValueError):
            continue


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
    return base64.b64decode("".join(text_of(element).split()), validate=True)
