"""What other release policies would have changed about past requests: asks the Attribute Authority about each, and counts. Changes nothing,
and keeps no value: who gains or loses an attribute stays a number of people.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from attribute_authority.administration.requests import PastRequest
from ostiary.errors import Missing, Unavailable
from ostiary.policy.release import ReleaseDecision, ReleasePolicies, Verdict
from ostiary.ports import ReleaseRequest

Decide = Callable[[ReleaseRequest, Sequence[ReleasePolicies]], Sequence[ReleaseDecision]]
"""What each set of policies would decide about a request, by what is known now. Raises `Missing`, `Unavailable`."""

ChangeKind = Literal["gained", "lost", "more_values", "fewer_values", "other_values"]

KINDS: Final[tuple[ChangeKind, ...]] = ("gained", "more_values", "other_values", "fewer_values", "lost")


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """What would become of one attribute for one requester: for how many people, and by which rules (``policy/rule``; the reason where no
    rule decides)."""

    attribute: str
    kind: ChangeKind
    people: int
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequesterChanges:
    """``requests`` and ``people``: all that were tried of this requester; ``touched``: people for whom something would be different."""

    requester: str
    requests: int
    people: int
    touched: int
    changes: tuple[AttributeChange, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """The outcome. ``since`` and ``until``: when the first and the last of the ``tried`` requests were asked; ``touched``: how many of them
    would be answered differently. Left out: requests about people who are ``gone``, and where a source did not answer (``unknown``)."""

    tried: int
    touched: int
    gone: int
    unknown: int
    since: datetime | None
    until: datetime | None
    requesters: tuple[RequesterChanges, ...]

    @property
    def widens(self) -> bool:
        """Whether anybody would be told more than now."""
        return any(change.kind not in ("lost", "fewer_values") for one in self.requesters for change in one.changes)


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    people: set[str] = field(default_factory=set)
    changed: dict[tuple[str, ChangeKind], dict[str, frozenset[str]]] = field(default_factory=dict)


def try_out(
    past: Iterable[PastRequest], current: ReleasePolicies, candidate: ReleasePolicies, decide: Decide
) -> DryRun:
    """Both sets of policies on each request. Raises nothing: what can't be decided now is counted."""
    tallies: dict[str, _Tally] = {}
    gone = unknown = touched = 0
    times: list[datetime] = []
    for one in past:
        request = one.request
        try:
            before, after = decide(request, (current, candidate))
        except Missing:
            gone += 1
            continue
        except Unavailable:
            unknown += 1
            continue
        times.append(request.at)
        tally = tallies.setdefault("" if request.anonymous else request.requester, _Tally())
        tally.requests += 1
        tally.people.add(request.principal)
        changes = compare(before, after)
        touched += bool(changes)
        for key, rules in changes.items():
            people = tally.changed.setdefault(key, {})
            people[request.principal] = people.get(request.principal, frozenset()) | rules
    found = [_requester(name, tally) for name, tally in tallies.items() if tally.changed]
    found.sort(key=lambda one: (-one.touched, one.requester))
    return DryRun(len(times), touched, gone, unknown, min(times, default=None), max(times, default=None), tuple(found))


def compare(before: ReleaseDecision, after: ReleaseDecision) -> dict[tuple[str, ChangeKind], frozenset[str]]:
    """What is different, by attribute, with the rules (or reasons) that decide so afterwards."""
    had, has = _released(before), _released(after)
    found: dict[tuple[str, ChangeKind], frozenset[str]] = {}
    for name in dict.fromkeys((*had, *has)):
        old, new = had.get(name, frozenset()), has.get(name, frozenset())
        if old == new:
            continue
        deciding = frozenset(
            _decided_by(verdict)
            for verdict in after.verdicts
            if verdict.attribute == name and str(verdict.value) in old ^ new
        )
        found[name, _kind(old, new)] = deciding
    return found


def _requester(name: str, tally: _Tally) -> RequesterChanges:
    changes = [
        AttributeChange(attribute, kind, len(people), tuple(sorted(frozenset().union(*people.values()))))
        for (attribute, kind), people in tally.changed.items()
    ]
    changes.sort(key=lambda change: (KINDS.index(change.kind), change.attribute))
    touched = set().union(*tally.changed.values())
    return RequesterChanges(name, tally.requests, len(tally.people), len(touched), tuple(changes))


def _released(decision: ReleaseDecision) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for attribute in decision.attributes:
        found.setdefault(attribute.name, set()).update(attribute.texts())
    return {name: frozenset(values) for name, values in found.items()}


def _kind(old: frozenset[str], new: frozenset[str]) -> ChangeKind:
    if not old:
        return "gained"
    if not new:
        return "lost"
    if old < new:
        return "more_values"
    return "fewer_values" if new < old else "other_values"


def _decided_by(verdict: Verdict) -> str:
    return f"{verdict.policy}/{verdict.rule}" if verdict.policy else verdict.reason
