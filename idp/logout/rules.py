"""The rules of telling SPs about a logout (SAML profiles 4.4.3), as pure functions: by which channel, and what has come of it.

    waiting --asked--> asked --answer--> ended, unknown or refused
       ^                 |
       +--no answer------+   the next channel: SOAP first, the browser then
       |
       +--no channel left--> unanswered (it was asked) or untold (it could not be)

A late answer still counts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from ostiary.errors import Denied
from ostiary.federation.model import Endpoint, SpRole
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.logout import PARTIAL_LOGOUT, LogoutResponse, check_logout_status
from ostiary.saml.message import SUCCEEDED, Status

FRONT: Final = (names.HTTP_REDIRECT, names.HTTP_POST)
# The newest that are told of one SP: a browser holds one session of each of its sites, and those it had before are over.
MOST_OF_ONE_SP: Final = 8

Channel = Literal["back", "front"]


class State(StrEnum):
    """What is known of one SP."""

    WAITING = "waiting"
    ASKED = "asked"
    ENDED = "ended"
    """It says that it has ended the session."""
    UNKNOWN = "unknown"
    """It says that it knows nobody of that name: there is nothing to end."""
    REFUSED = "refused"
    """It says that it could not end the session, or not all of it."""
    UNANSWERED = "unanswered"
    UNTOLD = "untold"
    """It offers no way to be told."""


SETTLED: Final = frozenset({State.ENDED, State.UNKNOWN, State.REFUSED, State.UNANSWERED, State.UNTOLD})
_DONE: Final = frozenset({State.ENDED, State.UNKNOWN})
# What a page says first: the worst of what one SP's sessions came to.
_WORST_FIRST: Final = (
    State.WAITING,
    State.ASKED,
    State.UNTOLD,
    State.UNANSWERED,
    State.REFUSED,
    State.ENDED,
    State.UNKNOWN,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One session at one SP (entityID) to be ended. ``elsewhere``: it belongs to another browser than the one that goes along;
    ``request_id``: of the last LogoutRequest that was sent, at ``asked_at``."""

    id: int
    sp: str
    name_id: NameId
    session_index: str
    elsewhere: bool = False
    state: State = State.WAITING
    request_id: str | None = None
    asked_at: datetime | None = None
    back_tried: bool = False
    front_tried: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """The SP that asked for the logout, and what its answer takes. ``asynchronous``: it wants none."""

    sp: str
    request_id: str
    binding: str
    relay_state: str | None = None
    asynchronous: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A logout under way. ``browser``: SHA-256 (hex) of the token of the browser that goes along, None where there is none; ``found``:
    whether there was a session to end, so that it is known who took part."""

    id: str
    browser: str | None
    asker: Asker | None
    found: bool
    steps: tuple[Step, ...]


def way(step: Step, role: SpRole | None, *, browser: bool) -> tuple[Channel, Endpoint] | None:
    """How to tell an SP next: SOAP, which needs nobody's patience, then the browser; None when nothing is left. ``role``: None where its
    metadata is gone."""
    offered = role.single_logout if role is not None else ()
    soap = next((endpoint for endpoint in offered if endpoint.binding == names.SOAP), None)
    if soap is not None and not step.back_tried and not step.front_tried:
        return "back", soap
    front = front_endpoint(role)
    if front is not None and browser and not step.elsewhere and not step.front_tried:
        return "front", front
    return None


def front_endpoint(role: SpRole | None, prefer: str = names.HTTP_REDIRECT) -> Endpoint | None:
    """The SingleLogoutService that a browser can be sent to."""
    offered = [endpoint for endpoint in role.single_logout if endpoint.binding in FRONT] if role is not None else []
    return next((endpoint for endpoint in offered if endpoint.binding == prefer), offered[0] if offered else None)


def without_way(step: Step) -> State:
    """What a step that waits comes to when there is no way left."""
    return State.UNANSWERED if step.back_tried or step.front_tried else State.UNTOLD


def is_lost(step: Step, now: datetime, patience: timedelta) -> bool:
    """Whether nobody waits any more for the answer over SOAP: the node that asked is gone."""
    over_soap = step.state == State.ASKED and not step.front_tried
    return over_soap and step.asked_at is not None and now >= step.asked_at + patience


def said(answer: LogoutResponse) -> State:
    """What an SP's answer comes to."""
    try:
        return State.ENDED if check_logout_status(answer.status) else State.REFUSED
    except Denied:
        return State.UNKNOWN if answer.status.detail == names.UNKNOWN_PRINCIPAL else State.REFUSED


def is_over(run: Run) -> bool:
    """Whether every SP is settled."""
    return all(step.state in SETTLED for step in run.steps)


def is_complete(run: Run) -> bool:
    """Whether the person is known to be logged out everywhere."""
    return run.found and all(step.state in _DONE for step in run.steps)


def status_of(run: Run) -> Status:
    """What the SP that asked is told (SAML core 3.7.3.2)."""
    return SUCCEEDED if is_complete(run) else PARTIAL_LOGOUT


def by_sp(run: Run) -> tuple[tuple[str, State], ...]:
    """Each SP once, with the worst that came of its sessions, in the order in which they were used. Where an SP asked, only what was of
    the browser that goes along: whose others are, nobody has shown."""
    found: dict[str, State] = {}
    for step in run.steps:
        if run.asker is not None and step.elsewhere:
            continue
        before = found.get(step.sp, step.state)
        found[step.sp] = min(before, step.state, key=_WORST_FIRST.index)
    return tuple(found.items())
