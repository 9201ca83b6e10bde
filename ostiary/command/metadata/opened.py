"""Documents and configurations as the commands look into them: read once, the signature verified where a key is named.

Where none is, what is shown says so: nothing that was not verified is called good.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lxml import etree
from pydantic import ValidationError

from ostiary.clock import Clock
from ostiary.command.metadata.pinning import signing_certificate
from ostiary.config import WrongSetting, load_document
from ostiary.errors import ConfigurationError, OstiaryError, Refusal
from ostiary.federation.index.extraction import Descriptor, descriptors, root_end
from ostiary.federation.index.in_short import in_short
from ostiary.federation.index.records import summary_from
from ostiary.federation.keys import load_certificates, load_public_keys
from ostiary.federation.model import Entity
from ostiary.federation.read import read_stored_entity
from ostiary.federation.registry import Registry
from ostiary.federation.settings import TrustSettings
from ostiary.federation.sources.living import open_metadata
from ostiary.federation.summary import Summary, earliest
from ostiary.saml.keys import TrustedKey
from ostiary.saml.signature import SignedElement, verify_element
from ostiary.saml.xml import METADATA, Element, parse_xml

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class Pins:
    """Whose signature counts: PEM files with certificates or bare keys, and fingerprints (SHA-256, hexadecimal) of certificates that the
    document itself carries."""

    certificates: tuple[Path, ...] = ()
    keys: tuple[Path, ...] = ()
    fingerprints: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.certificates or self.keys or self.fingerprints)

    def trusted(self, root: Element) -> tuple[TrustedKey, ...]:
        """The keys for a document. A certificate inside counts where its fingerprint is named: then somebody compared it. Raises
        `ConfigurationError` (``key.file``) and `Refusal` (``metadata.other_fingerprint``)."""
        found = [TrustedKey.from_certificate(der) for path in self.certificates for der in load_certificates(path)]
        found += [key for path in self.keys for key in load_public_keys(path)]
        if self.fingerprints:
            inside = signing_certificate(root)
            if inside is not None and inside.fingerprint in self.fingerprints:
                found.append(TrustedKey.from_certificate(inside.der))
            elif not found:
                told = inside.fingerprint if inside is not None else "no certificate in the signature"
                raise Refusal("metadata.other_fingerprint", expected=" or ".join(self.fingerprints), found=told)
        return tuple(dict.fromkeys(found))


class Collection(Protocol):
    """Entities to look into."""

    def find(self, entity_id: str) -> Entity | None:
        """One of them. Raises `OstiaryError` when it is there and can't be read."""
        ...

    def summaries(self) -> Iterator[Summary]:
        """All of them, in short."""
        ...


class OpenedDocument:
    """A document. ``signed``: the proof, None where no key was named."""

    def __init__(self, name: str, size: int, root: Element, signed: SignedElement | None) -> None:
        self.name = name
        self.size = size
        self.root = root
        self.signed = signed
        self.valid_until = root_end(root)
        self.left_out: dict[str, OstiaryError] = {}
        self.descriptors = self._read()

    def _read(self) -> dict[str, Descriptor]:
        """By entityID; of several with one name the first, and the others are noted."""
        found: dict[str, Descriptor] = {}
        for one in descriptors(self.root, self._leave_out):
            if one.entity_id in found:
                self._leave_out(one.entity_id, Refusal("metadata.duplicate_entity", found=one.entity_id))
            else:
                found[one.entity_id] = one
        return found

    def _leave_out(self, entity_id: str, problem: OstiaryError) -> None:
        self.left_out.setdefault(entity_id, problem)

    def end_of(self, one: Descriptor) -> datetime | None:
        """Its effective end."""
        return earliest(self.valid_until, one.own_end)

    def read(self, one: Descriptor) -> Entity:
        """The entity. Raises `OstiaryError` when it can't be read."""
        try:
            return read_stored_entity(one.octets(), self.end_of(one))
        except ValueError as error:
            raise Refusal("metadata.unreadable", found=error) from None

    def find(self, entity_id: str) -> Entity | None:
        """See `Collection`."""
        one = self.descriptors.get(entity_id)
        return self.read(one) if one is not None else None

    def summaries(self) -> Iterator[Summary]:
        """See `Collection`. An entity that can't be summed up is left out, and noted."""
        for one in self.descriptors.values():
            try:
                yield summary_from(one.entity_id, self.end_of(one), in_short(one.element, None))
            except (OstiaryError, ValueError) as error:
                problem = error if isinstance(error, OstiaryError) else Refusal("metadata.unreadable", found=error)
                self._leave_out(one.entity_id, problem)


@dataclass(frozen=True, slots=True)
class InForce:
    """What a service believes at the moment."""

    registry: Registry
    now: datetime

    def find(self, entity_id: str) -> Entity | None:
        """See `Collection`."""
        return self.registry.get(entity_id, self.now)

    def summaries(self) -> Iterator[Summary]:
        """See `Collection`."""
        return self.registry.summaries(self.now)


def read_octets(path: Path) -> bytes:
    """A file; ``-`` is the standard input. Raises `ConfigurationError` (``metadata.file``)."""
    try:
        if path == STANDARD_INPUT:
            return sys.stdin.buffer.read(METADATA.max_bytes + 1)
        with path.open("rb") as file:
            return file.read(METADATA.max_bytes + 1)
    except OSError as error:
        raise ConfigurationError("metadata.file", file=path, expected="a readable file", found=error.strerror) from None


def open_document(path: Path, pins: Pins) -> OpenedDocument:
    """A metadata document. Raises `ConfigurationError` (``metadata.file``) that names the file and the reason, and as `Pins.trusted`."""
    octets = read_octets(path)
    try:
        return opened(str(path), octets, pins)
    except ConfigurationError:
        raise
    except OstiaryError as error:
        raise ConfigurationError("metadata.file", file=path, expected="usable metadata", found=error) from error


def opened(name: str, octets: bytes, pins: Pins) -> OpenedDocument:
    """The same of octets. Raises `Refusal`."""
    root = parse_xml(octets, METADATA)
    # Members choose the IDs inside their own descriptors; only the one that the signature refers to has to be unique.
    signed = verify_element(root, pins.trusted(root), other_ids_may_repeat=True) if pins else None
    # As services do: else a scope or a key could hide here behind one, and count there.
    etree.strip_tags(root, etree.ProcessingInstruction)
    return OpenedDocument(name, len(octets), root, signed)


def trust_of(config: Path) -> TrustSettings:
    """The ``trust:`` of any service's configuration. Raises `ConfigurationError` (``metadata.which_config``, and those of the file)."""
    content = load_document(config).data
    try:
        return TrustSettings.model_validate(content.get("trust"), context={"directory": config.absolute().parent})
    except (ValidationError, WrongSetting) as error:
        found = error.errors()[0]["loc"] if isinstance(error, ValidationError) else error.found
        raise ConfigurationError(
            "metadata.which_config", file=config, key="trust", expected="a trust section that is good", found=found
        ) from None


def in_force(config: Path, clock: Clock) -> InForce:
    """What the service of this configuration believes. Raises as `open_metadata`."""
    metadata = open_metadata(trust_of(config), clock, refresh=False)
    return InForce(metadata.registry(), clock.now())


def nearest(collection: Collection, wanted: str, most: int = 5) -> Sequence[str]:
    """entityIDs that hold what was asked for, for a suggestion."""
    found = sorted(one.entity_id for one in collection.summaries() if wanted.lower() in one.entity_id.lower())
    return found[:most]
