"""The Attribute Authority's key: signs attribute certificates, with everything that is the same in each of them encoded once."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from ostiary.config import Sources, read_private_file
from ostiary.errors import ConfigurationError, NotAuthenticated
from ostiary.x509 import algorithms, asn1, names, oids
from ostiary.x509.reading import UNREADABLE

_PADDING: Final = padding.PKCS1v15()
_DIGEST: Final = hashes.SHA256()
_ECDSA: Final = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """Made by `load_issuer_key` or `issuer_key`.

    ``certificates`` are the AA's own first, then its chain; ``algorithm_name`` is the OID of the signature algorithm. The other
    fields are parts of every attribute certificate, ready to be put in.
    """

    certificates: tuple[x509.Certificate, ...]
    algorithm_name: str
    algorithm: asn1.Raw
    issuer: asn1.V2Form
    certificate_list: asn1.Extension
    key_identifier: asn1.Extension
    _private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def subject(self) -> str:
        """The AA's name, slash form: the first line of its LSC file."""
        return names.slash_form_of(names.subject_bytes(self.certificates[0]))

    def sign(self, data: bytes) -> bytes:
        """The signature value over ``data``."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(data, _PADDING, _DIGEST)
        return self._private.sign(data, _ECDSA)

    def sign_list(self, unsigned: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationList:
        """A list of what is taken back, signed."""
        return unsigned.sign(self._private, _DIGEST)

    def sign_answer(self, unsigned: ocsp.OCSPResponseBuilder) -> ocsp.OCSPResponse:
        """An answer about one certificate, signed."""
        return unsigned.sign(self._private, _DIGEST)


def load_issuer_key(certificate: Path, key: Path, sources: Sources | None = None) -> IssuerKey:
    """The AA's PEM certificate (its chain may follow in the same file) and unencrypted PEM private key.

    Raises `ConfigurationError`: ``x509.issuer_certificate``, ``x509.issuer_key``, ``x509.issuer_key_identifier``,
    ``config.private_file_*``.
    """
    if sources is not None:
        sources.note(certificate)
        sources.note(key)
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, *UNREADABLE) as error:
        raise ConfigurationError(
            "x509.issuer_certificate", file=certificate, expected="PEM certificates, the AA's first", found=error
        ) from None
    try:
        private = serialization.load_pem_private_key(read_private_file(key), password=None)
    except UNREADABLE as error:
        raise ConfigurationError(
            "x509.issuer_key", file=key, expected="an unencrypted PEM private key", found=error
        ) from None
    return issuer_key(chain, private, certificate_file=certificate, key_file=key)


def issuer_key(chain: list[x509.Certificate], private: object, *, certificate_file: Path, key_file: Path) -> IssuerKey:
    """The same from what is in memory; the files are only named in errors. Raises `ConfigurationError` as `load_issuer_key`."""
    own = chain[0]
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigurationError("x509.issuer_key", file=key_file, expected="RSA or EC", found=type(private).__name__)
    if _spki(private.public_key()) != _spki(own.public_key()):
        raise ConfigurationError(
            "x509.issuer_key", file=key_file, expected=f"the key of {certificate_file}", found="another key"
        )
    try:
        algorithms.check_key(own, names.slash_form(own.subject))
    except NotAuthenticated as error:
        raise ConfigurationError(
            "x509.issuer_certificate", file=certificate_file, expected=error.expected, found=error.found
        ) from None
    _check_key_identifier(own, certificate_file)
    rsa_key = isinstance(private, rsa.RSAPrivateKey)
    identifier = asn1.KeyIdentifier(identifier=algorithms.key_identifier(own), issuer=None, serial=None)
    listed = asn1.CertificateList(
        items=[asn1.raw(certificate.public_bytes(serialization.Encoding.DER)) for certificate in chain]
    )
    return IssuerKey(
        certificates=tuple(chain),
        algorithm_name=(oids.SHA256_WITH_RSA if rsa_key else oids.ECDSA_SHA256).dotted_string,
        algorithm=asn1.raw(algorithms.SHA256_WITH_RSA if rsa_key else algorithms.ECDSA_SHA256),
        issuer=asn1.V2Form(issuer=asn1.DirectoryName(name=asn1.raw(names.subject_bytes(own)))),
        certificate_list=asn1.Extension(type=oids.AC_CERTIFICATES, critical=False, value=asn1.encode(listed)),
        key_identifier=asn1.Extension(
            type=oids.AUTHORITY_KEY_IDENTIFIER, critical=False, value=asn1.encode(identifier)
        ),
        _private=private,
    )


def _check_key_identifier(own: x509.Certificate, file: Path) -> None:
    # Java relying parties compare the AC's AKI with this extension, C ones with the hash of the key: both must be the same.
    try:
        present = own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise ConfigurationError(
            "x509.issuer_key_identifier", file=file, expected="a SubjectKeyIdentifier", found=_found(error)
        ) from None
    wanted = algorithms.key_identifier(own)
    if present != wanted:
        raise ConfigurationError(
            "x509.issuer_key_identifier", file=file, expected=f"{wanted.hex()} (SHA-1 of the key)", found=present.hex()
        )


def _found(error: Exception) -> str:
    return "none" if isinstance(error, x509.ExtensionNotFound) else "one that can't be read"


def _spki(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
