"""The Attribute Authority's role as its metadata publishes it. The roof adds it to the home organisation's entity."""

from collections.abc import Sequence

from attribute_authority.queries.subjects import PAIRWISE_ID_FORMAT, PRINCIPAL_NAME_FORMAT, SUBJECT_ID_FORMAT
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary.federation.keys import KeyRing, load_certificate
from ostiary.federation.model import AaRole, Endpoint, EntityKey, Scope
from ostiary.saml import names
from ostiary.saml.keys import TrustedKey


def aa_role(
    settings: AttributeAuthoritySettings,
    key_ring: KeyRing,
    scopes: Sequence[str],
    nameid_formats: tuple[str, ...] = (names.TRANSIENT,),
) -> AaRole:
    """AttributeAuthorityDescriptor (SAML metadata 2.4.7): the SOAP endpoint, all published keys, the scopes, and by which names it may be
    asked about people.

    The keys of the back channel's TLS are among them, for signing: so partners know the server by its key (SAML metadata 2.4.1.1). Raises
    `ConfigurationError` (``key.file``) where one of its certificates can't be used.
    """
    return AaRole(
        keys=key_ring.published + _tls_keys(settings, key_ring),
        attribute_services=(Endpoint(names.SOAP, settings.query_location),),
        scopes=tuple(Scope(scope) for scope in scopes),
        nameid_formats=nameid_formats + _listed_only(settings),
    )


def _tls_keys(settings: AttributeAuthoritySettings, key_ring: KeyRing) -> tuple[EntityKey, ...]:
    channel = settings.back_channel
    if channel is None:
        return ()
    paths = [channel.certificate, *([channel.next_certificate] if channel.next_certificate is not None else [])]
    published = {entry.key for entry in key_ring.published if entry.use != "encryption"}
    found = {TrustedKey.from_certificate(der): der for der in map(load_certificate, paths)}
    return tuple(EntityKey(key, "signing", der) for key, der in found.items() if key not in published)


def _listed_only(settings: AttributeAuthoritySettings) -> tuple[str, ...]:
    """The formats of names by which only some requesters may ask."""
    ways = (
        (settings.certificate_names, (names.X509_SUBJECT_NAME,)),
        (settings.principal_names, (PRINCIPAL_NAME_FORMAT,)),
        (settings.external_names, (PRINCIPAL_NAME_FORMAT, PAIRWISE_ID_FORMAT, SUBJECT_ID_FORMAT)),
    )
    return tuple(dict.fromkeys(form for configured, forms in ways if configured is not None for form in forms))
