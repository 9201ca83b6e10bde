"""Proves a proxy file as a resource would: its chain, CRLs, and what the VOs say. Its targets are other hosts' business."""

from datetime import datetime
from pathlib import Path

from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.chain import VerifiedChain, verify_chain
from ostiary.x509.lsc import load_vomsdir
from ostiary.x509.proxy import Proxy, find_attribute_certificates
from ostiary.x509.trust import load_trust_directory
from ostiary.x509.verify import VerifiedAttributeCertificate, verify_attribute_certificates
from voms.proxy.places import Places


def prove(
    made: Proxy, certdir: Path | None, vomsdir: Path | None, places: Places, now: datetime
) -> tuple[VerifiedChain, tuple[VerifiedAttributeCertificate, ...]]:
    """The chain, and what the VOs say. Raises `NotAuthenticated`, `Refusal`, `ConfigurationError` (``x509.*``)."""
    trust = load_trust_directory(certdir or places.ca_directory())
    chain = verify_chain(made.ders, trust, now)
    if not find_attribute_certificates(chain.certificates):
        return chain, ()
    listed = load_vomsdir(vomsdir or places.vomsdir())
    targets = tuple(target for each in attribute_certificates(made) for target in each.targets)
    return chain, verify_attribute_certificates(chain, listed, trust, now, host_names=targets)


def attribute_certificates(made: Proxy) -> tuple[AttributeCertificate, ...]:
    """What the VOs say, as read: nothing of it is proven."""
    return tuple(read_attribute_certificate(der) for der in find_attribute_certificates(made.certificates))
