"""A connector under its name, as the resolver asks it, and what its failure means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from attribute_authority.connectors.protocol import Connector, FollowingConnector, Found, RequesterConnector


@dataclass(frozen=True, slots=True)
class Source:
    """A connector under its name. A ``required`` one that fails makes the whole query fail; another one is noted."""

    name: str
    connector: Connector
    required: bool = True

    def ask(self, principal: str, at: datetime, earlier: Sequence[Found]) -> Found:
        """What it knows about the person; ``earlier`` is what those before it found."""
        return self.connector.attributes(principal, at)


@dataclass(frozen=True, slots=True)
class FollowingSource:
    """The same for a connector that asks by what those before it found."""

    name: str
    connector: FollowingConnector
    required: bool = True

    def ask(self, principal: str, at: datetime, earlier: Sequence[Found]) -> Found:
        """What it knows about whom ``earlier`` describes."""
        joined: dict[str, tuple[str, ...]] = {}
        for answer in earlier:
            for name, values in answer.items():
                joined[name] = tuple(dict.fromkeys((*joined.get(name, ()), *values)))
        return self.connector.attributes_given(joined, at)


@dataclass(frozen=True, slots=True)
class RequesterSource:
    """A connector that answers each requester differently, and the names by which it calls what it finds. Its values come after those of
    all others, and are never remembered."""

    name: str
    connector: RequesterConnector
    names: frozenset[str]
