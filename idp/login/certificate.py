"""Login by an X.509 client certificate: the chain is verified against the CA directory and its CRLs, then a rule says whose it is.

A proxy certificate (RFC 3820) is no login: it stands for a program that works for somebody, not for her at a browser.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from idp.login.mapping import Home, NameRule
from idp.login.methods import AmbientName, Arrival, Authenticated, Challenge, NotOffered, Rejected
from ostiary.config import TrustedPeer
from ostiary.errors import NotAuthenticated
from ostiary.web.ignored_once import IgnoredOnce
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.chain import TLS_CLIENT, VerifiedChain, verify_chain
from ostiary.x509.passed_on import certificates_in
from ostiary.x509.reading import UNREADABLE
from ostiary.x509.trust import TrustDirectory

Field = Literal["mail", "upn", "uri", "dns", "common_name", "uid", "subject_mail", "serial_number", "subject"]
"""Where a certificate says whose it is: a subjectAltName (``mail``, ``upn``, ``uri``, ``dns``), an attribute of the subject, or the whole
``subject`` (RFC 4514)."""

# Microsoft's userPrincipalName, an otherName whose value is a UTF8String.
UPN: Final = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_SUBJECT: Final = {
    "common_name": NameOID.COMMON_NAME,
    "uid": NameOID.USER_ID,
    "subject_mail": NameOID.EMAIL_ADDRESS,
    "serial_number": NameOID.SERIAL_NUMBER,
}


class ByCertificate(Protocol):
    """Who registered a certificate."""

    def principal_with(self, names: CertificateNames) -> str | None:
        """The person to whom a certificate of these names belongs; None where it is nobody's. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Takes the login name from one field of the certificate."""

    field: Field
    rule: NameRule


@dataclass(frozen=True, slots=True)
class CertificateLogin:
    """`AmbientMethod`. The certificate comes from our own TLS listener, or in ``header`` from a web server in front (``peer``).

    ``registered`` is asked first; then ``rules`` in order. A certificate that by one rule means several people means nobody.
    """

    trust: Callable[[], TrustDirectory]
    home: Home
    registered: ByCertificate | None
    rules: tuple[FieldRule, ...]
    ignored: IgnoredOnce
    header: str
    peer: TrustedPeer

    @property
    def name(self) -> AmbientName:
        return "certificate"

    def is_at_once(self, arrival: Arrival) -> bool:
        return False

    def look(self, arrival: Arrival, now: datetime) -> Authenticated | Rejected | NotOffered | Challenge:
        sent = self._sent(arrival)
        if not sent:
            return NotOffered("no certificate")
        try:
            chain = verify_chain(sent, self.trust(), now, usage=TLS_CLIENT)
        except NotAuthenticated as problem:
            return Rejected("not_valid", detail=str(problem))
        if chain.proxies:
            return Rejected("not_valid", detail=f"a proxy of {chain.subject}")
        return self._person(chain)

    def shown(self, arrival: Arrival, now: datetime) -> CertificateNames | None:
        """Whose certificate this request proves, whether or not it is somebody's here; None where it proves none."""
        sent = self._sent(arrival)
        if not sent:
            return None
        try:
            chain = verify_chain(sent, self.trust(), now, usage=TLS_CLIENT)
        except NotAuthenticated:
            return None
        return CertificateNames.of(chain.end_entity) if not chain.proxies else None

    def _sent(self, arrival: Arrival) -> tuple[bytes, ...]:
        """The chain that the connection itself proved, else the one that the web server in front passes on."""
        if arrival.chain:
            return arrival.chain
        given = arrival.headers.get(self.header.lower(), "") if self.header else ""
        if not given:
            return ()
        if not self.peer.trusts(arrival.peer, arrival.headers):
            self.ignored.tell(self.header, arrival.peer, arrival.client)
            return ()
        return certificates_in(given)

    def _person(self, chain: VerifiedChain) -> Authenticated | Rejected:
        certificate = chain.end_entity
        if self.registered is not None:
            principal = self.registered.principal_with(CertificateNames.of(certificate))
            if principal is not None:
                return self.home.active(principal)
        for rule in self.rules:
            names = dict.fromkeys(
                name for text in field_values(certificate, rule.field) if (name := rule.rule.apply(text)) is not None
            )
            if len(names) > 1:
                return Rejected("foreign", detail=f"{len(names)} names by {rule.field} in {chain.subject}")
            for login_name in names:
                return self.home.person(login_name)
        return Rejected("foreign", detail=chain.subject)


def field_values(certificate: x509.Certificate, field: Field) -> tuple[str, ...]:
    """What stands in this field of a certificate; nothing where it is missing or can't be read as text."""
    try:
        if field == "subject":
            return (certificate.subject.rfc4514_string(),)
        if field in _SUBJECT:
            attributes = certificate.subject.get_attributes_for_oid(_SUBJECT[field])
            return tuple(one.value for one in attributes if isinstance(one.value, str))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (*UNREADABLE, x509.ExtensionNotFound):
        return ()
    match field:
        case "mail":
            return tuple(names.get_values_for_type(x509.RFC822Name))
        case "uri":
            return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
        case "dns":
            return tuple(names.get_values_for_type(x509.DNSName))
        case _:
            others = names.get_values_for_type(x509.OtherName)
            texts = (_utf8_string(one.value) for one in others if one.type_id == UPN)
            return tuple(text for text in texts if text is not None)


def _utf8_string(der: bytes) -> str | None:
    """The text of a DER UTF8String."""
    if len(der) < 2 or der[0] != 0x0C:
        return None
    length, start = der[1], 2
    if length == 0x81 and len(der) > 2:
        length, start = der[2], 3
    elif length == 0x82 and len(der) > 3:
        length, start = int.from_bytes(der[2:4], "big"), 4
    elif length >= 0x80:
        return None
    content = der[start:]
    try:
        return content.decode() if len(content) == length else None
    except UnicodeDecodeError:
        return None
