"""A service that trusts metadata, without the service: its settings, a clock that a test moves, and what it is told."""

import io
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import Terms, write_aggregate
from ostiary.federation.settings import TrustSettings
from ostiary.federation.sources.living import IndexedMetadata, MetadataInMemory, open_metadata
from ostiary.federation.sources.records import SourceRecord
from tests.federation.entities import END, FEDERATION, HOME
from tests.saml.world import NOW, Kind, signer


@dataclass
class Clock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def forward(self, **how: float) -> datetime:
        self.at += timedelta(**how)
        return self.at


@dataclass
class Service:
    """``told``: events with the code of the problem; ``complaints``: codes."""

    directory: Path
    sources: list[dict[str, Any]]
    clock: Clock = field(default_factory=Clock)
    told: list[tuple[str, str | None]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    state: str | None = "state"

    def settings(self) -> TrustSettings:
        (self.directory / "keys").mkdir(exist_ok=True)
        told = {"keys": "keys", "state": self.state, "metadata": self.sources}
        return TrustSettings.model_validate(told, context={"directory": self.directory})

    def open(self) -> IndexedMetadata | MetadataInMemory:
        """As at the start of a process that does not refresh by itself: the test says when."""

        def tell(_event: str, record: SourceRecord, _changes: object) -> None:
            self.told.append((record.place, record.problem.code if record.problem is not None else None))

        return open_metadata(
            self.settings(),
            self.clock,
            tell=tell,
            complain=lambda problem: self.complaints.append(problem.code),
            refresh=False,
        )


def step(metadata: IndexedMetadata | MetadataInMemory) -> None:
    """One round of the process that refreshes."""
    if not isinstance(metadata, IndexedMetadata):
        raise TypeError("nothing to refresh")
    metadata.refresh_now()


def certificate(directory: Path, whose: str = "federation", kind: Kind = "rsa") -> str:
    """A PEM file with the certificate of that signer; gives its name."""
    name = f"{whose}-{kind}.crt"
    found = x509.load_der_x509_certificate(signer(kind, whose).certificate)
    (directory / name).write_bytes(found.public_bytes(serialization.Encoding.PEM))
    return name


def public_key(directory: Path, whose: str = "federation", kind: Kind = "rsa") -> str:
    """The same with the bare public key."""
    name = f"{whose}-{kind}.pub"
    key = serialization.load_der_public_key(signer(kind, whose).public.spki)
    (directory / name).write_bytes(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return name


def homes(count: int) -> tuple[Entity, ...]:
    return tuple(replace(HOME, entity_id=f"https://idp-{number}.example/idp") for number in range(count))


def cached_for(duration: timedelta) -> bytes:
    """An aggregate with a cacheDuration."""
    octets = io.BytesIO()
    terms = Terms(END, cache_duration=duration)
    write_aggregate(octets, [HOME], signer("rsa", "federation"), name=FEDERATION, terms=terms)
    return octets.getvalue()
