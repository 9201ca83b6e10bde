"""Patterns on attribute values: a small regular language, always matched against the whole value, in time linear in
its length.

The patterns come from administrators, from people and from metadata, the values from other organisations, so Python's
backtracking ``re`` never sees them: a pattern becomes a position automaton (Glushkov) with a bounded number of
positions.
"""

import functools
import string
from bisect import bisect_right
from dataclasses import dataclass

from ostiary.errors import Refusal

MAX_PATTERN_LENGTH = 512
MAX_POSITIONS = 512
MAX_DEPTH = 16

_LAST_CODE_POINT = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]

_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 13), (32, 32))
_NEWLINE: Ranges = ((10, 10),)


@dataclass(frozen=True, slots=True)
class _Char:
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class _Sequence:
    parts: "tuple[_Node, ...]"


@dataclass(frozen=True, slots=True)
class _Either:
    branches: "tuple[_Node, ...]"


@dataclass(frozen=True, slots=True)
class _Repeat:
    part: "_Node"
    low: int
    high: int | None


_Node = _Char | _Sequence | _Either | _Repeat


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Pattern:
    """A compiled pattern. Two patterns are equal when their texts are."""

    text: str
    _nullable: bool
    _first: int
    _last: int
    _follow: tuple[int, ...]
    # Code points from _bounds[i] up to the next bound are accepted by the positions in _accepting[i].
    _bounds: tuple[int, ...]
    _accepting: tuple[int, ...]

    def matches(self, value: str) -> bool:
        """Whether the whole of ``value`` belongs to the language; case counts."""
        if not value:
            return self._nullable
        bounds, accepting, follow = self._bounds, self._accepting, self._follow
        reachable, current = self._first, 0
        for character in value:
            current = reachable & accepting[bisect_right(bounds, ord(character)) - 1]
            if not current:
                return False
            reachable, rest = 0, current
            while rest:
                lowest = rest & -rest
                reachable |= follow[lowest.bit_length() - 1]
                rest ^= lowest
        return bool(current & self._last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


# Checked when a policy is read, compiled when it is used: the same text comes up again and again. Patterns are frozen.
@functools.lru_cache(maxsize=256)
def compile_pattern(text: str) -> Pattern:
    """The pattern written as ``text``.

    The language: literals, ``.`` (anything but a line feed), ``[...]`` and ``[^...]`` with ranges, ``\\d \\w \\s``
    and their negations (ASCII), ``\\`` before punctuation, groups ``(...)`` and ``(?:...)``, ``|``, ``* + ? {n} {n,}
    {n,m}``. A ``^`` at the beginning and a ``$`` at the end change nothing. Raises `Refusal` ``policy.pattern`` for
    everything else, and for a pattern longer than ``MAX_PATTERN_LENGTH`` characters or ``MAX_POSITIONS`` positions
    after repetitions are written out.
    """
    if not text:
        raise Refusal("policy.pattern", expected="a pattern", found="an empty text", position=0)
    if len(text) > MAX_PATTERN_LENGTH:
        raise Refusal(
            "policy.pattern",
            expected=f"at most {MAX_PATTERN_LENGTH} characters",
            found=len(text),
            position=MAX_PATTERN_LENGTH,
        )
    return _Automaton(text).compiled(_Parser(text).parse())


class _Parser:
    """Recursive descent over the text; ``at`` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("^") else 0
        self.end = len(text)
        if text.endswith("$") and self._backslashes_before(len(text) - 1) % 2 == 0:
            self.end -= 1

    def parse(self) -> _Node:
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

    def _either(self, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise self._problem(f"groups at most {MAX_DEPTH} deep", "a deeper group")
        branches = [self._sequence(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else _Either(tuple(branches))

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom(depth)))
        return _Sequence(tuple(parts))

    def _repeated(self, atom: _Node) -> _Node:
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
        return _Repeat(atom, low, high)

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

    def _atom(self, depth: int) -> _Node:
        character = self._peek()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return _Char(self._character_class())
        if character == "\\":
            return _Char(self._escape())
        if character in "*+?{}]^$":
            raise self._problem("a backslash before it where it stands for itself", character)
        self.at += 1
        return _Char(_without(_NEWLINE) if character == "." else _single(character))

    def _group(self, depth: int) -> _Node:
        self.at += 1
        if self._peek() == "?":
            if not self.text.startswith("?:", self.at):
                raise self._problem("(...) or (?:...)", self.text[self.at - 1 : self.at + 2])
            self.at += 2
        node = self._either(depth + 1)
        if self._peek() != ")":
            raise self._problem("a closing parenthesis", "the end")
        self.at += 1
        return node

    def _escape(self) -> Ranges:
        self.at += 1
        character = self._peek()
        known = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
        if character and character in known:
            self.at += 1
            return known[character]
        if character and character.lower() in known:
            self.at += 1
            return _without(known[character.lower()])
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
                if not _is_single(low) or not _is_single(high) or high[0][0] < low[0][0]:
                    raise self._problem("a range from one character up to another", self.text[start : self.at])
                low = ((low[0][0], high[0][0]),)
            ranges.extend(low)
        self.at += 1
        merged = _merged(ranges)
        return _without(merged) if negated else merged

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


def _is_single(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def _without(ranges: Ranges) -> Ranges:
    others: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if low > start:
            others.append((start, low - 1))
        start = high + 1
    if start <= _LAST_CODE_POINT:
        others.append((start, _LAST_CODE_POINT))
    return tuple(others)


@dataclass(frozen=True, slots=True)
class _Part:
    """What Glushkov's construction knows of a sub-expression: sets of positions, as bits."""

    nullable: bool
    first: int
    last: int


_EMPTY = _Part(True, 0, 0)


class _Automaton:
    """Numbers the characters of the expression and notes which position may follow which."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.positions: list[Ranges] = []
        self.follow: list[int] = []

    def compiled(self, node: _Node) -> Pattern:
        whole = self._part(node)
        alike: dict[Ranges, int] = {}
        for position, ranges in enumerate(self.positions):
            alike[ranges] = alike.get(ranges, 0) | 1 << position
        bounds = sorted({0, *(edge for ranges in alike for low, high in ranges for edge in (low, high + 1))})
        accepting = tuple(
            sum(mask for ranges, mask in alike.items() if any(low <= bound <= high for low, high in ranges))
            for bound in bounds
        )
        return Pattern(self.text, whole.nullable, whole.first, whole.last, tuple(self.follow), tuple(bounds), accepting)

    def _part(self, node: _Node) -> _Part:
        if isinstance(node, _Char):
            return self._position(node.ranges)
        if isinstance(node, _Sequence):
            part = _EMPTY
            for piece in node.parts:
                part = self._joined(part, self._part(piece))
            return part
        if isinstance(node, _Either):
            branches = [self._part(branch) for branch in node.branches]
            part = branches[0]
            for branch in branches[1:]:
                part = _Part(part.nullable or branch.nullable, part.first | branch.first, part.last | branch.last)
            return part
        return self._repetition(node)

    def _position(self, ranges: Ranges) -> _Part:
        if len(self.positions) == MAX_POSITIONS:
            raise Refusal(
                "policy.pattern",
                expected=f"at most {MAX_POSITIONS} characters once repetitions are written out",
                found=self.text,
                position=len(self.text),
            )
        bit = 1 << len(self.positions)
        self.positions.append(ranges)
        self.follow.append(0)
        return _Part(False, bit, bit)

    def _joined(self, left: _Part, right: _Part) -> _Part:
        self._link(left.last, right.first)
        return _Part(
            left.nullable and right.nullable,
            left.first | right.first if left.nullable else left.first,
            left.last | right.last if right.nullable else right.last,
        )

    def _link(self, before: int, after: int) -> None:
        while before:
            lowest = before & -before
            self.follow[lowest.bit_length() - 1] |= after
            before ^= lowest

    def _repetition(self, node: _Repeat) -> _Part:
        # x{2,4} is xxx?x?, x{2,} is xxx*: each copy has positions of its own. A copy that holds no character at all
        # would let a huge count loop for nothing.
        whole = _EMPTY
        for _ in range(node.low):
            copy = self._part(node.part)
            if not copy.first:
                return _EMPTY
            whole = self._joined(whole, copy)
        if node.high is None:
            copy = self._part(node.part)
            self._link(copy.last, copy.first)
            return self._joined(whole, _Part(True, copy.first, copy.last))
        for _ in range(node.high - node.low):
            copy = self._part(node.part)
            if not copy.first:
                return _EMPTY
            whole = self._joined(whole, _Part(True, copy.first, copy.last))
        return whole
