"""What a proxy file holds, as lines for people (those of ``voms-proxy-info``) and as data for programs. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.x509.attribute_certificate import AttributeCertificate
from ostiary.x509.kinds import Kind, classify
from ostiary.x509.names import issuer_bytes, slash_form_of, subject_bytes
from ostiary.x509.proxy import Proxy

_TYPES = {
    Kind.END_ENTITY: "end entity certificate",
    Kind.FULL_PROXY: "RFC compliant proxy",
    Kind.LIMITED_PROXY: "RFC compliant limited proxy",
    Kind.INDEPENDENT_PROXY: "RFC compliant independent proxy",
    Kind.LEGACY_PROXY: "legacy globus proxy",
}
_USAGES = (
    ("digital_signature", "Digital Signature"),
    ("content_commitment", "Non Repudiation"),
    ("key_encipherment", "Key Encipherment"),
    ("data_encipherment", "Data Encipherment"),
    ("key_agreement", "Key Agreement"),
    ("key_cert_sign", "Key Cert Sign"),
    ("crl_sign", "CRL Sign"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A proxy file at one moment; the attribute certificates are as read, proven or not."""

    path: Path
    proxy: Proxy
    attribute_certificates: tuple[AttributeCertificate, ...]
    now: datetime

    @property
    def subject(self) -> str:
        """The proxy's own name, slash form."""
        return slash_form_of(subject_bytes(self.proxy.certificate))

    @property
    def issuer(self) -> str:
        """The name of what signed it."""
        return slash_form_of(issuer_bytes(self.proxy.certificate))

    @property
    def identity(self) -> str:
        """The name of the end entity behind it."""
        end_entity = next((one for one in self.proxy.certificates if not classify(one).is_proxy), None)
        return slash_form_of(subject_bytes(end_entity or self.proxy.certificates[-1]))

    @property
    def type(self) -> str:
        """What kind of certificate it is, in the words of the original client."""
        return _TYPES[classify(self.proxy.certificate).kind]

    @property
    def strength(self) -> int:
        """The size of its key in bits."""
        return strength_of(self.proxy.certificate)

    @property
    def left(self) -> timedelta:
        """How long the whole chain stays valid; zero when it is over."""
        end = min(one.not_valid_after_utc for one in self.proxy.certificates)
        return max(end - self.now, timedelta(0))


def strength_of(certificate: x509.Certificate) -> int:
    """The size of a certificate's key in bits."""
    key = certificate.public_key()
    return key.key_size if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0


def time_left(left: timedelta) -> str:
    """``11:59:58``."""
    seconds = max(int(left.total_seconds()), 0)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def summary(seen: Seen, *, usage: bool = False) -> list[str]:
    """What the client prints without options; ``usage``: and what the key may be used for."""
    return [
        f"subject   : {seen.subject}",
        f"issuer    : {seen.issuer}",
        f"identity  : {seen.identity}",
        f"type      : {seen.type}",
        f"strength  : {seen.strength} bits",
        f"path      : {seen.path}",
        f"timeleft  : {time_left(seen.left)}",
        *([f"key usage : {key_usage(seen.proxy.certificate)}"] if usage else []),
    ]


def everything(seen: Seen) -> list[str]:
    """The same and all that the VOs say (``-all``)."""
    lines = summary(seen, usage=True)
    for certificate in seen.attribute_certificates:
        lines += [
            f"=== VO {certificate.vo} extension information ===",
            f"VO        : {certificate.vo}",
            f"subject   : {seen.identity}",
            f"issuer    : {slash_form_of(certificate.issuer)}",
            *(f"attribute : {fqan}" for fqan in certificate.fqans),
            *(f"attribute : {item.name} = {item.value} ({item.qualifier})" for item in certificate.attributes),
            *(f"target    : {target}" for target in certificate.targets),
            f"timeleft  : {time_left(certificate.not_after - seen.now)}",
            f"uri       : {certificate.host}:{certificate.port}",
        ]
    return lines


def as_data(seen: Seen) -> dict[str, object]:
    """The same for programs; times as ISO 8601, durations in seconds."""
    return {
        "subject": seen.subject,
        "issuer": seen.issuer,
        "identity": seen.identity,
        "type": seen.type,
        "strength": seen.strength,
        "path": str(seen.path),
        "timeleft": int(seen.left.total_seconds()),
        "attribute_certificates": [
            {
                "vo": certificate.vo,
                "issuer": slash_form_of(certificate.issuer),
                "fqans": list(certificate.fqans),
                "attributes": [
                    {"name": item.name, "value": item.value, "qualifier": item.qualifier}
                    for item in certificate.attributes
                ],
                "targets": list(certificate.targets),
                "serial": serial_text(certificate.serial),
                "not_before": certificate.not_before.isoformat(),
                "not_after": certificate.not_after.isoformat(),
                "uri": f"{certificate.host}:{certificate.port}",
            }
            for certificate in seen.attribute_certificates
        ],
    }


def fact(seen: Seen, name: str) -> str:
    """One fact about the proxy, as the original's single options print it."""
    return {
        "subject": seen.subject,
        "issuer": seen.issuer,
        "identity": seen.identity,
        "type": seen.type,
        "strength": str(seen.strength),
        "path": str(seen.path),
        "timeleft": str(int(seen.left.total_seconds())),
    }[name]


def said(seen: Seen, certificate: AttributeCertificate, name: str) -> list[str]:
    """One fact about what a VO says."""
    if name == "fqan":
        return list(certificate.fqans)
    if name == "targets":
        return list(certificate.targets)
    left = max(int((certificate.not_after - seen.now).total_seconds()), 0)
    return [
        {
            "vo": certificate.vo,
            "acsubject": seen.identity,
            "acissuer": slash_form_of(certificate.issuer),
            "uri": f"{certificate.host}:{certificate.port}",
            "actimeleft": str(left),
            "serial": serial_text(certificate.serial),
        }[name]
    ]


def serial_text(serial: int) -> str:
    """Whole octets in hexadecimal digits, as the original has them."""
    text = f"{serial:X}"
    return text.zfill(len(text) + len(text) % 2)


def chain_lines(seen: Seen, *, usage: bool) -> list[str]:
    """What stands above the proxy, the end entity first (``-chain``); the proxy itself is printed after it. ``usage`` as in `summary`."""
    lines = ["=== Proxy Chain Information ==="]
    for certificate in reversed(seen.proxy.certificates[1:]):
        lines += [
            f"subject   : {slash_form_of(subject_bytes(certificate))}",
            f"issuer    : {slash_form_of(issuer_bytes(certificate))}",
            *([f"key usage : {key_usage(certificate)}"] if usage else []),
            f"strength  : {strength_of(certificate)} bits",
            f"timeleft  : {time_left(certificate.not_valid_after_utc - seen.now)}",
            "",
        ]
    return lines[:-1]


def key_usage(certificate: x509.Certificate) -> str:
    """The uses that the certificate's key has, RFC 5280's names."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "any"
    return ", ".join(title for name, title in _USAGES if getattr(usage, name))
