"""What VOs have taken back of the attribute certificates that they issued: proves a signed list or answer, and applies lists. Pure.

An attribute certificate of VOMS always says that there is no such information (noRevAvail, RFC 5755 4.3.6), so whether a VO is asked is for
the relying party to say, by name. A list or answer counts when an Attribute Authority signed it whom the LSC files trust for this VO.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from ostiary.errors import NotAuthenticated, Refusal
from ostiary.x509 import asn1, names
from ostiary.x509.attribute_certificate import AttributeCertificate
from ostiary.x509.chain import verify_chain
from ostiary.x509.link_rules import instant
from ostiary.x509.lsc import Names, VomsDirectory
from ostiary.x509.reading import UNREADABLE
from ostiary.x509.trust import TrustDirectory

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
MAX_ANSWER_BYTES: Final = 64 * 1024

_CLOCKS_DIFFER: Final = timedelta(seconds=300)
_MOST_SIGNERS: Final = 10
_STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True)
class StatusList:
    """What one VO has taken back: serial numbers with the instant. It may be relied upon until ``next_update``."""

    vo: str
    this_update: datetime
    next_update: datetime
    revoked: Mapping[int, datetime] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AcStatus:
    """The lists that are at hand, by VO. ``required``: the VOs of which nothing is believed without one that is valid."""

    lists: Mapping[str, StatusList] = field(default_factory=lambda: MappingProxyType({}))
    required: frozenset[str] = frozenset()

    def check(self, certificate: AttributeCertificate, now: datetime) -> None:
        """Raises `NotAuthenticated`: ``x509.ac_revoked``, ``x509.ac_status_unknown``."""
        known = self.lists.get(certificate.vo)
        # What was taken back stays so, also by a list that is out of date.
        if known is not None and (at := known.revoked.get(certificate.serial)) is not None:
            raise NotAuthenticated(
                "x509.ac_revoked",
                expected="an attribute certificate that its VO stands by",
                found=f"{certificate.serial:X}, taken back {instant(at)}",
                vo=certificate.vo,
                at=instant(at),
            )
        if certificate.vo in self.required and (known is None or known.next_update < now):
            found = "none" if known is None else f"one until {instant(known.next_update)}"
            raise NotAuthenticated(
                "x509.ac_status_unknown", expected="a list of what the VO took back", found=found, vo=certificate.vo
            )


NO_STATUS: Final = AcStatus()
"""No VO is asked."""


def read_status_list(data: bytes, vo: str, vomsdir: VomsDirectory, trust: TrustDirectory, now: datetime) -> StatusList:
    """The list of a VO: PEM, a CRL (RFC 5280 5) and the certificates of the Attribute Authority that signed it.

    Raises `Refusal` (``x509.status_list``: unreadable, partial, or not valid now), `NotAuthenticated` (``x509.status_signer``).
    """
    if len(data) > MAX_LIST_BYTES:
        raise _no_list(f"at most {MAX_LIST_BYTES} bytes", len(data))
    try:
        crl = x509.load_pem_x509_crl(data)
        signers = x509.load_pem_x509_certificates(data)
        critical = [extension.oid.dotted_string for extension in crl.extensions if extension.critical]
        issuer, digest = crl.issuer.public_bytes(), crl.signature_hash_algorithm
        revoked = {entry.serial_number: entry.revocation_date_utc for entry in crl}
    except UNREADABLE as error:
        raise _no_list("a CRL and certificates, PEM", error) from None
    if critical:
        raise _no_list("a complete CRL", f"critical extensions {', '.join(critical)}")
    if crl.next_update_utc is None or not crl.last_update_utc - _CLOCKS_DIFFER <= now <= crl.next_update_utc:
        raise _no_list(f"valid at {instant(now)}", f"from {crl.last_update_utc} until {crl.next_update_utc}")
    signer = _signer(signers, vo, vomsdir, trust, now)
    _check_name(issuer, signer, vo)
    _check_signature(signer, crl.signature, crl.tbs_certlist_bytes, digest, vo)
    return StatusList(vo, crl.last_update_utc, crl.next_update_utc, MappingProxyType(revoked))


def question_about(certificate: AttributeCertificate, *, nonce: bytes | None = None) -> bytes:
    """An OCSP request (RFC 6960 4.1) about one attribute certificate, DER. Raises `NotAuthenticated` (``x509.ac_no_certificates``)."""
    name, key = certificate_id(_own_issuer(certificate), hashlib.sha256)
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, certificate.serial, hashes.SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(serialization.Encoding.DER)


def check_answer(
    der: bytes,
    certificate: AttributeCertificate,
    vomsdir: VomsDirectory,
    trust: TrustDirectory,
    now: datetime,
    *,
    nonce: bytes | None = None,
) -> None:
    """Whether the signed answer (OCSP, RFC 6960 4.2) to `question_about` says that the VO stands by its certificate.

    Raises `NotAuthenticated` (``x509.ac_revoked``; ``x509.ac_status_unknown``: the VO does not know it, or gave no answer;
    ``x509.status_signer``), `Refusal` (``x509.status_answer``: unreadable, about another one, to another question, or not valid now).
    """
    answer = _load_answer(der)
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise _unknown(certificate, answer.response_status.name.lower())
    try:
        digest = answer.hash_algorithm
        wanted = certificate_id(_own_issuer(certificate), _hash_of(digest))
        found = (answer.issuer_name_hash, answer.issuer_key_hash)
        said = (answer.serial_number, _nonce_of(answer))
        since, until, signed_with = answer.this_update_utc, answer.next_update_utc, answer.signature_hash_algorithm
        signers, status, at = answer.certificates, answer.certificate_status, answer.revocation_time_utc
    except UNREADABLE as error:
        raise _no_answer("an answer about one certificate", error) from None
    if found != wanted or said != (certificate.serial, nonce):
        raise _no_answer("an answer to this question", "one to another")
    if until is None or not since - _CLOCKS_DIFFER <= now <= until:
        raise _no_answer(f"valid at {instant(now)}", f"from {since} until {until}")
    signer = _signer(signers, certificate.vo, vomsdir, trust, now)
    _check_signature(signer, answer.signature, answer.tbs_response_bytes, signed_with, certificate.vo)
    if status is ocsp.OCSPCertStatus.REVOKED and at is not None:
        told = StatusList(certificate.vo, since, until, {certificate.serial: at})
        AcStatus({certificate.vo: told}).check(certificate, now)
    if status is not ocsp.OCSPCertStatus.GOOD:
        raise _unknown(certificate, status.name.lower())


def certificate_id(issuer: x509.Certificate, digest: Callable[[bytes], Any]) -> tuple[bytes, bytes]:
    """By what OCSP names an issuer: hashes of its name and of the bits of its key (RFC 6960 4.1.1)."""
    spki = issuer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = asn1.decode(asn1.SubjectPublicKeyInfo, spki, "x509.malformed").key.as_bytes()
    return digest(names.subject_bytes(issuer)).digest(), digest(key).digest()


def _own_issuer(certificate: AttributeCertificate) -> x509.Certificate:
    if not certificate.certificates:
        raise NotAuthenticated("x509.ac_no_certificates", expected="the AA's certificate in the AC", found="none")
    return x509.load_der_x509_certificate(certificate.certificates[0])


def _load_answer(der: bytes) -> ocsp.OCSPResponse:
    if len(der) > MAX_ANSWER_BYTES:
        raise _no_answer(f"at most {MAX_ANSWER_BYTES} bytes", len(der))
    try:
        return ocsp.load_der_ocsp_response(der)
    except UNREADABLE as error:
        raise _no_answer("an OCSP response, DER", error) from None


def _hash_of(digest: hashes.HashAlgorithm) -> Callable[[bytes], Any]:
    if isinstance(digest, hashes.SHA256):
        return hashlib.sha256
    raise _no_answer("SHA-256", digest.name)


def _nonce_of(answer: ocsp.OCSPResponse) -> bytes | None:
    try:
        return answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _signer(
    certificates: list[x509.Certificate], vo: str, vomsdir: VomsDirectory, trust: TrustDirectory, now: datetime
) -> x509.Certificate:
    """The first of them, which some LSC file of the VO names, with a chain to a trusted CA."""
    expected = f"an Attribute Authority of {vo}"
    if not 0 < len(certificates) <= _MOST_SIGNERS:
        raise NotAuthenticated(
            "x509.status_signer", expected=expected, found=f"{len(certificates)} certificates", vo=vo
        )
    try:
        ders = tuple(each.public_bytes(serialization.Encoding.DER) for each in certificates)
        proven = verify_chain(ders, trust, now)
        pairs = tuple(map(Names.of, certificates))
    except Refusal as error:
        raise NotAuthenticated("x509.status_signer", expected=expected, found=error, vo=vo) from error
    trusted = any(lsc.matches(pairs) for (name, _), lsc in vomsdir.files.items() if name == vo)
    if not trusted or proven.proxies or proven.end_entity != certificates[0]:
        raise NotAuthenticated("x509.status_signer", expected=expected, found=str(pairs), vo=vo)
    return proven.end_entity


def _check_name(issuer: bytes, signer: x509.Certificate, vo: str) -> None:
    if not names.same_name(issuer, names.subject_bytes(signer)):
        found = names.slash_form_of(issuer)
        raise NotAuthenticated("x509.status_signer", expected="the name of who signed it", found=found, vo=vo)


def _check_signature(
    signer: x509.Certificate, signature: bytes, data: bytes, digest: hashes.HashAlgorithm | None, vo: str
) -> None:
    key = signer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and isinstance(digest, _STRONG):
            return key.verify(signature, data, padding.PKCS1v15(), digest)
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(digest, _STRONG):
            return key.verify(signature, data, ec.ECDSA(digest))
    except InvalidSignature:
        pass
    found = digest.name if digest is not None else "another"
    raise NotAuthenticated("x509.status_signer", expected="its signature with SHA-2", found=found, vo=vo)


def _unknown(certificate: AttributeCertificate, found: str) -> NotAuthenticated:
    return NotAuthenticated("x509.ac_status_unknown", expected="an answer of the VO", found=found, vo=certificate.vo)


def _no_list(expected: object, found: object) -> Refusal:
    return Refusal("x509.status_list", expected=expected, found=found)


def _no_answer(expected: object, found: object) -> Refusal:
    return Refusal("x509.status_answer", expected=expected, found=found)
