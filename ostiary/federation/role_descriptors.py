"""Role descriptors: what an IdP, an SP and an Attribute Authority say of themselves (SAML metadata 2.4). One part that can't be used does
not take the others with it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypedDict

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.display_extensions import read_localized
from ostiary.federation.endpoints import is_link, is_usable_location
from ostiary.federation.entity_extensions import Notice, is_plain, read_algorithms, read_scopes
from ostiary.federation.key_descriptors import read_keys
from ostiary.federation.model import (
    AaRole,
    AttributeConsumingService,
    Display,
    Endpoint,
    EntityKey,
    IdpRole,
    RequestedAttribute,
    Scope,
    SigningMethod,
    SpRole,
)
from ostiary.saml import names
from ostiary.saml.xml import Children, Element, qname, read_boolean, read_instant, text_of

IDP: Final = qname(names.MD, "IDPSSODescriptor")
SP: Final = qname(names.MD, "SPSSODescriptor")
AA: Final = qname(names.MD, "AttributeAuthorityDescriptor")

(
    EXTENSIONS,
    _KEY_DESCRIPTOR,
    _NAMEID_FORMAT,
    _SINGLE_SIGN_ON,
    _ARTIFACT_RESOLUTION,
    _SINGLE_LOGOUT,
    _ATTRIBUTE_SERVICE,
    _ASSERTION_CONSUMER,
    _ATTRIBUTE_CONSUMING,
    _SERVICE_NAME,
    _REQUESTED_ATTRIBUTE,
) = (
    qname(names.MD, name)
    for name in (
        "Extensions",
        "KeyDescriptor",
        "NameIDFormat",
        "SingleSignOnService",
        "ArtifactResolutionService",
        "SingleLogoutService",
        "AttributeService",
        "AssertionConsumerService",
        "AttributeConsumingService",
        "ServiceName",
        "RequestedAttribute",
    )
)
_DISCOVERY_RESPONSE: Final = qname(names.IDPDISC, "DiscoveryResponse")
_ATTRIBUTE_VALUE: Final = qname(names.SAML, "AttributeValue")


class Shared:
    """What the entity says for all of its roles, who is told of the parts that are left out, and how what people are shown is read."""

    __slots__ = ("digest_methods", "display", "notice", "scopes", "signing_methods")

    def __init__(self, extensions: Children, notice: Notice | None, display: Callable[[Children], Display]) -> None:
        self.notice = notice
        self.display = display
        self.scopes = read_scopes(extensions, notice)
        self.digest_methods, self.signing_methods = read_algorithms(extensions)

    def tell(self, problem: OstiaryError) -> None:
        """Nobody has to listen."""
        if self.notice is not None:
            self.notice(problem)


def supports_saml2(role: Element) -> bool:
    """SAML metadata 2.4.1: whether a role descriptor is about SAML 2.0."""
    return names.SAMLP in role.get("protocolSupportEnumeration", "").split()


def read_idp(element: Element, shared: Shared) -> IdpRole:
    """Raises `Refusal` when it can't be used: no address for logins is left (``metadata.endpoint``), or it can't be understood."""
    parts = Children(element)
    extensions = _extensions(parts)
    return IdpRole(
        **_sso(element, parts, extensions, shared),
        single_sign_on=_needed(parts, _SINGLE_SIGN_ON, shared),
        scopes=_all_scopes(extensions, shared),
        want_authn_requests_signed=bool(read_boolean(element.get("WantAuthnRequestsSigned"))),
    )


def read_aa(element: Element, shared: Shared) -> AaRole:
    """Raises as `read_idp`, for addresses of queries."""
    parts = Children(element)
    extensions = _extensions(parts)
    return AaRole(
        **_common(element, parts, extensions, shared),
        attribute_services=_needed(parts, _ATTRIBUTE_SERVICE, shared),
        scopes=_all_scopes(extensions, shared),
    )


def read_sp(element: Element, shared: Shared) -> SpRole:
    """Raises as `read_idp`, for addresses of assertions."""
    parts = Children(element)
    extensions = _extensions(parts)
    return SpRole(
        **_sso(element, parts, extensions, shared),
        assertion_consumers=_needed(parts, _ASSERTION_CONSUMER, shared),
        attribute_consuming=tuple(_read_consuming(service) for service in parts.all(_ATTRIBUTE_CONSUMING)),
        discovery_responses=_endpoints(extensions, _DISCOVERY_RESPONSE, shared),
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
    protocols: tuple[str, ...]
    digest_methods: tuple[str, ...]
    signing_methods: tuple[SigningMethod, ...]


class _Sso(_Common):
    """What an IdP and an SP have; see `ostiary.federation.model.SsoRole`."""

    artifact_resolution: tuple[Endpoint, ...]
    single_logout: tuple[Endpoint, ...]


def _extensions(parts: Children) -> Children:
    found = parts.one(EXTENSIONS)
    return Children(found if found is not None else ())


def _all_scopes(extensions: Children, shared: Shared) -> tuple[Scope, ...]:
    return read_scopes(extensions, shared.notice) + shared.scopes


def _sso(element: Element, parts: Children, extensions: Children, shared: Shared) -> _Sso:
    return _Sso(
        **_common(element, parts, extensions, shared),
        artifact_resolution=_endpoints(parts, _ARTIFACT_RESOLUTION, shared),
        single_logout=_endpoints(parts, _SINGLE_LOGOUT, shared),
    )


def _common(element: Element, parts: Children, extensions: Children, shared: Shared) -> _Common:
    error_url, end = element.get("errorURL"), element.get("validUntil")
    digests, methods = read_algorithms(extensions)
    return _Common(
        keys=tuple([key for one in parts.all(_KEY_DESCRIPTOR) for key in read_keys(one, shared.notice)]),
        display=shared.display(extensions),
        error_url=error_url if error_url is not None and is_link(error_url) else None,
        valid_until=read_instant(end) if end is not None else None,
        nameid_formats=tuple([text_of(found) for found in parts.all(_NAMEID_FORMAT)]),
        protocols=tuple(element.get("protocolSupportEnumeration", "").split()),
        digest_methods=digests or shared.digest_methods,
        signing_methods=methods or shared.signing_methods,
    )


def _endpoints(parts: Children, name: str, shared: Shared) -> tuple[Endpoint, ...]:
    """Those that can be used: one that can't (plain http, say) is left out, and its role does without."""
    usable: list[Endpoint] = []
    for found in parts.all(name):
        try:
            usable.append(_endpoint(found))
        except Refusal as problem:
            shared.tell(problem)
    return tuple(usable)


def _needed(parts: Children, name: str, shared: Shared) -> tuple[Endpoint, ...]:
    """The same, for those that the role is there for: when none of them is left, nor is the role."""
    usable: list[Endpoint] = []
    problems: list[Refusal] = []
    for found in parts.all(name):
        try:
            usable.append(_endpoint(found))
        except Refusal as problem:
            problems.append(problem)
    if problems and not usable:
        raise problems[0]
    for told in problems:
        shared.tell(told)
    return tuple(usable)


def _endpoint(element: Element) -> Endpoint:
    answers, index = element.get("ResponseLocation"), element.get("index")
    return Endpoint(
        element.get("Binding", ""),
        _location(element.get("Location", "")),
        _location(answers) if answers else None,
        _index(index) if index is not None else None,
        read_boolean(element.get("isDefault")),
    )


def _location(url: str) -> str:
    if not is_usable_location(url):
        raise Refusal("metadata.endpoint", expected="an https URL (http on loopback)", found=url[:200])
    return url


def _index(text: str) -> int:
    """SAML metadata 2.2.3: an unsigned short. Extensions are not held against a schema that says so."""
    if not text.isascii() or not text.isdecimal() or int(text[:6]) > 65_535:
        raise Refusal("metadata.index", expected="an index from 0 to 65535", found=text[:40])
    return int(text)


def _read_consuming(element: Element) -> AttributeConsumingService:
    parts = Children(element)
    return AttributeConsumingService(
        index=_index(element.get("index", "0")),
        names=read_localized(parts.all(_SERVICE_NAME)),
        requested=tuple(_read_requested(found) for found in parts.all(_REQUESTED_ATTRIBUTE)),
        is_default=read_boolean(element.get("isDefault")),
    )


def _read_requested(element: Element) -> RequestedAttribute:
    return RequestedAttribute(
        name=element.get("Name", ""),
        name_format=element.get("NameFormat", names.UNSPECIFIED_NAME),
        friendly_name=element.get("FriendlyName"),
        required=bool(read_boolean(element.get("isRequired"))),
        values=tuple([text_of(value) for value in element if is_plain(value, _ATTRIBUTE_VALUE)])
        if len(element)
        else (),
    )
