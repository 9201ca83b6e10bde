"""The Attribute Authority's role as its metadata publishes it. The roof adds it to the home organisation's entity."""

from collections.abc import Sequence

from attribute_authority.settings import AttributeAuthoritySettings
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import AaRole, Endpoint, Scope
from ostiary.saml import names


def aa_role(
    settings: AttributeAuthoritySettings,
    key_ring: KeyRing,
    scopes: Sequence[str],
    nameid_formats: tuple[str, ...] = (names.TRANSIENT,),
) -> AaRole:
    """AttributeAuthorityDescriptor (SAML metadata 2.4.7): the SOAP endpoint, all published keys, the scopes, and by which names it may be
    asked about people."""
    return AaRole(
        keys=key_ring.published,
        attribute_services=(Endpoint(names.SOAP, settings.query_location),),
        scopes=tuple(Scope(scope) for scope in scopes),
        nameid_formats=nameid_formats,
    )
