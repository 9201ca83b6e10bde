"""Signature wrapping: the signed element is moved where the signature still finds it, and a forged one stands in its place.

XSW1 to XSW8 are those of Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security 2012).
"""

from copy import deepcopy

from lxml import etree

from ostiary.saml import names
from ostiary.saml.xml import Element, parse_xml, qname, to_bytes
from tests.saml.world import response_element

ADMIN = "admin-handle"
SIGNATURE = qname(names.DS, "Signature")
ASSERTION = qname(names.SAML, "Assertion")


def response(*, assertion_signed: bool = True, response_signed: bool = False) -> Element:
    """What the IdP sent, as the attacker holds it."""
    return parse_xml(to_bytes(response_element(sign_assertion=assertion_signed, sign_response=response_signed)))


def the(element: Element, tag: str) -> Element:
    """The first descendant of that tag."""
    return next(element.iter(tag))


def forged(element: Element, identifier: str | None = "_evil") -> Element:
    """A copy about another person, without its own signature; ``identifier`` None keeps the ID."""
    evil = deepcopy(element)
    evil.tail = None
    for signature in evil.findall(SIGNATURE):
        evil.remove(signature)
    if identifier is not None:
        evil.set("ID", identifier)
    the(evil, qname(names.SAML, "NameID")).text = ADMIN
    the(evil, qname(names.SAML, "AttributeValue")).text = "faculty@northgate.example"
    return evil


def unsigned(element: Element) -> Element:
    """A copy without its own signature."""
    copy = deepcopy(element)
    copy.tail = None
    for signature in copy.findall(SIGNATURE):
        copy.remove(signature)
    return copy


def xsw1(identifier: str | None) -> bytes:
    """The forged Response holds the signature, and the signature the original Response."""
    original = response(assertion_signed=False, response_signed=True)
    evil = forged(original, identifier)
    signature = deepcopy(the(original, SIGNATURE))
    signature.append(unsigned(original))
    evil.insert(1, signature)
    return to_bytes(evil)


def xsw2(identifier: str | None) -> bytes:
    """The forged Response holds the original one and, detached beside it, its signature."""
    original = response(assertion_signed=False, response_signed=True)
    evil = forged(original, identifier)
    evil.insert(1, unsigned(original))
    evil.insert(2, deepcopy(the(original, SIGNATURE)))
    return to_bytes(evil)


def xsw3(identifier: str | None) -> bytes:
    """A forged assertion stands before the original one."""
    root = response()
    original = the(root, ASSERTION)
    original.addprevious(forged(original, identifier))
    return to_bytes(root)


def xsw4(identifier: str | None) -> bytes:
    """A forged assertion holds the original one."""
    root = response()
    original = the(root, ASSERTION)
    evil = forged(original, identifier)
    root.replace(original, evil)
    evil.append(original)
    return to_bytes(root)


def xsw5(identifier: str | None) -> bytes:
    """The forged assertion carries the signature; the original one stands behind it without."""
    root = response()
    original = the(root, ASSERTION)
    evil = forged(original, identifier)
    evil.insert(1, deepcopy(the(original, SIGNATURE)))
    root.replace(original, evil)
    root.append(unsigned(original))
    return to_bytes(root)


def xsw6(identifier: str | None) -> bytes:
    """The forged assertion carries the signature, and the signature the original assertion."""
    root = response()
    original = the(root, ASSERTION)
    evil = forged(original, identifier)
    signature = deepcopy(the(original, SIGNATURE))
    signature.append(unsigned(original))
    evil.insert(1, signature)
    root.replace(original, evil)
    return to_bytes(root)


def xsw7(identifier: str | None) -> bytes:
    """A forged assertion stands in samlp:Extensions, where the schema is lax."""
    root = response()
    extensions = etree.Element(qname(names.SAMLP, "Extensions"))
    extensions.append(forged(the(root, ASSERTION), identifier))
    root.insert(1, extensions)
    return to_bytes(root)


def xsw8(identifier: str | None) -> bytes:
    """The forged assertion carries the signature, and a ds:Object in it the original assertion."""
    root = response()
    original = the(root, ASSERTION)
    evil = forged(original, identifier)
    signature = deepcopy(the(original, SIGNATURE))
    etree.SubElement(signature, qname(names.DS, "Object")).append(unsigned(original))
    evil.insert(1, signature)
    root.replace(original, evil)
    return to_bytes(root)


def original_in_extensions() -> bytes:
    """The forged assertion stands in its place, the signed one in samlp:Extensions."""
    root = response()
    original = the(root, ASSERTION)
    root.replace(original, forged(original))
    extensions = etree.Element(qname(names.SAMLP, "Extensions"))
    extensions.append(original)
    root.insert(1, extensions)
    return to_bytes(root)


def original_in_status_detail() -> bytes:
    """The forged assertion stands in its place, the signed one in samlp:StatusDetail."""
    root = response()
    original = the(root, ASSERTION)
    root.replace(original, forged(original))
    etree.SubElement(the(root, qname(names.SAMLP, "Status")), qname(names.SAMLP, "StatusDetail")).append(original)
    return to_bytes(root)


def original_in_advice() -> bytes:
    """The forged assertion holds the signed one as saml:Advice, where an assertion may stand."""
    root = response()
    original = the(root, ASSERTION)
    evil = forged(original)
    root.replace(original, evil)
    advice = etree.Element(qname(names.SAML, "Advice"))
    advice.append(original)
    the(evil, qname(names.SAML, "Conditions")).addnext(advice)
    return to_bytes(root)


def forged_in_status_detail() -> bytes:
    """The signed assertion is in its place, a forged one in samlp:StatusDetail."""
    root = response()
    detail = etree.SubElement(the(root, qname(names.SAMLP, "Status")), qname(names.SAMLP, "StatusDetail"))
    detail.append(forged(the(root, ASSERTION)))
    return to_bytes(root)


def borrowed_signature() -> bytes:
    """The assertion's signature is moved up, so that the Response looks signed (CVE-2024-8698)."""
    root = response()
    original = the(root, ASSERTION)
    evil = forged(original)
    original.addprevious(evil)
    root.insert(1, the(original, SIGNATURE))
    return to_bytes(root)


def signed_response_inside() -> bytes:
    """The signed Response stands in the Extensions of a forged one (CVE-2025-47949)."""
    original = response(assertion_signed=False, response_signed=True)
    evil = forged(original)
    extensions = etree.Element(qname(names.SAMLP, "Extensions"))
    extensions.append(original)
    evil.insert(1, extensions)
    return to_bytes(evil)


def _repeated(attribute: str) -> bytes:
    root = response()
    extensions = etree.Element(qname(names.SAMLP, "Extensions"))
    etree.SubElement(extensions, "{urn:x}Other").set(attribute, the(root, ASSERTION).get("ID", ""))
    root.insert(1, extensions)
    return to_bytes(root)


def duplicate_id() -> bytes:
    """Another element with the ID of the signed assertion comes first in the document."""
    return _repeated("ID")


def duplicate_xml_id() -> bytes:
    """The same with xml:id, which an XML parser registers by itself."""
    return _repeated(qname(names.XML, "id"))
