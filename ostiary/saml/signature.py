"""XML signatures: sign an element; verify one and hand out a typed proof. Decides who said something, never whether it is acceptable.

Everything downstream takes a `Proof`. There are four kinds: `SignedElement`, `SignedQuery` (a detached signature over a query
string), `TlsPeer` (a back-channel connection whose key metadata vouches for) and `UnsignedAllowedByMetadata` (AuthnRequest only).
A key never comes from the message: KeyInfo is ignored.
"""

import base64
import hashlib
import re
from collections import Counter
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
ID_NAMES: Final = ("ID", "Id", "id", "AssertionID", "RequestID", "ResponseID", "xml:id")
_IDS: Final = tuple(etree.XPath(f"//@{name}", smart_strings=False) for name in ID_NAMES)
_MAXIMUM_KEYS: Final = 8
_MAXIMUM_PREFIXES: Final = 16
_NCNAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,255}")

_SIGNATURE: Final = qname(names.DS, "Signature")
# The only shape of each part that is accepted (XMLDSig 4; SAML core 5.4), which leaves nothing for two readers to see differently.
_SIGNATURE_PARTS: Final = ("SignedInfo", "SignatureValue")
_SIGNED_INFO_PARTS: Final = ("CanonicalizationMethod", "SignatureMethod", "Reference")
_REFERENCE_PARTS: Final = ("Transforms", "DigestMethod", "DigestValue")


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


def verify_element(
    element: Element, keys: Sequence[TrustedKey], *, other_ids_may_repeat: bool = False
) -> SignedElement:
    """Verifies the one enveloped signature of ``element`` with one of ``keys``, in place.

    Every ID in the whole document must stand there once. With ``other_ids_may_repeat`` only that of ``element`` must: the members of a
    federation choose IDs in their metadata that nobody refers to.

    Raises `Refusal`: ``signature.missing``, ``signature.structure`` (not exactly the form of SAML core 5.4),
    ``signature.algorithm``, ``signature.duplicate_id``, ``signature.no_key``, ``signature.wrong``.
    """
    _check_ids(element.getroottree().getroot(), only=element.get("ID") if other_ids_may_repeat else None)
    return _verify_one(element, keys)


def verify_elements(elements: Sequence[Element], keys: Sequence[TrustedKey]) -> tuple[SignedElement, ...]:
    """`verify_element` for several elements, each with a signature of its own; all of them verify, or the first that doesn't is refused."""
    for root in {element.getroottree().getroot() for element in elements}:
        _check_ids(root)
    return tuple(_verify_one(element, keys) for element in elements)


def _verify_one(element: Element, keys: Sequence[TrustedKey]) -> SignedElement:
    if not keys:
        raise Refusal("signature.no_key", expected="a signing key in the sender's metadata", found="none")
    found = element.findall(_SIGNATURE)
    if not found:
        raise Refusal("signature.missing", expected=f"a signature on {etree.QName(element).localname}", found="none")
    if len(found) > 1:
        raise Refusal("signature.structure", expected="one signature", found=f"{len(found)} signatures on one element")
    algorithm = _check_form(found[0], element)
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
    if len(signature) == len(_SIGNATURE_PARTS) + 1:
        signed_info, value, _ = _parts(signature, *_SIGNATURE_PARTS, "KeyInfo")
    else:
        signed_info, value = _parts(signature, *_SIGNATURE_PARTS)
    c14n, method, reference = _parts(signed_info, *_SIGNED_INFO_PARTS)
    transforms, digest_method, digest_value = _parts(reference, *_REFERENCE_PARTS)
    for leaf in (value, method, digest_method, digest_value):
        _parts(leaf)
    _allowed(c14n, _C14N, "canonicalization")
    _check_prefix_list(c14n)
    algorithm = _allowed(method, _SIGNATURE_ALGORITHMS, "signature")
    identifier = element.get("ID")
    if not identifier or _NCNAME.fullmatch(identifier) is None or reference.get("URI") != f"#{identifier}":
        raise Refusal("signature.structure", expected=f"a reference to #{identifier}", found=reference.get("URI"))
    _allowed(digest_method, _DIGESTS, "digest")
    # Without a c14n transform XMLDSig 4.4.3.2 falls back to inclusive c14n, which is not on the list.
    enveloped, exclusive = _parts(transforms, "Transform", "Transform")
    found = [enveloped.get("Algorithm"), exclusive.get("Algorithm")]
    if found[0] != names.ENVELOPED_SIGNATURE or found[1] not in _C14N:
        raise Refusal("signature.structure", expected="enveloped-signature, then exclusive c14n", found=found)
    _parts(enveloped)
    _check_prefix_list(exclusive)
    return algorithm


def _parts(parent: Element, *expected: str) -> list[Element]:
    """The children of ``parent``, which are these elements of XML Signature in this order and nothing else."""
    found = list(parent)
    if [part.tag for part in found] != [qname(names.DS, name) for name in expected]:
        raise Refusal(
            "signature.structure",
            expected=f"{etree.QName(parent).localname} with {', '.join(expected) or 'text only'}",
            found=", ".join(str(part.tag) for part in found)[:300] or "nothing",
        )
    return found


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
    # libxml2 looks for each of these prefixes at each element, so a long list is work that a stranger orders.
    prefixes = parameters[0].get("PrefixList", "").split()
    if len(prefixes) > _MAXIMUM_PREFIXES:
        raise Refusal(
            "signature.structure", expected=f"a PrefixList of at most {_MAXIMUM_PREFIXES} prefixes", found=len(prefixes)
        )


def _check_ids(root: Element, *, only: str | None = None) -> None:
    """IDs stand once in the whole document: xmlsec would silently take the first of two."""
    found = Counter(value for read in _IDS for value in read(root))
    repeated = [value for value, times in found.items() if times > 1 and only in (None, value)]
    if repeated:
        raise Refusal("signature.duplicate_id", expected="each ID once in the document", found=repeated[0][:200])
