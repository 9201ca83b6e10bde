"""When a key may take its next step: prepared (next), in use (current), retired, gone. Pure: knows files and kinds of keys of nobody.

A key is used only after all who have to know it had the time to learn of it, and goes only when nothing needs it any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ostiary.errors import Refusal

State = Literal["current", "next", "retired"]
Step = Literal["prepare", "activate", "retire"]

STATES: Final[tuple[State, ...]] = ("current", "next", "retired")
NODES_LOOK: Final = timedelta(minutes=1)
"""By then every node that sees the same files has read them."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key: ``since`` when it is in its present state, ``fingerprint`` (hex) what to call it; no secret."""

    state: State
    since: datetime
    fingerprint: str
    kind: str
    file: str


@dataclass(frozen=True, slots=True)
class Waits:
    """``before_use``: how long a key is ``next`` before it may be used; ``before_removal``: how long it is retired before it may go."""

    before_use: timedelta
    before_removal: timedelta


@dataclass(frozen=True, slots=True)
class Due:
    """The next ``step`` of a set of keys, allowed from ``at`` on; None for a step that may be taken at any time."""

    step: Step
    at: datetime | None


def next_step(keys: Sequence[KeyState], waits: Waits) -> Due:
    """What comes next: a key that waits is taken into use, else the retired ones go, else a new one is made."""
    waiting = [key for key in keys if key.state == "next"]
    if waiting:
        return Due("activate", max(key.since for key in waiting) + waits.before_use)
    retired = [key for key in keys if key.state == "retired"]
    if retired:
        return Due("retire", min(key.since for key in retired) + waits.before_removal)
    return Due("prepare", None)


def check_step(step: Step, keys: Sequence[KeyState], waits: Waits, now: datetime, *, force: bool = False) -> None:
    """Whether ``step`` may be taken now. ``force`` skips the waiting, nothing else.

    Raises `Refusal`: ``keys.next_exists``, ``keys.no_next``, ``keys.no_retired`` (there is nothing to take the step with),
    ``keys.too_early`` (somebody could still be without the key, or need it).
    """
    states = [key.state for key in keys]
    if step == "prepare":
        if "next" in states:
            raise Refusal("keys.next_exists", expected="no next key", found="one that waits")
        return
    if step == "activate" and "next" not in states:
        raise Refusal("keys.no_next", expected="a next key", found=", ".join(states) or "none")
    if step == "retire" and "retired" not in states:
        raise Refusal("keys.no_retired", expected="a retired key", found=", ".join(states) or "none")
    wanted, wait = ("next", waits.before_use) if step == "activate" else ("retired", waits.before_removal)
    since = [key.since for key in keys if key.state == wanted]
    at = (max(since) if step == "activate" else min(since)) + wait
    if now < at and not force:
        raise Refusal("keys.too_early", expected=f"not before {at.isoformat()}", found=now.isoformat(), at=_minute(at))


def may_go(key: KeyState, waits: Waits, now: datetime, *, force: bool = False) -> bool:
    """Whether this key is retired and needed no longer."""
    return key.state == "retired" and (force or now >= key.since + waits.before_removal)


def _minute(at: datetime) -> str:
    # The minute that has begun may be too early still.
    return f"{at + timedelta(seconds=59):%Y-%m-%d %H:%M} UTC"
