"""A certificate in words (``-text``), as far as a person can use them. Pure."""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.x509.kinds import extension_bytes, extensions_of
from ostiary.x509.names import issuer_bytes, slash_form_of, subject_bytes

_TIME: Final = "%b %d %H:%M:%S %Y GMT"
_SHOWN: Final = 64


def certificate_text(certificate: x509.Certificate) -> list[str]:
    """Its fields and extensions, one a line."""
    lines = [
        "Certificate:",
        f"    Version: {certificate.version.value + 1}",
        f"    Serial Number: {certificate.serial_number} (0x{certificate.serial_number:x})",
        f"    Signature Algorithm: {certificate.signature_algorithm_oid.dotted_string}",
        f"    Issuer: {slash_form_of(issuer_bytes(certificate))}",
        f"    Not Before: {certificate.not_valid_before_utc:{_TIME}}",
        f"    Not After : {certificate.not_valid_after_utc:{_TIME}}",
        f"    Subject: {slash_form_of(subject_bytes(certificate))}",
        f"    Public Key: {_key(certificate)}",
        "    Extensions:",
    ]
    for type_, extension in extensions_of(certificate).items():
        value = extension_bytes(extension)
        shown = value.hex() if len(value) <= _SHOWN else f"{value[:_SHOWN].hex()}... ({len(value)} octets)"
        lines += [f"        {type_.dotted_string}{': critical' if extension.critical else ''}", f"            {shown}"]
    return lines


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA, {key.key_size} bits"
    return f"EC, {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
