"""Rules for the keys of a role: there, readable, strong. Certificates only carry keys; their dates and issuers are never a fault."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from ostiary.errors import Refusal
from ostiary.federation.key_descriptors import read_keys
from ostiary.federation.validation.descriptor import EntityView, RoleView, all_of, first_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.saml import names
from ostiary.saml.keys import CURVES, MINIMUM_RSA_BITS
from ostiary.saml.xml import Element, qname

ALGORITHMS: Final = "urn:oasis:names:tc:SAML:metadata:algsupport"
_MAX_CERTIFICATE: Final = 65_536
_MIN_EC_BITS: Final = 256
_CBC: Final = frozenset({names.AES128_CBC, names.AES192_CBC, names.AES256_CBC, names.TRIPLEDES_CBC})
_GCM: Final = frozenset({names.AES128_GCM, names.AES192_GCM, names.AES256_GCM})
_TRANSPORT: Final = frozenset({names.RSA_1_5, names.RSA_OAEP, names.RSA_OAEP_MGF1P})


@dataclass(frozen=True, slots=True)
class _Carried:
    """What a certificate carries. ``fingerprint``: SHA-256 of the key (SubjectPublicKeyInfo), hexadecimal."""

    fingerprint: str
    public: object
    not_before: datetime
    not_after: datetime
    digest: str


def key_rules(view: EntityView, now: datetime) -> Iterator[Complaint]:
    """SDP-MD05 to SDP-MD08, SAML Metadata Interoperability Profile 2.6."""
    for role in view.of("idp", "sp", "aa"):
        yield from _presence(role)
        yield from _digests(view, role)
        for descriptor in role.key_descriptors():
            yield from _descriptor(descriptor, now)


def _presence(role: RoleView) -> Iterator[Complaint]:
    signing, encryption = role.key_descriptors("signing", None), role.key_descriptors("encryption", None)
    signs = role.element.get("AuthnRequestsSigned") in ("true", "1")
    if not signing and (role.kind == "idp" or (role.kind == "sp" and signs)):
        yield complain("role.signing_key", role.element, role=etree.QName(role.element).localname)
    if not signing and role.kind == "aa":
        yield complain("role.aa_signing_key", role.element)
    if not encryption and role.kind == "sp":
        yield complain("role.encryption_key", role.element)


def _digests(view: EntityView, role: RoleView) -> Iterator[Complaint]:
    """Where algorithms are listed at all, one of them has to be good (Metadata Profile for Algorithm Support 2.2, 2.3)."""
    for name in ("DigestMethod", "SigningMethod"):
        listed = [one for holder in (role.extensions, view.extensions) for one in all_of(holder, ALGORITHMS, name)]
        algorithms = [one.get("Algorithm", "").lower() for one in listed]
        if listed and all(text.endswith(("sha1", "md5")) for text in algorithms):
            yield complain("role.only_weak_digests", listed[0], part=name)


def _descriptor(descriptor: Element, now: datetime) -> Iterator[Complaint]:
    certificates = list(descriptor.iter(qname(names.DS, "X509Certificate")))
    carried: list[_Carried] = []
    for certificate in certificates:
        found = _carried(certificate)
        if found is None:
            yield complain("key.unreadable", certificate)
        else:
            carried.append(found)
            yield from _strength(found, certificate)
            yield from _remarks(found, certificate, now)
    if not certificates:
        yield from _without_certificate(descriptor)
    if len({one.fingerprint for one in carried}) > 1:
        yield complain("key.several", descriptor, found=len(carried))
    if descriptor.get("use") in (None, "encryption"):
        yield from _methods(descriptor)


def _without_certificate(descriptor: Element) -> Iterator[Complaint]:
    bare = next(descriptor.iter(qname(names.DS, "RSAKeyValue"), qname(names.DSIG11, "ECKeyValue")), None)
    try:
        usable = any(True for _ in read_keys(descriptor))
    except Refusal:
        # A `use` that is not known, of which the schema speaks.
        usable = False
    if bare is None or not usable:
        yield complain("key.unreadable", descriptor)
    else:
        yield complain("key.bare", bare)


def _strength(found: _Carried, certificate: Element) -> Iterator[Complaint]:
    public = found.public
    if isinstance(public, rsa.RSAPublicKey):
        exponent = public.public_numbers().e
        if public.key_size < MINIMUM_RSA_BITS or exponent < 3 or exponent % 2 == 0:
            yield complain("key.weak", certificate, found=f"RSA, {public.key_size} bits, exponent {exponent}")
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if public.curve.key_size < _MIN_EC_BITS:
            yield complain("key.weak", certificate, found=f"EC, {public.curve.key_size} bits")
        elif public.curve.name not in CURVES:
            yield complain("key.kind", certificate, found=public.curve.name)
    else:
        yield complain("key.kind", certificate, found=type(public).__name__.removesuffix("PublicKey"))


def _remarks(found: _Carried, certificate: Element, now: datetime) -> Iterator[Complaint]:
    if not found.not_before <= now < found.not_after:
        dates = f"{found.not_before:%Y-%m-%d} - {found.not_after:%Y-%m-%d}"
        yield complain("key.certificate_dates", certificate, found=dates)
    if found.digest in ("sha1", "md5"):
        yield complain("key.certificate_signature", certificate, found=found.digest.upper())


def _methods(descriptor: Element) -> Iterator[Complaint]:
    methods = list(all_of(descriptor, names.MD, "EncryptionMethod"))
    algorithms = {one.get("Algorithm", "") for one in methods}
    if algorithms & _CBC and not algorithms & _GCM:
        yield complain("key.only_cbc", descriptor)
    transports = algorithms & _TRANSPORT
    if transports == {names.RSA_1_5}:
        yield complain("key.only_rsa_1_5", descriptor)
    oaep = [one for one in methods if one.get("Algorithm") in (names.RSA_OAEP, names.RSA_OAEP_MGF1P)]
    digests = [first_of(one, names.DS, "DigestMethod") for one in oaep]
    # Where no digest is named, XML Encryption 5.5.2 means SHA-1, and every implementation takes SHA-256 as well.
    if oaep and all(one is not None and one.get("Algorithm") == names.SHA1 for one in digests):
        yield complain("key.only_sha1", oaep[0])


def key_fingerprints(view: EntityView) -> Iterator[tuple[str, Element]]:
    """The fingerprint of each key of the entity's SAML 2.0 roles that a certificate carries, once, with the certificate's element."""
    seen: set[str] = set()
    for role in view.of("idp", "sp", "aa"):
        for descriptor in role.key_descriptors():
            for certificate in descriptor.iter(qname(names.DS, "X509Certificate")):
                found = _carried(certificate)
                if found is not None and found.fingerprint not in seen:
                    seen.add(found.fingerprint)
                    yield found.fingerprint, certificate


def _carried(element: Element) -> _Carried | None:
    text = "".join((element.text or "").split())
    if not text or len(text) > _MAX_CERTIFICATE:
        return None
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
        public = certificate.public_key()
        spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        fingerprint, digest = hashlib.sha256(spki).hexdigest(), _digest_of(certificate)
        return _Carried(fingerprint, public, certificate.not_valid_before_utc, certificate.not_valid_after_utc, digest)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        return None


def _digest_of(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return algorithm.name if algorithm is not None else ""
