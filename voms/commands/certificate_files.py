"""Whom the certificate files that commands are given name, and whether they could ever connect. Changes nothing."""

from pathlib import Path

from cryptography import x509

from ostiary.errors import ConfigurationError, Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.names import issuer_bytes, slash_form_of
from ostiary.x509.trust import load_trust_directory
from voms.settings import VomsSettings


def names_of_file(path: Path) -> CertificateNames:
    """Whom the first certificate of a PEM file names. Raises `ConfigurationError` (``voms.credential``)."""
    return CertificateNames.of(_certificate(path))


def vouched_for(settings: VomsSettings, path: Path) -> CertificateNames:
    """The same for a new member. Raises `Refusal` (``voms.unknown_ca``): whom no CA of the directory vouches for could never connect."""
    certificate = _certificate(path)
    if not load_trust_directory(settings.ca_directory).named(issuer_bytes(certificate)):
        issuer = slash_form_of(issuer_bytes(certificate))
        raise Refusal("voms.unknown_ca", expected=f"a CA in {settings.ca_directory}", found=issuer, issuer=issuer)
    return CertificateNames.of(certificate)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError("voms.credential", file=path, expected="a certificate, PEM", found=error) from None
