"""CAs, people, hosts, CRLs and the files that grid sites install, made in memory in milliseconds: for every test that needs certificates.

Keys are EC on P-256 unless a test says RSA; keys are made once for the same arguments, as long as the tests run.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ostiary.errors import OstiaryError
from ostiary.x509 import names
from ostiary.x509.attribute_certificate import GenericAttribute, Statement, sign_attribute_certificate
from ostiary.x509.chain import VerifiedChain, verify_chain
from ostiary.x509.issuer_key import IssuerKey, issuer_key
from ostiary.x509.lsc import Lsc, Names, VomsDirectory
from ostiary.x509.trust import TrustDirectory, load_trust_directory

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KeyKind = Literal["ec", "rsa"]

_TYPES = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}

USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@functools.cache
def private_key(kind: KeyKind = "ec", whose: str = "anyone") -> PrivateKey:
    """A key: the same one for the same arguments."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def distinguished_name(slash: str) -> x509.Name:
    """The Name of a plain slash form, one attribute in each RDN."""
    parts = [part.partition("=") for part in slash.removeprefix("/").split("/")]
    return x509.Name([x509.NameAttribute(_TYPES[key], value) for key, _, value in parts])


def key_usage(*allowed: str) -> x509.KeyUsage:
    """A KeyUsage extension with these bits."""
    return x509.KeyUsage(**{usage: usage in allowed for usage in USAGES})


@dataclass(frozen=True)
class Extra:
    """An extension that a certificate gets besides the usual ones, or instead of the usual one of its type."""

    value: x509.ExtensionType
    critical: bool = False


@dataclass(frozen=True)
class Identity:
    """A certificate, its private key, and the certificates of those above it that it sends along."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    signers: tuple[x509.Certificate, ...] = ()

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Leaf first."""
        return (self.certificate, *self.signers)

    @property
    def ders(self) -> tuple[bytes, ...]:
        """Leaf first, DER: what `verify_chain` takes."""
        return tuple(der(certificate) for certificate in self.certificates)

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Writes ``name.pem`` (chain) and ``name.key`` (0600), and returns both paths."""
        chain, key = directory / f"{name}.pem", directory / f"{name}.key"
        chain.write_bytes(b"".join(pem(certificate) for certificate in self.certificates))
        key.touch(mode=0o600)
        key.write_bytes(key_pem(self.key))
        return chain, key


@dataclass(frozen=True)
class CertificateAuthority(Identity):
    """An Identity that issues."""

    def issue(
        self,
        name: str | x509.Name,
        *,
        key: PrivateKey | None = None,
        serial: int | None = None,
        not_before: datetime = NOW - 30 * DAY,
        not_after: datetime = NOW + 365 * DAY,
        extra: Sequence[Extra] = (),
        without: Sequence[type[x509.ExtensionType]] = (),
    ) -> Identity:
        """A person's or host's certificate."""
        usage = key_usage("digital_signature", "key_encipherment")
        usual = [Extra(x509.BasicConstraints(ca=False, path_length=None), True), Extra(usage, True)]
        return Identity(*self._make(name, key, serial, not_before, not_after, usual, extra, without), self._sent())

    def issue_authority(
        self,
        name: str | x509.Name,
        *,
        path_length: int | None = None,
        key: PrivateKey | None = None,
        not_before: datetime = NOW - 1000 * DAY,
        not_after: datetime = NOW + 2000 * DAY,
        extra: Sequence[Extra] = (),
        without: Sequence[type[x509.ExtensionType]] = (),
    ) -> "CertificateAuthority":
        """A CA below this one, which sends its own certificate along."""
        usual = [
            Extra(x509.BasicConstraints(ca=True, path_length=path_length), True),
            Extra(key_usage("key_cert_sign", "crl_sign"), True),
        ]
        made = self._make(name, key, None, not_before, not_after, usual, extra, without)
        return CertificateAuthority(*made, self._sent())

    def crl(
        self,
        *serials: int,
        this_update: datetime = NOW - DAY,
        next_update: datetime | None = NOW + 7 * DAY,
        key: PrivateKey | None = None,
        extra: Sequence[Extra] = (),
    ) -> bytes:
        """A CRL (PEM) that lists these serial numbers."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(this_update)
            .next_update(next_update or NOW + 7 * DAY)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for item in extra:
            builder = builder.add_extension(item.value, critical=item.critical)
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(this_update).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def install(self, directory: Path, *, crl: bytes = b"", policy: str = "") -> None:
        """Puts its certificate, CRL and signing policy into a certificates directory, under the new hash."""
        digest = names.subject_hash(self.certificate.subject)
        (directory / f"{digest}.0").write_bytes(pem(self.certificate))
        if crl:
            (directory / f"{digest}.r0").write_bytes(crl)
        if policy:
            (directory / f"{digest}.signing_policy").write_text(policy)

    def _sent(self) -> tuple[x509.Certificate, ...]:
        is_root = not self.signers and self.certificate.subject == self.certificate.issuer
        return () if is_root else self.certificates

    def _make(
        self,
        name: str | x509.Name,
        key: PrivateKey | None,
        serial: int | None,
        not_before: datetime,
        not_after: datetime,
        usual: Iterable[Extra],
        extra: Sequence[Extra],
        without: Sequence[type[x509.ExtensionType]],
    ) -> tuple[x509.Certificate, PrivateKey]:
        subject = distinguished_name(name) if isinstance(name, str) else name
        key = key or private_key("ec", names.slash_form(subject))
        replaced = {item.value.oid for item in extra} | {kind.oid for kind in without}
        identifier = Extra(x509.SubjectKeyIdentifier.from_public_key(key.public_key()))
        made = certificate(
            subject,
            key,
            issuer=self.certificate.subject,
            issuer_key=self.key,
            serial=serial,
            not_before=not_before,
            not_after=not_after,
            extensions=[*(item for item in (identifier, *usual) if item.value.oid not in replaced), *extra],
        )
        return made, key


def certificate(
    subject: x509.Name,
    key: PrivateKey,
    *,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    serial: int | None = None,
    not_before: datetime = NOW - 30 * DAY,
    not_after: datetime = NOW + 365 * DAY,
    extensions: Sequence[Extra] = (),
) -> x509.Certificate:
    """Any certificate at all."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    for item in extensions:
        builder = builder.add_extension(item.value, critical=item.critical)
    return builder.sign(issuer_key, hashes.SHA256())


def root(
    name: str = "/C=ZZ/O=HV Test/CN=HV Test CA",
    *,
    kind: KeyKind = "ec",
    key: PrivateKey | None = None,
    path_length: int | None = None,
    not_before: datetime = NOW - 1000 * DAY,
    not_after: datetime = NOW + 3000 * DAY,
    extra: Sequence[Extra] = (),
) -> CertificateAuthority:
    """A self-signed CA."""
    subject = distinguished_name(name)
    key = key or private_key(kind, name)
    usual = [
        Extra(x509.BasicConstraints(ca=True, path_length=path_length), True),
        Extra(key_usage("key_cert_sign", "crl_sign"), True),
        Extra(x509.SubjectKeyIdentifier.from_public_key(key.public_key())),
    ]
    replaced = {item.value.oid for item in extra}
    made = certificate(
        subject,
        key,
        issuer=subject,
        issuer_key=key,
        not_before=not_before,
        not_after=not_after,
        extensions=[*(item for item in usual if item.value.oid not in replaced), *extra],
    )
    return CertificateAuthority(made, key)


def trust_directory(
    directory: Path,
    *authorities: CertificateAuthority,
    crl: bytes = b"",
    policy: str = "",
    require_crl: bool = False,
    require_signing_policy: bool = False,
) -> TrustDirectory:
    """Installs the CAs (``crl`` and ``policy`` for the first) in a new directory and loads it."""
    directory.mkdir(exist_ok=True)
    for place, authority in enumerate(authorities):
        authority.install(directory, crl=crl if place == 0 else b"", policy=policy if place == 0 else "")
    return load_trust_directory(directory, require_crl=require_crl, require_signing_policy=require_signing_policy)


def signing_policy(authority: CertificateAuthority, *patterns: str) -> str:
    """The text of a signing policy file."""
    quoted = " ".join(f'"{pattern}"' for pattern in patterns)
    return (
        "# a comment\n"
        f"access_id_CA      X509         '{names.slash_form(authority.certificate.subject)}'\n"
        "pos_rights        globus        CA:sign\n"
        f"cond_subjects     globus     '{quoted}'\n"
    )


def attribute_authority(authority: CertificateAuthority, name: str = "/C=ZZ/O=HV Test/CN=localhost") -> IssuerKey:
    """The key of an Attribute Authority whose certificate this CA issued."""
    own = authority.issue(name)
    return issuer_key(list(own.certificates), own.key, certificate_file=Path("aa.pem"), key_file=Path("aa.key"))


def lsc_for(key: IssuerKey) -> Lsc:
    """The LSC file that trusts this Attribute Authority."""
    pairs = (
        Names(names.slash_form(certificate.subject), names.slash_form(certificate.issuer))
        for certificate in key.certificates
    )
    return Lsc((tuple(pairs),))


def vomsdir_for(key: IssuerKey, vo: str = "testvo", host: str = "localhost") -> VomsDirectory:
    """A vomsdir that trusts this Attribute Authority for one VO."""
    return VomsDirectory({(vo, host): lsc_for(key)})


def statement(holder: x509.Certificate, **changes: object) -> Statement:
    """What an attribute certificate for that end entity usually says, with ``changes`` to its fields."""
    usual: dict[str, object] = {
        "holder_issuer": names.issuer_bytes(holder),
        "holder_serial": holder.serial_number,
        "vo": "testvo",
        "host": "localhost",
        "port": 15010,
        "fqans": (
            "/testvo/g1/Role=admin/Capability=NULL",
            "/testvo/Role=NULL/Capability=NULL",
            "/testvo/g1/Role=NULL/Capability=NULL",
        ),
        "attributes": (GenericAttribute("nickname", "alice", "testvo"),),
        "targets": (),
        "not_before": NOW,
        "not_after": NOW + timedelta(hours=12),
        "serial": 0xA5B1605331524C3195695563572AFDF3,
    }
    return Statement(**{**usual, **changes})  # type: ignore[arg-type]


def attribute_certificate(key: IssuerKey, holder: x509.Certificate, **changes: object) -> bytes:
    """A signed attribute certificate for that end entity."""
    return sign_attribute_certificate(statement(holder, **changes), key)


def verified(identity: Identity, trust: TrustDirectory, now: datetime = NOW) -> VerifiedChain:
    """The proof for an identity's chain."""
    return verify_chain(identity.ders, trust, now)


def error_code(act: Callable[[], object]) -> str:
    """The code with which it is refused; ``accepted`` when it is not. Any other exception passes through: that is a crash."""
    try:
        act()
    except OstiaryError as error:
        return error.code
    return "accepted"


def der(certificate: x509.Certificate) -> bytes:
    """DER of a certificate."""
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate: x509.Certificate) -> bytes:
    """PEM of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKey) -> bytes:
    """Unencrypted PEM of a private key."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
