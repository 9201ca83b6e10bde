"""Writes an audit row when policies, their precedence or the list of administrators are not what they were, once across all processes.

Keeps each state, so that before and after can be read. Decides nothing about what is in force.
"""

import hashlib
import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from attribute_authority.administration.content import Content, Difference, canonical, differences, digest_of
from attribute_authority.tables import policy_version
from ostiary import audit
from ostiary.audit.tables import audit_event
from ostiary.errors import Missing, Unavailable
from ostiary.storage.engine import reading, writing

Kind = Literal["release_policies", "precedence", "administrators"]

KINDS: Final[tuple[Kind, ...]] = ("release_policies", "precedence", "administrators")
ACTOR: Final = "attribute_authority"
"""Who changes files, nobody here knows: the service that read them says that they changed."""

_ATTEMPTS: Final = 5
# What of a long list fits into an audit row; the states themselves are kept whole.
_TOLD: Final = 40
_TOLD_KEYS: Final = 8
_TOLD_LENGTH: Final = 60
_TOLD_SIZE: Final = 12_000


@dataclass(frozen=True, slots=True)
class Version:
    """One state that came into force. ``serial`` is that of its audit row, whose ``facts`` tell what was different before."""

    kind: Kind
    number: int
    digest: str
    at: datetime
    serial: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A state and the one before it (empty for the first), whole."""

    version: Version
    before: Content
    after: Content

    def differences(self) -> tuple[Difference, ...]:
        """What is different."""
        return differences(self.before, self.after)


class PolicyRecords:
    """The states of one Attribute Authority in one database. ``writer`` is the chain of the audit. Every method raises `Unavailable` when
    the database does not answer."""

    def __init__(self, engine: Engine, *, entity_id: str, authority_index: int, writer: str) -> None:
        self._engine = engine
        self._writer = writer
        self._owners = {kind: _owner(entity_id, authority_index, kind) for kind in KINDS}

    def record(self, kind: Kind, content: bytes, at: datetime) -> int | None:
        """Writes down that ``content`` (`canonical`) is in force from now on. The serial of the audit row; None when that was the latest
        state anyway, from whichever process."""
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    return self._record(connection, kind, content, at)
            except IntegrityError:
                # Another process was first, most likely with the same.
                continue
        raise Unavailable("storage.unavailable", expected="one change at a time", found="others that came first")

    def history(self, *, limit: int = 50, before: int | None = None) -> tuple[Version, ...]:
        """The latest states of every kind, the newest first; ``before``: those with smaller serials only."""
        wanted = _versions(self._owners.values())
        if before is not None:
            wanted = wanted.where(policy_version.c.serial < before)
        with reading(self._engine) as connection:
            found = connection.execute(wanted.order_by(policy_version.c.serial.desc()).limit(limit)).all()
        return tuple(_version(row) for row in found)

    def step(self, serial: int) -> Step:
        """The state with that serial and the one before. Raises `Missing` (``aa.no_such_change``)."""
        with reading(self._engine) as connection:
            wanted = _versions(self._owners.values()).add_columns(policy_version.c.owner, policy_version.c.content)
            row = connection.execute(wanted.where(policy_version.c.serial == serial)).one_or_none()
            if row is None:
                raise Missing("aa.no_such_change", expected="the serial of a change of policies", found=serial)
            earlier = connection.execute(
                select(policy_version.c.content).where(
                    policy_version.c.owner == row.owner, policy_version.c.number == row.number - 1
                )
            ).scalar_one_or_none()
        return Step(_version(row), _unpacked(earlier) if earlier is not None else {}, _unpacked(row.content))

    def _record(self, connection: Connection, kind: Kind, content: bytes, at: datetime) -> int | None:
        owner, digest = self._owners[kind], digest_of(content)
        latest = connection.execute(
            select(policy_version.c.number, policy_version.c.digest, policy_version.c.content)
            .where(policy_version.c.owner == owner)
            .order_by(policy_version.c.number.desc())
            .limit(1)
        ).one_or_none()
        if latest is not None and latest.digest == digest:
            return None
        before = _unpacked(latest.content) if latest is not None else {}
        facts = _facts(differences(before, json.loads(content)) if latest is not None else ())
        number = latest.number + 1 if latest is not None else 1
        serial = audit.record(
            connection,
            at=at,
            writer=self._writer,
            actor=ACTOR,
            action=f"{kind}.changed",
            facts={"before": latest.digest if latest is not None else None, "after": digest, **facts},
        )
        row = {"owner": owner, "number": number, "kind": kind, "digest": digest, "at": at, "serial": serial}
        connection.execute(insert(policy_version).values({**row, "content": zlib.compress(content, 9)}))
        return serial


class ChangeWatch:
    """What one process has loaded and not yet seen written down. Safe for use by several threads."""

    def __init__(self, records: PolicyRecords) -> None:
        self._records = records
        self._lock = threading.Lock()
        self._due: dict[Kind, bytes] = {}

    def loaded(self, kind: Kind, content: Content) -> None:
        """This is what is in force now, or will be in a moment."""
        written = canonical(content)
        with self._lock:
            self._due = {**self._due, kind: written}

    def record_due(self, at: datetime) -> None:
        """Writes down what has changed. Raises `Unavailable` when that can't be; it is tried again the next time."""
        # Nearly always: nothing is due. Else all wait, so that nobody is answered by what is not recorded.
        if not self._due:
            return
        with self._lock:
            for kind, content in self._due.items():
                self._records.record(kind, content, at)
                self._due = {other: due for other, due in self._due.items() if other != kind or due is not content}


def _owner(entity_id: str, authority_index: int, kind: Kind) -> str:
    return hashlib.sha256(json.dumps([entity_id, authority_index, kind]).encode()).hexdigest()


def _versions(owners: Any) -> Any:
    columns = (policy_version.c.kind, policy_version.c.number, policy_version.c.digest, policy_version.c.at)
    joined = policy_version.join(audit_event, audit_event.c.serial == policy_version.c.serial)
    return (
        select(*columns, policy_version.c.serial, audit_event.c.facts)
        .select_from(joined)
        .where(policy_version.c.owner.in_(list(owners)))
    )


def _version(row: Any) -> Version:
    return Version(row.kind, row.number, row.digest, row.at, row.serial, MappingProxyType(json.loads(row.facts)))


def _unpacked(content: bytes) -> Content:
    found: Content = json.loads(zlib.decompress(content))
    return found


def _facts(found: Sequence[Difference]) -> dict[str, object]:
    """As much of the differences as an audit row takes; how many more there are."""
    told = min(len(found), _TOLD)
    while True:
        changes = [_told(one) for one in found[:told]]
        if not told or len(json.dumps(changes)) <= _TOLD_SIZE:
            break
        told //= 2
    return {"changes": changes, **({"more": len(found) - told} if told < len(found) else {})}


def _told(one: Difference) -> list[object]:
    keys = [key[:_TOLD_LENGTH] for key in one.keys[:_TOLD_KEYS]]
    return [one.kind, one.section, one.id, *([keys] if keys else [])]
