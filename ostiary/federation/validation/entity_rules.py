"""Rules for an entity as a whole: its name, registration, organisation, contacts, roles and extensions. Pure functions."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from lxml import etree

from ostiary.errors import Refusal
from ostiary.federation.validation.addresses import only_in_tests, split_address
from ostiary.federation.validation.descriptor import EntityView, all_of, first_of, in_language, words_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.saml import names
from ostiary.saml.xml import Element, qname, read_instant

MAX_ENTITY_ID: Final = 256
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s]+")
_EMAIL: Final = re.compile(r"[^@\s<>\"',;:]{1,64}@(?:[A-Za-z0-9_-]{1,63}\.)+[A-Za-z0-9-]{2,63}")
_KNOWN_PROTOCOLS: Final = frozenset(
    {
        names.SAMLP,
        names.SAML1P,
        "urn:oasis:names:tc:SAML:1.1:protocol",
        "urn:mace:shibboleth:1.0",
        "http://schemas.xmlsoap.org/ws/2003/07/secext",
        "http://docs.oasis-open.org/wsfed/federation/200706",
    }
)
_KNOWN_EXTENSIONS: Final = frozenset(
    {
        names.MDUI,
        names.MDRPI,
        names.MDATTR,
        names.SHIBMD,
        names.IDPDISC,
        names.DS,
        names.REMD,
        names.ASLO,
        "urn:oasis:names:tc:SAML:metadata:algsupport",
        "urn:oasis:names:tc:SAML:profiles:SSO:request-init",
        "urn:oasis:names:tc:SAML:metadata:dri",
        "urn:oasis:names:tc:SAML:2.0:profiles:holder-of-key:SSO:browser",
        "urn:oasis:names:tc:SAML:metadata:extension:query",
    }
)


def name_rules(view: EntityView) -> Iterator[Complaint]:
    """The entityID is an absolute URI of at most 256 characters (SAML core 8.3.6, SDP-G04)."""
    element, entity_id = view.element, view.entity_id
    odd = {character for character in entity_id if character <= " " or character >= "\x7f" or character in '<>"{}|\\^`'}
    if odd:
        shown = ", ".join(sorted(f"U+{ord(character):04X}" for character in odd)[:5])
        yield complain("entity.id_characters", element, found=shown)
    if len(entity_id) > MAX_ENTITY_ID:
        yield complain("entity.id_too_long", element, found=len(entity_id), most=MAX_ENTITY_ID)
    if not _URI.fullmatch(entity_id.strip()):
        yield complain("entity.id_not_a_uri", element, found=entity_id)
        return
    scheme = entity_id.strip().partition(":")[0].lower()
    if scheme not in ("https", "urn"):
        yield complain("entity.id_scheme", element, found=scheme)
    if scheme in ("http", "https"):
        yield from _web_name(element, entity_id.strip())


def _web_name(element: Element, entity_id: str) -> Iterator[Complaint]:
    try:
        parts = urlsplit(entity_id)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host:
        yield complain("entity.id_not_a_uri", element, found=entity_id)
        return
    if "#" in entity_id:
        yield complain("entity.id_fragment", element, found=entity_id)
    if only_in_tests(host):
        yield complain("entity.test_host", element, found=host)


def end_rules(view: EntityView, now: datetime) -> Iterator[Complaint]:
    """Neither entity nor role is past its own validUntil (SAML metadata 2.3.2, 2.4.1). The end of an entity that is a document by itself is
    looked at with documents."""
    own = () if view.element.getparent() is None else (view.element,)
    for element in (*own, *(role.element for role in view.roles)):
        text = element.get("validUntil")
        if text is None:
            continue
        try:
            end = read_instant(text)
        except Refusal:
            yield complain("document.instant", element, found=text)
            continue
        if end is not None and now >= end:
            yield complain("entity.expired", element, found=f"{end:%Y-%m-%d %H:%M} UTC")


def role_rules(view: EntityView) -> Iterator[Complaint]:
    """At least one role supports SAML 2.0, one of each kind at most (SAML metadata 2.3.2, 2.4.1)."""
    if not any(role.saml2 for role in view.roles) and first_of(view.element, names.MD, "AffiliationDescriptor") is None:
        yield complain("entity.no_saml2_role", view.element)
    kinds = Counter(role.element.tag for role in view.roles if role.saml2 and role.kind != "other")
    for role in view.roles:
        local = etree.QName(role.element).localname
        if not role.saml2:
            yield complain("role.saml1_only", role.element, role=local)
        elif kinds[role.element.tag] > 1:
            yield complain("entity.role_repeated", role.element, role=local)
        unknown = [protocol for protocol in role.protocols if protocol not in _KNOWN_PROTOCOLS]
        if unknown:
            yield complain("role.protocol_unknown", role.element, found=", ".join(unknown[:3]))


def registration_rules(view: EntityView, now: datetime) -> Iterator[Complaint]:
    """Who registered the entity, when and by which rules (MDRPI 2.1; eduGAIN SAML profile 4)."""
    found = list(all_of(view.extensions, names.MDRPI, "RegistrationInfo"))
    if not found:
        yield complain("entity.registration_missing", view.element)
        return
    if len(found) > 1:
        yield complain("entity.registration_repeated", found[1], found=len(found))
    info = found[0]
    authority = info.get("registrationAuthority", "")
    if not _URI.fullmatch(authority):
        yield complain("entity.registration_authority", info, found=authority or "-")
    if not in_language(all_of(info, names.MDRPI, "RegistrationPolicy")):
        yield complain("entity.registration_policy", info)
    instant = info.get("registrationInstant")
    if instant is not None and not _is_past(instant, now):
        yield complain("entity.registration_instant", info, found=instant)


def _is_past(text: str, now: datetime) -> bool:
    try:
        at = read_instant(text)
    except Refusal:
        return False
    return at is not None and at <= now


def organization_rules(view: EntityView) -> Iterator[Complaint]:
    """Organization with its names and page, in English too (SAML metadata 2.3.2.1; eduGAIN SAML profile 4)."""
    organization = first_of(view.element, names.MD, "Organization")
    if organization is None:
        yield complain("entity.organization_missing", view.element)
        return
    for name in ("OrganizationName", "OrganizationDisplayName", "OrganizationURL"):
        if not in_language(all_of(organization, names.MD, name)):
            yield complain("entity.organization_english", organization, part=name)
    for url in all_of(organization, names.MD, "OrganizationURL"):
        if split_address(words_of(url)) is None:
            yield complain("entity.organization_url", url, found=words_of(url) or "-")


def contact_rules(view: EntityView) -> Iterator[Complaint]:
    """Whom to write to, as mailto: addresses (SAML metadata 2.3.2.2, SDP-MD11, REFEDS Security Contact Metadata 1.0)."""
    if not has_contact(view, "technical"):
        yield complain("entity.technical_contact", view.element)
    if not has_contact(view, "support"):
        yield complain("entity.support_contact", view.element)
    for contact in view.contacts:
        addresses = list(all_of(contact, names.MD, "EmailAddress"))
        if not addresses:
            yield complain("entity.contact_without_email", contact, kind=contact.get("contactType", "-"))
        for address in addresses:
            text = words_of(address)
            if not text.startswith("mailto:") or not _EMAIL.fullmatch(text.removeprefix("mailto:")):
                yield complain("entity.contact_email", address, found=text or "-")
        marked = contact.get(qname(names.REMD, "contactType"))
        if marked == names.SECURITY_CONTACT and contact.get("contactType") != "other":
            yield complain("entity.security_contact_type", contact, found=contact.get("contactType", "-"))


def has_contact(view: EntityView, kind: str) -> bool:
    """Whether there is a contact of this kind with an e-mail address."""
    return any(
        contact.get("contactType") == kind and any(map(words_of, all_of(contact, names.MD, "EmailAddress")))
        for contact in view.contacts
    )


def extension_rules(view: EntityView) -> Iterator[Complaint]:
    """Extensions that this software does not know are kept, and nobody acts upon them here (SAML metadata 2.3.2)."""
    for holder in (view.extensions, *(role.extensions for role in view.roles)):
        seen: set[str] = set()
        for element in holder.iterchildren("*") if holder is not None else ():
            namespace = etree.QName(element).namespace or "-"
            if namespace not in _KNOWN_EXTENSIONS and namespace not in seen:
                seen.add(namespace)
                yield complain("entity.unknown_extension", element, found=namespace)
