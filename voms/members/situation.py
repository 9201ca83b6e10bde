"""The states that a member can be in, and what each comes to. Decides nothing: `voms.members.states` does."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where a member stands. ``expired`` and ``aup_due`` have a time of grace, in which she goes on."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    AUP_DUE = "aup_due"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Situation:
    """A member at one moment. ``acts``: whether she is given anything; then ``until`` is the first instant at which that ends by itself
    (None: never), which nothing issued outlives. Else ``reason`` is what she is told, ``code`` the kind of it (that of the suspension, or
    ``certificate``: only the one that she showed).

    ``since``: when that began, ``by``: who suspended her; None where that is not known.
    """

    state: State
    acts: bool
    until: datetime | None = None
    since: datetime | None = None
    code: str = ""
    reason: str = ""
    by: str | None = None


ACTIVE = Situation(State.ACTIVE, acts=True)
"""Of a member whom nothing ends."""
