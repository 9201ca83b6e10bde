"""Entities for the tests of metadata: one of each role, and documents around them."""

from datetime import datetime, timedelta

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
from ostiary.federation.publish.documents import signed_aggregate, signed_entity
from ostiary.saml import names
from ostiary.saml.keys import Signer
from tests.saml.world import ACS, IDP, NOW, SP, signer

END = NOW + timedelta(days=14)
FEDERATION = "https://federation.example/aggregate"
KEY = EntityKey(signer().public, "signing", signer().certificate)
SP_KEY = EntityKey(signer("p256", "sp").public, None, signer("p256", "sp").certificate)

HOME = Entity(
    IDP,
    idp=IdpRole(
        keys=(KEY,),
        display=Display(
            names=(LocalizedText("Northgate University", "en"), LocalizedText("Universität Nordtor", "de")),
            descriptions=(LocalizedText("A university", "en"),),
            keywords=(LocalizedText("north gate", "en"),),
            logos=(Logo("https://northgate.example/logo.svg", 80, 60, "en"),),
            information_urls=(LocalizedText("https://northgate.example/about", "en"),),
            privacy_statement_urls=(LocalizedText("https://northgate.example/privacy", "en"),),
            domain_hints=("northgate.example",),
        ),
        error_url="https://northgate.example/help",
        nameid_formats=(names.TRANSIENT,),
        artifact_resolution=(Endpoint(names.SOAP, f"{IDP}/artifact", index=1),),
        single_logout=(Endpoint(names.HTTP_REDIRECT, f"{IDP}/slo"), Endpoint(names.SOAP, f"{IDP}/slo/soap")),
        single_sign_on=(Endpoint(names.HTTP_REDIRECT, f"{IDP}/sso"), Endpoint(names.HTTP_POST, f"{IDP}/sso")),
        scopes=(Scope("northgate.example"), Scope(r"^.+\.northgate\.example$", is_pattern=True)),
        want_authn_requests_signed=True,
    ),
    aa=AaRole(
        keys=(KEY,),
        nameid_formats=(names.TRANSIENT,),
        attribute_services=(Endpoint(names.SOAP, f"{IDP}/aa"),),
        scopes=(Scope("northgate.example"),),
    ),
    registration_authority="https://federation.example",
    entity_attributes=((names.ENTITY_CATEGORY, ("http://refeds.org/category/research-and-scholarship",)),),
    organization_names=(LocalizedText("Northgate", "en"),),
    organization_urls=(LocalizedText("https://northgate.example", "en"),),
    contacts=(Contact("technical", "Help Desk", ("help@northgate.example",)),),
)

LIBRARY = Entity(
    SP,
    sp=SpRole(
        keys=(SP_KEY,),
        display=Display(names=(LocalizedText("Library", "en"),)),
        nameid_formats=(names.TRANSIENT,),
        single_logout=(
            Endpoint(
                names.HTTP_POST,
                "https://library.example/ostiary/slo",
                response_location="https://library.example/ostiary/slo/done",
            ),
        ),
        assertion_consumers=(
            Endpoint(names.HTTP_POST, ACS, index=0, is_default=True),
            Endpoint(names.HTTP_POST, f"{ACS}/2", index=1),
        ),
        attribute_consuming=(
            AttributeConsumingService(
                0,
                (LocalizedText("Library", "en"),),
                (
                    RequestedAttribute(
                        "urn:oid:1.3.6.1.4.1.5923.1.1.1.9", friendly_name="eduPersonScopedAffiliation", required=True
                    ),
                ),
                is_default=True,
            ),
        ),
        discovery_responses=(Endpoint(names.IDPDISC, "https://library.example/ostiary/discovered", index=0),),
        authn_requests_signed=True,
        want_assertions_signed=True,
    ),
)


def aggregate(*entities: Entity, by: Signer | None = None, until: datetime = END) -> bytes:
    """A signed aggregate of these, of both if none is named."""
    return signed_aggregate(
        entities or (HOME, LIBRARY), by or signer("rsa", "federation"), name=FEDERATION, valid_until=until
    )


def single(entity: Entity = HOME, until: datetime = END) -> bytes:
    """A signed document for one entity."""
    return signed_entity(entity, signer("rsa", "federation"), valid_until=until)
