"""Rules for a document as a whole: signature, end, groups, IDs. Pure. Without trusted keys a signature is looked at, not believed."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from lxml import etree

from ostiary.errors import Refusal
from ostiary.federation.validation.descriptor import first_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.saml import names
from ostiary.saml.keys import TrustedKey
from ostiary.saml.signature import check_signature_form, has_signature, verify_element
from ostiary.saml.xml import Element, qname, read_duration, read_instant

ENTITY: Final = qname(names.MD, "EntityDescriptor")
GROUP: Final = qname(names.MD, "EntitiesDescriptor")
LONGEST: Final = timedelta(days=28)
"""The longest that eduGAIN lets metadata be valid."""

_PARTS_OF_A_GROUP: Final = frozenset({ENTITY, GROUP, qname(names.DS, "Signature"), qname(names.MD, "Extensions")})
_IDS: Final = etree.XPath("//*[@ID]")


def signature_rules(root: Element, trusted: Sequence[TrustedKey]) -> Iterator[Complaint]:
    """SAML core 5.4, SDP-MD02, SDP-ALG01. With ``trusted`` the signature has to be by one of these keys."""
    if not has_signature(root):
        code = "document.entity_not_signed" if root.tag == ENTITY and not trusted else "document.not_signed"
        yield complain(code, root)
        return
    try:
        check_signature_form(root)
    except Refusal as error:
        code = "document.signature_algorithm" if error.code == "signature.algorithm" else "document.signature_form"
        yield complain(code, _signature(root), found=error.found or error.code)
        return
    if trusted:
        try:
            verify_element(root, trusted, other_ids_may_repeat=True)
        except Refusal as error:
            yield complain("document.signature_wrong", _signature(root), found=error.code)


def _signature(root: Element) -> Element:
    found = first_of(root, names.DS, "Signature")
    return root if found is None else found


def end_rules(root: Element, now: datetime, longest: timedelta) -> Iterator[Complaint]:
    """validUntil and cacheDuration of the document (SDP-MD03, SAML metadata 2.3.1), and of the groups in it."""
    if root.get("validUntil") is None:
        alone = root.tag == ENTITY and not has_signature(root)
        yield complain("document.entity_no_valid_until" if alone else "document.no_valid_until", root)
    for element in _groups(root):
        end = None
        text = element.get("validUntil")
        if text is not None:
            try:
                end = read_instant(text)
            except Refusal:
                yield complain("document.instant", element, found=text)
        if end is not None and now >= end:
            yield complain("document.expired", element, found=f"{end:%Y-%m-%d %H:%M} UTC")
        elif end is not None and element is root and end - now > longest:
            yield complain("document.valid_too_long", element, found=f"{end:%Y-%m-%d %H:%M} UTC", most=longest.days)
        cached = element.get("cacheDuration")
        if cached is not None:
            duration = _duration(cached)
            if duration is None or (end is not None and end > now and duration > end - now):
                yield complain("document.cache_duration", element, found=cached)


def _groups(root: Element) -> Iterator[Element]:
    """The groups of a document; a document of one entity is its own group."""
    if root.tag == ENTITY:
        yield root
    else:
        yield from root.iter(GROUP)


def _duration(text: str) -> timedelta | None:
    try:
        return read_duration(text)
    except Refusal:
        return None


def form_rules(root: Element) -> Iterator[Complaint]:
    """SAML metadata 2.3.1; each ID once (SAML core 1.3.4)."""
    if root.tag not in (ENTITY, GROUP):
        yield complain("document.root", root, found=str(root.tag))
        return
    for group in root.iter(GROUP):
        if next(group.iterchildren(ENTITY, GROUP), None) is None:
            yield complain("document.empty", group)
        for part in group.iterchildren("*"):
            if part.tag not in _PARTS_OF_A_GROUP:
                yield complain("document.unexpected_element", part, found=str(part.tag))
    if root.tag == GROUP:
        extensions = first_of(root, names.MD, "Extensions")
        if first_of(extensions, names.MDRPI, "PublicationInfo") is None:
            yield complain("document.no_publication_info", root)
    seen: set[str] = set()
    for element in _elements_with_id(root):
        identifier = element.get("ID", "")
        if identifier in seen:
            yield complain("document.duplicate_id", element, found=identifier)
        seen.add(identifier)


def _elements_with_id(root: Element) -> Iterator[Element]:
    found = _IDS(root)
    for element in found if isinstance(found, list) else ():
        if isinstance(element, etree._Element):
            yield element
