"""What the operator is told about a running identity provider: data. No secrets, no names of people."""

from dataclasses import dataclass
from datetime import datetime

from ostiary.web.status import Check, KeySet, MetadataLine, Watched


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
            and all(line.problem is None for line in self.metadata)
            and not self.needs_restart
        )
