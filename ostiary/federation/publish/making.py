"""Makes the document of a publication from a registry: what the selection keeps, and nothing that has ended."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ostiary.errors import OstiaryError
from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import write_aggregate
from ostiary.federation.publish.publication import Made, Publication, SourceState
from ostiary.federation.registry import Registry, SourceReport
from ostiary.federation.summary import summary_of
from ostiary.saml.keys import Signer


def make_document(
    publication: Publication,
    path: Path,
    registry: Registry,
    signer: Signer,
    now: datetime,
    *,
    reports: Sequence[SourceReport] = (),
    leave_out: Callable[[str, OstiaryError], None] = lambda entity_id, problem: None,
) -> Made:
    """Writes it, signed, into ``path``. ``reports``: how the sources of the registry stand. ``leave_out`` is told of entities that
    can't be passed on. Raises `OSError` where the disk does not take it."""
    with path.open("wb") as file:
        written = write_aggregate(
            file,
            selected(publication, registry, now),
            signer,
            name=publication.aggregate_name,
            terms=publication.terms(now),
            now=now,
            leave_out=leave_out,
        )
    return Made(written.entities, written.left_out, tuple(state_of(report) for report in reports))


def selected(publication: Publication, registry: Registry, now: datetime) -> Iterator[Entity]:
    """The entities of a publication that are valid now."""
    keeps = publication.selection.keeps
    return (entity for entity in registry.all(now) if keeps(summary_of(entity)))


def state_of(report: SourceReport) -> SourceState:
    """What of a source counts for publishing: one whose metadata has ended has nothing, whatever was in it."""
    problem = report.problem.code if report.problem is not None else None
    return SourceState(
        report.file,
        0 if problem == "metadata.expired" else report.entities,
        problem,
        on_demand=report.kind == "mdq",
    )
