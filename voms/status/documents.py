"""What the status service signs: the list of attribute certificates that were taken back, and the answer about one of them. Pure.

The list is a CRL (RFC 5280 5) over the serial numbers of attribute certificates (RFC 5755 6), signed by the Attribute Authority itself; its
certificate and chain follow in the same PEM document, so that relying parties trust it by their LSC file. An answer is OCSP (RFC 6960).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha1, sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from ostiary.errors import Refusal
from ostiary.x509.ac_status import certificate_id
from ostiary.x509.reading import UNREADABLE
from voms.issuing import Issuer
from voms.status.issued import IssuedRow

MAX_QUESTION: Final = 4_096
_LONGEST_NONCE: Final = 32
_DIGESTS: Final = {"sha1": sha1, "sha256": sha256}


def revocation_list(revoked: Mapping[int, datetime], issuer: Issuer, now: datetime, valid_for: timedelta) -> bytes:
    """The signed list at ``now`` (whole seconds), PEM: the CRL, then the certificates of who signed it."""
    own = issuer.key.certificates[0]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(own.subject)
        .last_update(now)
        .next_update(now + valid_for)
        # One more than before, whichever of several servers signs it.
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
    )
    withdrawn = x509.CRLReason(x509.ReasonFlags.privilege_withdrawn)
    for serial, at in revoked.items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.add_extension(withdrawn, critical=False).build())
    pem = serialization.Encoding.PEM
    chain = b"".join(certificate.public_bytes(pem) for certificate in issuer.key.certificates)
    return issuer.key.sign_list(builder).public_bytes(pem) + chain


def read_question(der: bytes) -> ocsp.OCSPRequest:
    """One OCSP request about one certificate. Raises `Refusal` (``voms.status_question``)."""
    if not 0 < len(der) <= MAX_QUESTION:
        raise Refusal("voms.status_question", expected=f"1 to {MAX_QUESTION} bytes", found=len(der))
    try:
        asked = ocsp.load_der_ocsp_request(der)
        name, nonce = asked.hash_algorithm.name, nonce_of(asked)
    except (*UNREADABLE, NotImplementedError) as error:
        raise Refusal("voms.status_question", expected="an OCSP request about one certificate", found=error) from None
    if name not in _DIGESTS or (nonce is not None and not 0 < len(nonce.nonce) <= _LONGEST_NONCE):
        raise Refusal("voms.status_question", expected="SHA-1 or SHA-256, a nonce of 1 to 32 octets", found=name)
    return asked


def nonce_of(asked: ocsp.OCSPRequest) -> x509.OCSPNonce | None:
    """What the answer has to repeat (RFC 8954)."""
    try:
        return asked.extensions.get_extension_for_class(x509.OCSPNonce).value
    except x509.ExtensionNotFound:
        return None


def concerns(asked: ocsp.OCSPRequest, issuer: Issuer) -> bool:
    """Whether the question is about something that this VO's service issued, under whichever of its certificates."""
    digest = _DIGESTS[asked.hash_algorithm.name]
    wanted = (asked.issuer_name_hash, asked.issuer_key_hash)
    return any(certificate_id(chain[0], digest) == wanted for chain in (issuer.key.certificates, *issuer.others))


def answer(
    asked: ocsp.OCSPRequest, found: IssuedRow | None, issuer: Issuer, now: datetime, valid_for: timedelta
) -> bytes:
    """The signed answer, DER. ``found``: what the database has under that serial number; None: nothing, so nobody knows of it."""
    status, at, reason = ocsp.OCSPCertStatus.UNKNOWN, None, None
    if found is not None:
        status = ocsp.OCSPCertStatus.GOOD if found.revoked_at is None else ocsp.OCSPCertStatus.REVOKED
        at = found.revoked_at
        reason = x509.ReasonFlags.privilege_withdrawn if at is not None else None
    own = issuer.key.certificates[0]
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            asked.serial_number,
            hashes.SHA1() if asked.hash_algorithm.name == "sha1" else hashes.SHA256(),  # noqa: S303  # names, not a signature
            status,
            now,
            now + valid_for,
            at,
            reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, own)
        .certificates(list(issuer.key.certificates))
    )
    if (nonce := nonce_of(asked)) is not None:
        builder = builder.add_extension(nonce, critical=False)
    return issuer.key.sign_answer(builder).public_bytes(serialization.Encoding.DER)


def no_answer(status: ocsp.OCSPResponseStatus) -> bytes:
    """An answer that says why there is none; it is not signed (RFC 6960 2.3)."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)
