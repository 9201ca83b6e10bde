"""What the commands for release policies print, for people and as JSON. Decides nothing."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attribute_authority.administration.content import Difference
from attribute_authority.administration.desk import TriedOut
from attribute_authority.administration.difference_lines import changed_lines
from attribute_authority.administration.lint import Finding, LintReport
from attribute_authority.administration.records import Step, Version
from attribute_authority.administration.wording import finding_text
from ostiary.web.log import one_line
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue

_COLOURS: Final = {"error": "red", "warning": "yellow", "hint": "dim"}


def print_json(data: object) -> None:
    """On standard output."""
    click.echo(json.dumps(data, indent=2))


class _Say:
    def __init__(self, texts: Catalogue) -> None:
        self._texts = texts

    def __call__(self, key: str, **facts: object) -> str:
        """The text ``policy.<key>``; its facts are made fit for a terminal."""
        told = {name: fact if name == "count" else one_line(str(fact)) for name, fact in facts.items()}
        return self._texts.text(SOURCE_LANGUAGE, f"policy.{key}", **told)


def lint_as_data(report: LintReport, texts: Catalogue) -> dict[str, Any]:
    """For programs."""
    return {
        "policies": report.policies,
        "patterns": report.patterns,
        "complete": not report.cut,
        "findings": [
            {
                "level": found.level,
                "code": found.code,
                "file": found.file,
                "line": found.line,
                "policy": found.policy or None,
                "rule": found.rule or None,
                "text": finding_text(found, texts, SOURCE_LANGUAGE),
            }
            for found in report.findings
        ],
    }


def print_lint(report: LintReport, console: Console, texts: Catalogue) -> None:
    """One line for each finding, as compilers do it, and a summary."""
    say = _Say(texts)
    for found in report.findings:
        told = say(
            "lint.line",
            file=found.file,
            line=found.line or 1,
            level=texts.text(SOURCE_LANGUAGE, f"lint.level.{found.level}"),
            text=finding_text(found, texts, SOURCE_LANGUAGE),
        )
        console.print(Text(told, style=_COLOURS[found.level]), soft_wrap=True)
        if found.policy:
            console.print(Text(f"    {_where(found, say)}  [{found.code}]", style="dim"), soft_wrap=True)
        else:
            console.print(Text(f"    [{found.code}]", style="dim"), soft_wrap=True)
    if not report.findings:
        console.print(Text(say("lint.none"), style="green"))
    if any(found.problem for found in report.findings):
        return
    numbers = {f"{level}s": report.number(level) for level in ("error", "warning", "hint")}
    console.print(Text(say("lint.summary", policies=report.policies, **numbers)), soft_wrap=True)
    console.print(Text(say("lint.patterns", patterns=report.patterns), style="dim"), soft_wrap=True)
    if report.cut:
        console.print(Text(say("lint.cut"), style="yellow"), soft_wrap=True)


def dry_run_as_data(tried: TriedOut) -> dict[str, Any]:
    """For programs."""
    outcome = tried.outcome
    return {
        "replaced": list(tried.replaced),
        "added": list(tried.added),
        "tried": outcome.tried,
        "touched": outcome.touched,
        "left_out": {"gone": outcome.gone, "unknown": outcome.unknown},
        "since": _instant(outcome.since),
        "until": _instant(outcome.until),
        "requesters": [
            {
                "requester": one.requester or None,
                "requests": one.requests,
                "people": one.people,
                "touched": one.touched,
                "changes": [
                    {
                        "attribute": change.attribute,
                        "change": change.kind,
                        "people": change.people,
                        "rules": list(change.rules),
                    }
                    for change in one.changes
                ],
            }
            for one in outcome.requesters
        ],
    }


def print_dry_run(tried: TriedOut, console: Console, texts: Catalogue, *, alone: bool) -> None:
    """A table for each resource that would be told something else."""
    say, outcome = _Say(texts), tried.outcome
    console.print(Text(say("dry_run.title", tried=outcome.tried), style="bold"))
    lines = [say("dry_run.alone")] if alone else []
    lines += [say("dry_run.replaced", file=file) for file in tried.replaced]
    lines += [say("dry_run.added", file=file) for file in tried.added]
    if outcome.tried:
        lines.append(say("dry_run.between", since=_instant(outcome.since), until=_instant(outcome.until)))
    for line in lines:
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print()
    for one in outcome.requesters:
        name = one.requester or say("dry_run.anonymous")
        about = say("dry_run.requester", requester=name, people=one.people, touched=one.touched)
        console.print(Text(about, style="bold"), soft_wrap=True)
        table = Table(box=None, padding=(0, 3, 0, 2), pad_edge=False)
        for heading in ("attribute", "change", "people", "rules"):
            table.add_column(say(f"dry_run.{heading}"), header_style="dim", overflow="fold")
        for change in one.changes:
            less = change.kind in ("lost", "fewer_values")
            table.add_row(
                Text(one_line(change.attribute)),
                Text(say(f"dry_run.kind.{change.kind}"), style="red" if less else "green"),
                Text(str(change.people)),
                Text(one_line(", ".join(_rule(rule, texts) for rule in change.rules))),
            )
        console.print(table)
        console.print()
    if not outcome.tried and not outcome.gone and not outcome.unknown:
        console.print(Text(say("dry_run.nothing_asked"), style="yellow"))
    elif not outcome.requesters:
        console.print(Text(say("dry_run.same"), style="green"))
    else:
        console.print(Text(say("dry_run.touched", touched=outcome.touched, tried=outcome.tried)))
    for key, count in (("gone", outcome.gone), ("unknown", outcome.unknown)):
        if count:
            console.print(Text(say(f"dry_run.{key}", count=count), style="yellow"))


def _rule(rule: str, texts: Catalogue) -> str:
    """A rule as POLICY/RULE, or in words why none counts."""
    return rule if "/" in rule else texts.text(SOURCE_LANGUAGE, f"explain.reason.{rule}")


def history_as_data(found: Sequence[Version]) -> list[dict[str, Any]]:
    """For programs."""
    return [_version_data(version) for version in found]


def print_history(found: Sequence[Version], console: Console, texts: Catalogue) -> None:
    """A few lines for each change, the newest first."""
    say = _Say(texts)
    if not found:
        console.print(Text(say("history.none")))
    for version in found:
        kind = say(f"history.kind.{version.kind}")
        line = say("history.line", serial=version.serial, at=_instant(version.at), kind=kind)
        console.print(Text(line, style="bold"), soft_wrap=True)
        for told in _changes(version, say):
            console.print(Text(f"    {told}"), soft_wrap=True)


def step_as_data(step: Step) -> dict[str, Any]:
    """For programs: both states whole."""
    return {**_version_data(step.version), "before_state": step.before, "after_state": step.after}


def print_step(step: Step, console: Console, texts: Catalogue) -> None:
    """What was different, line by line."""
    say, version = _Say(texts), step.version
    kind = say(f"history.kind.{version.kind}")
    console.print(
        Text(say("history.show", at=_instant(version.at), kind=kind, number=version.number), style="bold"),
        soft_wrap=True,
    )
    for one in step.differences():
        console.print()
        console.print(Text(_told(one, say), style="bold"), soft_wrap=True)
        for line in changed_lines(step.before, step.after, one):
            colour = {"+": "green", "-": "red"}.get(line[:1], "dim")
            console.print(Text(f"  {one_line(line)}", style=colour), soft_wrap=True)


def _where(found: Finding, say: _Say) -> str:
    if found.rule:
        return say("lint.where_rule", policy=found.policy, rule=found.rule)
    return say("lint.where", policy=found.policy)


def _version_data(version: Version) -> dict[str, Any]:
    return {
        "serial": version.serial,
        "kind": version.kind,
        "number": version.number,
        "at": _instant(version.at),
        "digest": version.digest,
        **dict(version.facts),
    }


def _changes(version: Version, say: _Say) -> list[str]:
    if version.facts.get("before") is None:
        return [say("history.first")]
    told = [
        _told(Difference(kind, section, id_, tuple(*keys)), say)
        for kind, section, id_, *keys in version.facts["changes"]
    ]
    if more := version.facts.get("more"):
        told.append(say("history.more", count=more))
    return told


def _told(one: Difference, say: _Say) -> str:
    section = say(f"history.section.{one.section}")
    return say(f"history.{one.kind}", section=section, id=one.id, keys=", ".join(one.keys))


def _instant(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at is not None else None
