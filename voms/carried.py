"""What a client's proxy already states for this VO. A new certificate never says more, so that who was given less can't ask for more."""

from datetime import datetime

from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.chain import VerifiedChain
from ostiary.x509.fqan import Fqan
from ostiary.x509.issuer_key import IssuerKey
from ostiary.x509.lsc import Lsc, Names, VomsDirectory
from ostiary.x509.names import issuer_bytes, slash_form_of, subject_bytes
from ostiary.x509.proxy import find_attribute_certificates
from ostiary.x509.trust import TrustDirectory
from ostiary.x509.verify import verify_attribute_certificate


def carried_names(
    chain: VerifiedChain, vo: str, key: IssuerKey, trust: TrustDirectory, now: datetime
) -> frozenset[Fqan] | None:
    """The names in the attribute certificates of ``vo`` in this chain; None when there is none. Other VOs' do not matter.

    One that has ended, or that is meant for other hosts, still bounds. Raises `NotAuthenticated`, `Refusal` (``x509.ac_*``) for one
    that is not ours.
    """
    found: frozenset[Fqan] | None = None
    for der in find_attribute_certificates(chain.certificates):
        read = read_attribute_certificate(der)
        if read.vo == vo:
            then = _while_valid(read, now)
            own = _own_vomsdir(read, key)
            proven = verify_attribute_certificate(der, chain, own, trust, then, host_names=read.targets)
            found = frozenset(proven.fqans) | (found or frozenset())
    return found


def _while_valid(certificate: AttributeCertificate, now: datetime) -> datetime:
    return min(max(now, certificate.not_before), certificate.not_after)


def _own_vomsdir(certificate: AttributeCertificate, key: IssuerKey) -> VomsDirectory:
    """Trusts this service's own names, whatever host name the certificate was issued under."""
    own = tuple(
        Names(slash_form_of(subject_bytes(each)), slash_form_of(issuer_bytes(each))) for each in key.certificates
    )
    return VomsDirectory({(certificate.vo, certificate.host): Lsc((own,))})
