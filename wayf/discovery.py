"""The rules of the Identity Provider Discovery Service Protocol and Profile, as pure functions. Sends nobody anywhere itself.

A request that is not in order is refused and never answered by a redirect: an open redirector would serve phishing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

from ostiary.errors import Refusal
from ostiary.federation.model import Endpoint, Entity, default_endpoint
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.web.forms import Fields, one, optional, parse_query

SINGLE: Final = f"{names.IDPDISC}:single"
MAX_RETURN: Final = 4096
DISCOVERY_PATH: Final = "/discovery"
SHIBBOLETH_PATH: Final = "/WAYF"
OWN_PATHS: Final = (DISCOVERY_PATH, SHIBBOLETH_PATH, "/choose", "/forget")

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# What may stand in a URL's query as it is (RFC 3986 3.4), and the percent sign of what is encoded already.
_QUERY_SAFE: Final = "!$&'()*+,;=:@/?%"


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """A request whose sender and way back are known (IdP Discovery 2.4.1).

    ``location`` is the registered DiscoveryResponse location without its query, ``query`` what stands behind its ``?``.
    """

    resource: Entity
    location: str
    query: str
    return_id_param: str = "entityID"
    is_passive: bool = False


def read_request(fields: Fields, registry: Registry, now: datetime, *, own_url: str) -> DiscoveryRequest:
    """The request in a query string, checked against the metadata of who asks (IdP Discovery 2.4.1 and 2.5). ``own_url``: the public URL of
    this service.

    Raises `Refusal`: ``http.parameter_missing`` and the like, ``wayf.unknown_resource``, ``wayf.unregistered_return``,
    ``wayf.return_parameter``, ``wayf.policy``, ``wayf.is_passive``, ``wayf.leads_here``.
    """
    entity_id = one(fields, "entityID", max_length=1024)
    policy = optional(fields, "policy", max_length=1024)
    if policy not in (None, SINGLE):
        raise Refusal("wayf.policy", expected=SINGLE, found=policy)
    resource = registry.get(entity_id, now)
    role = registry.sp(entity_id, now)
    if resource is None or role is None:
        raise Refusal("wayf.unknown_resource", expected="the entityID of a known SP", found=entity_id)
    registered = tuple(endpoint for endpoint in role.discovery_responses if _usable(endpoint))
    location, query = _way_back(optional(fields, "return", max_length=MAX_RETURN), registered)
    if leads_to(own_url, location):
        raise Refusal("wayf.leads_here", expected="an address of the resource", found=location)
    return_id_param = optional(fields, "returnIDParam", max_length=128) or "entityID"
    if return_id_param.casefold() in _names_in(query):
        raise Refusal("wayf.return_parameter", expected=f"no {return_id_param} in the return URL", found=query)
    return DiscoveryRequest(
        resource, location, query, return_id_param, _is_true(optional(fields, "isPassive", max_length=5))
    )


def answer_url(request: DiscoveryRequest, idp: str | None) -> str:
    """Where to send the browser (IdP Discovery 2.4.3): the way back, with the chosen IdP's entityID or without any."""
    parts = [request.query] if request.query else []
    if idp is not None:
        parts.append(f"{quote(request.return_id_param, safe='')}={quote(idp, safe='')}")
    return f"{request.location}?{'&'.join(parts)}" if parts else request.location


def leads_to(own_url: str, url: str) -> bool:
    """Whether an address is one where the service at ``own_url`` takes requests: an answer to it would come back as a new one."""
    address = _address(url.partition("?")[0])
    return address is not None and address in (_address(own_url + path) for path in OWN_PATHS)


def _way_back(wanted: str | None, registered: tuple[Endpoint, ...]) -> tuple[str, str]:
    """(location, query). The location is the registered text itself, so nothing that a browser reads otherwise slips through."""
    if wanted is None:
        default = default_endpoint(registered)
        if default is None:
            raise Refusal("wayf.unregistered_return", expected="a DiscoveryResponse in the SP's metadata", found="none")
        location, _, query = default.location.partition("?")
        return location, _encoded(query)
    address, _, query = wanted.partition("?")
    key = _address(address)
    for endpoint in registered:
        location = endpoint.location.partition("?")[0]
        if key is not None and _address(location) == key and "#" not in query:
            return location, _encoded(query)
    locations = ", ".join(endpoint.location for endpoint in registered) or "no DiscoveryResponse at all"
    raise Refusal("wayf.unregistered_return", expected=locations, found=wanted)


def _address(url: str) -> tuple[str, str, int, str] | None:
    """Scheme, host, port and path to compare; None for what has more or less than these."""
    if not url.isascii() or not url.isprintable() or any(character in url for character in " \\#"):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port, parts.path or "/"


def _usable(endpoint: Endpoint) -> bool:
    return endpoint.binding == names.IDPDISC and _address(endpoint.location.partition("?")[0]) is not None


def _encoded(query: str) -> str:
    return quote(query, safe=_QUERY_SAFE)


def _names_in(query: str) -> frozenset[str]:
    # Some servers split at ";" too, and some ignore the case of names: there, such a parameter would be the first of its name.
    return frozenset(name.casefold() for name in parse_query(query.replace(";", "&").encode()).names())


def _is_true(text: str | None) -> bool:
    if text not in (None, "true", "false", "1", "0"):
        raise Refusal("wayf.is_passive", expected="true or false", found=text)
    return text in ("true", "1")
