"""Metadata from bytes to entities (SAML metadata 2.0). Verifies the signature first; what it does not understand stays in ``source``."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from lxml import etree

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.display_extensions import MOST, read_display, read_links, read_localized
from ostiary.federation.entity_extensions import Notice, read_entity_attributes, read_registration
from ostiary.federation.entity_ids import check_entity_id
from ostiary.federation.late_display import display_read_late
from ostiary.federation.model import Contact, Display, Entity, Role
from ostiary.federation.role_descriptors import (
    AA,
    EXTENSIONS,
    IDP,
    SP,
    Shared,
    read_aa,
    read_idp,
    read_sp,
    supports_saml2,
)
from ostiary.federation.shown_text import shown_text
from ostiary.federation.summary import earliest
from ostiary.saml import names
from ostiary.saml.keys import TrustedKey
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import ID_NAMES, verify_element
from ostiary.saml.xml import (
    METADATA,
    Children,
    Element,
    children,
    parse_stored,
    parse_xml,
    qname,
    read_instant,
    to_bytes,
)

_RoleT = TypeVar("_RoleT", bound=Role)
_GROUP, _ENTITY, _ORGANIZATION, _CONTACT = (
    qname(names.MD, name) for name in ("EntitiesDescriptor", "EntityDescriptor", "Organization", "ContactPerson")
)
_DISPLAY_NAME, _ORGANIZATION_NAME, _ORGANIZATION_URL = (
    qname(names.MD, name) for name in ("OrganizationDisplayName", "OrganizationName", "OrganizationURL")
)
_GIVEN_NAME, _SUR_NAME, _COMPANY, _EMAIL, _TELEPHONE = (
    qname(names.MD, name) for name in ("GivenName", "SurName", "Company", "EmailAddress", "TelephoneNumber")
)
_SECURITY: Final = qname(names.REMD, "contactType")
_LONGEST_ADDRESS: Final = 320
_ID_ATTRIBUTES: Final = frozenset((*ID_NAMES, qname(names.XML, "id")))
# The end of each such attribute, as libxml2 writes it. Begins with what is rare: one search for each name took eight times as long.
_MAY_BE_ID: Final = re.compile(rb'="(?<=[Ii][Dd]=")(?<!entityID=")')
_IS_SIGNED: Final = etree.XPath("boolean(ds:Signature | */ds:Signature)", namespaces={"ds": names.DS})

LeaveOut = Callable[[str, OstiaryError], None]
"""Is told the entityID and the problem of an entity that can't be read."""


def read_signed_metadata(
    data: bytes,
    trusted: Sequence[TrustedKey],
    *,
    now: datetime,
    leave_out: LeaveOut | None = None,
    maximum_validity: timedelta | None = None,
) -> tuple[Entity, ...]:
    """The entities of a signed EntityDescriptor or EntitiesDescriptor.

    The root must carry ``validUntil``, no further ahead than ``maximum_validity``, and be signed by one of ``trusted``. One member of a
    federation must not take all others down: with ``leave_out``, an entity that can't be read is reported there and left out; without, it
    refuses the whole document. Raises `Refusal`: ``signature.*``, ``xml.*``, ``metadata.no_valid_until``, ``metadata.expired``,
    ``metadata.valid_too_long``, ``metadata.endpoint`` and others of ``metadata.*``.
    """
    root = parse_xml(data, METADATA)
    # Members choose the IDs inside their own descriptors; only the one that the signature refers to has to be unique.
    verify_element(root, trusted, other_ids_may_repeat=True)
    _ignore_processing_instructions(root)
    check_validity(_own_valid_until(root), now, maximum_validity)
    return tuple(_entities(root, None, leave_out))


def check_validity(valid_until: datetime | None, now: datetime, maximum: timedelta | None) -> None:
    """The ``validUntil`` of a signed document's root (metadata 2.3.1, 2.3.2): there, ahead of now, and no further than ``maximum``, else
    whoever once got hold of the document could show it for ever. Raises `Refusal`: ``metadata.no_valid_until``, ``metadata.expired``,
    ``metadata.valid_too_long``."""
    if valid_until is None:
        raise Refusal("metadata.no_valid_until", expected="validUntil on the signed root", found="none")
    if now >= valid_until:
        raise Refusal("metadata.expired", expected=f"validUntil after {now.isoformat()}", found=valid_until.isoformat())
    if maximum is not None and valid_until - now > maximum:
        expected = f"validUntil at most {maximum} after {now.isoformat()}"
        raise Refusal("metadata.valid_too_long", expected=expected, found=valid_until.isoformat())


def read_unsigned_local_metadata(data: bytes, *, leave_out: LeaveOut | None = None) -> tuple[Entity, ...]:
    """The entities of a file that an administrator put in place: the file system, not a signature, vouches for it. Otherwise as
    `read_signed_metadata`."""
    root = parse_xml(data, METADATA)
    _ignore_processing_instructions(root)
    return tuple(_entities(root, None, leave_out))


def read_stored_entity(
    octets: bytes, valid_until: datetime | None, notice: Notice | None = None, *, follows_schema: bool = False
) -> Entity:
    """The entity of a descriptor that was taken, as a document of its own, from one that was believed. ``valid_until`` is its effective
    end; ``follows_schema``: these very octets were held against the schema before, and nothing in them is signed or has an ID. Raises as
    `read_signed_metadata` does for one entity; ``notice`` as for `read_entity`."""
    element = parse_stored(octets)
    if not follows_schema:
        check_schema(element, "metadata")
    # Most members neither sign nor number what they publish, and then it is self-contained as it stands.
    plain = follows_schema or not may_be_signed(element, octets)
    source = octets if plain else _without_signatures(element)
    return read_entity(element, valid_until, source=source, notice=notice, display=display_read_late)


def _ignore_processing_instructions(root: Element) -> None:
    """Takes them out, so that no value ends where one stands. Only after the signature, which covers them, was verified."""
    etree.strip_tags(root, etree.ProcessingInstruction)


def _entities(element: Element, enclosing: datetime | None, leave_out: LeaveOut | None) -> Iterator[Entity]:
    """Each entity with its effective validUntil, the earliest of its own and those of all that enclose it (metadata 2.3.1)."""
    if element.tag == _GROUP:
        nested = list(element.iterchildren(_GROUP, _ENTITY))
        if not nested:
            raise Refusal("metadata.empty", expected="at least one entity in an EntitiesDescriptor", found="none")
        valid_until = earliest(enclosing, _own_valid_until(element))
        for part in nested:
            yield from _part(part, valid_until, leave_out)
    elif element.tag == _ENTITY:
        yield from _part(element, enclosing, leave_out)
    else:
        raise Refusal("metadata.root", expected="EntityDescriptor or EntitiesDescriptor", found=str(element.tag)[:200])


def _part(element: Element, enclosing: datetime | None, leave_out: LeaveOut | None) -> Iterator[Entity]:
    """What stands in an aggregate: an entity, or a group of them."""
    try:
        if element.tag == _GROUP:
            yield from _entities(element, enclosing, leave_out)
            return
        check_schema(element, "metadata")
        yield read_entity(element, earliest(enclosing, _own_valid_until(element)))
    except (OstiaryError, ValueError) as error:
        problem = error if isinstance(error, OstiaryError) else Refusal("metadata.unreadable", found=error)
        if leave_out is None:
            raise problem from error
        leave_out(element.get("entityID", element.get("Name", "?")), problem)


def read_entity(
    element: Element,
    valid_until: datetime | None,
    *,
    source: bytes | None = None,
    notice: Notice | None = None,
    display: Callable[[Children], Display] = read_display,
) -> Entity:
    """An EntityDescriptor that follows the schema and was believed, without processing instructions.

    ``valid_until``: its effective end, the earliest of its own and those of all that enclose it. ``source``: the same as a document of its
    own without signatures, where the caller has it; made anew otherwise, which costs as much as the rest. ``notice`` is told of endpoints,
    keys and roles that are left out because they can't be used, and of scopes that cover nothing. ``display``: how what people are shown is
    read.

    Of several descriptors of one kind the first counts that supports SAML 2.0 and can be used. Raises `Refusal` when none of its roles can
    (that of the first: ``metadata.endpoint``, ``xml.*``), and for an entityID that is none (``metadata.entity_id``).
    """
    entity_id = element.get("entityID", "")
    check_entity_id(entity_id)
    parts = Children(element)
    within = parts.one(EXTENSIONS)
    extensions = Children(within if within is not None else ())
    shared = Shared(extensions, notice, display)
    problems: list[Refusal] = []
    idp = _role(parts.all(IDP), read_idp, shared, problems)
    sp = _role(parts.all(SP), read_sp, shared, problems)
    aa = _role(parts.all(AA), read_aa, shared, problems)
    if problems and idp is None and sp is None and aa is None:
        raise problems[0]
    for problem in problems:
        shared.tell(problem)
    authority, registered_at, policies = read_registration(extensions)
    organization = parts.one(_ORGANIZATION)
    named = Children(organization if organization is not None else ())
    shown, formal = read_localized(named.all(_DISPLAY_NAME)), read_localized(named.all(_ORGANIZATION_NAME))
    return Entity(
        entity_id=entity_id,
        idp=idp,
        sp=sp,
        aa=aa,
        valid_until=valid_until,
        registration_authority=authority,
        entity_attributes=read_entity_attributes(extensions),
        organization_names=shown,
        organization_urls=read_links(named.all(_ORGANIZATION_URL)),
        contacts=_contacts(parts),
        source=source if source is not None else self_contained(element),
        registration_instant=registered_at,
        registration_policies=policies,
        organization_formal_names=formal if formal != shown else (),
    )


def _role(
    found: Sequence[Element], read: Callable[[Element, Shared], _RoleT], shared: Shared, problems: list[Refusal]
) -> _RoleT | None:
    """The first that supports SAML 2.0 and can be used."""
    for element in found:
        if supports_saml2(element):
            try:
                return read(element, shared)
            except Refusal as problem:
                problems.append(problem)
    return None


def _contacts(parts: Children) -> tuple[Contact, ...]:
    """Those of the entity, then those that its roles have besides."""
    found = [read_contact(one) for one in parts.all(_CONTACT)[:MOST]]
    for tag in (IDP, SP, AA):
        for role in parts.all(tag):
            for one in islice(role.iterchildren(_CONTACT), MOST):
                contact = read_contact(one)
                if contact not in found:
                    found.append(contact)
    return tuple(found)


def read_contact(element: Element) -> Contact:
    """SAML metadata 2.3.2.2."""
    name, company = "", ""
    emails: list[str] = []
    telephones: list[str] = []
    for part in element:
        tag = part.tag
        if tag == _EMAIL:
            emails.append(_address(part, "mailto:"))
        elif tag in (_GIVEN_NAME, _SUR_NAME):
            name = f"{name} {shown_text(part.text or '')}".strip()
        elif tag == _COMPANY:
            company = shown_text(part.text or "")
        elif tag == _TELEPHONE:
            telephones.append(_address(part, "tel:"))
    return Contact(
        kind=element.get("contactType", "other"),
        name=name,
        emails=tuple(emails[:MOST]),
        for_security=element.get(_SECURITY) == names.SECURITY_CONTACT,
        company=company,
        telephones=tuple(telephones[:MOST]),
    )


def _address(element: Element, scheme: str) -> str:
    text = shown_text(element.text or "", _LONGEST_ADDRESS)
    return text[len(scheme) :] if text[: len(scheme)].lower() == scheme else text


def self_contained(element: Element) -> bytes:
    """The descriptor as a document of its own with all namespaces that it needs, without signatures and the IDs that they refer to: they
    covered another document, and in an aggregate the IDs of two entities could be the same."""
    octets = to_bytes(element)
    return octets if not may_be_signed(element, octets) else _without_signatures(parse_stored(octets))


def may_be_signed(element: Element, octets: bytes) -> bool:
    """Whether there is a signature, or there may be an ID, in this descriptor."""
    return bool(_IS_SIGNED(element)) or _MAY_BE_ID.search(octets) is not None


def _without_signatures(element: Element) -> bytes:
    """Takes them out of ``element``, which is a document of its own."""
    for signed in (element, *element.iterchildren("*")):
        for signature in list(children(signed, names.DS, "Signature")):
            signed.remove(signature)
    for node in element.iter("*"):
        for name in _ID_ATTRIBUTES.intersection(node.attrib):
            del node.attrib[name]
    return to_bytes(element)


def _own_valid_until(element: Element) -> datetime | None:
    text = element.get("validUntil")
    return read_instant(text) if text is not None else None
