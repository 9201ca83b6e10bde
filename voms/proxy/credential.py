"""What a new proxy is signed with, and what TLS is spoken with: a certificate and its key, from PEM files, a proxy, or PKCS#12.

A passphrase is asked for by who calls; neither it nor a key that it opened is ever written to a disk.
"""

import contextlib
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from ostiary.config import read_private_file
from ostiary.errors import ConfigurationError, NotAuthenticated, Refusal
from ostiary.x509.link_rules import instant
from ostiary.x509.names import slash_form_of, subject_bytes
from ostiary.x509.proxy import PrivateKey

Passphrase = Callable[[], str]

_FILE: Final = "voms.credential"
_PEM: Final = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class Credential:
    """Certificates (own first), the private key, and the files they came from. ``pkcs12``: both are in ``certificate_file``."""

    certificates: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False)
    certificate_file: Path
    key_file: Path
    passphrase: str | None = field(repr=False, default=None)
    pkcs12: bool = False

    @property
    def subject(self) -> str:
        """The name of the certificate itself, slash form."""
        return slash_form_of(subject_bytes(self.certificates[0]))

    @property
    def ders(self) -> tuple[bytes, ...]:
        """The certificates in DER, own first."""
        return tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in self.certificates)

    def check_dates(self, now: datetime) -> None:
        """Before anybody is asked anything: raises `NotAuthenticated` (``voms.credential_expired``, ``voms.credential_too_early``)."""
        for certificate in self.certificates:
            begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            if begin <= now < end:
                continue
            code = "voms.credential_expired" if now >= end else "voms.credential_too_early"
            raise NotAuthenticated(
                code,
                expected=f"valid at {instant(now)}",
                found=f"{instant(begin)} to {instant(end)}",
                file=self.certificate_file,
                begin=instant(begin),
                end=instant(end),
            )

    def load_into(self, context: ssl.SSLContext) -> None:
        """TLS as the holder. Raises `Refusal` (``voms.client_key``)."""
        try:
            if self.pkcs12:
                self._load_from_memory(context)
            else:
                # Without a password OpenSSL would ask the terminal by itself.
                context.load_cert_chain(self.certificate_file, self.key_file, password=self.passphrase or "")
        except (ssl.SSLError, OSError, ValueError, AttributeError) as error:
            raise Refusal("voms.client_key", expected="a certificate and its key", found=error) from error

    def _load_from_memory(self, context: ssl.SSLContext) -> None:
        """Python's TLS takes files only; this one is in no file system (Linux)."""
        key = self.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in self.certificates]
        descriptor = os.memfd_create("credential")
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join([*chain, key]))
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")


def load_credential(certificate: Path, key: Path, passphrase: Passphrase) -> Credential:
    """A certificate with what stands after it in its file, and its key; the passphrase is asked for when the key has one. One file for both
    that is no PEM is read as PKCS#12.

    Raises `ConfigurationError` (``voms.credential``, ``config.private_file_*``), `Refusal` (``voms.passphrase``).
    """
    # First, for it looks at what kind of file it is; both may be the same one in a directory that all may write to.
    data = read_private_file(key)
    try:
        listed = data if certificate == key else certificate.read_bytes()
    except OSError as error:
        raise ConfigurationError(_FILE, file=certificate, expected="a certificate, PEM", found=error.strerror) from None
    if certificate == key and _PEM not in listed:
        return _from_pkcs12(certificate, listed, passphrase)
    try:
        certificates = tuple(x509.load_pem_x509_certificates(listed))
    except ValueError as error:
        raise ConfigurationError(_FILE, file=certificate, expected="a certificate, PEM", found=error) from None
    word: str | None = None
    try:
        private = _private_key(data, None)
    except TypeError:
        # It has a passphrase.
        word = passphrase()
        try:
            private = _private_key(data, word)
        except ValueError as error:
            raise _wrong_passphrase() from error
    except ValueError as error:
        raise ConfigurationError(_FILE, file=key, expected="a private key, PEM", found=error) from None
    return Credential(certificates, _belonging(private, certificates, certificate, key), certificate, key, word)


def _from_pkcs12(file: Path, data: bytes, passphrase: Passphrase) -> Credential:
    with contextlib.suppress(ValueError):
        x509.load_der_x509_certificate(data)
        raise ConfigurationError(_FILE, file=file, expected="PEM, or PKCS#12", found="a certificate in DER")
    try:
        pkcs12.load_pkcs12(data, None)
        word = ""
    except ValueError:
        word = passphrase()
    try:
        store = pkcs12.load_pkcs12(data, word.encode() if word else None)
    except ValueError as error:
        raise _wrong_passphrase() from error
    if store.cert is None:
        raise ConfigurationError(_FILE, file=file, expected="a certificate and its key", found="none")
    certificates = (store.cert.certificate, *_above(store.cert.certificate, store.additional_certs))
    return Credential(certificates, _belonging(store.key, certificates, file, file), file, file, pkcs12=True)


def _above(own: x509.Certificate, others: list[pkcs12.PKCS12Certificate]) -> list[x509.Certificate]:
    """Those that lead from the certificate to its root, which itself is left out: whoever trusts it has it."""
    found: list[x509.Certificate] = []
    rest, current = [one.certificate for one in others], own
    while (issuer := next((one for one in rest if one.subject == current.issuer), None)) is not None:
        rest.remove(issuer)
        if issuer.subject != issuer.issuer:
            found.append(issuer)
        current = issuer
    return found


def _belonging(private: object, certificates: tuple[x509.Certificate, ...], file: Path, key_file: Path) -> PrivateKey:
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigurationError(_FILE, file=key_file, expected="an RSA or EC key", found=type(private).__name__)
    if private.public_key() != certificates[0].public_key():
        raise ConfigurationError(_FILE, file=key_file, expected=f"the key of {file}", found="another key")
    return private


def _private_key(data: bytes, word: str | None) -> PrivateKeyTypes:
    # OpenSSL's check would prove anew that two numbers are prime. That it is the certificate's key is looked at, and what it signs is
    # verified before it is written.
    password = word.encode() if word is not None else None
    return serialization.load_pem_private_key(_key_block(data), password, unsafe_skip_rsa_key_validation=True)


def _key_block(data: bytes) -> bytes:
    """A proxy file holds its certificate before its key."""
    start = data.find(_PEM, 0)
    while start >= 0 and b"PRIVATE KEY" not in data[start : data.find(b"\n", start)]:
        start = data.find(_PEM, start + 1)
    return data[start:] if start >= 0 else data


def _wrong_passphrase() -> Refusal:
    return Refusal("voms.passphrase", expected="the passphrase of the key", found="another one")
