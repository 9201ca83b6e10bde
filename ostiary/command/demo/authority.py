"""The demo's certification authority: its CA directory as grid software wants it, and certificates for services and people.

Its key also signs the federation's metadata, so that one certificate vouches for everything in the demo, and its people's keys are
here as well: no real authority would do either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ostiary.command.demo.layout import Layout
from ostiary.config import write_private_file
from ostiary.federation.keys import PrivateKey, create_key_ring, load_private_key
from ostiary.x509.names import slash_form, subject_hash, subject_hash_old

_CA_LIFETIME: Final = timedelta(days=3650)
_LIFETIME: Final = timedelta(days=395)
_RENEW_BEFORE: Final = timedelta(days=30)
_CRL_LIFETIME: Final = timedelta(days=30)
# Grid software tolerates some minutes of clock difference in some places and none in others.
_BACK_DATED: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate and its private key, PEM."""

    certificate: Path
    key: Path

    def read(self) -> x509.Certificate:
        """The certificate."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())


class DemoAuthority:
    """The authority below ``directory``: ``ca.pem``, and ``certificates/`` for those who trust it. Its key is that of the key ring
    ``keys``, by default one below ``directory``."""

    def __init__(self, directory: Path, keys: Path | None = None) -> None:
        self._directory = directory
        self._keys = keys or directory / "keys"

    @property
    def certificate(self) -> Path:
        """Its own certificate."""
        return self._directory / "ca.pem"

    @property
    def ca_directory(self) -> Path:
        """``HASH.0``, ``HASH.signing_policy``, ``HASH.namespaces``, ``HASH.r0``, under both hashes that software looks for."""
        return self._directory / "certificates"

    def prepare(self, *, now: datetime) -> None:
        """Makes the authority where there is none yet."""
        self._directory.mkdir(exist_ok=True)
        if not self.certificate.exists():
            self._make(now)

    def issue(
        self, files: CertificateFiles, common_name: str, *, now: datetime, hosts: Sequence[str] = ()
    ) -> x509.Certificate:
        """A certificate for a person, or for a service reached as ``hosts``; one that is there and not about to expire stays."""
        if files.certificate.exists() and files.read().not_valid_after_utc > now + _RENEW_BEFORE:
            return files.read()
        files.certificate.parent.mkdir(parents=True, exist_ok=True)
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = (
            _started(_name(common_name), authority.subject, private, now, _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
                ),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key(), hashes.SHA256())
        write_private_file(files.key, _pem(private))
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate

    def publish(self, revoked: Sequence[x509.Certificate], *, now: datetime) -> None:
        """Writes the CA directory, with a fresh CRL of the ``revoked``."""
        self.ca_directory.mkdir(exist_ok=True)
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.subject)
            .last_update(now - _BACK_DATED)
            .next_update(now + _CRL_LIFETIME)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for certificate in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now - _BACK_DATED)
                .build()
            )
        crl = builder.sign(self._key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        subject = slash_form(authority.subject)
        below = subject.rpartition("/")[0]
        policy = f"access_id_CA X509 '{subject}'\npos_rights globus CA:sign\ncond_subjects globus '\"{below}/*\"'\n"
        namespaces = f'TO Issuer "{subject}" PERMIT Subject "{below}/.*"\n'
        for name in {subject_hash(authority.subject), subject_hash_old(authority.subject)}:
            for suffix, content in (
                ("0", self.certificate.read_bytes()),
                ("r0", crl),
                ("signing_policy", policy.encode()),
                ("namespaces", namespaces.encode()),
            ):
                (self.ca_directory / f"{name}.{suffix}").write_bytes(content)

    def _make(self, now: datetime) -> None:
        if not (self._keys / "current.key").exists():
            create_key_ring(self._keys, "Ostiary demo, federation", now=now)
        private = self._key()
        name = _name("Ostiary Demo CA")
        certificate = (
            _started(name, name, private, now, _CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(private, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _key(self) -> PrivateKey:
        return load_private_key(self._keys / "current.key")


def demo_authority(layout: Layout) -> DemoAuthority:
    """The one authority of a demo."""
    return DemoAuthority(layout.directory("ca"), layout.directory("federation") / "keys")


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ZZ"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ostiary Demo"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _started(
    subject: x509.Name,
    issuer: x509.Name,
    private: PrivateKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK_DATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(private: rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
