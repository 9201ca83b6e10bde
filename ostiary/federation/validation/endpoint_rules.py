"""Rules for addresses to which browsers and programs are sent: usable, https, reachable from elsewhere, told apart. Pure functions."""

from collections import Counter
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from lxml import etree

from ostiary.federation.validation.addresses import (
    address_of,
    base_domain,
    is_loopback,
    only_in_tests,
    split_address,
)
from ostiary.federation.validation.descriptor import EntityView, RoleView, all_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.saml import names
from ostiary.saml.xml import Element

_KINDS: Final = (
    *("SingleSignOnService", "AssertionConsumerService", "ArtifactResolutionService", "SingleLogoutService"),
    *("ManageNameIDService", "NameIDMappingService", "AssertionIDRequestService", "AttributeService"),
)
_INDEXED: Final = frozenset({"AssertionConsumerService", "ArtifactResolutionService", "AttributeConsumingService"})
_ONLY_SOAP: Final = frozenset(
    {"ArtifactResolutionService", "AttributeService", "NameIDMappingService", "AssertionIDRequestService"}
)
_BY_URI: Final = "urn:oasis:names:tc:SAML:2.0:bindings:URI"
_KNOWN_BINDINGS: Final = frozenset(
    {
        names.HTTP_REDIRECT,
        names.HTTP_POST,
        names.HTTP_POST_SIMPLE_SIGN,
        names.HTTP_ARTIFACT,
        names.PAOS,
        names.SOAP,
        _BY_URI,
        names.IDPDISC,
        "urn:oasis:names:tc:SAML:2.0:profiles:holder-of-key:SSO:browser",
        # What SAML 1.x software lists beside its SAML 2.0 endpoints.
        "urn:mace:shibboleth:1.0:profiles:AuthnRequest",
        "urn:mace:shibboleth:2.0:profiles:AuthnRequest",
        "urn:oasis:names:tc:SAML:1.0:profiles:browser-post",
        "urn:oasis:names:tc:SAML:1.0:profiles:artifact-01",
        "urn:oasis:names:tc:SAML:1.0:bindings:SOAP-binding",
    }
)


def endpoint_rules(view: EntityView) -> Iterator[Complaint]:
    """SAML metadata 2.2.2, 2.2.3, 2.4; SDP-SP09."""
    hosts: dict[str, Element] = {}
    for role in view.of("idp", "sp", "aa"):
        for endpoint in endpoints_of(role):
            yield from _addresses(endpoint, hosts)
            yield from _binding(endpoint)
        yield from _told_apart(role)
    yield from _elsewhere(view, hosts)


def endpoints_of(role: RoleView) -> Iterator[Element]:
    """All endpoints of a role, those in its extensions too."""
    yield from all_of(role.element, names.MD, *_KINDS)
    yield from all_of(role.extensions, names.IDPDISC, "DiscoveryResponse")


def host_of(endpoint: Element) -> str:
    """The host of an endpoint's Location; empty for one that can't be used."""
    parts = split_address(endpoint.get("Location", ""))
    return (parts.hostname or "").lower() if parts is not None else ""


def _addresses(endpoint: Element, hosts: dict[str, Element]) -> Iterator[Complaint]:
    for name in ("Location", "ResponseLocation"):
        url = endpoint.get(name)
        if url is None:
            continue
        parts = split_address(url)
        if parts is None:
            yield complain("endpoint.unusable", endpoint, found=url or "-")
            continue
        host = (parts.hostname or "").lower()
        if parts.scheme != "https" and not is_loopback(host):
            yield complain("endpoint.not_https", endpoint, found=url)
        if "#" in url:
            yield complain("endpoint.fragment", endpoint, found=url)
        if host in hosts:
            continue
        hosts[host] = endpoint
        if only_in_tests(host):
            yield complain("endpoint.test_host", endpoint, found=host)
        elif address_of(host) is not None:
            yield complain("endpoint.ip_address", endpoint, found=host)


def _binding(endpoint: Element) -> Iterator[Complaint]:
    binding, kind = endpoint.get("Binding", ""), etree.QName(endpoint).localname
    if binding not in _KNOWN_BINDINGS:
        yield complain("endpoint.binding_unknown", endpoint, found=binding or "-")
    elif kind in _ONLY_SOAP and binding not in (names.SOAP, _BY_URI) and ":1.0:" not in binding:
        yield complain("endpoint.not_soap", endpoint, kind=kind, found=binding)


def _told_apart(role: RoleView) -> Iterator[Complaint]:
    """Indexes are unique, one default at most; where there is no index, the binding tells endpoints apart (2.2.3, 2.4.2)."""
    groups: dict[str, list[Element]] = {}
    for one in (*endpoints_of(role), *all_of(role.element, names.MD, "AttributeConsumingService")):
        groups.setdefault(etree.QName(one).localname, []).append(one)
    for kind, group in groups.items():
        if kind in _INDEXED or kind == "DiscoveryResponse":
            counts = Counter(one.get("index") for one in group)
            for one in group:
                if counts[one.get("index")] > 1 and one.get("index") is not None:
                    yield complain("endpoint.index_repeated", one, kind=kind, found=one.get("index"))
            defaults = [one for one in group if one.get("isDefault") in ("true", "1")]
            for one in defaults[1:]:
                yield complain("endpoint.several_defaults", one, kind=kind)
        else:
            bindings: Counter[str] = Counter()
            for one in group:
                binding = one.get("Binding", "")
                bindings[binding] += 1
                if bindings[binding] == 2:
                    yield complain("endpoint.binding_repeated", one, kind=kind, found=binding)


def _elsewhere(view: EntityView, hosts: dict[str, Element]) -> Iterator[Complaint]:
    """Endpoints under another domain than the entityID: usual where somebody else runs the service, and worth a look."""
    try:
        own = urlsplit(view.entity_id.strip()).hostname or ""
    except ValueError:
        own = ""
    if not own:
        return
    for host, endpoint in hosts.items():
        if not only_in_tests(host) and base_domain(host) != base_domain(own):
            yield complain("endpoint.other_host", endpoint, found=host, own=own)
