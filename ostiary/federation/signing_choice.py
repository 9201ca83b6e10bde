"""With which algorithm something is signed for a partner: pure choice among what its metadata says that it verifies."""

from typing import Final, Literal

from ostiary.federation.model import Role
from ostiary.saml import names
from ostiary.saml.keys import Signer

Digest = Literal["sha256", "sha384", "sha512"]
_DIGESTS: Final[dict[str, Digest]] = {
    names.RSA_SHA256: "sha256",
    names.RSA_SHA384: "sha384",
    names.RSA_SHA512: "sha512",
    names.ECDSA_SHA256: "sha256",
    names.ECDSA_SHA384: "sha384",
    names.ECDSA_SHA512: "sha512",
}


def signer_for(signer: Signer, role: Role | None, configured: Digest | None = None) -> Signer:
    """Our key with the first of the role's signing methods that it can be used with (Metadata Profile for Algorithm Support 1.0, 2.4); what
    is ``configured`` for the partner goes before. Its own choice where the role names none, or none that fits: refusing to speak would
    help nobody, and nothing weaker than SHA-256 is ever used."""
    if configured is not None or role is None:
        return signer.with_digest(configured)
    for method in role.signing_methods:
        digest = _DIGESTS.get(method.algorithm)
        low, high = method.minimum_bits or 0, method.maximum_bits
        fits = signer.public.allows(method.algorithm) and low <= signer.public.bits
        if digest is not None and fits and (high is None or signer.public.bits <= high):
            return signer.with_digest(digest)
    return signer
