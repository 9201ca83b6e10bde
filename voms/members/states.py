"""Decides in which state a member is: active, suspended, expired, or with a policy to sign. Pure, and without help of any job: what a job
writes down later was true before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from voms.members.acceptance import Acceptance, Undertaking, acceptance, later_by
from voms.members.situation import Situation, State

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {"expired": "User membership has expired.", "aup": "User failed to sign the AUP in time."}
)
"""What a member is told whom time has suspended, by the code of that: the original's words, which are part of its protocol."""

_STATES: Final[Mapping[str, State]] = MappingProxyType({"expired": State.EXPIRED, "aup": State.AUP_DUE})


@dataclass(frozen=True, slots=True)
class Suspension:
    """That somebody suspended her, or time did (``code`` ``expired`` or ``aup``). ``reason`` is what she is told."""

    code: str
    reason: str
    by: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """What is written of a member about whether she may act. ``valid_to``: the end of her membership, None for never; ``grace``: how long
    she goes on after it. A service (``signs`` is false) signs no policy: whoever registered it answers for it."""

    valid_to: datetime | None = None
    grace: timedelta = timedelta(0)
    suspension: Suspension | None = None
    signs: bool = True
    undertaking: Undertaking = field(default_factory=Undertaking)


def situation(life: Life, now: datetime) -> Situation:
    """Where the member stands at ``now``. What refuses goes before what is only due; the end of the membership before the policy."""
    if (held := life.suspension) is not None:
        state = _STATES.get(held.code, State.SUSPENDED)
        return Situation(state, acts=False, since=held.at, code=held.code, reason=held.reason, by=held.by)
    agreed = acceptance(life.undertaking, now) if life.signs else Acceptance(accepted=True)
    end = life.valid_to
    if end is not None and later_by(end, life.grace) <= now:
        return _refused(State.EXPIRED, "expired", end)
    if not agreed.accepted and agreed.until is not None and agreed.until <= now:
        return _refused(State.AUP_DUE, "aup", agreed.since)
    if end is not None and end <= now:
        return Situation(State.EXPIRED, acts=True, since=end, until=_first(later_by(end, life.grace), agreed.until))
    if not agreed.accepted:
        return Situation(State.AUP_DUE, acts=True, since=agreed.since, until=_first(agreed.until, end))
    return Situation(State.ACTIVE, acts=True, until=_first(agreed.until, end))


def with_link(found: Situation, suspension: Suspension | None) -> Situation:
    """The same for whoever shows one certificate, which may be suspended by itself."""
    if suspension is None or not found.acts:
        return found
    return Situation(
        State.SUSPENDED,
        acts=False,
        since=suspension.at,
        code=suspension.code,
        reason=suspension.reason,
        by=suspension.by,
    )


def _refused(state: State, code: str, since: datetime | None) -> Situation:
    return Situation(state, acts=False, since=since, code=code, reason=REASONS[code])


def _first(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
