"""The latest requests, as they were asked, for trying a change of policies out on them. Keeps no value, no answer, and nobody's name.

A row goes when it is old, when there are too many, and with the person whom it was about.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, insert, select

from attribute_authority.tables import release_request
from ostiary import audit
from ostiary.attributes import Attribute
from ostiary.audit.tables import audit_person
from ostiary.ports import ReleaseRequest
from ostiary.storage.engine import reading
from ostiary.storage.prepared import PreparedInsert
from ostiary.storage.sweeping import Sweeper

KEPT_AT_MOST: Final = 20_000
"""Rows in one database; each is some 300 bytes."""
LONGEST_REPLAY: Final = 5_000

# Longer ones are none that a policy could speak of.
_TARGET_LENGTH: Final = 2_000
_CONTEXT_LENGTH: Final = 1_024
_NETWORK_LENGTH: Final = 64
_WANTED: Final = 200
_NAME_LENGTH: Final = 256
# How often what is too much is cleared away: with every so many rows.
_ROUND: Final = 256

_INSERT: Final = PreparedInsert(insert(release_request))


@dataclass(frozen=True, slots=True)
class PastRequest:
    """One request that was answered. ``pushed``: by the identity provider at a sign-on. Of wanted attributes the names alone are known."""

    request: ReleaseRequest
    pushed: bool


class RememberedRequests:
    """Implements `ostiary.ports.AskedRequests`. ``keep``: for how long a request is remembered; zero remembers none."""

    def __init__(self, engine: Engine, *, keep: timedelta) -> None:
        self._engine = engine
        self._keep = keep
        self._sweeper = Sweeper(engine, release_request.c.id, release_request.c.ends)

    def note(self, connection: Connection, request: ReleaseRequest, *, pushed: bool) -> None:
        """In the transaction that writes the audit row about this person."""
        if not self._keep:
            return
        target = request.target
        wanted = request.wanted
        row = {
            "whose": audit.person_key(request.principal),
            "authority": request.authority,
            "at": request.at,
            "requester": request.requester[:1024],
            "anonymous": request.anonymous,
            "pushed": pushed,
            "target": target if target is None or len(target) <= _TARGET_LENGTH else "",
            "wanted": json.dumps([one.name[:_NAME_LENGTH] for one in wanted[:_WANTED]]) if wanted is not None else None,
            "network": request.network[:_NETWORK_LENGTH] if request.network is not None else None,
            "authn_context": request.authn_context[:_CONTEXT_LENGTH] if request.authn_context is not None else None,
            "ends": request.at + self._keep,
        }
        number = _INSERT.serial(connection, row)
        if number % _ROUND == 0:
            connection.execute(delete(release_request).where(release_request.c.id <= number - KEPT_AT_MOST))

    def sweep(self, now: datetime) -> None:
        """Clears away some of what is old, when it is time; not within a transaction."""
        self._sweeper.sweep(now)

    def latest(self, limit: int, *, authority: int) -> tuple[PastRequest, ...]:
        """At most ``limit`` of the last requests about people whom the audit still knows, the newest first. Raises `Unavailable`."""
        joined = release_request.join(audit_person, audit_person.c.lookup == release_request.c.whose)
        wanted = (
            select(release_request, audit_person.c.name.label("principal"))
            .select_from(joined)
            .where(release_request.c.authority == authority)
            .order_by(release_request.c.id.desc())
            .limit(min(limit, LONGEST_REPLAY))
        )
        with reading(self._engine) as connection:
            return tuple(_past(row) for row in connection.execute(wanted))


def _past(row: Any) -> PastRequest:
    names = json.loads(row.wanted) if row.wanted is not None else None
    request = ReleaseRequest(
        principal=row.principal,
        requester=row.requester,
        at=row.at,
        target=row.target,
        wanted=tuple(Attribute(name, ()) for name in names) if names is not None else None,
        authority=row.authority,
        anonymous=row.anonymous,
        network=row.network,
        authn_context=row.authn_context,
    )
    return PastRequest(request, row.pushed)
