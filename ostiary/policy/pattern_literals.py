"""What every text that a pattern matches begins with and holds, so that most patterns need not be tried. Matches nothing itself."""

from dataclasses import dataclass

from ostiary.policy.pattern_syntax import Char, Either, Group, Node, Repeat, Sequence


@dataclass(frozen=True, slots=True)
class Literals:
    """A text that matches begins with ``prefix`` and holds each of ``parts`` after it; both may be empty."""

    prefix: str
    parts: tuple[str, ...]


def literals_of(tree: Node) -> tuple[Literals, ...]:
    """One for each branch of the pattern: a text that matches has the literals of at least one of them."""
    return tuple(_literals(branch) for branch in _branches(tree))


def _branches(node: Node) -> tuple[Node, ...]:
    match node:
        case Either(branches):
            return branches
        case Group(part) | Sequence((part,)):
            return _branches(part)
        case _:
            return (node,)


def _literals(node: Node) -> Literals:
    # Characters that follow each other stand in one run; a break between runs is whatever is not one certain character.
    runs = [""]
    _collect(node, runs)
    return Literals(runs[0], tuple(dict.fromkeys(run for run in runs[1:] if run)))


def _collect(node: Node, runs: list[str]) -> None:
    match node:
        case Char(((low, high),)) if low == high:
            runs[-1] += chr(low)
        case Group(part):
            _collect(part, runs)
        case Sequence(parts):
            for part in parts:
                _collect(part, runs)
        case Repeat(part, low, high) if low > 0:
            _collect(part, runs)
            if (low, high) != (1, 1):
                runs.append("")
        case _:
            runs.append("")
