"""Who stood above whom: the lines between groups as they were, and what follows from them. `reach` is pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from voms.history.spans import Spans, Window, both, either
from voms.history.versions import any_of, recorded, versions
from voms.tables import vo_group_parent


@dataclass(frozen=True, slots=True)
class Line:
    """For these times, ``parent`` stood directly above ``group``."""

    group: int
    parent: int
    spans: Spans


def lines_above(
    connection: Connection, groups: Iterable[int], window: Window, *, known: Iterable[int] = ()
) -> list[Line]:
    """The lines upwards from the groups on every path; those from ``known`` on are not asked for again."""
    return _lines(connection, groups, window, "group_id", lambda line: line.parent, set(known))


def lines_below(connection: Connection, groups: Iterable[int], window: Window) -> list[Line]:
    """The lines downwards from the groups on every path."""
    return _lines(connection, groups, window, "parent_id", lambda line: line.group, set())


def reach(start: Iterable[int], lines: Sequence[Line], window: Window, *, down: bool = False) -> dict[int, Spans]:
    """Of each group, when it stood above one of ``start`` (``down``: below), or is one; on every path, each step at the same time.

    Over time lines may form a circle that never was one; times only grow, so this ends.
    """
    steps: dict[int, list[tuple[int, Spans]]] = {}
    for line in lines:
        here, there = (line.parent, line.group) if down else (line.group, line.parent)
        steps.setdefault(here, []).append((there, line.spans))
    found = dict.fromkeys(start, window.whole)
    waiting = list(found)
    while waiting:
        here = waiting.pop()
        for there, spans in steps.get(here, ()):
            before = found.get(there, ())
            after = either((*before, *both(found[here], spans)))
            if after != before:
                found[there] = after
                waiting.append(there)
    return found


def _lines(
    connection: Connection,
    groups: Iterable[int],
    window: Window,
    column: str,
    onwards: Callable[[Line], int],
    known: set[int],
) -> list[Line]:
    """One question for each level."""
    found: list[Line] = []
    level = set(groups) - known
    while level:
        rows = versions(
            connection, vo_group_parent, ("group_id", "parent_id"), any_of(column, sorted(level)), window=window
        )
        met = [Line(row.group_id, row.parent_id, recorded(row, window)) for row in rows]
        found += met
        known |= level
        level = {onwards(line) for line in met} - known
    return found
