"""The certificates directory (``/etc/grid-security/certificates``): trusted CAs, what each may sign, what it revoked. One frozen snapshot.

Trusted is exactly what stands in ``HASH.N``; other ``*.pem`` files are not looked at, so that a stray certificate is no anchor.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ostiary.config import Sources
from ostiary.errors import ConfigurationError, Refusal
from ostiary.x509 import names
from ostiary.x509.reading import UNREADABLE
from ostiary.x509.revocation import RevocationList, read_revocation_list
from ostiary.x509.signing_policy import SigningPolicy, parse_signing_policy

MAX_CA_BYTES: Final = 256 * 1024
MAX_CRL_BYTES: Final = 64 * 1024 * 1024

_CA_FILE: Final = re.compile(r"([0-9a-f]{8})\.(?:0|[1-9][0-9]{0,3})")
_CRL_FILE: Final = re.compile(r"([0-9a-f]{8})\.r(?:0|[1-9][0-9]{0,3})")

Canonical = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Authority:
    """One CA certificate of the directory.

    ``policy`` is None where there is no signing policy file. ``crl`` is None where there is none that could be used;
    ``crl_problem`` then says why one that is there could not be.
    """

    certificate: x509.Certificate
    der: bytes
    subject: bytes
    policy: SigningPolicy | None
    crl: RevocationList | None
    crl_problem: str = ""

    @property
    def is_self_signed(self) -> bool:
        """A root: names itself as its issuer."""
        return names.same_name(self.subject, names.issuer_bytes(self.certificate))


@dataclass(frozen=True, slots=True)
class TrustDirectory:
    """The CAs that are trusted. ``require_crl`` and ``require_signing_policy``: refuse what a CA signed without such a file.

    ``ignored`` are files that are not enforced: ``HASH.namespaces``, and CRLs of CAs that are not here.
    """

    authorities: tuple[Authority, ...]
    require_crl: bool = False
    require_signing_policy: bool = False
    ignored: tuple[Path, ...] = ()
    _by_name: Mapping[Canonical, tuple[Authority, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[Canonical, tuple[Authority, ...]] = {}
        for authority in self.authorities:
            name = names.canonical_rdns(authority.subject)
            by_name[name] = (*by_name.get(name, ()), authority)
        object.__setattr__(self, "_by_name", MappingProxyType(by_name))

    def named(self, name: bytes) -> tuple[Authority, ...]:
        """The CAs of that subject (DER Name): several while a CA changes its key. Raises `Refusal` (``x509.name``)."""
        return self._by_name.get(names.canonical_rdns(name), ())

    def certificates(self) -> tuple[bytes, ...]:
        """All CA certificates (DER): ``b"".join()`` of them is the ``cadata`` of ``SSLContext.load_verify_locations``."""
        return tuple(authority.der for authority in self.authorities)


def load_trust_directory(
    path: Path, *, sources: Sources | None = None, require_crl: bool = False, require_signing_policy: bool = False
) -> TrustDirectory:
    """Reads the whole directory.

    A CA certificate or signing policy that cannot be read refuses the snapshot; a CRL that cannot be used does not, but nothing
    that its CA signed is then accepted (`verify_chain` refuses it with ``x509.crl_unusable``): CRLs come from outside, and one
    broken download must not keep the others from being renewed.

    Raises `ConfigurationError`: ``x509.trust_directory``, ``x509.ca_file``, ``x509.ca_file_name``, ``x509.signing_policy_file``.
    """
    sources = sources or Sources()
    sources.note(path)
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise ConfigurationError(
            "x509.trust_directory", file=path, expected="a readable directory", found=error.strerror
        ) from None
    certificates = _certificates(entries, sources)
    if not certificates:
        raise ConfigurationError("x509.trust_directory", file=path, expected="CA certificates HASH.0", found="none")
    crl_files = [entry for entry in entries if _CRL_FILE.fullmatch(entry.name)]
    authorities = tuple(_authority(path, certificate, certificates, crl_files, sources) for certificate in certificates)
    hashes = {digest for certificate in certificates for digest in _hashes(certificate)}
    ignored = [entry for entry in entries if entry.name.endswith(".namespaces")]
    ignored += [entry for entry in crl_files if entry.name[:8] not in hashes]
    return TrustDirectory(authorities, require_crl, require_signing_policy, tuple(ignored))


def _certificates(entries: Sequence[Path], sources: Sources) -> tuple[x509.Certificate, ...]:
    found: dict[bytes, x509.Certificate] = {}
    for entry in entries:
        matched = _CA_FILE.fullmatch(entry.name)
        if matched is not None:
            certificate = _certificate(entry, sources)
            if matched[1] not in _hashes(certificate):
                # OpenSSL and Globus would never find it there.
                raise ConfigurationError(
                    "x509.ca_file_name", file=entry, expected=" or ".join(_hashes(certificate)), found=matched[1]
                )
            found[certificate.public_bytes(serialization.Encoding.DER)] = certificate
    return tuple(found.values())


def _certificate(file: Path, sources: Sources) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificates(_read(file, sources, MAX_CA_BYTES))
        if len(found) != 1:
            raise ValueError(f"{len(found)} certificates")
        names.canonical_rdns(names.subject_bytes(found[0]))
        names.issuer_bytes(found[0])
    except (OSError, *UNREADABLE, Refusal) as error:
        raise ConfigurationError("x509.ca_file", file=file, expected="one PEM certificate", found=error) from None
    return found[0]


def _authority(
    path: Path,
    certificate: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    crl_files: Sequence[Path],
    sources: Sources,
) -> Authority:
    subject = names.subject_bytes(certificate)
    hashes = _hashes(certificate)
    namesakes = [other for other in certificates if names.same_name(names.subject_bytes(other), subject)]
    own_crls = [file for file in crl_files if file.name[:8] in hashes]
    crl, problem = _crl(own_crls, certificate, namesakes, sources)
    return Authority(
        certificate=certificate,
        der=certificate.public_bytes(serialization.Encoding.DER),
        subject=subject,
        policy=_policy(path, hashes, names.slash_form_of(subject), sources),
        crl=crl,
        crl_problem=problem,
    )


def _policy(path: Path, hashes: Sequence[str], name: str, sources: Sources) -> SigningPolicy | None:
    for digest in hashes:
        file = sources.note(path / f"{digest}.signing_policy")
        try:
            text = _read(file, sources, MAX_CA_BYTES).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "x509.signing_policy_file", file=file, expected="a readable file", found=error
            ) from None
        policies = parse_signing_policy(text, file)
        # A file that says nothing about its CA lets it sign nothing.
        return policies.get(names.normal_slash_form(name), SigningPolicy(()))
    return None


def _crl(
    files: Sequence[Path], certificate: x509.Certificate, namesakes: Sequence[x509.Certificate], sources: Sources
) -> tuple[RevocationList | None, str]:
    """The newest usable CRL, this CA's own key before other keys of its name; without one, what was wrong with those that are there."""
    # Usually the same file stands there under both hashes.
    contents: dict[bytes, str] = {}
    problem = ""
    for file in files:
        try:
            contents.setdefault(_read(file, sources, MAX_CRL_BYTES), file.name)
        except (OSError, ValueError) as error:
            problem = f"{file.name}: {error}"
    for signers in ([certificate], namesakes):
        usable = []
        for data, name in contents.items():
            try:
                usable.append(read_revocation_list(data, signers))
            except Refusal as error:
                problem = f"{name}: {error}"
        if usable:
            return max(usable, key=lambda crl: crl.this_update), ""
    return None, problem


def _read(file: Path, sources: Sources, limit: int) -> bytes:
    sources.note(file)
    with file.open("rb") as opened:
        data = opened.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"more than {limit} bytes")
    return data


def _hashes(certificate: x509.Certificate) -> tuple[str, str]:
    subject = names.subject_bytes(certificate)
    return names.subject_hash(subject), names.subject_hash_old(subject)
