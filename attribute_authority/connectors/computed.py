"""Computed identifiers as a source of attributes: ``subject-id`` and, for each requester other ones, ``pairwise-id`` and
``eduPersonTargetedID``. Stores nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from attribute_authority.connectors.protocol import Found
from ostiary.identifiers.computed import pairwise_id, subject_id, targeted_id
from ostiary.identifiers.salt import Salt
from ostiary.identifiers.syntax import PAIRWISE_ID, SUBJECT_ID, TARGETED_ID

NAMES: Final = frozenset({SUBJECT_ID, PAIRWISE_ID, TARGETED_ID})
"""What the source calls its attributes."""


class ComputedConnector:
    """``groups`` gives the name of the group in which an entity shares its pairwise identifiers with others; what stands in no group has
    its own. Who is in a group, and what the group is called, is for ever: the identifiers change with it."""

    def __init__(self, salt: Salt, scope: str, groups: Mapping[str, str]) -> None:
        self._salt = salt
        self._scope = scope
        self._groups = groups

    def attributes_for(self, principal: str, requester: str | None, at: datetime, names: frozenset[str]) -> Found:
        """Those of the ``names`` that are identifiers of the person; those for a requester only where one (entityID) is given."""
        found = {}
        if SUBJECT_ID in names:
            found[SUBJECT_ID] = (subject_id(self._salt, principal, self._scope),)
        if requester is not None:
            # No entityID is "group:" and a name: it would have to be registered in metadata as one.
            group = self._groups.get(requester)
            relying_party = requester if group is None else f"group:{group}"
            if PAIRWISE_ID in names:
                found[PAIRWISE_ID] = (pairwise_id(self._salt, principal, relying_party, self._scope),)
            if TARGETED_ID in names:
                found[TARGETED_ID] = (targeted_id(self._salt, principal, relying_party),)
        return found

    def close(self) -> None:
        """There is nothing to close."""
