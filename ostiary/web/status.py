"""What operators are told about a running service: data, and its JSON. No secrets, no names of people."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ostiary.errors import ConfigurationError, OstiaryError
from ostiary.federation.registry import SourceReport
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key; ``fingerprint`` in hex."""

    state: str
    kind: str
    since: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys for one purpose, and the next step of `ostiary keys rotate`, allowed from ``next_step_from`` on (None: at any time)."""

    purpose: str
    keys: tuple[KeyLine, ...]
    next_step: str
    next_step_from: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something was refused: the error's code, where, and the sentence for people."""

    code: str
    file: str
    line: int | None
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class MetadataLine:
    """One source of metadata as it stands; see `SourceReport`. ``valid_until``: the first of its entities to expire; ``written``: when the
    file was, of one that is there."""

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
    problem: Problem | None = None
    written: datetime | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """Files that are read while the service runs: when what is in force was read, and why a newer state was refused."""

    name: str
    read_at: datetime
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Check:
    """Something the service needs: whether it answers."""

    name: str
    good: bool
    problem: Problem | None
    details: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service that has nothing but metadata and keys, at one moment."""

    version: str
    now: datetime
    started: datetime
    watched: tuple[Watched, ...]
    metadata: tuple[MetadataLine, ...]

    @property
    def good(self) -> bool:
        """Whether nothing waits for the operator."""
        return all(watched.problem is None for watched in self.watched) and all(
            line.problem is None for line in self.metadata
        )


def as_json(value: object) -> object:
    """A status as JSON has it: times in ISO 8601, and first of all whether all is well."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        written = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        return {"good": value.good, **written} if "good" not in written and hasattr(value, "good") else written
    if isinstance(value, tuple):
        return [as_json(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): as_json(part) for name, part in value.items()}
    return value


def problem_of(error: OstiaryError | None, texts: Catalogue) -> Problem | None:
    """Code, place and sentence; not what was found, which could be anything."""
    if error is None:
        return None
    message, _ = texts.error(SOURCE_LANGUAGE, error)
    if isinstance(error, ConfigurationError):
        return Problem(error.code, error.file, error.line, error.key, message)
    return Problem(error.code, "", None, "", message)


def metadata_lines(reports: Iterable[SourceReport], texts: Catalogue) -> tuple[MetadataLine, ...]:
    """The same for a page."""
    return tuple(
        MetadataLine(
            one.file,
            one.entities,
            one.identity_providers,
            one.service_providers,
            one.valid_until,
            one.kind,
            one.left_out,
            one.not_selected,
            one.scopes_dropped,
            one.last_success,
            one.last_attempt,
            one.next_attempt,
            problem_of(one.problem, texts),
            _written(Path(one.file)) if one.kind in ("file", "directory") else None,
        )
        for one in reports
    )


def _written(file: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        # What is in force was read from it; that it is gone is what the configuration complains of.
        return None


def check_of(name: str, ask: Callable[[], object], texts: Catalogue) -> Check:
    """Whether something answers: ``ask`` raises `OstiaryError` while it does not."""
    try:
        ask()
    except OstiaryError as problem:
        return Check(name, False, problem_of(problem, texts))
    return Check(name, True, None)


def own_version() -> str:
    """Of this software."""
    try:
        return version("ostiary")
    except PackageNotFoundError:
        return "a checkout"
