"""A Response whose assertion is encrypted, from received to proven (SAML profiles 4.1.4.2): signature outside, then decryption, then the
signature inside. Takes the place of `validate.verify_response` for a service that has private keys; checks no other rule.
"""

from collections.abc import Sequence

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, read_assertion
from ostiary.saml.decryption import Decryption, decrypt_assertion
from ostiary.saml.keys import TrustedKey
from ostiary.saml.protocol import ASSERTIONS, unproven_envelope
from ostiary.saml.signature import SignedElement, has_signature, verify_element
from ostiary.saml.validate import ProvenResponse, verify_response
from ostiary.saml.xml import Element, children


def verify_response_that_may_be_encrypted(
    element: Element, keys: Sequence[TrustedKey], decryption: Decryption, *, carried: SignedElement | None = None
) -> ProvenResponse:
    """As `validate.verify_response`, and opens the one EncryptedAssertion of a Response. Who has no key to open one refuses it as there.

    The assertion needs a signature of its own or one on the Response, which covers the encrypted text; each that is there must verify.
    Raises `Refusal` (``signature.*``, ``encryption.*``, ``saml.several_assertions``).
    """
    encrypted = _sole_encrypted(element) if decryption.keys else None
    if encrypted is None:
        return verify_response(element, keys, carried=carried)
    envelope = unproven_envelope(element)
    outer = verify_element(element, keys) if has_signature(element) else carried
    opened = decrypt_assertion(encrypted, decryption, outer)
    return ProvenResponse(envelope, outer is not None, _proven_assertion(opened, keys, outer))


def _proven_assertion(opened: Element, keys: Sequence[TrustedKey], outer: SignedElement | None) -> Assertion:
    if has_signature(opened):
        return Assertion.from_proof(verify_element(opened, keys))
    if outer is None:
        raise Refusal("signature.missing", expected="a signature on the Response or on its assertion", found="none")
    return read_assertion(opened)


def _sole_encrypted(response: Element) -> Element | None:
    """The encrypted assertion of a response that holds one, and no other assertion anywhere; None if it holds none."""
    found = list(children(response, names.SAML, "EncryptedAssertion"))
    if not found:
        return None
    everywhere = len(list(response.getroottree().getroot().iter(*ASSERTIONS)))
    if everywhere > 1:
        raise Refusal("saml.several_assertions", expected="one assertion, in its place", found=everywhere)
    return found[0]
