"""The ASN.1 of attribute certificates, proxy certificates and names (RFC 5755, RFC 3820, RFC 5280), as VOMS encodes it.

Strict DER in both directions, by `cryptography.hazmat.asn1`, which no other module uses. Decides nothing about trust.
"""

from collections.abc import Iterable
from typing import Annotated, Final, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1

from ostiary.errors import Refusal

T = TypeVar("T")

# Larger than any list of groups and roles that a proxy could carry through a TLS handshake.
MAX_BYTES: Final = 128 * 1024

Raw = asn1.TLV
BitString = asn1.BitString
Ia5 = asn1.IA5String
GeneralizedTime = asn1.GeneralizedTime
SetOf = asn1.SetOf
Null = asn1.Null


def decode(kind: type[T], der: bytes, code: str) -> T:
    """One value of ``kind``, nothing after it. Raises `Refusal` with ``code`` for anything that is not strict DER of that shape."""
    if len(der) > MAX_BYTES:
        raise Refusal(code, expected=f"at most {MAX_BYTES} bytes", found=len(der))
    try:
        return asn1.decode_der(kind, der)
    except (ValueError, TypeError, OverflowError) as error:
        raise Refusal(code, expected=f"DER of {kind.__name__}", found=error) from None


def encode(value: object) -> bytes:
    """The DER of a value."""
    return asn1.encode_der(value)


def raw(der: bytes, code: str = "x509.asn1") -> Raw:
    """One encoded value of any type, to be put into another as it is. Raises `Refusal` with ``code``."""
    return decode(Raw, der, code)


@asn1.sequence
class _Wrapped:
    item: asn1.TLV


def inside(der: bytes, code: str) -> bytes:
    """The value inside one more SEQUENCE: how a SEQUENCE OF, which can only be a field here, is read on its own."""
    return encode(_Wrapped(item=raw(der, code)))


@asn1.sequence
class _WrappedSequence:
    items: list[asn1.TLV]


def sequence_of(items: Iterable[bytes]) -> bytes:
    """A SEQUENCE OF encoded values."""
    wrapped = encode(_WrappedSequence(items=[raw(item) for item in items]))
    return encode(decode(_Wrapped, wrapped, "x509.asn1").item)


@asn1.sequence
class _WrappedSet:
    items: asn1.SetOf[asn1.TLV]


def set_of(items: Iterable[bytes]) -> bytes:
    """A SET OF encoded values, in DER's order."""
    wrapped = encode(_WrappedSet(items=asn1.SetOf([raw(item) for item in items])))
    return encode(decode(_Wrapped, wrapped, "x509.asn1").item)


# --- names (RFC 5280 4.1.2.4)


@asn1.sequence
class AttributeTypeAndValue:
    type: x509.ObjectIdentifier
    value: asn1.TLV


@asn1.sequence
class CanonicalTypeAndValue:
    type: x509.ObjectIdentifier
    value: str


@asn1.sequence
class Rdns:
    items: list[asn1.SetOf[AttributeTypeAndValue]]


# --- certificates, as far as `cryptography` does not hand out the bytes


@asn1.sequence
class TbsCertificate:
    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    serial: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    public_key: asn1.TLV
    issuer_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(1)]
    subject_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(2)]
    extensions: Annotated[list[asn1.TLV] | None, asn1.Explicit(3)]


@asn1.sequence
class SubjectPublicKeyInfo:
    algorithm: asn1.TLV
    key: asn1.BitString


# --- RFC 3820


@asn1.sequence
class ProxyPolicy:
    language: x509.ObjectIdentifier
    policy: bytes | None


@asn1.sequence
class ProxyCertInfo:
    path_length: int | None
    policy: ProxyPolicy


# --- RFC 5755, in the one form of each choice that VOMS uses


@asn1.sequence
class DirectoryName:
    """GeneralNames of exactly one directoryName."""

    name: Annotated[asn1.TLV, asn1.Explicit(4)]


@asn1.sequence
class Uri:
    """GeneralNames of exactly one uniformResourceIdentifier; under ``[0] IMPLICIT`` the bytes of one GeneralName in ``[0]``."""

    text: Annotated[asn1.IA5String, asn1.Implicit(6)]


@asn1.sequence
class IssuerSerial:
    issuer: DirectoryName
    serial: int
    unique_id: asn1.BitString | None


@asn1.sequence
class Holder:
    certificate: Annotated[IssuerSerial, asn1.Implicit(0)]


@asn1.sequence
class V2Form:
    issuer: DirectoryName


@asn1.sequence
class Validity:
    not_before: asn1.GeneralizedTime
    not_after: asn1.GeneralizedTime


@asn1.sequence
class Attribute:
    type: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class Extension:
    type: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class AcInfo:
    version: int
    holder: Holder
    issuer: Annotated[V2Form, asn1.Implicit(0)]
    signature: asn1.TLV
    serial: int
    validity: Validity
    attributes: list[Attribute]
    issuer_unique_id: asn1.BitString | None
    extensions: list[Extension] | None


@asn1.sequence
class SignedAc:
    info: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


@asn1.sequence
class AlgorithmWithNull:
    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null


@asn1.sequence
class AlgorithmAlone:
    algorithm: x509.ObjectIdentifier


@asn1.sequence
class IetfAttrSyntax:
    authority: Annotated[Uri, asn1.Implicit(0)]
    values: list[bytes]


@asn1.sequence
class CertificateList:
    """SEQUENCE in SEQUENCE, as VOMS writes it."""

    items: list[asn1.TLV]


@asn1.sequence
class AcSequence:
    """What the proxy's extension holds: SEQUENCE in SEQUENCE again."""

    items: list[asn1.TLV]


@asn1.sequence
class Tag:
    name: bytes
    value: bytes
    qualifier: bytes


@asn1.sequence
class ProviderBlock:
    authority: Uri
    tags: list[Tag]


@asn1.sequence
class GenericAttributes:
    items: list[ProviderBlock]


@asn1.sequence
class Target:
    name: Annotated[Uri, asn1.Implicit(0)]


@asn1.sequence
class Targets:
    items: list[Target]


@asn1.sequence
class KeyIdentifier:
    identifier: Annotated[bytes | None, asn1.Implicit(0)]
    issuer: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    serial: Annotated[int | None, asn1.Implicit(2)]
