"""Learns about a person at her login and later: from her Response, from her home organisation's Attribute Authority, from further ones.

What each of them says goes through the acceptance policy with that authority as its issuer. An authority that refuses her home's question
ends the session; one that does not answer leads to what the settings say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from ostiary.attributes import Attributes
from ostiary.errors import Denied, OstiaryError, Unavailable
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance import AcceptancePolicy, Issuer, Scope, accept
from ostiary.policy.acceptance_changes import combined, missing
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.sessions.bounds import check_bounds
from sp_shire.sessions.incomplete import AttributesMissing
from sp_shire.sessions.records import Knowledge, Login, Source
from sp_shire.settings import ShireSettings
from sp_shire.shar.acceptance_log import log_acceptance
from sp_shire.shar.knowing import (
    knowledge_of,
    merged,
    named_by,
    serves_until,
    sources_of,
    too_old,
    with_persistent_name,
)
from sp_shire.shar.query import Answer, Shar
from sp_shire.shar.settings import FurtherAuthoritySettings

_RETRY: Final = timedelta(minutes=1)
ASKED_JUST_NOW: Final = timedelta(seconds=30)
"""Nobody has to be asked more often, however often somebody presses the button."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is in force at an instant: who is trusted, what is believed, and who asks."""

    registry: Registry
    policy: AcceptancePolicy
    shar: Shar
    now: datetime


class Learning:
    """What one resource finds out about people."""

    def __init__(self, settings: ShireSettings, addresses: Addresses, log: Log) -> None:
        self._settings = settings
        self._times = settings.sessions
        self._mode = settings.attributes_from
        self._down = settings.down
        self._further = {one.authority: one for one in settings.aggregation}
        self._origin = addresses.origin
        self._log = log

    def at_login(self, login: Login, target: str, around: Around) -> Knowledge:
        """What is known when she logs in on her way to the path ``target``.

        Raises what the query of her home's authority raises; `Unavailable` (``sp.authority_down``) when an authority that is needed does
        not answer, `Denied` (``sp.aggregation_subject``) when one that is needed can't be told whom to speak of, `AttributesMissing` when
        what the acceptance policy requires is not known.
        """
        sources = tuple(self._from_home(login, target, around))
        home = merged(source.attributes for source in sources)
        everything = (*sources, *(self._from(one, login, home, around) for one in self._further.values()))
        return self._known(everything, login, around, target)

    def renewed(self, login: Login, known: Knowledge, around: Around, *, everything: bool = False) -> Knowledge:
        """The same later: what is due is asked for again (``everything``: also what is not, unless it was asked for just now), what has run
        out is gone.

        Raises `Denied` when her home's authority refuses, and when what is required is not known any more (`AttributesMissing`). One that
        does not answer leaves what it said before.
        """
        sources: list[Source] = []
        for source in sources_of(login, known):
            due = source.ask_again is not None and (
                around.now >= source.ask_again or (everything and not _was_asked_just_now(source, around.now))
            )
            if due and source.way == "query":
                sources.append(self._again(login, source, around))
            elif not due or source.way == "response":
                sources.append(source)
            elif (further := self._further.get(source.authority)) is not None:
                home = merged(one.attributes for one in sources if one.way != "further")
                sources.append(self._from(further, login, home, around, before=source))
        if self._mode == "query" and any(source.way == "query" and not source.problem for source in sources):
            # It stood in while the authority was down.
            sources = [source for source in sources if source.way != "response"]
        return self._known(sources, login, around)

    def check(self, known: Knowledge, registry: Registry, now: datetime) -> None:
        """Raises `Unavailable` where an authority that is needed has not answered for too long: ``sp.authority_down``,
        ``sp.attributes_too_old``."""
        if not known.queried:
            return
        for source in known.sources:
            if source.ask_again is None or not source.problem or not self._needs(source):
                continue
            if self._down.renewal == "refuse" and source.fresh_until is not None and now >= source.fresh_until:
                raise self._no_answer("sp.authority_down", source, registry, now)
            if too_old(source, self._times.attributes_at_most, now) and not self._stands_in(source, known):
                raise self._no_answer("sp.attributes_too_old", source, registry, now)

    def _from_home(self, login: Login, target: str, around: Around) -> Iterator[Source]:
        brings = bool(login.attributes)
        takes = self._mode in ("response", "response_and_query") or (self._mode == "response_or_query" and brings)
        brought = self._brought(login, around) if takes else None
        if brought is not None:
            yield brought
        if self._mode == "response" or (self._mode == "response_or_query" and brings):
            return
        try:
            yield self._asked(login, target, around)
        except Unavailable as problem:
            failed = self._failed(Source(login.issuer, "query", None, target=target), problem, around)
            self._log.warning("authority_down", authority=login.issuer, code=problem.code, found=problem.found)
            stand_in = (brought or self._brought(login, around)) if self._down.login == "go_on" else None
            if stand_in is None or not stand_in.attributes:
                raise self._no_answer("sp.authority_down", failed, around.registry, around.now) from problem
            if brought is None:
                yield stand_in
            yield replace(failed, fresh_until=around.now + self._times.attributes)

    def _brought(self, login: Login, around: Around) -> Source:
        return self._said(login.issuer, "response", with_persistent_name(login, login.attributes), around)

    def _again(self, login: Login, source: Source, around: Around) -> Source:
        try:
            return self._asked(login, source.target, around)
        except Denied:
            raise
        except OstiaryError as error:
            self._log.warning("attributes_not_renewed", idp=login.issuer, code=error.code, found=error.found)
            # Also when they are too old to serve: until the next try nobody waits for an authority that does not answer.
            return self._failed(source, error, around)

    def _asked(self, login: Login, target: str, around: Around) -> Source:
        role = around.registry.aa(login.issuer, around.now)
        answer = Answer((), None)
        if role is not None:
            wanted, url = self._settings.queried_names, (self._origin + target) if target else None
            answer = around.shar.ask(login.issuer, role, login.name_id, around.now, target=url, wanted=wanted)
        answer = answer._replace(attributes=with_persistent_name(login, answer.attributes))
        return replace(self._answered(login.issuer, "query", answer, around), target=target)

    def _from(
        self,
        further: FurtherAuthoritySettings,
        login: Login,
        home: Attributes,
        around: Around,
        before: Source | None = None,
    ) -> Source:
        """What a further authority says; ``before``: what it said the last time, None at a login."""
        try:
            return self._asked_further(further, login, home, around)
        except OstiaryError as error:
            known = before if before is not None else Source(further.authority, "further", None)
            self._log.warning("not_aggregated", authority=further.authority, code=error.code, found=error.found)
            failed = self._failed(known, error, around)
            if before is not None or not further.required:
                return failed
            if isinstance(error, Unavailable):
                raise self._no_answer("sp.authority_down", failed, around.registry, around.now) from error
            raise

    def _asked_further(
        self, further: FurtherAuthoritySettings, login: Login, home: Attributes, around: Around
    ) -> Source:
        authority = further.authority
        name_id = named_by(further, login, home)
        if name_id is None:
            name = around.registry.name_of(authority, around.now)
            raise Denied("sp.aggregation_subject", expected="exactly one value", authority=name, name=further.subject)
        role = around.registry.aa(authority, around.now)
        if role is None:
            raise Unavailable("shar.no_endpoint", expected="metadata with an Attribute Authority", found=authority)
        try:
            answer = around.shar.ask(authority, role, name_id, around.now, wanted=further.attributes)
        except Denied as refused:
            # To it she is nobody: that is an answer, and most people are no members of most collaborations.
            self._log.info("not_known_to_authority", authority=authority, code=refused.code, found=refused.found)
            answer = Answer((), None)
        return self._answered(authority, "further", answer, around)

    def _answered(self, authority: str, way: Literal["query", "further"], answer: Answer, around: Around) -> Source:
        until = serves_until(around.now, self._times.attributes, answer.until)
        said = self._said(authority, way, answer.attributes, around)
        return replace(said, fresh_until=until, ask_again=until)

    def _failed(self, source: Source, problem: OstiaryError, around: Around) -> Source:
        if isinstance(problem, Denied):
            # Asking sooner would not help.
            return replace(source, problem=problem.code, ask_again=around.now + self._times.attributes)
        again = max(around.now + _RETRY, around.shar.breakers.asks_again_at(source.authority, around.now))
        return replace(source, problem=problem.code, ask_again=again)

    def _said(
        self, authority: str, way: Literal["response", "query", "further"], attributes: Attributes, around: Around
    ) -> Source:
        check_bounds(attributes, self._times.largest)
        issuer = issuer_of(authority, around.registry.get(authority, around.now))
        believed = accept(around.policy, issuer, attributes, at=around.now, audience=self._settings.entity_id)
        log_acceptance(self._log, issuer, believed, values=self._settings.log_attribute_values)
        return Source(
            authority,
            way,
            around.now,
            attributes=believed.attributes,
            withheld=tuple((v.attribute, str(v.value), v.reason) for v in believed.verdicts if not v.accepted),
            rules=tuple(dict.fromkeys((v.name, v.rule) for v in believed.verdicts if v.accepted)),
        )

    def _known(self, sources: Iterable[Source], login: Login, around: Around, target: str = "") -> Knowledge:
        """Raises `AttributesMissing`."""
        policy, now = around.policy, around.now
        known = knowledge_of(tuple(sources), self._times.attributes_at_most, now)
        if policy.combinations:
            known = replace(known, attributes=combined(policy.combinations, known.attributes, now))
        if (unfulfilled := missing(policy.required, known.attributes, now)) and not self._is_refused(known, around):
            raise AttributesMissing(login.issuer, unfulfilled, known, target)
        return known

    def _is_refused(self, known: Knowledge, around: Around) -> bool:
        """Whether she is told anyway that an authority is silent: then nobody knows that something is missing."""
        try:
            self.check(known, around.registry, around.now)
        except Unavailable:
            return True
        return False

    def _needs(self, source: Source) -> bool:
        """Whether she can't go on without what this one says."""
        if source.way == "query":
            return True
        further = self._further.get(source.authority)
        return further is not None and further.required

    def _stands_in(self, source: Source, known: Knowledge) -> bool:
        """Whether what came with the Response serves in place of what was asked for."""
        return source.way == "query" and any(one.way == "response" and one.attributes for one in known.sources)

    def _no_answer(self, code: str, source: Source, registry: Registry, now: datetime) -> Unavailable:
        wait = (source.ask_again or now) - now
        return Unavailable(
            code,
            expected=f"an answer of {source.authority}",
            found=source.problem or "none",
            retry_after=max(1, round(wait.total_seconds())),
            authority=registry.name_of(source.authority, now),
        )


def _was_asked_just_now(source: Source, now: datetime) -> bool:
    """It has answered, or did not answer and will be asked again soon."""
    if source.problem and source.problem != "sp.aggregation_subject":
        return source.ask_again is not None and now < source.ask_again
    return source.at is not None and now < source.at + ASKED_JUST_NOW


def issuer_of(entity_id: str, entity: Entity | None) -> Issuer:
    """Whoever asserts, with what metadata says about it (None: nothing)."""
    if entity is None:
        return Issuer(entity_id)
    scopes = {
        (scope.value, scope.is_pattern) for role in (entity.idp, entity.aa) if role is not None for scope in role.scopes
    }
    return Issuer(
        entity_id=entity_id,
        scopes=tuple(Scope(value, is_pattern) for value, is_pattern in sorted(scopes)),
        registration_authority=entity.registration_authority,
        entity_categories=entity.entity_categories,
    )
