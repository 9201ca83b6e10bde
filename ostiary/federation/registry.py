"""Entities by their entityID, each only as long as its metadata is valid. A registry is a frozen snapshot; a reload makes a new one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.model import AaRole, Entity, IdpRole, Role, SpRole
from ostiary.federation.summary import RoleName, Summary, expired, summary_of
from ostiary.saml.artifact import source_id

_RoleT = TypeVar("_RoleT", bound=Role)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source of metadata as it stands.

    ``file``: the file, directory or URL; ``kind``: file, directory, url or mdq; ``valid_until``: when the first of what it says expires.
    ``left_out``: entities that can't be read; ``not_selected``: those that the configuration does not want; ``scopes_dropped``: how many
    scopes were beyond what it may speak for. ``last_success``: when it was last found good; ``problem``: why the last attempt was refused,
    None when all is well.
    """

    file: str
    entities: int
    identity_providers: int
    service_providers: int
    valid_until: datetime | None
    kind: str = "file"
    left_out: int = 0
    not_selected: int = 0
    scopes_dropped: int = 0
    last_success: datetime | None = None
    last_attempt: datetime | None = None
    next_attempt: datetime | None = None
    problem: OstiaryError | None = None


class Registry:
    """A snapshot of all known entities. Expired metadata is never trusted: each look-up is told the time. ``sources`` says from where they
    are; ``later`` has, by entityID, what further sources state of the same entities: it counts once what comes before it has expired."""

    def __init__(
        self,
        entities: Iterable[Entity],
        sources: tuple[SourceReport, ...] = (),
        *,
        unlisted: frozenset[str] = frozenset(),
        later: Mapping[str, Sequence[Entity]] | None = None,
    ) -> None:
        self.sources = sources
        self._later = later or {}
        self._unlisted = unlisted
        self._entities: dict[str, Entity] = {}
        for entity in entities:
            if entity.entity_id in self._entities:
                raise Refusal("metadata.duplicate_entity", expected="each entityID once", found=entity.entity_id)
            self._entities[entity.entity_id] = entity
        self._by_source_id: dict[bytes, str] | None = None

    def __len__(self) -> int:
        return len(self._entities)

    def with_unlisted(self, entity: Entity) -> "Registry":
        """The same with one entity more, which is found by its entityID and stands in no list. It takes the place of one that metadata has
        under that name: who vouches for this one knows it better."""
        others = (known for known in self._entities.values() if known.entity_id != entity.entity_id)
        later = {entity_id: known for entity_id, known in self._later.items() if entity_id != entity.entity_id}
        return Registry((*others, entity), self.sources, unlisted=self._unlisted | {entity.entity_id}, later=later)

    def get(self, entity_id: str, now: datetime) -> Entity | None:
        """The entity, or None when it is unknown or its metadata has expired (``valid_until`` is exclusive)."""
        entity = self._entities.get(entity_id)
        if entity is None or not expired(entity.valid_until, now):
            return entity
        # An expired statement is none.
        return next((one for one in self._later.get(entity_id, ()) if not expired(one.valid_until, now)), None)

    def name_of(self, entity_id: str, now: datetime) -> str:
        """What people call the entity; its entityID where nothing is known of it."""
        entity = self.get(entity_id, now)
        return entity.name() if entity is not None else entity_id

    def by_source_id(self, found: bytes, now: datetime) -> Entity | None:
        """The entity that an artifact's SourceID names (SAML bindings 3.6.4.2), while its metadata is valid."""
        # Made when the first artifact comes: most services never see one. Two threads make the same.
        known = self._by_source_id
        if known is None:
            known = self._by_source_id = {source_id(entity_id): entity_id for entity_id in self._entities}
        entity_id = known.get(found)
        return self.get(entity_id, now) if entity_id is not None else None

    def all(self, now: datetime) -> Iterator[Entity]:
        """Every entity whose metadata is valid now, for lists of them."""
        for entity_id in self._entities:
            if entity_id not in self._unlisted and (entity := self.get(entity_id, now)) is not None:
                yield entity

    def summaries(self, now: datetime, role: RoleName | None = None) -> Iterator[Summary]:
        """The same in short; with ``role``, those who have it now. For lists, searches and filters of thousands."""
        for entity in self.all(now):
            summary = summary_of(entity)
            if role is None or summary.has(role, now):
                yield summary

    def idp(self, entity_id: str, now: datetime) -> IdpRole | None:
        """The entity's IdP role while it is valid."""
        return self._role(entity_id, now, lambda entity: entity.idp)

    def sp(self, entity_id: str, now: datetime) -> SpRole | None:
        """The entity's SP role while it is valid."""
        return self._role(entity_id, now, lambda entity: entity.sp)

    def aa(self, entity_id: str, now: datetime) -> AaRole | None:
        """The entity's Attribute Authority role while it is valid."""
        return self._role(entity_id, now, lambda entity: entity.aa)

    def _role(self, entity_id: str, now: datetime, choose: Callable[[Entity], _RoleT | None]) -> _RoleT | None:
        entity = self.get(entity_id, now)
        role = choose(entity) if entity is not None else None
        return valid_role(role, now)


def valid_role(role: _RoleT | None, now: datetime) -> _RoleT | None:
    """The role, unless its own metadata has expired (``valid_until`` is exclusive)."""
    return role if role is not None and not expired(role.valid_until, now) else None
