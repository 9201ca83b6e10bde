"""Metadata on demand (draft-young-md-query, with its SAML profile): one server is asked for one entity when somebody needs it, and what it
answers goes, verified, into the index, where all processes of the machine find it.

Whoever comes while the server is down waits once and shortly; the last good answer serves for as long as it is valid. Strangers decide
whose name is looked up here, so everything that they can cause is bounded: rate, size, and what is kept.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ostiary.config.alone import alone
from ostiary.errors import OstiaryError, Refusal, Unavailable
from ostiary.federation.entity_ids import check_entity_id
from ostiary.federation.index import MetadataIndex, index_absence, index_entity
from ostiary.federation.index.indexing import index_same_again, keep_newest
from ostiary.federation.index.records import Answer, instant
from ostiary.federation.sources.breaker import Allowance, Breaker
from ostiary.federation.sources.configured import QuerySource
from ostiary.federation.sources.fetching import Fetched, FetchLimits, NotModified, fetch
from ostiary.federation.sources.records import (
    RECORDS,
    SourceRecord,
    Tell,
    read_record,
    tell_nobody,
    trouble_of,
    write_record,
)
from ostiary.federation.sources.schedule import Rhythm
from ostiary.saml.artifact import source_id
from ostiary.saml.xml import METADATA, parse_xml, read_duration, read_instant

LOCKS: Final = "asking"
"""The directory below the state where processes wait for each other."""
AT_ONCE: Final = 8
"""Questions to one server at a time, of one process."""
IN_BACKGROUND: Final = 2
ASKED_AGAIN_AFTER: Final = timedelta(minutes=1)
"""After an answer that could not be used: of this entity alone."""

_AHEAD: Final = 0.75
_MOST_UNUSABLE: Final = 1_000
_LONGEST_PATH: Final = 2_000
_COUNTED_EVERY: Final = 64
_NOTED_EVERY: Final = timedelta(minutes=1)
_LOOK_AGAIN: Final = 0.02
_NO_SERVER: Final = frozenset({"fetch.unreachable", "fetch.too_slow"})


@dataclass(frozen=True, slots=True)
class Note:
    """What is kept beside an answer: its validators, for how long it is good, and until when nobody has to wait for a newer one."""

    until: datetime
    lifetime: timedelta
    valid_until: datetime | None = None
    etag: str | None = None
    last_modified: str | None = None

    def written(self) -> str:
        """`note_of` reads it."""
        return json.dumps(
            {
                "until": self.until.isoformat(),
                "lifetime": self.lifetime.total_seconds(),
                "valid_until": self.valid_until.isoformat() if self.valid_until is not None else None,
                "etag": self.etag,
                "last_modified": self.last_modified,
            }
        )


def note_of(answer: Answer | None) -> Note | None:
    """What `Note.written` wrote beside a positive answer; None where there is none that can be read."""
    if answer is None or not answer.found:
        return None
    try:
        told = json.loads(answer.note)
        end = told["valid_until"]
        return Note(
            datetime.fromisoformat(told["until"]),
            timedelta(seconds=told["lifetime"]),
            datetime.fromisoformat(end) if end is not None else None,
            told["etag"],
            told["last_modified"],
        )
    except (ValueError, TypeError, KeyError):
        return None


def address_of(base: str, entity_id: str | bytes, *, by_sha1: bool = False) -> str:
    """Where a server that is at ``base`` has an entity, by entityID or by its SHA-1 (bytes). ``by_sha1``: its entityID is not spelled out.
    Neither is one that is too long for an address, or that a path would take for a step (``..``)."""
    if isinstance(entity_id, str) and not by_sha1:
        spelled = quote(entity_id, safe="")
        if len(spelled) <= _LONGEST_PATH and entity_id not in (".", ".."):
            return f"{base.rstrip('/')}/entities/{spelled}"
    sha1 = source_id(entity_id) if isinstance(entity_id, str) else entity_id
    return f"{base.rstrip('/')}/entities/%7Bsha1%7D{sha1.hex()}"


def lifetime_of(document: bytes, told: timedelta | None, rhythm: Rhythm) -> tuple[timedelta, datetime | None]:
    """For how long an answer is good, within the bounds of ``rhythm``, and its validUntil: the shorter of its cacheDuration and what the
    server said over HTTP. Nothing here is believed yet, and it only makes us ask sooner. Raises `Refusal` (``xml.*``)."""
    root = parse_xml(document, METADATA)
    said, end = root.get("cacheDuration"), root.get("validUntil")
    wanted = [told] if told is not None else []
    if said is not None:
        with contextlib.suppress(Refusal):
            wanted.append(read_duration(said))
    return rhythm.interval(min(wanted, default=None)), read_instant(end) if end is not None else None


class MdqSource:
    """One server. Several threads may use it; processes share what it brings by the index, and ask for one entity one at a time."""

    def __init__(
        self,
        source: QuerySource,
        index: MetadataIndex,
        state: Path,
        *,
        random: Callable[[], float],
        tell: Tell = tell_nobody,
    ) -> None:
        self._settings, self._reading, self._name, self._place = (
            source.settings,
            source.reading,
            source.name,
            source.place,
        )
        self._index, self._state, self._random, self._tell = index, state, random, tell
        settings = source.settings
        self._rhythm = Rhythm(settings.refresh_every, settings.refresh_no_sooner, settings.refresh_no_later)
        self._limits = FetchLimits(
            settings.max_bytes,
            settings.time_limit,
            allow_http_beyond_loopback=settings.allow_http_beyond_loopback,
        )
        self._breaker = Breaker()
        self._strangers = Allowance(settings.new_entities_per_minute)
        self._lock = threading.Lock()
        self._asking: dict[bytes, threading.Event] = {}
        self._unusable: dict[bytes, datetime] = {}
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._behind = threading.BoundedSemaphore(IN_BACKGROUND)
        self._taken = 0
        self._noted_at: datetime | None = None

    def look_up(self, entity_id: str | bytes, now: datetime) -> None:
        """See `ostiary.federation.index.OnDemand`. An answer that will soon be old is renewed in the background."""
        with contextlib.suppress(OstiaryError):
            self._look_up(entity_id, now)

    def _look_up(self, entity_id: str | bytes, now: datetime) -> None:
        if isinstance(entity_id, str):
            check_entity_id(entity_id)
        sha1 = source_id(entity_id) if isinstance(entity_id, str) else entity_id
        answer = self._index.answer(self._name, sha1)
        if answer is not None and now < answer.fresh_until:
            return
        if self._is_unusable(sha1, now) or self._breaker.is_open(now):
            return
        note = note_of(answer)
        if note is not None and now < note.until:
            self._ask_behind(entity_id, sha1, now)
            return
        if note is None and not self._strangers.takes(now):
            return
        self._ask_once(entity_id, sha1, now)

    def _is_unusable(self, sha1: bytes, now: datetime) -> bool:
        with self._lock:
            until = self._unusable.get(sha1)
            if until is not None and now >= until:
                del self._unusable[sha1]
            return until is not None and now < until

    def _ask_behind(self, entity_id: str | bytes, sha1: bytes, now: datetime) -> None:
        """In a thread by itself; not if enough of them are at work, or one for this entity is: there will be another request."""
        with self._lock:
            if sha1 in self._asking:
                return
        if not self._behind.acquire(blocking=False):
            return

        def ask() -> None:
            try:
                with contextlib.suppress(OstiaryError):
                    self._ask_once(entity_id, sha1, now)
            finally:
                self._behind.release()

        threading.Thread(target=ask, name="metadata-query", daemon=True).start()

    def _ask_once(self, entity_id: str | bytes, sha1: bytes, now: datetime) -> None:
        """Asks, or waits for who is asking for the same."""
        with self._lock:
            other = self._asking.get(sha1)
            if other is None:
                mine = self._asking[sha1] = threading.Event()
        patience = self._settings.time_limit.total_seconds()
        if other is not None:
            other.wait(patience)
            return
        try:
            if self._places.acquire(timeout=patience):
                try:
                    self._ask_alone(entity_id, sha1, now)
                finally:
                    self._places.release()
        finally:
            with self._lock:
                del self._asking[sha1]
            mine.set()

    def _ask_alone(self, entity_id: str | bytes, sha1: bytes, now: datetime) -> None:
        before = self._index.answer(self._name, sha1)
        with self._turn(sha1) as ours:
            answer = self._index.answer(self._name, sha1)
            # Another process may have been faster; or somebody just found the server dead.
            if not ours or answer != before or not self._breaker.lets_through(now):
                return
            self._ask(entity_id, sha1, answer, now)

    @contextlib.contextmanager
    def _turn(self, sha1: bytes) -> Iterator[bool]:
        """Holds off other processes that want the same; False when one of them took too long."""
        locks = self._state / LOCKS
        deadline = time.monotonic() + self._settings.time_limit.total_seconds()
        try:
            locks.mkdir(mode=0o700, exist_ok=True)
            while True:
                with alone(locks / f"{sha1[:1].hex()}.lock", wait=False) as ours:
                    if ours or time.monotonic() >= deadline:
                        yield ours
                        return
                time.sleep(_LOOK_AGAIN)
        except OSError as error:
            raise Unavailable(
                "metadata.state", expected="a directory that takes files", found=error, file=locks
            ) from None

    def _ask(self, entity_id: str | bytes, sha1: bytes, answer: Answer | None, now: datetime) -> None:
        note = note_of(answer)
        url = address_of(self._place, entity_id, by_sha1=self._settings.ask_by == "sha1")
        try:
            found = fetch(
                url,
                limits=self._limits,
                etag=note.etag if note is not None else None,
                last_modified=note.last_modified if note is not None else None,
                authorities=self._settings.tls_authorities,
            )
        except Refusal as problem:
            self._no_document(sha1, problem, now)
            return
        self._breaker.answered()
        try:
            self._take(entity_id, sha1, found, note, now)
        except (OstiaryError, ValueError) as error:
            unusable = error if isinstance(error, OstiaryError) else Refusal("metadata.unreadable", found=error)
            self._put_aside(sha1, now)
            self._note_state(now, unusable)
            return
        self._note_state(now, None)

    def _no_document(self, sha1: bytes, problem: Refusal, now: datetime) -> None:
        if problem.code == "fetch.missing":
            # Who was taken out of the federation is believed no more, from this moment on.
            self._breaker.answered()
            end = now + self._settings.absent_for
            index_absence(self._index, self._name, sha1, self._reading, fresh_until=end)
            self._note_state(now, None)
            return
        if problem.code in _NO_SERVER:
            self._breaker.failed(now)
        else:
            # Strangers choose the name, so a name that the server stumbles over must not keep all others from being asked for.
            self._breaker.answered()
            self._put_aside(sha1, now)
        self._note_state(now, problem)

    def _take(
        self, entity_id: str | bytes, sha1: bytes, found: Fetched | NotModified, note: Note | None, now: datetime
    ) -> None:
        if isinstance(found, NotModified):
            if note is not None:
                lifetime = self._rhythm.interval(found.fresh_for) if found.fresh_for is not None else note.lifetime
                again = self._noted(found, lifetime, note.valid_until, now)
                due = self._due(again, now)
                index_same_again(self._index, self._name, sha1, fresh_until=due, note=again.written())
            return
        lifetime, end = lifetime_of(found.content, found.fresh_for, self._rhythm)
        fresh = self._noted(found, lifetime, end, now)
        self._taken += 1
        if self._taken % _COUNTED_EVERY == 1:
            keep_newest(self._index, self._name, self._settings.most_entities)
        index_entity(
            self._index,
            self._name,
            entity_id,
            found.content,
            self._reading,
            now,
            fresh_until=self._due(fresh, now),
            note=fresh.written(),
        )

    def _noted(self, found: Fetched | NotModified, lifetime: timedelta, end: datetime | None, now: datetime) -> Note:
        until = now + lifetime if end is None else min(now + lifetime, max(end, now))
        return Note(until, lifetime, end, found.etag, found.last_modified)

    def _due(self, note: Note, now: datetime) -> datetime:
        """When it is renewed in the background: before it is old, and not everything at once."""
        return now + (note.until - now) * (_AHEAD - 0.1 * self._random())

    def _put_aside(self, sha1: bytes, now: datetime) -> None:
        with self._lock:
            while len(self._unusable) >= _MOST_UNUSABLE:
                del self._unusable[next(iter(self._unusable))]
            self._unusable[sha1] = now + ASKED_AGAIN_AFTER

    def _note_state(self, now: datetime, problem: OstiaryError | None) -> None:
        """For the status pages: when something changed, else once in a while."""
        records = self._state / RECORDS
        last = read_record(records, self._name) or SourceRecord(self._name, "mdq", self._place)
        news = (last.problem.code if last.problem is not None else None) != (
            problem.code if problem is not None else None
        )
        with self._lock:
            if not news and self._noted_at is not None and now - self._noted_at < _NOTED_EVERY:
                return
            self._noted_at = now
        entities, idps, sps, end = _held(self._index, self._name)
        record = replace(
            last,
            entities=entities,
            identity_providers=idps,
            service_providers=sps,
            valid_until=end,
            last_attempt=now,
            last_success=now if problem is None else last.last_success,
            failures=0 if problem is None else last.failures + 1,
            problem=trouble_of(problem) if problem is not None else None,
        )
        with contextlib.suppress(OSError):
            records.mkdir(mode=0o700, exist_ok=True)
        write_record(records, record)
        if news:
            self._tell("metadata_refused" if problem is not None else "metadata_refreshed", record, None)


def _held(index: MetadataIndex, source: str) -> tuple[int, int, int, datetime | None]:
    """How many entities, IdPs and SPs of this source are held, and when the first of them expires."""
    [(entities, idps, sps, end)] = index.rows(
        "SELECT count(*), coalesce(sum(idp), 0), coalesce(sum(sp), 0), min(valid_until)"
        " FROM entity JOIN source ON source.id = entity.source WHERE source.name = ?",
        source,
    )
    return entities, idps, sps, instant(end)
