"""A `Registry` over the index: holds the entities in use, reads others when they are asked for, in the order of the sources.

An expired statement is none, and neither is one that can't be read: the next source is asked.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.index.records import SOUND, UNCHECKED, instant, read_summary, stamp
from ostiary.federation.model import Entity
from ostiary.federation.read import LeaveOut, read_stored_entity
from ostiary.federation.registry import Registry, SourceReport
from ostiary.federation.sources.reading import Reading
from ostiary.federation.sources.scopes import limited
from ostiary.federation.summary import RoleName, Summary, earliest, expired
from ostiary.saml.artifact import source_id

if TYPE_CHECKING:
    from ostiary.federation.index.store import MetadataIndex

MOST_HELD: Final = 1024
"""So many entities stay in memory, each of some 20 kB."""

K = TypeVar("K")
V = TypeVar("V")


class OnDemand(Protocol):
    """A source that is asked for single entities (MDQ)."""

    def look_up(self, entity_id: str | bytes, now: datetime) -> None:
        """Sees to it that the index has a fresh answer of this source, positive or negative, about the entity of this entityID or SHA-1 of
        it. Costs next to nothing while it has one. Raises nothing: when nobody answers, the index stays as it is."""
        ...


@dataclass(frozen=True, slots=True)
class IndexedSource:
    """A source by its name in the index. What was indexed under another ``reading`` (other keys, another filter) does not count."""

    name: str
    reading: Reading
    on_demand: OnDemand | None = None
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", self.reading.fingerprint())


@dataclass(frozen=True, slots=True)
class _Held:
    entity: Entity
    until: datetime | None


class HeldEntities:
    """Entities that were read, of one index and for all its registries: those of the last registry serve the next one, where they did not
    change. Bounded; and remembers which documents can't be read, so that each is reported once."""

    def __init__(self, leave_out: LeaveOut | None = None, most: int = MOST_HELD) -> None:
        self.broken: dict[bytes, None] = {}
        self.leave_out = leave_out
        self._most = most
        self._read: dict[tuple[str, bytes, int | None], Entity] = {}

    def entity(self, row: "EntityRow", source: IndexedSource) -> Entity | None:
        """The entity of a row, kept; None when it can't be read."""
        key = (source.fingerprint, row.digest, row.valid_until)
        found = self._read.get(key)
        if found is None:
            found = self.read(row, source)
            if found is not None:
                keep(self._read, key, found, self._most)
        return found

    def read(self, row: "EntityRow", source: IndexedSource) -> Entity | None:
        """The same, not kept."""
        if row.digest in self.broken:
            return None
        try:
            entity = read_stored_entity(row.octets, instant(row.valid_until), follows_schema=row.checked == SOUND)
        except (OstiaryError, ValueError) as error:
            self._report(row, error)
            return None
        return limited(entity, source.reading.scopes)[0]

    def _report(self, row: "EntityRow", error: Exception) -> None:
        keep(self.broken, row.digest, None, 10 * self._most)
        if self.leave_out is not None:
            problem = error if isinstance(error, OstiaryError) else Refusal("metadata.unreadable", found=error)
            self.leave_out(row.entity_id, problem)


def keep(known: dict[K, V], key: K, value: V, most: int) -> None:
    """Keeps the value, and no more than ``most`` of them: the oldest goes."""
    while len(known) >= most:
        # Another thread may change it meanwhile, or empty it.
        with suppress(RuntimeError, StopIteration):
            known.pop(next(iter(known)), None)
    known[key] = value


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity as one source states it. ``valid_until``: the effective end, stamped; ``checked``: whether it was held against the schema
    (see `checking`)."""

    source: str
    fingerprint: str
    entity_id: str
    digest: bytes
    valid_until: int | None
    octets: bytes
    checked: int


_BY_ENTITY_ID: Final = (
    "SELECT source.name, source.fingerprint, entity.entity_id, digest, valid_until, octets, checked"
    " FROM entity JOIN source ON source.id = entity.source JOIN document ON document.id = entity.id WHERE entity.entity_id = ?"
)
_COUNTS: Final = "SELECT source.name, source.fingerprint, count(*) FROM entity JOIN source ON source.id = entity.source GROUP BY source.id"
_NAMES: Final = "SELECT source.name, source.fingerprint, entity_id FROM entity JOIN source ON source.id = entity.source"
_LIST: Final = (
    "SELECT entity.entity_id, valid_until, digest, {what} FROM entity JOIN source ON source.id = entity.source {join}"
    " WHERE source.name = ? AND source.fingerprint = ? ORDER BY entity.id"
)
_SUMMARIES: Final = _LIST.format(what="summary", join="")
_DOCUMENTS: Final = _LIST.format(what="octets", join="JOIN document ON document.id = entity.id")


class IndexedRegistry(Registry):
    """All entities of these sources, the first source first. What is asked of one that was made before the last change is answered with
    what stands in the index now, but for entities that it holds."""

    def __init__(
        self,
        index: "MetadataIndex",
        sources: Sequence[IndexedSource],
        held: HeldEntities,
        reports: tuple[SourceReport, ...] = (),
        own: tuple[Entity, ...] = (),
    ) -> None:
        super().__init__((), reports)
        self._index = index
        self._indexed = tuple(sources)
        self._held = held
        self._own = {entity.entity_id: entity for entity in own}
        self._in_use: dict[str, _Held] = {}

    def __len__(self) -> int:
        there = self._index.rows(_COUNTS)
        wanted = {(source.name, source.fingerprint) for source in self._indexed}
        counts = [count for name, fingerprint, count in there if (name, fingerprint) in wanted]
        if len(counts) == 1:
            return int(counts[0]) + len(self._own)
        # The same entity may be in several.
        found = {
            entity_id for name, fingerprint, entity_id in self._index.rows(_NAMES) if (name, fingerprint) in wanted
        }
        return len(found | self._own.keys())

    def with_unlisted(self, entity: Entity) -> "IndexedRegistry":
        """See `Registry.with_unlisted`."""
        others = tuple(known for known in self._own.values() if known.entity_id != entity.entity_id)
        return IndexedRegistry(self._index, self._indexed, self._held, self.sources, (*others, entity))

    def get(self, entity_id: str, now: datetime) -> Entity | None:
        """See `Registry.get`. Raises `Unavailable` when the index can't be read."""
        held = self._in_use.get(entity_id)
        if held is not None and (held.until is None or now < held.until):
            return held.entity
        return self._find(entity_id, now)

    def _find(self, entity_id: str, now: datetime) -> Entity | None:
        own = self._own.get(entity_id)
        if own is not None:
            return own if not expired(own.valid_until, now) else None
        rows = self._rows(entity_id)
        fresh_until = None
        for source in self._indexed:
            if source.on_demand is not None:
                source.on_demand.look_up(entity_id, now)
                rows = self._rows(entity_id)
                answer = self._index.answer(source.name, source_id(entity_id))
                fresh_until = earliest(fresh_until, answer.fresh_until if answer is not None else now)
            row = rows.get(source.name)
            if row is None or row.fingerprint != source.fingerprint or expired(instant(row.valid_until), now):
                continue
            entity = self._held.entity(row, source)
            if entity is not None:
                keep(self._in_use, entity_id, _Held(entity, earliest(entity.valid_until, fresh_until)), MOST_HELD)
                return entity
        return None

    def _rows(self, entity_id: str) -> dict[str, EntityRow]:
        return {row[0]: EntityRow(*row) for row in self._index.rows(_BY_ENTITY_ID, entity_id)}

    def by_source_id(self, found: bytes, now: datetime) -> Entity | None:
        """See `Registry.by_source_id`."""
        own = next((entity_id for entity_id in self._own if source_id(entity_id) == found), None)
        if own is not None:
            return self.get(own, now)
        for ask in (None, *(source.on_demand for source in self._indexed if source.on_demand is not None)):
            if ask is not None:
                ask.look_up(found, now)
            for (entity_id,) in self._index.rows("SELECT DISTINCT entity_id FROM entity WHERE sha1 = ?", found):
                entity = self.get(entity_id, now)
                if entity is not None:
                    return entity
        return None

    def all(self, now: datetime) -> Iterator[Entity]:
        """See `Registry.all`. Reads each entity as it comes to it, and keeps none: for lists of thousands there are `summaries`."""
        for source, entity_id, valid_until, digest, octets in self._listed(_DOCUMENTS, now):
            row = EntityRow(source.name, source.fingerprint, entity_id, digest, valid_until, octets, UNCHECKED)
            entity = self._held.read(row, source)
            if entity is not None:
                yield entity

    def summaries(self, now: datetime, role: RoleName | None = None) -> Iterator[Summary]:
        """See `Registry.summaries`. Reads from the index as it goes, all of one moment."""
        for _, entity_id, valid_until, _, written in self._listed(_SUMMARIES, now):
            summary = read_summary(entity_id, instant(valid_until), written)
            if role is None or summary.has(role, now):
                yield summary

    def _listed(self, statement: str, now: datetime) -> Iterator[Any]:
        """The rows of all sources, each entity as the first source states it that has a statement."""
        several, seen = len(self._indexed) > 1, set(self._own)
        moment = stamp(now) or 0
        with self._index.snapshot() as connection:
            for source in self._indexed:
                for entity_id, valid_until, digest, content in connection.execute(
                    statement, (source.name, source.fingerprint)
                ):
                    past = valid_until is not None and valid_until <= moment
                    if past or entity_id in seen or digest in self._held.broken:
                        continue
                    if several:
                        seen.add(entity_id)
                    yield source, entity_id, valid_until, digest, content
