"""Patterns on attribute values: a small regular language, always matched against the whole value, in time linear in
its length.

The patterns come from administrators, from people and from metadata, the values from other organisations, so Python's
backtracking ``re`` never sees them: a pattern becomes a position automaton (Glushkov) with a bounded number of
positions.
"""

import functools
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from os.path import commonprefix

from ostiary.policy.character_ranges import Ranges
from ostiary.policy.pattern_literals import Literals, literals_of
from ostiary.policy.pattern_syntax import (
    MAX_PATTERN_LENGTH,
    Char,
    Either,
    Group,
    Node,
    Repeat,
    Sequence,
    parse_pattern,
    too_many_positions,
)

MAX_POSITIONS = 512

__all__ = ["MAX_PATTERN_LENGTH", "MAX_POSITIONS", "Pattern", "alphabet", "check_pattern", "compile_pattern"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Pattern:
    """A compiled pattern. Two patterns are equal when their texts are. ``literals``: a text that matches has those of at least one."""

    text: str
    literals: tuple[Literals, ...]
    _nullable: bool
    _first: int
    _last: int
    _follow: tuple[int, ...]
    # Code points from _bounds[i] up to the next bound are accepted by the positions in _accepting[i].
    _bounds: tuple[int, ...]
    _accepting: tuple[int, ...]
    # Everything that matches begins with this text; and what the automaton knows after it: the positions reached, and those that follow.
    _prefix: str = field(init=False)
    _after_prefix: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        prefix = commonprefix([branch.prefix for branch in self.literals])  # noqa: RUF071 - of texts, not of paths
        object.__setattr__(self, "_prefix", prefix)
        object.__setattr__(self, "_after_prefix", self._read(prefix, 0, self._first))

    def matches(self, value: str) -> bool:
        """Whether the whole of ``value`` belongs to the language; case counts."""
        if not value:
            return self._nullable
        # Most values of other kinds end here, and the rest is short.
        if not value.startswith(self._prefix):
            return False
        current, _ = self._read(value[len(self._prefix) :], *self._after_prefix)
        return bool(current & self._last)

    def _read(self, text: str, current: int, reachable: int) -> tuple[int, int]:
        """The positions reached by the text, and those that may follow them; ``current`` and ``reachable`` are the same before it."""
        bounds, accepting, follow = self._bounds, self._accepting, self._follow
        for character in text:
            before, current = current, reachable & accepting[bisect_right(bounds, ord(character)) - 1]
            if not current:
                return 0, 0
            if current == before:
                # What may follow is the same, too: most characters of a repetition.
                continue
            reachable, rest = 0, current
            while rest:
                lowest = rest & -rest
                reachable |= follow[lowest.bit_length() - 1]
                rest ^= lowest
        return current, reachable

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


def check_pattern(text: str) -> None:
    """Raises as `compile_pattern`, in a third of the time."""
    if _positions_in(parse_pattern(text)) > MAX_POSITIONS:
        raise too_many_positions(text, MAX_POSITIONS)


def _positions_in(node: Node) -> int:
    """How many characters there are once repetitions are written out."""
    match node:
        case Char():
            return 1
        case Group(part):
            return _positions_in(part)
        case Sequence(parts):
            return sum(_positions_in(part) for part in parts)
        case Either(branches):
            return sum(_positions_in(branch) for branch in branches)
        case Repeat(part, low, high):
            return _positions_in(part) * (low + 1 if high is None else high)


# The same text comes up again and again. Patterns are frozen.
@functools.lru_cache(maxsize=256)
def compile_pattern(text: str) -> Pattern:
    """The pattern written as ``text``.

    The language: literals, ``.`` (anything but a line feed), ``[...]`` and ``[^...]`` with ranges, ``\\d \\w \\s``
    and their negations (ASCII), ``\\`` before punctuation, groups ``(...)`` and ``(?:...)``, ``|``, ``* + ? {n} {n,}
    {n,m}``. A ``^`` at the beginning and a ``$`` at the end change nothing. Raises `Refusal` ``policy.pattern`` for
    everything else, and for a pattern longer than ``MAX_PATTERN_LENGTH`` characters or ``MAX_POSITIONS`` positions
    after repetitions are written out.
    """
    return _Automaton(text).compiled(parse_pattern(text))


def alphabet(positions: Iterable[Ranges]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Code points at which something begins to be accepted or ceases to be, in order from 0, and for each the positions (as bits) that
    accept the code points from there up to the next one."""
    alike: dict[Ranges, int] = {}
    for position, ranges in enumerate(positions):
        alike[ranges] = alike.get(ranges, 0) | 1 << position
    bounds = sorted({0, *(edge for ranges in alike for low, high in ranges for edge in (low, high + 1))})
    places = {bound: place for place, bound in enumerate(bounds)}
    accepting = [0] * len(bounds)
    for ranges, mask in alike.items():
        for low, high in ranges:
            for place in range(places[low], places[high + 1]):
                accepting[place] |= mask
    return tuple(bounds), tuple(accepting)


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

    def compiled(self, node: Node) -> Pattern:
        whole = self._part(node)
        return Pattern(
            self.text,
            literals_of(node),
            whole.nullable,
            whole.first,
            whole.last,
            tuple(self.follow),
            *alphabet(self.positions),
        )

    def _part(self, node: Node) -> _Part:
        if isinstance(node, Char):
            return self._position(node.ranges)
        if isinstance(node, Group):
            return self._part(node.part)
        if isinstance(node, Sequence):
            part = _EMPTY
            for piece in node.parts:
                part = self._joined(part, self._part(piece))
            return part
        if isinstance(node, Either):
            branches = [self._part(branch) for branch in node.branches]
            part = branches[0]
            for branch in branches[1:]:
                part = _Part(part.nullable or branch.nullable, part.first | branch.first, part.last | branch.last)
            return part
        return self._repetition(node)

    def _position(self, ranges: Ranges) -> _Part:
        if len(self.positions) == MAX_POSITIONS:
            raise too_many_positions(self.text, MAX_POSITIONS)
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

    def _repetition(self, node: Repeat) -> _Part:
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
