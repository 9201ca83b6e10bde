"""An entity of a federation as its metadata describes it: roles, endpoints, keys, names. Data only; nobody is trusted here.

Terms are those of SAML metadata 2.0, MDUI 1.0, MDRPI 1.0 and the Identity Provider Discovery profile.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from ostiary.federation.shown_text import shown_text
from ostiary.saml import names
from ostiary.saml.encryption_methods import EncryptionMethod
from ostiary.saml.keys import TrustedKey


@dataclass(frozen=True, slots=True)
class LocalizedText:
    """A text or URL with its ``xml:lang``."""

    text: str
    lang: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """SAML metadata 2.2.2 and 2.2.3. ``index`` is None for endpoints that are not indexed."""

    binding: str
    location: str
    response_location: str | None = None
    index: int | None = None
    is_default: bool | None = None

    @property
    def answers_to(self) -> str:
        """Where answers go: ResponseLocation, else Location (2.2.2)."""
        return self.response_location or self.location


@dataclass(frozen=True, slots=True)
class EntityKey:
    """SAML metadata 2.4.1.1. ``use`` None serves for signing and encryption. ``certificate`` is DER, None for a bare KeyValue.
    ``encryption_methods``: what the owner can decrypt, most wanted first."""

    key: TrustedKey
    use: Literal["signing", "encryption"] | None = None
    certificate: bytes | None = None
    encryption_methods: tuple[EncryptionMethod, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """shibmd:Scope: a scope that the role may assert; ``is_pattern`` where it is a regular expression."""

    value: str
    is_pattern: bool = False


@dataclass(frozen=True, slots=True)
class Logo:
    """mdui:Logo; width and height in pixels."""

    url: str
    width: int
    height: int
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Display:
    """mdui:UIInfo and mdui:DiscoHints: what a person is shown. ``ip_hints`` are networks as they stand there, ``geolocation_hints`` geo:
    URIs."""

    names: tuple[LocalizedText, ...] = ()
    descriptions: tuple[LocalizedText, ...] = ()
    keywords: tuple[LocalizedText, ...] = ()
    logos: tuple[Logo, ...] = ()
    information_urls: tuple[LocalizedText, ...] = ()
    privacy_statement_urls: tuple[LocalizedText, ...] = ()
    domain_hints: tuple[str, ...] = ()
    ip_hints: tuple[str, ...] = ()
    geolocation_hints: tuple[str, ...] = ()

    def name(self, *languages: str) -> str | None:
        """The display name in the first of these languages that has one, then English, then any."""
        return localized(self.names, *languages)


@lru_cache(maxsize=1024)
def _language(tag: str) -> str:
    """The language of a tag (BCP 47), without region and script."""
    return tag.lower().split("-")[0]


def localized(texts: tuple[LocalizedText, ...], *languages: str) -> str | None:
    """The text in the first of these languages that has one, then in English, then any."""
    for wanted in (*languages, "en"):
        language = _language(wanted)
        for text in texts:
            if _language(text.lang) == language:
                return text.text
    return texts[0].text if texts else None


@dataclass(frozen=True, slots=True)
class RequestedAttribute:
    """SAML metadata 2.4.4.2, by its name on the wire."""

    name: str
    name_format: str = names.URI_NAME
    friendly_name: str | None = None
    required: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttributeConsumingService:
    """SAML metadata 2.4.4.1."""

    index: int
    names: tuple[LocalizedText, ...]
    requested: tuple[RequestedAttribute, ...]
    is_default: bool | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """SAML metadata 2.3.2.2; ``kind`` is the contactType, ``emails`` without ``mailto:``; ``for_security``: to be told of incidents (REFEDS
    Security Contact Metadata Extension Schema 1.0, where ``kind`` is ``other``)."""

    kind: str
    name: str = ""
    emails: tuple[str, ...] = ()
    for_security: bool = False
    company: str = ""
    telephones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SigningMethod:
    """alg:SigningMethod (Metadata Profile for Algorithm Support 1.0, 2.4): a signature algorithm that a role verifies, with keys of so many
    bits."""

    algorithm: str
    minimum_bits: int | None = None
    maximum_bits: int | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """What all roles share (SAML metadata 2.4.1). ``valid_until`` is the role's own, None where it sets none. ``protocols``: all that it
    supports, SAML 2.0 among them. ``digest_methods`` (URIs) and ``signing_methods``: what it verifies, most wanted first: its own, else
    the entity's; empty where neither says."""

    keys: tuple[EntityKey, ...] = ()
    display: Display = Display()
    error_url: str | None = None
    valid_until: datetime | None = None
    nameid_formats: tuple[str, ...] = ()
    protocols: tuple[str, ...] = (names.SAMLP,)
    digest_methods: tuple[str, ...] = ()
    signing_methods: tuple[SigningMethod, ...] = ()

    def signing_keys(self) -> tuple[TrustedKey, ...]:
        """The keys that may have signed what this role says."""
        return tuple(entry.key for entry in self.keys if entry.use in (None, "signing"))

    def encryption_keys(self) -> tuple[EntityKey, ...]:
        """The keys for which this role can decrypt: those for encryption alone first, then those without ``use``."""
        return tuple(entry for use in ("encryption", None) for entry in self.keys if entry.use == use)


@dataclass(frozen=True, slots=True)
class SsoRole(Role):
    """What an IdP and an SP share (SSODescriptorType, 2.4.2). ``artifact_resolution`` is indexed."""

    artifact_resolution: tuple[Endpoint, ...] = ()
    single_logout: tuple[Endpoint, ...] = ()

    def artifact_resolver(self, index: int) -> Endpoint | None:
        """Where an artifact with this EndpointIndex is resolved (SAML bindings 3.6.4): that very endpoint, if it speaks SOAP."""
        return next((one for one in self.artifact_resolution if one.index == index and one.binding == names.SOAP), None)


@dataclass(frozen=True, slots=True)
class IdpRole(SsoRole):
    """IDPSSODescriptor (2.4.3)."""

    single_sign_on: tuple[Endpoint, ...] = ()
    scopes: tuple[Scope, ...] = ()
    want_authn_requests_signed: bool = False


@dataclass(frozen=True, slots=True)
class AaRole(Role):
    """AttributeAuthorityDescriptor (2.4.7)."""

    attribute_services: tuple[Endpoint, ...] = ()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class SpRole(SsoRole):
    """SPSSODescriptor (2.4.4)."""

    assertion_consumers: tuple[Endpoint, ...] = ()
    attribute_consuming: tuple[AttributeConsumingService, ...] = ()
    discovery_responses: tuple[Endpoint, ...] = ()
    authn_requests_signed: bool = False
    want_assertions_signed: bool = False

    def assertion_consumer(self, index: int | None = None) -> Endpoint | None:
        """The endpoint with this index, or the default one (SAML metadata 2.2.3): isDefault, else the first that is not
        marked as no default, else the first."""
        if index is not None:
            return next((endpoint for endpoint in self.assertion_consumers if endpoint.index == index), None)
        return default_endpoint(self.assertion_consumers)


def endpoint_by_binding(endpoints: tuple[Endpoint, ...], *bindings: str) -> Endpoint | None:
    """The first endpoint for the first of these bindings that has one."""
    for binding in bindings:
        for endpoint in endpoints:
            if endpoint.binding == binding:
                return endpoint
    return None


def default_endpoint(endpoints: tuple[Endpoint, ...]) -> Endpoint | None:
    """SAML metadata 2.2.3: the one marked isDefault, else the first not marked false, else the first."""
    marked = next((endpoint for endpoint in endpoints if endpoint.is_default), None)
    unmarked = next((endpoint for endpoint in endpoints if endpoint.is_default is None), None)
    return marked or unmarked or (endpoints[0] if endpoints else None)


@dataclass(frozen=True, slots=True)
class Publication:
    """mdrpi:PublicationInfo (MDRPI 1.0, 2.2): who published a document, when, as which, and on which terms it may be used (links)."""

    publisher: str
    instant: datetime | None = None
    identifier: str | None = None
    usage_policies: tuple[LocalizedText, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """EntityDescriptor. ``valid_until`` is the effective one: the earliest of the entity's own and those of all that enclose it.

    ``registration_*``: mdrpi:RegistrationInfo (MDRPI 1.0, 2.1); the policies are links. ``organization_names`` are the ones to show
    (OrganizationDisplayName), ``organization_formal_names`` its OrganizationName where it is another. ``contacts`` are those of the
    entity, then those of its roles. ``source`` is the descriptor as it was read, a self-contained document without signatures; what we do
    not understand is in there.
    """

    entity_id: str
    idp: IdpRole | None = None
    sp: SpRole | None = None
    aa: AaRole | None = None
    valid_until: datetime | None = None
    registration_authority: str | None = None
    entity_attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    organization_names: tuple[LocalizedText, ...] = ()
    organization_urls: tuple[LocalizedText, ...] = ()
    contacts: tuple[Contact, ...] = ()
    source: bytes = b""
    registration_instant: datetime | None = None
    registration_policies: tuple[LocalizedText, ...] = ()
    organization_formal_names: tuple[LocalizedText, ...] = ()

    @property
    def entity_categories(self) -> tuple[str, ...]:
        """Values of the entity attribute http://macedir.org/entity-category."""
        return tuple(
            value for name, values in self.entity_attributes if name == names.ENTITY_CATEGORY for value in values
        )

    def name(self, *languages: str) -> str:
        """What to call this entity in front of a person: display name, organisation's name, else the entityID."""
        for role in (self.idp, self.sp, self.aa):
            shown = role.display.name(*languages) if role else None
            if shown:
                return shown
        return localized(self.organization_names, *languages) or shown_text(self.entity_id)
