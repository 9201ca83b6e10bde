"""What a client's proxy already states for this VO. A new certificate never says more, so that who was given less can't ask for more."""

from datetime import datetime

from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.chain import VerifiedChain
from ostiary.x509.fqan import Fqan
from ostiary.x509.lsc import Lsc, VomsDirectory
from ostiary.x509.proxy import attribute_certificates_in
from ostiary.x509.trust import TrustDirectory
from ostiary.x509.verify import verify_attribute_certificate


def carried_names(
    chain: VerifiedChain, vo: str, lsc: Lsc, trust: TrustDirectory, now: datetime
) -> frozenset[Fqan] | None:
    """The names that every proxy of this chain which has attribute certificates of ``vo`` states; None when none has. Other VOs' do not
    matter: a proxy made below, with something else in it, frees nobody.

    ``lsc``: this service's own names. One that has ended, or that is meant for other hosts, still bounds. Raises `NotAuthenticated`,
    `Refusal` (``x509.ac_*``) for one that is not ours.
    """
    found: frozenset[Fqan] | None = None
    for proxy in chain.proxies:
        ours = [read for der in attribute_certificates_in(proxy) if (read := read_attribute_certificate(der)).vo == vo]
        if ours:
            stated = frozenset(fqan for read in ours for fqan in _proven_names(read, chain, lsc, trust, now))
            found = stated if found is None else found & stated
    return found


def _proven_names(
    read: AttributeCertificate, chain: VerifiedChain, lsc: Lsc, trust: TrustDirectory, now: datetime
) -> tuple[Fqan, ...]:
    # Whatever host name the certificate was issued under.
    own = VomsDirectory({(read.vo, read.host): lsc})
    proven = verify_attribute_certificate(
        read.der, chain, own, trust, now, host_names=read.targets, dates_at=_while_valid(read, now)
    )
    return proven.fqans


def _while_valid(certificate: AttributeCertificate, now: datetime) -> datetime:
    return min(max(now, certificate.not_before), certificate.not_after)
