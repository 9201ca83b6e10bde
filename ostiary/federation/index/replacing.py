"""Writes what a source says now over what it said before, in one transaction: only what is different. Proves nothing; commits nothing."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.index.extraction import Descriptor, digest_of, root_cache_duration
from ostiary.federation.index.in_short import in_short
from ostiary.federation.index.records import (
    MOST_LEFT_OUT,
    UNCHECKED,
    Indexed,
    LeftOut,
    SourceState,
    instant,
    left_out,
    stamp,
    summary_from,
    written,
)
from ostiary.federation.index.store import count_up, empty_source
from ostiary.federation.sources.reading import Reading
from ostiary.federation.sources.selection import Selection
from ostiary.federation.summary import earliest
from ostiary.saml.artifact import source_id
from ostiary.saml.xml import Element

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _Known:
    """A row that is there: its number, what tells that it changed, and its own end."""

    row: int
    digest: bytes
    own_end: int | None


class Replacement:
    """One document, or one entity (``only``: the SHA-1 of its entityID), of a source. ``valid_until``: of the document's root. ``checked``:
    what `checking` would find, where it is known.

    Of what was indexed under another reading (other keys, another filter) nothing stays.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        name: str,
        reading: Reading,
        valid_until: datetime | None,
        *,
        only: bytes | None = None,
        checked: int = UNCHECKED,
    ) -> None:
        self.source = _source(connection, name, reading.fingerprint())
        self._connection = connection
        self._checked = checked
        self._name, self._reading, self._valid_until, self._only = name, reading, valid_until, only
        self._known = {
            entity_id: _Known(*row)
            for entity_id, *row in connection.execute(
                "SELECT entity_id, id, digest, own_end FROM entity WHERE source = ?1 AND (?2 IS NULL OR sha1 = ?2)",
                (self.source, only),
            )
        }
        self._next = int(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM entity").fetchone()[0])
        self._selects = reading.selection != Selection()
        self._seen: set[str] = set()
        self._twice: dict[str, None] = {}
        self._not_taken: set[str] = set()
        self._left_out: list[LeftOut] = []
        self._left_out_count = self._unwanted = 0
        self._added = self._changed = 0
        self._entities: list[tuple[Any, ...]] = []
        self._documents: list[tuple[int, bytes]] = []

    def leave_out(self, entity_id: str, problem: OstiaryError) -> None:
        """Notes an entity that can't be taken."""
        self._left_out_count += 1
        if len(self._left_out) < MOST_LEFT_OUT:
            self._left_out.append(left_out(entity_id, problem))

    def take(self, descriptor: Descriptor) -> None:
        """One more entity of the document."""
        entity_id = descriptor.entity_id
        if entity_id in self._seen:
            self._twice[entity_id] = None
            return
        self._seen.add(entity_id)
        known = self._known.get(entity_id)
        octets = descriptor.octets()
        digest = digest_of(octets)
        own_end = stamp(descriptor.own_end)
        if known is not None and known.digest == digest and known.own_end == own_end:
            return
        try:
            short = in_short(descriptor.element, self._reading.scopes)
        except (OstiaryError, ValueError) as error:
            problem = error if isinstance(error, OstiaryError) else Refusal("metadata.unreadable", found=error)
            self._not_taken.add(entity_id)
            self.leave_out(entity_id, problem)
            return
        if self._selects and not self._reading.selection.keeps(summary_from(entity_id, None, short)):
            self._not_taken.add(entity_id)
            self._unwanted += 1
            return
        if known is not None:
            self._changed += 1
            self._delete([known.row])
        else:
            self._added += 1
        roles = [name for name, _ in short[0]]
        self._entities.append(
            (
                *(self._next, self.source, entity_id, source_id(entity_id), digest, own_end),
                stamp(earliest(descriptor.own_end, self._valid_until)),
                *("idp" in roles, "sp" in roles),
                written(short),
                self._checked,
            )
        )
        self._documents.append((self._next, octets))
        self._next += 1
        if len(self._entities) >= _BATCH:
            self._flush()

    def finish(self, root: Element, digest: str, now: datetime, last: SourceState | None) -> Indexed:
        """After the last entity: removes those that the document does not have any more, and counts. ``last``: how the source stood.

        Raises `Refusal` (``metadata.empty``, ``metadata.shrunk``): then nothing of it may be committed.
        """
        self._leave_out_twice()
        stated = len(self._seen) + self._left_out_count - len(self._not_taken) + self._unwanted
        readable = stated - self._left_out_count
        if readable == 0:
            first = self._left_out[0].code if self._left_out else "none"
            raise Refusal("metadata.empty", expected="at least one entity that can be read", found=first)
        if last is not None and not self._reading.may_shrink:
            before = last.indexed.stated - last.indexed.left_out_count
            if readable * 2 < before:
                raise Refusal("metadata.shrunk", expected=f"at least half of {before} entities", found=readable)
        removed = self._remove_others()
        self._write_ends()
        entities, idps, sps, first_end = self._connection.execute(
            "SELECT count(*), coalesce(sum(idp), 0), coalesce(sum(sp), 0), min(valid_until) FROM entity WHERE source = ?",
            (self.source,),
        ).fetchone()
        indexed = Indexed(
            self._name,
            digest,
            self._valid_until,
            root_cache_duration(root),
            stated=stated,
            entities=entities,
            identity_providers=idps,
            service_providers=sps,
            earliest_end=instant(first_end),
            added=self._added,
            changed=self._changed,
            removed=removed,
            unwanted=self._unwanted,
            left_out_count=self._left_out_count,
            left_out=tuple(self._left_out),
        )
        self._connection.execute(
            "UPDATE source SET indexed_at = ?, indexed = ? WHERE id = ?",
            (stamp(now), json.dumps(indexed.as_json()), self.source),
        )
        # A change of validUntil alone is one, too: nobody goes on with the old one.
        if self._added or self._changed or removed or last is None or last.indexed.valid_until != self._valid_until:
            count_up(self._connection)
        return indexed

    def finish_one(self) -> bool:
        """The same for one entity; whether there is one now. Raises the `Refusal` of an entity that can't be taken."""
        if self._left_out:
            problem = self._left_out[0]
            raise Refusal(problem.code, expected=problem.expected, found=problem.found)
        if self._remove_others() or self._added or self._changed or self._write_ends():
            count_up(self._connection)
        return bool(self._seen - self._not_taken)

    def _leave_out_twice(self) -> None:
        """Nobody knows which of two descriptions is meant: neither is trusted, and the others stay."""
        self._flush()
        for entity_id in self._twice:
            self.leave_out(
                entity_id, Refusal("metadata.duplicate_entity", expected="each entityID once", found=entity_id)
            )
            if entity_id not in self._known and entity_id not in self._not_taken:
                self._added -= 1
            self._not_taken.add(entity_id)
            row = self._connection.execute(
                "SELECT id FROM entity WHERE source = ? AND entity_id = ?", (self.source, entity_id)
            ).fetchone()
            if row is not None:
                self._delete(row)

    def _remove_others(self) -> int:
        """Those that were there and are not any more."""
        self._flush()
        gone = [
            known.row
            for entity_id, known in self._known.items()
            if entity_id not in self._seen or entity_id in self._not_taken
        ]
        self._delete(gone)
        return len(gone)

    def _write_ends(self) -> int:
        """The effective end of each: the earlier of its own and the root's, which is another one with each document."""
        return self._connection.execute(
            "UPDATE entity SET valid_until = min(coalesce(own_end, ?2), coalesce(?2, own_end))"
            " WHERE source = ?1 AND valid_until IS NOT min(coalesce(own_end, ?2), coalesce(?2, own_end))"
            " AND (?3 IS NULL OR sha1 = ?3)",
            (self.source, stamp(self._valid_until), self._only),
        ).rowcount

    def _delete(self, rows: Sequence[int]) -> None:
        for statement in ("DELETE FROM entity WHERE id = ?", "DELETE FROM document WHERE id = ?"):
            self._connection.executemany(statement, [(row,) for row in rows])

    def _flush(self) -> None:
        self._connection.executemany("INSERT INTO entity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._entities)
        self._connection.executemany("INSERT INTO document VALUES (?, ?)", self._documents)
        self._entities.clear()
        self._documents.clear()


def _source(connection: sqlite3.Connection, name: str, fingerprint: str) -> int:
    """The number of a source; with another fingerprint, it begins anew."""
    row = connection.execute("SELECT id, fingerprint FROM source WHERE name = ?", (name,)).fetchone()
    if row is None:
        added = connection.execute("INSERT INTO source (name, fingerprint) VALUES (?, ?)", (name, fingerprint))
        return int(added.lastrowid or 0)
    number = int(row[0])
    if row[1] != fingerprint:
        empty_source(connection, number)
        connection.execute("UPDATE source SET fingerprint = ?, indexed = NULL WHERE id = ?", (fingerprint, number))
        count_up(connection)
    return number
