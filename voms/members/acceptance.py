"""Whether a member has accepted the acceptable-use policy at a moment, until when that holds, or until when she may still sign. Pure.

The version in force is the one that began last. A signature counts for its version from when it was given until it has to be given again
or a manager asks for a new one. Whoever lacks one has the grace of each version that is in force meanwhile: a new version, or being asked
once more, never gives more time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of the policy: in force from an instant on. ``sign_again``: how long a signature counts, None: for good; ``grace``: how
    long somebody without one goes on."""

    number: int
    in_force_from: datetime
    sign_again: timedelta | None
    grace: timedelta


@dataclass(frozen=True, slots=True)
class Undertaking:
    """What is written of one member and the policy: all its versions, when she last signed which (by number), since when she is a member,
    and when she was last asked to sign anew."""

    terms: tuple[Terms, ...] = ()
    signed: Mapping[int, datetime] = field(default_factory=dict)
    member_since: datetime = _EARLIEST
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """``accepted``: until ``until`` (None: for good). Else she lacks a signature since ``since``, and goes on until ``until``."""

    accepted: bool
    until: datetime | None = None
    since: datetime | None = None


def acceptance(undertaking: Undertaking, at: datetime) -> Acceptance:
    """How the member stands to the policy at ``at``. Where there is no policy (yet), she has accepted it."""
    lapsed = _EARLIEST
    for begin, end in _covered(undertaking):
        if begin <= at < end:
            return Acceptance(accepted=True, until=end if end < _LATEST else None)
        if end <= at:
            lapsed = end
    since = max(lapsed, undertaking.member_since)
    return Acceptance(accepted=False, since=since, until=_deadline(undertaking, since))


def in_force(terms: Sequence[Terms], at: datetime) -> Terms | None:
    """The version that holds at ``at``."""
    begun = [each for each in terms if each.in_force_from <= at]
    return max(begun, key=lambda each: (each.in_force_from, each.number)) if begun else None


def later_by(instant: datetime, span: timedelta) -> datetime:
    """The instant after a span that is not negative; the calendar ends with the year 9999."""
    return instant + span if span <= _LATEST - instant else _LATEST


def _deadline(undertaking: Undertaking, since: datetime) -> datetime:
    """The first end of a grace of all versions that are, or will be, in force from ``since`` on."""
    ends = [
        later_by(max(since, begin), terms.grace) for terms, begin, end in _in_turn(undertaking.terms) if end > since
    ]
    return min(ends, default=since)


def _covered(undertaking: Undertaking) -> Iterator[tuple[datetime, datetime]]:
    """When the policy is accepted: half-open spans in order, those that touch as one."""
    current: tuple[datetime, datetime] | None = None
    for begin, end in _spans(undertaking):
        if current is not None and begin == current[1]:
            current = (current[0], end)
            continue
        if current is not None:
            yield current
        current = (begin, end)
    if current is not None:
        yield current


def _spans(undertaking: Undertaking) -> Iterator[tuple[datetime, datetime]]:
    first = min((each.in_force_from for each in undertaking.terms), default=_LATEST)
    yield _EARLIEST, first
    for terms, begin, end in _in_turn(undertaking.terms):
        signed = undertaking.signed.get(terms.number)
        if signed is None:
            continue
        ends = [end]
        if terms.sign_again is not None:
            ends.append(later_by(signed, terms.sign_again))
        if undertaking.asked_at is not None and signed < undertaking.asked_at:
            ends.append(undertaking.asked_at)
        if (start := max(begin, signed)) < min(ends):
            yield start, min(ends)


def _in_turn(terms: Sequence[Terms]) -> Iterator[tuple[Terms, datetime, datetime]]:
    """Each version with the span in which it is in force; of two that begin together, the one written later counts."""
    ordered = sorted(terms, key=lambda each: (each.in_force_from, each.number))
    ends = [*(each.in_force_from for each in ordered[1:]), _LATEST]
    for each, end in zip(ordered, ends, strict=False):
        if each.in_force_from < end:
            yield each, each.in_force_from, end
