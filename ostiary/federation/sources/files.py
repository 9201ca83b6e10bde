"""Where metadata comes from: files on disk, signed ones and ones that the administrator vouches for, joined into a `Registry`.

A source that is broken refuses the whole new snapshot, so the last good one stays in force. Precedence is the order of the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ostiary.config import Sources
from ostiary.errors import ConfigurationError, OstiaryError
from ostiary.federation.keys import load_certificates
from ostiary.federation.model import Entity
from ostiary.federation.read import LeaveOut, read_signed_metadata, read_unsigned_local_metadata
from ostiary.federation.registry import Registry, SourceReport
from ostiary.saml.keys import TrustedKey


@dataclass(frozen=True, slots=True)
class MetadataFile:
    """A file with metadata. ``trusted``: PEM files with the certificates of the keys that may have signed it, one or, while its signer
    changes keys, several in each; empty only together with ``allow_unsigned_local_file``."""

    path: Path
    trusted: tuple[Path, ...] = ()
    allow_unsigned_local_file: bool = False


def load_registry(
    files: Sequence[MetadataFile], *, now: datetime, sources: Sources | None = None, leave_out: LeaveOut | None = None
) -> Registry:
    """Reads every file. Where an entity stands in several, the first file wins; twice in one file, and nobody knows which is meant.

    ``leave_out``: see `read_signed_metadata`.

    Raises `ConfigurationError` (``metadata.file``) that names the file and what was wrong with it.
    """
    entities: dict[str, Entity] = {}
    reports = []
    for file in files:
        read = _read(file, now, sources, leave_out)
        for entity in read:
            entities.setdefault(entity.entity_id, entity)
        reports.append(_report(file, read))
    return Registry(entities.values(), tuple(reports))


def _report(file: MetadataFile, entities: Sequence[Entity]) -> SourceReport:
    ends = [entity.valid_until for entity in entities if entity.valid_until is not None]
    return SourceReport(
        str(file.path),
        len(entities),
        sum(entity.idp is not None for entity in entities),
        sum(entity.sp is not None for entity in entities),
        min(ends, default=None),
    )


def _read(file: MetadataFile, now: datetime, sources: Sources | None, leave_out: LeaveOut | None) -> tuple[Entity, ...]:
    if sources is not None:
        sources.note(file.path)
        for certificate in file.trusted:
            sources.note(certificate)
    if not file.trusted and not file.allow_unsigned_local_file:
        raise ConfigurationError(
            "metadata.untrusted_file",
            file=file.path,
            expected="trusted certificates, or allow_unsigned_local_file",
            found="neither",
        )
    keys = [TrustedKey.from_certificate(der) for path in file.trusted for der in load_certificates(path)]
    try:
        data = file.path.read_bytes()
        if keys:
            entities = read_signed_metadata(data, keys, now=now, leave_out=leave_out)
        else:
            entities = read_unsigned_local_metadata(data, leave_out=leave_out)
        Registry(entities)  # refuses an entityID that stands there twice
    except OSError as error:
        raise ConfigurationError(
            "metadata.file", file=file.path, expected="a readable file", found=error.strerror
        ) from None
    except OstiaryError as error:
        raise ConfigurationError("metadata.file", file=file.path, expected="usable metadata", found=error) from error
    return entities
