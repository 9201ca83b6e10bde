"""The client's side of mutual authorization: proves a service by its certificates, and that VOs say of it what the client requires. Pure.

A service shows a proxy of its host certificate with the VO's attribute certificate inside, made as any member's.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ostiary.errors import Denied, NotAuthenticated, Refusal
from ostiary.x509.chain import VerifiedChain, verify_chain
from ostiary.x509.fqan import Fqan, parse_fqan
from ostiary.x509.lsc import VomsDirectory
from ostiary.x509.names import issuer_bytes
from ostiary.x509.trust import TrustDirectory
from ostiary.x509.verify import VerifiedAttributeCertificate, verify_attribute_certificates

_ALTERNATIVES: Final = 100


@dataclass(frozen=True, slots=True)
class Required:
    """A group or role that a VO has to state of the service, or (``name``) a generic attribute of ``vo`` with this ``value``."""

    fqan: Fqan | None = None
    vo: str = ""
    name: str = ""
    value: str = ""

    def __str__(self) -> str:
        return self.fqan.short() if self.fqan is not None else f"{self.vo}:{self.name}={self.value}"

    def is_stated(self, statements: Sequence[VerifiedAttributeCertificate]) -> bool:
        """Whether a VO states it. An attribute has to be the service's own, not one of its groups."""
        if self.fqan is not None:
            return any(self.fqan in each.fqans for each in statements)
        return any(
            each.vo == self.vo
            and (item.name, item.value) == (self.name, self.value)
            and item.qualifier in ("", self.vo)
            for each in statements
            for item in each.certificate.attributes
        )


@dataclass(frozen=True, slots=True)
class ProvenService:
    """Whose service this is, and what VOs say of it; only `verify_service` makes one."""

    chain: VerifiedChain
    statements: tuple[VerifiedAttributeCertificate, ...]


def read_required(text: str) -> Required:
    """``/vo/group``, ``/vo/group/Role=r`` or ``vo:name=value``. Raises `Refusal` (``voms.required``, ``x509.fqan``)."""
    if text.startswith("/"):
        return Required(parse_fqan(text))
    vo, colon, rest = text.partition(":")
    name, equals, value = rest.partition("=")
    if not (vo and colon and name and equals):
        raise Refusal("voms.required", expected="/vo/group, /vo/group/Role=name or vo:name=value", found=text)
    return Required(vo=vo, name=name, value=value)


def verify_service(
    chain: Sequence[bytes],
    host: str,
    required: Sequence[Required],
    trust: TrustDirectory,
    vomsdir: VomsDirectory,
    now: datetime,
    *,
    own_names: tuple[str, ...] = (),
) -> ProvenService:
    """The service at ``host`` by the certificates (DER, its own first) of its handshake: the chain, the host's name in the end entity's
    subjectAltName (RFC 9525 6.3, dNSName or iPAddress), every attribute certificate, and all that is ``required``. ``own_names``: what a
    targeted attribute certificate may call us.

    Raises `NotAuthenticated` (``x509.*``, ``voms.service_name``), `Refusal` (``x509.ac_*``), `Denied` (``voms.service_not_stated``).
    """
    verified = verify_chain(chain, trust, now, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    if verified.independent:
        raise NotAuthenticated("x509.independent_proxy", expected="a proxy that inherits rights", found="none")
    if required and not trust.named(issuer_bytes(verified.end_entity)):
        # A VO knows its members by subject and issuer; beyond the directory two CAs may bear one name.
        raise NotAuthenticated(
            "x509.untrusted_ca",
            expected="a CA of the certificates directory",
            found=verified.issuer,
            issuer=verified.issuer,
        )
    _check_name(verified.end_entity, host)
    statements = verify_attribute_certificates(verified, vomsdir, trust, now, host_names=own_names)
    for each in required:
        if not each.is_stated(statements):
            stated = ", ".join(str(fqan) for one in statements for fqan in one.fqans) or "nothing"
            raise Denied(
                "voms.service_not_stated",
                expected=each,
                found=stated,
                host=host,
                required=each,
                subject=verified.subject,
            )
    return ProvenService(verified, statements)


def _check_name(certificate: x509.Certificate, host: str) -> None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = names.get_values_for_type(x509.DNSName)
        addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    except (x509.ExtensionNotFound, ValueError):
        dns, addresses = [], []
    wanted = _address(host)
    fits = wanted in addresses if wanted else any(_same_host(name, host) for name in dns[:_ALTERNATIVES])
    if not fits:
        raise NotAuthenticated(
            "voms.service_name", expected=host, found=", ".join([*dns, *addresses]) or "no name", host=host
        )


def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def _same_host(name: str, host: str) -> bool:
    """A wildcard stands for the whole leftmost label."""
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    first, dot, rest = host.partition(".")
    return name == host or (name.startswith("*.") and bool(first and dot) and "." in rest and name[2:] == rest)
