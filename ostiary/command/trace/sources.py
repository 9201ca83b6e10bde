"""Where a trace takes what it is told beforehand: metadata to verify with, the resource's own configuration, a password."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ostiary.command.trace.back_channel import ResourceKey
from ostiary.config import load_settings, read_private_file
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import load_key_ring
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


def find_sources(
    files: Sequence[MetadataFile], resource: Path | None, *, now: datetime, transport: SoapTransport | None = None
) -> Sources:
    """Metadata files first, then what the resource itself trusts. Raises `ConfigurationError`."""
    settings = load_settings(resource, ShireSettings) if resource is not None else None
    named = load_registry(files, now=now)
    if settings is None:
        return Sources(named if files else None)
    registry = registry_at(settings.trust, now)
    # What is named for the trace comes before what the resource trusts.
    for entity in named.all(now):
        registry = registry.with_unlisted(entity)
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
