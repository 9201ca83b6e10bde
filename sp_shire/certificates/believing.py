"""Decides what a certificate chain says about a visitor that is believed here: the chain, its attribute certificates, the acceptance
policy. Pure: reads no file, clock or request.

An attribute certificate of a VO that counts here and fails a check refuses the visitor; those of other VOs are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.errors import Denied
from ostiary.policy.acceptance import AcceptancePolicy, Issuer, accept
from ostiary.policy.acceptance_changes import combined, missing
from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.chain import VerifiedChain
from ostiary.x509.clients import verify_client
from ostiary.x509.proxy import find_attribute_certificates
from ostiary.x509.verify import SKEW, VerifiedAttributeCertificate, attributes_of, verify_attribute_certificate
from sp_shire.certificates.grid import Grid
from sp_shire.sessions.records import Withheld

SUBJECT: Final = "certificateSubject"
"""The end entity's name as RFC 4514 writes it: the attribute that policies and rules should use."""
SUBJECT_SLASH: Final = "certificateSubjectSlash"
"""The same as grid software writes it (``/C=ZZ/CN=...``), which can be ambiguous."""
MOST_ATTRIBUTE_CERTIFICATES: Final = 10


@dataclass(frozen=True, slots=True)
class Terms:
    """What this resource asks of certificates beside trust. ``audience`` is its entityID, ``host_names`` what an attribute certificate
    may call this host."""

    audience: str
    host_names: tuple[str, ...]
    limited_proxies: bool = False
    most_proxies: int = 10


@dataclass(frozen=True, slots=True)
class Believed:
    """A verified visitor. ``attributes`` are what the acceptance policy let through, ``withheld`` what it threw out;
    ``unread_vos`` those whose attribute certificates do not count here.

    ``authenticated_at``: when she last proved who she is. ``until`` (exclusive) is when some certificate or CRL that this rests on ends.
    """

    names: CertificateNames
    attributes: Attributes
    withheld: Withheld
    unread_vos: tuple[str, ...]
    proxies: int
    authenticated_at: datetime
    until: datetime


def believe(chain: Sequence[bytes], terms: Terms, grid: Grid, policy: AcceptancePolicy, now: datetime) -> Believed:
    """What is believed of whoever shows this chain (DER, leaf first).

    The certificate's own names are asserted by its CA (the issuer's RFC 4514 name), groups, roles and attributes by their VO. Whoever uses
    a proxy proved who she is when she signed the first one with her own key.

    Raises `NotAuthenticated` (``x509.*``), `Denied` (``certificates.limited_proxy``, ``certificates.too_many_proxies``,
    ``certificates.banned``, ``certificates.too_many_acs``, ``sp.attributes_missing``), `Refusal` (``x509.ac_*``).
    """
    verified = verify_client(chain, grid.trust, now)
    _check_bans(verified, grid)
    _check_proxies(verified, terms)
    proven, unread = _attribute_certificates(verified, terms, grid, now)
    names = CertificateNames.of(verified.end_entity)
    said = [(names.issuer, _own(names, verified))]
    said += [(one.vo, attributes_of(one)) for one in proven]
    decisions = [
        accept(policy, Issuer(issuer), attributes, at=now, audience=terms.audience) for issuer, attributes in said
    ]
    accepted = tuple(attribute for decision in decisions for attribute in decision.attributes)
    known = combined(policy.combinations, accepted, now)
    if unfulfilled := missing(policy.required, known, now):
        wanted = "; ".join(" or ".join(requirement.any_of) for requirement in unfulfilled)
        raise Denied("sp.attributes_missing", expected=wanted, found=names.subject)
    return Believed(
        names=names,
        attributes=known,
        withheld=tuple(
            (verdict.attribute, str(verdict.value), verdict.reason)
            for decision in decisions
            for verdict in decision.verdicts
            if not verdict.accepted
        ),
        unread_vos=unread,
        proxies=len(verified.proxies),
        authenticated_at=verified.proxies[-1].not_valid_before_utc if verified.proxies else now,
        until=min((end for end in _ends(verified, proven, grid) if end >= now), default=now),
    )


def _check_bans(verified: VerifiedChain, grid: Grid) -> None:
    """Of what VOs state also that which does not count here: a ban holds unless it is known to concern somebody else."""
    stated = (
        fqan
        for der in find_attribute_certificates(verified.certificates)
        for fqan in read_attribute_certificate(der).fqans
    )
    line = grid.bans.name(verified.subject) or grid.bans.fqans(stated)
    if line is not None:
        raise Denied("certificates.banned", expected="nobody on the ban list", found=f"{verified.subject}, by {line}")


def _check_proxies(verified: VerifiedChain, terms: Terms) -> None:
    if verified.limited and not terms.limited_proxies:
        raise Denied(
            "certificates.limited_proxy", expected="a full proxy", found=f"a limited one of {verified.subject}"
        )
    if len(verified.proxies) > terms.most_proxies:
        raise Denied(
            "certificates.too_many_proxies",
            expected=f"at most {terms.most_proxies}",
            found=len(verified.proxies),
            most=terms.most_proxies,
        )


def _attribute_certificates(
    verified: VerifiedChain, terms: Terms, grid: Grid, now: datetime
) -> tuple[list[VerifiedAttributeCertificate], tuple[str, ...]]:
    found = find_attribute_certificates(verified.certificates)
    if len(found) > MOST_ATTRIBUTE_CERTIFICATES:
        raise Denied("certificates.too_many_acs", expected=f"at most {MOST_ATTRIBUTE_CERTIFICATES}", found=len(found))
    proven: list[VerifiedAttributeCertificate] = []
    unread: list[str] = []
    for der in found:
        vo = read_attribute_certificate(der).vo
        if vo not in grid.vos:
            unread.append(vo)
            continue
        proven.append(
            verify_attribute_certificate(
                der, verified, grid.vomsdir, grid.trust, now, host_names=terms.host_names, status=grid.status
            )
        )
    return proven, tuple(dict.fromkeys(unread))


def _own(names: CertificateNames, verified: VerifiedChain) -> Attributes:
    return tuple(
        Attribute(
            name,
            (Value(text),),
            issuer=names.issuer,
            issued_at=verified.end_entity.not_valid_before_utc,
            valid_until=verified.not_after,
        )
        for name, text in ((SUBJECT, names.subject), (SUBJECT_SLASH, verified.subject))
    )


def _ends(verified: VerifiedChain, proven: Sequence[VerifiedAttributeCertificate], grid: Grid) -> Iterator[datetime]:
    """When anything ends that the proof may rest on; of the directory everything, whichever CAs were needed."""
    yield verified.not_after
    for one in proven:
        yield one.certificate.not_after
        yield one.certificate.not_after + SKEW
        for der in one.certificate.certificates:
            yield x509.load_der_x509_certificate(der).not_valid_after_utc
    for told in grid.status.lists.values():
        yield told.next_update
    for authority in grid.trust.authorities:
        yield authority.certificate.not_valid_after_utc
        if authority.crl is not None and authority.crl.next_update is not None:
            yield authority.crl.next_update
