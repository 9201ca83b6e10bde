"""What a connector is: it says what a source knows about a person, by the source's own names. It never decides what leaves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

MAX_VALUE_LENGTH: Final = 20_000
"""Characters of one value; what a peer accepts is bounded too."""

Found = Mapping[str, Sequence[str]]


class Connector(Protocol):
    """One source of attributes."""

    def attributes(self, principal: str, at: datetime) -> Found:
        """What the source knows about the person now: its own names, each with its values in order.

        A person whom it does not know has no attributes. Raises `Unavailable` (``aa.connector_*``,
        ``storage.unavailable``) when the source does not answer in time or answers what cannot be used.
        """
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class FollowingConnector(Protocol):
    """A source that knows people by what other sources say of them."""

    def attributes_given(self, found: Found, at: datetime) -> Found:
        """What it knows about whom the earlier connectors have ``found`` this. Raises as `Connector.attributes` does."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class RequesterConnector(Protocol):
    """A source that says another thing to each requester; it is asked anew each time, so it answers without a wire."""

    def attributes_for(self, principal: str, requester: str | None, at: datetime) -> Found:
        """What it knows about the person for ``requester`` (entityID), or for nobody in particular. Raises as `Connector.attributes`."""
        ...

    def close(self) -> None:
        """Close what it holds."""
        ...
