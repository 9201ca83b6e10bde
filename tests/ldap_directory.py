"""A directory in memory behind the port, which compares as generously as servers do, and can be told to fail; what it is asked is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ostiary.errors import Unavailable
from ostiary.ldap.filters import And, Compare, Filter, Not, Or, Present, Substrings
from ostiary.ldap.port import BindOutcome, Entry, Several

RIGHT = "right horse"
BASE = "ou=people,dc=example,dc=org"


@dataclass
class StoredEntry:
    """``attributes`` by name; ``unreadable`` ones can be searched by, but not read. ``state`` is what a bind with the right password
    comes to."""

    dn: str
    password: bytes
    attributes: dict[str, tuple[bytes, ...]]
    locked: bool = False
    state: BindOutcome = "accepted"
    unreadable: frozenset[str] = frozenset()

    def values(self, attribute: str) -> tuple[bytes, ...]:
        return next((found for name, found in self.attributes.items() if name.lower() == attribute.lower()), ())


@dataclass
class MemoryDirectory:
    """``failing`` is raised by everything from then on."""

    entries: list[StoredEntry] = field(default_factory=list)
    searches: list[Filter] = field(default_factory=list)
    binds: list[tuple[str, bytes]] = field(default_factory=list)
    failing: Unavailable | None = None

    def add(
        self, name: str, password: str = RIGHT, *, dn: str | None = None, **attributes: str | bytes | list[str]
    ) -> StoredEntry:
        """A person with ``uid`` and ``entryUUID``, and more."""
        values: dict[str, tuple[bytes, ...]] = {"uid": (name.encode(),), "entryUUID": (f"id-of-{name}".encode(),)}
        for attribute, given in attributes.items():
            many = given if isinstance(given, list) else [given]
            values[attribute] = tuple(value if isinstance(value, bytes) else value.encode() for value in many)
        entry = StoredEntry(dn or f"uid={name},{BASE}", password.encode(), values)
        self.entries.append(entry)
        return entry

    def find_one(self, base: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        if self.failing is not None:
            raise self.failing
        self.searches.append(wanted)
        found = self.matching(base, wanted)
        if len(found) > 1:
            raise Unavailable("ldap.ambiguous", expected="one entry", found=f"{len(found)}")
        return self.shown(found[0], attributes) if found else None

    def find_many(self, base: str, wanted: Filter, attributes: Sequence[str], *, most: int) -> Several:
        if self.failing is not None:
            raise self.failing
        self.searches.append(wanted)
        found = self.matching(base, wanted)
        return Several(tuple(self.shown(entry, attributes) for entry in found[:most]), len(found) <= most)

    def read(self, dn: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        if self.failing is not None:
            raise self.failing
        self.searches.append(wanted)
        found = [entry for entry in self.matching(dn, wanted) if entry.dn == dn]
        return self.shown(found[0], attributes) if found else None

    def bind(self, dn: str, password: bytes) -> BindOutcome:
        if self.failing is not None:
            raise self.failing
        self.binds.append((dn, password))
        return self.outcome(dn, password)

    def close(self) -> None:
        """Keeps nothing open."""

    def matching(self, base: str, wanted: Filter) -> list[StoredEntry]:
        return [entry for entry in self.entries if entry.dn.endswith(base) and matches(entry, wanted)]

    def shown(self, entry: StoredEntry, attributes: Sequence[str]) -> Entry:
        readable = {name.lower() for name in attributes} - entry.unreadable
        return Entry(
            entry.dn, {name.lower(): values for name, values in entry.attributes.items() if name.lower() in readable}
        )

    def outcome(self, dn: str, password: bytes) -> BindOutcome:
        entry = next((entry for entry in self.entries if entry.dn == dn), None)
        if entry is not None and entry.locked:
            return "disabled"
        return entry.state if entry is not None and entry.password == password else "wrong_password"


def matches(entry: StoredEntry, wanted: Filter) -> bool:
    """Whether the entry matches, by caseIgnoreMatch (RFC 4517 4.2.11): case and further spaces make no difference."""
    match wanted:
        case And(parts):
            return all(matches(entry, part) for part in parts)
        case Or(parts):
            return any(matches(entry, part) for part in parts)
        case Not(part):
            return not matches(entry, part)
        case Present(attribute):
            return attribute.lower() == "objectclass" or bool(entry.values(attribute))
        case Compare(attribute, value, "="):
            return folded(value) in map(folded, entry.values(attribute))
        case Substrings(attribute, initial, between, final):
            return any(
                value.startswith(initial) and value.endswith(final) and all(part in value for part in between)
                for value in entry.values(attribute)
            )
    return False


def folded(value: bytes) -> bytes:
    try:
        return " ".join(value.decode().casefold().split()).encode()
    except UnicodeDecodeError:
        return value
