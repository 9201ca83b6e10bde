"""A connector for people in a directory: what the entry with the person's principal says, by the directory's own names or others."""

import base64
from collections.abc import Collection, Mapping
from datetime import datetime

from attribute_authority.connectors.protocol import MAX_VALUE_LENGTH, Found
from ostiary.errors import Unavailable
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.port import Entry


class LdapConnector:
    """Implements `attribute_authority.connectors.protocol.Connector`.

    ``names``: attribute of the directory to the name under which its values are given; ``binary``: those whose values are bytes, given in
    base64. Empty values and repetitions are left out. A value of another attribute that is no text, and one that is too long, make the
    whole answer unusable: what an organisation says about somebody is never silently less than it knows.
    """

    def __init__(self, people: LdapPeople, names: Mapping[str, str], *, binary: Collection[str] = ()) -> None:
        self._people = people
        self._names = dict(names)
        self._binary = frozenset(name.lower() for name in binary)

    def attributes(self, principal: str, at: datetime) -> Found:
        entry = self._people.find(principal, tuple(self._names))
        if entry is None:
            return {}
        found: dict[str, list[str]] = {}
        for attribute, name in self._names.items():
            found.setdefault(name, []).extend(self._values(entry, attribute))
        return {name: tuple(dict.fromkeys(values)) for name, values in found.items() if values}

    def close(self) -> None:
        """Close the connections."""
        self._people.close()

    def _values(self, entry: Entry, attribute: str) -> list[str]:
        raw = [value for value in entry.values(attribute) if value]
        if attribute.lower() in self._binary:
            texts = [base64.b64encode(value).decode("ascii") for value in raw]
        else:
            texts = [text for text in entry.texts(attribute) if text]
            if len(texts) != len(raw):
                raise Unavailable("aa.connector_value", expected=f"text in {attribute}", found=f"bytes at {entry.dn}")
        if any(len(text) > MAX_VALUE_LENGTH for text in texts):
            expected = f"at most {MAX_VALUE_LENGTH} characters in {attribute}"
            raise Unavailable("aa.connector_value", expected=expected, found=f"more at {entry.dn}")
        return texts
