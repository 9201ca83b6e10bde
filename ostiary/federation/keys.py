"""The keys of one service, on disk: current, next and retired. Knows which are published, which one signs and which decrypt.

A key directory holds ``current.key`` and ``current.crt`` (the pair that signs), optionally ``next.crt`` (published, not yet
signing; its ``next.key`` beside it) and ``retired-*.crt`` (published until partners have refreshed, signs nothing any more).
Those that decrypt are ``encryption-current.*``, ``encryption-next.key`` and ``encryption-retired-*.key``: all of them decrypt,
and the current one alone is published, so partners encrypt to nothing else. `ostiary.federation.rotation` moves them on.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from ostiary.config import Sources, read_private_file, write_private_file
from ostiary.errors import ConfigurationError, Refusal
from ostiary.federation.model import EntityKey
from ostiary.saml.encryption_methods import OUR_METHODS
from ostiary.saml.keys import Signer, TrustedKey

# A certificate only carries the key, its dates end nothing; long, so that no partner's software complains.
CERTIFICATE_LIFETIME: Final = timedelta(days=3650)


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Use = Literal["signing", "encryption"]

PREFIXES: Final[dict[Use, str]] = {"signing": "", "encryption": "encryption-"}
PUBLISHED: Final = "published.crt"
"""All certificates that partners may meet, for those who trust this service by a file. Written with each change, read by nobody here."""

_MOST_TRUSTED: Final = 16
_PEM_BEGIN: Final = b"-----BEGIN PUBLIC KEY-----"
_ATTEMPTS: Final = 10
_PAUSE: Final = 0.02
_TRIAL: Final = b"ostiary: does this key sign?"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """``signer`` signs; ``published`` are the keys that metadata lists: current, next and retired ones that sign, then the one to
    encrypt to; ``decrypting`` are the private keys that open what was encrypted for this service, the current one first."""

    signer: Signer
    published: tuple[EntityKey, ...]
    decrypting: tuple[rsa.RSAPrivateKey, ...] = ()


def load_key_ring(directory: Path, sources: Sources | None = None) -> KeyRing:
    """Reads a key directory, again while somebody is changing it. Raises `ConfigurationError` (``key.file``,
    ``config.private_file_*``)."""
    if sources is not None:
        _note(directory, sources)
    for _ in range(_ATTEMPTS - 1):
        before = Sources()
        _note(directory, before)
        try:
            ring = _read(directory)
        except ConfigurationError:
            if not before.changed():
                raise
        else:
            if not before.changed():
                return ring
        time.sleep(_PAUSE)
    return _read(directory)


def _note(directory: Path, sources: Sources) -> None:
    sources.note(directory)
    for prefix in PREFIXES.values():
        for name in ("current.key", "current.crt", "next.key", "next.crt"):
            sources.note(directory / f"{prefix}{name}")
        for path in sorted(directory.glob(f"{prefix}retired-*")):
            sources.note(path)


def _read(directory: Path) -> KeyRing:
    signer = load_signer(directory / "current.key", current_certificate(directory, "signing"))
    others = [directory / "next.crt", *sorted(directory.glob("retired-*.crt"))]
    # In the middle of a change one key stands there under two names.
    ders = {
        TrustedKey.from_certificate(der): der for path in others if path.exists() for der in [load_certificate(path)]
    }
    ders.pop(signer.public, None)
    published = [EntityKey(signer.public, "signing", signer.certificate)]
    published += [EntityKey(key, "signing", der) for key, der in ders.items()]
    prefix = PREFIXES["encryption"]
    if not (directory / f"{prefix}current.key").exists():
        return KeyRing(signer, tuple(published))
    der = current_certificate(directory, "encryption")
    published.append(EntityKey(TrustedKey.from_certificate(der), "encryption", der, OUR_METHODS))
    files = [directory / f"{prefix}current.key", directory / f"{prefix}next.key"]
    files = [path for path in files if path.exists()] + sorted(directory.glob(f"{prefix}retired-*.key"), reverse=True)
    return KeyRing(signer, tuple(published), tuple(load_decryption_key(path) for path in files))


def current_certificate(directory: Path, use: Use) -> bytes:
    """DER of the certificate that belongs to the current key of a directory.

    It is that of ``current.crt``; but when that belongs to another key and ``current.key`` holds a certificate itself, it is this one: so
    the key and its certificate change at one stroke, whichever file follows later. Raises as `load_key_ring`.
    """
    key_path, path = (directory / f"{PREFIXES[use]}current.{suffix}" for suffix in ("key", "crt"))
    inside = certificate_inside(key_path) if key_path.exists() else None
    if inside is None:
        return load_certificate(path)
    try:
        beside = load_certificate(path)
    except ConfigurationError:
        return inside
    return beside if TrustedKey.from_certificate(beside) == TrustedKey.from_certificate(inside) else inside


def certificate_inside(key_path: Path) -> bytes | None:
    """DER of the certificate that stands in the same file as a private key; None when there is none."""
    if b"-----BEGIN CERTIFICATE-----" not in read_private_file(key_path):
        return None
    return _certificates(key_path, read_private_file(key_path))[0]


def load_signer(key_path: Path, certificate: bytes) -> Signer:
    """The private key of a PEM file, with its certificate (DER). Raises `ConfigurationError` (``key.file``)."""
    try:
        return Signer(load_private_key(key_path), certificate)
    except Refusal as error:
        raise ConfigurationError(
            "key.file", file=key_path, expected="an unencrypted PEM key that fits its certificate", found=error
        ) from None


def load_decryption_key(path: Path) -> rsa.RSAPrivateKey:
    """A private key to decrypt with: RSA, because that is what partners transport keys with (XML Encryption 5.5). Raises
    `ConfigurationError` (``key.file``)."""
    key = load_private_key(path)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError("key.file", file=path, expected="an RSA key to decrypt with", found=type(key).__name__)
    return key


def load_private_key(path: Path) -> PrivateKey:
    """The private key of a PEM file, RSA or EC. Raises `ConfigurationError` (``key.file``, ``config.private_file_*``)."""
    try:
        return private_key_from_pem(read_private_file(path))
    except (ValueError, TypeError, UnsupportedAlgorithm, Refusal) as error:
        raise ConfigurationError("key.file", file=path, expected="an unencrypted PEM key", found=error) from None


def private_key_from_pem(content: bytes) -> PrivateKey:
    """The private key in PEM, RSA or EC. Raises `ValueError`, `TypeError`, `UnsupportedAlgorithm`, `Refusal` (``key.unusable``)."""
    # OpenSSL's check would prove anew that two numbers are prime, which takes a tenth of a second for RSA-3072, in each process.
    key = serialization.load_pem_private_key(content, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Refusal("key.unusable", expected="RSA or EC", found=type(key).__name__)
    TrustedKey.from_public_key(key.public_key())
    if isinstance(key, rsa.RSAPrivateKey) and not _belongs_together(key):
        raise Refusal("key.unusable", expected="RSA numbers that belong together", found="a damaged key")
    return key


def _belongs_together(key: rsa.RSAPrivateKey) -> bool:
    """Whether its numbers fit each other and what it signs is verified (which it is not where one of the two is no prime)."""
    numbers = key.private_numbers()
    p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
    fit = (
        p * q == public.n
        and min(p, q) > 1
        and all(d * public.e % (prime - 1) == 1 for prime in (p, q))
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and numbers.iqmp * q % p == 1
    )
    if not fit:
        return False
    try:
        signature = key.sign(_TRIAL, padding.PKCS1v15(), hashes.SHA256())
        key.public_key().verify(signature, _TRIAL, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def load_certificate(path: Path) -> bytes:
    """DER of the first certificate of a PEM file. Raises `ConfigurationError` (``key.file``)."""
    return load_certificates(path)[0]


def load_certificates(path: Path) -> tuple[bytes, ...]:
    """DER of every certificate of a PEM file, at most 16. Raises `ConfigurationError` (``key.file``)."""
    try:
        return _certificates(path, path.read_bytes())
    except OSError as error:
        raise ConfigurationError("key.file", file=path, expected="a PEM certificate", found=error) from None


def _certificates(path: Path, content: bytes) -> tuple[bytes, ...]:
    try:
        read = x509.load_pem_x509_certificates(content)
        ders = tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in read)
        for der in ders:
            TrustedKey.from_certificate(der)
    except (ValueError, x509.InvalidVersion, Refusal) as error:
        raise ConfigurationError("key.file", file=path, expected="a PEM certificate", found=error) from None
    if len(ders) > _MOST_TRUSTED:
        raise ConfigurationError(
            "key.file", file=path, expected=f"at most {_MOST_TRUSTED} certificates", found=len(ders)
        )
    return ders


def load_public_keys(path: Path) -> tuple[TrustedKey, ...]:
    """Every bare public key of a PEM file (``PUBLIC KEY``), at most 16. Raises `ConfigurationError` (``key.file``)."""
    try:
        content = path.read_bytes()
        parts = [_PEM_BEGIN + part for part in content.split(_PEM_BEGIN)[1:]]
        keys = tuple(TrustedKey.from_public_key(serialization.load_pem_public_key(part)) for part in parts)
    except (OSError, ValueError, UnsupportedAlgorithm, Refusal) as error:
        raise ConfigurationError("key.file", file=path, expected="a PEM public key", found=error) from None
    if not 0 < len(keys) <= _MOST_TRUSTED:
        expected = f"1 to {_MOST_TRUSTED} public keys in PEM form"
        raise ConfigurationError("key.file", file=path, expected=expected, found=len(keys))
    return keys


def create_key_ring(directory: Path, common_name: str, *, now: datetime, use: Use = "signing") -> None:
    """A fresh RSA-3072 key and its self-signed certificate as ``current``, to sign or to decrypt with. An existing key is never
    overwritten (``key.exists``)."""
    key_path = directory / f"{PREFIXES[use]}current.key"
    if key_path.exists():
        raise ConfigurationError("key.exists", file=key_path, expected="no key here yet", found="a key")
    directory.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    # The certificate first: a key without one is an error, a certificate without a key is nothing yet.
    (directory / f"{PREFIXES[use]}current.crt").write_bytes(self_signed(key, common_name, now=now))
    write_private_file(key_path, private_pem(key))


def self_signed(key: PrivateKey, common_name: str, *, now: datetime) -> bytes:
    """A certificate, PEM, that carries this key for partners and says nothing else."""
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
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: PrivateKey) -> bytes:
    """The key as unencrypted PKCS #8, PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
