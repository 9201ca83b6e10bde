"""A connector under its name, as the resolver asks it, and what its failure means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from attribute_authority.connectors.protocol import Connector, FollowingConnector, Found, RequesterConnector


@dataclass(frozen=True, slots=True)
class Remark:
    """How an answer came about where that is not as usual: another source gave it (``connector_failover``), or it is an older one than the
    source would give if it could be asked (``connector_old``). No values in here."""

    reason: Literal["connector_failover", "connector_old"]
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source says. At ``until`` it may no longer be used; None leaves that to whoever asked. ``lacks``: the names of what it would
    have told itself, and who answered in its place does not know of; None: any."""

    found: Found
    until: datetime | None = None
    remarks: tuple[Remark, ...] = ()
    lacks: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Source:
    """A connector under its name. ``names`` are what it calls its attributes; None when only it knows."""

    name: str
    connector: Connector
    required: bool = True
    names: frozenset[str] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """It asks by the principal alone."""
        return ()

    def ask(self, principal: str, at: datetime, earlier: Sequence[Found]) -> Answer:
        """What it knows about the person."""
        return Answer(self.connector.attributes(principal, at))

    def asked_by(self, earlier: Sequence[Found]) -> Found:
        """What of the earlier answers makes a difference to its own."""
        return {}

    def forget(self, principal: str) -> None:
        """It remembers nothing."""

    def close(self) -> None:
        """Close its connections."""
        self.connector.close()


@dataclass(frozen=True, slots=True)
class FollowingSource:
    """The same for a connector that asks by what those before it found; it ``needs`` these names."""

    name: str
    connector: FollowingConnector
    required: bool = True
    needs: tuple[str, ...] = ()
    names: frozenset[str] | None = None

    def ask(self, principal: str, at: datetime, earlier: Sequence[Found]) -> Answer:
        """What it knows about whom ``earlier`` describes."""
        return Answer(self.connector.attributes_given(principal, self.asked_by(earlier), at))

    def asked_by(self, earlier: Sequence[Found]) -> Found:
        """What of the earlier answers makes a difference to its own."""
        joined: dict[str, tuple[str, ...]] = {}
        for answer in earlier:
            for name in self.needs:
                if values := answer.get(name):
                    joined[name] = tuple(dict.fromkeys((*joined.get(name, ()), *values)))
        return joined

    def forget(self, principal: str) -> None:
        """It remembers nothing."""

    def close(self) -> None:
        """Close its connections."""
        self.connector.close()


@dataclass(frozen=True, slots=True)
class RequesterSource:
    """A connector that answers each requester differently, and the names by which it calls what it finds. Its values come after those of
    all others."""

    name: str
    connector: RequesterConnector
    names: frozenset[str]

    def close(self) -> None:
        """Close what it holds."""
        self.connector.close()
