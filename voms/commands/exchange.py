"""``ostiary vo import-members``: a CSV file of members into the VO, or what would become of it."""

from pathlib import Path
from typing import Any, Final

import click

from ostiary.errors import ConfigurationError, Refusal
from ostiary.web.texts import Catalogue
from voms.commands.working import VoCommand, Working, answer
from voms.exchange.bringing_in import LineReport, Outcome, bring_in
from voms.exchange.members_csv import MAXIMUM_BYTES, read_lines

_TEXTS: Final = Path(__file__).parent.parent / "texts"


@click.command("import-members", cls=VoCommand)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Try everything, keep nothing.")
@click.pass_obj
def import_members(working: Working, file: Path, dry_run: bool) -> None:
    """Bring the members of a CSV FILE into the VO: all lines, or none where one can't be used."""
    report = bring_in(working.desk, read_lines(_read(file)), dry_run=dry_run)
    counts = {outcome.value: report.count(outcome) for outcome in Outcome}
    texts = Catalogue.load(_TEXTS)
    facts = {
        "written": report.written,
        **counts,
        "lines": [_facts(line, texts) for line in report.lines],
    }
    told = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    end = f"{told}. {'Written.' if report.written else 'Nothing was written.'}"
    answer(facts, [*(_line(each, texts) for each in report.lines), end])
    if counts["refused"]:
        raise Refusal(
            "voms.import_refused", expected="lines that can all be used", found=f"{counts['refused']} refused"
        )


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise ConfigurationError("voms.csv_file", file=file, expected="a file", found=error.strerror) from None


def _facts(line: LineReport, texts: Catalogue) -> dict[str, Any]:
    facts: dict[str, Any] = {"line": line.line, "outcome": line.outcome.value, "done": list(line.done)}
    if line.member is not None:
        facts["member"] = line.member
    if line.problem is not None:
        message, _ = texts.error("en", line.problem)
        problem = line.problem
        facts["error"] = {
            "code": problem.code,
            "message": message,
            "expected": problem.expected,
            "found": problem.found,
        }
    return facts


def _line(line: LineReport, texts: Catalogue) -> str:
    words = [f"line {line.line}: {line.outcome.value}", *([line.member] if line.member is not None else []), *line.done]
    if line.problem is not None:
        message, _ = texts.error("en", line.problem)
        words.append(f"{message} ({line.problem.code}; expected {line.problem.expected}; found {line.problem.found})")
    return "  ".join(words)


COMMANDS: Final = (import_members,)
