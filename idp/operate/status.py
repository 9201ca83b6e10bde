"""What the operator is told about a running identity provider: data, and its JSON. No secrets, no names of people."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime


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
class MetadataLine:
    """One metadata file as it was last read. ``valid_until``: the first of its entities to expire."""

    file: str
    entities: int
    identity_providers: int
    service_providers: int
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something was refused: the error's code, where, and the sentence for people."""

    code: str
    file: str
    line: int | None
    key: str
    message: str


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
class Rest:
    """Maintenance: None for what was not said."""

    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment. ``sessions`` None where the store can't count them."""

    version: str
    now: datetime
    started: datetime
    keys: tuple[KeySet, ...]
    metadata: tuple[MetadataLine, ...]
    watched: tuple[Watched, ...]
    needs_restart: tuple[str, ...]
    checks: tuple[Check, ...]
    sessions: int | None
    maintenance: Rest | None

    @property
    def good(self) -> bool:
        """Whether nothing waits for the operator."""
        return (
            all(check.good for check in self.checks)
            and all(watched.problem is None for watched in self.watched)
            and not self.needs_restart
        )


def as_json(value: object) -> object:
    """A status as JSON has it: times in ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        written = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        return {"good": value.good, **written} if isinstance(value, Status) else written
    if isinstance(value, tuple):
        return [as_json(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): as_json(part) for name, part in value.items()}
    return value
