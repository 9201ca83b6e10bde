"""Finds out what is known about a person: asks the connectors in their order, applies the definitions, remembers for
a while.

Never decides what may leave.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from attribute_authority.connectors.guarded import GuardedSource
from attribute_authority.connectors.protocol import ConnectorFailed, Found
from attribute_authority.connectors.sources import FollowingSource, RequesterSource, Source
from attribute_authority.resolver.definitions import (
    NOTHING_MADE,
    Definition,
    Made,
    Note,
    depending_on,
    in_order,
    make_attributes,
)
from ostiary.attributes import Attributes
from ostiary.config.conclusions import Conclusions
from ostiary.errors import Unavailable


class Resolution(NamedTuple):
    """What is known about a person at one moment, and what went wrong on the way. ``uncertain`` are the names of definitions that may lack
    a value, because a connector did not answer; ``internal`` are attributes that never leave, for the conditions of policies.

    A resolution that is remembered is the same object each time; its ``conclusions`` live as long as it is remembered."""

    attributes: Attributes
    notes: tuple[Note, ...]
    uncertain: frozenset[str]
    internal: Attributes
    conclusions: Conclusions


class Resolver:
    """Resolves people's attributes; ``issuer`` is the entityID that asserts them.

    A complete resolution is remembered for ``cache_age``, but not longer than each of the answers in it may be used, for at most
    ``cache_size`` people; 0 remembers nothing. With it goes what was made of it for the latest requesters. Safe for use by several threads.
    """

    def __init__(
        self,
        sources: Sequence[Source | FollowingSource | GuardedSource | RequesterSource],
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
        self._requester_names = frozenset(name for one in self._requester_definitions for name in one.inputs())
        self._issuer = issuer
        self._age = cache_age
        self._size = cache_size
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, tuple[datetime, datetime, _Known]] = OrderedDict()

    def resolve(self, principal: str, at: datetime, requester: str | None = None) -> Resolution:
        """What is known about the person at ``at``, by the friendly names of the definitions, for ``requester`` (entityID) where it
        depends on who asks.

        Raises `ConnectorFailed`, an `Unavailable` that names the connector, when a required one does not answer.
        """
        known = self._known(principal, at)
        if not self._requester_definitions:
            return known.alone
        kept: Resolution | None = known.alone.conclusions.get(requester)
        if kept is not None:
            return kept
        found = [self._told_for(source, principal, requester, at) for source in self._requester_sources]
        made = make_attributes(
            self._requester_definitions,
            [*known.found, *found],
            issuer=self._issuer,
            at=at,
            requester=requester,
            earlier=known.made,
            unanswered=known.unanswered,
        )
        resolution = known.with_more(made)
        known.alone.conclusions.keep(requester, resolution)
        return resolution

    def _told_for(self, source: RequesterSource, principal: str, requester: str | None, at: datetime) -> Found:
        try:
            return source.connector.attributes_for(principal, requester, at, self._requester_names)
        except Unavailable as problem:
            raise ConnectorFailed(source.name, problem) from problem

    def _known(self, principal: str, at: datetime) -> "_Known":
        """What is the same for every requester."""
        remembered = self._recall(principal, at)
        if remembered is not None:
            return remembered
        found: list[Found] = []
        notes: list[Note] = []
        unanswered = _NOTHING
        until, complete = at + self._age, True
        for source in self._sources:
            try:
                answer = source.ask(principal, at, found)
            except Unavailable as problem:
                if source.required:
                    raise ConnectorFailed(source.name, problem) from problem
                notes.append(Note("connector_failed", source.name, str(problem)))
                unanswered, complete = unanswered.and_of(source.names), False
                continue
            found.append(answer.found)
            if answer.lacks is None or answer.lacks:
                unanswered, complete = unanswered.and_of(answer.lacks), False
            notes += [Note(remark.reason, source.name, remark.detail) for remark in answer.remarks]
            if any(name in unanswered for name in source.needs):
                # Asked by less than is true of the person, it may have told less.
                unanswered = unanswered.and_of(source.names)
            if answer.until is not None:
                until = min(until, answer.until)
        made = make_attributes(self._definitions, found, issuer=self._issuer, at=at, unanswered=unanswered)
        known = _Known(tuple(found), tuple(notes), made, unanswered)
        if complete:
            self._remember(principal, at, until, known)
        return known

    def forget(self, principal: str) -> None:
        """Ask the connectors again at the next query about this person."""
        with self._lock:
            self._remembered.pop(principal, None)
        for source in self._sources:
            source.forget(principal)

    def close(self) -> None:
        """Closes the connectors."""
        for source in (*self._sources, *self._requester_sources):
            source.close()

    def _recall(self, principal: str, at: datetime) -> "_Known | None":
        with self._lock:
            entry = self._remembered.get(principal)
            if entry is None:
                return None
            since, until, known = entry
            if since <= at < until:
                return known
            del self._remembered[principal]
            return None

    def _remember(self, principal: str, at: datetime, until: datetime, known: "_Known") -> None:
        if until <= at:
            return
        with self._lock:
            self._remembered.pop(principal, None)
            self._remembered[principal] = (at, until, known)
            # The oldest come first: of them, nobody is kept whose time is over.
            while self._remembered and (len(self._remembered) > self._size or self._oldest_is_over(at)):
                self._remembered.popitem(last=False)

    def _oldest_is_over(self, at: datetime) -> bool:
        _, until, _ = next(iter(self._remembered.values()))
        return until <= at


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """The names of what connectors that failed would have told; ``names`` is None when these could be any."""

    names: frozenset[str] | None = frozenset()

    def __contains__(self, name: object) -> bool:
        return self.names is None or name in self.names

    def __bool__(self) -> bool:
        return self.names is None or bool(self.names)

    def and_of(self, more: frozenset[str] | None) -> "_Unanswered":
        return _Unanswered(None if self.names is None or more is None else self.names | more)


_NOTHING: Final = _Unanswered()


@dataclass(frozen=True, slots=True)
class _Known:
    """What the connectors found and told on the way, and what became of it."""

    found: tuple[Found, ...]
    notes: tuple[Note, ...]
    made: Made
    unanswered: _Unanswered
    alone: Resolution = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alone", self.with_more(NOTHING_MADE))

    def with_more(self, more: Made) -> Resolution:
        """The resolution, with what was made for a requester."""
        made = self.made
        notes = dict.fromkeys((*self.notes, *made.notes, *more.notes))
        return Resolution(
            made.attributes + more.attributes,
            tuple(notes),
            made.uncertain | more.uncertain,
            made.internal + more.internal,
            Conclusions(),
        )
