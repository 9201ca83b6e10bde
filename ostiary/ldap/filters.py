"""Search filters as trees: read from a configuration (RFC 4515 section 3), filled with what somebody typed, and written.

A value is put into the tree, never into a text, so no value can change what a filter asks. Knows no server.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from ostiary.config import WrongSetting

MAXIMUM_FILTER: Final = 4_000
_MAXIMUM_DEPTH: Final = 20

# RFC 4512 section 1.4: a name or an OID, with options.
_ATTRIBUTE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)(?:;[A-Za-z0-9-]+)*")
_RULE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+")
_ITEM: Final = re.compile(r"(?P<left>[^()=<>~*\\]*?)(?P<operator>=|>=|<=|~=|:=)(?P<right>[^()\x00]*)", re.DOTALL)
# Every other byte is written as its number: what needs no escape here needs none in any reader of filters.
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._@")

Operator = Literal["=", ">=", "<=", "~="]


@dataclass(frozen=True, slots=True)
class Compare:
    """``attribute`` compared with ``value``: equal, at least, at most, about."""

    attribute: str
    value: bytes
    operator: Operator = "="


@dataclass(frozen=True, slots=True)
class Present:
    """The entry has this attribute."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Substrings:
    """``initial*any*any*final``; an empty ``initial`` or ``final`` asks for nothing there."""

    attribute: str
    initial: bytes
    any: tuple[bytes, ...]
    final: bytes


@dataclass(frozen=True, slots=True)
class Extensible:
    """A matching rule of one's own (RFC 4511 4.5.1.7.7). ``attribute`` or ``rule`` may be empty, not both."""

    attribute: str
    rule: str
    names_too: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class And:
    """All of them; none of them is true (RFC 4526)."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them; of none is false (RFC 4526)."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not this one."""

    part: "Filter"


Filter = Compare | Present | Substrings | Extensible | And | Or | Not


def write_filter(wanted: Filter) -> str:
    """The filter as ASCII text (RFC 4515 section 3)."""
    match wanted:
        case And(parts):
            return f"(&{''.join(map(write_filter, parts))})"
        case Or(parts):
            return f"(|{''.join(map(write_filter, parts))})"
        case Not(part):
            return f"(!{write_filter(part)})"
        case Present(attribute):
            return f"({attribute}=*)"
        case Compare(attribute, value, operator):
            return f"({attribute}{operator}{escape_value(value)})"
        case Substrings(attribute, initial, between, final):
            return f"({attribute}={'*'.join(map(escape_value, (initial, *between, final)))})"
        case Extensible(attribute, rule, names_too, value):
            return f"({attribute}{':dn' if names_too else ''}{f':{rule}' if rule else ''}:={escape_value(value)})"


def escape_value(value: bytes) -> str:
    """An assertion value as it stands in a filter: letters, digits and ``-._@`` as they are, all else as ``\\xx``."""
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:02x}" for byte in value)


def fill(template: Filter, placeholder: str, value: str) -> Filter:
    """The same filter, each occurrence of ``placeholder`` inside a value replaced by ``value``."""
    before, after = placeholder.encode(), value.encode()
    match template:
        case And(parts):
            return And(tuple(fill(part, placeholder, value) for part in parts))
        case Or(parts):
            return Or(tuple(fill(part, placeholder, value) for part in parts))
        case Not(part):
            return Not(fill(part, placeholder, value))
        case Compare() | Extensible():
            return replace(template, value=template.value.replace(before, after))
        case Substrings(attribute, initial, between, final):
            return Substrings(
                attribute,
                initial.replace(before, after),
                tuple(part.replace(before, after) for part in between),
                final.replace(before, after),
            )
        case Present():
            return template


def equalities(wanted: Filter) -> tuple[Compare, ...]:
    """Every equality that an entry may match by, in order; those below a "not" are none."""
    match wanted:
        case And(parts) | Or(parts):
            return tuple(found for part in parts for found in equalities(part))
        case Compare(operator="="):
            return (wanted,)
        case _:
            return ()


def read_filter(text: str) -> Filter:
    """The filter that a configuration holds. Spaces around parts are ignored, inside values they count.

    Raises `WrongSetting` (``ldap.filter``).
    """
    if len(text) > MAXIMUM_FILTER:
        raise WrongSetting("ldap.filter", expected=f"at most {MAXIMUM_FILTER} characters", found=f"{len(text)}")
    reader = _Reader(text)
    found = reader.filter(0)
    if reader.rest():
        raise reader.wrong("nothing after the last parenthesis")
    return found


class _Reader:
    """Goes through a filter's text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        self._skip_spaces()
        return self._text[self._at :]

    def wrong(self, expected: str) -> WrongSetting:
        found = self._text[self._at : self._at + 40]
        return WrongSetting("ldap.filter", expected=expected, found=f'"{found}"' if found else "the end")

    def filter(self, depth: int) -> Filter:
        if depth > _MAXIMUM_DEPTH:
            raise self.wrong(f"at most {_MAXIMUM_DEPTH} parentheses in each other")
        self._expect("(")
        self._skip_spaces()
        sign = self._text[self._at : self._at + 1]
        found: Filter
        if sign in ("&", "|"):
            self._at += 1
            parts = self._list(depth)
            found = And(parts) if sign == "&" else Or(parts)
        elif sign == "!":
            self._at += 1
            found = Not(self.filter(depth + 1))
        else:
            found = self._item()
        self._expect(")")
        return found

    def _list(self, depth: int) -> tuple[Filter, ...]:
        parts: list[Filter] = []
        while self.rest().startswith("("):
            parts.append(self.filter(depth + 1))
        return tuple(parts)

    def _item(self) -> Filter:
        matched = _ITEM.match(self._text, self._at)
        if matched is None:
            raise self.wrong("attribute=value")
        left, operator, right = matched["left"].strip(), matched["operator"], matched["right"]
        if operator == ":=":
            found = self._extensible(left, right)
        elif _ATTRIBUTE.fullmatch(left) is None:
            raise self.wrong("the name of an attribute, then = and a value")
        elif operator == "=" and right == "*":
            found = Present(left)
        elif operator == "=" and "*" in right:
            initial, *between, final = (self._value(part) for part in right.split("*"))
            if not all(between):
                raise self.wrong("one * between two parts of a value")
            found = Substrings(left, initial, tuple(between), final)
        else:
            if "*" in right:
                raise self.wrong("\\2a for a * in a value")
            found = Compare(left, self._value(right), _operator(operator))
        self._at = matched.end()
        return found

    def _extensible(self, left: str, right: str) -> Filter:
        attribute, *words = left.split(":")
        names_too = bool(words) and words[0].lower() == "dn"
        rules = words[1:] if names_too else words
        rule = rules[0] if rules else ""
        good = (
            len(rules) <= 1
            and (not attribute or _ATTRIBUTE.fullmatch(attribute) is not None)
            and (not rules or _RULE.fullmatch(rule) is not None)
            and bool(attribute or rule)
            and "*" not in right
        )
        if not good:
            raise self.wrong("attribute:rule:=value")
        return Extensible(attribute, rule, names_too, self._value(right))

    def _value(self, text: str) -> bytes:
        if re.search(r"\\(?![0-9A-Fa-f]{2})", text):
            raise self.wrong("two hexadecimal digits after each \\")
        try:
            parts = re.split(r"\\([0-9A-Fa-f]{2})", text)
            return b"".join(bytes.fromhex(part) if at % 2 else part.encode() for at, part in enumerate(parts))
        except UnicodeEncodeError:
            raise self.wrong("Unicode text") from None

    def _expect(self, character: str) -> None:
        if not self.rest().startswith(character):
            raise self.wrong(f'"{character}"')
        self._at += 1

    def _skip_spaces(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1


def _operator(text: str) -> Operator:
    match text:
        case ">=" | "<=" | "~=":
            return text
        case _:
            return "="
