"""The signing keys of one service, on disk: current, next and retired. Knows when each is published and which one signs.

A key directory holds ``current.key`` and ``current.crt`` (the pair that signs), optionally ``next.crt`` (published, not yet
signing; its ``next.key`` beside it) and ``retired-*.crt`` (published until partners have refreshed, signs nothing any more).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ostiary.config import Sources, read_private_file, write_private_file
from ostiary.errors import ConfigurationError, Refusal
from ostiary.federation.model import EntityKey
from ostiary.saml.keys import Signer, TrustedKey

# A certificate only carries the key, its dates end nothing; long, so that no partner's software complains.
CERTIFICATE_LIFETIME: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """``signer`` signs; ``published`` are the keys that metadata lists: current, then next, then retired ones."""

    signer: Signer
    published: tuple[EntityKey, ...]


def load_key_ring(directory: Path, sources: Sources | None = None) -> KeyRing:
    """Reads a key directory. Raises `ConfigurationError` (``key.file``, ``config.private_file_*``)."""
    certificates = [directory / "current.crt", directory / "next.crt", *sorted(directory.glob("retired-*.crt"))]
    present = [path for path in certificates if path.exists() or path.name == "current.crt"]
    if sources is not None:
        sources.note(directory)
        for path in [directory / "current.key", *certificates]:
            sources.note(path)
    ders = [load_certificate(path) for path in present]
    signer = load_signer(directory / "current.key", ders[0])
    return KeyRing(signer, tuple(EntityKey(TrustedKey.from_certificate(der), "signing", der) for der in ders))


def load_signer(key_path: Path, certificate: bytes) -> Signer:
    """The private key of a PEM file, with its certificate (DER). Raises `ConfigurationError` (``key.file``)."""
    try:
        key = serialization.load_pem_private_key(read_private_file(key_path), password=None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise Refusal("key.unusable", expected="RSA or EC", found=type(key).__name__)
        return Signer(key, certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm, Refusal) as error:
        raise ConfigurationError(
            "key.file", file=key_path, expected="an unencrypted PEM key that fits its certificate", found=error
        ) from None


def load_certificate(path: Path) -> bytes:
    """DER of the first certificate of a PEM file. Raises `ConfigurationError` (``key.file``)."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        der = certificate.public_bytes(serialization.Encoding.DER)
        TrustedKey.from_certificate(der)
    except (OSError, ValueError, x509.InvalidVersion, Refusal) as error:
        raise ConfigurationError("key.file", file=path, expected="a PEM certificate", found=error) from None
    return der


def create_key_ring(directory: Path, common_name: str, *, now: datetime) -> None:
    """A fresh RSA-3072 key and its self-signed certificate as ``current``. An existing key is never overwritten
    (``key.exists``)."""
    key_path = directory / "current.key"
    if key_path.exists():
        raise ConfigurationError("key.exists", file=key_path, expected="no key here yet", found="a key")
    directory.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "current.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_private_file(key_path, pem)
