"""What is different between two documents, entity by entity: keys and scopes first, by which one could speak for another. Pure."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ostiary.errors import OstiaryError
from ostiary.federation.model import AaRole, Endpoint, Entity, IdpRole, Role, SpRole

Aspect = Literal[
    "keys",
    "scopes",
    "roles",
    "endpoints",
    "categories",
    "names",
    "requested",
    "contacts",
    "registration",
    "end",
    "other",
]
ASPECTS: Final[tuple[Aspect, ...]] = (
    *("keys", "scopes", "roles", "endpoints", "categories", "names", "requested", "contacts", "registration", "end"),
    "other",
)
DANGEROUS: Final[frozenset[Aspect]] = frozenset({"keys", "scopes"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect of an entity: what it has now and had not, and the other way round, in words of its own."""

    aspect: Aspect
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """One entity that is in both. ``problem``: why one of the two can't be read."""

    entity_id: str
    differences: tuple[Difference, ...] = ()
    problem: OstiaryError | None = None

    @property
    def dangerous(self) -> bool:
        """Whether keys or scopes are among it; or nobody can say."""
        return self.problem is not None or any(one.aspect in DANGEROUS for one in self.differences)


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything: entityIDs in alphabetical order, changed entities with the dangerous ones first."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Side:
    """One of two: a digest for each entityID, and how an entity is read."""

    digests: Mapping[str, bytes]
    read: Callable[[str], Entity]


def compare(old: Side, new: Side) -> Changes:
    """From ``old`` to ``new``. Only entities whose digests differ are read."""
    both = [entity_id for entity_id in old.digests if entity_id in new.digests]
    changed = (_changed(entity_id, old, new) for entity_id in both if old.digests[entity_id] != new.digests[entity_id])
    return Changes(
        tuple(sorted(set(new.digests) - set(old.digests))),
        tuple(sorted(set(old.digests) - set(new.digests))),
        tuple(sorted(changed, key=lambda one: (not one.dangerous, one.entity_id))),
    )


def _changed(entity_id: str, old: Side, new: Side) -> Changed:
    try:
        return Changed(entity_id, differences(old.read(entity_id), new.read(entity_id)))
    except OstiaryError as problem:
        return Changed(entity_id, problem=problem)


def differences(old: Entity, new: Entity) -> tuple[Difference, ...]:
    """Between two descriptions of one entity; ``other`` where nothing of what is looked at differs."""
    before, after = aspects_of(old), aspects_of(new)
    found = []
    for aspect in ASPECTS:
        was, is_now = before.get(aspect, ()), after.get(aspect, ())
        added = tuple(one for one in is_now if one not in was)
        removed = tuple(one for one in was if one not in is_now)
        if added or removed:
            found.append(Difference(aspect, added, removed))
    return tuple(found) or (Difference("other"),)


def aspects_of(entity: Entity) -> dict[Aspect, tuple[str, ...]]:
    """What there is to compare, as short texts, each once."""
    found: dict[Aspect, tuple[str, ...]] = {
        "categories": tuple(f"{name} = {value}" for name, values in entity.entity_attributes for value in values),
        "registration": (entity.registration_authority,) if entity.registration_authority else (),
        "end": (entity.valid_until.isoformat(),) if entity.valid_until else (),
        "contacts": tuple(
            f"{one.kind}{' (security)' if one.for_security else ''}: {one.name} {' '.join(one.emails)}".strip()
            for one in entity.contacts
        ),
        "names": (
            *(f"organisation: {one.text} ({one.lang})" for one in entity.organization_names),
            *(f"{role}: {one.text} ({one.lang})" for role, part in roles_of(entity) for one in part.display.names),
        ),
        "roles": tuple(role for role, _ in roles_of(entity)),
        "keys": tuple(key for role, part in roles_of(entity) for key in _keys(role, part)),
        "scopes": tuple(scope for role, part in roles_of(entity) for scope in _scopes(role, part)),
        "endpoints": tuple(one for role, part in roles_of(entity) for one in _endpoints(role, part)),
        "requested": tuple(_requested(entity.sp)) if entity.sp is not None else (),
    }
    return {aspect: tuple(dict.fromkeys(values)) for aspect, values in found.items()}


def roles_of(entity: Entity) -> tuple[tuple[str, Role], ...]:
    """Its roles by their usual abbreviations."""
    return tuple((name, role) for name, role in (("IdP", entity.idp), ("SP", entity.sp), ("AA", entity.aa)) if role)


def endpoints_of(role: Role) -> Iterator[tuple[str, Endpoint]]:
    """All endpoints of a role, each with the name of its element."""
    if isinstance(role, IdpRole):
        yield from (("SingleSignOnService", one) for one in role.single_sign_on)
    if isinstance(role, SpRole):
        yield from (("AssertionConsumerService", one) for one in role.assertion_consumers)
        yield from (("DiscoveryResponse", one) for one in role.discovery_responses)
    if isinstance(role, AaRole):
        yield from (("AttributeService", one) for one in role.attribute_services)
    if isinstance(role, IdpRole | SpRole):
        yield from (("ArtifactResolutionService", one) for one in role.artifact_resolution)
        yield from (("SingleLogoutService", one) for one in role.single_logout)


def key_fingerprint(spki: bytes) -> str:
    """SHA-256 of a key (DER SubjectPublicKeyInfo), hexadecimal: the same for all certificates that carry it."""
    return hashlib.sha256(spki).hexdigest()


def _keys(role: str, part: Role) -> Iterator[str]:
    for one in part.keys:
        yield f"{role}: {one.use or 'signing, encryption'} {key_fingerprint(one.key.spki)}"


def _scopes(role: str, part: Role) -> Iterator[str]:
    for one in part.scopes if isinstance(part, IdpRole | AaRole) else ():
        yield f"{role}: {one.value}{' (regexp)' if one.is_pattern else ''}"


def _endpoints(role: str, part: Role) -> Iterator[str]:
    for kind, one in endpoints_of(part):
        index = f" [{one.index}]" if one.index is not None else ""
        answers = f" -> {one.response_location}" if one.response_location else ""
        yield f"{role}: {kind}{index} {one.binding.rsplit(':', 1)[-1]} {one.location}{answers}"


def _requested(role: SpRole) -> Iterator[str]:
    for service in role.attribute_consuming:
        for one in service.requested:
            yield f"{one.friendly_name or one.name}{' (required)' if one.required else ''}"
