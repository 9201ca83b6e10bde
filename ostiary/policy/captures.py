"""Takes a part out of a value by a pattern with one group: what the group holds when the pattern matches the whole value.

The same language as `ostiary.policy.patterns`, in time linear in the length of the value: all ways to read it are followed at once, in the
order in which a backtracking engine would try them, so that the answer is the one that such an engine would give.
"""

import functools
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ostiary.errors import Refusal
from ostiary.policy.character_ranges import Ranges
from ostiary.policy.pattern_syntax import (
    Char,
    Either,
    Group,
    Node,
    Repeat,
    Sequence,
    parse_pattern,
    too_many_positions,
)
from ostiary.policy.patterns import alphabet

MAX_CAPTURE_POSITIONS: Final = 128
MAX_CAPTURE_LENGTH: Final = 2048
"""Characters of a value that is looked at. With the positions it bounds the work on one value."""

_OPENS: Final = 1
_CLOSES: Final = 2


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Capture:
    """A compiled pattern with one group. Two are equal when their texts are."""

    text: str
    # What may come first, and after each position: positions in order of preference (the last number is the end of the value), each with
    # whether the group opens or closes on the way. The same as bits in _reach.
    _first: "tuple[_Step, ...]"
    _follow: "tuple[tuple[_Step, ...], ...]"
    _reach: tuple[int, ...]
    _bounds: tuple[int, ...]
    _accepting: tuple[int, ...]

    def part_of(self, value: str) -> str | None:
        """What the group holds when the whole of ``value`` matches; None when it does not, when the way through it leaves the group out,
        and for a value of more than ``MAX_CAPTURE_LENGTH`` characters."""
        if len(value) > MAX_CAPTURE_LENGTH:
            return None
        bounds, accepting, reach, follow = self._bounds, self._accepting, self._reach, self._follow
        ways = [(target, _opened(marks, 0, -1), _closed(marks, 0, -1)) for target, marks in self._first]
        for at, character in enumerate(value, start=1):
            accepted = accepting[bisect_right(bounds, ord(character)) - 1]
            seen = 0
            onward: list[tuple[int, int, int]] = []
            for position, start, end in ways:
                fresh = reach[position] & ~seen if accepted >> position & 1 else 0
                if fresh:
                    seen |= fresh
                    onward += [
                        (target, _opened(marks, at, start), _closed(marks, at, end))
                        for target, marks in follow[position]
                        if fresh >> target & 1
                    ]
            if not onward:
                return None
            ways = onward
        whole = next((way for way in ways if way[0] == len(follow)), None)
        if whole is None or whole[1] < 0:
            return None
        return value[whole[1] : whole[2]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Capture) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Capture({self.text!r})"


_Step = tuple[int, int]
"""A position, and what happens to the group on the way to it."""


def _opened(marks: int, at: int, before: int) -> int:
    return at if marks & _OPENS else before


def _closed(marks: int, at: int, before: int) -> int:
    return at if marks & _CLOSES else before


@functools.lru_cache(maxsize=256)
def compile_capture(text: str) -> Capture:
    """The pattern written as ``text``, in the language of `compile_pattern`, with exactly one group ``(...)``; other groups are
    ``(?:...)``.

    The group does not stand inside a repetition, and what is repeated is never empty: there engines disagree about what a group holds.
    Raises `Refusal` ``policy.pattern``.
    """
    tree = parse_pattern(text)
    groups = _count_groups(tree)
    if groups != 1:
        raise _problem(text, "one group (...), and (?:...) for all others", f"{groups} groups")
    for repeat in _repetitions(tree):
        if _count_groups(repeat):
            raise _problem(text, "the group outside of what is repeated", "a repeated group")
        if _may_be_empty(repeat.part):
            raise _problem(text, "repetitions of what is never empty", "a repetition of what may be empty")
    return _Program(text).compiled(tree)


def _problem(text: str, expected: str, found: str) -> Refusal:
    return Refusal("policy.pattern", expected=expected, found=found, position=len(text))


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Char():
            return ()
        case Sequence(parts):
            return parts
        case Either(branches):
            return branches
        case Repeat(part) | Group(part):
            return (part,)


def _count_groups(node: Node) -> int:
    return isinstance(node, Group) + sum(_count_groups(part) for part in _parts(node))


def _repetitions(node: Node) -> Iterator[Repeat]:
    if isinstance(node, Repeat):
        yield node
    for part in _parts(node):
        yield from _repetitions(part)


def _may_be_empty(node: Node) -> bool:
    match node:
        case Char():
            return False
        case Sequence(parts):
            return all(_may_be_empty(part) for part in parts)
        case Either(branches):
            return any(_may_be_empty(branch) for branch in branches)
        case Repeat(part, low):
            return low == 0 or _may_be_empty(part)
        case Group(part):
            return _may_be_empty(part)


@dataclass(slots=True)
class _Fork:
    """Go on at one of these places, the first one by preference."""

    targets: list[int]


@dataclass(frozen=True, slots=True)
class _Mark:
    """The group opens or closes here."""

    marks: int


class _Program:
    """The pattern as a list of steps (Thompson's construction), from which the ways between its characters are read off."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps: list[Ranges | _Fork | _Mark] = []
        self.positions = 0

    def compiled(self, tree: Node) -> Capture:
        self._add(tree)
        places = [place for place, step in enumerate(self.steps) if isinstance(step, tuple)]
        number = {place: position for position, place in enumerate((*places, len(self.steps)))}
        ways = [
            tuple((number[target], marks) for target, marks in self._ways_from(place))
            for place in (0, *(place + 1 for place in places))
        ]
        reach = tuple(sum(1 << target for target, _ in steps) for steps in ways[1:])
        bounds, accepting = alphabet(step for step in self.steps if isinstance(step, tuple))
        return Capture(self.text, ways[0], tuple(ways[1:]), (*reach, 0), bounds, accepting)

    def _ways_from(self, place: int) -> Iterator[_Step]:
        """The characters, and the end, that may come next, in order of preference."""
        seen: set[int] = set()
        waiting = [(place, 0)]
        while waiting:
            here, marks = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            step = self.steps[here] if here < len(self.steps) else ()
            if isinstance(step, _Fork):
                waiting += [(target, marks) for target in reversed(step.targets)]
            elif isinstance(step, _Mark):
                waiting.append((here + 1, marks | step.marks))
            else:
                yield here, marks

    def _add(self, node: Node) -> None:
        match node:
            case Char(ranges):
                if self.positions == MAX_CAPTURE_POSITIONS:
                    raise too_many_positions(self.text, MAX_CAPTURE_POSITIONS)
                self.positions += 1
                self.steps.append(ranges)
            case Sequence(parts):
                for part in parts:
                    self._add(part)
            case Group(part):
                self.steps.append(_Mark(_OPENS))
                self._add(part)
                self.steps.append(_Mark(_CLOSES))
            case Either(branches):
                self._add_branches(branches)
            case Repeat():
                self._add_repetition(node)

    def _fork(self) -> _Fork:
        fork = _Fork([len(self.steps) + 1])
        self.steps.append(fork)
        return fork

    def _add_branches(self, branches: tuple[Node, ...]) -> None:
        choice = self._fork()
        choice.targets.clear()
        exits: list[_Fork] = []
        for branch in branches:
            choice.targets.append(len(self.steps))
            self._add(branch)
            exits.append(self._fork())
        for way_out in exits:
            way_out.targets[:] = [len(self.steps)]

    def _add_repetition(self, node: Repeat) -> None:
        for _ in range(node.low):
            self._add(node.part)
        if node.high is None:
            start = len(self.steps)
            loop = self._fork()
            self._add(node.part)
            self._fork().targets[:] = [start]
            loop.targets.append(len(self.steps))
            return
        forks: list[_Fork] = []
        for _ in range(node.high - node.low):
            forks.append(self._fork())
            self._add(node.part)
        for fork in forks:
            fork.targets.append(len(self.steps))
