"""Signed documents: one entity, or an aggregate of any number, which is written entity by entity and never held whole (SAML metadata 2.3).

No document ends later than anything that was read for it, and nothing that has ended is in it.
"""

import gzip
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import BinaryIO, Final

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.model import Entity, LocalizedText
from ostiary.federation.publish.descriptors import entity_element
from ostiary.federation.publish.republished import republished_element
from ostiary.saml import names
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import new_id
from ostiary.saml.signature import canonical, sign, signature_over
from ostiary.saml.xml import Element, add, make, qname, read_duration, to_bytes, write_duration, write_instant

_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes (mdrpi:PublicationInfo): ``name`` is a URI, ``policies`` where the terms of use stand, by language."""

    name: str
    policies: tuple[LocalizedText, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a document says about itself: until when it counts, after how long to ask for a newer one, who published it."""

    valid_until: datetime
    cache_duration: timedelta | None = None
    publisher: Publisher | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """How many entities stand in a document, and how many could not be passed on."""

    entities: int
    left_out: int


def signed_entity(
    entity: Entity,
    signer: Signer,
    *,
    valid_until: datetime,
    cache_duration: timedelta | None = None,
    publisher: Publisher | None = None,
    now: datetime | None = None,
) -> bytes:
    """A signed EntityDescriptor, valid until the earlier of ``valid_until`` and the entity's own end. With ``now``, roles that have ended
    are left out; raises `Refusal` (``metadata.expired``) where none is left.
    """
    element = republished_element(entity, now)
    if element is None:
        raise Refusal("metadata.expired", expected="a role that is valid", found=entity.entity_id)
    element.set("ID", new_id())
    _set_valid_until(element, entity, valid_until)
    if cache_duration is not None:
        element.set("cacheDuration", write_duration(_shorter(cache_duration, element.get("cacheDuration"))))
    if publisher is not None:
        _add_publication(element, publisher, now or valid_until)
    sign(element, signer)
    return _DECLARATION + to_bytes(element)


def signed_aggregate(entities: Iterable[Entity], signer: Signer, *, name: str, valid_until: datetime) -> bytes:
    """A signed EntitiesDescriptor called ``name`` (a URI) with each entity's own, earlier end kept."""
    octets = io.BytesIO()
    write_aggregate(octets, entities, signer, name=name, terms=Terms(valid_until))
    return octets.getvalue()


def write_aggregate(
    out: BinaryIO,
    entities: Iterable[Entity],
    signer: Signer,
    *,
    name: str,
    terms: Terms,
    now: datetime | None = None,
    leave_out: Callable[[str, OstiaryError], None] | None = None,
) -> Written:
    """The same into ``out``, which can be gone back in, with no more than one entity in memory at a time.

    The signature stands first and covers what follows, so its place is kept free and filled at the end. ``now`` as for `signed_entity`: an
    entity without a valid role is not in it. ``leave_out`` is told of one that can't be passed on; without it, that one raises.
    """
    shell = make(names.MD, "EntitiesDescriptor", ID=new_id(), Name=name, validUntil=write_instant(terms.valid_until))
    if terms.cache_duration is not None:
        shell.set("cacheDuration", write_duration(terms.cache_duration))
    pieces = _Pieces(out, shell, signer)
    if terms.publisher is not None:
        _add_publication(shell, terms.publisher, now or terms.valid_until)
        pieces.add(shell[0])
    written = left_out = 0
    for entity in entities:
        try:
            element = republished_element(entity, now)
            if element is None:
                continue
            element.attrib.pop("ID", None)
            if entity.valid_until is not None:
                _set_valid_until(element, entity, terms.valid_until)
            shell.append(element)
            pieces.add(element)
            written += 1
        except OstiaryError as problem:
            if leave_out is None:
                raise
            leave_out(entity.entity_id, problem)
            left_out += 1
    pieces.finish()
    return Written(written, left_out)


class _Pieces:
    """A signed document, written child by child of its root: ``shell`` is the root without children, in which each stands alone while it is
    written, so that it is written as it will be read."""

    def __init__(self, out: BinaryIO, shell: Element, signer: Signer) -> None:
        self._out, self._shell, self._signer = out, shell, signer
        self._identifier = shell.get("ID", "")
        shell.text = "\n"
        head, self._end = _around(to_bytes(shell))
        self._canonical_head, self._canonical_end = _around(canonical(shell))
        self._digest = sha256(self._canonical_head)
        out.write(_DECLARATION + head[:-1])
        self._place = out.tell()
        # The same key signs in as many octets.
        self._reserved = len(signature_over(self._identifier, bytes(32), signer))
        out.write(b" " * self._reserved + b"\n")

    def add(self, element: Element) -> None:
        """Writes the only child of the shell, and takes it out."""
        element.tail = None
        octets = canonical(self._shell)
        start, end = len(self._canonical_head), len(octets) - len(self._canonical_end)
        self._out.write(to_bytes(element) + b"\n")
        self._digest.update(octets[start:end] + b"\n")
        self._shell.remove(element)

    def finish(self) -> None:
        self._out.write(self._end)
        self._digest.update(self._canonical_end)
        signature = signature_over(self._identifier, self._digest.digest(), self._signer)
        if len(signature) != self._reserved:
            raise ValueError("two signatures of one key have different lengths")
        self._out.seek(self._place)
        self._out.write(signature)
        self._out.seek(0, io.SEEK_END)


def _around(octets: bytes) -> tuple[bytes, bytes]:
    """The start tag with the line end behind it, and the end tag."""
    at = octets.rindex(b"</")
    return octets[:at], octets[at:]


def unsigned_entity(entity: Entity) -> bytes:
    """The bare EntityDescriptor, for handing to a partner by a trusted way."""
    return _DECLARATION + to_bytes(entity_element(entity))


def compressed(octets: bytes) -> bytes:
    """The same in gzip, the same each time."""
    return gzip.compress(octets, 6, mtime=0)


def _set_valid_until(element: Element, entity: Entity, valid_until: datetime) -> None:
    earlier = valid_until if entity.valid_until is None else min(valid_until, entity.valid_until)
    element.set("validUntil", write_instant(earlier))


def _shorter(wanted: timedelta, own: str | None) -> timedelta:
    """Who published the entity may want to be asked more often."""
    try:
        return min(wanted, read_duration(own)) if own is not None else wanted
    except OstiaryError:
        return wanted


def _add_publication(root: Element, publisher: Publisher, at: datetime) -> None:
    """SAML V2.0 Metadata Extensions for Registration and Publication Information 2.2: about this document, in its root alone."""
    extensions = root.find(qname(names.MD, "Extensions"))
    if extensions is None:
        extensions = make(names.MD, "Extensions")
        root.insert(0, extensions)
    told = make(names.MDRPI, "PublicationInfo", publisher=publisher.name, creationInstant=write_instant(at))
    told.set("publicationId", root.get("ID", ""))
    for policy in publisher.policies:
        add(told, names.MDRPI, "UsagePolicy", policy.text).set(qname(names.XML, "lang"), policy.lang)
    extensions.append(told)
