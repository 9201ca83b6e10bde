"""What administrators ask, by page or by command, each answered as things are at the moment. Changes nothing but the audit.

The roof puts a `Desk` together; pages and commands only show what it says.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from attribute_authority.administration import lint as linting
from attribute_authority.administration.administrators import FindPerson, is_administrator
from attribute_authority.administration.content import digest_of
from attribute_authority.administration.documents import exchanged, policy_files, with_bundles
from attribute_authority.administration.dry_run import DryRun, try_out
from attribute_authority.administration.lint import LintReport, World
from attribute_authority.administration.records import PolicyRecords
from attribute_authority.administration.requests import LONGEST_REPLAY, PastRequest, RememberedRequests
from attribute_authority.authority import Authority
from attribute_authority.explained import ExplainedRelease, explain_release, with_policies_not_applied
from attribute_authority.requesters import find_requester_in, requester_of
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary import audit
from ostiary.config import Document
from ostiary.errors import ConfigurationError, Missing
from ostiary.federation.registry import Registry
from ostiary.policy.release import ReleaseDecision, ReleasePolicies, ReleasePolicy
from ostiary.policy.release.document import compile_release_policies
from ostiary.ports import ReleaseRequest
from ostiary.storage.engine import writing

LOOKED_AT: Final = "attributes.looked_at"
"""The action of the audit rows about values that an administrator has seen."""
TRIED_OUT: Final = "release_policies.tried_out"
"""That of the rows about policies that an administrator tried out in a page."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file with its policies, in their order; ``path`` as the configuration leads to it."""

    path: str
    policies: tuple[ReleasePolicy, ...]


@dataclass(frozen=True, slots=True)
class TriedOut:
    """A dry run. ``replaced`` files in force stood aside for candidates, ``added`` candidates stand for none of them."""

    outcome: DryRun
    replaced: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """``registry`` gives the metadata of the moment; ``requests`` are remembered in one database or in several; ``find_person`` finds whose
    login name something is; ``engine`` is the database of the audit, ``writer`` the chain in it."""

    settings: AttributeAuthoritySettings
    authority: Authority
    registry: Callable[[], Registry]
    requests: tuple[RememberedRequests, ...]
    records: PolicyRecords
    find_person: FindPerson
    engine: Engine
    writer: str = "aa"

    def is_administrator(self, principal: str, now: datetime) -> bool:
        """Whether she may be here now. Raises `Unavailable` where that can't be found out."""
        return is_administrator(
            principal,
            self.settings.administrators,
            lambda who: self.authority.about(who, now),
            self.find_person,
        )

    def files(self) -> tuple[Path, ...]:
        """The files of release policies that the configuration leads to."""
        return policy_files(self.settings.release_policies)

    def policies(self, now: datetime) -> tuple[PolicyFile, ...]:
        """What is in force, by file."""
        by_file: dict[str, list[ReleasePolicy]] = {}
        for policy in self.authority.policies(now).policies:
            by_file.setdefault(policy.file, []).append(policy)
        return tuple(PolicyFile(path, tuple(policies)) for path, policies in by_file.items())

    def lint(self, now: datetime, candidates: Sequence[Document] = (), *, alone: bool = False) -> LintReport:
        """What is to be said of the files as they are now, or with ``candidates`` in their places (`exchanged`). A file that can't be used
        is a finding. Raises `Refusal` (``aa.dry_run_ambiguous``)."""
        return lint_documents(self.settings, self.registry(), now, candidates, alone=alone)

    def dry_run(
        self, candidates: Sequence[Document], *, last: int, now: datetime, alone: bool = False, by: str | None = None
    ) -> TriedOut:
        """What the candidates, in the places of the files in force with their names, would have changed about the ``last`` requests.

        ``by``: the administrator whose page it is, for the audit. Raises `ConfigurationError` for candidates that can't be used, `Refusal`
        (``aa.dry_run_ambiguous``), `Unavailable`.
        """
        documents, places = exchanged(self.files(), candidates, alone=alone)
        candidate = compile_release_policies(documents)
        past = self._latest(min(last, LONGEST_REPLAY))

        def decide(request: ReleaseRequest, policies: Sequence[ReleasePolicies]) -> Sequence[ReleaseDecision]:
            return self.authority.compared(request, policies, now)

        outcome = try_out(past, self.authority.policies(now), candidate, decide)
        if by is not None:
            # What was tried is told by its digest: conditions about people can be made to answer questions about them.
            tried = [
                f"{one.path.name[:50]} {digest_of(json.dumps(one.data, default=str).encode())}"
                for one in candidates[:40]
            ]
            facts = {"candidates": tried, "tried": outcome.tried, "touched": outcome.touched}
            self._record(TRIED_OUT, now, by, facts)
        return TriedOut(
            outcome,
            tuple(str(place) for place in places.values() if place is not None),
            tuple(path.name for path, place in places.items() if place is None and not alone),
        )

    def look(self, request: ReleaseRequest, login_name: str, *, by: str) -> ExplainedRelease:
        """What the requester would be told about her now, with her values, which ``by`` (a principal) sees: that is an audit row, written
        before. Raises as `Authority.preview` does."""
        explained = with_policies_not_applied(
            self.authority, explain_release(self.authority, find_requester_in(self.registry), request, login_name)
        )
        shown = sorted({verdict.attribute for verdict in explained.release.decision.verdicts})
        facts = {"for": request.requester[:1024], "attributes": [name[:50] for name in shown[:40]]}
        self._record(LOOKED_AT, request.at, by, facts, subject=request.principal)
        return explained

    def person(self, login_name: str) -> str:
        """Her principal. Raises `Missing` (``people.unknown``), `Unavailable`."""
        principal = self.find_person(login_name)
        if principal is None:
            raise Missing("people.unknown", expected="a login name of this organisation", found=login_name)
        return principal

    def _record(
        self, action: str, at: datetime, by: str, facts: Mapping[str, object], subject: str | None = None
    ) -> None:
        with writing(self.engine) as connection:
            audit.record(connection, at=at, writer=self.writer, actor=by, action=action, subject=subject, facts=facts)

    def _latest(self, last: int) -> list[PastRequest]:
        found = [one for kept in self.requests for one in kept.latest(last, authority=self.settings.authority_index)]
        found.sort(key=lambda one: one.request.at, reverse=True)
        return found[:last]


def lint_documents(
    settings: AttributeAuthoritySettings,
    registry: Registry,
    now: datetime,
    candidates: Sequence[Document] = (),
    *,
    alone: bool = False,
) -> LintReport:
    """As `Desk.lint`, for those who need nothing but the files."""
    try:
        written, _ = exchanged(policy_files(settings.release_policies), candidates, alone=alone)
        documents = with_bundles(written)
        policies = compile_release_policies(documents)
    except ConfigurationError as problem:
        return linting.refused(problem)
    return linting.lint(documents, policies, world_of(settings, registry, now))


def world_of(settings: AttributeAuthoritySettings, registry: Registry, now: datetime) -> World:
    """What there is now: resources of the metadata, attributes of the resolver."""
    definitions = settings.resolver.definitions
    return World(
        tuple(requester_of(entity) for entity in registry.all(now) if entity.sp is not None),
        frozenset(definition.attribute for definition in definitions if not definition.internal),
        now,
        frozenset(definition.attribute for definition in definitions if definition.internal),
    )


def resources(registry: Registry, now: datetime, *languages: str) -> list[tuple[str, str]]:
    """Name and entityID of each resource that metadata knows now, by name."""
    found: Iterable[tuple[str, str]] = (
        (entity.name(*languages), entity.entity_id) for entity in registry.all(now) if entity.sp is not None
    )
    return sorted(found, key=lambda one: (one[0].casefold(), one[1]))
