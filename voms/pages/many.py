"""Many members at once, from a table (CSV): tried out first, then brought in, all lines or none. `voms.exchange` reads and does it."""

from typing import Final

from flask import Blueprint, Response

from ostiary.errors import Refusal
from voms.administration.permissions import Permission
from voms.exchange.bringing_in import Outcome, Report, bring_in
from voms.exchange.members_csv import read_lines
from voms.pages.forms import attempt, typed
from voms.pages.frame import go_to, problem_text, show, visit

MANY: Final = Blueprint("many", __name__)

MAXIMUM_TABLE: Final = 500_000
MAXIMUM_SHOWN: Final = 500
_HERE: Final = "members.found"


@MANY.get("/import")
def form(problem: Refusal | None = None) -> Response:
    """The form for a table; wants MEMBERSHIP_WRITE in the root group."""
    return _page(None, typed("table", MAXIMUM_TABLE) if problem is not None else "", problem)


@MANY.post("/import/<what>")
def bring(what: str) -> Response:
    """What would become of each line (``try``), or the lines into the VO (``write``)."""
    here = visit()

    def change() -> Response:
        if what not in ("try", "write"):
            raise Refusal("voms.no_such_change", expected="try or write", found=what[:40])
        table = typed("table", MAXIMUM_TABLE)
        report = bring_in(here.desk, read_lines(table.replace("\r\n", "\n").encode()), dry_run=what == "try")
        if report.written:
            return go_to(_HERE, done="brought_in")
        return _page(report, table, None)

    return attempt(change, form)


def _page(report: Report | None, table: str, problem: Refusal | None) -> Response:
    here = visit()
    with here.rights() as rights:
        rights.require(Permission.MEMBERSHIP_WRITE, here.root)
    lines = report.lines if report is not None else ()
    # What is wrong first.
    ordered = sorted(lines, key=lambda line: (line.outcome is not Outcome.REFUSED, line.line))
    return show(
        "import.html",
        _HERE,
        status=400 if report is not None and report.count(Outcome.REFUSED) else 200,
        problem=problem,
        table=table,
        most=MAXIMUM_TABLE,
        tried=report is not None,
        counts={outcome.value: report.count(outcome) for outcome in Outcome} if report is not None else {},
        good=report is not None and not report.count(Outcome.REFUSED),
        rows=[
            (line.line, line.outcome.value, line.done, problem_text(line.problem) if line.problem is not None else "")
            for line in ordered[:MAXIMUM_SHOWN]
        ],
        left_out=max(0, len(ordered) - MAXIMUM_SHOWN),
    )
