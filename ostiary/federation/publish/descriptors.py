"""An entity as an element: the descriptor that was read, or one made from the model (SAML metadata 2.3.2). Signs nothing."""

import base64

from ostiary.federation.model import (
    AaRole,
    Display,
    Endpoint,
    Entity,
    IdpRole,
    LocalizedText,
    Role,
    Scope,
    SpRole,
    SsoRole,
)
from ostiary.saml import names
from ostiary.saml.encryption_methods import EncryptionMethod
from ostiary.saml.xml import METADATA, Element, add, make, parse_xml, qname, write_instant


def entity_element(entity: Entity) -> Element:
    """The descriptor as it was read, if it was, so that nothing is lost; else one made from the model."""
    if entity.source:
        return parse_xml(entity.source, METADATA)
    element = make(names.MD, "EntityDescriptor", "ds", "saml", "mdui", "shibmd", entityID=entity.entity_id)
    _write_entity_extensions(element, entity)
    if entity.idp is not None:
        _write_idp(element, entity.idp)
    if entity.aa is not None:
        _write_aa(element, entity.aa)
    if entity.sp is not None:
        _write_sp(element, entity.sp)
    if entity.organization_names:
        organization = add(element, names.MD, "Organization")
        formal = entity.organization_formal_names or entity.organization_names
        _localized(organization, names.MD, "OrganizationName", formal)
        _localized(organization, names.MD, "OrganizationDisplayName", entity.organization_names)
        _localized(organization, names.MD, "OrganizationURL", entity.organization_urls)
    for contact in entity.contacts:
        person = make(names.MD, "ContactPerson", *(("remd",) if contact.for_security else ()), contactType=contact.kind)
        if contact.for_security:
            person.set(qname(names.REMD, "contactType"), names.SECURITY_CONTACT)
        element.append(person)
        if contact.company:
            add(person, names.MD, "Company", contact.company)
        if contact.name:
            add(person, names.MD, "GivenName", contact.name)
        for email in contact.emails:
            add(person, names.MD, "EmailAddress", f"mailto:{email}")
        for number in contact.telephones:
            add(person, names.MD, "TelephoneNumber", number)
    return element


def _write_entity_extensions(element: Element, entity: Entity) -> None:
    if entity.registration_authority is None and not entity.entity_attributes:
        return
    extensions = add(element, names.MD, "Extensions")
    if entity.registration_authority is not None:
        registered = _append(
            extensions, names.MDRPI, "RegistrationInfo", registrationAuthority=entity.registration_authority
        )
        if entity.registration_instant is not None:
            registered.set("registrationInstant", write_instant(entity.registration_instant))
        _localized(registered, names.MDRPI, "RegistrationPolicy", entity.registration_policies)
    if entity.entity_attributes:
        holder = _append(extensions, names.MDATTR, "EntityAttributes")
        for name, values in entity.entity_attributes:
            attribute = add(holder, names.SAML, "Attribute", Name=name, NameFormat=names.URI_NAME)
            for value in values:
                add(attribute, names.SAML, "AttributeValue", value)


def _append(parent: Element, namespace: str, name: str, **attributes: str) -> Element:
    element = make(namespace, name, **attributes)
    parent.append(element)
    return element


def _write_idp(entity: Element, role: IdpRole) -> None:
    element = add(entity, names.MD, "IDPSSODescriptor", protocolSupportEnumeration=names.SAMLP)
    if role.want_authn_requests_signed:
        element.set("WantAuthnRequestsSigned", "true")
    _write_common(element, role, role.scopes)
    _write_sso(element, role)
    _endpoints(element, names.MD, "SingleSignOnService", role.single_sign_on)


def _write_aa(entity: Element, role: AaRole) -> None:
    element = add(entity, names.MD, "AttributeAuthorityDescriptor", protocolSupportEnumeration=names.SAMLP)
    _write_common(element, role, role.scopes)
    _endpoints(element, names.MD, "AttributeService", role.attribute_services)
    for name_format in role.nameid_formats:
        add(element, names.MD, "NameIDFormat", name_format)


def _write_sp(entity: Element, role: SpRole) -> None:
    element = add(entity, names.MD, "SPSSODescriptor", protocolSupportEnumeration=names.SAMLP)
    element.set("AuthnRequestsSigned", str(role.authn_requests_signed).lower())
    element.set("WantAssertionsSigned", str(role.want_assertions_signed).lower())
    extensions = _write_common(element, role, (), bool(role.discovery_responses))
    if extensions is not None:
        for endpoint in role.discovery_responses:
            _endpoint(_append(extensions, names.IDPDISC, "DiscoveryResponse"), endpoint)
    _write_sso(element, role)
    _endpoints(element, names.MD, "AssertionConsumerService", role.assertion_consumers)
    for service in role.attribute_consuming:
        consuming = add(element, names.MD, "AttributeConsumingService", index=str(service.index))
        if service.is_default is not None:
            consuming.set("isDefault", str(service.is_default).lower())
        _localized(consuming, names.MD, "ServiceName", service.names)
        for requested in service.requested:
            written = add(
                consuming, names.MD, "RequestedAttribute", Name=requested.name, NameFormat=requested.name_format
            )
            if requested.friendly_name is not None:
                written.set("FriendlyName", requested.friendly_name)
            written.set("isRequired", str(requested.required).lower())
            for value in requested.values:
                add(written, names.SAML, "AttributeValue", value)


def _write_sso(element: Element, role: SsoRole) -> None:
    """What stands next in the role of an IdP or an SP, in the order of SSODescriptorType."""
    _endpoints(element, names.MD, "ArtifactResolutionService", role.artifact_resolution)
    _endpoints(element, names.MD, "SingleLogoutService", role.single_logout)
    for name_format in role.nameid_formats:
        add(element, names.MD, "NameIDFormat", name_format)


def _write_common(element: Element, role: Role, scopes: tuple[Scope, ...], more: bool = False) -> Element | None:
    """Extensions and keys, which come first in each role; returns the Extensions element where one was needed."""
    if role.error_url is not None:
        element.set("errorURL", role.error_url)
    if role.valid_until is not None:
        element.set("validUntil", write_instant(role.valid_until))
    extensions = None
    if scopes or role.display != Display() or more:
        extensions = add(element, names.MD, "Extensions")
        for scope in scopes:
            add(extensions, names.SHIBMD, "Scope", scope.value, regexp=str(scope.is_pattern).lower())
        _write_display(extensions, role.display)
    for key in role.keys:
        if key.certificate is None:
            raise ValueError("a key without certificate can't be published from the model")
        descriptor = add(element, names.MD, "KeyDescriptor")
        if key.use is not None:
            descriptor.set("use", key.use)
        x509_data = add(add(descriptor, names.DS, "KeyInfo"), names.DS, "X509Data")
        add(x509_data, names.DS, "X509Certificate", base64.b64encode(key.certificate).decode("ascii"))
        for method in key.encryption_methods:
            _write_method(descriptor, method)
    return extensions


def _write_method(descriptor: Element, method: EncryptionMethod) -> None:
    element = add(descriptor, names.MD, "EncryptionMethod", Algorithm=method.algorithm)
    if method.digest is not None:
        add(element, names.DS, "DigestMethod", Algorithm=method.digest)
    if method.mask is not None:
        _append(element, names.XENC11, "MGF", Algorithm=method.mask)


def _write_display(extensions: Element, display: Display) -> None:
    if display == Display():
        return
    info = add(extensions, names.MDUI, "UIInfo")
    _localized(info, names.MDUI, "DisplayName", display.names)
    _localized(info, names.MDUI, "Description", display.descriptions)
    _localized(info, names.MDUI, "Keywords", display.keywords)
    for logo in display.logos:
        written = add(info, names.MDUI, "Logo", logo.url, width=str(logo.width), height=str(logo.height))
        if logo.lang is not None:
            written.set(qname(names.XML, "lang"), logo.lang)
    _localized(info, names.MDUI, "InformationURL", display.information_urls)
    _localized(info, names.MDUI, "PrivacyStatementURL", display.privacy_statement_urls)
    if display.ip_hints or display.domain_hints or display.geolocation_hints:
        hints = add(extensions, names.MDUI, "DiscoHints")
        for name, values in (
            ("IPHint", display.ip_hints),
            ("DomainHint", display.domain_hints),
            ("GeolocationHint", display.geolocation_hints),
        ):
            for value in values:
                add(hints, names.MDUI, name, value)


def _endpoints(parent: Element, namespace: str, name: str, endpoints: tuple[Endpoint, ...]) -> None:
    for endpoint in endpoints:
        _endpoint(add(parent, namespace, name), endpoint)


def _endpoint(element: Element, endpoint: Endpoint) -> None:
    element.set("Binding", endpoint.binding)
    element.set("Location", endpoint.location)
    if endpoint.response_location is not None:
        element.set("ResponseLocation", endpoint.response_location)
    if endpoint.index is not None:
        element.set("index", str(endpoint.index))
    if endpoint.is_default is not None:
        element.set("isDefault", str(endpoint.is_default).lower())


def _localized(parent: Element, namespace: str, name: str, texts: tuple[LocalizedText, ...]) -> None:
    for text in texts:
        add(parent, namespace, name, text.text).set(qname(names.XML, "lang"), text.lang)
