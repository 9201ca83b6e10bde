"""Metadata from bytes to entities (SAML metadata 2.0). Verifies the signature first; what it does not understand stays in ``source``."""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict
from urllib.parse import urlsplit

from lxml import etree

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.key_descriptors import read_keys
from ostiary.federation.model import (
    AaRole,
    AttributeConsumingService,
    Contact,
    Display,
    Endpoint,
    Entity,
    EntityKey,
    IdpRole,
    LocalizedText,
    Logo,
    RequestedAttribute,
    Scope,
    SpRole,
)
from ostiary.federation.summary import earliest
from ostiary.saml import names
from ostiary.saml.keys import TrustedKey
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import ID_NAMES, verify_element
from ostiary.saml.xml import (
    METADATA,
    Element,
    child,
    children,
    parse_xml,
    qname,
    read_boolean,
    read_instant,
    text_of,
    to_bytes,
)

LeaveOut = Callable[[str, OstiaryError], None]
"""Is told the entityID and the problem of an entity that can't be read."""


def read_signed_metadata(
    data: bytes, trusted: Sequence[TrustedKey], *, now: datetime, leave_out: LeaveOut | None = None
) -> tuple[Entity, ...]:
    """The entities of a signed EntityDescriptor or EntitiesDescriptor.

    The root must carry ``validUntil`` and be signed by one of ``trusted``. One member of a federation must not take all others down: with
    ``leave_out``, an entity that can't be read is reported there and left out; without, it refuses the whole document. Raises `Refusal`:
    ``signature.*``, ``xml.*``, ``metadata.no_valid_until``, ``metadata.expired``, ``metadata.endpoint`` and others of ``metadata.*``.
    """
    root = parse_xml(data, METADATA)
    # Members choose the IDs inside their own descriptors; only the one that the signature refers to has to be unique.
    verify_element(root, trusted, other_ids_may_repeat=True)
    _ignore_processing_instructions(root)
    valid_until = _own_valid_until(root)
    if valid_until is None:
        raise Refusal("metadata.no_valid_until", expected="validUntil on the signed root", found="none")
    if now >= valid_until:
        raise Refusal("metadata.expired", expected=f"validUntil after {now.isoformat()}", found=valid_until.isoformat())
    return tuple(_entities(root, None, leave_out))


def read_unsigned_local_metadata(data: bytes, *, leave_out: LeaveOut | None = None) -> tuple[Entity, ...]:
    """The entities of a file that an administrator put in place: the file system, not a signature, vouches for it. Otherwise as
    `read_signed_metadata`."""
    root = parse_xml(data, METADATA)
    _ignore_processing_instructions(root)
    return tuple(_entities(root, None, leave_out))


def _ignore_processing_instructions(root: Element) -> None:
    """Takes them out, so that no value ends where one stands. Only after the signature, which covers them, was verified."""
    etree.strip_tags(root, etree.ProcessingInstruction)


def _entities(element: Element, enclosing: datetime | None, leave_out: LeaveOut | None) -> Iterator[Entity]:
    """Each entity with its effective validUntil, the earliest of its own and those of all that enclose it (metadata 2.3.1)."""
    if element.tag == qname(names.MD, "EntitiesDescriptor"):
        nested = list(element.iterchildren(qname(names.MD, "EntitiesDescriptor"), qname(names.MD, "EntityDescriptor")))
        if not nested:
            raise Refusal("metadata.empty", expected="at least one entity in an EntitiesDescriptor", found="none")
        valid_until = earliest(enclosing, _own_valid_until(element))
        for part in nested:
            yield from _part(part, valid_until, leave_out)
    elif element.tag == qname(names.MD, "EntityDescriptor"):
        yield from _part(element, enclosing, leave_out)
    else:
        raise Refusal("metadata.root", expected="EntityDescriptor or EntitiesDescriptor", found=str(element.tag)[:200])


def _part(element: Element, enclosing: datetime | None, leave_out: LeaveOut | None) -> Iterator[Entity]:
    """What stands in an aggregate: an entity, or a group of them."""
    try:
        if element.tag == qname(names.MD, "EntitiesDescriptor"):
            yield from _entities(element, enclosing, leave_out)
            return
        check_schema(element, "metadata")
        yield _read_entity(element, earliest(enclosing, _own_valid_until(element)))
    except (OstiaryError, ValueError) as error:
        problem = error if isinstance(error, OstiaryError) else Refusal("metadata.unreadable", found=error)
        if leave_out is None:
            raise problem from error
        leave_out(element.get("entityID", element.get("Name", "?")), problem)


def _read_entity(element: Element, valid_until: datetime | None) -> Entity:
    extensions = child(element, names.MD, "Extensions")
    registration = child(extensions, names.MDRPI, "RegistrationInfo") if extensions is not None else None
    organization = child(element, names.MD, "Organization")
    entity_scopes = _scopes(extensions)
    idp = _saml2_role(element, "IDPSSODescriptor")
    sp = _saml2_role(element, "SPSSODescriptor")
    aa = _saml2_role(element, "AttributeAuthorityDescriptor")
    return Entity(
        entity_id=element.get("entityID", ""),
        idp=replace(read, scopes=read.scopes + entity_scopes) if idp is not None and (read := _read_idp(idp)) else None,
        sp=_read_sp(sp) if sp is not None else None,
        aa=replace(found, scopes=found.scopes + entity_scopes) if aa is not None and (found := _read_aa(aa)) else None,
        valid_until=valid_until,
        registration_authority=registration.get("registrationAuthority") if registration is not None else None,
        entity_attributes=_entity_attributes(extensions),
        organization_names=_localized(organization, names.MD, "OrganizationDisplayName"),
        organization_urls=_localized(organization, names.MD, "OrganizationURL"),
        contacts=tuple(_read_contact(contact) for contact in children(element, names.MD, "ContactPerson")),
        source=_source(element),
    )


def _source(element: Element) -> bytes:
    """The descriptor as a document of its own, without signatures and the IDs that they refer to: they covered another document, and in an
    aggregate the IDs of two entities could be the same."""
    copied = parse_xml(to_bytes(element), METADATA)
    for signed in (copied, *copied.iterchildren("*")):
        for signature in list(children(signed, names.DS, "Signature")):
            signed.remove(signature)
    for node in copied.iter("*"):
        for name in set(ID_NAMES).intersection(node.attrib):
            del node.attrib[name]
    return to_bytes(copied)


def _saml2_role(entity: Element, kind: str) -> Element | None:
    """The first role descriptor of that kind which supports SAML 2.0."""
    for role in children(entity, names.MD, kind):
        if names.SAMLP in role.get("protocolSupportEnumeration", "").split():
            return role
    return None


def _read_idp(element: Element) -> IdpRole:
    extensions = child(element, names.MD, "Extensions")
    return IdpRole(
        **_sso(element, extensions),
        single_sign_on=_endpoints(element, names.MD, "SingleSignOnService"),
        scopes=_scopes(extensions),
        want_authn_requests_signed=bool(read_boolean(element.get("WantAuthnRequestsSigned"))),
    )


def _read_aa(element: Element) -> AaRole:
    extensions = child(element, names.MD, "Extensions")
    return AaRole(
        **_common(element, extensions),
        attribute_services=_endpoints(element, names.MD, "AttributeService"),
        scopes=_scopes(extensions),
    )


def _read_sp(element: Element) -> SpRole:
    extensions = child(element, names.MD, "Extensions")
    return SpRole(
        **_sso(element, extensions),
        assertion_consumers=_endpoints(element, names.MD, "AssertionConsumerService"),
        attribute_consuming=tuple(
            _read_consuming(service) for service in children(element, names.MD, "AttributeConsumingService")
        ),
        discovery_responses=_endpoints(extensions, names.IDPDISC, "DiscoveryResponse")
        if extensions is not None
        else (),
        authn_requests_signed=bool(read_boolean(element.get("AuthnRequestsSigned"))),
        want_assertions_signed=bool(read_boolean(element.get("WantAssertionsSigned"))),
    )


class _Common(TypedDict):
    """What every kind of role has; see `ostiary.federation.model.Role`."""

    keys: tuple[EntityKey, ...]
    display: Display
    error_url: str | None
    valid_until: datetime | None
    nameid_formats: tuple[str, ...]


class _Sso(_Common):
    """What an IdP and an SP have; see `ostiary.federation.model.SsoRole`."""

    artifact_resolution: tuple[Endpoint, ...]
    single_logout: tuple[Endpoint, ...]


def _sso(element: Element, extensions: Element | None) -> _Sso:
    return _Sso(
        **_common(element, extensions),
        artifact_resolution=_usable_endpoints(element, "ArtifactResolutionService"),
        single_logout=_usable_endpoints(element, "SingleLogoutService"),
    )


def _common(element: Element, extensions: Element | None) -> _Common:
    return _Common(
        keys=tuple(key for descriptor in children(element, names.MD, "KeyDescriptor") for key in read_keys(descriptor)),
        display=_read_display(extensions),
        error_url=error_url if _web_address(error_url := element.get("errorURL", "")) else None,
        valid_until=_own_valid_until(element),
        nameid_formats=tuple(text_of(found) for found in children(element, names.MD, "NameIDFormat")),
    )


def _usable_endpoints(parent: Element, name: str) -> tuple[Endpoint, ...]:
    """Endpoints that a login does without: one that can't be used (plain http, say) is left out, and its entity stays."""
    usable: list[Endpoint] = []
    for found in children(parent, names.MD, name):
        try:
            usable.append(_endpoint(found))
        except Refusal:
            continue
    return tuple(usable)


def _endpoints(parent: Element, namespace: str, name: str) -> tuple[Endpoint, ...]:
    return tuple(_endpoint(found) for found in children(parent, namespace, name))


def _endpoint(element: Element) -> Endpoint:
    answers, index = element.get("ResponseLocation"), element.get("index")
    return Endpoint(
        binding=element.get("Binding", ""),
        location=_location(element.get("Location", "")),
        response_location=_location(answers) if answers else None,
        index=_index(index) if index is not None else None,
        is_default=read_boolean(element.get("isDefault")),
    )


def _index(text: str) -> int:
    """SAML metadata 2.2.3: an unsigned short. Extensions are not held against a schema that says so."""
    if not text.isascii() or not text.isdecimal() or int(text[:6]) > 65_535:
        raise Refusal("metadata.index", expected="an index from 0 to 65535", found=text[:40])
    return int(text)


def _location(url: str) -> str:
    """Endpoints are https, or http on loopback; anything else (``javascript:`` among it) is refused (``metadata.endpoint``)."""
    try:
        # Endpoints become headers and pages: urlsplit drops control characters, browsers take a backslash for a slash.
        parts = urlsplit(url if url.isascii() and not any(c <= " " or c in "\\\x7f" for c in url) else "")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if (
        not host
        or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))
        or parts.username is not None
    ):
        raise Refusal("metadata.endpoint", expected="an https URL (http on loopback)", found=url[:200])
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _web_address(url: str) -> bool:
    """Whether a link for people may be shown as a link: http or https, never ``javascript:``."""
    return url.lower().startswith(("https://", "http://"))


def _read_display(extensions: Element | None) -> Display:
    if extensions is None:
        return Display()
    info = child(extensions, names.MDUI, "UIInfo")
    hints = child(extensions, names.MDUI, "DiscoHints")
    return Display(
        names=_localized(info, names.MDUI, "DisplayName"),
        descriptions=_localized(info, names.MDUI, "Description"),
        keywords=_localized(info, names.MDUI, "Keywords"),
        logos=_logos(info),
        information_urls=_links(info, "InformationURL"),
        privacy_statement_urls=_links(info, "PrivacyStatementURL"),
        domain_hints=_hints(hints, "DomainHint"),
        ip_hints=_hints(hints, "IPHint"),
        geolocation_hints=_hints(hints, "GeolocationHint"),
    )


def _hints(holder: Element | None, name: str) -> tuple[str, ...]:
    return tuple(text_of(hint) for hint in children(holder, names.MDUI, name)) if holder is not None else ()


def _logos(info: Element | None) -> tuple[Logo, ...]:
    if info is None:
        return ()
    return tuple(
        Logo(text_of(logo), _pixels(logo, "width"), _pixels(logo, "height"), logo.get(qname(names.XML, "lang")))
        for logo in children(info, names.MDUI, "Logo")
        if _web_address(text_of(logo)) or text_of(logo).startswith("data:image/")
    )


def _links(info: Element | None, name: str) -> tuple[LocalizedText, ...]:
    return tuple(link for link in _localized(info, names.MDUI, name) if _web_address(link.text))


def _pixels(logo: Element, name: str) -> int:
    text = logo.get(name, "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


def _localized(parent: Element | None, namespace: str, name: str) -> tuple[LocalizedText, ...]:
    if parent is None:
        return ()
    return tuple(
        LocalizedText(" ".join(text_of(found).split()), found.get(qname(names.XML, "lang"), ""))
        for found in children(parent, namespace, name)
    )


def _scopes(extensions: Element | None) -> tuple[Scope, ...]:
    if extensions is None:
        return ()
    return tuple(
        Scope(text_of(scope), bool(read_boolean(scope.get("regexp"))))
        for scope in children(extensions, names.SHIBMD, "Scope")
    )


def _entity_attributes(extensions: Element | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    holder = child(extensions, names.MDATTR, "EntityAttributes") if extensions is not None else None
    if holder is None:
        return ()
    return tuple(
        (
            attribute.get("Name", ""),
            tuple(text_of(value) for value in children(attribute, names.SAML, "AttributeValue") if not len(value)),
        )
        for attribute in children(holder, names.SAML, "Attribute")
    )


def _read_consuming(element: Element) -> AttributeConsumingService:
    return AttributeConsumingService(
        index=_index(element.get("index", "0")),
        names=_localized(element, names.MD, "ServiceName"),
        requested=tuple(
            RequestedAttribute(
                name=found.get("Name", ""),
                name_format=found.get("NameFormat", names.UNSPECIFIED_NAME),
                friendly_name=found.get("FriendlyName"),
                required=bool(read_boolean(found.get("isRequired"))),
                values=tuple(
                    text_of(value) for value in children(found, names.SAML, "AttributeValue") if not len(value)
                ),
            )
            for found in children(element, names.MD, "RequestedAttribute")
        ),
        is_default=read_boolean(element.get("isDefault")),
    )


def _read_contact(element: Element) -> Contact:
    parts = [element.findtext(qname(names.MD, name)) or "" for name in ("GivenName", "SurName")]
    return Contact(
        kind=element.get("contactType", "other"),
        name=" ".join(part.strip() for part in parts if part.strip()),
        emails=tuple(text_of(mail).removeprefix("mailto:") for mail in children(element, names.MD, "EmailAddress")),
        for_security=element.get(qname(names.REMD, "contactType")) == names.SECURITY_CONTACT,
    )


def _own_valid_until(element: Element) -> datetime | None:
    text = element.get("validUntil")
    return read_instant(text) if text is not None else None
