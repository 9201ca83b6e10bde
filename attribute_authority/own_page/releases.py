"""What was told about a person, to whom and when, read from the audit trail: names of attributes, never values. Changes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from ostiary import audit
from ostiary.storage.engine import reading

MAXIMUM_RELEASES: Final = 2_000
"""The latest releases that the list of resources is made from."""

_SIGN_ON: Final = "handle.minted"
_QUERY: Final = "attributes.released"
_RELEASES: Final = (_SIGN_ON, _QUERY)
CHANGES: Final = (
    "consent.given",
    "consent.changed",
    "consent.set",
    "consent.revoked",
    "consent.refused",
    "consent.forgotten",
    "consent.rule_set",
    "nameid.issued",
    "nameid.revoked",
)
"""The actions of audit rows that her history shows beside the releases."""


@dataclass(frozen=True, slots=True)
class Told:
    """One time that something was told: ``names`` of the attributes, none where only a name for this visit went. ``asked_later``: the
    resource asked by itself, after the sign-on."""

    serial: int
    at: datetime
    resource: str
    names: tuple[str, ...]
    asked_later: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """One time that something was set about what may be told: ``what`` is the action of the audit row, ``by_her`` whether she did it."""

    serial: int
    at: datetime
    what: str
    resource: str
    by_her: bool
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Visited:
    """A resource as the releases show it: the latest time, how often, and what went the latest time that anything did."""

    resource: str
    latest: datetime
    times: int
    names: tuple[str, ...]


class Trail:
    """The rows about one person in the audit of one database. Every method raises `Unavailable` when it does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def told(self, principal: str, *, before: int | None = None, limit: int = MAXIMUM_RELEASES) -> list[Told]:
        """What was told about her, the latest first."""
        with reading(self._engine) as connection:
            found = audit.latest_about(connection, principal, actions=_RELEASES, before=before, limit=limit)
        return [_told(event) for event in found]

    def history(self, principal: str, *, before: int | None = None, limit: int = 100) -> list[Told | Changed]:
        """The same together with what was set, by her or for her."""
        with reading(self._engine) as connection:
            found = audit.latest_about(
                connection, principal, actions=(*_RELEASES, *CHANGES), before=before, limit=limit
            )
        return [_told(event) if event.action in _RELEASES else _changed(event, principal) for event in found]


def visited(told: Iterable[Told]) -> tuple[Visited, ...]:
    """The resources in ``told`` (the latest first), in that order."""
    found: dict[str, list[Told]] = {}
    for one in told:
        found.setdefault(one.resource, []).append(one)
    return tuple(
        Visited(
            resource,
            latest=times[0].at,
            times=len(times),
            names=next((one.names for one in times if one.names), ()),
        )
        for resource, times in found.items()
    )


def _told(event: audit.Event) -> Told:
    by_query = event.action == _QUERY
    resource = event.facts.get("requester" if by_query else "for")
    return Told(event.serial, event.at, str(resource or ""), _names(event.facts.get("attributes")), by_query)


def _changed(event: audit.Event, principal: str) -> Changed:
    by_her = event.actor == principal
    return Changed(event.serial, event.at, event.action, str(event.facts.get("for", "")), by_her, event.facts)


def _names(found: object) -> tuple[str, ...]:
    return tuple(str(name) for name in found) if isinstance(found, list) else ()
