"""The findings of a validation on the terminal and as data: each with place, words and remedy, or counted where there are thousands."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from rich.text import Text

from ostiary.command.metadata.said import Said
from ostiary.federation.validation.findings import Finding
from ostiary.federation.validation.rules import SEVERITIES, Severity
from ostiary.web.log import one_line
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue

FEW: Final = 20
"""Entities with findings that are told one by one; of more, the rules are counted."""

_STYLES: Final[dict[Severity, str]] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_NAMED: Final = 3


@dataclass(slots=True)
class Checked:
    """What was found in one document. ``least``: what is graver or as grave is kept, everything is counted."""

    name: str
    least: Severity
    entities: int = 0
    kept: list[Finding] = field(default_factory=list)
    counts: Counter[Severity] = field(default_factory=Counter)

    def take(self, findings: Iterable[Finding]) -> None:
        """Counts them, and keeps those that are told."""
        wanted = SEVERITIES[: SEVERITIES.index(self.least) + 1]
        for one in findings:
            self.counts[one.severity] += 1 + one.more
            if one.severity in wanted:
                self.kept.append(one)

    def fails(self, strict: bool) -> bool:
        """Whether there is an error; a warning counts with ``strict``."""
        return bool(self.counts["error"] or (strict and self.counts["warning"]))


def finding_data(one: Finding, texts: Catalogue) -> dict[str, Any]:
    """Ready for JSON, words included."""
    message, remedy = words_of(one, texts)
    return {
        "code": one.code,
        "severity": one.severity,
        "entity_id": one.entity_id or None,
        "line": one.line,
        "path": one.path,
        "message": message,
        "remedy": remedy,
        "rule": one.section,
        "more": one.more,
    }


def words_of(one: Finding, texts: Catalogue) -> tuple[str, str]:
    """What is wrong, and what to do."""
    facts = {name: one_line(value) for name, value in one.facts}
    message = texts.text(SOURCE_LANGUAGE, f"metadata_rule.{one.code}.message", **facts)
    return message, texts.text(SOURCE_LANGUAGE, f"metadata_rule.{one.code}.remedy", **facts)


def show_checked(checked: Checked, said: Said, *, each: bool) -> None:
    """The findings, then how many there are of each kind."""
    entities = {one.entity_id for one in checked.kept}
    if each or len(entities) <= FEW:
        for entity_id, found in groupby(checked.kept, key=lambda one: one.entity_id):
            said.console.print()
            said.plain(entity_id or said.text("validate.whole_document"), style="bold")
            for one in found:
                _show(one, said)
    else:
        _count(checked.kept, said)
    said.console.print()
    numbers = ", ".join(said.text(f"validate.{severity}", count=checked.counts[severity]) for severity in SEVERITIES)
    style = "bold red" if checked.counts["error"] else "bold green"
    said.line("validate.outcome", style=style, name=checked.name, count=checked.entities, numbers=numbers)


def _show(one: Finding, said: Said) -> None:
    message, remedy = words_of(one, said.texts)
    place = (
        said.text("validate.place" if one.path else "validate.line", line=one.line, path=one.path)
        if one.line
        else one.path
    )
    label = _label(one.severity, said)
    line = Text.assemble("  ", (label, _STYLES[one.severity]), "  ", message)
    said.console.print(line, soft_wrap=True)
    said.plain(remedy, indent=11)
    again = f"  {said.text('validate.again', count=one.more)}" if one.more else ""
    said.plain(f"{place}  [{one.code}; {one.section}]{again}", style="dim", indent=11)


def _label(severity: Severity, said: Said) -> str:
    return said.text(f"validate.severity.{severity}").ljust(7)


def _count(findings: list[Finding], said: Said) -> None:
    """Rule by rule, the gravest and most frequent first, with some of the entities."""
    by_code: dict[str, list[Finding]] = {}
    for one in findings:
        by_code.setdefault(one.code, []).append(one)
    said.console.print()
    said.line("validate.counted", style="dim")
    order = sorted(by_code.values(), key=lambda found: (SEVERITIES.index(found[0].severity), -len(found)))
    for found in order:
        first = found[0]
        message, remedy = words_of(first, said.texts)
        entities = len({one.entity_id for one in found if one.entity_id})
        label = _label(first.severity, said)
        counted = said.text("validate.of_rule" if entities else "validate.of_document", code=first.code, count=entities)
        document = said.text("validate.the_document")
        said.console.print()
        said.console.print(
            Text.assemble(
                "  ", (label, _STYLES[first.severity]), "  ", (counted, "bold"), (f"  [{first.section}]", "dim")
            ),
            soft_wrap=True,
        )
        said.line(
            "validate.for_instance", indent=11, entity=first.entity_id or document, line=first.line, message=message
        )
        said.plain(remedy, indent=11)
        others = [f"{one.entity_id or document} ({one.line})" for one in found[1:_NAMED]]
        if others:
            more = f", +{len(found) - _NAMED}" if len(found) > _NAMED else ""
            said.line("validate.also", style="dim", indent=11, entities=", ".join(others) + more)
