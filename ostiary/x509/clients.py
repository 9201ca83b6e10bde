"""Proves whom the certificate chain of a TLS client stands for, where people are known by subject and issuer. Pure, as `verify_chain`."""

from collections.abc import Sequence
from datetime import datetime

from ostiary.errors import NotAuthenticated
from ostiary.x509.chain import TLS_CLIENT, VerifiedChain, verify_chain
from ostiary.x509.names import issuer_bytes
from ostiary.x509.trust import TrustDirectory


def verify_client(chain: Sequence[bytes], trust: TrustDirectory, now: datetime) -> VerifiedChain:
    """The client's chain (DER, leaf first): good for TLS clients, its end entity issued by a CA of the directory itself, and no proxy in
    it independent (RFC 3820 3.8.2).

    Raises `NotAuthenticated` (what `verify_chain` raises; ``x509.untrusted_ca``, ``x509.independent_proxy``).
    """
    verified = verify_chain(chain, trust, now, usage=TLS_CLIENT)
    if not trust.named(issuer_bytes(verified.end_entity)):
        # People are known by subject and issuer; two authorities beyond the directory may bear one name.
        raise NotAuthenticated(
            "x509.untrusted_ca",
            expected="a CA of the certificates directory",
            found=verified.issuer,
            issuer=verified.issuer,
        )
    if verified.independent:
        # Its holder gave it no rights, so not that of speaking in her name either.
        raise NotAuthenticated("x509.independent_proxy", expected="a proxy that inherits rights", found="none")
    return verified
