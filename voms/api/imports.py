"""Members from a table."""

from typing import Annotated

from pydantic import Field

from voms.api.routing import Call
from voms.api.values import Nothing, Shape
from voms.exchange.bringing_in import bring_in
from voms.exchange.members_csv import read_lines


class Table(Shape):
    """``csv``: the text of the table, the names of the columns first; ``dry_run``: say what would become of it, and keep nothing."""

    csv: Annotated[str, Field(min_length=1, max_length=60_000)]
    dry_run: bool = True


class Line(Shape):
    """What becomes of one line of the table. ``problem``: the code of why it can't be done."""

    line: int
    outcome: str
    member: str | None
    done: tuple[str, ...]
    problem: str | None


class Imported(Shape):
    """``written``: whether the VO has it now. It has all of it, or nothing."""

    written: bool
    lines: tuple[Line, ...]


def import_members(call: Call[Nothing, Table]) -> Imported:
    """Members, their groups, roles and attributes from a table, all or none. Wants what doing each of it by hand wants."""
    report = bring_in(call.desk, read_lines(call.body.csv.encode()), dry_run=call.body.dry_run)
    lines = (
        Line(
            line=each.line,
            outcome=each.outcome.value,
            member=each.member,
            done=tuple(each.done),
            problem=each.problem.code if each.problem is not None else None,
        )
        for each in report.lines
    )
    return Imported(written=report.written, lines=tuple(lines))
