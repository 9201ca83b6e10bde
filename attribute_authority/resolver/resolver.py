"""Finds out what is known about a person: asks the connectors in their order, applies the definitions, remembers for
a while.

Never decides what may leave.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from attribute_authority.connectors.protocol import Found
from attribute_authority.connectors.sources import FollowingSource, RequesterSource, Source
from attribute_authority.resolver.definitions import Definition, Note, depending_on, in_order, make_attributes
from ostiary.attributes import Attributes
from ostiary.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is known about a person at one moment, and what went wrong on the way."""

    attributes: Attributes
    notes: tuple[Note, ...] = ()


class Resolver:
    """Resolves people's attributes; ``issuer`` is the entityID that asserts them.

    A complete resolution is remembered for ``cache_age``, for at most ``cache_size`` people; 0 remembers nothing. What depends on the
    requester is made anew each time: of it nothing is remembered. Safe for use by several threads.
    """

    def __init__(
        self,
        sources: Sequence[Source | FollowingSource | RequesterSource],
        definitions: Sequence[Definition],
        *,
        issuer: str,
        cache_age: timedelta = timedelta(minutes=1),
        cache_size: int = 10_000,
    ) -> None:
        self._sources = tuple(source for source in sources if not isinstance(source, RequesterSource))
        self._requester_sources = tuple(source for source in sources if isinstance(source, RequesterSource))
        ordered = in_order(definitions)
        per_requester = depending_on(ordered, frozenset().union(*(source.names for source in self._requester_sources)))
        self._definitions = tuple(definition for definition in ordered if definition.name not in per_requester)
        self._requester_definitions = tuple(definition for definition in ordered if definition.name in per_requester)
        self._issuer = issuer
        self._age = cache_age
        self._size = cache_size
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, tuple[datetime, _Known]] = OrderedDict()

    def resolve(self, principal: str, at: datetime, requester: str | None = None) -> Resolution:
        """What is known about the person at ``at``, by the friendly names of the definitions, for ``requester`` (entityID) where it
        depends on who asks.

        Raises `Unavailable` when a required connector does not answer.
        """
        known = self._known(principal, at)
        if not self._requester_definitions:
            return known.resolution
        found = [source.connector.attributes_for(principal, requester, at) for source in self._requester_sources]
        attributes, notes = make_attributes(
            self._requester_definitions, (*known.found, *found), issuer=self._issuer, at=at
        )
        return Resolution((*known.resolution.attributes, *attributes), (*known.resolution.notes, *notes))

    def _known(self, principal: str, at: datetime) -> "_Known":
        """What is the same for every requester."""
        remembered = self._recall(principal, at)
        if remembered is not None:
            return remembered
        found: list[Found] = []
        failed: list[Note] = []
        for source in self._sources:
            try:
                found.append(source.ask(principal, at, found))
            except Unavailable as problem:
                if source.required:
                    raise
                failed.append(Note("connector_failed", source.name, str(problem)))
        attributes, notes = make_attributes(self._definitions, found, issuer=self._issuer, at=at)
        known = _Known(tuple(found), Resolution(attributes, (*failed, *notes)))
        if not failed:
            self._remember(principal, at, known)
        return known

    def forget(self, principal: str) -> None:
        """Ask the connectors again at the next query about this person."""
        with self._lock:
            self._remembered.pop(principal, None)

    def close(self) -> None:
        """Closes the connectors."""
        for source in (*self._sources, *self._requester_sources):
            source.connector.close()

    def _recall(self, principal: str, at: datetime) -> "_Known | None":
        with self._lock:
            entry = self._remembered.get(principal)
            if entry is None:
                return None
            since, known = entry
            if since <= at < since + self._age:
                return known
            del self._remembered[principal]
            return None

    def _remember(self, principal: str, at: datetime, known: "_Known") -> None:
        if self._age <= timedelta(0):
            return
        with self._lock:
            self._remembered.pop(principal, None)
            self._remembered[principal] = (at, known)
            while len(self._remembered) > self._size:
                self._remembered.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the connectors found, and what became of it."""

    found: tuple[Found, ...]
    resolution: Resolution
