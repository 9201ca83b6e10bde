"""When a member could act at all: not suspended, not expired, the policy signed in time.

The rules are those of `voms.members.states`; they are asked at every instant at which their answer may have become another one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from voms.history.spans import NEVER, Span, Spans, Window, both, either
from voms.history.versions import any_of, instants, versions
from voms.members.acceptance import Terms, Undertaking, later_by
from voms.members.situation import Situation
from voms.members.states import Life, Suspension, situation
from voms.tables import vo, vo_aup_demand, vo_aup_signature, vo_aup_version, vo_member

_MEMBER: Final = (
    *("id", "vo_id", "kind", "valid_from", "valid_to"),
    *("suspended_code", "suspended_reason", "suspended_by", "suspended_at"),
)


@dataclass(frozen=True, slots=True)
class Lives:
    """What was written of some members about whether they may act, and of their VO, in all versions that stood there at some time of
    ``window``."""

    window: Window
    vos: Sequence[Row[Any]]
    members: Mapping[str, Sequence[Row[Any]]]
    terms: Sequence[Row[Any]]
    signatures: Mapping[str, Sequence[Row[Any]]]
    demands: Mapping[str, Sequence[Row[Any]]]

    def belongs(self, member: str) -> Spans:
        """When she was a member, suspended or not; the time of grace counts."""
        return either(
            span
            for row in self.members.get(member, ())
            for own in self.vos
            for span in both(
                both(self.window.cut(*instants(row)), self.window.cut(*instants(own))),
                self.window.cut(row.valid_from, _over(row, own)),
            )
        )

    def inheriting(self) -> Spans:
        """When what a group gives went to the groups below it."""
        return either(span for row in self.vos if row.inherits for span in self.window.cut(*instants(row)))

    def acting(self, member: str) -> Spans:
        """When she could act."""
        rows = self.members.get(member, ())
        if not rows:
            return NEVER
        return either(self._acting(member, sorted(self._turns(member))))

    def situation(self, member: str, at: datetime) -> Situation | None:
        """Where she stood; None: she was no member."""
        row = _then(self.members.get(member, ()), at)
        if row is None or row.valid_from > at:
            return None
        return situation(self._life(row, at), at)

    def _acting(self, member: str, turns: Sequence[datetime]) -> Iterator[Span]:
        for begin, end in zip(turns, [*turns[1:], self.window.until], strict=True):
            at = begin
            # What ends by itself may do so between two turns.
            while at < end:
                found = self.situation(member, at)
                if found is None or not found.acts:
                    break
                until = end if found.until is None else min(found.until, end)
                yield at, until
                if until <= at:
                    break
                at = until

    def _turns(self, member: str) -> set[datetime]:
        """The beginning, and each later instant at which a row about her begins or ends, or counts from then on."""
        rows = [
            *self.vos,
            *self.members[member],
            *self.terms,
            *self.signatures.get(member, ()),
            *self.demands.get(member, ()),
        ]
        found: set[datetime | None] = {self.window.since}
        for row in rows:
            found.update(instants(row))
        found.update(row.valid_from for row in self.members[member])
        found.update(row.valid_to for row in self.members[member])
        found.update(row.in_force_from for row in self.terms)
        return {each for each in found if each is not None and self.window.since <= each < self.window.until}

    def _life(self, row: Row[Any], at: datetime) -> Life:
        suspension = None
        if row.suspended_reason is not None:
            suspension = Suspension(
                row.suspended_code or "other", row.suspended_reason, row.suspended_by, row.suspended_at
            )
        asked = _then(self.demands.get(row.id, ()), at)
        undertaking = Undertaking(
            terms=tuple(_terms(each) for each in _all_then(self.terms, at)),
            signed={each.version_id: each.signed_at for each in _all_then(self.signatures.get(row.id, ()), at)},
            member_since=row.valid_from,
            asked_at=asked.asked_at if asked is not None else None,
        )
        own = _then(self.vos, at)
        return Life(
            valid_to=row.valid_to,
            grace=timedelta(days=own.grace_days if own is not None else 0),
            suspension=suspension,
            signs=row.kind != "service",
            undertaking=undertaking,
        )


def lives(connection: Connection, vo_id: int, members: Sequence[str], window: Window) -> Lives:
    """Reads them: three questions, and two more where the VO has a policy."""
    vos = versions(connection, vo, ("id", "inherits", "grace_days"), lambda row: row.id == vo_id, window=window)
    # Which VO they are in is looked at here: the database might go through all members of the VO instead of by their ids.
    rows = versions(connection, vo_member, _MEMBER, any_of("id", members), window=window)
    found = [row for row in rows if row.vo_id == vo_id]
    terms = versions(
        connection,
        vo_aup_version,
        ("id", "in_force_from", "sign_again_days", "grace_days"),
        lambda row: row.vo_id == vo_id,
        window=window,
    )
    signatures: Sequence[Row[Any]] = ()
    demands: Sequence[Row[Any]] = ()
    if terms:
        whose = any_of("member_id", members)
        signed = ("member_id", "version_id", "signed_at")
        signatures = versions(connection, vo_aup_signature, signed, whose, window=window)
        demands = versions(connection, vo_aup_demand, ("member_id", "asked_at"), whose, window=window)
    return Lives(window, vos, _by(found, "id"), terms, _by(signatures, "member_id"), _by(demands, "member_id"))


def _over(row: Row[Any], own: Row[Any]) -> datetime | None:
    end: datetime | None = row.valid_to
    return later_by(end, timedelta(days=own.grace_days)) if end is not None else None


def _terms(row: Row[Any]) -> Terms:
    again = row.sign_again_days
    return Terms(
        row.id, row.in_force_from, timedelta(days=again) if again is not None else None, timedelta(days=row.grace_days)
    )


def _all_then(rows: Iterable[Row[Any]], at: datetime) -> Iterator[Row[Any]]:
    return (row for row in rows if row.created_at <= at and (row.deleted_at is None or at < row.deleted_at))


def _then(rows: Iterable[Row[Any]], at: datetime) -> Row[Any] | None:
    return next(_all_then(rows, at), None)


def _by(rows: Iterable[Row[Any]], name: str) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(getattr(row, name), []).append(row)
    return found
