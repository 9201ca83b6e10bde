"""Keeps the index up to date with the sources: gets their documents, has them verified, remembers how it went. What is refused changes
nothing that is in force. One process of a machine does this at a time; who else wants to know reads the records.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from ostiary.config.alone import alone
from ostiary.config.sources import stamp
from ostiary.errors import ConfigurationError, OstiaryError, Refusal, Unavailable
from ostiary.federation.index import Indexed, MetadataIndex, check_documents, index_document, index_document_apart
from ostiary.federation.read import read_stored_entity
from ostiary.federation.sources.configured import Configured, DocumentSource, place_hash
from ostiary.federation.sources.fetching import Fetched, fetch
from ostiary.federation.sources.records import (
    RECORDS,
    SourceRecord,
    Tell,
    all_records,
    file_name,
    read_record,
    trouble_of,
    write_record,
)
from ostiary.federation.sources.schedule import after_failure, after_success
from ostiary.federation.sources.scopes import limited

LARGE: Final = 4 * 1_048_576
"""Larger documents (bytes) are read in a process of their own, so that none that serves grows."""

FORGOTTEN_AFTER: Final = timedelta(days=2)
"""What no process has had among its sources for so long is removed."""

MARK_EVERY: Final = timedelta(hours=1)
"""How often a process says which sources are still its own."""

_STATED: Final = (
    "SELECT octets FROM entity JOIN source ON source.id = entity.source JOIN document ON document.id = entity.id"
    " WHERE source.name = ?"
)
_EXPIRED: Final = "metadata.expired"


class Upkeep:
    """The documents of one state directory. ``random`` gives numbers from 0 to 1."""

    def __init__(self, state: Path, index: MetadataIndex, *, random: Callable[[], float], tell: Tell) -> None:
        self.index = index
        self._records = state / RECORDS
        self._copies = state / "documents"
        self._state = state
        self._random = random
        self._tell = tell
        self._marked_at: datetime | None = None
        self._hopeless: set[str] = set()
        self._checked: set[str] = set()
        try:
            for directory in (self._records, self._copies):
                directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                "metadata.state", file=state, expected="a directory that takes files", found=error.strerror
            ) from None

    def alone(self, purpose: str, *, wait: bool) -> AbstractContextManager[bool]:
        """See `ostiary.config.alone`: among those of this machine with the same purpose."""
        return alone(self._state / f"{purpose}.lock", wait=wait)

    def record(self, source: DocumentSource) -> SourceRecord:
        """How the source stands; a fresh record where nothing was tried yet."""
        known = read_record(self._records, source.name)
        return known if known is not None else SourceRecord(source.name, source.kind, source.place)

    # At the start

    def prepare(self, sources: Configured, now: datetime) -> None:
        """Sees to it that the index has every document: what is there already, else the local copy, verified once more, else from its
        source. Raises `ConfigurationError` (``metadata.file``, ``metadata.no_copy``) where there is nothing to begin with."""
        with self.alone("prepare", wait=True):
            for source in sources:
                if isinstance(source, DocumentSource):
                    self._prepare(source, now)

    def _prepare(self, source: DocumentSource, now: datetime) -> None:
        there = self.index.source(source.name) is not None
        if source.fetching is None:
            if not there or self._file_changed(source, self.record(source)):
                problem = self._attempt(source, now)
                if problem is not None and not there and self._from_copy(source, now, told=problem) != "used":
                    raise ConfigurationError(
                        "metadata.file", file=source.place, expected="usable metadata", found=problem
                    ) from problem
            return
        if there:
            return
        copy = self._from_copy(source, now)
        if copy == "used":
            return
        problem = self._attempt(source, now)
        # With one that was good once the service goes on as if it had not been stopped: nothing in it is given out.
        if problem is not None and not source.may_be_missing_at_start and copy != "expired":
            raise ConfigurationError(
                "metadata.no_copy", file=source.place, expected="a copy, or an answer now", found=problem
            ) from problem

    def _from_copy(
        self, source: DocumentSource, now: datetime, told: OstiaryError | None = None
    ) -> Literal["used", "expired", "none"]:
        """Indexes the last good document once more, from the copy of any reading: it is verified under this one. ``told``: why the source
        itself gave nothing, which stays the problem."""
        own = self._copy(source)
        others = self._copies.glob(f"{place_hash(source.kind, source.place)}-*.xml")
        ended = False
        for copy in [own, *sorted((path for path in others if path != own), key=_written, reverse=True)]:
            if not copy.is_file():
                continue
            try:
                indexed = self._index(source, copy, now)
            except Exception as error:
                # Whatever it is, a copy that can't be used is none, and the other sources have their turn.
                ended = ended or (isinstance(error, OstiaryError) and error.code == _EXPIRED)
                continue
            record = self._record_of(source, indexed.digest)
            if copy != own:
                shutil.copyfile(copy, own)
            record = _succeeded(record, indexed, record.last_success or now)
            if told is not None:
                record = replace(record, problem=trouble_of(told), last_attempt=now, failures=record.failures + 1)
            else:
                # It may be old: it is asked for as soon as there is somebody to do so.
                record = replace(record, next_attempt=None)
            write_record(self._records, record)
            return "used"
        return "expired" if ended else "none"

    def _record_of(self, source: DocumentSource, digest: str) -> SourceRecord:
        """What is known of the document of a copy, its validators among it, where they belong to that very document."""
        own = self.record(source)
        for known in (own, *(one for _, one in all_records(self._records))):
            if known.digest == digest and (known.kind, known.place) == (source.kind, source.place):
                return replace(known, source=source.name)
        return own

    # While the service runs

    def step(self, sources: Configured, now: datetime, *, at_once: bool = False) -> None:
        """Tries every document whose turn it is; ``at_once``: also those that are fetched later. Raises nothing but what makes the state
        directory unusable."""
        for source in sources:
            if isinstance(source, DocumentSource) and (
                self._is_due(source, now) or (at_once and source.fetching is not None)
            ):
                self._attempt(source, now)
        self._check(sources)

    def _check(self, sources: Configured) -> None:
        """What is new is held against the schema here, so that no look-up has to."""
        for source in sources:
            if isinstance(source, DocumentSource) and source.name not in self._checked:
                self._checked.add(source.name)
                # Where it fails, whoever looks an entity up does it.
                with contextlib.suppress(Unavailable):
                    check_documents(self.index, source.name)

    def refresh(self, source: DocumentSource, now: datetime) -> OstiaryError | None:
        """Tries one document now. Returns why it was refused."""
        return self._attempt(source, now)

    def _is_due(self, source: DocumentSource, now: datetime) -> bool:
        record = self.record(source)
        if self.index.source(source.name) is None:
            # Nothing came at the start, or the index was begun anew. A copy that was refused once is not verified again and again.
            if source.name not in self._hopeless and self._copy(source).is_file():
                if self._from_copy(source, now) == "used":
                    return False
                self._hopeless.add(source.name)
            return record.problem is None or _reached(record, source, now)
        if _ended(record, now) and (record.problem is None):
            self._refused(source, record, Refusal(_EXPIRED, found=record.root_valid_until or ""), now)
            return False
        if source.fetching is None:
            return self._file_changed(source, record) or (record.problem is not None and _reached(record, source, now))
        return _reached(record, source, now)

    def _file_changed(self, source: DocumentSource, record: SourceRecord) -> bool:
        return record.stamp != _stamp_of(source.place)

    def _attempt(self, source: DocumentSource, now: datetime) -> OstiaryError | None:
        record = self.record(source)
        unfinished = self._copies / f".{file_name(source.name)}.{secrets.token_hex(8)}"
        try:
            try:
                brought, is_new = self._brought(source, record, unfinished)
                if not is_new:
                    self._unchanged(source, brought, now)
                    return None
                indexed = self._index(source, unfinished, now)
                os.replace(unfinished, self._copy(source))
                self._hopeless.discard(source.name)
                dropped = self._scopes_dropped(source)
            except OSError as error:
                raise Unavailable("metadata.state", expected="room for a copy", found=error, file=self._state) from None
        except Exception as error:
            # Whatever it is, one source must not keep the others from their turn.
            problem = error if isinstance(error, OstiaryError) else _unforeseen(error)
            self._refused(source, replace(record, stamp=_stamp_of(source.place)), problem, now)
            return problem
        finally:
            unfinished.unlink(missing_ok=True)
        again = after_success(
            now,
            source.rhythm,
            cache_duration=indexed.cache_duration,
            valid_until=indexed.valid_until,
            random=self._random(),
        )
        done = replace(
            _succeeded(brought, indexed, now),
            next_attempt=again if source.fetching is not None else None,
            scopes_dropped=dropped,
        )
        write_record(self._records, done)
        if record.digest != indexed.digest or record.problem is not None:
            self._tell("metadata_refreshed", done, indexed)
        return None

    def _brought(self, source: DocumentSource, record: SourceRecord, into: Path) -> tuple[SourceRecord, bool]:
        """Writes the document into a file; gives the record with its validators, and whether it is another one than that in force."""
        if source.fetching is None:
            at = _stamp_of(source.place)
            try:
                shutil.copyfile(source.place, into)
            except OSError as error:
                code = "metadata.vanished" if isinstance(error, FileNotFoundError) else "metadata.file"
                raise ConfigurationError(
                    code, file=source.place, expected="a readable file", found=error.strerror
                ) from None
            return replace(record, stamp=at), True
        # Only what is in force may be called unchanged.
        known = self.index.source(source.name) is not None and record.digest is not None
        with open(into, "wb", opener=_private) as file:
            found = fetch(
                source.place,
                limits=source.fetching.limits,
                etag=record.etag if known else None,
                last_modified=record.last_modified if known else None,
                authorities=source.fetching.authorities,
                into=file,
            )
        if not isinstance(found, Fetched):
            return record, False
        validated = replace(record, etag=found.etag, last_modified=found.last_modified)
        # The same can come again from a server that knows nothing of conditions, or has been moved.
        return validated, not (known and _digest(into) == record.digest)

    def _unchanged(self, source: DocumentSource, record: SourceRecord, now: datetime) -> None:
        if _ended(record, now):
            # The publisher has stopped: nothing newer is there, and what is there is trusted no more.
            problem = Refusal(_EXPIRED, expected="newer metadata", found=record.root_valid_until or "")
            self._refused(source, record, problem, now)
            return
        again = after_success(
            now,
            source.rhythm,
            cache_duration=record.cached_for,
            valid_until=record.root_valid_until,
            random=self._random(),
        )
        done = replace(record, last_success=now, last_attempt=now, next_attempt=again, failures=0, problem=None)
        write_record(self._records, done)
        if record.problem is not None:
            self._tell("metadata_refreshed", done, None)

    def _refused(self, source: DocumentSource, record: SourceRecord, problem: OstiaryError, now: datetime) -> None:
        failures = record.failures + 1
        again = after_failure(now, source.rhythm, failures=failures, random=self._random())
        failed = replace(record, problem=trouble_of(problem), failures=failures, last_attempt=now, next_attempt=again)
        write_record(self._records, failed)
        if record.problem is None or record.problem.code != problem.code:
            self._tell("metadata_refused", failed, None)

    def _index(self, source: DocumentSource, document: Path, now: datetime) -> Indexed:
        self._checked.discard(source.name)
        put = index_document_apart if document.stat().st_size > LARGE else index_document
        return put(self.index, source.name, document, source.reading, now)

    def _scopes_dropped(self, source: DocumentSource) -> int:
        """How many scopes its entities claim beyond what it may speak for."""
        limits = source.reading.scopes
        if limits is None:
            return 0
        with self.index.snapshot() as connection:
            return sum(_beyond(octets, limits) for (octets,) in connection.execute(_STATED, (source.name,)))

    def _copy(self, source: DocumentSource) -> Path:
        return self._copy_named(source.kind, source.place, source.name.rpartition(" ")[2])

    def _copy_named(self, kind: str, place: str, reading: str) -> Path:
        return self._copies / f"{place_hash(kind, place)}-{reading}.xml"

    # What nobody has among his sources any more

    def mark_in_use(self, sources: Sequence[str], now: datetime) -> None:
        """Says that these sources (names) are somebody's, and removes what has been nobody's for `FORGOTTEN_AFTER`."""
        if self._marked_at is not None and timedelta(0) <= now - self._marked_at < MARK_EVERY:
            return
        self._marked_at = now
        for name in sources:
            with contextlib.suppress(OSError):
                os.utime(self._records / f"{file_name(name)}.json", (now.timestamp(), now.timestamp()))
        for path, known in all_records(self._records):
            if known.source in sources or not _is_old(path, now):
                continue
            self.index.remove(known.source)
            self._copy_named(known.kind, known.place, known.source.rpartition(" ")[2]).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        for path in self._copies.glob(".*"):
            # Of a process that was killed.
            if _is_old(path, now):
                path.unlink(missing_ok=True)


def _unforeseen(error: Exception) -> OstiaryError:
    return OstiaryError("metadata.refreshing", found=repr(error))


def _beyond(octets: bytes, limits: Sequence[str]) -> int:
    """How many scopes an entity claims beyond the limits; none where it can't be read, as nobody is given it then."""
    try:
        return len(limited(read_stored_entity(octets, None), limits)[1])
    except (OstiaryError, ValueError):
        return 0


def _is_old(path: Path, now: datetime) -> bool:
    return now.timestamp() - _written(path) >= FORGOTTEN_AFTER.total_seconds()


def _succeeded(record: SourceRecord, indexed: Indexed, now: datetime) -> SourceRecord:
    return replace(
        record,
        digest=indexed.digest,
        root_valid_until=indexed.valid_until,
        cache_duration=indexed.cache_duration.total_seconds() if indexed.cache_duration is not None else None,
        entities=indexed.entities,
        identity_providers=indexed.identity_providers,
        service_providers=indexed.service_providers,
        valid_until=indexed.earliest_end,
        left_out=indexed.left_out_count,
        not_selected=indexed.unwanted,
        last_success=now,
        last_attempt=now,
        failures=0,
        problem=None,
    )


def _ended(record: SourceRecord, now: datetime) -> bool:
    return record.root_valid_until is not None and now >= record.root_valid_until


def _reached(record: SourceRecord, source: DocumentSource, now: datetime) -> bool:
    """Whether its time has come; also when the clock was turned back since it was set."""
    at = record.next_attempt
    return at is None or now >= at or at - now > 2 * source.rhythm.interval(source.rhythm.no_later)


def _stamp_of(place: str) -> str:
    found = stamp(Path(place))
    return f"{found.mtime_ns} {found.size} {found.inode}"


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _digest(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while part := file.read(1_048_576):
            found.update(part)
    return found.hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
