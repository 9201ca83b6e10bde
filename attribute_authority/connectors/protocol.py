"""What a connector is: it says what a source knows about a person, by the source's own names. It never decides what leaves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from ostiary.errors import Unavailable

MAX_VALUE_LENGTH: Final = 20_000
"""Characters of one value; what a peer accepts is bounded too."""

Found = Mapping[str, Sequence[str]]

_LAST_WORDS: Final = frozenset(
    {
        "aa.connector_column",
        "aa.connector_groups",
        "aa.connector_json",
        "aa.connector_parameter",
        "aa.connector_too_many_rows",
        "aa.connector_value",
        "aa.vo_identity",
        "ldap.ambiguous",
        "ldap.no_principal",
    }
)


def is_down(problem: Unavailable) -> bool:
    """Whether the source did not answer; otherwise it did, and what it said about this person can't be used: no other source would know
    better, and the next person may have no such trouble."""
    return problem.code not in _LAST_WORDS


class ConnectorFailed(Unavailable):
    """The same problem, with the name of the required ``connector`` that had it."""

    def __init__(self, connector: str, problem: Unavailable) -> None:
        self.connector = connector
        super().__init__(
            problem.code,
            expected=problem.expected,
            found=f"{problem.found or 'nothing'} (connector {connector})",
            **problem.params,
        )


class Connector(Protocol):
    """One source of attributes."""

    def attributes(self, principal: str, at: datetime) -> Found:
        """What the source knows about the person now: its own names, each with its values in order.

        A person whom it does not know has no attributes. Raises `Unavailable` (``aa.connector_*``, ``ldap.*``,
        ``storage.unavailable``) when the source does not answer in time or answers what cannot be used.
        """
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class FollowingConnector(Protocol):
    """A source that knows people by what other sources say of them."""

    def attributes_given(self, principal: str, found: Found, at: datetime) -> Found:
        """What it knows about whom the earlier connectors have ``found`` this. Raises as `Connector.attributes` does."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class RequesterConnector(Protocol):
    """A source that says another thing to each requester; it is asked by many of them, so it answers without a wire."""

    def attributes_for(self, principal: str, requester: str | None, at: datetime, names: frozenset[str]) -> Found:
        """What it knows about the person for ``requester`` (entityID), or for nobody in particular; of all ``names`` of its own, and of
        others where it likes. Raises as `Connector.attributes`."""
        ...

    def close(self) -> None:
        """Close what it holds."""
        ...


def given(parameters: Mapping[str, str], found: Found) -> dict[str, str] | None:
    """The value of each of ``parameters`` (its name: what earlier connectors call it); None when one of them has no value, so that
    nobody can be asked for. Raises `Unavailable` (``aa.connector_parameter``) for several values, and for one that is no text: it
    is not clear who is meant."""
    values: dict[str, str] = {}
    for parameter, name in parameters.items():
        known = tuple(dict.fromkeys(found.get(name, ())))
        if not known:
            return None
        if len(known) > 1:
            raise Unavailable("aa.connector_parameter", expected=f"one value of {name}", found=f"{len(known)} values")
        if any("\ud800" <= letter <= "\udfff" for letter in known[0]):
            raise Unavailable("aa.connector_parameter", expected=f"text in {name}", found="half a character")
        values[parameter] = known[0]
    return values
