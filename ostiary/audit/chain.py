"""Chains the rows of the audit trail afterwards, each writer's own, with signed checkpoints; tells where a chain is
broken.

A link's digest is SHA-256 over the digest before it, its position and its row, so no row can be changed, removed or
moved unseen up to the last checkpoint that somebody outside the database remembers. Rows are linked in the order in
which the sealer meets them, because a lower serial may be committed after a higher one. The chain holds commitments,
not people: erasing a person breaks nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, func, insert, select

from ostiary.audit.tables import audit_checkpoint, audit_event, audit_link, audit_waiting

_BEFORE_THE_FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The signed end of a writer's chain at one time. Whoever keeps a copy elsewhere notices when the end is cut off."""

    writer: str
    position: int
    serial: int
    digest: str
    at: datetime
    signature: bytes

    def message(self) -> bytes:
        """The bytes that ``signature`` signs."""
        return _canonical(
            ["ostiary audit checkpoint 1", self.writer, self.position, self.serial, self.digest, _instant(self.at)]
        )


class Break(StrEnum):
    """In which way a chain is broken."""

    CHANGED = "changed"
    """The row is not the one that was sealed."""
    MISSING = "missing"
    """The row was written, and is gone."""
    UNLINKED = "unlinked"
    """A link before this one is gone."""
    CHECKPOINT = "checkpoint"
    """From here on, the chain is not the one that its next checkpoint signed."""
    UNSIGNED = "unsigned"
    """This row and what follows stand under no checkpoint."""
    CUT = "cut"
    """The chain ends before this row, which a checkpoint signed."""
    STRAY = "stray"
    """The row was not written by `record`."""


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found: how many rows are sealed, how many wait, and the first broken serial with the reason, if any."""

    sealed: int
    waiting: int
    broken: int | None = None
    reason: Break | None = None


def seal(
    connection: Connection, writer: str, sign: Callable[[bytes], bytes], at: datetime, *, limit: int = 10_000
) -> Checkpoint | None:
    """Link the rows of ``writer`` that wait, at most ``limit`` of them, and sign the new end.

    Returns the checkpoint, or None when no row waits; call again until then. Runs in the caller's transaction, which
    should do nothing else. Where two sealers of one writer meet, one of them fails with an IntegrityError and nothing
    is lost.
    """
    last = connection.execute(
        select(audit_link.c.position, audit_link.c.digest)
        .where(audit_link.c.writer == writer)
        .order_by(audit_link.c.position.desc())
        .limit(1)
    ).one_or_none()
    position, digest = (last.position, last.digest) if last is not None else (0, _BEFORE_THE_FIRST)
    waiting = select(audit_event).join(audit_waiting, audit_waiting.c.serial == audit_event.c.serial)
    waiting = waiting.where(audit_waiting.c.writer == writer).order_by(audit_event.c.serial).limit(limit)
    links = []
    for row in connection.execute(waiting):
        position += 1
        digest = _link_digest(digest, position, row)
        links.append({"serial": row.serial, "writer": writer, "position": position, "digest": digest})
    if not links:
        return None
    connection.execute(insert(audit_link), links)
    met = delete(audit_waiting).where(audit_waiting.c.writer == writer, audit_waiting.c.serial == bindparam("met"))
    connection.execute(met, [{"met": link["serial"]} for link in links])
    unsigned = Checkpoint(writer, position, links[-1]["serial"], digest, at, b"")
    checkpoint = Checkpoint(writer, position, unsigned.serial, digest, at, sign(unsigned.message()))
    connection.execute(
        insert(audit_checkpoint).values(
            writer=writer,
            position=position,
            serial=checkpoint.serial,
            digest=digest,
            at=at,
            signature=checkpoint.signature,
        )
    )
    return checkpoint


def verify_chain(
    connection: Connection,
    writer: str,
    verify: Callable[[bytes, bytes], bool],
    *,
    known: Iterable[Checkpoint] = (),
) -> ChainReport:
    """Walk the chain of ``writer`` from its beginning to the first break.

    ``verify(message, signature)`` says whether the sealer's key made that signature; ``known`` are checkpoints
    kept outside this database, which also show when the end of the chain, checkpoints included, was cut off. Runs in a
    transaction that sees the database at one moment: ``reading(engine, consistent=True)``.
    """
    checkpoints = _checkpoints(connection, writer)
    for checkpoint in known:
        checkpoints.setdefault(checkpoint.position, []).append(checkpoint)
    walk = _Walk(checkpoints, verify)
    with connection.execute(_links(writer).execution_options(yield_per=1000)) as rows:
        for row in rows:
            walk.step(row)
            if walk.broken is not None:
                break
        else:
            walk.end()
    number = select(func.count()).select_from(audit_waiting).where(audit_waiting.c.writer == writer)
    waiting = connection.execute(number).scalar_one()
    if walk.broken is None:
        _find_back_doors(connection, writer, walk)
    return ChainReport(sealed=walk.position, waiting=waiting, broken=walk.broken, reason=walk.reason)


def _find_back_doors(connection: Connection, writer: str, walk: "_Walk") -> None:
    linked = exists().where(audit_link.c.serial == audit_event.c.serial)
    waits = exists().where(audit_waiting.c.writer == writer, audit_waiting.c.serial == audit_event.c.serial)
    stray = select(func.min(audit_event.c.serial)).where(audit_event.c.writer == writer, ~linked, ~waits)
    there = exists().where(audit_event.c.serial == audit_waiting.c.serial, audit_event.c.writer == writer)
    gone = select(func.min(audit_waiting.c.serial)).where(audit_waiting.c.writer == writer, ~there)
    for query, reason in ((stray, Break.STRAY), (gone, Break.MISSING)):
        serial = connection.execute(query).scalar_one()
        if serial is not None:
            walk.break_at(serial, reason)
            return


class _Walk:
    """The state of one walk along a chain."""

    def __init__(self, checkpoints: dict[int, list[Checkpoint]], verify: Callable[[bytes, bytes], bool]) -> None:
        self.position = 0
        self.broken: int | None = None
        self.reason: Break | None = None
        self._digest = _BEFORE_THE_FIRST
        self._checkpoints = checkpoints
        self._verify = verify
        self._first_unsigned: int | None = None

    def step(self, row: Row[Any]) -> None:
        if row.position != self.position + 1:
            self.break_at(row.link_serial, Break.UNLINKED)
            return
        if row.serial is None:
            self.break_at(row.link_serial, Break.MISSING)
            return
        digest = _link_digest(self._digest, row.position, row)
        if digest != row.digest:
            self.break_at(row.link_serial, Break.CHANGED)
            return
        first_unsigned = self._first_unsigned if self._first_unsigned is not None else row.serial
        checkpoints = self._checkpoints.get(row.position, [])
        for checkpoint in checkpoints:
            same = checkpoint.digest == digest and checkpoint.serial == row.serial
            if not same or not self._verify(checkpoint.message(), checkpoint.signature):
                self.break_at(first_unsigned, Break.CHECKPOINT)
                return
        self._first_unsigned = None if checkpoints else first_unsigned
        self._digest = digest
        self.position = row.position

    def end(self) -> None:
        beyond = [position for position in self._checkpoints if position > self.position]
        if beyond:
            self.break_at(self._checkpoints[min(beyond)][0].serial, Break.CUT)
        elif self._first_unsigned is not None:
            self.break_at(self._first_unsigned, Break.UNSIGNED)

    def break_at(self, serial: int, reason: Break) -> None:
        self.broken = serial
        self.reason = reason


def _links(writer: str) -> Select[Any]:
    return (
        select(audit_link.c.serial.label("link_serial"), audit_link.c.position, audit_link.c.digest, audit_event)
        .select_from(audit_link.outerjoin(audit_event, audit_event.c.serial == audit_link.c.serial))
        .where(audit_link.c.writer == writer)
        .order_by(audit_link.c.position)
    )


def _checkpoints(connection: Connection, writer: str) -> dict[int, list[Checkpoint]]:
    rows = connection.execute(select(audit_checkpoint).where(audit_checkpoint.c.writer == writer))
    return {
        row.position: [Checkpoint(row.writer, row.position, row.serial, row.digest, row.at, row.signature)]
        for row in rows
    }


def _link_digest(previous: str, position: int, row: Row[Any]) -> str:
    content = [row.serial, _instant(row.at), row.writer, row.actor, row.action, row.subject, row.facts, row.reference]
    return hashlib.sha256(_canonical(["ostiary audit link 1", previous, position, *content])).hexdigest()


def _canonical(content: list[object]) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
