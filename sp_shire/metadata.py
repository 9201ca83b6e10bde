"""The metadata of a resource, made from its settings and keys."""

from typing import Final

from ostiary.federation.keys import KeyRing
from ostiary.federation.model import (
    AttributeConsumingService,
    Contact,
    Display,
    Endpoint,
    Entity,
    LocalizedText,
    RequestedAttribute,
    SpRole,
)
from ostiary.identifiers.requirement import REQUIREMENT
from ostiary.saml import names
from ostiary.saml.attribute_names import wire_name
from sp_shire.addresses import Addresses
from sp_shire.settings import ShireSettings

LOGOUT_ENDPOINTS: Final = {names.SOAP: "slo/soap", names.HTTP_REDIRECT: "slo/redirect", names.HTTP_POST: "slo/post"}
"""Handlers of single logout by binding (SAML profiles 4.4)."""


def sp_entity(settings: ShireSettings, ring: KeyRing) -> Entity:
    """The entity with its SPSSODescriptor (SAML metadata 2.4.4) and its DiscoveryResponse (IdP discovery 2.4)."""
    addresses = Addresses(settings)
    shown = settings.display
    role = SpRole(
        keys=ring.published,
        display=Display(
            names=_english(shown.name),
            descriptions=_english(shown.description),
            information_urls=_english(shown.information_url),
            privacy_statement_urls=_english(shown.privacy_statement_url),
        ),
        nameid_formats=(names.TRANSIENT,),
        assertion_consumers=(Endpoint(names.HTTP_POST, addresses.handler("acs"), index=0, is_default=True),),
        discovery_responses=(Endpoint(names.IDPDISC, addresses.handler("discovered"), index=0),),
        attribute_consuming=_consuming(settings),
        single_logout=tuple(Endpoint(binding, addresses.handler(path)) for binding, path in LOGOUT_ENDPOINTS.items()),
        authn_requests_signed=settings.sign_requests,
        want_assertions_signed=True,
    )
    return Entity(
        entity_id=settings.entity_id,
        sp=role,
        entity_attributes=_requirement(settings),
        contacts=_contacts(shown.support_email),
    )


def _requirement(settings: ShireSettings) -> tuple[tuple[str, tuple[str, ...]], ...]:
    wanted = settings.subject_identifier
    return ((REQUIREMENT, (wanted,)),) if wanted is not None else ()


def _consuming(settings: ShireSettings) -> tuple[AttributeConsumingService, ...]:
    if not settings.requested_attributes:
        return ()
    requested = tuple(
        RequestedAttribute(wire_name(attribute.name), friendly_name=attribute.name, required=attribute.required)
        for attribute in settings.requested_attributes
    )
    return (AttributeConsumingService(0, _english(settings.display.name), requested, is_default=True),)


def _english(text: str | None) -> tuple[LocalizedText, ...]:
    return (LocalizedText(text, "en"),) if text else ()


def _contacts(email: str) -> tuple[Contact, ...]:
    return (Contact("support", emails=(email,)),) if email else ()
