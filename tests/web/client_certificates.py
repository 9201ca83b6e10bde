"""Certificates and TLS clients for the listener's tests: a CA, people's certificates, RFC 3820 proxies. Decides nothing."""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

# SEQUENCE { SEQUENCE { id-ppl-inheritAll } }: RFC 3820 3.8 without a path length.
_PROXY_CERT_INFO = bytes.fromhex("300c300a06082b06010505071501")


@dataclass(frozen=True)
class Identity:
    """A certificate with its key and what else a peer sends along, nearest first."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def ders(self) -> tuple[bytes, ...]:
        return tuple(der(found) for found in (self.certificate, *self.chain))

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        pem = serialization.Encoding.PEM
        certificate.write_bytes(b"".join(found.public_bytes(pem) for found in (self.certificate, *self.chain)))
        key.touch(0o600)
        key.write_bytes(self.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return certificate, key


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def make_identity(
    name: str, issuer: Identity | None = None, *, ca: bool = False, days: tuple[int, int] = (-1, 1)
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    builder = _builder(subject, issuer.certificate.subject if issuer else subject, key, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def make_proxy(signer: Identity, serial: int) -> Identity:
    """RFC 3820: the signer's subject with one more CN, and the proxyCertInfo extension."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            *signer.certificate.subject.rdns,
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, str(serial))]),
        ]
    )
    builder = _builder(subject, signer.certificate.subject, key, (-1, 1))
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    builder = builder.add_extension(usage, critical=True)
    info = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.5.5.7.1.14"), _PROXY_CERT_INFO)
    builder = builder.add_extension(info, critical=True)
    return Identity(builder.sign(signer.key, hashes.SHA256()), key, (signer.certificate, *signer.chain))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )


def client_context(ca: Identity, own: tuple[Path, Path] | None = None, *, tls12: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=der(ca.certificate))
    if own is not None:
        context.load_cert_chain(*own)
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def talk(port: int, context: ssl.SSLContext, records: Iterable[bytes], *, half_close: bool = False) -> bytes:
    """Sends each of ``records`` as a TLS record of its own and returns everything up to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw, context.wrap_socket(raw) as tls:
        for record in records:
            tls.sendall(record)
        if half_close:
            socket.socket.shutdown(tls, socket.SHUT_WR)
        return read_to_end(tls)


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65_536):
        received += data
    return received
