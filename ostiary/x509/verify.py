"""The relying party's side of VOMS: proves the attribute certificates that a verified chain carries, and turns them into attributes.

Pure. An attribute certificate that fails one check is an error with its reason, never silently left out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.errors import NotAuthenticated
from ostiary.x509 import names
from ostiary.x509.ac_status import NO_STATUS, AcStatus
from ostiary.x509.algorithms import key_identifier, signature_fits
from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.chain import VerifiedChain, verify_chain
from ostiary.x509.fqan import Fqan, parse_fqan
from ostiary.x509.link_rules import instant
from ostiary.x509.lsc import Names, VomsDirectory
from ostiary.x509.proxy import find_attribute_certificates
from ostiary.x509.trust import TrustDirectory

SKEW: Final = timedelta(seconds=300)

GROUPS_AND_ROLES: Final = "isMemberOf"
GENERIC_PREFIX: Final = "voms:"


@dataclass(frozen=True, slots=True)
class VerifiedAttributeCertificate:
    """The proof that a trusted Attribute Authority says this about the holder of a chain; only this module makes one.

    ``fqans`` in the order of the certificate, the primary one first. ``holder`` and ``issuer`` are slash forms (the end entity and the
    AA).
    """

    certificate: AttributeCertificate
    fqans: tuple[Fqan, ...]
    holder: str
    issuer: str

    @property
    def vo(self) -> str:
        """The VO that it speaks for."""
        return self.certificate.vo


def verify_attribute_certificates(
    chain: VerifiedChain,
    vomsdir: VomsDirectory,
    trust: TrustDirectory,
    now: datetime,
    *,
    host_names: tuple[str, ...],
    status: AcStatus = NO_STATUS,
) -> tuple[VerifiedAttributeCertificate, ...]:
    """Proves every attribute certificate of the chain (see `find_attribute_certificates`), in order; an empty tuple when there is none.

    ``host_names`` are the names of this host that a targeted certificate may name, in exactly this spelling. Raises what
    `verify_attribute_certificate` raises, and `Refusal` (``x509.ac_sequence``).
    """
    return tuple(
        verify_attribute_certificate(der, chain, vomsdir, trust, now, host_names=host_names, status=status)
        for der in find_attribute_certificates(chain.certificates)
    )


def verify_attribute_certificate(
    der: bytes,
    chain: VerifiedChain,
    vomsdir: VomsDirectory,
    trust: TrustDirectory,
    now: datetime,
    *,
    host_names: tuple[str, ...],
    dates_at: datetime | None = None,
    status: AcStatus = NO_STATUS,
) -> VerifiedAttributeCertificate:
    """Proves one attribute certificate (DER) for the holder of ``chain``: RFC 5755 5, and what VOMS adds.

    Dates with 300 s of tolerance; the LSC file of its VO and host matches its certificate list; that list leads to a trusted CA;
    issuer, key identifier and signature are those of the list's first certificate; the holder is the chain's end entity; targets
    name this host; noRevAvail is there and nothing critical is unknown; every FQAN is of the VO. ``dates_at``: when its own dates count,
    ``now`` if None. ``status``: what its VO has taken back, where VOs are asked for that.

    Raises `Refusal` (``x509.ac_*``, ``x509.fqan``), `NotAuthenticated` (``x509.ac_issuer_chain``: the AA's own chain, why in ``found``;
    ``x509.ac_*``).
    """
    certificate = read_attribute_certificate(der)
    _check_dates(certificate, dates_at or now)
    issuer = _issuer(certificate, vomsdir, trust, now)
    _check_signature(certificate, issuer)
    _check_holder(certificate, chain)
    _check_extensions(certificate, host_names)
    status.check(certificate, now)
    return VerifiedAttributeCertificate(
        certificate=certificate,
        fqans=_fqans(certificate),
        holder=chain.subject,
        issuer=names.slash_form_of(names.subject_bytes(issuer)),
    )


def attributes_of(verified: VerifiedAttributeCertificate) -> Attributes:
    """The same in the one attribute model: ``isMemberOf`` with groups and roles as short FQANs, primary first; generic attributes
    as ``voms:name``, or ``voms:name:/vo/group`` where they belong to a group or role instead of the member.

    The prefix keeps a VO from saying something under a name that only a home organisation may use. ``issuer`` is the VO's name.
    """
    certificate = verified.certificate
    values: dict[str, list[Value]] = {GROUPS_AND_ROLES: [Value(fqan.short()) for fqan in verified.fqans]}
    for item in certificate.attributes:
        whose = "" if item.qualifier in ("", certificate.vo) else f":{item.qualifier}"
        values.setdefault(f"{GENERIC_PREFIX}{item.name}{whose}", []).append(Value(item.value))
    return tuple(
        Attribute(
            name,
            tuple(dict.fromkeys(listed)),
            issuer=certificate.vo,
            issued_at=certificate.not_before,
            valid_until=certificate.not_after,
        )
        for name, listed in values.items()
    )


def _check_dates(certificate: AttributeCertificate, now: datetime) -> None:
    ours = instant(now)
    if now < certificate.not_before - SKEW:
        theirs = instant(certificate.not_before)
        raise NotAuthenticated(
            "x509.ac_not_yet_valid", expected=f"valid at {ours}", found=f"from {theirs}", theirs=theirs, ours=ours
        )
    if now > certificate.not_after + SKEW:
        theirs = instant(certificate.not_after)
        raise NotAuthenticated(
            "x509.ac_expired", expected=f"valid at {ours}", found=f"until {theirs}", theirs=theirs, ours=ours
        )


def _issuer(
    certificate: AttributeCertificate, vomsdir: VomsDirectory, trust: TrustDirectory, now: datetime
) -> x509.Certificate:
    """The AA's certificate: trusted by LSC for this VO and host, with a chain to a trusted CA."""
    vo, host = certificate.vo, certificate.host
    lsc = vomsdir.of(vo, host)
    if lsc is None:
        raise NotAuthenticated(
            "x509.ac_no_lsc", expected=f"an LSC file {vo}/{host}.lsc", found="none", vo=vo, host=host
        )
    if not certificate.certificates:
        raise NotAuthenticated("x509.ac_no_certificates", expected="the AA's certificate in the AC", found="none")
    try:
        proven = verify_chain(certificate.certificates, trust, now)
        listed = [x509.load_der_x509_certificate(der) for der in certificate.certificates]
    except NotAuthenticated as error:
        raise NotAuthenticated(
            "x509.ac_issuer_chain", expected="a chain to a trusted CA", found=error, vo=vo
        ) from error
    pairs = tuple(Names.of(one) for one in listed)
    if not lsc.matches(pairs):
        raise NotAuthenticated(
            "x509.ac_lsc",
            expected=" or ".join(str(chain) for chain in lsc.chains),
            found=str(pairs),
            vo=vo,
            host=host,
        )
    if proven.proxies:
        raise NotAuthenticated("x509.ac_issuer", expected="the AA's own certificate", found="a proxy")
    if not names.same_name(certificate.issuer, names.subject_bytes(proven.end_entity)):
        raise NotAuthenticated("x509.ac_issuer", expected=proven.subject, found=names.slash_form_of(certificate.issuer))
    return proven.end_entity


def _check_signature(certificate: AttributeCertificate, issuer: x509.Certificate) -> None:
    # C verifiers compare with the hash of the key, Java ones with the extension; whoever fulfils either was issued by this key.
    if certificate.key_identifier not in (key_identifier(issuer), _subject_key_identifier(issuer)):
        raise NotAuthenticated(
            "x509.ac_key_identifier",
            expected=key_identifier(issuer).hex(),
            found="none" if certificate.key_identifier is None else certificate.key_identifier.hex(),
        )
    if not signature_fits(issuer.public_key(), certificate.algorithm, certificate.signature, certificate.info):
        raise NotAuthenticated("x509.ac_signature", expected=f"the signature of {_subject(issuer)}", found="another")


def _subject_key_identifier(issuer: x509.Certificate) -> bytes:
    try:
        return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return key_identifier(issuer)


def _check_holder(certificate: AttributeCertificate, chain: VerifiedChain) -> None:
    end_entity = chain.end_entity
    # Old servers put the holder's own name there instead of its CA's.
    allowed = (names.issuer_bytes(end_entity), names.subject_bytes(end_entity))
    if certificate.holder_serial != end_entity.serial_number or not any(
        names.same_name(certificate.holder_issuer, name) for name in allowed
    ):
        raise NotAuthenticated(
            "x509.ac_holder",
            expected=f"{chain.issuer} serial {end_entity.serial_number:X}",
            found=f"{names.slash_form_of(certificate.holder_issuer)} serial {certificate.holder_serial:X}",
        )


def _check_extensions(certificate: AttributeCertificate, host_names: tuple[str, ...]) -> None:
    if certificate.unknown_critical:
        raise NotAuthenticated(
            "x509.ac_unknown_critical",
            expected="no critical extension that is not known here",
            found=", ".join(certificate.unknown_critical),
        )
    if not certificate.no_revocation:
        raise NotAuthenticated("x509.ac_no_revocation_info", expected="noRevAvail", found="none")
    if certificate.targets and not set(certificate.targets) & set(host_names):
        raise NotAuthenticated(
            "x509.ac_target", expected=" or ".join(host_names) or "no target", found=", ".join(certificate.targets)
        )


def _fqans(certificate: AttributeCertificate) -> tuple[Fqan, ...]:
    parsed = tuple(parse_fqan(text) for text in certificate.fqans)
    for fqan in parsed:
        if fqan.vo != certificate.vo:
            raise NotAuthenticated("x509.ac_other_vo", expected=f"/{certificate.vo}", found=fqan, vo=certificate.vo)
    return parsed


def _subject(certificate: x509.Certificate) -> str:
    return names.slash_form_of(names.subject_bytes(certificate))
