"""Why a value is released or withheld: asks the Attribute Authority as the services do, and shows its verdicts. Decides nothing."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from attribute_authority import explained as shared
from attribute_authority.explained import ExplainedRelease
from attribute_authority.requesters import find_requester_in
from attribute_authority.settings import AttributeAuthoritySettings
from idp.settings import IdpSettings
from ostiary.attributes import Attribute
from ostiary.clock import Clock
from ostiary.command.home import make_authority, principal_of
from ostiary.command.watched import watched_registry
from ostiary.config import load_settings
from ostiary.errors import Missing
from ostiary.policy.release import Verdict
from ostiary.ports import ReleaseRequest
from ostiary.web.log import Log, one_line
from ostiary.web.texts import Catalogue


class Say(Protocol):
    """A sentence of the catalogue."""

    def __call__(self, key: str, **facts: object) -> str:
        """``key`` below ``explain``, filled with ``facts`` made fit for a terminal."""
        ...


def explain_release(
    authority_config: Path,
    idp_config: Path | None,
    username: str,
    requester: str,
    *,
    target: str | None,
    wanted: Sequence[str],
    network: str | None = None,
    authn_context: str | None = None,
    clock: Clock,
    log: Log,
) -> ExplainedRelease:
    """``wanted``: names of attributes, as if the requester asked for these only; none for everything. ``network`` and ``authn_context`` are
    what conditions of policies look at, None where they are not known.

    Raises `Missing` (``people.unknown``, ``aa.unknown_principal``), `Unavailable`, `ConfigurationError`.
    """
    settings = load_settings(authority_config, AttributeAuthoritySettings)
    idp_settings = load_settings(idp_config, IdpSettings) if idp_config is not None else None
    principal = principal_of(username, idp_settings, settings, log)
    if principal is None:
        raise Missing("people.unknown", expected="a login name of this organisation", found=username)
    registry = watched_registry(settings.trust, clock, log)
    now = clock.now()
    asked = tuple(Attribute(name, ()) for name in wanted) or None
    request = ReleaseRequest(principal, requester, now, target, asked, network=network, authn_context=authn_context)
    authority = make_authority(settings, registry, log)
    try:
        explained = shared.explain_release(authority, find_requester_in(registry), request, username)
        return shared.with_policies_not_applied(authority, explained)
    finally:
        authority.close()


def release_as_data(explained: ExplainedRelease) -> dict[str, object]:
    """The same for programs."""
    request = explained.request
    return {
        "user": explained.person,
        "principal": request.principal,
        "requester": request.requester,
        "requester_known": explained.requester is not None,
        "target": request.target,
        "at": _instant(request.at),
        "values": [
            {
                "attribute": verdict.attribute,
                "value": str(verdict.value),
                "released": verdict.released,
                "reason": verdict.reason,
                "policy": verdict.policy or None,
                "rule": verdict.rule if verdict.policy else None,
                "file": explained.files.get(verdict.policy),
                "bound": verdict.bound,
                "asked_for": explained.asked_for(verdict.attribute),
            }
            for verdict in explained.release.decision.verdicts
        ],
        "policies_not_applied": [
            {"policy": one.policy, "why": one.why, "file": explained.files.get(one.policy)}
            for one in explained.not_applied
        ],
        "asked_for_and_unknown": list(explained.unknown_attributes()),
        "notes": [
            {"reason": note.reason, "source": note.source, "detail": note.detail} for note in explained.release.notes
        ],
    }


def print_release(explained: ExplainedRelease, console: Console, texts: Catalogue) -> None:
    """The same as a table."""
    request = explained.request

    def say(key: str, **facts: object) -> str:
        return texts.text("en", f"explain.{key}", **{name: one_line(str(fact)) for name, fact in facts.items()})

    console.print(Text(say("title", requester=request.requester, user=explained.person), style="bold"))
    console.print(Text(say("by", at=_instant(request.at)), style="dim"))
    at = say("target", target=request.target) if request.target is not None else say("no_target")
    console.print(Text(at, style="dim"))
    if explained.requester is None:
        console.print(Text(say("unknown_requester", requester=request.requester), style="bold yellow"))
    console.print()
    if not explained.release.decision.verdicts:
        console.print(Text(say("nothing")))
    else:
        console.print(_table(explained, say))
        console.print()
        for file, policies in _by_file(explained).items():
            console.print(Text(say("file", file=file, policies=", ".join(policies)), style="dim"), soft_wrap=True)
    for one in explained.not_applied:
        why = say(f"why_not.{one.why}")
        console.print(Text(say("not_applied", policy=one.policy, why=why), style="dim"), soft_wrap=True)
    if names := explained.unknown_attributes():
        console.print(Text(say("unknown_attributes", names=", ".join(names)), style="yellow"))
    for note in explained.release.notes:
        text = say(f"note_{note.reason}", source=note.source, detail=note.detail)
        console.print(Text(say("note", text=text), style="yellow"))


def _table(explained: ExplainedRelease, say: Say) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    for heading in ("attribute", "value", "outcome", "rule", "asked"):
        table.add_column(say(heading), header_style="bold", overflow="fold", no_wrap=heading == "outcome")
    before = ""
    for verdict in explained.release.decision.verdicts:
        released = verdict.released
        table.add_row(
            Text(one_line(verdict.attribute) if verdict.attribute != before else ""),
            Text(one_line(str(verdict.value))),
            Text(say("released" if released else "withheld"), style="green" if released else "red"),
            Text(_reason(verdict, say)),
            Text(say(f"asked_{explained.asked_for(verdict.attribute)}")),
        )
        before = verdict.attribute
    return table


def _reason(verdict: Verdict, say: Say) -> str:
    told = say(f"reason.{verdict.reason}", policy=verdict.policy, rule=verdict.rule)
    return say("bound", reason=told) if verdict.bound else told


def _by_file(explained: ExplainedRelease) -> dict[str, list[str]]:
    """Where the policies that decided stand."""
    found: dict[str, list[str]] = {}
    for policy in dict.fromkeys(verdict.policy for verdict in explained.release.decision.verdicts if verdict.policy):
        found.setdefault(explained.files.get(policy, ""), []).append(policy)
    return found


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
