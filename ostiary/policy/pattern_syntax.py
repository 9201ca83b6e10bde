"""The small regular language of patterns: its text becomes a tree, or is refused with the place of the mistake. Matches nothing."""

import string
from dataclasses import dataclass

from ostiary.errors import Refusal
from ostiary.policy.character_ranges import DIGIT, LINE_FEED, SPACE, WORD, Ranges, complement, is_single, merged

MAX_PATTERN_LENGTH = 512
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Char:
    """One character whose code point lies in one of these ranges, both ends included."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """One of them; the first is tried first where it matters which."""

    branches: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """``low`` to ``high`` times, as often as possible where it matters; ``high`` None is without end."""

    part: "Node"
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """What stands in ``(...)``; ``(?:...)`` leaves no trace."""

    part: "Node"


Node = Char | Sequence | Either | Repeat | Group


def parse_pattern(text: str) -> Node:
    """The tree of the pattern written as ``text`` (`ostiary.policy.patterns.compile_pattern` says what may stand in it). Raises `Refusal`
    ``policy.pattern``."""
    if not text:
        raise Refusal("policy.pattern", expected="a pattern", found="an empty text", position=0)
    if len(text) > MAX_PATTERN_LENGTH:
        raise Refusal(
            "policy.pattern",
            expected=f"at most {MAX_PATTERN_LENGTH} characters",
            found=len(text),
            position=MAX_PATTERN_LENGTH,
        )
    return _Parser(text).parse()


def too_many_positions(text: str, most: int) -> Refusal:
    """What is raised for a pattern that holds more than ``most`` characters once repetitions are written out."""
    return Refusal(
        "policy.pattern",
        expected=f"at most {most} characters once repetitions are written out",
        found=text,
        position=len(text),
    )


class _Parser:
    """Recursive descent over the text; ``at`` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("^") else 0
        self.end = len(text)
        if text.endswith("$") and self._backslashes_before(len(text) - 1) % 2 == 0:
            self.end -= 1

    def parse(self) -> Node:
        node = self._either(0)
        if self.at < self.end:  # only an unopened ")" stops _either early
            raise self._problem("an opening parenthesis before it", self.text[self.at])
        return node

    def _backslashes_before(self, at: int) -> int:
        return at - len(self.text[:at].rstrip("\\"))

    def _problem(self, expected: str, found: str) -> Refusal:
        return Refusal("policy.pattern", expected=expected, found=found, position=self.at)

    def _peek(self) -> str:
        return self.text[self.at] if self.at < self.end else ""

    def _either(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._problem(f"groups at most {MAX_DEPTH} deep", "a deeper group")
        branches = [self._sequence(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom(depth)))
        return Sequence(tuple(parts))

    def _repeated(self, atom: Node) -> Node:
        mark = self._peek()
        if mark not in ("*", "+", "?", "{"):
            return atom
        self.at += 1
        if mark == "{":
            low, high = self._counts()
        else:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]
        if self._peek() and self._peek() in "*+?{":
            raise self._problem("one repetition", f"a second one, {self._peek()}")
        return Repeat(atom, low, high)

    def _counts(self) -> tuple[int, int | None]:
        close = self.text.find("}", self.at, self.end)
        inside = self.text[self.at : close] if close >= 0 else self.text[self.at : self.end]
        first, comma, second = inside.partition(",")
        plain = all(part.isascii() and part.isdigit() and len(part) <= 4 for part in (first, second or "0"))
        if close < 0 or not plain or (comma and second and int(second) < int(first)):
            raise self._problem("{n}, {n,} or {n,m}", "{" + inside)
        self.at = close + 1
        if not comma:
            return int(first), int(first)
        return int(first), int(second) if second else None

    def _atom(self, depth: int) -> Node:
        character = self._peek()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return Char(self._character_class())
        if character == "\\":
            return Char(self._escape())
        if character in "*+?{}]^$":
            raise self._problem("a backslash before it where it stands for itself", character)
        self.at += 1
        return Char(complement(LINE_FEED) if character == "." else _single(character))

    def _group(self, depth: int) -> Node:
        self.at += 1
        captures = self._peek() != "?"
        if not captures:
            if not self.text.startswith("?:", self.at):
                raise self._problem("(...) or (?:...)", self.text[self.at - 1 : self.at + 2])
            self.at += 2
        node = self._either(depth + 1)
        if self._peek() != ")":
            raise self._problem("a closing parenthesis", "the end")
        self.at += 1
        return Group(node) if captures else node

    def _escape(self) -> Ranges:
        self.at += 1
        character = self._peek()
        known = {"d": DIGIT, "w": WORD, "s": SPACE}
        if character and character in known:
            self.at += 1
            return known[character]
        if character and character.lower() in known:
            self.at += 1
            return complement(known[character.lower()])
        if not character or character not in string.punctuation:
            raise self._problem("punctuation or one of d D w W s S after the backslash", character or "the end")
        self.at += 1
        return _single(character)

    def _character_class(self) -> Ranges:
        self.at += 1
        negated = self._peek() == "^"
        self.at += negated
        ranges: list[tuple[int, int]] = []
        start = self.at
        while self._peek() != "]" or self.at == start:
            low = self._class_member()
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                high = self._class_member()
                if not is_single(low) or not is_single(high) or high[0][0] < low[0][0]:
                    raise self._problem("a range from one character up to another", self.text[start : self.at])
                low = ((low[0][0], high[0][0]),)
            ranges.extend(low)
        self.at += 1
        found = merged(ranges)
        return complement(found) if negated else found

    def _class_member(self) -> Ranges:
        character = self._peek()
        if not character:
            raise self._problem("a closing bracket", "the end")
        if character == "\\":
            return self._escape()
        if character == "[":
            raise self._problem("a backslash before it where it stands for itself", character)
        self.at += 1
        return _single(character)


def _single(character: str) -> Ranges:
    return ((ord(character), ord(character)),)
