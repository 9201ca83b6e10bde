"""What questions about the past are answered with: data, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from voms.history.spans import Spans
from voms.members.situation import Situation


@dataclass(frozen=True, slots=True)
class Ground:
    """One grant on which an answer rests: a membership of ``group``, or ``role`` given in it. ``by`` and ``ended_by``: who wrote it and who
    ended it, as an id or hash, with the ``serial`` of each change; ``valid_from``, ``valid_to`` and ``recurs`` as they were granted."""

    group: str
    role: str | None
    at: datetime
    by: str
    serial: int
    valid_from: datetime
    valid_to: datetime | None
    recurs: str | None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_serial: int | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether ``member`` was in ``group`` (had ``role`` there) at ``at``, as the VO service would have said then, and through which grants.

    ``situation``: where she stood as a member; None: she was none. ``acted``: she was given it when she asked.
    """

    member: str
    group: str
    role: str | None
    at: datetime
    inside: bool
    situation: Situation | None
    grounds: tuple[Ground, ...] = ()

    @property
    def acted(self) -> bool:
        """Inside, and neither suspended nor otherwise kept from it."""
        return self.inside and self.situation is not None and self.situation.acts


@dataclass(frozen=True, slots=True)
class Actor:
    """When, within the times of the question, ``member`` could act so, and by which grants. ``certificates``: the subjects of her
    certificates in that time."""

    member: str
    certificates: tuple[str, ...]
    spans: Spans
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, slots=True)
class Actors:
    """Some of the answer, in the order of the members' ids; ``after``: from where to go on asking, None at the end."""

    actors: tuple[Actor, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Deed:
    """One change of the VO. ``action`` is that of the audit trail (``vo.role_assigned``), ``member`` whom it was about (None: nobody, or
    she has been erased), ``facts`` what it says besides."""

    serial: int
    at: datetime
    by: str
    action: str
    member: str | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of deeds goes on."""

    at: datetime
    serial: int


@dataclass(frozen=True, slots=True)
class Deeds:
    """Some deeds, the newest first; ``before``: from where to go on asking, None at the end."""

    deeds: tuple[Deed, ...]
    before: Place | None


Turn = Literal["began", "changed", "ended"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that became different for a member.

    ``what``: ``membership`` (of the VO), ``certificate``, ``identity``, ``group``, ``role``, ``attribute``, ``aup_signature``,
    ``aup_demand``, ``details``. ``facts``: how it is from then on (``ended``: how it was); ``before``: of what changed, how it was. Of
    details, only the names of what is filled in, or changed.
    """

    serial: int
    at: datetime
    by: str
    what: str
    turn: Turn
    facts: Mapping[str, Any]
    before: Mapping[str, Any]
