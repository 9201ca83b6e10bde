"""The metadata of a resource, made from its settings and keys."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ostiary.federation.keys import KeyRing
from ostiary.federation.model import (
    AttributeConsumingService,
    Contact,
    Display,
    Endpoint,
    Entity,
    EntityKey,
    LocalizedText,
    RequestedAttribute,
    SpRole,
)
from ostiary.federation.publish.about import by_language, contacts_of, logos_of
from ostiary.federation.publish.documents import signed_entity
from ostiary.identifiers.requirement import REQUIREMENT
from ostiary.saml import names
from ostiary.saml.attribute_names import wire_name
from ostiary.saml.encryption_methods import GCM_BITS, EncryptionMethod
from sp_shire.addresses import Addresses
from sp_shire.applications import sharing
from sp_shire.login.artifacts import ENDPOINT_INDEX
from sp_shire.login.consumers import browser_consumer, consumers_of
from sp_shire.settings import ShireSettings

LOGOUT_ENDPOINTS: Final = {names.SOAP: "slo/soap", names.HTTP_REDIRECT: "slo/redirect", names.HTTP_POST: "slo/post"}
"""Handlers of single logout by binding (SAML profiles 4.4)."""

ASK_AGAIN_AFTER: Final = timedelta(hours=6)

_LEGACY_CIPHERS: Final = (EncryptionMethod(names.AES256_CBC), EncryptionMethod(names.AES128_CBC))


def sp_entity(settings: ShireSettings, ring: KeyRing) -> Entity:
    """The entity with its SPSSODescriptor (SAML metadata 2.4.4) and its DiscoveryResponse (IdP discovery 2.4).

    Application domains without an entityID of their own are in it; the endpoints of single logout are those of the whole resource.
    """
    addresses = Addresses(settings)
    parts = (addresses, *(Addresses(domain) for domain in sharing(settings)))
    shown, published = settings.display, settings.published
    organisation = published.organisation
    role = SpRole(
        keys=tuple(_with_legacy_ciphers(key, settings) for key in ring.published),
        display=Display(
            names=_localized(shown.name, published.names),
            descriptions=_localized(shown.description, published.descriptions),
            logos=logos_of(published.logos),
            information_urls=_english(shown.information_url),
            privacy_statement_urls=_english(shown.privacy_statement_url),
        ),
        nameid_formats=(names.TRANSIENT,),
        artifact_resolution=(
            Endpoint(names.SOAP, addresses.handler("artifact"), index=ENDPOINT_INDEX, is_default=True),
        ),
        assertion_consumers=_assertion_consumers(parts, settings),
        discovery_responses=tuple(
            Endpoint(names.IDPDISC, part.handler("discovered"), index=index) for index, part in enumerate(parts)
        ),
        attribute_consuming=_consuming(settings),
        single_logout=tuple(Endpoint(binding, addresses.handler(path)) for binding, path in LOGOUT_ENDPOINTS.items()),
        authn_requests_signed=settings.sign_requests,
        want_assertions_signed=True,
    )
    return Entity(
        entity_id=settings.entity_id,
        sp=role,
        registration_authority=published.registration_authority,
        entity_attributes=_requirement(settings),
        organization_names=by_language(organisation.name) if organisation is not None else (),
        organization_urls=by_language(organisation.url) if organisation is not None else (),
        contacts=(*_contacts(shown.support_email), *contacts_of(published.contacts)),
    )


def signed_metadata(settings: ShireSettings, ring: KeyRing, now: datetime) -> bytes:
    """The document that the resource serves: the same, signed, with an end."""
    valid_for = settings.published.valid_for
    return signed_entity(
        sp_entity(settings, ring),
        ring.signer,
        valid_until=now + valid_for,
        cache_duration=min(ASK_AGAIN_AFTER, valid_for),
    )


def _with_legacy_ciphers(key: EntityKey, settings: ShireSettings) -> EntityKey:
    """AES-CBC stands behind all that is better, and only where a partner is named that needs it."""
    if not key.encryption_methods or not settings.allow_aes_cbc_from_legacy_partners:
        return key
    ciphers = tuple(one for one in key.encryption_methods if one.algorithm in GCM_BITS)
    others = tuple(one for one in key.encryption_methods if one not in ciphers)
    return replace(key, encryption_methods=(*ciphers, *_LEGACY_CIPHERS, *others))


def _requirement(settings: ShireSettings) -> tuple[tuple[str, tuple[str, ...]], ...]:
    wanted = settings.subject_identifier
    return ((REQUIREMENT, (wanted,)),) if wanted is not None else ()


def _assertion_consumers(parts: Sequence[Addresses], settings: ShireSettings) -> tuple[Endpoint, ...]:
    """One for each binding and part of the resource. The default one is for browsers."""
    default = browser_consumer(settings)
    return tuple(
        Endpoint(
            one.binding,
            part.handler(one.handler),
            index=one.first_index + index,
            is_default=one is default and index == 0,
        )
        for one in consumers_of(settings)
        for index, part in enumerate(parts)
    )


def _consuming(settings: ShireSettings) -> tuple[AttributeConsumingService, ...]:
    """What the resource wants to know, and each of its application domains that stand in the same metadata."""
    services = ((0, settings), *((domain.shared_index or 0, domain) for domain in sharing(settings)))
    return tuple(
        AttributeConsumingService(
            index,
            _english(one.display.name),
            tuple(
                RequestedAttribute(wire_name(attribute.name), friendly_name=attribute.name, required=attribute.required)
                for attribute in one.requested_attributes
            ),
            is_default=index == 0,
        )
        for index, one in services
        if one.requested_attributes
    )


def _english(text: str | None) -> tuple[LocalizedText, ...]:
    return (LocalizedText(text, "en"),) if text else ()


def _localized(text: str, further: Mapping[str, str]) -> tuple[LocalizedText, ...]:
    return (*_english(text), *(one for one in by_language(further) if one.lang != "en" or not text))


def _contacts(email: str) -> tuple[Contact, ...]:
    return (Contact("support", emails=(email,)),) if email else ()
