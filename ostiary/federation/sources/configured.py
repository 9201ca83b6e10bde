"""From the configuration to the sources as they are now: key files read, directories listed. Each has a name in the index that changes with
everything under which its documents are read, so what was verified under other keys is never taken for it.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from ostiary.config import Sources
from ostiary.federation.settings import (
    MetadataDirectorySettings,
    MetadataFileSettings,
    MetadataQuerySettings,
    MetadataUrlSettings,
    TrustSettings,
)
from ostiary.federation.sources.fetching import FetchLimits
from ostiary.federation.sources.files import MetadataFile
from ostiary.federation.sources.reading import Reading
from ostiary.federation.sources.schedule import Rhythm

FILE_RHYTHM: Final = Rhythm(timedelta(minutes=5), timedelta(minutes=1), timedelta(hours=1))
"""A file is looked at every few seconds anyway; this is for one that was refused for something other than its content."""

Kind = Literal["file", "directory", "url", "mdq"]


@dataclass(frozen=True, slots=True)
class Fetching:
    """How one is fetched. ``authorities``: PEM file, the system's when None."""

    limits: FetchLimits
    authorities: Path | None


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """One document: a file, one of a directory, or what is at a URL (``fetching`` is set)."""

    kind: Kind
    place: str
    reading: Reading
    rhythm: Rhythm = FILE_RHYTHM
    fetching: Fetching | None = None
    may_be_missing_at_start: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", source_name(self.kind, self.place, self.reading))


@dataclass(frozen=True, slots=True)
class QuerySource:
    """A server that is asked for single entities."""

    settings: MetadataQuerySettings
    reading: Reading
    kind: Kind = "mdq"
    name: str = field(init=False)

    @property
    def place(self) -> str:
        """Its base URL."""
        return self.settings.mdq

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", source_name("mdq", self.settings.mdq, self.reading))


Configured = tuple[DocumentSource | QuerySource, ...]
"""In the order of precedence."""


def source_name(kind: str, place: str, reading: Reading) -> str:
    """The name in the index."""
    return f"{kind} {place} {reading.fingerprint()[:16]}"


def place_hash(kind: str, place: str) -> str:
    """The same for every reading of one place: whoever changes keys or filters finds the copies again."""
    return sha256(f"{kind} {place}".encode()).hexdigest()[:24]


def configured_sources(trust: TrustSettings, sources: Sources | None = None) -> Configured:
    """Everything that is configured. The same place twice under the same terms counts once. Raises `ConfigurationError` where a key file or
    a directory can't be read."""
    found: list[DocumentSource | QuerySource] = []
    for entry in trust.metadata:
        if isinstance(entry, MetadataFileSettings):
            found.append(_of_file("file", entry.source(), sources))
        elif isinstance(entry, MetadataDirectorySettings):
            directory = entry.source()
            if sources is not None:
                sources.note(directory.path)
            found += [_of_file("directory", file, sources) for file in directory.files()]
        elif isinstance(entry, MetadataUrlSettings):
            found.append(
                DocumentSource(
                    "url",
                    entry.url,
                    entry.trust().reading(entry.url, sources),
                    Rhythm(entry.refresh_every, entry.refresh_no_sooner, entry.refresh_no_later),
                    Fetching(entry.limits(), entry.tls_authorities),
                    entry.may_be_missing_at_start,
                )
            )
        else:
            found.append(QuerySource(entry, entry.trust().reading(entry.mdq, sources)))
    return tuple({source.name: source for source in reversed(found)}.values())[::-1]


def _of_file(kind: Kind, file: MetadataFile, sources: Sources | None) -> DocumentSource:
    return DocumentSource(kind, str(file.path), file.trust.reading(file.path, sources))
