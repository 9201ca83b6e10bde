"""XML signatures: sign an element; verify one and hand out a typed proof. Decides who said something, never whether it is acceptable.

Everything downstream takes a `Proof`. There are five kinds: `SignedElement`, `SignedQuery` and `SignedForm` (a detached signature over a
query string or a form), `TlsPeer` (a back-channel connection whose key metadata vouches for) and `UnsignedAllowedByMetadata`
(AuthnRequest only). `AnonymousMessage` proves nothing, and says so.
A key never comes from the message: KeyInfo is ignored.
"""

import base64
import binascii
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final, cast

import xmlsec
from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.keys import ECDSA_ALGORITHMS, RSA_ALGORITHMS, Signer, TrustedKey
from ostiary.saml.outline import Written
from ostiary.saml.plain_signature import plain_signature
from ostiary.saml.xml import Element, add, may_have_references, qname

_DIGESTS: Final[dict[str, str]] = {names.SHA256: "sha256", names.SHA384: "sha384", names.SHA512: "sha512"}
_SIGNATURE_ALGORITHMS: Final = frozenset(RSA_ALGORITHMS) | frozenset(ECDSA_ALGORITHMS)
_NO_LEGACY: Final = (frozenset[str](), frozenset[str]())
_C14N: Final = frozenset({names.EXCLUSIVE_C14N, names.EXCLUSIVE_C14N_WITH_COMMENTS})
ID_NAMES: Final = ("ID", "Id", "id", "AssertionID", "RequestID", "ResponseID", "xml:id")
# One after the other: libxml2 compares each node of a union with all before it.
_IDS: Final = tuple(etree.XPath(f"/descendant-or-self::*/@{name}", smart_strings=False) for name in ID_NAMES)
# Messages of SAML 2.0 know ID alone; whether any other name is there takes one question instead of six.
_OTHER_IDS: Final = etree.XPath(" or ".join(f"/descendant-or-self::*/@{name}" for name in ID_NAMES[1:]))
_SAME_VALUE: Final = etree.XPath("//@*[normalize-space(.) = $wanted]")
_ATTRIBUTES: Final = frozenset(name.replace("xml:", f"{{{names.XML}}}") for name in ID_NAMES)
_MAXIMUM_KEYS: Final = 8
_MAXIMUM_PREFIXES: Final = 16
_NCNAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,255}")

_SIGNATURE: Final = qname(names.DS, "Signature")
_ISSUER: Final = qname(names.SAML, "Issuer")
# The only shape of each part that is accepted (XMLDSig 4; SAML core 5.4), which leaves nothing for two readers to see differently.
_PARTS: Final = [qname(names.DS, "SignedInfo"), qname(names.DS, "SignatureValue")]
_PARTS_WITH_KEY_INFO: Final = [*_PARTS, qname(names.DS, "KeyInfo")]
_SIGNED_INFO_PARTS: Final = [
    qname(names.DS, name) for name in ("CanonicalizationMethod", "SignatureMethod", "Reference")
]
_REFERENCE_PARTS: Final = [qname(names.DS, name) for name in ("Transforms", "DigestMethod", "DigestValue")]
_TRANSFORMS: Final = [qname(names.DS, "Transform")] * 2


# A proof is equal to itself only, whatever it holds: none may pass for one of another kind.
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
class SignedForm:
    """Proof: the fields of a form that carried ``element`` (and ``relay_state``) were signed by ``key`` (HTTP-POST-SimpleSign)."""

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


@dataclass(frozen=True, slots=True, eq=False)
class AnonymousMessage:
    """Not a proof: nobody vouches for who sent ``element``, and whoever reads it treats the sender as anybody (attribute queries only)."""

    element: Element


SignedMessage = SignedElement | SignedQuery | SignedForm
Authenticated = SignedMessage | TlsPeer
"""What proves every message but an AuthnRequest."""
Proof = Authenticated | UnsignedAllowedByMetadata


def sign(element: Element, signer: Signer) -> None:
    """Adds an enveloped signature over ``element`` by its ID, after its Issuer where it begins with one, else as first child (XMLDSig 4,
    SAML core 5.4). Sign when the element is complete: whatever is changed afterwards breaks the signature."""
    form = _signature_form(signer.algorithm, signer.certificate)
    digest = hashlib.sha256(canonical(element)).digest()
    identifier, digested, value = (
        part.decode("ascii") for part in _signed_values(element.get("ID") or "", digest, signer, form)
    )
    signature = deepcopy(form.signature)
    reference = signature[0][2]
    reference.set("URI", f"#{identifier}")
    reference[2].text, signature[1].text = digested, value
    element.insert(1 if len(element) and element[0].tag == _ISSUER else 0, signature)


def write_signed(
    outer: Written, inner: Written | None, signer: Signer, *, sign_outer: bool = True, sign_inner: bool = True
) -> bytes:
    """A document: ``outer`` with ``inner`` (if any) as its last child, each signed behind its Issuer if asked, the inner one first. The
    octets are those that were digested, but for where prefixes are declared, with the signatures in them: no tree is made of them.

    Exclusive c14n says the same of ``inner`` inside and outside, as long as it uses no namespace that ``outer`` itself uses.
    """
    of_inner = own = b""
    if inner is None:
        if sign_outer:
            own = signature_over(outer.id, hashlib.sha256(outer.octets).digest(), signer)
        return outer.in_document(own)
    if not inner.form.used.isdisjoint(outer.form.outermost):
        raise RuntimeError("what is inside uses a namespace of what is outside")
    if sign_inner:
        of_inner = signature_over(inner.id, hashlib.sha256(inner.octets).digest(), signer)
    end = outer.form.end
    if sign_outer:
        complete = b"".join((outer.octets[: -len(end)], inner.with_signature(of_inner), end))
        own = signature_over(outer.id, hashlib.sha256(complete).digest(), signer)
    return b"".join((outer.in_document(own)[: -len(end)], inner.in_document(of_inner), end))


def signature_over(identifier: str, digest: bytes, signer: Signer) -> bytes:
    """The ds:Signature, as octets, of an element with this ID: for a document that is written piece by piece. ``digest``: SHA-256 of the
    element's exclusive canonical form, without comments and without this signature. One key always makes the same number of octets.

    Raises `ValueError` for an ID that is no NCName.
    """
    form = _signature_form(signer.algorithm, signer.certificate)
    return form.octets % _signed_values(identifier, digest, signer, form)


def _signed_values(
    identifier: str, digest: bytes, signer: Signer, form: "_SignatureForm"
) -> tuple[bytes, bytes, bytes]:
    """Identifier, digest and value, as they are written, of the signature of an element."""
    if _NCNAME.fullmatch(identifier) is None:
        raise ValueError("an element without ID, or with one that is no NCName, can't be signed")
    reference, digested = identifier.encode("ascii"), binascii.b2a_base64(digest, newline=False)
    value = signer.sign(form.signed_info % (reference, digested))
    return reference, digested, binascii.b2a_base64(value, newline=False)


_BLANKS: Final = ("IDENTIFIER", "DIGEST", "VALUE")


@dataclass(frozen=True, slots=True, eq=False)
class _SignatureForm:
    """A ds:Signature that lacks identifier, digest and value, and its canonical octets and those of its SignedInfo, with ``%s`` for these.

    The tree and the octets are filled with the same values, of which c14n changes nothing: an NCName and base64. SignedInfo alone
    is what it will be inside the document, because it uses no namespace but its own.
    """

    signature: Element
    octets: bytes
    signed_info: bytes


@functools.lru_cache(maxsize=64)
def _signature_form(algorithm: str, certificate: bytes) -> _SignatureForm:
    identifier, digest, value = _BLANKS
    signature = etree.Element(_SIGNATURE, nsmap={"ds": names.DS})
    signed_info = add(signature, names.DS, "SignedInfo")
    add(signed_info, names.DS, "CanonicalizationMethod", Algorithm=names.EXCLUSIVE_C14N)
    add(signed_info, names.DS, "SignatureMethod", Algorithm=algorithm)
    reference = add(signed_info, names.DS, "Reference", URI=f"#{identifier}")
    transforms = add(reference, names.DS, "Transforms")
    add(transforms, names.DS, "Transform", Algorithm=names.ENVELOPED_SIGNATURE)
    add(transforms, names.DS, "Transform", Algorithm=names.EXCLUSIVE_C14N)
    add(reference, names.DS, "DigestMethod", Algorithm=names.SHA256)
    add(reference, names.DS, "DigestValue", digest)
    add(signature, names.DS, "SignatureValue", value)
    x509_data = add(add(signature, names.DS, "KeyInfo"), names.DS, "X509Data")
    # Filled in last: base64 could spell one of the blanks.
    written = add(x509_data, names.DS, "X509Certificate", "CERTIFICATE")
    before, behind = _blank(canonical(signature), *_BLANKS).split(b"CERTIFICATE")
    encoded = base64.b64encode(certificate)
    written.text = encoded.decode("ascii")
    return _SignatureForm(
        signature, b"".join((before, encoded, behind)), _blank(canonical(signed_info), identifier, digest)
    )


def _blank(octets: bytes, *blanks: str) -> bytes:
    """The octets with ``%s`` for each of the blanks, each of which is there once."""
    octets = octets.replace(b"%", b"%%")
    for blank in blanks:
        before, behind = octets.split(blank.encode("ascii"))
        octets = b"".join((before, b"%s", behind))
    return octets


def canonical(element: Element) -> bytes:
    """The exclusive canonical form of an element where it stands, without comments."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def has_signature(element: Element) -> bool:
    """Whether a ds:Signature is a direct child. Says nothing about its worth."""
    return next(element.iterchildren(_SIGNATURE), None) is not None


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
    # Metadata can be large, and its octets are not kept in memory three times to save some microseconds.
    return _verify_one(element, keys, message=not other_ids_may_repeat)


@dataclass(frozen=True, slots=True, eq=False)
class SoleRoot:
    """A root whose ID no other element of its document has: `verify_root` takes nothing else. Proves nothing yet."""

    element: Element


def sole_root(root: Element, octets: bytes) -> SoleRoot:
    """What `verify_element` checks with ``other_ids_may_repeat``, for the root of a large document that was parsed from ``octets``: asked
    of the octets first, and of the tree only where they leave it open. Raises `Refusal` (``signature.duplicate_id``)."""
    identifier = root.get("ID", "")
    # Once as the attribute, once in the reference. An attribute could be written with character references.
    if octets.count(identifier.encode()) != 2 or may_have_references(octets):
        found = cast("Sequence[etree._ElementUnicodeResult]", _SAME_VALUE(root, wanted=identifier))
        if sum(value.attrname in _ATTRIBUTES for value in found) > 1:
            raise Refusal("signature.duplicate_id", expected="each ID once in the document", found=identifier[:200])
    return SoleRoot(root)


def verify_root(root: SoleRoot, keys: Sequence[TrustedKey]) -> SignedElement:
    """`verify_element` for the root of a large document, whose octets nobody needs any more. Raises as `verify_element`."""
    return _verify_one(root.element, keys, message=False)


def verify_elements(elements: Sequence[Element], keys: Sequence[TrustedKey]) -> tuple[SignedElement, ...]:
    """`verify_element` for several elements, each with a signature of its own; all of them verify, or the first that doesn't is refused."""
    for root in {element.getroottree().getroot() for element in elements}:
        _check_ids(root)
    return tuple([_verify_one(element, keys, message=True) for element in elements])


def _verify_one(element: Element, keys: Sequence[TrustedKey], *, message: bool) -> SignedElement:
    if not keys:
        raise Refusal("signature.no_key", expected="a signing key in the sender's metadata", found="none")
    signature = _only_signature(element)
    plain = plain_signature(element) if message else None
    if plain is not None:
        for key in _candidates(keys, plain.algorithm):
            if plain.is_by(key):
                return SignedElement(element, key, plain.algorithm)
    algorithm = _check_form(signature, element, any(key.sha1_from_legacy_partner for key in keys))
    candidates = _candidates(keys, algorithm)
    for key in candidates:
        if _verifies(signature, element, key):
            return SignedElement(element, key, algorithm)
    raise Refusal(
        "signature.wrong",
        expected=f"a signature by a key that counts here (for {algorithm}: {len(candidates)})",
        found="a signature that none of them verifies",
    )


def _candidates(keys: Sequence[TrustedKey], algorithm: str) -> list[TrustedKey]:
    return [key for key in keys if key.allows(algorithm)][:_MAXIMUM_KEYS]


def check_signature_form(element: Element) -> str:
    """The algorithm of the one enveloped signature of ``element``, whose form is that of SAML core 5.4. Proves nothing: no key is asked.

    Raises `Refusal`: ``signature.missing``, ``signature.structure``, ``signature.algorithm``.
    """
    return _check_form(_only_signature(element), element, False)


def _only_signature(element: Element) -> Element:
    found = list(element.iterchildren(_SIGNATURE))
    if not found:
        raise Refusal("signature.missing", expected=f"a signature on {etree.QName(element).localname}", found="none")
    if len(found) > 1:
        raise Refusal("signature.structure", expected="one signature", found=f"{len(found)} signatures on one element")
    return found[0]


def _verifies(signature: Element, element: Element, key: TrustedKey) -> bool:
    context = xmlsec.SignatureContext()
    context.key = key.for_xmlsec()
    try:
        context.register_id(element, "ID")
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True


def _check_form(signature: Element, element: Element, sha1_from_legacy_partner: bool) -> str:
    """The exact shape that a SAML signature has (SAML core 5.4.1 to 5.4.4), before xmlsec sees it. Returns the signature algorithm."""
    signed_info, signature_value, *_ = _parts(
        signature, _PARTS if len(signature) == len(_PARTS) else _PARTS_WITH_KEY_INFO
    )
    c14n, method, reference = _parts(signed_info, _SIGNED_INFO_PARTS)
    transforms, digest_method, digest_value = _parts(reference, _REFERENCE_PARTS)
    for leaf in (signature_value, method, digest_method, digest_value):
        _text_only(leaf)
    _allowed(c14n, _C14N, "canonicalization")
    _check_prefix_list(c14n)
    legacy = (frozenset({names.RSA_SHA1}), frozenset({names.SHA1})) if sha1_from_legacy_partner else _NO_LEGACY
    algorithm = _allowed(method, _SIGNATURE_ALGORITHMS | legacy[0], "signature")
    identifier = element.get("ID")
    if not identifier or _NCNAME.fullmatch(identifier) is None or reference.get("URI") != f"#{identifier}":
        raise Refusal("signature.structure", expected=f"a reference to #{identifier}", found=reference.get("URI"))
    _allowed(digest_method, legacy[1].union(_DIGESTS), "digest")
    # Without a c14n transform XMLDSig 4.4.3.2 falls back to inclusive c14n, which is not on the list.
    enveloped, exclusive = _parts(transforms, _TRANSFORMS)
    found = [enveloped.get("Algorithm"), exclusive.get("Algorithm")]
    if found[0] != names.ENVELOPED_SIGNATURE or found[1] not in _C14N:
        raise Refusal("signature.structure", expected="enveloped-signature, then exclusive c14n", found=found)
    _text_only(enveloped)
    _check_prefix_list(exclusive)
    return algorithm


def _parts(parent: Element, expected: list[str]) -> list[Element]:
    """The children of ``parent``, which have these names in this order, and nothing else."""
    found = list(parent)
    if [part.tag for part in found] != expected:
        wanted = ", ".join(name.rpartition("}")[2] for name in expected) or "text only"
        raise Refusal(
            "signature.structure",
            expected=f"{etree.QName(parent).localname} with {wanted}",
            found=", ".join(str(part.tag) for part in found)[:300] or "nothing",
        )
    return found


def _text_only(element: Element) -> None:
    if len(element):
        _parts(element, [])


def _allowed(method: Element, allowed: Iterable[str], what: str) -> str:
    algorithm = method.get("Algorithm")
    if algorithm is None or algorithm not in allowed:
        raise Refusal(
            "signature.algorithm", expected=f"a {what} algorithm of SHA-256 strength or better", found=algorithm
        )
    return algorithm


def _check_prefix_list(method: Element) -> None:
    parameters = list(method)
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
    found = [value for read in _IDS for value in read(root)] if _OTHER_IDS(root) else _IDS[0](root)
    if len(set(found)) == len(found):
        return
    repeated = [value for value, times in Counter(found).items() if times > 1 and only in (None, value)]
    if repeated:
        raise Refusal("signature.duplicate_id", expected="each ID once in the document", found=repeated[0][:200])
