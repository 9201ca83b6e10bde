"""Values that stand in the configuration."""

from collections.abc import Mapping
from datetime import datetime

from attribute_authority.connectors.protocol import Found


class StaticConnector:
    """Values from the configuration: the same for everybody, and more for single people."""

    def __init__(self, everybody: Found, people: Mapping[str, Found]) -> None:
        self._everybody = everybody
        self._people = people

    def attributes(self, principal: str, at: datetime) -> Found:
        own = self._people.get(principal, {})
        return {
            name: tuple(dict.fromkeys((*self._everybody.get(name, ()), *own.get(name, ()))))
            for name in dict.fromkeys((*self._everybody, *own))
        }

    def close(self) -> None:
        """There is nothing to close."""
