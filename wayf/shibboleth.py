"""The original Shibboleth's request at a WAYF (Shibboleth Architecture, Protocols and Profiles 2005, 3.1.1), as pure functions.

The WAYF does not answer the resource: it sends the browser on to the chosen organisation's Handle Service, with what the resource said.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.errors import Refusal
from ostiary.federation.model import Entity, IdpRole, endpoint_by_binding
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.web.forms import Fields, one, optional
from wayf.discovery import leads_to

MAX_TARGET: Final = 2048

# No browser can be sent to an endpoint for programs.
_NOT_FOR_BROWSERS: Final = frozenset({names.PAOS, names.SOAP})


@dataclass(frozen=True, slots=True)
class ShibbolethRequest:
    """A request whose sender is known. ``shire``: where the resource wants the answer, registered in its metadata; ``target`` means
    something to the resource alone; ``time``: when it asked, seconds since 1970, None where it did not say."""

    resource: Entity
    shire: str
    target: str
    time: str | None = None
    is_passive: bool = False


def is_shibboleth(fields: Fields) -> bool:
    """Whether a query is of this form. One that names an ``entityID`` is of the IdP Discovery Protocol."""
    return "entityID" not in fields and ("shire" in fields or "providerId" in fields)


def read_shibboleth(fields: Fields, registry: Registry, now: datetime, *, own_url: str) -> ShibbolethRequest:
    """The request in a query string, checked against the metadata of who asks.

    Raises `Refusal`: ``http.parameter_missing`` and the like, ``wayf.unknown_resource``, ``wayf.unregistered_shire``, ``wayf.time``,
    ``wayf.leads_here``.
    """
    provider = one(fields, "providerId", max_length=1024)
    shire = one(fields, "shire", max_length=2048)
    target = one(fields, "target", max_length=MAX_TARGET)
    time = optional(fields, "time", max_length=20)
    if time is not None and not (time.isascii() and time.isdecimal()):
        raise Refusal("wayf.time", expected="seconds since 1970", found=time)
    resource, role = registry.get(provider, now), registry.sp(provider, now)
    if resource is None or role is None:
        raise Refusal("wayf.unknown_resource", expected="the entityID of a known SP", found=provider)
    consumers = [one for one in role.assertion_consumers if one.binding not in _NOT_FOR_BROWSERS]
    if shire not in (one.location for one in consumers):
        registered = ", ".join(one.location for one in consumers) or "no AssertionConsumerService at all"
        raise Refusal("wayf.unregistered_shire", expected=registered, found=shire)
    if leads_to(own_url, shire):
        raise Refusal("wayf.leads_here", expected="an address of the resource", found=shire)
    return ShibbolethRequest(resource, shire, target, time)


def handle_service_url(request: ShibbolethRequest, role: IdpRole) -> str | None:
    """Where to send the browser: the Handle Service of this organisation with the request as it came; None where it takes none."""
    endpoint = endpoint_by_binding(role.single_sign_on, names.SHIBBOLETH_REQUEST)
    if endpoint is None:
        return None
    asked = {"shire": request.shire, "target": request.target, "providerId": request.resource.entity_id}
    if request.time is not None:
        asked["time"] = request.time
    return f"{endpoint.location}{'&' if '?' in endpoint.location else '?'}{urlencode(asked)}"
