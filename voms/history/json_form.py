"""Answers about the past as JSON, the same for the command line and the REST API. Instants are ISO 8601 in UTC, ending in Z."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from voms.history.reports import Actors, Deeds, Event, Ground, Presence


def instant_text(at: datetime | None) -> str | None:
    """To the microsecond where there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None


def presence_json(found: Presence) -> dict[str, Any]:
    """The answer of `Past.was_in`."""
    at = found.situation
    return {
        "member": found.member,
        "group": found.group,
        "role": found.role,
        "at": instant_text(found.at),
        "inside": found.inside,
        "acted": found.acted,
        "state": at.state.value if at is not None else None,
        "reason": at.reason if at is not None and not at.acts else None,
        "by": at.by if at is not None else None,
        "since": instant_text(at.since) if at is not None else None,
        "grounds": [_ground(each) for each in found.grounds],
    }


def actors_json(found: Actors) -> dict[str, Any]:
    """The answer of `Past.who`."""
    return {
        "members": [
            {
                "member": each.member,
                "certificates": list(each.certificates),
                "times": [{"from": instant_text(begin), "to": instant_text(end)} for begin, end in each.spans],
                "grounds": [_ground(ground) for ground in each.grounds],
            }
            for each in found.actors
        ],
        "after": found.after,
    }


def deeds_json(found: Deeds) -> dict[str, Any]:
    """The answer of `deeds`."""
    before = found.before
    return {
        "changes": [
            {
                "serial": each.serial,
                "at": instant_text(each.at),
                "by": each.by,
                "action": each.action,
                "member": each.member,
                "facts": dict(each.facts),
            }
            for each in found.deeds
        ],
        "before": {"at": instant_text(before.at), "serial": before.serial} if before is not None else None,
    }


def events_json(found: Iterable[Event]) -> list[dict[str, Any]]:
    """The answer of `history_of`."""
    return [
        {
            "serial": each.serial,
            "at": instant_text(each.at),
            "by": each.by,
            "what": each.what,
            "turn": each.turn,
            "facts": plain(each.facts),
            "before": plain(each.before),
        }
        for each in found
    ]


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same with instants as text."""
    return {name: instant_text(value) if isinstance(value, datetime) else value for name, value in facts.items()}


def _ground(found: Ground) -> dict[str, Any]:
    ended = {"at": instant_text(found.ended_at), "by": found.ended_by, "serial": found.ended_serial}
    return {
        "group": found.group,
        "role": found.role,
        "granted": {"at": instant_text(found.at), "by": found.by, "serial": found.serial},
        "ended": ended if found.ended_at is not None else None,
        "valid_from": instant_text(found.valid_from),
        "valid_to": instant_text(found.valid_to),
        "recurs": found.recurs,
    }
