"""What was known about a person before and after each change of her attributes, and whether it is what the audit says. Changes nothing.

The values stand in the table of attributes, which is erased with the person; the audit row of a change proves them by digests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from idp.accounts.changes import state_of
from idp.tables import person_attribute
from ostiary import audit

_ACTIONS = ("person.created", "person.attributes_set", "person.deleted")
_ROWS_AT_ONCE = 500

Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One change: who made it (``by``), and of each attribute that it touched the values before and after. ``proven``: the audit row says
    the same; None where it was written by a release that said only how many values there were."""

    serial: int
    at: datetime
    by: str
    before: Values
    after: Values
    proven: bool | None


def attribute_changes(connection: Connection, principal: str) -> tuple[AttributeChange, ...]:
    """Every change of her attributes, the first one first; nothing of whom the audit has forgotten."""
    wanted = select(person_attribute).where(person_attribute.c.principal == principal)
    rows = connection.execute(wanted.order_by(person_attribute.c.name, person_attribute.c.position)).all()
    return tuple(_change(connection, principal, event, rows) for event in _events(connection, principal))


def _events(connection: Connection, principal: str) -> list[audit.Event]:
    found: list[audit.Event] = []
    after = 0
    while page := audit.events(connection, after=after, action="person", subject=principal, limit=_ROWS_AT_ONCE):
        found.extend(event for event in page if event.action in _ACTIONS)
        after = page[-1].serial
    return found


def _change(connection: Connection, principal: str, event: audit.Event, rows: Sequence[Row[Any]]) -> AttributeChange:
    before = _values(row for row in rows if row.deleted_serial == event.serial)
    after = _values(row for row in rows if row.created_serial == event.serial)
    proven = None
    if "before" in event.facts and "after" in event.facts:
        states = (state_of(connection, principal, before), state_of(connection, principal, after))
        proven = states == (event.facts["before"], event.facts["after"])
    return AttributeChange(event.serial, event.at, event.actor, before, after, proven)


def _values(rows: Any) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row.value)
    return {name: tuple(values) for name, values in found.items()}
