"""A connector for people in a directory: what the entry with the person's principal says, by the directory's own names or others."""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attribute_authority.connectors.groups import GroupRules, groups_of, refuse_part_of, texts_only
from attribute_authority.connectors.protocol import MAX_VALUE_LENGTH, Found
from ostiary.errors import Unavailable
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.port import Entry, LdapSearches

# A server that answers so is asked last for a while: the next question goes to its neighbour.
_ASK_ANOTHER_SERVER: Final = frozenset({"ldap.slow", "ldap.broken_off"})


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of people in ``directory``, under this ``name``."""

    directory: LdapSearches
    rules: GroupRules
    name: str


class LdapConnector:
    """Implements `attribute_authority.connectors.protocol.Connector`.

    ``names``: attribute of the directory to the name under which its values are given; ``binary``: those whose values are bytes, given in
    base64. Empty values and repetitions are left out. A value of another attribute that is no text, and one that is too long, make the
    whole answer unusable: what an organisation says about somebody is never silently less than it knows. Where the directory has several
    ``servers``, one that falls silent in the middle of a question is followed by the next.
    """

    def __init__(
        self,
        people: LdapPeople,
        names: Mapping[str, str],
        *,
        binary: Collection[str] = (),
        groups: Groups | None = None,
        servers: int = 1,
    ) -> None:
        self._people = people
        self._names = dict(names)
        self._binary = frozenset(name.lower() for name in binary)
        self._groups = groups
        self._servers = servers

    def attributes(self, principal: str, at: datetime) -> Found:
        for _ in range(self._servers - 1):
            try:
                return self._read(principal)
            except Unavailable as problem:
                if problem.code not in _ASK_ANOTHER_SERVER:
                    raise
        return self._read(principal)

    def close(self) -> None:
        """Close the connections."""
        self._people.close()

    def _read(self, principal: str) -> Found:
        of_groups = self._groups.rules.attributes_of_the_person() if self._groups is not None else ()
        entry = self._people.find(principal, (*self._names, *of_groups))
        if entry is None:
            return {}
        found: dict[str, list[str]] = {}
        for attribute, name in self._names.items():
            found.setdefault(name, []).extend(self._values(entry, attribute))
        if self._groups is not None:
            names = groups_of(self._groups.directory, entry, self._groups.rules)
            found.setdefault(self._groups.name, []).extend(names)
        return {name: tuple(dict.fromkeys(values)) for name, values in found.items() if values}

    def _values(self, entry: Entry, attribute: str) -> list[str]:
        refuse_part_of(entry, attribute)
        if attribute.lower() in self._binary:
            texts = [base64.b64encode(value).decode("ascii") for value in entry.values(attribute) if value]
        else:
            texts = texts_only(entry, attribute)
        if any(len(text) > MAX_VALUE_LENGTH for text in texts):
            expected = f"at most {MAX_VALUE_LENGTH} characters in {attribute}"
            raise Unavailable("aa.connector_value", expected=expected, found=f"more at {entry.dn}")
        return texts
