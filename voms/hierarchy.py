"""What follows from where a group stands: who is in it is in all groups above, on every path; what those give goes downwards. Pure.

A group's path is its identity and its only name; further parents add membership and inheritance, never another name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ostiary.x509.fqan import Fqan
from voms.standing import End, Value, Values, earliest, later

Edges = Iterable[tuple[str, str]]
"""Pairs of a group and one that stands directly above it, by their paths."""

_NameT = TypeVar("_NameT")


def above(edges: Edges) -> dict[str, tuple[str, ...]]:
    """Of each group that has somebody above it, all of those: nearest first, and those equally near in the order of their bytes.

    What stands in a circle stands above itself; whoever adds a parent refuses that (`stands_above`).
    """
    direct: dict[str, set[str]] = {}
    for group, parent in edges:
        direct.setdefault(group, set()).add(parent)
    return {group: tuple(_levels(group, direct)) for group in direct}


def _levels(group: str, direct: Mapping[str, set[str]]) -> Iterable[str]:
    seen: set[str] = set()
    level = direct[group]
    while level:
        yield from sorted(level)
        seen |= level
        level = {parent for each in level for parent in direct.get(each, ())} - seen


def held_groups(joined: Iterable[tuple[str, End]], ancestors: Mapping[str, Sequence[str]]) -> dict[str, End]:
    """Groups with the instant at which membership ends: of a group above, with the last of all through which she is in it."""
    found: dict[str, End] = {}
    for path, end in joined:
        for each in (path, *ancestors.get(path, ())):
            found[each] = later(found[each], end) if each in found else end
    return found


def inherited_roles(
    assigned: Mapping[Fqan, End], groups: Mapping[str, End], ancestors: Mapping[str, Sequence[str]]
) -> dict[Fqan, End]:
    """Roles with those that come down: who has a role in a group has it in each group below in which she is, as long as she is.

    ``assigned``: what holds without inheritance, already no longer than its group.
    """
    found = dict(assigned)
    for path, end in groups.items():
        over = set(ancestors.get(path, ()))
        for fqan, role_end in assigned.items():
            if fqan.group in over:
                inherited, until = Fqan(path, fqan.role), earliest((role_end, end))
                found[inherited] = later(found[inherited], until) if inherited in found else until
    return found


def inherited_values(
    own: Mapping[Fqan, Values], names: Iterable[Fqan], ancestors: Mapping[str, Sequence[str]]
) -> dict[Fqan, Values]:
    """Generic attributes of groups and roles with those that come down: a group, or a role in it, has what the same has above it, unless
    itself, or one nearer, gives an attribute of that name."""
    return {
        fqan: values
        for fqan in names
        if (values := _first_of_each(own, [fqan, *(Fqan(path, fqan.role) for path in ancestors.get(fqan.group, ()))]))
    }


def _first_of_each(own: Mapping[Fqan, Values], lines: Sequence[Fqan]) -> Values:
    found: dict[str, Value] = {}
    for fqan in lines:
        for value in own.get(fqan, ()):
            found.setdefault(value.name, value if fqan is lines[0] else replace(value, given_by=fqan))
    return tuple(found[name] for name in sorted(found))


def stands_above(group: _NameT, other: _NameT, parents_of: Callable[[_NameT], Iterable[_NameT]]) -> bool:
    """Whether ``group`` is ``other`` or stands somewhere above it: then ``other`` can't become a parent of ``group``."""
    seen: set[_NameT] = set()
    waiting = [other]
    while waiting:
        each = waiting.pop()
        if each == group:
            return True
        if each not in seen:
            seen.add(each)
            waiting.extend(parents_of(each))
    return False
