"""A Java regular expression that must match a whole text, as a pattern of `ostiary.policy.patterns` that means the same.

What has no equal (look-around, back references, possessive repetition, boundaries, Unicode properties) is refused, never approximated.
"""

import string
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from ostiary.errors import Refusal
from ostiary.policy.character_ranges import (
    DIGIT,
    LAST_CODE_POINT,
    LINE_FEED,
    SPACE,
    WORD,
    Ranges,
    complement,
    is_single,
    merged,
)
from ostiary.policy.pattern_syntax import MAX_DEPTH
from ostiary.policy.patterns import compile_pattern

MAX_REGEX_LENGTH: Final = 2_000

_UPPER: Final[Ranges] = ((65, 90),)
_LOWER: Final[Ranges] = ((97, 122),)
# Java's "." stops at each of these, the pattern language's at a line feed only.
_LINE_ENDS: Final[Ranges] = ((10, 10), (13, 13), (0x85, 0x85), (0x2028, 0x2029))

_POSIX: Final[dict[str, Ranges]] = {
    "Digit": DIGIT,
    "Upper": _UPPER,
    "Lower": _LOWER,
    "Alpha": (*_UPPER, *_LOWER),
    "Alnum": (*DIGIT, *_UPPER, *_LOWER),
    "Punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "Space": SPACE,
}
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
# Java ignores case by changing single characters to upper and back to lower, so these are letters of ASCII to it, too.
_CASELESS_LIKE_ASCII: Final = {"i": "\u0130\u0131", "s": "\u017f", "k": "\u212a"}


@dataclass(frozen=True, slots=True)
class _Set:
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class _Row:
    parts: "tuple[_Node, ...]"


@dataclass(frozen=True, slots=True)
class _Choice:
    branches: "tuple[_Node, ...]"


@dataclass(frozen=True, slots=True)
class _Times:
    part: "_Node"
    mark: str


_Node = _Set | _Row | _Choice | _Times


@dataclass(frozen=True, slots=True)
class _Flags:
    ignore_case: bool = False
    dot_all: bool = False
    one_line: bool = False


def pattern_of(regex: str, *, ignore_case: bool = False, without: str = "", one_line: bool = False) -> str:
    """The text of the pattern that matches what ``regex`` matches as a whole (``Matcher.matches()``).

    ``ignore_case`` is the flag CASE_INSENSITIVE, which in Java means ASCII. No character of the pattern takes one of ``without``: for
    texts that can't hold them. ``one_line`` is for texts that hold no line end, so that "." may stay as it is.

    Raises `Refusal` (``aa.shibboleth_regex``, ``policy.pattern``) where there is no such pattern.
    """
    if len(regex) > MAX_REGEX_LENGTH:
        raise _unequal(f"at most {MAX_REGEX_LENGTH} characters", len(regex))
    return checked_pattern(
        _text(_without(_Parser(regex, _Flags(ignore_case, one_line=one_line)).parse(), _ranges(without))) or "()"
    )


def pattern_ignoring_case(text: str) -> str:
    """The text of the pattern that matches what Java's ``equalsIgnoreCase`` finds equal to ``text``.

    Raises `Refusal` where ``text`` has a letter beyond ASCII, or is too long.
    """
    parts: list[str] = []
    for character in text:
        if not character.isascii() and character.lower() != character.upper():
            raise _unequal("letters of ASCII", character)
        alike = {character.lower(), character.upper(), *_CASELESS_LIKE_ASCII.get(character.lower(), "")}
        parts.append(_set_text(_ranges("".join(alike))))
    return checked_pattern("".join(parts) or "()")


def pattern_of_texts(texts: Iterable[str]) -> str:
    """The text of the pattern that matches exactly these texts. Raises `Refusal` where it would be too long."""
    return checked_pattern("|".join("".join(_set_text(_ranges(character)) for character in text) for text in texts))


def checked_pattern(pattern: str) -> str:
    """The pattern itself. Raises `Refusal` ``policy.pattern`` for one that policies can't have."""
    compile_pattern(pattern)
    return pattern


def _unequal(expected: str, found: object) -> Refusal:
    return Refusal("aa.shibboleth_regex", expected=expected, found=found)


class _Parser:
    """Recursive descent over Java's syntax (java.util.regex.Pattern); ``at`` is the next character."""

    def __init__(self, text: str, flags: _Flags) -> None:
        self.text = text
        self.at = 0
        self.flags = flags

    def parse(self) -> _Node:
        self._leading_flags()
        node = self._choice(0)
        if self.at < len(self.text):
            raise self._refused("an opening parenthesis before it", self._peek())
        return node

    def _refused(self, expected: str, found: str) -> Refusal:
        return Refusal("aa.shibboleth_regex", expected=expected, found=found or "the end", position=self.at)

    def _peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def _leading_flags(self) -> None:
        if self._peek(2) != "(?":
            return
        close = self.text.find(")")
        letters = self.text[2:close] if close > 0 else ""
        if not letters or set(letters) - set("is"):
            return
        self.flags = replace(
            self.flags,
            ignore_case=self.flags.ignore_case or "i" in letters,
            dot_all=self.flags.dot_all or "s" in letters,
        )
        self.at = close + 1

    def _choice(self, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise self._refused(f"groups at most {MAX_DEPTH} deep", "a deeper group")
        branches = [self._row(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._row(depth))
        return branches[0] if len(branches) == 1 else _Choice(tuple(branches))

    def _row(self, depth: int) -> _Node:
        parts: list[_Node] = []
        # At the ends of a whole match the anchors say nothing; elsewhere they would.
        if depth == 0 and self._peek() == "^":
            self.at += 1
        while self._peek() not in ("", "|", ")"):
            if depth == 0 and self._peek() == "$" and self.text[self.at + 1 : self.at + 2] in ("", "|"):
                self.at += 1
                break
            if self._peek(2) == "\\Q":
                parts.extend(self._quoted())
                continue
            parts.append(self._repeated(self._atom(depth)))
        return parts[0] if len(parts) == 1 else _Row(tuple(parts))

    def _quoted(self) -> list[_Node]:
        end = self.text.find("\\E", self.at + 2)
        inside = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
        self.at = end + 2 if end >= 0 else len(self.text)
        if self._peek() and self._peek() in "*+?{":
            raise self._refused("no repetition after \\E", self._peek())
        return [_Set(self._cased(_ranges(character))) for character in inside]

    def _repeated(self, atom: _Node) -> _Node:
        mark = self._peek()
        if not mark or mark not in "*+?{":
            return atom
        if mark == "{":
            close = self.text.find("}", self.at)
            mark = self.text[self.at : close + 1] if close >= 0 else self.text[self.at :]
        self.at += len(mark)
        # A whole match does not care how many a repetition would rather take; a possessive one gives nothing back.
        if self._peek() == "?":
            self.at += 1
        if self._peek() and self._peek() in "*+?{":
            raise self._refused("one repetition", mark + self._peek())
        return _Times(atom, mark)

    def _atom(self, depth: int) -> _Node:
        character = self._peek()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return _Set(self._class())
        if character == "\\":
            return _Set(self._cased(self._escape()))
        if character in "*+?{^$":
            raise self._refused("a character, a class or a group", character)
        self.at += 1
        if character == ".":
            return _Set(
                ((0, LAST_CODE_POINT),)
                if self.flags.dot_all
                else complement(LINE_FEED if self.flags.one_line else _LINE_ENDS)
            )
        return _Set(self._cased(_ranges(character)))

    def _group(self, depth: int) -> _Node:
        self.at += 1
        if self._peek() == "?":
            if self._peek(2) == "?:":
                self.at += 2
            elif self._peek(2) == "?<" and self._peek(3)[2:].isalpha():
                close = self.text.find(">", self.at)
                if close < 0 or not self.text[self.at + 2 : close].isalnum():
                    raise self._refused("a name for the group", self._peek(3))
                self.at = close + 1
            else:
                raise self._refused("(...), (?:...) or (?<name>...)", "(" + self._peek(2))
        node = self._choice(depth + 1)
        if self._peek() != ")":
            raise self._refused("a closing parenthesis", self._peek())
        self.at += 1
        return node

    def _escape(self) -> Ranges:
        self.at += 1
        character = self._peek()
        self.at += 1
        classes = {"d": DIGIT, "w": WORD, "s": SPACE}
        if character.lower() in classes:
            found = classes[character.lower()]
            return found if character.islower() else complement(found)
        if character in _CONTROLS:
            return _ranges(_CONTROLS[character])
        if character in ("x", "u"):
            return self._numbered(4 if character == "u" else 2)
        if character == "p":
            close = self.text.find("}", self.at)
            name = self.text[self.at + 1 : close] if self._peek() == "{" and close > 0 else ""
            if name not in _POSIX or self.flags.ignore_case:
                raise self._refused("one of " + ", ".join(_POSIX), name or "a Unicode property")
            self.at = close + 1
            return _POSIX[name]
        if not character or (character.isascii() and character.isalnum()):
            raise self._refused("an escape that stands for characters", "\\" + character)
        return _ranges(character)

    def _numbered(self, digits: int) -> Ranges:
        number = self._peek(digits)
        if len(number) != digits or set(number) - set(string.hexdigits) or 0xD800 <= int(number, 16) <= 0xDFFF:
            raise self._refused(f"{digits} hexadecimal digits", number)
        self.at += digits
        return _ranges(chr(int(number, 16)))

    def _class(self) -> Ranges:
        self.at += 1
        negated = self._peek() == "^"
        self.at += negated
        found: list[tuple[int, int]] = []
        first = True
        while self._peek() != "]" or first:
            low = self._class_member(first)
            first = False
            if self._peek() == "-" and self._peek(2) not in ("-]", "-[", "-"):
                self.at += 1
                high = self._class_member(False)
                if not (is_single(low) and is_single(high)) or high[0][0] < low[0][0]:
                    raise self._refused("a range from one character up to another", self._peek(3))
                low = ((low[0][0], high[0][0]),)
            found.extend(self._cased(low))
        self.at += 1
        ranges = merged(found)
        return complement(ranges) if negated else ranges

    def _class_member(self, first: bool) -> Ranges:
        character = self._peek()
        # Java nests and intersects classes; "]" and "-" in odd places differ between its versions.
        if character in ("", "[") or self._peek(2) == "&&" or (first and character == "]"):
            raise self._refused("a character in a plain class", self._peek(2))
        if character == "\\":
            if self._peek(2) == "\\Q":
                raise self._refused("a character in a plain class", "\\Q")
            return self._escape()
        self.at += 1
        return _ranges(character)

    def _cased(self, ranges: Ranges) -> Ranges:
        """With the other case of the letters of ASCII in it, where case does not count."""
        if not self.flags.ignore_case:
            return ranges
        both = list(ranges)
        for letters, distance in ((_UPPER[0], 32), (_LOWER[0], -32)):
            for low, high in ranges:
                start, end = max(low, letters[0]), min(high, letters[1])
                if start <= end:
                    both.append((start + distance, end + distance))
        return merged(both)


def _ranges(characters: str) -> Ranges:
    return merged([(ord(character), ord(character)) for character in characters])


def _without(node: _Node, excluded: Ranges) -> _Node:
    if not excluded:
        return node
    match node:
        case _Set(ranges):
            left = complement(merged((*complement(ranges), *excluded)))
            if not left:
                raise _unequal("no character that such a text can't hold", _set_text(ranges))
            return _Set(left)
        case _Row(parts):
            return _Row(tuple(_without(part, excluded) for part in parts))
        case _Choice(branches):
            return _Choice(tuple(_without(branch, excluded) for branch in branches))
        case _Times(part, mark):
            return _Times(_without(part, excluded), mark)


def _text(node: _Node) -> str:
    match node:
        case _Set(ranges):
            return _set_text(ranges)
        case _Row(parts):
            return "".join(f"({_text(part)})" if isinstance(part, _Choice) else _text(part) for part in parts)
        case _Choice(branches):
            return "|".join(_text(branch) for branch in branches)
        case _Times(part, mark):
            return (_text(part) if isinstance(part, _Set) else f"({_text(part)})") + mark


def _set_text(ranges: Ranges) -> str:
    if is_single(ranges):
        return _escaped(ranges[0][0], inside=False)
    for shorthand, known in (("d", DIGIT), ("w", WORD), ("s", SPACE)):
        if ranges == known:
            return "\\" + shorthand
        if ranges == complement(known):
            return "\\" + shorthand.upper()
    if ranges == ((0, LAST_CODE_POINT),):
        return "[\\s\\S]"
    if ranges == complement(LINE_FEED):
        return "."
    negated = ranges[-1][1] == LAST_CODE_POINT
    shown = complement(ranges) if negated else ranges
    return f"[{'^' if negated else ''}{''.join(_range_text(low, high) for low, high in shown)}]"


def _range_text(low: int, high: int) -> str:
    if high - low < 2:
        return "".join(_escaped(code, inside=True) for code in range(low, high + 1))
    return f"{_escaped(low, inside=True)}-{_escaped(high, inside=True)}"


def _escaped(code: int, *, inside: bool) -> str:
    character = chr(code)
    special = "\\[]^-" if inside else "\\.[](){}*+?|^$"
    return "\\" + character if character in special else character
