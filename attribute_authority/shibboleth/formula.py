"""Conditions of an attribute filter as formulas over atoms, and their normal form: alternatives of things that must all hold.

What release policies have no words for is an atom, too (`Untold`). Knows no file format and no policy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from attribute_authority.shibboleth.java_regex import checked_pattern, pattern_of_texts
from ostiary.errors import Refusal

MAX_ALTERNATIVES: Final = 200

Reason = Literal[
    "script",
    "profile",
    "proxy",
    "issuer",
    "name_id_format",
    "extension",
    "regex",
    "silent",
    "group",
    "principal",
    "other_attribute",
    "any_attribute",
    "scope_unknown",
    "lower_case",
    "negation",
    "other_count",
    "denied_in_metadata",
    "method_regex",
    "two_patterns",
    "too_many",
    "name",
]
"""Why something has no words among release policies: the last part of the key of a text."""


@dataclass(frozen=True, slots=True)
class TextTest:
    """A text is one of ``exact``, or the whole of it matches ``pattern`` (the language of `ostiary.policy.patterns`); one of the two."""

    exact: frozenset[str] = frozenset()
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class ValueText:
    """Tests on one value, as a rule of a release policy makes them; one of them is given."""

    exact: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    scope: frozenset[str] = frozenset()
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class RequesterName:
    """The entityID of who asks."""

    test: TextTest


@dataclass(frozen=True, slots=True)
class RequesterAttribute:
    """An entity attribute of who asks."""

    name: str
    test: TextTest


@dataclass(frozen=True, slots=True)
class RegisteredBy:
    """Who registered the requester."""

    authorities: frozenset[str]


@dataclass(frozen=True, slots=True)
class AskedFor:
    """The requester's metadata asks for the attribute that the rule is about, and says that it is required where ``required``."""

    required: bool


@dataclass(frozen=True, slots=True)
class LoggedInBy:
    """How the person logged in."""

    test: TextTest


@dataclass(frozen=True, slots=True)
class PersonHas:
    """One value of an attribute of the person passes the test."""

    attribute: str
    test: ValueText


@dataclass(frozen=True, slots=True)
class PersonCount:
    """The person has the attribute, with so many values."""

    attribute: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class OwnValue:
    """The value that is decided about passes the test."""

    test: ValueText


@dataclass(frozen=True, slots=True)
class Untold:
    """Something that release policies have no words for: where it stands, its type, why, and a detail; ``number`` tells what stands in
    one line apart."""

    line: int
    type: str
    reason: Reason
    detail: str = ""
    number: int = 0


Atom = (
    RequesterName
    | RequesterAttribute
    | RegisteredBy
    | AskedFor
    | LoggedInBy
    | PersonHas
    | PersonCount
    | OwnValue
    | Untold
)


@dataclass(frozen=True, slots=True)
class Part:
    """An atom, or that it does not hold."""

    atom: Atom
    holds: bool = True


@dataclass(frozen=True, slots=True)
class All:
    """Each part holds; without parts, always."""

    parts: "tuple[Formula, ...]" = ()


@dataclass(frozen=True, slots=True)
class Some:
    """One part holds; without parts, never."""

    parts: "tuple[Formula, ...]" = ()


Formula = Part | All | Some

ALWAYS: Final = All()
NEVER: Final = Some()

Alternative = frozenset[Part]
"""What must hold together."""


class TooMany(Exception):
    """There are more alternatives than anybody would want to read in a policy."""


def is_not(formula: Formula) -> Formula:
    """The formula that holds where this one does not."""
    match formula:
        case Part(atom, holds):
            return Part(atom, not holds)
        case All(parts):
            return Some(tuple(is_not(part) for part in parts))
        case Some(parts):
            return All(tuple(is_not(part) for part in parts))


def alternatives(formula: Formula) -> tuple[Alternative, ...]:
    """The alternatives, one of which holds where the formula does; none where it never does. Raises `TooMany`."""
    match formula:
        case Part():
            return (frozenset({formula}),)
        case Some(parts):
            found: list[Alternative] = []
            for part in _joined(parts, hold=True):
                found.extend(alternatives(part))
                if len(found) > MAX_ALTERNATIVES:
                    raise TooMany
            return _shortest(found)
        case All(parts):
            product: list[Alternative] = [frozenset()]
            for part in _joined(parts, hold=False):
                further = alternatives(part)
                if len(product) * len(further) > MAX_ALTERNATIVES:
                    raise TooMany
                product = [before | more for before in product for more in further]
            return _shortest(alternative for alternative in product if not _contradicts_itself(alternative))


def _contradicts_itself(alternative: Alternative) -> bool:
    return any(Part(literal.atom, not literal.holds) in alternative for literal in alternative)


def _shortest(found: Iterable[Alternative]) -> tuple[Alternative, ...]:
    """Without those that another one includes already, each once, in their order."""
    each = list(dict.fromkeys(found))
    return tuple(one for one in each if not any(other < one for other in each))


def _joined(parts: Sequence[Formula], *, hold: bool) -> list[Formula]:
    """The parts, with tests for exact texts about the same thing made one: "is a" or "is b"; "is not a" and "is not b"."""
    flat: list[Formula] = []
    for part in parts:
        nested = part.parts if isinstance(part, Some if hold else All) else (part,)
        flat.extend(nested)
    joined: dict[object, Formula] = {}
    for number, part in enumerate(flat):
        key = _kind(part.atom) if isinstance(part, Part) and part.holds is hold else None
        before = joined.get(key) if key is not None else None
        if isinstance(before, Part) and isinstance(part, Part):
            joined[key] = Part(_union(before.atom, part.atom), hold)
        else:
            joined[key if key is not None else number] = part
    return _with_patterns_joined(list(joined.values()), hold=hold)


def _with_patterns_joined(parts: list[Formula], *, hold: bool) -> list[Formula]:
    """Patterns about the same thing become one. Of exceptions only one can be said, so exact texts become part of the pattern there."""
    joined: dict[object, Formula] = {}
    for number, part in enumerate(parts):
        subject = _subject(part.atom, exact=not hold) if isinstance(part, Part) and part.holds is hold else None
        before = joined.get(subject) if subject is not None else None
        if isinstance(before, Part) and isinstance(part, Part):
            try:
                joined[subject] = Part(_one_pattern(before.atom, part.atom), hold)
            except Refusal:
                joined[number] = part
        else:
            joined[subject if subject is not None else number] = part
    return list(joined.values())


def _subject(atom: Atom, *, exact: bool) -> object:
    """What a test of a pattern (or, where ``exact``, of exact texts, too) is about; None where it is no such test."""
    match atom:
        case RequesterName(test) if exact or test.pattern is not None:
            return type(atom)
        case RequesterAttribute(name, test) if exact or test.pattern is not None:
            return type(atom), name
        case OwnValue(ValueText(pattern=pattern) as own) if pattern is not None or (exact and own.exact):
            return type(atom)
    return None


def _one_pattern(one: Atom, other: Atom) -> Atom:
    """The test that holds where one of both does. Raises `Refusal` for a pattern that would be too long."""
    match one, other:
        case RequesterName(first), RequesterName(second):
            return RequesterName(TextTest(pattern=_either(first, second)))
        case RequesterAttribute(name, first), RequesterAttribute(_, second):
            return RequesterAttribute(name, TextTest(pattern=_either(first, second)))
        case OwnValue(first_value), OwnValue(second_value):
            return OwnValue(ValueText(pattern=_either(first_value, second_value)))
    raise TypeError(one, other)


def _either(one: TextTest | ValueText, other: TextTest | ValueText) -> str:
    patterns = (test.pattern or pattern_of_texts(sorted(test.exact)) for test in (one, other))
    return checked_pattern("|".join(patterns))


def _kind(atom: Atom) -> object:
    """Atoms of the same kind can be joined; None for those that can't."""
    match atom:
        case RequesterName(TextTest(pattern=None)) | LoggedInBy(TextTest(pattern=None)) | RegisteredBy():
            return type(atom)
        case RequesterAttribute(name, TextTest(pattern=None)):
            return type(atom), name
        case PersonHas(attribute, ValueText(pattern=None) as test):
            return type(atom), attribute, bool(test.exact), bool(test.left)
        case OwnValue(ValueText(pattern=None) as test):
            return type(atom), bool(test.exact), bool(test.left)
    return None


def _union(one: Atom, other: Atom) -> Atom:
    match one, other:
        case RegisteredBy(first), RegisteredBy(second):
            return RegisteredBy(first | second)
        case RequesterName(first_test), RequesterName(second_test):
            return RequesterName(TextTest(first_test.exact | second_test.exact))
        case LoggedInBy(first_test), LoggedInBy(second_test):
            return LoggedInBy(TextTest(first_test.exact | second_test.exact))
        case RequesterAttribute(name, first_test), RequesterAttribute(_, second_test):
            return RequesterAttribute(name, TextTest(first_test.exact | second_test.exact))
        case PersonHas(attribute, first_value), PersonHas(_, second_value):
            return PersonHas(attribute, _union_of_values(first_value, second_value))
        case OwnValue(first_value), OwnValue(second_value):
            return OwnValue(_union_of_values(first_value, second_value))
    raise TypeError(one, other)


def _union_of_values(one: ValueText, other: ValueText) -> ValueText:
    return replace(one, exact=one.exact | other.exact, left=one.left | other.left, scope=one.scope | other.scope)
