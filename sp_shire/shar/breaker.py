"""Whether an authority that has failed is asked at all: a pure state machine, and the place where one process keeps the states.

closed --so many failures in a row within a window--> open --pause over--> one question on trial --answered--> closed, --failed--> open.
Says nothing of people, and remembers nothing beyond the process: each finds out for itself.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

State = Literal["closed", "open", "on_trial"]


@dataclass(frozen=True, slots=True)
class Limits:
    """After ``failures`` in a row, each within ``window`` of the first, nobody asks for ``pause``."""

    failures: int = 5
    window: timedelta = timedelta(minutes=1)
    pause: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Circuit:
    """One authority as it has answered lately. ``failures`` in a row since ``since``; ``left_until``: nobody asks before;
    ``trial_until``: somebody is trying, and until then nobody else does."""

    failures: int = 0
    since: datetime | None = None
    left_until: datetime | None = None
    trial_until: datetime | None = None

    def state(self, now: datetime) -> State:
        """What it says to a question now."""
        if self.left_until is None:
            return "closed"
        return "open" if now < self.left_until or _lasts(self.trial_until, now) else "on_trial"


WHOLE: Final = Circuit()
"""Nothing is known against it."""


def admitted(circuit: Circuit, limits: Limits, now: datetime) -> Circuit | None:
    """The state while a question is asked; None when none may be. Whoever tries and never comes back blocks others for one pause."""
    state = circuit.state(now)
    if state == "closed":
        return circuit
    return replace(circuit, trial_until=now + limits.pause) if state == "on_trial" else None


def failed(circuit: Circuit, limits: Limits, now: datetime) -> Circuit:
    """The state after a question that was not answered."""
    if circuit.left_until is not None:
        return replace(circuit, left_until=now + limits.pause, trial_until=None)
    fresh = circuit.since is not None and now < circuit.since + limits.window
    since = circuit.since if fresh else now
    failures = circuit.failures + 1 if fresh else 1
    return Circuit(failures, since, now + limits.pause if failures >= limits.failures else None)


def asks_again_at(circuit: Circuit, now: datetime) -> datetime:
    """When the next question may be asked."""
    ends = [at for at in (circuit.left_until, circuit.trial_until) if at is not None and at > now]
    return max(ends, default=now)


class Breakers:
    """The circuits of all authorities that one process asks, by entityID. Safe for use by several threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        # Those alone that have failed lately: an answer takes it out.
        self._circuits: dict[str, Circuit] = {}

    def admits(self, authority: str, now: datetime) -> bool:
        """Whether to ask it now. True obliges to tell what came of it: `answered` or `failed`."""
        with self._lock:
            known = self._circuits.get(authority)
            if known is None:
                return True
            admission = admitted(known, self._limits, now)
            if admission is not None:
                self._circuits[authority] = admission
            return admission is not None

    def answered(self, authority: str) -> None:
        """It has answered, whatever it said."""
        with self._lock:
            self._circuits.pop(authority, None)

    def failed(self, authority: str, now: datetime) -> None:
        """It has not."""
        with self._lock:
            self._circuits[authority] = failed(self._circuits.get(authority, WHOLE), self._limits, now)

    def asks_again_at(self, authority: str, now: datetime) -> datetime:
        """When it may be asked next."""
        with self._lock:
            return asks_again_at(self._circuits.get(authority, WHOLE), now)

    def states(self) -> Mapping[str, Circuit]:
        """Those that have failed lately."""
        with self._lock:
            return dict(self._circuits)


def _lasts(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until
