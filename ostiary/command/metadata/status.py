"""How the sources of a service stand, on the terminal and as data. Asks no server."""

from datetime import datetime
from typing import Any

from rich.text import Text

from ostiary.command.metadata.said import Said
from ostiary.errors import OstiaryError
from ostiary.federation.registry import SourceReport
from ostiary.federation.sources.living import all_is_well
from ostiary.web.log import one_line


def report_data(report: SourceReport, now: datetime) -> dict[str, Any]:
    """Ready for JSON."""
    return {
        "source": report.file,
        "kind": report.kind,
        "ok": all_is_well([report], now),
        "entities": report.entities,
        "identity_providers": report.identity_providers,
        "service_providers": report.service_providers,
        "left_out": report.left_out,
        "not_selected": report.not_selected,
        "scopes_dropped": report.scopes_dropped,
        "valid_until": _at(report.valid_until),
        "last_success": _at(report.last_success),
        "last_attempt": _at(report.last_attempt),
        "next_attempt": _at(report.next_attempt),
        "problem": {"code": report.problem.code, "found": report.problem.found} if report.problem else None,
    }


def _at(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _remedy(problem: OstiaryError, said: Said) -> str:
    """For who runs the service: what is told of XML and signatures elsewhere is for people who are about to log in."""
    match problem.code.partition(".")[0]:
        case "xml":
            return said.text("status.not_xml")
        case "signature":
            return said.text("status.not_signed")
        case _:
            return said.texts.error("en", problem)[1]


def show_report(report: SourceReport, said: Said, now: datetime) -> None:
    """One source."""
    well = all_is_well([report], now)
    mark = Text(said.text("status.good" if well else "status.alarm"), style="bold green" if well else "bold red")
    said.console.print(Text.assemble(mark, "  ", (report.file, "bold")), soft_wrap=True)
    counts = said.text(
        "status.counts", count=report.entities, idps=report.identity_providers, sps=report.service_providers
    )
    rows: list[tuple[str, str | Text]] = [
        (said.text("status.kind"), said.text(f"status.kinds.{report.kind}")),
        (said.text("status.entities"), counts),
    ]
    if report.valid_until is not None:
        rows.append((said.text("status.valid_until"), said.moment(report.valid_until, now)))
    for key in ("last_success", "last_attempt", "next_attempt"):
        at = getattr(report, key)
        if at is not None:
            rows.append((said.text(f"status.{key}"), said.moment(at, now)))
    for key in ("left_out", "not_selected", "scopes_dropped"):
        if getattr(report, key):
            rows.append((said.text(f"status.{key}"), str(getattr(report, key))))
    if report.problem is not None:
        rows.append((said.text("status.problem"), Text(said.problem(report.problem), style="bold red")))
        if report.problem.expected:
            rows.append((said.text("status.expected"), one_line(report.problem.expected)))
        rows.append((said.text("status.remedy"), _remedy(report.problem, said)))
    said.rows(rows)
