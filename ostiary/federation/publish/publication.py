"""When a document is published anew, and when the last one stays: pure rules over what is known of the last time. Publishes nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.publish.documents import Publisher, Terms
from ostiary.federation.sources.records import Trouble, trouble_of
from ostiary.federation.sources.selection import Selection
from ostiary.saml.xml import read_instant, write_instant

FIRST_RETRY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Publication:
    """One selection of entities, published as one document.

    ``name`` is what it is called in addresses and files, ``aggregate_name`` the ``Name`` of the document (a URI). It is made anew ``every``
    so often, and up to ``jitter`` later; ``valid_for`` and ``cache_duration`` are what it says. ``may_shrink``: less than half of the
    last time is published, too.
    """

    name: str
    aggregate_name: str
    selection: Selection
    valid_for: timedelta = timedelta(days=7)
    cache_duration: timedelta = timedelta(hours=6)
    every: timedelta = timedelta(hours=1)
    jitter: timedelta = timedelta(minutes=5)
    publisher: Publisher | None = None
    may_shrink: bool = False

    def terms(self, now: datetime) -> Terms:
        """What a document that is made now says about itself."""
        return Terms(now + self.valid_for, self.cache_duration, self.publisher)

    def fingerprint(self, key: bytes) -> str:
        """Changes with everything that makes another document of the same entities: settings, and the certificate of the key that signs."""
        told = {
            "name": self.aggregate_name,
            "include": self.selection.include.as_json(),
            "exclude": self.selection.exclude.as_json(),
            "seconds": [self.valid_for.total_seconds(), self.cache_duration.total_seconds()],
            "publisher": asdict(self.publisher) if self.publisher is not None else None,
            "key": sha256(key).hexdigest(),
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SourceState:
    """What of a source counts here: whether it has anything valid, whether it is in alarm. ``on_demand``: it is asked for one entity at a
    time, and never has all."""

    name: str
    entities: int
    problem: str | None = None
    on_demand: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A document that was made and is not published yet."""

    entities: int
    left_out: int
    sources: tuple[SourceState, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a publication. ``published_at``, ``valid_until``, ``entities``, ``left_out`` and ``octets`` are of the document that
    is out; ``made_of`` is the fingerprint at the last attempt, ``failures`` counts those since the last success."""

    published_at: datetime | None = None
    valid_until: datetime | None = None
    entities: int = 0
    left_out: int = 0
    octets: int = 0
    attempted_at: datetime | None = None
    next_attempt: datetime | None = None
    made_of: str = ""
    failures: int = 0
    trouble: Trouble | None = None

    def is_out(self, now: datetime) -> bool:
        """Whether a document is out that still counts."""
        return self.valid_until is not None and now < self.valid_until

    def as_json(self) -> dict[str, Any]:
        """For a file; `record_from` reads it."""
        told = {
            name: write_instant(value) if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }
        return {name: value for name, value in told.items() if value is not None}


def record_from(data: Mapping[str, Any]) -> Record:
    """What `Record.as_json` wrote. Raises `ValueError` or `TypeError`, and `Refusal`, for anything else."""
    known = dict(data)
    for name in ("published_at", "valid_until", "attempted_at", "next_attempt"):
        if name in known:
            known[name] = read_instant(known[name])
    if "trouble" in known:
        told = dict(known["trouble"])
        told["params"] = tuple((str(name), str(value)) for name, value in told.get("params", ()))
        known["trouble"] = Trouble(**told)
    return Record(**known)


def is_due(record: Record, made_of: str, now: datetime) -> bool:
    """Whether it is time for an attempt: by the timer, or because other settings or another key would make another document."""
    return record.next_attempt is None or now >= record.next_attempt or record.made_of != made_of


def reason_to_keep(last: Record, made: Made, publication: Publication, now: datetime) -> Refusal | None:
    """Why the document that is out stays, in place of the one that was just made; None: the new one is published.

    What has nothing in it is never published. While one is out that counts: a source that has nothing now would take all of its entities
    away, and so would a selection that is suddenly less than half; that one stays until its end. A source that is in alarm, but has its
    last good copy, keeps it for half of its validity: then what there is is published, so that the alarm of one source ends nothing of
    the others.
    """
    if made.entities == 0:
        return Refusal("publish.empty", expected="at least one entity", found="none")
    if last.valid_until is None or not last.is_out(now):
        return None
    if publication.may_shrink:
        return None
    gone = [source.name for source in made.sources if source.entities == 0 and not source.on_demand]
    if gone:
        return Refusal("publish.source_empty", expected="valid entities in each source", found=", ".join(gone))
    if made.entities * 2 < last.entities:
        expected = f"at least half of {last.entities} entities"
        return Refusal("publish.shrunk", expected=expected, found=made.entities)
    alarmed = [source.name for source in made.sources if source.problem is not None]
    if alarmed and last.valid_until - now > publication.valid_for / 2:
        return Refusal("publish.source_alarm", expected="sources without alarm", found=", ".join(alarmed))
    return None


def after_success(
    made: Made, publication: Publication, made_of: str, *, octets: int, now: datetime, chance: float
) -> Record:
    """``chance``: from 0 to 1, how much of the jitter is waited for."""
    return Record(
        published_at=now,
        valid_until=now + publication.valid_for,
        entities=made.entities,
        left_out=made.left_out,
        octets=octets,
        attempted_at=now,
        next_attempt=now + publication.every + publication.jitter * chance,
        made_of=made_of,
    )


def after_failure(
    last: Record, problem: OstiaryError, publication: Publication, made_of: str, *, now: datetime, chance: float
) -> Record:
    """The next attempt comes after a minute, then after twice as long each time, up to the usual time between two."""
    wait = min(FIRST_RETRY * 2 ** min(last.failures, 16), publication.every)
    return replace(
        last,
        attempted_at=now,
        next_attempt=now + wait + min(publication.jitter, wait) * chance,
        made_of=made_of,
        failures=last.failures + 1,
        trouble=trouble_of(problem),
    )


def waiting(records: Sequence[Record], now: datetime) -> bool:
    """Whether any of them has nothing out that counts."""
    return any(not record.is_out(now) for record in records)
