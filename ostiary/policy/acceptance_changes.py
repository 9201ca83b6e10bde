"""What becomes of a value that was accepted: another one by a table or by a pattern, and one attribute of several. Accepts nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ostiary.attributes import Attribute, Attributes
from ostiary.policy.captures import Capture


@dataclass(frozen=True, slots=True)
class Table:
    """One text for another. ``keeps_others``: what it does not name stays as it is."""

    entries: Mapping[str, str]
    keeps_others: bool = False

    def of(self, text: str) -> str | None:
        """None where the table has nothing for it."""
        return self.entries.get(text, text if self.keeps_others else None)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What the one group of a pattern takes out, between two texts. ``keeps_others``: what the pattern does not match stays as it is."""

    capture: Capture
    before: str
    after: str
    keeps_others: bool = False

    def of(self, text: str) -> str | None:
        """None where the pattern does not match."""
        part = self.capture.part_of(text)
        if part is None:
            return text if self.keeps_others else None
        return f"{self.before}{part}{self.after}"


Change = Table | Rewriting
"""Changes the text of a value; the scope of a scoped one stays."""


@dataclass(frozen=True, slots=True)
class Combination:
    """The attribute ``name`` made of others: of the first of ``sources`` that there is, or of all of them."""

    name: str
    sources: tuple[str, ...]
    first: bool


def combined(combinations: Iterable[Combination], attributes: Attributes, at: datetime) -> Attributes:
    """The attributes, and those that are made of them, in the order of ``combinations``; one may use what another made.

    What goes by the name of a combination already is replaced, so that doing it twice changes nothing.
    """
    for combination in combinations:
        sources = [
            tuple(attribute for attribute in attributes if attribute.name == source and is_there(attribute, at))
            for source in combination.sources
        ]
        found = [source for source in sources if source]
        taken = found[:1] if combination.first else found
        made = (one._replace(name=combination.name, wire_name=None) for source in taken for one in source)
        others = (attribute for attribute in attributes if attribute.name != combination.name)
        attributes = united((*others, *made))
    return attributes


def is_there(attribute: Attribute, at: datetime) -> bool:
    """Whether it has a value and still holds."""
    return bool(attribute.values) and (attribute.valid_until is None or at < attribute.valid_until)


def united(attributes: Iterable[Attribute]) -> Attributes:
    """Attributes that differ in their values alone as one, each value once."""
    attributes = tuple(attributes)
    if len({attribute.name for attribute in attributes}) == len(attributes):
        return attributes
    kinds: dict[Attribute, list[Attribute]] = {}
    for attribute in attributes:
        kinds.setdefault(attribute._replace(values=()), []).append(attribute)
    return tuple(
        kind._replace(values=tuple(dict.fromkeys(value for one in several for value in one.values)))
        if len(several) > 1
        else several[0]
        for kind, several in kinds.items()
    )


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of these attributes has to be known. ``because``: its author's words for people."""

    any_of: tuple[str, ...]
    because: str = ""


def missing(required: Iterable[Requirement], attributes: Attributes, at: datetime) -> tuple[Requirement, ...]:
    """Which of them nothing fulfils."""
    names = {attribute.name for attribute in attributes if is_there(attribute, at)}
    return tuple(requirement for requirement in required if names.isdisjoint(requirement.any_of))
