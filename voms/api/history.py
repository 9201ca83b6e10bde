"""Questions about the past."""

from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from voms.administration.permissions import Permission
from voms.api.routing import Call
from voms.api.values import Instant, MemberId, Nothing, Path, RoleName, Shape
from voms.history.deeds import deeds
from voms.history.json_form import actors_json, deeds_json, events_json, presence_json
from voms.history.of_member import history_of
from voms.history.past import Past
from voms.history.reports import Place


class PresenceQuery(Shape):
    """Whether this member was in this group (or had the role there) at this instant."""

    member: MemberId
    group: Path
    at: Instant
    role: RoleName | None = None


class ActorsQuery(Shape):
    """Who could act as a member of the group, or in the role there, at some time of ``[since, until)``; a page at a time."""

    group: Path
    since: Instant
    until: Instant
    role: RoleName | None = None
    after: MemberId | None = None
    most: Annotated[int, Field(ge=1, le=1_000)] = 100


class ChangesQuery(Shape):
    """What somebody did in ``[since, until)``, the newest first; ``before_at`` and ``before_serial``: where the page before ended."""

    by: Annotated[str, Field(max_length=255, description="As records name her; absent: whoever.")] | None = None
    since: Instant | None = None
    until: Instant | None = None
    before_at: Instant | None = None
    before_serial: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    most: Annotated[int, Field(ge=1, le=500)] = 100

    @model_validator(mode="after")
    def _place_is_whole(self) -> Self:
        if (self.before_at is None) != (self.before_serial is None):
            raise ValueError("before_at and before_serial belong together")
        return self


class EventsQuery(Shape):
    """The times that matter: ``[since, until)``."""

    since: Instant | None = None
    until: Instant | None = None


class Presence(Shape):
    """Whether she was ``inside``, and could act; on which ``grounds``: grants, each with who gave it and ended it."""

    member: str
    group: str
    role: str | None
    at: str
    inside: bool
    acted: bool
    state: str | None
    reason: str | None
    by: str | None
    since: str | None
    grounds: tuple[dict[str, Any], ...]


class Actors(Shape):
    """Each with the times in which she could act, her certificates then, and the grants; ``after`` null: the last page."""

    members: tuple[dict[str, Any], ...]
    after: str | None


class Changes(Shape):
    """Each with its serial, instant, maker, action and facts; ``before`` null: the last page."""

    changes: tuple[dict[str, Any], ...]
    before: dict[str, Any] | None


class Events(Shape):
    """All that became different for a member, the oldest first."""

    events: tuple[dict[str, Any], ...]


def presence(call: Call[PresenceQuery, Nothing]) -> Presence:
    """Was somebody in a group at an instant, or had a role there. Wants MEMBERSHIP_READ in the group or the root; herself without."""
    query = call.query
    whole = call.caller.member == query.member and not call.caller.barred
    if not whole:
        whole = _require_in(call, query.group, query.role)
    found = Past(call.desk.engine, call.desk.vo).was_in(query.member, query.group, query.at, role=query.role)
    if not (whole or found.inside):
        # Of somebody elsewhere the manager of one group learns nothing more.
        found = replace(found, situation=None)
    return Presence.model_validate(presence_json(found))


def actors(call: Call[ActorsQuery, Nothing]) -> Actors:
    """Who could act as somebody between two instants. Wants MEMBERSHIP_READ in the group or the root."""
    query = call.query
    _require_in(call, query.group, query.role)
    past = Past(call.desk.engine, call.desk.vo)
    found = past.who(query.group, query.since, query.until, role=query.role, after=query.after, most=query.most)
    return Actors.model_validate(actors_json(found))


def changes(call: Call[ChangesQuery, Nothing]) -> Changes:
    """What somebody did, or everybody. Wants MEMBERSHIP_READ and ACL_READ in the root; one's own without."""
    query = call.query
    if query.by is None or query.by != call.caller.by or call.caller.barred:
        call.desk.require(Permission.MEMBERSHIP_READ | Permission.ACL_READ)
    place = None
    if query.before_at is not None and query.before_serial is not None:
        place = Place(query.before_at, query.before_serial)
    found = deeds(
        call.desk.engine,
        call.desk.vo,
        None if query.by is None else (query.by,),
        since=query.since,
        until=query.until,
        before=place,
        most=query.most,
    )
    return Changes.model_validate(deeds_json(found))


def of_member(call: Call[EventsQuery, Nothing]) -> Events:
    """All that became of a member. Wants MEMBERSHIP_READ and PERSONAL_INFO_READ in the root; herself without."""
    member = call.path["member"]
    if call.caller.member != member or call.caller.barred:
        call.desk.require(Permission.MEMBERSHIP_READ | Permission.PERSONAL_INFO_READ)
    found = history_of(call.desk.engine, call.desk.vo, member, since=call.query.since, until=call.query.until)
    return Events(events=tuple(events_json(found)))


def _require_in(call: Call[PresenceQuery, Nothing] | Call[ActorsQuery, Nothing], group: str, role: str | None) -> bool:
    """Who may see all members (True) may ask about any group, also one that is gone."""
    with call.desk.looking() as rights:
        if rights.allows(Permission.MEMBERSHIP_READ, call.desk.root):
            return True
        rights.require(Permission.MEMBERSHIP_READ, group, role)
        return False
