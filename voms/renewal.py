"""The VO service's certificate, the one that comes after it, and the one before. Decides which are in use and how one follows the other.

``host.pem`` and ``host.key`` sign; beside them stand ``host.next.pem`` with ``host.next.key``, and ``host.previous.pem``.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ostiary.config import Sources, read_private_file, write_private_file
from ostiary.errors import ConfigurationError, Missing, Refusal
from ostiary.x509.chain import verify_chain
from ostiary.x509.issuer_key import IssuerKey, load_issuer_key
from ostiary.x509.lsc import Names
from ostiary.x509.reading import UNREADABLE
from ostiary.x509.trust import TrustDirectory
from voms.issuing import Issuer
from voms.settings import VomsSettings


@dataclass(frozen=True, slots=True)
class CertificatePlaces:
    """Where the certificates of one VO stand, and the keys of those that sign."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, settings: VomsSettings) -> "CertificatePlaces":
        """As the configuration names them."""
        return cls(settings.certificate, settings.key)

    @property
    def next_certificate(self) -> Path:
        """Comes after the one in use."""
        return _beside(self.certificate, "next")

    @property
    def next_key(self) -> Path:
        """Its key."""
        return _beside(self.key, "next")

    @property
    def previous_certificate(self) -> Path:
        """Was in use before. Nobody needs its key."""
        return _beside(self.certificate, "previous")


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def load_issuer(settings: VomsSettings, sources: Sources | None = None) -> Issuer:
    """The signature of a VO with the certificates before and after it, if there are any.

    Raises `ConfigurationError` as `load_issuer_key`.
    """
    sources = sources or Sources()
    places = CertificatePlaces.of(settings)
    key = load_issuer_key(places.certificate, places.key, sources)
    others = (read_chain(path, sources) for path in (places.next_certificate, places.previous_certificate))
    return Issuer(key, settings.host, settings.port, settings.name_form, tuple(chain for chain in others if chain))


def read_chain(path: Path, sources: Sources) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file; none where there is no file. Raises `ConfigurationError` (``x509.issuer_certificate``)."""
    sources.note(path)
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except FileNotFoundError:
        return ()
    except (OSError, *UNREADABLE) as error:
        raise ConfigurationError(
            "x509.issuer_certificate", file=path, expected="PEM certificates, the AA's first", found=error
        ) from None


def prepare_next(
    certificate: Path, key: Path, settings: VomsSettings, trust: TrustDirectory, now: datetime
) -> IssuerKey:
    """Puts a new certificate and its key beside those in use, once both are good for this VO; returns what will sign.

    Raises `ConfigurationError` (as `load_issuer_key`), `NotAuthenticated` (``x509.*``: relying parties could not trust it), `Refusal`
    (``voms.next_host``: it is not for this host; ``voms.next_same``: it is the one in use).
    """
    loaded = load_issuer_key(certificate, key)
    own = loaded.certificates[0]
    if own == load_issuer_key(settings.certificate, settings.key).certificates[0]:
        raise Refusal("voms.next_same", expected="another certificate than the one in use", found=loaded.subject)
    ders = tuple(each.public_bytes(serialization.Encoding.DER) for each in loaded.certificates)
    verify_chain(ders, trust, max(now, own.not_valid_before_utc))
    if settings.host.lower() not in (named := host_names(own)):
        found = ", ".join(named) or "no host"
        raise Refusal("voms.next_host", expected=settings.host, found=found, host=settings.host)
    places = CertificatePlaces.of(settings)
    write_private_file(places.next_key, read_private_file(key))
    _write_public(places.next_certificate, certificate.read_bytes())
    return loaded


def next_subject(settings: VomsSettings) -> str:
    """The name, slash form, that the service will have. Raises `Missing` (``voms.no_next``), `ConfigurationError`."""
    path = CertificatePlaces.of(settings).next_certificate
    chain = read_chain(path, Sources())
    if not chain:
        raise Missing("voms.no_next", expected=path, found="no file")
    return Names.of(chain[0]).subject


def host_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of a certificate, in small letters."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))


def switch(settings: VomsSettings, now: datetime) -> IssuerKey:
    """The next certificate is now the one in use, and that is the previous one. What a crash in between left half done, another call
    finishes. A running service follows by itself.

    Raises `Missing` (``voms.no_next``), `Refusal` (``voms.next_too_early``: it is not valid yet), `ConfigurationError`.
    """
    places = CertificatePlaces.of(settings)
    if not places.next_certificate.exists():
        raise Missing("voms.no_next", expected=places.next_certificate, found="no file")
    # Without the next key, a call before this one came as far as putting it in its place.
    key = places.next_key if places.next_key.exists() else places.key
    loaded = load_issuer_key(places.next_certificate, key)
    begins = loaded.certificates[0].not_valid_before_utc
    if begins > now:
        raise Refusal("voms.next_too_early", expected=f"valid at {now:%Y-%m-%dT%H:%M:%SZ}", found=f"from {begins}")
    _write_public(places.previous_certificate, places.certificate.read_bytes())
    if key == places.next_key:
        _replace(key, places.key)
    _replace(places.next_certificate, places.certificate)
    return loaded


def drop_next(settings: VomsSettings) -> None:
    """Takes back `prepare_next`. Raises `Missing` (``voms.no_next``)."""
    places = CertificatePlaces.of(settings)
    if not places.next_certificate.exists():
        raise Missing("voms.no_next", expected=places.next_certificate, found="no file")
    if places.next_key.exists():
        load_issuer_key(places.certificate, places.key)
        places.next_key.unlink()
    places.next_certificate.unlink()


def _write_public(path: Path, data: bytes) -> None:
    write_private_file(path, data)
    os.chmod(path, 0o644)


def _replace(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as error:
        raise ConfigurationError(
            "config.private_file_unwritable", file=target, expected="a directory that takes the file", found=error
        ) from error
