"""Attribute certificates (RFC 5755) as VOMS writes them: signs a `Statement`, reads one back. Reading proves nothing; see `verify`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.x509 import ObjectIdentifier

from ostiary.errors import Refusal
from ostiary.x509 import algorithms, asn1, oids
from ostiary.x509.issuer_key import IssuerKey, load_issuer_key

__all__ = [
    "AttributeCertificate",
    "GenericAttribute",
    "IssuerKey",
    "Statement",
    "load_issuer_key",
    "read_attribute_certificate",
    "sign_attribute_certificate",
]

MALFORMED: Final = "x509.ac_malformed"
MAX_SERIAL_OCTETS: Final = 20

_VERSION_2: Final = 1
_KNOWN_CRITICAL: Final = frozenset(
    {oids.TARGETS, oids.GENERIC_ATTRIBUTES, oids.AC_CERTIFICATES, oids.NO_REVOCATION, oids.AUTHORITY_KEY_IDENTIFIER}
)
Extensions = dict[ObjectIdentifier, asn1.Extension]

_NO_REVOCATION: Final = asn1.Extension(type=oids.NO_REVOCATION, critical=False, value=b"\x05\x00")


@dataclass(frozen=True, slots=True)
class GenericAttribute:
    """``qualifier`` says whose it is: the VO's name (the member's own), a group (``/vo/g``), or a role (``/vo/g/Role=r``)."""

    name: str
    value: str
    qualifier: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What an attribute certificate is to say.

    ``holder_issuer`` (DER Name, byte for byte) and ``holder_serial`` are those of the holder's end-entity certificate, never of a
    proxy. ``vo``, ``host`` and ``port`` form the policy authority; ``host`` must be the name of the LSC file that sites installed.
    ``fqans`` as they are to stand on the wire, the first one primary. Times are aware UTC in whole seconds; both ends belong to the
    validity. ``serial`` is positive, at most 20 octets.
    """

    holder_issuer: bytes
    holder_serial: int
    vo: str
    host: str
    port: int
    fqans: tuple[str, ...]
    attributes: tuple[GenericAttribute, ...]
    targets: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    serial: int


@dataclass(frozen=True, slots=True)
class AttributeCertificate:
    """What a DER attribute certificate says, and the bytes that were signed. Nothing in it is proven.

    ``issuer`` is a DER Name; ``certificates`` are DER, the AA's first; ``algorithm`` is
    the AlgorithmIdentifier (DER). ``key_identifier`` is None and ``no_revocation`` False when the
    extension is absent; ``unknown_critical`` lists critical extensions (dotted) that nobody here understands.
    """

    holder_issuer: bytes
    holder_serial: int
    issuer: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    vo: str
    host: str
    port: int
    fqans: tuple[str, ...]
    attributes: tuple[GenericAttribute, ...]
    targets: tuple[str, ...]
    certificates: tuple[bytes, ...]
    key_identifier: bytes | None
    no_revocation: bool
    unknown_critical: tuple[str, ...]
    algorithm: bytes
    info: bytes
    signature: bytes
    der: bytes

    @property
    def uri(self) -> str:
        """The policy authority, ``vo://host:port``."""
        return f"{self.vo}://{self.host}:{self.port}"


def sign_attribute_certificate(statement: Statement, key: IssuerKey) -> bytes:
    """The DER AttributeCertificate that says this, signed by the AA's key (sha256WithRSAEncryption or ecdsa-with-SHA256).

    Raises `Refusal` (``x509.ac_statement``) for what cannot be encoded.
    """
    _check(statement)
    info = asn1.encode(
        asn1.AcInfo(
            version=_VERSION_2,
            holder=asn1.Holder(
                certificate=asn1.IssuerSerial(
                    issuer=asn1.DirectoryName(name=asn1.raw(statement.holder_issuer, "x509.ac_statement")),
                    serial=statement.holder_serial,
                    unique_id=None,
                )
            ),
            issuer=key.issuer,
            signature=key.algorithm,
            serial=statement.serial,
            validity=asn1.Validity(
                not_before=asn1.GeneralizedTime(statement.not_before.astimezone(UTC)),
                not_after=asn1.GeneralizedTime(statement.not_after.astimezone(UTC)),
            ),
            attributes=[_fqan_attribute(statement)],
            issuer_unique_id=None,
            extensions=_extensions(statement, key),
        )
    )
    return asn1.encode(
        asn1.SignedAc(
            info=asn1.raw(info),
            algorithm=key.algorithm,
            signature=asn1.BitString(key.sign(info), 0),
        )
    )


def _check(statement: Statement) -> None:
    times = (statement.not_before, statement.not_after)
    if any(at.utcoffset() is None or at.microsecond for at in times) or times[0] >= times[1]:
        raise Refusal(
            "x509.ac_statement", expected="aware times in whole seconds, the end after the start", found=times
        )
    if not 0 < statement.serial < 1 << (8 * MAX_SERIAL_OCTETS - 1):
        raise Refusal("x509.ac_statement", expected="a positive serial number of 20 octets", found=statement.serial)
    if not statement.fqans:
        raise Refusal("x509.ac_statement", expected="at least one FQAN", found="none")
    texts = (statement.vo, statement.host, *statement.fqans, *statement.targets)
    if not all(text and text.isascii() and text.isprintable() for text in texts) or "://" in statement.vo:
        raise Refusal("x509.ac_statement", expected="printable ASCII in VO, host, FQANs and targets", found=texts)
    if not 0 < statement.port < 65536 or ":" in statement.host:
        raise Refusal("x509.ac_statement", expected="host and port", found=f"{statement.host}:{statement.port}")


def _authority(statement: Statement) -> asn1.Uri:
    return asn1.Uri(text=asn1.Ia5(f"{statement.vo}://{statement.host}:{statement.port}"))


def _fqan_attribute(statement: Statement) -> asn1.Attribute:
    syntax = asn1.IetfAttrSyntax(authority=_authority(statement), values=[fqan.encode() for fqan in statement.fqans])
    return asn1.Attribute(type=oids.FQANS, values=asn1.SetOf([asn1.raw(asn1.encode(syntax))]))


def _extensions(statement: Statement, key: IssuerKey) -> list[asn1.Extension]:
    extensions = [key.certificate_list, _NO_REVOCATION, key.key_identifier]
    if statement.attributes:
        tags = [
            asn1.Tag(name=item.name.encode(), value=item.value.encode(), qualifier=item.qualifier.encode())
            for item in statement.attributes
        ]
        block = asn1.GenericAttributes(items=[asn1.ProviderBlock(authority=_authority(statement), tags=tags)])
        extensions.insert(0, asn1.Extension(type=oids.GENERIC_ATTRIBUTES, critical=False, value=asn1.encode(block)))
    if statement.targets:
        targets = [asn1.Target(name=asn1.Uri(text=asn1.Ia5(host))) for host in statement.targets]
        extensions.append(
            asn1.Extension(type=oids.TARGETS, critical=True, value=asn1.encode(asn1.Targets(items=targets)))
        )
    return extensions


def read_attribute_certificate(der: bytes) -> AttributeCertificate:
    """What a DER attribute certificate says.

    Raises `Refusal`: ``x509.ac_malformed`` for anything but strict DER of the form that VOMS uses, ``x509.ac_version``,
    ``x509.ac_serial``, ``x509.ac_algorithm``, ``x509.ac_no_fqans``, ``x509.ac_policy_authority``, ``x509.ac_extension_twice``.
    """
    signed = asn1.decode(asn1.SignedAc, der, MALFORMED)
    info_der = asn1.encode(signed.info)
    info = asn1.decode(asn1.AcInfo, info_der, MALFORMED)
    if info.version != _VERSION_2:
        raise Refusal("x509.ac_version", expected="version 1 (v2)", found=info.version)
    if not 0 < info.serial < 1 << (8 * MAX_SERIAL_OCTETS):
        raise Refusal("x509.ac_serial", expected="a positive serial number of at most 20 octets", found=info.serial)
    algorithm = asn1.encode(signed.algorithm)
    if algorithm != asn1.encode(info.signature):
        raise Refusal("x509.ac_algorithm", expected="the same signature algorithm inside and outside", found="two")
    if not algorithms.is_known_ac_algorithm(algorithm):
        raise Refusal("x509.ac_algorithm", expected="RSA or ECDSA with SHA-256, 384 or 512", found=algorithm[:40].hex())
    if signed.signature.padding_bits():
        raise Refusal(MALFORMED, expected="a signature of whole octets", found="unused bits")
    syntax = _fqans(info.attributes)
    authority = syntax.authority.text.as_str()
    vo, host, port = _split_authority(authority)
    extensions = _by_type(info.extensions or [])
    return AttributeCertificate(
        holder_issuer=asn1.encode(info.holder.certificate.issuer.name),
        holder_serial=info.holder.certificate.serial,
        issuer=asn1.encode(info.issuer.issuer.name),
        serial=info.serial,
        not_before=_whole_seconds(info.validity.not_before),
        not_after=_whole_seconds(info.validity.not_after),
        vo=vo,
        host=host,
        port=port,
        fqans=tuple(_text(value) for value in syntax.values),
        attributes=_generic_attributes(extensions, authority),
        targets=_targets(extensions),
        certificates=_certificates(extensions),
        key_identifier=_key_identifier(extensions),
        no_revocation=_no_revocation(extensions),
        unknown_critical=tuple(
            type_.dotted_string
            for type_, extension in extensions.items()
            if extension.critical and type_ not in _KNOWN_CRITICAL
        ),
        algorithm=algorithm,
        info=info_der,
        signature=signed.signature.as_bytes(),
        der=der,
    )


def _fqans(attributes: Iterable[asn1.Attribute]) -> asn1.IetfAttrSyntax:
    found = [attribute for attribute in attributes if attribute.type == oids.FQANS]
    values = [value for attribute in found for value in attribute.values.as_list()]
    if len(found) != 1 or len(values) != 1:
        raise Refusal("x509.ac_no_fqans", expected="one FQAN attribute with one value", found=len(values))
    syntax = asn1.decode(asn1.IetfAttrSyntax, asn1.encode(values[0]), MALFORMED)
    if not syntax.values:
        raise Refusal("x509.ac_no_fqans", expected="at least one FQAN", found="none")
    return syntax


def _split_authority(uri: str) -> tuple[str, str, int]:
    vo, mark, place = uri.partition("://")
    host, colon, port = place.rpartition(":")
    if not (vo and mark and host and colon) or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise Refusal("x509.ac_policy_authority", expected="vo://host:port", found=uri[:300])
    return vo, host, int(port[:6])


def _whole_seconds(time: asn1.GeneralizedTime) -> datetime:
    at = time.as_datetime()
    if at.microsecond:
        raise Refusal(MALFORMED, expected="times without fractions of a second", found=at.isoformat())
    return at.astimezone(UTC)


def _by_type(extensions: Iterable[asn1.Extension]) -> Extensions:
    by_type: Extensions = {}
    for extension in extensions:
        if extension.type in by_type:
            raise Refusal("x509.ac_extension_twice", expected="each once", found=extension.type.dotted_string)
        by_type[extension.type] = extension
    return by_type


def _generic_attributes(extensions: Extensions, authority: str) -> tuple[GenericAttribute, ...]:
    if oids.GENERIC_ATTRIBUTES not in extensions:
        return ()
    blocks = asn1.decode(asn1.GenericAttributes, extensions[oids.GENERIC_ATTRIBUTES].value, MALFORMED).items
    for block in blocks:
        if block.authority.text.as_str() != authority:
            raise Refusal("x509.ac_policy_authority", expected=authority, found=block.authority.text.as_str()[:300])
    return tuple(
        GenericAttribute(_text(tag.name), _text(tag.value), _text(tag.qualifier))
        for block in blocks
        for tag in block.tags
    )


def _targets(extensions: Extensions) -> tuple[str, ...]:
    if oids.TARGETS not in extensions:
        return ()
    targets = asn1.decode(asn1.Targets, extensions[oids.TARGETS].value, MALFORMED).items
    if not targets:
        raise Refusal(MALFORMED, expected="at least one target", found="none")
    return tuple(target.name.text.as_str() for target in targets)


def _certificates(extensions: Extensions) -> tuple[bytes, ...]:
    if oids.AC_CERTIFICATES not in extensions:
        return ()
    listed = asn1.decode(asn1.CertificateList, extensions[oids.AC_CERTIFICATES].value, MALFORMED)
    if not listed.items:
        raise Refusal(MALFORMED, expected="the AA's certificate and its chain", found="no certificate")
    return tuple(asn1.encode(certificate) for certificate in listed.items)


def _key_identifier(extensions: Extensions) -> bytes | None:
    if oids.AUTHORITY_KEY_IDENTIFIER not in extensions:
        return None
    return asn1.decode(asn1.KeyIdentifier, extensions[oids.AUTHORITY_KEY_IDENTIFIER].value, MALFORMED).identifier


def _no_revocation(extensions: Extensions) -> bool:
    if oids.NO_REVOCATION not in extensions:
        return False
    if extensions[oids.NO_REVOCATION].value != b"\x05\x00":
        raise Refusal(MALFORMED, expected="NULL in noRevAvail", found=extensions[oids.NO_REVOCATION].value[:20].hex())
    return True


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeError as error:
        raise Refusal(MALFORMED, expected="UTF-8", found=error) from None
