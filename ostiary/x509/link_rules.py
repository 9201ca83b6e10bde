"""The rules for one certificate of a chain in its place: dates, usage, extensions, revocation, what RFC 3820 asks of a proxy."""

from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from ostiary.errors import NotAuthenticated
from ostiary.x509 import names, oids
from ostiary.x509.kinds import Classification, Kind, extensions_of
from ostiary.x509.signing_policy import SigningPolicy
from ostiary.x509.trust import Authority, TrustDirectory

T = TypeVar("T", bound=x509.ExtensionType)

_NETSCAPE_CERTIFICATE_TYPE: Final = x509.ObjectIdentifier("2.16.840.1.113730.1.1")
# Those that are acted upon here, and those that restrict nothing that is decided here.
_KNOWN_CRITICAL: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        _NETSCAPE_CERTIFICATE_TYPE,
    }
)


def check_dates(certificate: x509.Certificate, subject: str, now: datetime) -> None:
    """Within notBefore and notAfter, both included (RFC 5280 4.1.2.5).

    Raises `NotAuthenticated` (``x509.not_yet_valid``, ``x509.expired``), both with ``theirs`` and ``ours``.
    """
    start, end, ours = certificate.not_valid_before_utc, certificate.not_valid_after_utc, instant(now)
    if now < start:
        raise NotAuthenticated(
            "x509.not_yet_valid",
            expected=f"valid at {ours}",
            found=f"notBefore {instant(start)}",
            theirs=instant(start),
            ours=ours,
            subject=subject,
        )
    if now > end:
        raise NotAuthenticated(
            "x509.expired",
            expected=f"valid at {ours}",
            found=f"notAfter {instant(end)}",
            theirs=instant(end),
            ours=ours,
            subject=subject,
        )


def check_authority(certificate: x509.Certificate, subject: str, *, below: int) -> None:
    """It is a CA that may sign certificates, with at most that many further CAs ``below`` it (RFC 5280 4.2.1.9, 4.2.1.3).

    Raises `NotAuthenticated` (``x509.not_a_ca``, ``x509.path_length``, ``x509.key_usage``, ``x509.unknown_critical``).
    """
    _check_critical(certificate, subject, _KNOWN_CRITICAL)
    constraints = _value(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise NotAuthenticated(
            "x509.not_a_ca", expected="basicConstraints with CA:TRUE", found=subject, subject=subject
        )
    if constraints.path_length is not None and below > constraints.path_length:
        raise NotAuthenticated(
            "x509.path_length", expected=f"at most {constraints.path_length} CAs below", found=below, subject=subject
        )
    usage = _value(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise NotAuthenticated("x509.key_usage", expected="keyCertSign", found="not allowed", subject=subject)


def check_revocation(
    issued: x509.Certificate,
    subject: str,
    issuer: str,
    authority: Authority | None,
    policy: SigningPolicy | None,
    trust: TrustDirectory,
    now: datetime,
) -> None:
    """The CA has not revoked what it issued, and may sign for that name. ``authority`` is None, and ``policy`` that of the CA above, for a
    CA that is not in the directory: it may sign for no more than whoever vouches for it.

    Raises `NotAuthenticated`: ``x509.signing_policy``, ``x509.revoked``, ``x509.crl_expired``, ``x509.crl_not_yet_valid``,
    ``x509.crl_missing``, ``x509.crl_unusable``.
    """
    if trust.require_signing_policy and (authority is None or policy is None):
        raise NotAuthenticated(
            "x509.signing_policy",
            expected=f"a signing policy of {issuer}",
            found="none",
            subject=subject,
            issuer=issuer,
        )
    if policy is not None and not policy.allows(subject):
        raise NotAuthenticated(
            "x509.signing_policy",
            expected=" or ".join(policy.patterns) or "nothing",
            found=subject,
            subject=subject,
            issuer=issuer,
        )
    _check_crl(issued, subject, issuer, authority, trust, now)


def _check_crl(
    issued: x509.Certificate,
    subject: str,
    issuer: str,
    authority: Authority | None,
    trust: TrustDirectory,
    now: datetime,
) -> None:
    if authority is not None and authority.crl_problem:
        raise NotAuthenticated("x509.crl_unusable", expected="a usable CRL", found=authority.crl_problem, issuer=issuer)
    crl = None if authority is None else authority.crl
    if crl is None:
        if trust.require_crl:
            raise NotAuthenticated("x509.crl_missing", expected=f"a CRL of {issuer}", found="none", issuer=issuer)
        return
    if issued.serial_number in crl.serials:
        raise NotAuthenticated(
            "x509.revoked", expected="not in the CRL", found=f"serial {issued.serial_number:X}", subject=subject
        )
    ours = instant(now)
    if crl.this_update > now:
        theirs = instant(crl.this_update)
        raise NotAuthenticated(
            "x509.crl_not_yet_valid",
            expected=f"valid at {ours}",
            found=f"thisUpdate {theirs}",
            theirs=theirs,
            ours=ours,
            issuer=issuer,
        )
    if crl.next_update is not None and now > crl.next_update:
        theirs = instant(crl.next_update)
        raise NotAuthenticated(
            "x509.crl_expired",
            expected=f"valid at {ours}",
            found=f"nextUpdate {theirs}",
            theirs=theirs,
            ours=ours,
            issuer=issuer,
        )


def check_end_entity(certificate: x509.Certificate, subject: str, usage: x509.ObjectIdentifier | None) -> None:
    """No CA, with a name, and usable for ``usage`` where that is asked for.

    Raises `NotAuthenticated` (``x509.ca_certificate``, ``x509.malformed``, ``x509.extended_key_usage``, ``x509.unknown_critical``).
    """
    _check_critical(certificate, subject, _KNOWN_CRITICAL)
    constraints = _value(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise NotAuthenticated("x509.ca_certificate", expected="the certificate of a person or host", found=subject)
    if not subject:
        raise NotAuthenticated("x509.malformed", expected="a subject", found="none")
    _check_usage(certificate, subject, usage)


def check_proxy(
    proxy: x509.Certificate,
    kind: Classification,
    subject: str,
    *,
    issuer: x509.Certificate,
    above: Classification,
    below: int,
    usage: x509.ObjectIdentifier | None,
) -> None:
    """What RFC 3820 3 and 4.1.3 ask of a proxy under its issuer (``above`` says what that is), with ``below`` further proxies.

    Raises `NotAuthenticated`: ``x509.proxy_subject``, ``x509.proxy_extension``, ``x509.proxy_path_length``, ``x509.proxy_limited``,
    ``x509.key_usage``, ``x509.extended_key_usage``, ``x509.unknown_critical``.
    """
    _check_critical(proxy, subject, _KNOWN_CRITICAL | {oids.PROXY_INFO, oids.AC_SEQUENCE})
    own = names.canonical_rdns(names.subject_bytes(proxy))
    if own[:-1] != names.canonical_rdns(names.subject_bytes(issuer)) or not names.is_one_common_name(own[-1]):
        raise NotAuthenticated(
            "x509.proxy_subject", expected="the issuer's name and one CN", found=subject, subject=subject
        )
    present = extensions_of(proxy)
    for forbidden in (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.ISSUER_ALTERNATIVE_NAME):
        if forbidden in present:
            raise NotAuthenticated(
                "x509.proxy_extension", expected="no alternative names", found=forbidden.dotted_string, subject=subject
            )
    constraints = _value(proxy, x509.BasicConstraints)
    own_usage, issuer_usage = _value(proxy, x509.KeyUsage), _value(issuer, x509.KeyUsage)
    if (constraints is not None and constraints.ca) or (own_usage is not None and own_usage.key_cert_sign):
        raise NotAuthenticated("x509.proxy_extension", expected="no rights of a CA", found=subject, subject=subject)
    for one in (issuer_usage, own_usage):
        if one is not None and not one.digital_signature:
            raise NotAuthenticated("x509.key_usage", expected="digitalSignature", found="not allowed", subject=subject)
    _check_usage(proxy, subject, usage)
    if kind.path_length is not None and below > kind.path_length:
        raise NotAuthenticated(
            "x509.proxy_path_length",
            expected=f"at most {kind.path_length} proxies below",
            found=below,
            subject=subject,
        )
    if above.kind is Kind.LIMITED_PROXY and kind.kind is not Kind.LIMITED_PROXY:
        raise NotAuthenticated(
            "x509.proxy_limited", expected="limited proxies below a limited one", found=kind.kind.value, subject=subject
        )


def instant(at: datetime) -> str:
    """A time as people read it in messages: ``2026-11-22 12:00:00 UTC``."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _check_critical(certificate: x509.Certificate, subject: str, known: frozenset[x509.ObjectIdentifier]) -> None:
    for oid, extension in extensions_of(certificate).items():
        if extension.critical and oid not in known:
            raise NotAuthenticated(
                "x509.unknown_critical",
                expected="no critical extension that is not known here",
                found=oid.dotted_string,
                subject=subject,
            )


def _check_usage(certificate: x509.Certificate, subject: str, usage: x509.ObjectIdentifier | None) -> None:
    allowed = _value(certificate, x509.ExtendedKeyUsage)
    if usage is None or allowed is None:
        return
    if usage not in allowed and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in allowed:
        raise NotAuthenticated(
            "x509.extended_key_usage",
            expected=usage.dotted_string,
            found=", ".join(oid.dotted_string for oid in allowed),
            subject=subject,
        )


def _value(certificate: x509.Certificate, kind: type[T]) -> T | None:
    found = extensions_of(certificate).get(kind.oid)
    return found.value if found is not None and isinstance(found.value, kind) else None
