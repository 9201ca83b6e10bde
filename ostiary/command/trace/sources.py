"""Where a trace takes what it is told beforehand: metadata to verify with, the resource's own configuration, a password."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ostiary.command.trace.back_channel import ResourceKey
from ostiary.config import load_settings, read_private_file
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import load_key_ring
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.federation.sources.files import MetadataFile, load_registry
from ostiary.saml.validate import DEFAULT_TIMING, Timing
from ostiary.web.metadata_log import registry_at
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import SoapTransport
from sp_shire.shar.transport import HttpSoapTransport

_MAXIMUM_PASSWORD: Final = 4_096


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known beforehand."""

    registry: Registry | None = None
    resource: ResourceKey | None = None
    timing: Timing = DEFAULT_TIMING


class _Together(Registry):
    """What is named for the trace comes before what the resource trusts."""

    def __init__(self, named: Registry, trusted: Registry) -> None:
        super().__init__((), (*named.sources, *trusted.sources))
        self._both = (named, trusted)

    def get(self, entity_id: str, now: datetime) -> Entity | None:
        """See `Registry.get`."""
        return next((found for one in self._both if (found := one.get(entity_id, now)) is not None), None)

    def by_source_id(self, found: bytes, now: datetime) -> Entity | None:
        """See `Registry.by_source_id`."""
        return next((entity for one in self._both if (entity := one.by_source_id(found, now)) is not None), None)

    def all(self, now: datetime) -> Iterator[Entity]:
        """See `Registry.all`."""
        named, trusted = self._both
        yield from named.all(now)
        yield from (entity for entity in trusted.all(now) if named.get(entity.entity_id, now) is None)


def find_sources(
    files: Sequence[MetadataFile], resource: Path | None, *, now: datetime, transport: SoapTransport | None = None
) -> Sources:
    """Metadata files first, then what the resource itself trusts. Raises `ConfigurationError`."""
    settings = load_settings(resource, ShireSettings) if resource is not None else None
    named = load_registry(files, now=now)
    if settings is None:
        return Sources(named if files else None)
    registry = _Together(named, registry_at(settings.trust, now))
    ring = load_key_ring(settings.trust.keys)
    key = ResourceKey(
        settings.entity_id,
        ring.signer,
        transport or HttpSoapTransport(settings.query_time, settings.tls_authorities),
        ring.decrypting,
        always_asks=settings.attributes_from in ("query", "response_and_query"),
    )
    return Sources(registry, key, Timing(skew=settings.clock_skew))


def password_from(file: Path) -> str:
    """The first line of a private file. Raises `ConfigurationError`."""
    try:
        return read_private_file(file, max_bytes=_MAXIMUM_PASSWORD).decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise ConfigurationError("people.password_file", file=file, expected="UTF-8 text") from None
