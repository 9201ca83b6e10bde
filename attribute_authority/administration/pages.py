"""The administrators' pages: what the policies say and what is wrong with them, what a resource would be told, what a change would do, what
has changed. They change no policy: those are files, which only people on the machine write.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response

from attribute_authority.administration.content import differences
from attribute_authority.administration.desk import Desk, resources
from attribute_authority.administration.difference_lines import changed_lines
from attribute_authority.administration.lint import LintReport, refused
from attribute_authority.administration.plain import PolicyInWords, in_words
from attribute_authority.administration.wording import finding_text
from attribute_authority.pages import sign_out_url
from ostiary.attributes import Attribute
from ostiary.clock import Clock
from ostiary.config import Document, parse_document
from ostiary.errors import ConfigurationError, Denied, Missing, Refusal
from ostiary.policy.release import ReleasePolicy
from ostiary.ports import ReleaseRequest
from ostiary.web import incoming
from ostiary.web.forms import one, optional
from ostiary.web.service import page, public_url_for, shell

MAXIMUM_SHOWN: Final = 100
MAXIMUM_LISTED: Final = 500
MAXIMUM_TYPED: Final = 1024
MAXIMUM_POLICIES: Final = 120_000
"""Characters of a policy file that can be tried out in a page; percent-encoded they still fit into the largest body."""
HISTORY_ROWS: Final = 50
DRY_RUNS: Final = (100, 500, 2000)
_NEW_FILE: Final = "new"
_ALL: Final = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Administration:
    """``signed_in`` gives the principal of whoever sent the present request; raises `Denied`."""

    desk: Desk
    signed_in: Callable[[], str]
    clock: Clock

    def let_in(self) -> tuple[str, datetime]:
        """Who acts, and when. Raises `Denied` (``aa.not_administrator``) for everybody who does not administer, `Unavailable`."""
        principal, now = self.signed_in(), self.clock.now()
        if not self.desk.is_administrator(principal, now):
            shell().log.warning("administration_refused", principal=principal)
            raise Denied("aa.not_administrator", expected="an administrator of this authority", found="somebody else")
        return principal, now


def add_administration(app: Flask, administration: Administration) -> None:
    """``/admin`` and everything below it."""

    def rule(path: str, endpoint: str, view: Callable[..., Response], method: str = "GET") -> None:
        def answer(**parts: str) -> Response:
            return view(administration, **parts)

        app.add_url_rule(path, endpoint, answer, methods=[method])

    rule("/admin", "admin", _overview)
    rule("/admin/test", "admin_test", _ask)
    rule("/admin/test", "admin_test_post", _told, "POST")
    rule("/admin/dry-run", "admin_dry_run", _write)
    rule("/admin/dry-run", "admin_dry_run_post", _try_out, "POST")
    rule("/admin/history", "admin_history", _history)
    rule("/admin/history/<serial>", "admin_change", _change)


def _page(template: str, here: str, *, status: int = 200, **values: Any) -> Response:
    links = [
        (public_url_for(endpoint), f"admin.nav.{endpoint}", endpoint == here)
        for endpoint in ("admin", "admin_test", "admin_dry_run", "admin_history")
    ]
    return page(
        f"administration/{template}",
        status=status,
        wide=True,
        links=links,
        home_url=public_url_for("admin"),
        own_url=public_url_for("my"),
        sign_out_url=sign_out_url(),
        **values,
    )


def _language() -> str:
    return incoming.language(shell().pages.catalogue)


def _names(desk: Desk, now: datetime) -> Mapping[str, str]:
    """What people call each resource, by entityID."""
    return {entity_id: name for name, entity_id in resources(desk.registry(), now, _language())}


# --- what is in force


def _overview(administration: Administration) -> Response:
    _, now = administration.let_in()
    desk = administration.desk
    wanted = " ".join((optional(incoming.query(), "q", max_length=MAXIMUM_TYPED) or "").split())
    names = _names(desk, now)
    files: list[tuple[str, str, list[PolicyInWords]]] = []
    count = shown = 0
    for file in desk.policies(now):
        fitting = [policy for policy in file.policies if _fits(policy, wanted.casefold().split(), names)]
        count += len(fitting)
        kept = fitting[: max(0, MAXIMUM_SHOWN - shown)]
        shown += len(kept)
        if kept:
            words = [in_words(policy, lambda entity_id: names.get(entity_id, entity_id)) for policy in kept]
            files.append((Path(file.path).name, file.path, words))
    return _page(
        "overview.html",
        "admin",
        action=public_url_for("admin"),
        wanted=wanted,
        maximum=MAXIMUM_TYPED,
        count=count,
        left_out=count - shown,
        files=[(name, public_url_for("admin_dry_run", file=path), words) for name, path, words in files],
        # Whoever searches is shown nothing of it.
        **({} if wanted else _lint_values(desk.lint(now))),
    )


def _fits(policy: ReleasePolicy, words: list[str], names: Mapping[str, str]) -> bool:
    if not words:
        return True
    audience = policy.audience
    asking = (*(audience.entity_ids or ()), *(names.get(one, "") for one in audience.entity_ids or ()))
    others = (*(audience.categories or ()), *(audience.authorities or ()))
    attributes = {name for rule in policy.rules for name in rule.attributes or ()}
    everything = " ".join((policy.id, policy.description, policy.file, *asking, *others, *attributes)).casefold()
    return all(word in everything for word in words)


def _lint_values(report: LintReport) -> dict[str, Any]:
    catalogue, language = shell().pages.catalogue, _language()
    return {
        "report": report,
        "findings": [
            (found, Path(found.file).name, finding_text(found, catalogue, language))
            for found in report.findings[:MAXIMUM_SHOWN]
        ],
        "findings_left_out": max(0, len(report.findings) - MAXIMUM_SHOWN),
    }


# --- what a resource would be told


@dataclass(frozen=True, slots=True)
class _Question:
    """The form as it was filled in."""

    resource: str = ""
    person: str = ""
    target: str = ""
    network: str = ""
    asks: str = ""


def _ask(administration: Administration) -> Response:
    administration.let_in()
    return _question(administration, _Question(resource=optional(incoming.query(), "resource", max_length=1024) or ""))


def _question(administration: Administration, filled: _Question, wrong: str = "", field: str = "") -> Response:
    known = resources(administration.desk.registry(), administration.clock.now(), _language())
    return _page(
        "test.html",
        "admin_test",
        status=400 if wrong else 200,
        action=public_url_for("admin_test_post"),
        filled=filled,
        known=known[:MAXIMUM_LISTED],
        maximum=MAXIMUM_TYPED,
        problems={name: wrong if name == field else "" for name in _Question.__slots__},
    )


def _told(administration: Administration) -> Response:
    principal, now = administration.let_in()
    desk, form = administration.desk, incoming.form()
    filled = _Question(
        *(" ".join((optional(form, name, max_length=MAXIMUM_TYPED) or "").split()) for name in _Question.__slots__)
    )
    text = shell().pages.catalogue.text
    for field in ("resource", "person"):
        if not getattr(filled, field):
            return _question(administration, filled, text(_language(), "admin.test.empty"), field)
    if filled.network and not _is_address(filled.network):
        return _question(administration, filled, text(_language(), "admin.test.no_address"), "network")
    try:
        request = ReleaseRequest(
            desk.person(filled.person),
            filled.resource,
            now,
            target=filled.target or None,
            wanted=tuple(Attribute(name, ()) for name in filled.asks.replace(",", " ").split()) or None,
            authority=desk.settings.authority_index,
            network=filled.network or None,
        )
        explained = desk.look(request, filled.person, by=principal)
    except Missing:
        return _question(administration, filled, text(_language(), "admin.test.nobody"), "person")
    files = {policy.id: policy for policy in desk.authority.policies(now).policies}
    names = _names(desk, now)
    return _page(
        "told.html",
        "admin_test",
        filled=filled,
        again=public_url_for("admin_test", resource=filled.resource),
        resource=names.get(filled.resource, filled.resource),
        explained=explained,
        rows=[
            (verdict, explained.asked_for(verdict.attribute), _place(files.get(verdict.policy)))
            for verdict in explained.release.decision.verdicts
        ],
        not_applied=[(one, _place(files.get(one.policy))) for one in explained.not_applied],
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _place(policy: ReleasePolicy | None) -> str:
    return f"{Path(policy.file).name}:{policy.line}" if policy is not None else ""


# --- what a change would do


def _write(administration: Administration) -> Response:
    administration.let_in()
    wanted = optional(incoming.query(), "file", max_length=4096) or ""
    chosen = next((file for file in administration.desk.files() if str(file) == wanted), None)
    if chosen is None:
        return _editor(administration, "", _NEW_FILE)
    return _editor(administration, _text_of(chosen), str(chosen))


def _text_of(file: Path) -> str:
    """What stands in the file; nothing where it is too long for the form, or can't be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(MAXIMUM_POLICIES + 1)
    except OSError:
        return ""
    return text if len(text) <= MAXIMUM_POLICIES else ""


def _editor(
    administration: Administration, text: str, place: str, last: int = 500, problem: list[str] | None = None
) -> Response:
    form = _form_values(administration, text, place, last, problem or [])
    return _page("dry_run.html", "admin_dry_run", status=400 if problem else 200, **form)


def _form_values(
    administration: Administration, text: str, place: str, last: int, problem: list[str]
) -> dict[str, Any]:
    return {
        "action": public_url_for("admin_dry_run_post"),
        "written": [(str(file), file.name) for file in administration.desk.files()],
        "new": _NEW_FILE,
        "all": _ALL,
        "place": place,
        "policies": text,
        "maximum": MAXIMUM_POLICIES,
        "runs": DRY_RUNS,
        "last": last,
        "problem": problem,
    }


def _try_out(administration: Administration) -> Response:
    principal, now = administration.let_in()
    desk, form = administration.desk, incoming.form()
    text = one(form, "policies", max_length=MAXIMUM_POLICIES)
    place = one(form, "place", max_length=4096)
    last = _last(one(form, "last", max_length=6))
    places = {str(file): file for file in desk.files()}
    if place not in (*places, _NEW_FILE, _ALL):
        raise Refusal("aa.no_such_policy_file", expected="a file of release policies in force", found=place)
    try:
        candidate = _candidate(text, places.get(place) or _beside(desk))
        tried = desk.dry_run([candidate], last=last, now=now, alone=place == _ALL, by=principal)
        report = desk.lint(now, [candidate], alone=place == _ALL)
    except ConfigurationError as problem:
        told = [
            finding_text(found, shell().pages.catalogue, _language()).replace(found.file, Path(found.file).name)
            for found in refused(problem).findings
        ]
        return _editor(administration, text, place, last, told)
    return _page(
        "tried.html",
        "admin_dry_run",
        names=_names(desk, now),
        outcome=tried.outcome,
        replaced=places[place].name if place in places else "",
        alone=place == _ALL,
        **_form_values(administration, text, place, last, []),
        **_lint_values(report),
    )


def _candidate(text: str, path: Path) -> Document:
    # Browsers send line breaks of their own.
    return parse_document(text.replace("\r\n", "\n").encode(), path)


def _beside(desk: Desk) -> Path:
    """Where a further file would stand; the name is nobody's."""
    return Path(desk.settings.release_policies[0]).parent / "(tried out).yaml"


def _last(written: str) -> int:
    if written not in map(str, DRY_RUNS):
        raise Refusal("aa.dry_run_number", expected=", ".join(map(str, DRY_RUNS)), found=written)
    return int(written)


# --- what has changed


def _history(administration: Administration) -> Response:
    administration.let_in()
    before = optional(incoming.query(), "before", max_length=19)
    found = administration.desk.records.history(limit=HISTORY_ROWS + 1, before=_serial(before) if before else None)
    rows = found[:HISTORY_ROWS]
    older = public_url_for("admin_history", before=str(rows[-1].serial)) if len(found) > HISTORY_ROWS else ""
    return _page(
        "history.html",
        "admin_history",
        rows=[(version, public_url_for("admin_change", serial=str(version.serial))) for version in rows],
        older=older,
        newest=public_url_for("admin_history") if before else "",
    )


def _change(administration: Administration, serial: str) -> Response:
    administration.let_in()
    step = administration.desk.records.step(_serial(serial))
    found = differences(step.before, step.after)
    return _page(
        "change.html",
        "admin_history",
        back=public_url_for("admin_history"),
        version=step.version,
        left_out=max(0, len(found) - MAXIMUM_SHOWN),
        changes=[(one, changed_lines(step.before, step.after, one)) for one in found[:MAXIMUM_SHOWN]],
    )


def _serial(written: str) -> int:
    if not (written.isascii() and written.isdecimal() and len(written) < 19):
        raise Missing("aa.no_such_change", expected="a serial number", found=written)
    return int(written)
