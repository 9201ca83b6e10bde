"""Whom a certificate names, as databases keep it. Proves nothing: the chain was verified by who asks."""

import hashlib
import json
from dataclasses import dataclass

from cryptography import x509


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """Subject and issuer of an end entity's certificate as RFC 4514 strings, which (other than the slash form) can't be ambiguous."""

    subject: str
    issuer: str

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "CertificateNames":
        """Those of a certificate."""
        return cls(certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string())

    @property
    def key(self) -> str:
        """What a table finds the two by: SHA-256 in hexadecimal digits, however long the names are."""
        return hashlib.sha256(json.dumps([self.subject, self.issuer]).encode()).hexdigest()
