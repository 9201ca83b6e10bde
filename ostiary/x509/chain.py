"""Decides whether a certificate chain, with any number of RFC 3820 proxies in front, leads to a trusted CA. Pure: reads no file or clock.

First the path is found (names and signatures, from the leaf up), then every certificate on it is checked from the root down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ostiary.errors import NotAuthenticated, Refusal
from ostiary.x509 import names
from ostiary.x509.algorithms import certificate_signed_by, check_digest, check_key
from ostiary.x509.kinds import MALFORMED, Classification, Kind, classify
from ostiary.x509.link_rules import check_authority, check_dates, check_end_entity, check_proxy, check_revocation
from ostiary.x509.reading import UNREADABLE
from ostiary.x509.trust import Authority, TrustDirectory

MAX_CERTIFICATES: Final = 32
MAX_CERTIFICATE_BYTES: Final = 128 * 1024
# The ``usage`` of `verify_chain` for a certificate that came from a TLS handshake.
TLS_CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """The proof that a chain was valid at one moment; only `verify_chain` makes one.

    ``end_entity`` is the first certificate that is no proxy, ``proxies`` are those below it, leaf first, ``anchors`` the CAs above it,
    its issuer first and the root last. ``subject`` and ``issuer`` are the end entity's, slash form. ``limited``: the leaf is a limited
    proxy. ``independent``: one of the proxies inherits no rights, so nothing that the end entity may do is allowed to it.
    ``not_after`` is the earliest end of all (aware UTC).
    """

    end_entity: x509.Certificate
    proxies: tuple[x509.Certificate, ...]
    anchors: tuple[x509.Certificate, ...]
    subject: str
    issuer: str
    limited: bool
    independent: bool
    not_after: datetime

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The proxies and the end entity, leaf first, without the CAs."""
        return (*self.proxies, self.end_entity)


def verify_chain(
    chain: Sequence[bytes], trust: TrustDirectory, now: datetime, *, usage: x509.ObjectIdentifier | None = None
) -> VerifiedChain:
    """Verifies DER certificates, leaf first, as a TLS peer or a proxy file gives them; what is not needed may stand among them.

    ``usage``: an extended key usage (`ExtendedKeyUsageOID`) that each proxy and the end entity must allow, where they restrict it.
    Implements RFC 3820 4 and, of RFC 5280 6, what grid CAs use: signatures, dates (both ends belong to them), basicConstraints with
    path length, keyUsage, revocation by the directory's CRLs, signing policies; critical extensions that are not known here
    (nameConstraints among them) refuse the chain.

    Raises `NotAuthenticated`:

    - ``x509.no_certificate``, ``x509.chain_length``, ``x509.malformed``;
    - path: ``x509.chain_incomplete`` (a proxy's issuer is missing), ``x509.untrusted_ca``, ``x509.signature``;
    - each certificate: ``x509.not_yet_valid``, ``x509.expired``, ``x509.weak_key``, ``x509.weak_signature``,
      ``x509.unknown_critical``, ``x509.key_usage``, ``x509.extended_key_usage``;
    - CAs: ``x509.not_a_ca``, ``x509.path_length``, ``x509.signing_policy``, ``x509.revoked``, ``x509.crl_expired``,
      ``x509.crl_not_yet_valid``, ``x509.crl_missing``, ``x509.crl_unusable``; a CA as end entity: ``x509.ca_certificate``;
    - proxies: ``x509.proxy_legacy``, ``x509.proxy_info``, ``x509.proxy_policy``, ``x509.proxy_subject``, ``x509.proxy_extension``,
      ``x509.proxy_path_length``, ``x509.proxy_limited``.
    """
    sent = _load(chain)
    proxies, end_entity = _proxies(sent)
    authorities = _authorities(end_entity, sent, trust, now)
    _check_authorities(end_entity, authorities, trust, now)
    subject = _subject(end_entity)
    check_dates(end_entity, subject, now)
    check_key(end_entity, subject)
    check_end_entity(end_entity, subject, usage)
    _check_proxies(end_entity, proxies, now, usage)
    kinds = [kind.kind for _, kind in proxies]
    every = [*(proxy for proxy, _ in proxies), end_entity, *(link.certificate for link in authorities)]
    return VerifiedChain(
        end_entity=end_entity,
        proxies=tuple(proxy for proxy, _ in proxies),
        anchors=tuple(link.certificate for link in authorities),
        subject=subject,
        issuer=names.slash_form_of(names.issuer_bytes(end_entity)),
        limited=Kind.LIMITED_PROXY in kinds[:1],
        independent=Kind.INDEPENDENT_PROXY in kinds,
        not_after=min(certificate.not_valid_after_utc for certificate in every),
    )


@dataclass(frozen=True, slots=True)
class _Link:
    """One CA on the path; ``trusted`` is its entry in the directory, None for an intermediate that only the peer sent."""

    certificate: x509.Certificate
    trusted: Authority | None


def _load(chain: Sequence[bytes]) -> list[x509.Certificate]:
    if not chain:
        raise NotAuthenticated("x509.no_certificate", expected="a certificate chain", found="none")
    if len(chain) > MAX_CERTIFICATES:
        raise NotAuthenticated("x509.chain_length", expected=f"at most {MAX_CERTIFICATES}", found=len(chain))
    loaded = []
    for der in chain:
        if len(der) > MAX_CERTIFICATE_BYTES:
            raise NotAuthenticated(MALFORMED, expected=f"at most {MAX_CERTIFICATE_BYTES} bytes", found=len(der))
        try:
            certificate = x509.load_der_x509_certificate(der)
            # All that is looked at later and may turn out to be unreadable.
            certificate.signature_algorithm_parameters  # noqa: B018
            _check_signature_is_whole(der, certificate.signature)
            names.canonical_rdns(names.subject_bytes(certificate))
            names.canonical_rdns(names.issuer_bytes(certificate))
        except (*UNREADABLE, Refusal) as error:
            raise NotAuthenticated(MALFORMED, expected="an X.509 certificate", found=error) from None
        loaded.append(certificate)
    return loaded


def _check_signature_is_whole(der: bytes, signature: bytes) -> None:
    """The last field of a certificate is a BIT STRING, and nothing of it may be left unused: `cryptography` drops the number of unused
    bits, so that one certificate would have several spellings."""
    unused_bits = der[-len(signature) - 1]
    if not der.endswith(signature) or unused_bits:
        raise Refusal(MALFORMED, expected="a signature of whole octets", found=f"{unused_bits} unused bits")


def _proxies(
    sent: Sequence[x509.Certificate],
) -> tuple[list[tuple[x509.Certificate, Classification]], x509.Certificate]:
    """The proxies at the start of the chain, leaf first, and the end entity that they lead to."""
    proxies: list[tuple[x509.Certificate, Classification]] = []
    current, rest = sent[0], list(sent[1:])
    while (kind := classify(current)).is_proxy:
        if kind.kind is Kind.LEGACY_PROXY:
            raise NotAuthenticated(
                "x509.proxy_legacy", expected="an RFC 3820 proxy", found=kind.legacy, subject=_subject(current)
            )
        proxies.append((current, kind))
        issuer = _signer(current, rest)
        if issuer is None:
            raise NotAuthenticated(
                "x509.chain_incomplete", expected=_issuer(current), found="not in the chain", subject=_subject(current)
            )
        rest.remove(issuer)
        current = issuer
    return proxies, current


def _authorities(
    end_entity: x509.Certificate, sent: Sequence[x509.Certificate], trust: TrustDirectory, now: datetime
) -> list[_Link]:
    """The CAs from the end entity's issuer to a root of the directory; the directory's certificates before those that were sent."""
    links: list[_Link] = []
    current, rest = end_entity, list(sent)
    while True:
        trusted = sorted(trust.named(names.issuer_bytes(current)), key=lambda ca: _preference(ca.certificate, now))
        found = _signer(current, [ca.certificate for ca in trusted] + rest)
        if found is None:
            raise NotAuthenticated(
                "x509.untrusted_ca",
                expected="a CA of the certificates directory",
                found=_issuer(current),
                issuer=_issuer(current),
            )
        authority = next((ca for ca in trusted if ca.certificate == found), None)
        links.append(_Link(found, authority))
        if authority is not None and authority.is_self_signed:
            return links
        circular = found == current or found in (link.certificate for link in links[:-1])
        if circular or (authority is None and _takes_a_name(found, trust)):
            # A root that was sent but is not in the directory, CAs that certify each other, or the name of a CA of the directory.
            raise NotAuthenticated(
                "x509.untrusted_ca",
                expected="a CA of the certificates directory",
                found=_subject(found),
                issuer=_subject(found),
            )
        current = found


def _takes_a_name(authority: x509.Certificate, trust: TrustDirectory) -> bool:
    """Whether a CA that is not in the directory bears the name of one that is. Whoever is known by subject and issuer would be somebody
    else then. A CA may certify a new key of its own."""
    return not _self_issued(authority) and bool(trust.named(names.subject_bytes(authority)))


def _preference(certificate: x509.Certificate, now: datetime) -> tuple[bool, float]:
    valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    return not valid, -certificate.not_valid_after_utc.timestamp()


def _signer(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The first candidate that has the issuer's name and made the signature; None when none has the name."""
    issuer = names.canonical_rdns(names.issuer_bytes(certificate))
    named = [one for one in candidates if names.canonical_rdns(names.subject_bytes(one)) == issuer]
    if named:
        check_digest(certificate, _subject(certificate))
    for one in named:
        if certificate_signed_by(certificate, one):
            return one
    if named:
        raise NotAuthenticated(
            "x509.signature",
            expected=f"the signature of {_issuer(certificate)}",
            found="another",
            subject=_subject(certificate),
        )
    return None


def _check_authorities(
    end_entity: x509.Certificate, authorities: Sequence[_Link], trust: TrustDirectory, now: datetime
) -> None:
    below_root = [end_entity, *(link.certificate for link in authorities[:-1])]
    policy = None
    for depth in reversed(range(len(authorities))):
        link, issued = authorities[depth], below_root[depth]
        subject = _subject(link.certificate)
        check_dates(link.certificate, subject, now)
        check_key(link.certificate, subject)
        # RFC 5280 4.2.1.9: CAs that issued to themselves do not count, the last certificate neither.
        check_authority(
            link.certificate, subject, below=sum(not _self_issued(one) for one in below_root[1 : depth + 1])
        )
        policy = policy if link.trusted is None else link.trusted.policy
        check_revocation(issued, _subject(issued), subject, link.trusted, policy, trust, now)


def _check_proxies(
    end_entity: x509.Certificate,
    proxies: Sequence[tuple[x509.Certificate, Classification]],
    now: datetime,
    usage: x509.ObjectIdentifier | None,
) -> None:
    issuer, above = end_entity, Classification(Kind.END_ENTITY)
    for depth in reversed(range(len(proxies))):
        proxy, kind = proxies[depth]
        subject = _subject(proxy)
        check_dates(proxy, subject, now)
        check_key(proxy, subject)
        check_proxy(proxy, kind, subject, issuer=issuer, above=above, below=depth, usage=usage)
        issuer, above = proxy, kind


def _self_issued(certificate: x509.Certificate) -> bool:
    return names.same_name(names.subject_bytes(certificate), names.issuer_bytes(certificate))


def _subject(certificate: x509.Certificate) -> str:
    return names.slash_form_of(names.subject_bytes(certificate))


def _issuer(certificate: x509.Certificate) -> str:
    return names.slash_form_of(names.issuer_bytes(certificate))
