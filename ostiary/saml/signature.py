"""XML signatures: sign an element; verify one and hand out a typed proof. Decides who said something, never whether it is acceptable.

Everything downstream takes a `Proof`. There are four kinds: `SignedElement`, `SignedQuery` (a detached signature over a query
string), `TlsPeer` (a back-channel connection whose key metadata vouches for) and `UnsignedAllowedByMetadata` (AuthnRequest only).
A key never comes from the message: KeyInfo is ignored.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import xmlsec
from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.keys import ECDSA_ALGORITHMS, RSA_ALGORITHMS, Signer, TrustedKey
from ostiary.saml.xml import Element, add, qname

_DIGESTS: Final[dict[str, str]] = {names.SHA256: "sha256", names.SHA384: "sha384", names.SHA512: "sha512"}
_SIGNATURE_ALGORITHMS: Final = frozenset(RSA_ALGORITHMS) | frozenset(ECDSA_ALGORITHMS)
_C14N: Final = frozenset({names.EXCLUSIVE_C14N, names.EXCLUSIVE_C14N_WITH_COMMENTS})
_ID_NAMES: Final = frozenset({"ID", "Id", "id", "AssertionID", "RequestID", "ResponseID", qname(names.XML, "id")})
_MAXIMUM_KEYS: Final = 8
_MAXIMUM_PREFIX_LIST: Final = 500
_NCNAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,255}")

_SIGNATURE: Final = qname(names.DS, "Signature")


@dataclass(frozen=True, slots=True, eq=False)
class SignedElement:
    """Proof: ``element`` and everything in it was signed by ``key``. It stands where it was verified, in its own document."""

    element: Element
    key: TrustedKey
    algorithm: str


@dataclass(frozen=True, slots=True, eq=False)
class SignedQuery:
    """Proof: the octets of a query string that carried ``element`` (and ``relay_state``) were signed by ``key``."""

    element: Element
    key: TrustedKey
    algorithm: str
    relay_state: str | None


@dataclass(frozen=True, slots=True, eq=False)
class TlsPeer:
    """Proof: ``element`` came over a connection whose peer holds ``key``."""

    element: Element
    key: TrustedKey


@dataclass(frozen=True, slots=True, eq=False)
class UnsignedAllowedByMetadata:
    """Not a signature: the named entity's metadata says that its AuthnRequests come unsigned, and ours doesn't ask for more."""

    element: Element
    entity_id: str


Proof = SignedElement | SignedQuery | TlsPeer | UnsignedAllowedByMetadata


def sign(element: Element, signer: Signer) -> None:
    """Adds an enveloped signature over ``element`` by its ID, after its Issuer where it has one, else as first child (XMLDSig 4,
    SAML core 5.4). Sign when the element is complete: whatever is changed afterwards breaks the signature."""
    identifier = element.get("ID")
    if not identifier:
        raise ValueError("an element without ID can't be signed")
    digest = base64.b64encode(hashlib.sha256(_canonical(element)).digest()).decode("ascii")

    signature = etree.Element(_SIGNATURE, nsmap={"ds": names.DS})
    signed_info = add(signature, names.DS, "SignedInfo")
    add(signed_info, names.DS, "CanonicalizationMethod", Algorithm=names.EXCLUSIVE_C14N)
    add(signed_info, names.DS, "SignatureMethod", Algorithm=signer.algorithm)
    reference = add(signed_info, names.DS, "Reference", URI=f"#{identifier}")
    transforms = add(reference, names.DS, "Transforms")
    add(transforms, names.DS, "Transform", Algorithm=names.ENVELOPED_SIGNATURE)
    add(transforms, names.DS, "Transform", Algorithm=names.EXCLUSIVE_C14N)
    add(reference, names.DS, "DigestMethod", Algorithm=names.SHA256)
    add(reference, names.DS, "DigestValue", digest)
    # Exclusive c14n makes SignedInfo the same octets here as later inside the document.
    value = signer.sign(_canonical(signed_info))
    add(signature, names.DS, "SignatureValue", base64.b64encode(value).decode("ascii"))
    x509_data = add(add(signature, names.DS, "KeyInfo"), names.DS, "X509Data")
    add(x509_data, names.DS, "X509Certificate", base64.b64encode(signer.certificate).decode("ascii"))

    issuer = element.find(qname(names.SAML, "Issuer"))
    element.insert(0 if issuer is None else element.index(issuer) + 1, signature)


def _canonical(element: Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def has_signature(element: Element) -> bool:
    """Whether a ds:Signature is a direct child. Says nothing about its worth."""
    return element.find(_SIGNATURE) is not None


def verify_element(element: Element, keys: Sequence[TrustedKey]) -> SignedElement:
    """Verifies the one enveloped signature of ``element`` with one of ``keys``, in place.

    Raises `Refusal`: ``signature.missing``, ``signature.structure`` (not exactly the form of SAML core 5.4),
    ``signature.algorithm``, ``signature.duplicate_id``, ``signature.no_key``, ``signature.wrong``.
    """
    if not keys:
        raise Refusal("signature.no_key", expected="a signing key in the sender's metadata", found="none")
    found = element.findall(_SIGNATURE)
    if not found:
        raise Refusal("signature.missing", expected=f"a signature on {etree.QName(element).localname}", found="none")
    if len(found) > 1:
        raise Refusal("signature.structure", expected="one signature", found=f"{len(found)} signatures on one element")
    algorithm = _check_form(found[0], element)
    _check_ids(element)
    candidates = [key for key in keys if key.allows(algorithm)][:_MAXIMUM_KEYS]
    for key in candidates:
        if _verifies(found[0], element, key):
            return SignedElement(element, key, algorithm)
    raise Refusal(
        "signature.wrong",
        expected=f"a signature by one of the {len(candidates)} keys that metadata lists for {algorithm}",
        found="a signature that none of them verifies",
    )


def _verifies(signature: Element, element: Element, key: TrustedKey) -> bool:
    context = xmlsec.SignatureContext()
    context.key = key.for_xmlsec()
    context.register_id(element, "ID")
    try:
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True


def _check_form(signature: Element, element: Element) -> str:
    """The exact shape that a SAML signature has (SAML core 5.4.1 to 5.4.4), before xmlsec sees it. Returns the signature algorithm."""
    signed_info = _only(signature, "SignedInfo")
    _only(signature, "SignatureValue")
    if signature.find(qname(names.DS, "Object")) is not None:
        raise Refusal("signature.structure", expected="no ds:Object", found="a ds:Object")
    c14n = _only(signed_info, "CanonicalizationMethod")
    _allowed(c14n, _C14N, "canonicalization")
    _check_prefix_list(c14n)
    algorithm = _allowed(_only(signed_info, "SignatureMethod"), _SIGNATURE_ALGORITHMS, "signature")
    reference = _only(signed_info, "Reference")
    identifier = element.get("ID")
    if not identifier or _NCNAME.fullmatch(identifier) is None or reference.get("URI") != f"#{identifier}":
        raise Refusal("signature.structure", expected=f"a reference to #{identifier}", found=reference.get("URI"))
    _allowed(_only(reference, "DigestMethod"), _DIGESTS, "digest")
    _only(reference, "DigestValue")
    transforms = list(_only(reference, "Transforms").iterchildren())
    algorithms = [transform.get("Algorithm") for transform in transforms]
    if (
        not 1 <= len(transforms) <= 2
        or algorithms[0] != names.ENVELOPED_SIGNATURE
        or any(transform.tag != qname(names.DS, "Transform") for transform in transforms)
        or any(algorithm not in _C14N for algorithm in algorithms[1:])
    ):
        raise Refusal("signature.structure", expected="enveloped-signature, then exclusive c14n", found=algorithms)
    if len(transforms) == 1:
        # Without a c14n transform XMLDSig 4.4.3.2 falls back to inclusive c14n, which is not on the list.
        raise Refusal("signature.structure", expected="an exclusive c14n transform", found=algorithms)
    if len(transforms[0]):
        raise Refusal("signature.structure", expected="an empty enveloped-signature transform", found="parameters")
    _check_prefix_list(transforms[1])
    return algorithm


def _only(parent: Element, name: str) -> Element:
    found = parent.findall(qname(names.DS, name))
    if len(found) != 1:
        raise Refusal("signature.structure", expected=f"exactly one ds:{name}", found=len(found))
    return found[0]


def _allowed(method: Element, allowed: Iterable[str], what: str) -> str:
    algorithm = method.get("Algorithm")
    if algorithm is None or algorithm not in allowed:
        raise Refusal(
            "signature.algorithm", expected=f"a {what} algorithm of SHA-256 strength or better", found=algorithm
        )
    return algorithm


def _check_prefix_list(method: Element) -> None:
    parameters = list(method.iterchildren())
    if not parameters:
        return
    if len(parameters) > 1 or parameters[0].tag != qname(names.EC, "InclusiveNamespaces") or len(parameters[0]):
        raise Refusal("signature.structure", expected="InclusiveNamespaces at the most", found="other parameters")
    if len(parameters[0].get("PrefixList", "")) > _MAXIMUM_PREFIX_LIST:
        raise Refusal(
            "signature.structure",
            expected=f"a PrefixList of at most {_MAXIMUM_PREFIX_LIST} characters",
            found="a longer one",
        )


def _check_ids(element: Element) -> None:
    """Every ID in the whole document stands once: xmlsec would silently take the first of two."""
    seen: set[str] = set()
    for node in element.getroottree().getroot().iter("*"):
        own: set[str] = {value for name, value in node.attrib.items() if name in _ID_NAMES}
        if own & seen or sum(name in _ID_NAMES for name in node.attrib) != len(own):
            raise Refusal("signature.duplicate_id", expected="each ID once in the document", found=(own & seen) or own)
        seen |= own
