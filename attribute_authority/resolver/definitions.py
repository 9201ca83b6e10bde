"""How attributes are made from what the connectors found: by name, from another name, with a scope. Pure."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from ostiary.attributes import SCOPED, Attribute, Value, make_value
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS, is_identifier

# What XML 1.0 (2.2) cannot carry, line breaks aside: an attribute value is one line, or several, of text.
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

NoteReason = Literal["unwritable", "scope_missing", "scope_unexpected", "malformed", "connector_failed"]


@dataclass(frozen=True, slots=True)
class Definition:
    """Makes the attribute ``name`` from the values called ``source``: another definition's, where one has that name,
    else the connectors'.

    ``scope``: appended to each value after ``@``. ``first_only``: of several connectors that know ``source``, only
    the first counts; otherwise their values are joined in the connectors' order. ``internal``: only other definitions
    see it.
    """

    name: str
    source: str
    scope: str | None = None
    first_only: bool = False
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the log should say about a resolution. ``source`` is a connector or an attribute; no values in
    here.
    """

    reason: NoteReason
    source: str
    detail: str = ""


def find_cycle(definitions: Sequence[Definition]) -> tuple[str, ...]:
    """The names of definitions that depend on each other in a circle, the first one again at the end; empty if there
    are none.

    A definition whose source is its own name takes it from the connectors.
    """
    sources = {definition.name: definition.source for definition in definitions}
    harmless: set[str] = set()
    for start in sources:
        path: list[str] = []
        name = start
        while name in sources and name not in harmless:
            if name in path:
                return (*path[path.index(name) :], name)
            path.append(name)
            if sources[name] == name:
                break
            name = sources[name]
        harmless.update(path)
    return ()


def in_order(definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    """The definitions, each after the one that it depends on. Without a cycle only: check `find_cycle` before."""
    by_name = {definition.name: definition for definition in definitions}
    ordered: dict[str, Definition] = {}

    def place(definition: Definition) -> None:
        if definition.name in ordered:
            return
        needed = by_name.get(definition.source)
        if needed is not None and needed is not definition:
            place(needed)
        ordered[definition.name] = definition

    for definition in definitions:
        place(definition)
    return tuple(ordered.values())


def depending_on(definitions: Sequence[Definition], sources: Container[str]) -> frozenset[str]:
    """The names of the definitions (from `in_order`) that take values, straight or through others, from one of these ``sources`` of the
    connectors."""
    by_name = {definition.name: definition for definition in definitions}
    found: set[str] = set()
    for definition in definitions:
        needed = by_name.get(definition.source)
        from_definition = needed is not None and needed is not definition
        if definition.source in found if from_definition else definition.source in sources:
            found.add(definition.name)
    return frozenset(found)


def make_attributes(
    ordered: Sequence[Definition], found: Sequence[Mapping[str, Sequence[str]]], *, issuer: str, at: datetime
) -> tuple[tuple[Attribute, ...], tuple[Note, ...]]:
    """The attributes that the definitions (from `in_order`) make of what each connector found, in the connectors'
    order.

    Left out, and noted: values that XML cannot carry, values of a scoped attribute that end up without a scope,
    values that have an ``@`` before a scope is appended, and subject identifiers of another form than their profile's.
    Attributes without a value are left out.
    """
    made: dict[str, Attribute] = {}
    notes: list[Note] = []
    for definition in ordered:
        source = made.get(definition.source)
        texts = source.texts() if source is not None else _joined(definition, found)
        values: dict[Value, None] = {}
        for text in texts:
            if not text:
                continue
            problem = _problem(definition, text)
            if problem is not None:
                notes.append(Note(problem, definition.name))
            else:
                written = text if definition.scope is None else f"{text}@{definition.scope}"
                values[make_value(definition.name, written)] = None
        made[definition.name] = Attribute(definition.name, tuple(values), issuer=issuer, issued_at=at)
    shown = (made[definition.name] for definition in ordered if not definition.internal)
    return tuple(attribute for attribute in shown if attribute.values), tuple(dict.fromkeys(notes))


def _joined(definition: Definition, found: Sequence[Mapping[str, Sequence[str]]]) -> list[str]:
    answers = [answer[definition.source] for answer in found if answer.get(definition.source)]
    return [text for answer in answers[: 1 if definition.first_only else None] for text in answer]


def _problem(definition: Definition, text: str) -> NoteReason | None:
    if _UNWRITABLE.search(text):
        return "unwritable"
    if definition.scope is not None:
        if "@" in text:
            return "scope_unexpected"
    elif definition.name in SCOPED:
        left, _, scope = text.rpartition("@")
        if not (left and scope):
            return "scope_missing"
    if definition.name in SUBJECT_IDENTIFIERS:
        written = text if definition.scope is None else f"{text}@{definition.scope}"
        return None if is_identifier(written) else "malformed"
    return None
