"""One change of a VO: a transaction, an audit row, and its serial on every row that begins or ends. Decides nothing.

Nothing is lost: what ends or is changed goes into the archive of its table, with who did that and when.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import audit
from ostiary.errors import Refusal
from ostiary.storage.engine import writing
from voms.rows import vo_number
from voms.tables import ARCHIVES, vo, vo_change

_NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """What is written in one transaction. ``vo``: the VO's number; ``name``: its name; ``by``: who does it, never a name of a person."""

    connection: Connection
    vo: int
    name: str
    serial: int
    at: datetime
    by: str

    def add(self, table: Table, **values: Any) -> Any:
        """A new row; returns its primary key."""
        made = self.connection.execute(insert(table).values(**values, **self._stamp()))
        key = made.inserted_primary_key
        return key[0] if key is not None else None

    def add_all(self, table: Table, rows: list[dict[str, Any]]) -> None:
        """Many new rows at once."""
        if rows:
            self.connection.execute(insert(table), [{**row, **self._stamp()} for row in rows])

    def add_from(self, table: Table, columns: list[str], rows: Select[Any]) -> None:
        """New rows whose ``columns`` a query finds, in one statement."""
        stamp = self._stamp()
        stamped = rows.add_columns(*(literal(value, table.c[name].type) for name, value in stamp.items()))
        self.connection.execute(insert(table).from_select([*columns, *stamp], stamped))

    def end(self, table: Table, *conditions: ColumnElement[bool], **of: object) -> int:
        """Ends the rows that fulfil everything (``of``: columns with exactly these values, None: NULL); how many there were."""
        met = [*conditions, *_equal(table, of)]
        self._archive(table, met)
        return self.connection.execute(delete(table).where(*met)).rowcount

    def alter(self, table: Table, values: Mapping[str, object], *conditions: ColumnElement[bool], **of: object) -> int:
        """Gives the rows that fulfil everything new values, and keeps how they were; how many there were."""
        met = [*conditions, *_equal(table, of)]
        self._archive(table, met)
        return self.connection.execute(update(table).where(*met).values(**values, **self._stamp())).rowcount

    def _archive(self, table: Table, met: list[ColumnElement[bool]]) -> None:
        archive = ARCHIVES[table.name]
        columns = [column.name for column in table.columns]
        ended = (
            literal(self.serial, archive.c.deleted_serial.type),
            literal(self.at, archive.c.deleted_at.type),
            literal(self.by, archive.c.deleted_by.type),
        )
        rows = select(*(table.c[name] for name in columns), *ended).where(*met)
        self.connection.execute(
            insert(archive).from_select([*columns, "deleted_serial", "deleted_at", "deleted_by"], rows)
        )

    def _stamp(self) -> dict[str, Any]:
        return {"created_serial": self.serial, "created_at": self.at, "created_by": self.by}


@contextmanager
def changing(
    engine: Engine,
    name: str,
    action: str,
    *,
    at: datetime,
    by: str,
    subject: str | None = None,
    facts: Mapping[str, object] = _NO_FACTS,
    alone: bool = False,
) -> Iterator[Change]:
    """One transaction on the VO ``name``, recorded as ``action`` about ``subject`` (a member's id) with ``facts``; ``alone``: one after the
    other of these. Nothing is kept when the block raises.

    Raises `Missing` (``voms.no_vo``), `Refusal` (``voms.taken``: what is added exists already), `Unavailable`.
    """
    try:
        with writing(engine) as connection:
            number = vo_number(connection, name)
            if alone:
                connection.execute(select(vo.c.id).where(vo.c.id == number).with_for_update())
            told = {"vo": name, **facts}
            serial = audit.record(
                connection, at=at, writer="voms", actor=by, action=action, subject=subject, facts=told
            )
            write_change(connection, number, serial, at=at, by=by)
            yield Change(connection, number, name, serial, at, by)
    except IntegrityError as error:
        raise Refusal("voms.taken", expected="something that is not there yet", found="it is there") from error


def write_change(connection: Connection, number: int, serial: int, *, at: datetime, by: str) -> None:
    """Under which serial the VO was changed, by whom and when: what `voms.history` finds somebody's changes by."""
    connection.execute(insert(vo_change).values(serial=serial, vo_id=number, made_by=by, made_at=at))


def _equal(table: Table, of: Mapping[str, object]) -> list[ColumnElement[bool]]:
    return [table.c[name].is_(None) if value is None else table.c[name] == value for name, value in of.items()]
