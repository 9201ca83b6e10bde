"""What somebody did in a VO, and what was done there at all: its changes, the newest first, with what the audit trail says of each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, and_, or_, select

from ostiary.audit import events_of
from ostiary.storage.engine import reading
from voms.history.reports import Deed, Deeds, Place
from voms.history.versions import versions
from voms.rows import vo_number
from voms.tables import vo_change, vo_member_certificate, vo_member_identity

MOST: Final = 500


def deeds(
    engine: Engine,
    name: str,
    by: Sequence[str] | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    before: Place | None = None,
    most: int = 100,
) -> Deeds:
    """At most ``most`` (1 to 500) changes of the VO ``name`` in ``[since, until)``, before the place ``before``.

    ``by``: who made them, by one or several ids (somebody may have done things before she was a member); None: whoever. Raises `Missing`
    (``voms.no_vo``), `Unavailable`.
    """
    most = max(1, min(most, MOST))
    change = vo_change.c
    newest = (change.made_at.desc(), change.serial.desc())
    wanted = select(change.serial, change.made_at, change.made_by).order_by(*newest).limit(most + 1)
    if since is not None:
        wanted = wanted.where(change.made_at >= since)
    if until is not None:
        wanted = wanted.where(change.made_at < until)
    if before is not None:
        same = and_(change.made_at == before.at, change.serial < before.serial)
        wanted = wanted.where(change.made_at <= before.at, or_(change.made_at < before.at, same))
    with reading(engine, consistent=True) as connection:
        wanted = wanted.where(change.vo_id == vo_number(connection, name))
        # One question for each: their changes are found in order, and no more of them than are wanted.
        each = [wanted] if by is None else [wanted.where(change.made_by == one) for one in dict.fromkeys(by)]
        rows = [row for one in each for row in connection.execute(one)]
        rows.sort(key=lambda row: (row.made_at, row.serial), reverse=True)
        shown = rows[:most]
        told = events_of(connection, [row.serial for row in shown])
    found = []
    for row in shown:
        event = told.get(row.serial)
        action, member, facts = (event.action, event.person, event.facts) if event is not None else ("", None, {})
        found.append(Deed(row.serial, row.made_at, row.made_by, action, member, facts))
    last = Place(shown[-1].made_at, shown[-1].serial) if len(rows) > most else None
    return Deeds(tuple(found), last)


def known_as(engine: Engine, name: str, member: str) -> tuple[str, ...]:
    """All ids under which somebody who is or was a member may have changed the VO: her own, and those that her certificates and identities
    give to whom the VO does not know (yet). Raises `Missing` (``voms.no_vo``), `Unavailable`."""
    with reading(engine) as connection:
        number = vo_number(connection, name)
        found = [member]
        for table, key, prefix in (
            (vo_member_certificate, "names_key", "certificate:"),
            (vo_member_identity, "identity_key", "person:"),
        ):
            rows = versions(connection, table, (key, "vo_id"), lambda row: row.member_id == member)
            found += [prefix + getattr(row, key)[:16] for row in rows if row.vo_id == number]
    return tuple(dict.fromkeys(found))
