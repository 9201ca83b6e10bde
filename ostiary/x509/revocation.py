"""Certificate revocation lists (RFC 5280 5): reads one, proves whose it is, answers for a serial number. Opens no file."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from ostiary.errors import Refusal
from ostiary.x509 import names
from ostiary.x509.reading import UNREADABLE

_CODE: Final = "x509.crl_unusable"
_KNOWN_CRITICAL: Final = frozenset({x509.AuthorityKeyIdentifier.oid, x509.CRLNumber.oid})


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A CRL whose signature one of the CA's keys made. ``next_update`` is None where the CA promises none."""

    this_update: datetime
    next_update: datetime | None
    serials: frozenset[int] = field(repr=False)


def read_revocation_list(data: bytes, authorities: Iterable[x509.Certificate]) -> RevocationList:
    """A CRL (PEM or DER) of one of these CAs (those whose name may stand in it).

    Raises `Refusal` (``x509.crl_unusable``): unreadable, another issuer, no CA's signature, or a partial CRL (a critical extension
    says so), from which nobody can tell who is not revoked.
    """
    try:
        crl = x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)
        critical = {extension.oid for extension in crl.extensions if extension.critical}
        issuer = crl.issuer.public_bytes()
    except UNREADABLE as error:
        raise Refusal(_CODE, expected="a CRL in PEM or DER", found=error) from None
    if critical - _KNOWN_CRITICAL:
        unknown = sorted(oid.dotted_string for oid in critical - _KNOWN_CRITICAL)
        raise Refusal(_CODE, expected="a complete CRL", found=f"critical extensions {', '.join(unknown)}")
    if not any(_signed_by(crl, issuer, authority) for authority in authorities):
        raise Refusal(_CODE, expected="the signature of the CA whose file it is", found="another issuer or signature")
    try:
        serials = frozenset(entry.serial_number for entry in crl)
    except UNREADABLE as error:
        raise Refusal(_CODE, expected="entries that can be read", found=error) from None
    return RevocationList(crl.last_update_utc, crl.next_update_utc, serials)


def _signed_by(crl: x509.CertificateRevocationList, issuer: bytes, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    if not names.same_name(issuer, names.subject_bytes(authority)) or not _may_sign_crls(authority):
        return False
    if not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
    ):
        return False
    try:
        return crl.is_signature_valid(key)
    except UNREADABLE:
        return False


def _may_sign_crls(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
    except UNREADABLE:
        return False
