"""The certificate that a signed document carries, for comparing its fingerprint with one that came by another way. Trusts none."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.xml import Element, qname

_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Carried:
    """A certificate (DER), with what is told of it. ``fingerprint``: SHA-256 of the DER, hexadecimal; ``key``: kind and size in words."""

    der: bytes
    fingerprint: str
    subject: str
    key: str
    not_before: datetime
    not_after: datetime

    @property
    def pem(self) -> str:
        """For a file."""
        return x509.load_der_x509_certificate(self.der).public_bytes(serialization.Encoding.PEM).decode()


def signing_certificate(root: Element) -> Carried | None:
    """The first certificate in the KeyInfo of the root's signature; None where there is none that can be read."""
    for signature in root.iterchildren(qname(names.DS, "Signature")):
        for element in signature.iter(qname(names.DS, "X509Certificate")):
            return carried("".join((element.text or "").split()))
    return None


def carried(text: str) -> Carried | None:
    """A certificate in base64; None for anything else."""
    if len(text) > _MOST_BYTES:
        return None
    try:
        return described(base64.b64decode(text, validate=True))
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        return None


def described(der: bytes) -> Carried:
    """A certificate in DER. Raises ValueError, `x509.InvalidVersion`, `UnsupportedAlgorithm`."""
    certificate = x509.load_der_x509_certificate(der)
    public = certificate.public_key()
    kind = type(public).__name__.lstrip("_").removesuffix("PublicKey")
    size = getattr(public, "key_size", None)
    return Carried(
        der,
        hashlib.sha256(der).hexdigest(),
        certificate.subject.rfc4514_string(),
        f"{kind} {size}" if size else kind,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def in_pairs(fingerprint: str) -> str:
    """As people compare it: ``3F:A2:...``."""
    upper = fingerprint.upper()
    return ":".join(upper[start : start + 2] for start in range(0, len(upper), 2))


def read_fingerprint(text: str) -> str:
    """64 hexadecimal digits, however they are grouped. Raises `Refusal` (``metadata.fingerprint``)."""
    plain = re.sub(r"[\s:]", "", text.lower().removeprefix("sha256"))
    if _HEXADECIMAL.fullmatch(plain) is None:
        raise Refusal("metadata.fingerprint", expected="SHA-256 as 64 hexadecimal digits", found=text[:100])
    return plain
