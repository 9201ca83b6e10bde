"""What the release policies may know about a requester, taken from its metadata."""

from collections.abc import Callable
from datetime import datetime

from attribute_authority.authority import FindRequester
from ostiary.config.derived import Derived
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.identifiers.requirement import identifiers_asked, read_requirement
from ostiary.policy.release import Origin, RequestedAttribute, Requester
from ostiary.policy.urltree import read_url
from ostiary.saml.attribute_names import friendly_name


def find_requester_in(registry: Callable[[], Registry]) -> FindRequester:
    """Looks requesters up in the present snapshot of the registry."""
    known = Derived(requester_of)

    def find(entity_id: str, at: datetime) -> Requester | None:
        entity = registry().get(entity_id, at)
        return known(entity) if entity is not None else None

    return find


def requester_of(entity: Entity) -> Requester:
    """The requester that this entity is. Requested attributes of all its consuming services count, by their friendly
    names; so do the origins of its assertion consumers and of where it wants discovery responses, its entity attributes, and the subject
    identifier that one of them requires.
    """
    asked: dict[tuple[str, bool], frozenset[str]] = {}
    for service in entity.sp.attribute_consuming if entity.sp is not None else ():
        for attribute in service.requested:
            key = (friendly_name(attribute.name, attribute.name_format), attribute.required)
            values = frozenset(attribute.values)
            before = asked.get(key, values)
            # A service that names no values asks for all of them.
            asked[key] = before | values if before and values else frozenset()
    identifier = read_requirement(entity.entity_attributes)
    asked.update({(name, True): frozenset() for name in identifiers_asked(identifier)})
    return Requester(
        entity.entity_id,
        entity_categories=entity.entity_categories,
        registration_authority=entity.registration_authority,
        requested=tuple(RequestedAttribute(name, required, values) for (name, required), values in asked.items()),
        origins=_origins(entity),
        identifier=identifier,
        entity_attributes=entity.entity_attributes,
    )


def _origins(entity: Entity) -> frozenset[Origin]:
    endpoints = (*entity.sp.assertion_consumers, *entity.sp.discovery_responses) if entity.sp is not None else ()
    locations = (read_url(endpoint.location) for endpoint in endpoints)
    return frozenset(location.origin for location in locations if location is not None)
