"""How attributes are made from what the connectors found: which definition before which, and what each one makes. Pure."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from attribute_authority.resolver.transformations import Condition, Template, ValueMap
from attribute_authority.resolver.value_types import is_well_formed
from ostiary.attributes import (
    NAME_ID_VALUED,
    SCOPED,
    Attribute,
    Attributes,
    NameIdValue,
    Value,
    make_name_id_value,
    make_value,
)
from ostiary.policy.captures import MAX_CAPTURE_LENGTH, Capture

# What XML 1.0 (2.2) cannot carry, line breaks aside: an attribute value is one line, or several, of text.
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

NoteReason = Literal[
    "unwritable",
    "scope_missing",
    "scope_unexpected",
    "malformed",
    "connector_failed",
    "connector_failover",
    "connector_old",
    "uneven",
    "too_long",
    "condition_unknown",
]


@dataclass(frozen=True, slots=True)
class Constants:
    """Values that are the same for everybody."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """Makes the attribute ``name``.

    ``origin``: the name of what its values are taken from, or several names, joined in their order; a template; or constants. A name is
    another definition's, where one has it, else the connectors'; its own name is the connectors'. Then, each where given: ``split`` takes a
    part out of each value (what does not match is left out), ``mapping`` makes others of it, and ``scope`` is appended after ``@``.
    ``first_only``: of several connectors or names that have values, only the first counts. All of ``when`` must hold and none of
    ``when_not``. ``internal``: only other definitions see it. ``wire_name``: the URI by which SAML calls it.
    """

    name: str
    origin: str | tuple[str, ...] | Template | Constants
    scope: str | None = None
    first_only: bool = False
    internal: bool = False
    split: Capture | None = None
    mapping: ValueMap | None = None
    when: tuple[Condition, ...] = ()
    when_not: tuple[Condition, ...] = ()
    wire_name: str | None = None

    def sources(self) -> tuple[str, ...]:
        """The names from which its values are taken."""
        match self.origin:
            case str():
                return (self.origin,)
            case tuple():
                return self.origin
            case Template():
                return self.origin.sources
            case Constants():
                return ()

    def inputs(self) -> tuple[str, ...]:
        """The names of everything that it depends on."""
        return (*self.sources(), *(condition.attribute for condition in (*self.when, *self.when_not)))


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the log should say about a resolution. ``source`` is a connector or an attribute; no values in
    here.
    """

    reason: NoteReason
    source: str
    detail: str = ""


class Made(NamedTuple):
    """What definitions made: the attributes that others may see, notes, and the values of all of them by name. ``uncertain`` are those
    that may lack something, because a connector did not answer; ``internal`` the attributes that nobody else may see."""

    attributes: Attributes = ()
    notes: tuple[Note, ...] = ()
    texts: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    uncertain: frozenset[str] = frozenset()
    internal: Attributes = ()


NOTHING_MADE: Final = Made()


def find_cycle(definitions: Sequence[Definition]) -> tuple[str, ...]:
    """The names of definitions that depend on each other in a circle, the first one again at the end; empty if there
    are none.

    A definition that names itself takes that from the connectors.
    """
    _, cycle = _walked(definitions)
    return cycle


def in_order(definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    """The definitions, each after those that it depends on. Without a cycle only: check `find_cycle` before."""
    ordered, _ = _walked(definitions)
    return ordered


def _walked(definitions: Sequence[Definition]) -> tuple[tuple[Definition, ...], tuple[str, ...]]:
    """Depth first, without recursion: a chain of definitions may be long."""
    by_name = {definition.name: definition for definition in definitions}
    ordered: dict[str, Definition] = {}
    for start in definitions:
        path: dict[str, Iterator[str]] = {} if start.name in ordered else {start.name: iter(start.inputs())}
        while path:
            name = next(reversed(path))
            needed = next((other for other in path[name] if other in by_name and other != name), None)
            if needed is None:
                ordered[name] = by_name[name]
                del path[name]
            elif needed in path:
                names = list(path)
                return (), (*names[names.index(needed) :], needed)
            elif needed not in ordered:
                path[needed] = iter(by_name[needed].inputs())
    return tuple(ordered.values()), ()


def depending_on(definitions: Sequence[Definition], sources: Container[str]) -> frozenset[str]:
    """The names of the definitions (from `in_order`) that depend, straight or through others, on one of these ``sources`` of the
    connectors, or make a value that names its requester."""
    names = {definition.name for definition in definitions}
    found = names & NAME_ID_VALUED
    for definition in definitions:
        for needed in definition.inputs():
            from_definition = needed in names and needed != definition.name
            if needed in found if from_definition else needed in sources:
                found.add(definition.name)
    return frozenset(found)


def make_attributes(
    ordered: Sequence[Definition],
    found: Sequence[Mapping[str, Sequence[str]]],
    *,
    issuer: str,
    at: datetime,
    requester: str | None = None,
    earlier: Made = NOTHING_MADE,
    unanswered: Container[str] = frozenset(),
) -> Made:
    """What the definitions (from `in_order`) make of what each connector found, in the connectors' order.

    ``requester`` (entityID) is for whom, where a value says so: a persistent name is made for nobody else. ``earlier`` is what other
    definitions, on which these may depend, made before. ``unanswered`` are the names of what connectors that failed would have told: a
    condition that one of these values could still make true counts as neither met nor unmet, and what depends on that is not made.

    Left out, and noted: values that XML cannot carry, values of a scoped attribute that end up without a scope, values that have an ``@``
    before a scope is appended, and values of another form than the attribute's standard demands. Attributes without a value are left out.
    """
    making = _Making(found, issuer, at, requester, dict(earlier.texts), set(earlier.uncertain), unanswered)
    visible: list[Attribute] = []
    internal: list[Attribute] = []
    for definition in ordered:
        made = making.attribute(definition)
        if made.values:
            (internal if definition.internal else visible).append(made)
    notes, uncertain = dict.fromkeys(making.notes), frozenset(making.uncertain)
    return Made(tuple(visible), tuple(notes), making.texts, uncertain, tuple(internal))


class _Making:
    """One run of definitions over what was found about one person."""

    def __init__(
        self,
        found: Sequence[Mapping[str, Sequence[str]]],
        issuer: str,
        at: datetime,
        requester: str | None,
        texts: dict[str, tuple[str, ...]],
        uncertain: set[str],
        unanswered: Container[str],
    ) -> None:
        self.found = found
        self.issuer = issuer
        self.at = at
        self.requester = requester
        self.texts = texts
        self.uncertain = uncertain
        self.unanswered = unanswered
        self.is_certain = not uncertain and not unanswered
        self.notes: list[Note] = []

    def attribute(self, definition: Definition) -> Attribute:
        name = definition.name
        if not self.is_certain and any(self._is_uncertain(definition, needed) for needed in definition.inputs()):
            self.uncertain.add(name)
        values: dict[Value, None] = {}
        if not (definition.when or definition.when_not) or self._conditions_hold(definition):
            for text in self._raw(definition):
                value = self._value(definition, text) if text else None
                if value is not None:
                    values[value] = None
        made = Attribute(name, tuple(values), self.issuer, self.at, wire_name=definition.wire_name)
        self.texts[name] = made.texts()
        return made

    def _note(self, reason: NoteReason, definition: Definition) -> None:
        self.notes.append(Note(reason, definition.name))

    def _of(self, definition: Definition, name: str, *, first_only: bool = False) -> Sequence[str]:
        """The values called ``name`` as this definition sees them."""
        if name != definition.name and name in self.texts:
            return self.texts[name]
        answers = [answer[name] for answer in self.found if answer.get(name)]
        if len(answers) == 1:
            return answers[0]
        return [text for answer in answers[: 1 if first_only else None] for text in answer]

    def _is_uncertain(self, definition: Definition, name: str) -> bool:
        if name != definition.name and name in self.texts:
            return name in self.uncertain
        return name in self.unanswered

    def _conditions_hold(self, definition: Definition) -> bool:
        for condition in definition.when:
            if not condition.holds(self._of(definition, condition.attribute)):
                return False
        for condition in definition.when_not:
            if condition.holds(self._of(definition, condition.attribute)):
                return False
            if self._is_uncertain(definition, condition.attribute):
                self._note("condition_unknown", definition)
                return False
        return True

    def _raw(self, definition: Definition) -> Iterable[str]:
        """The values before the scope, and before anything is checked."""
        texts = self._taken(definition)
        if definition.split is not None:
            texts = self._split(definition, definition.split, texts)
        if definition.mapping is not None:
            mapping = definition.mapping
            texts = [made for text in texts if text for made in mapping.mapped(text)]
        return texts

    def _taken(self, definition: Definition) -> Iterable[str]:
        match definition.origin:
            case str():
                return self._of(definition, definition.origin, first_only=definition.first_only)
            case tuple():
                first_only = definition.first_only
                each = (self._of(definition, name, first_only=first_only) for name in definition.origin)
                known = [texts for texts in each if texts]
                return [text for texts in known[: 1 if first_only else None] for text in texts]
            case Constants():
                return definition.origin.texts
            case Template():
                template = definition.origin
                filled = template.fill(
                    [[text for text in self._of(definition, name) if text] for name in template.sources]
                )
                if filled.uneven:
                    self._note("uneven", definition)
                if filled.too_long:
                    self._note("too_long", definition)
                return filled.texts

    def _split(self, definition: Definition, split: Capture, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            if len(text) > MAX_CAPTURE_LENGTH:
                self._note("too_long", definition)
                continue
            part = split.part_of(text)
            if part is not None:
                yield part

    def _value(self, definition: Definition, text: str) -> Value | None:
        written = text if definition.scope is None else f"{text}@{definition.scope}"
        problem = _problem(definition, text, written)
        if problem is not None:
            self._note(problem, definition)
            return None
        if definition.name in NAME_ID_VALUED:
            if self.requester is None:
                return None
            return make_name_id_value(NameIdValue(written, self.issuer, self.requester))
        return make_value(definition.name, written)


def _problem(definition: Definition, text: str, written: str) -> NoteReason | None:
    # What is printable is writable, and sooner known.
    if not text.isprintable() and _UNWRITABLE.search(text):
        return "unwritable"
    if definition.scope is not None:
        if "@" in text:
            return "scope_unexpected"
    elif definition.name in SCOPED:
        left, _, scope = text.rpartition("@")
        if not (left and scope):
            return "scope_missing"
    return None if is_well_formed(definition.name, written) else "malformed"
