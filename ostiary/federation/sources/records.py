"""What is known of each source between two refreshes, one small file for each: written by the one process that refreshes, read by all.
Says nothing about trust: what it describes is verified when it is read.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ostiary.config import write_private_file
from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.registry import SourceReport

if TYPE_CHECKING:
    from ostiary.federation.index import Indexed

RECORDS: Final = "records"
"""The directory of the records below that of the state."""

_MOST: Final = 65_536


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an attempt was refused: the facts of an `OstiaryError`."""

    code: str
    expected: str = ""
    found: str = ""
    params: tuple[tuple[str, str], ...] = ()

    def error(self) -> OstiaryError:
        """As an error, whose text the catalogue has."""
        known = dict.fromkeys(("code", "expected", "found"))
        params = {name: value for name, value in self.params if name not in known}
        return Refusal(self.code, expected=self.expected, found=self.found, **params)


def trouble_of(error: OstiaryError) -> Trouble:
    """What is kept of an error."""
    return Trouble(error.code, error.expected[:500], error.found[:500], tuple(error.params.items()))


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """``source`` is its name in the index, ``place`` the file or URL. ``etag``, ``last_modified``: of the document that is in force;
    ``stamp``: of the file that it was read from; ``digest`` (SHA-256) of it; ``fingerprint``: under which `Reading` it was indexed;
    ``root_valid_until``, ``cache_duration`` (seconds) of its root. The rest as in `SourceReport`."""

    source: str
    kind: str
    place: str
    etag: str | None = None
    last_modified: str | None = None
    stamp: str | None = None
    digest: str | None = None
    fingerprint: str | None = None
    root_valid_until: datetime | None = None
    cache_duration: float | None = None
    entities: int = 0
    identity_providers: int = 0
    service_providers: int = 0
    valid_until: datetime | None = None
    left_out: int = 0
    not_selected: int = 0
    scopes_dropped: int = 0
    last_success: datetime | None = None
    last_attempt: datetime | None = None
    next_attempt: datetime | None = None
    failures: int = 0
    problem: Trouble | None = None

    @property
    def cached_for(self) -> timedelta | None:
        """Its cacheDuration."""
        return timedelta(seconds=self.cache_duration) if self.cache_duration is not None else None

    def report(self) -> SourceReport:
        """For status pages and commands."""
        return SourceReport(
            self.place,
            self.entities,
            self.identity_providers,
            self.service_providers,
            self.valid_until,
            self.kind,
            self.left_out,
            self.not_selected,
            self.scopes_dropped,
            self.last_success,
            self.last_attempt,
            self.next_attempt,
            self.problem.error() if self.problem is not None else None,
        )


def file_name(source: str) -> str:
    """A name for the files of a source: as long as any other, and nothing in it that a path could mean."""
    return sha256(source.encode()).hexdigest()[:32]


def write_record(directory: Path, record: SourceRecord) -> None:
    """Whole or not at all. Raises `ConfigurationError` when the directory does not take it."""
    written: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, datetime):
            value = value.isoformat()
        elif isinstance(value, Trouble):
            value = {
                "code": value.code,
                "expected": value.expected,
                "found": value.found,
                "params": dict(value.params),
            }
        written[field.name] = value
    write_private_file(directory / f"{file_name(record.source)}.json", json.dumps(written, indent=1).encode())


def read_record(directory: Path, source: str) -> SourceRecord | None:
    """The record of that source; None where there is none that can be read: then it is as if nothing had been fetched yet."""
    found = _read(directory / f"{file_name(source)}.json")
    return found if found is not None and found.source == source else None


def all_records(directory: Path) -> Iterator[tuple[Path, SourceRecord]]:
    """Every record that can be read, with its file."""
    for path in sorted(directory.glob("*.json")):
        found = _read(path)
        if found is not None:
            yield path, found


def _read(path: Path) -> SourceRecord | None:
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_MOST))
        return SourceRecord(**{field.name: _value(field.name, told[field.name]) for field in fields(SourceRecord)})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


_INSTANTS: Final = frozenset({"root_valid_until", "valid_until", "last_success", "last_attempt", "next_attempt"})


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _INSTANTS:
        return datetime.fromisoformat(value)
    if name == "problem":
        return _trouble(value)
    return value


def _trouble(told: Mapping[str, Any]) -> Trouble:
    return Trouble(told["code"], told["expected"], told["found"], tuple(told["params"].items()))


class Tell(Protocol):
    """Is told when something about a source changes: ``event`` is ``metadata_refreshed`` or ``metadata_refused``."""

    def __call__(self, event: str, record: SourceRecord, changes: "Indexed | None") -> None:
        """Raises nothing."""
        ...


def tell_nobody(event: str, record: SourceRecord, changes: "Indexed | None") -> None:
    """For commands that look at the result themselves."""
