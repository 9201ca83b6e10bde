"""The life of a request as a pure rule: which state follows which. Who may bring it there is decided elsewhere.

``submitted`` waits for the link in the letter, ``confirmed`` for a manager; the others are ends.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from ostiary.errors import Refusal

State = Literal["submitted", "confirmed", "approved", "rejected", "withdrawn", "expired"]
Event = Literal["confirm", "approve", "reject", "withdraw", "expire"]

OPEN: Final[tuple[State, ...]] = ("submitted", "confirmed")
"""States in which a request still waits for something."""

STATES: Final[tuple[State, ...]] = (*OPEN, "approved", "rejected", "withdrawn", "expired")

_NEXT: Final[Mapping[tuple[State, Event], State]] = MappingProxyType(
    {
        ("submitted", "confirm"): "confirmed",
        ("submitted", "withdraw"): "withdrawn",
        ("submitted", "expire"): "expired",
        ("confirmed", "approve"): "approved",
        ("confirmed", "reject"): "rejected",
        ("confirmed", "withdraw"): "withdrawn",
        ("confirmed", "expire"): "expired",
    }
)


def after(state: State, event: Event) -> State:
    """The state that follows. Raises `Refusal` (``voms.request_state``) where the event can't happen any more, or not yet."""
    found = _NEXT.get((state, event))
    if found is None:
        possible = sorted(before for before, each in _NEXT if each == event)
        raise Refusal("voms.request_state", expected=" or ".join(possible), found=state, state=state)
    return found
