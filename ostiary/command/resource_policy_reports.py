"""How ``explain accept``, ``explain access`` and ``policy check`` show what `ostiary.command.resource_policies` found. Decides nothing."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ostiary.attributes import Attributes, texts_of
from ostiary.command.resource_policies import ExplainedAcceptance, ExplainedAccess
from ostiary.policy.acceptance import AcceptanceVerdict
from ostiary.policy.access import Check
from ostiary.policy.doubts import Doubt
from ostiary.web.log import one_line
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue


class Say:
    """Sentences of the catalogue below ``resource``, their facts made fit for a terminal."""

    def __init__(self, texts: Catalogue) -> None:
        self._texts = texts

    def __call__(self, key: str, **facts: object) -> str:
        told = {name: one_line(str(fact)) for name, fact in facts.items()}
        return self._texts.text(SOURCE_LANGUAGE, f"resource.{key}", **told)


def acceptance_as_data(explained: ExplainedAcceptance) -> dict[str, Any]:
    """For programs."""
    return {
        "issuer": explained.issuer.entity_id,
        "issuer_known": explained.known,
        "scopes": [
            {"scope": scope.value, "pattern": scope.is_pattern, "covers_nothing": scope.covers_nothing}
            for scope in explained.issuer.scopes
        ],
        "values": [
            {
                "attribute": verdict.attribute,
                "value": str(verdict.value),
                "accepted": verdict.accepted,
                "reason": verdict.reason,
                "rule": verdict.rule,
                "as": verdict.name or None,
                "becomes": None if verdict.becomes is None else str(verdict.becomes),
            }
            for verdict in explained.decision.verdicts
        ],
        "attributes": _values(explained.attributes),
        "missing": [list(requirement.any_of) for requirement in explained.missing],
    }


def print_acceptance(explained: ExplainedAcceptance, console: Console, texts: Catalogue) -> None:
    """The same as a table."""
    say = Say(texts)
    console.print(Text(say("accept_title", issuer=explained.issuer.entity_id), style="bold"))
    if not explained.known:
        console.print(Text(say("unknown_issuer", issuer=explained.issuer.entity_id), style="bold yellow"))
    for scope in explained.issuer.scopes:
        style = "yellow" if scope.covers_nothing else "dim"
        key = "scope_useless" if scope.covers_nothing else "scope_pattern" if scope.is_pattern else "scope"
        console.print(Text(say(key, scope=scope.value), style=style), soft_wrap=True)
    console.print()
    table = _table(say, "attribute", "value", "outcome", "rule", "goes_on")
    for verdict in explained.decision.verdicts:
        table.add_row(
            Text(one_line(verdict.attribute)),
            Text(one_line(str(verdict.value))),
            Text(say("accepted" if verdict.accepted else "refused"), style="green" if verdict.accepted else "red"),
            Text(_why(verdict, say)),
            Text(_goes_on(verdict, say)),
        )
    console.print(table)
    for name, values in _values(explained.attributes).items():
        console.print(Text(say("known", name=name, values=", ".join(values))), soft_wrap=True)
    for requirement in explained.missing:
        console.print(Text(say("required", names=" | ".join(requirement.any_of)), style="bold red"), soft_wrap=True)


def _why(verdict: AcceptanceVerdict, say: Say) -> str:
    if verdict.accepted:
        return one_line(verdict.rule)
    return say(f"reason.{verdict.reason}", rule=verdict.rule)


def _goes_on(verdict: AcceptanceVerdict, say: Say) -> str:
    if not verdict.accepted:
        return ""
    renamed = verdict.name if verdict.name != verdict.attribute else ""
    return one_line(" ".join(part for part in (renamed, str(verdict.becomes or "")) if part))


def access_as_data(explained: ExplainedAccess) -> dict[str, Any]:
    """For programs."""
    reason = explained.decision.reasons[0]
    return {
        "allow": explained.decision.allow,
        "rule": reason.rule or None,
        "reason": reason.code,
        "because": reason.because,
        "method": explained.method,
        "path": explained.resource.path,
        "host": explained.resource.host,
        "application": explained.resource.application,
        "at": explained.environment.at.isoformat(),
        "one_is_enough": reason.one_is_enough,
        "checks": [
            {
                "kind": check.kind,
                "name": check.name or None,
                "expected": check.expected,
                "found": list(check.found),
                "holds": check.holds,
                "negated": check.negated,
                "met": check.met,
            }
            for check in reason.checks
        ],
        "obligations": [
            {"name": one.name, "authn_contexts": list(one.authn_contexts)} for one in explained.decision.obligations
        ],
    }


def print_access(explained: ExplainedAccess, console: Console, texts: Catalogue) -> None:
    """The same for people."""
    say = Say(texts)
    decision, resource = explained.decision, explained.resource
    reason = decision.reasons[0]
    asked = say("access_title", method=explained.method, path=resource.path, host=resource.host)
    console.print(Text(asked, style="bold"))
    console.print(Text(say("at", at=explained.environment.at.isoformat()), style="dim"))
    outcome = say("allowed" if decision.allow else "denied")
    by = say("by_rule", rule=reason.rule) if reason.rule else say(f"no_rule.{reason.code.removeprefix('access.')}")
    console.print(Text(f"{outcome} {by}", style="bold green" if decision.allow else "bold red"), soft_wrap=True)
    if reason.because:
        console.print(Text(one_line(reason.because)), soft_wrap=True)
    if reason.checks:
        console.print()
        table = _table(say, "check", "wanted", "found", "outcome")
        for check in reason.checks:
            table.add_row(
                Text(say(f"kind.{check.kind}{'_not' if check.negated else ''}", name=check.name)),
                Text(one_line(check.expected) or say("anything")),
                Text(one_line(", ".join(check.found)) or say("nothing")),
                Text(_outcome(check, say), style="green" if check.met else "red"),
            )
        console.print(table)
        if reason.one_is_enough:
            console.print(Text(say("one_is_enough"), style="dim"))
    for obligation in decision.obligations:
        key = "login_helps_by" if obligation.authn_contexts else "login_helps"
        console.print(Text(say(key, contexts=", ".join(obligation.authn_contexts)), style="yellow"), soft_wrap=True)


def _outcome(check: Check, say: Say) -> str:
    return say("not_known" if check.holds is None else "met" if check.met else "not_met")


def print_doubts(doubts: Sequence[Doubt], console: Console, texts: Catalogue) -> None:
    """One line for each."""
    say = Say(texts)
    for doubt in doubts:
        told = say(f"doubt.{doubt.code}", about=doubt.about, other=doubt.other)
        line = say("doubt_line_in_rule", rule=doubt.rule, text=told) if doubt.rule else say("doubt_line", text=told)
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _values(attributes: Attributes) -> dict[str, list[str]]:
    return {name: list(texts_of(attributes, name)) for name in dict.fromkeys(one.name for one in attributes)}


def _table(say: Say, *headings: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(say(f"heading.{heading}"), header_style="bold", overflow="fold", no_wrap=heading == "outcome")
    return table
