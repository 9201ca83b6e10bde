"""The metadata that a service trusts, with what happens to it in the service's log: once for each change, by the process that refreshes."""

from datetime import datetime
from typing import TYPE_CHECKING

from ostiary.clock import Clock, StandingClock
from ostiary.errors import OstiaryError
from ostiary.federation.registry import Registry
from ostiary.federation.settings import TrustSettings
from ostiary.federation.sources.living import IndexedMetadata, MetadataInMemory, open_metadata
from ostiary.federation.sources.records import SourceRecord
from ostiary.web.log import Log, left_out

if TYPE_CHECKING:
    from ostiary.federation.index import Indexed


def trusted_metadata(
    trust: TrustSettings, clock: Clock, log: Log, *, refresh: bool = True
) -> MetadataInMemory | IndexedMetadata:
    """See `open_metadata`."""

    def complain(problem: OstiaryError) -> None:
        log.error("reload_refused", code=problem.code, problem=str(problem))

    def tell(event: str, record: SourceRecord, changes: "Indexed | None") -> None:
        if record.problem is not None:
            log.error(
                event,
                source=record.place,
                code=record.problem.code,
                problem=str(record.problem.error()),
                again_at=record.next_attempt.isoformat() if record.next_attempt is not None else None,
            )
            return
        counts = (
            {"added": changes.added, "changed": changes.changed, "removed": changes.removed}
            if changes is not None
            else {}
        )
        log.info(
            event,
            source=record.place,
            entities=record.entities,
            left_out=record.left_out,
            scopes_dropped=record.scopes_dropped,
            **counts,
        )
        for one in changes.left_out if changes is not None else ():
            log.warning("metadata_left_out", entity=one.entity_id, code=one.code, problem=one.found)

    return open_metadata(trust, clock, tell=tell, leave_out=left_out(log), complain=complain, refresh=refresh)


def registry_at(trust: TrustSettings, now: datetime, log: Log | None = None) -> Registry:
    """Everything that ``trust`` names as it is now, for a command: where there is a state directory, what is in force there. Raises
    `ConfigurationError`."""
    leave_out = left_out(log) if log is not None else None
    return open_metadata(trust, StandingClock(now), leave_out=leave_out, refresh=False).held()
