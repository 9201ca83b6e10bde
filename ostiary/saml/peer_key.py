"""Who is at the other end of a TLS connection, by the key of its certificate (SAML bindings 3.2.2.1; SAML Metadata Interoperability
Profile 2.5.1). What else the certificate says (names, dates, issuer) is ignored: metadata's ``validUntil`` ends trust in a key.
"""

import hmac
from collections.abc import Sequence

from ostiary.errors import Refusal
from ostiary.saml.keys import TrustedKey
from ostiary.saml.signature import TlsPeer
from ostiary.saml.xml import Element


def prove_by_peer_key(element: Element, certificate: bytes, keys: Sequence[TrustedKey]) -> TlsPeer | None:
    """The proof that ``element`` came from the owner of ``keys``; None where the key of ``certificate`` (DER) is none of them.

    That the peer has the private key the caller knows, from the handshake or from a front end that it trusts. SubjectPublicKeyInfo is
    compared, with each of the keys.
    """
    try:
        shown = TrustedKey.from_certificate(certificate)
    except Refusal:
        return None
    # No key is left out of the comparison: how long it takes does not tell which one it was.
    same = [hmac.compare_digest(shown.spki, key.spki) for key in keys]
    return TlsPeer(element, shown) if any(same) else None
