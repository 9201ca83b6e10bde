"""The ways into the index: a document of a source, or what a source says of one entity. Both verify first; nothing is committed before the
proof is there, and whatever is refused leaves the index as it was.
"""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from lxml import etree

from ostiary.errors import Refusal, TooLarge
from ostiary.federation.index.extraction import descriptors, root_end
from ostiary.federation.index.records import SOUND, Answer, Indexed, stamp
from ostiary.federation.index.replacing import Replacement
from ostiary.federation.index.store import MetadataIndex, count_up, source_row
from ostiary.federation.read import read_stored_entity
from ostiary.federation.sources.reading import Reading
from ostiary.saml import names
from ostiary.saml.artifact import source_id
from ostiary.saml.signature import SignedElement, SoleRoot, sole_root, verify_root
from ostiary.saml.xml import METADATA, Element, may_have_instructions, parse_large, parse_xml, qname, to_bytes

LARGE: Final = 4 * 1024 * 1024
"""Documents of more octets are checked as `parse_large` does, and verified while they are taken apart."""
_MOST_ABSENT: Final = 10_000
"""So many negative answers of one source are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalDocument:
    """Proof: the administrator put the document ``element`` in place, and the configuration says that this is enough."""

    element: Element


Believed = SignedElement | LocalDocument


def index_document(index: MetadataIndex, source: str, document: Path, reading: Reading, now: datetime) -> Indexed:
    """Verifies the document as ``reading`` says, and makes its entities those of ``source``: what did not change stays as it is, all else
    changes in one transaction.

    An entity that is broken, or stands there twice (nobody knows which is meant), is left out and named in the result. Raises `Refusal`,
    after which everything is as before: ``xml.*``, ``signature.*``, ``metadata.no_valid_until``, ``metadata.expired``,
    ``metadata.valid_too_long``, ``metadata.root``, ``metadata.empty``, ``metadata.shrunk`` (less than half of what it was),
    ``metadata.unreadable_file``; `Unavailable` as `MetadataIndex.writing`. Keeps the document in memory while it works: for a large one use
    `index_document_apart`.
    """
    octets = _octets(document)
    state = index.source(source)
    fingerprint = reading.fingerprint()
    with ThreadPoolExecutor(1, "metadata-proof") as thread:
        digest = thread.submit(_digest, octets)
        if state is not None and state.fingerprint == fingerprint and state.indexed.digest == digest.result():
            reading.check_validity(state.indexed.valid_until, now)
            return replace(state.indexed, added=0, changed=0, removed=0)
        root = parse_large(octets) if len(octets) > LARGE else parse_xml(octets, METADATA)
        valid_until = root_end(root)
        reading.check_validity(valid_until, now)
        proof = thread.submit(_believed, _to_believe(root, octets, reading), reading)
        if len(octets) <= LARGE or may_have_instructions(octets) or b"xml:id" in octets:
            # Copies of an element with xml:id register it, and instructions are taken out: neither while somebody verifies.
            etree.strip_tags(proof.result().element, etree.ProcessingInstruction)
        del octets
        with index.writing() as connection:
            replacement = Replacement(connection, source, reading, valid_until)
            for descriptor in descriptors(root, replacement.leave_out):
                replacement.take(descriptor)
            believed = proof.result()
            return replacement.finish(believed.element, digest.result(), now, state)


def _octets(document: Path) -> bytes:
    try:
        with document.open("rb") as file:
            # Before anything of it is in memory.
            size = os.fstat(file.fileno()).st_size
            octets = file.read(METADATA.max_bytes + 1) if size <= METADATA.max_bytes else b""
    except OSError as error:
        raise Refusal("metadata.unreadable_file", expected="a readable file", found=error, file=document) from error
    if max(size, len(octets)) > METADATA.max_bytes:
        raise TooLarge("xml.too_large", expected=f"at most {METADATA.max_bytes} bytes", found=f"{size} bytes")
    return octets


def _digest(octets: bytes) -> str:
    return sha256(octets).hexdigest()


def _to_believe(root: Element, octets: bytes, reading: Reading) -> SoleRoot | LocalDocument:
    return sole_root(root, octets) if reading.signed else LocalDocument(root)


def _believed(root: SoleRoot | LocalDocument, reading: Reading) -> Believed:
    # The octets are not handed on: they are a quarter of the memory that all this needs.
    return root if isinstance(root, LocalDocument) else verify_root(root, reading.trusted)


def index_entity(
    index: MetadataIndex,
    source: str,
    entity_id: str | bytes,
    document: bytes,
    reading: Reading,
    now: datetime,
    *,
    fresh_until: datetime,
    note: str = "",
) -> Answer:
    """What a source that is asked for single entities answered about ``entity_id`` (or its SHA-1): a signed EntityDescriptor. It is read
    whole, and is what the source says until the next answer; ``fresh_until``: until when nobody needs to ask again; ``note`` comes back
    with `MetadataIndex.answer`. The answer is negative where the reading's selection does not want the entity.

    Raises as `index_document`, and ``metadata.other_entity`` for an answer about another one.
    """
    root = parse_xml(document, METADATA)
    valid_until = root_end(root)
    reading.check_validity(valid_until, now)
    believed = _believed(_to_believe(root, document, reading), reading).element
    etree.strip_tags(believed, etree.ProcessingInstruction)
    if believed.tag != qname(names.MD, "EntityDescriptor"):
        raise Refusal("metadata.root", expected="EntityDescriptor", found=str(believed.tag)[:200])
    entity = read_stored_entity(to_bytes(believed), valid_until)
    asked = _sha1(entity_id)
    if source_id(entity.entity_id) != asked:
        found = entity.entity_id[:200]
        raise Refusal("metadata.other_entity", expected="the entity that was asked for", found=found)
    with index.writing() as connection:
        # It was read whole.
        replacement = Replacement(connection, source, reading, valid_until, only=asked, checked=SOUND)
        for descriptor in descriptors(believed, replacement.leave_out):
            replacement.take(descriptor)
        found_it = replacement.finish_one()
        return _note_answer(connection, replacement.source, asked, Answer(found_it, fresh_until, note))


def index_absence(
    index: MetadataIndex,
    source: str,
    entity_id: str | bytes,
    reading: Reading,
    *,
    fresh_until: datetime,
    note: str = "",
) -> Answer:
    """The source answered that it does not have this entity (entityID, or its SHA-1): what it said before is gone. Raises `Unavailable` as
    `MetadataIndex.writing`."""
    asked = _sha1(entity_id)
    with index.writing() as connection:
        replacement = Replacement(connection, source, reading, None, only=asked)
        replacement.finish_one()
        return _note_answer(connection, replacement.source, asked, Answer(False, fresh_until, note))


def index_same_again(
    index: MetadataIndex, source: str, entity_id: str | bytes, *, fresh_until: datetime, note: str | None = None
) -> None:
    """The last answer about this entity holds until ``fresh_until`` now (HTTP 304); ``note`` None: as it was. Raises `Unavailable` as
    `MetadataIndex.writing`."""
    with index.writing() as connection:
        connection.execute(
            "UPDATE answer SET fresh_until = ?, note = coalesce(?, note) WHERE sha1 = ? AND source = ?",
            (stamp(fresh_until), note, _sha1(entity_id), source_row(connection, source)),
        )


def keep_newest(index: MetadataIndex, source: str, most: int) -> None:
    """Of the entities that a source was asked for one by one, so many stay: those whose answers are fresh the longest, which are those that
    somebody uses. Raises `Unavailable` as `MetadataIndex.writing`."""
    found = "SELECT count(*) FROM answer JOIN source ON source.id = source WHERE name = ? AND found"
    if index.rows(found, source)[0][0] <= most:
        return
    with index.writing() as connection:
        row = source_row(connection, source)
        # Names that were never there have a bound of their own: strangers who invent them push nobody out.
        old = "SELECT sha1 FROM answer WHERE source = ?1 AND found ORDER BY fresh_until DESC LIMIT -1 OFFSET ?2"
        for statement in (
            f"DELETE FROM document WHERE id IN (SELECT id FROM entity WHERE source = ?1 AND sha1 IN ({old}))",  # noqa: S608
            f"DELETE FROM entity WHERE source = ?1 AND sha1 IN ({old})",  # noqa: S608
            f"DELETE FROM answer WHERE source = ?1 AND sha1 IN ({old})",  # noqa: S608
        ):
            connection.execute(statement, (row, most))
        count_up(connection)


def _sha1(entity_id: str | bytes) -> bytes:
    return source_id(entity_id) if isinstance(entity_id, str) else entity_id


def _note_answer(connection: sqlite3.Connection, source: int, sha1: bytes, answer: Answer) -> Answer:
    connection.execute(
        "INSERT OR REPLACE INTO answer (source, sha1, found, fresh_until, note) VALUES (?, ?, ?, ?, ?)",
        (source, sha1, answer.found, stamp(answer.fresh_until), answer.note),
    )
    # Whoever sends people here with invented names must not fill the disk.
    connection.execute(
        "DELETE FROM answer WHERE source = ?1 AND NOT found AND sha1 NOT IN"
        " (SELECT sha1 FROM answer WHERE source = ?1 AND NOT found ORDER BY fresh_until DESC LIMIT ?2)",
        (source, _MOST_ABSENT),
    )
    return answer
