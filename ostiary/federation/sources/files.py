"""Metadata in files on disk, signed ones and ones that the administrator vouches for, read into memory and joined into a `Registry`.

A source that is broken refuses the whole new snapshot, so the last good one stays in force. Precedence is the order of the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ostiary.config import Sources
from ostiary.errors import ConfigurationError, OstiaryError
from ostiary.federation.model import Entity
from ostiary.federation.read import LeaveOut, read_signed_metadata, read_unsigned_local_metadata
from ostiary.federation.registry import Registry, SourceReport
from ostiary.federation.sources.reading import Reading, Trust
from ostiary.federation.sources.scopes import limited
from ostiary.federation.summary import summary_of


@dataclass(frozen=True, slots=True)
class MetadataFile:
    """A file with metadata. ``trusted``: PEM files with the certificates of the keys that may have signed it, one or, while its signer
    changes keys, several in each; empty only together with ``allow_unsigned_local_file``. ``rest``: what else a configuration says."""

    path: Path
    trusted: tuple[Path, ...] = ()
    allow_unsigned_local_file: bool = False
    rest: Trust | None = None

    @property
    def trust(self) -> Trust:
        """Everything that is said of it."""
        return self.rest or Trust(self.trusted, allow_unsigned_local_file=self.allow_unsigned_local_file)


@dataclass(frozen=True, slots=True)
class MetadataDirectory:
    """Every ``*.xml`` of a directory, in the order of their names."""

    path: Path
    trust: Trust

    def files(self) -> tuple[MetadataFile, ...]:
        """Those that are there now. Raises `ConfigurationError` (``metadata.directory``)."""
        try:
            paths = sorted(path for path in self.path.iterdir() if path.suffix == ".xml" and path.name[0] != ".")
        except OSError as error:
            raise ConfigurationError(
                "metadata.directory", file=self.path, expected="a readable directory", found=error.strerror
            ) from None
        return tuple(MetadataFile(path, rest=self.trust) for path in paths)


def load_registry(
    files: Sequence[MetadataFile | MetadataDirectory],
    *,
    now: datetime,
    sources: Sources | None = None,
    leave_out: LeaveOut | None = None,
) -> Registry:
    """Reads every file. Where an entity stands in several, the first file wins; twice in one file, and nobody knows which is meant.

    ``leave_out``: see `read_signed_metadata`.

    Raises `ConfigurationError` (``metadata.file``) that names the file and what was wrong with it.
    """
    entities: dict[str, Entity] = {}
    later: dict[str, list[Entity]] = {}
    reports = []
    for source in files:
        if isinstance(source, MetadataDirectory) and sources is not None:
            sources.note(source.path)
        for file in source.files() if isinstance(source, MetadataDirectory) else (source,):
            read, report = _read(file, now, sources, leave_out)
            for entity in read:
                if entities.setdefault(entity.entity_id, entity) is not entity:
                    later.setdefault(entity.entity_id, []).append(entity)
            reports.append(report)
    return Registry(entities.values(), tuple(reports), later=later)


def _read(
    file: MetadataFile, now: datetime, sources: Sources | None, leave_out: LeaveOut | None
) -> tuple[tuple[Entity, ...], SourceReport]:
    if sources is not None:
        sources.note(file.path)
    reading = file.trust.reading(file.path, sources)
    broken: list[str] = []

    def note(entity_id: str, problem: OstiaryError) -> None:
        broken.append(entity_id)
        if leave_out is not None:
            leave_out(entity_id, problem)

    try:
        data = file.path.read_bytes()
        entities = read_document(data, reading, now, None if leave_out is None else note)
        Registry(entities)  # refuses an entityID that stands there twice
    except OSError as error:
        raise ConfigurationError(
            "metadata.file", file=file.path, expected="a readable file", found=error.strerror
        ) from None
    except OstiaryError as error:
        raise ConfigurationError("metadata.file", file=file.path, expected="usable metadata", found=error) from error
    taken = tuple(entity for entity in entities if reading.selection.keeps(summary_of(entity)))
    cut = [limited(entity, reading.scopes) for entity in taken]
    return tuple(entity for entity, _ in cut), _report(
        file, taken, now, len(broken), len(entities) - len(taken), sum(len(beyond) for _, beyond in cut)
    )


def read_document(data: bytes, reading: Reading, now: datetime, leave_out: LeaveOut | None) -> tuple[Entity, ...]:
    """All entities of a document, before any selection. Raises `Refusal` as `read_signed_metadata`."""
    if not reading.signed:
        return read_unsigned_local_metadata(data, leave_out=leave_out)
    return read_signed_metadata(
        data, reading.trusted, now=now, leave_out=leave_out, maximum_validity=reading.maximum_validity
    )


def _report(
    file: MetadataFile, entities: Sequence[Entity], now: datetime, left_out: int, not_selected: int, scopes: int
) -> SourceReport:
    ends = [entity.valid_until for entity in entities if entity.valid_until is not None]
    return SourceReport(
        str(file.path),
        len(entities),
        sum(entity.idp is not None for entity in entities),
        sum(entity.sp is not None for entity in entities),
        min(ends, default=None),
        left_out=left_out,
        not_selected=not_selected,
        scopes_dropped=scopes,
        last_success=now,
        last_attempt=now,
    )
