"""The Attribute Authority without a wire: is this person active, what is known about her, what may leave for this
requester.

Implements `ostiary.ports.AttributeSource`, for the IdP in the same process and for the SOAP endpoint alike.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from attribute_authority.resolver.resolver import Resolution, Resolver
from ostiary.attributes import Attributes
from ostiary.config import Holder
from ostiary.config.conclusions import Conclusions
from ostiary.errors import Missing, Unavailable
from ostiary.policy.release import (
    DEFAULT_PRECEDENCE,
    Circumstances,
    NotApplied,
    Precedence,
    ReleaseDecision,
    ReleasePolicies,
    Requester,
    Wish,
    as_she_wishes,
    is_timeless,
    policies_not_applied,
    release,
)
from ostiary.policy.release.wire_names import own_wire_names
from ostiary.ports import People, PersonalChoices, Release, ReleaseNote, ReleaseRequest
from ostiary.web.log import Log

FindRequester = Callable[[str, datetime], Requester | None]
"""What metadata says now about the entity with this entityID; None when it has none that is valid."""

# A longer question, in characters, is none that a service asks again and again, and would take room.
_LONGEST_KEPT: Final = 4_000
# Of an attribute and of a value, beside their texts.
_WEIGHT: Final = 50
_AT: Final = ReleaseRequest._fields.index("at")


class _Considered(NamedTuple):
    """What became of a question, and what that follows from beside the question and what is known about the person: who asks, by the
    metadata of that moment, the policies, what people may decide, and what she decided. ``by_policies`` is the decision before that,
    ``facts`` are what the log says of it all. Each of these is replaced as a whole when something in it changes, so they are compared by
    identity."""

    requester: Requester
    policies: ReleasePolicies
    precedence: Precedence
    by_policies: ReleaseDecision
    wish: Wish | None
    release: Release
    facts: Mapping[str, object]


class Authority:
    """Answers what may leave about a person of this organisation."""

    def __init__(
        self,
        *,
        people: People,
        resolver: Resolver,
        policies: Holder[ReleasePolicies],
        find_requester: FindRequester,
        log: Log,
        personal_choices: PersonalChoices | None = None,
        precedence: Holder[Precedence] | None = None,
        close_people: Callable[[], None] = lambda: None,
        record_changes: Callable[[datetime], None] = lambda at: None,
    ) -> None:
        self._people = people
        self._resolver = resolver
        self._policies = policies
        self._find_requester = find_requester
        self._log = log
        self._personal_choices = personal_choices
        self._precedence = precedence
        self._close_people = close_people
        self._record_changes = record_changes

    @property
    def people(self) -> People:
        """Of whom it speaks."""
        return self._people

    def close(self) -> None:
        """Closes what connects it to people and sources; for commands, which end."""
        self._resolver.close()
        self._close_people()

    def release(self, request: ReleaseRequest) -> Release:
        """Resolve, apply the release policies and then what the person chose herself, answer, and write one log line.

        Raises `Missing` (``aa.unknown_principal``) when there is no such person or she may not be spoken of now,
        `Unavailable` when the directory or a required connector does not answer.
        """
        if not self._people.is_active(request.principal):
            self._log.info(
                "release_refused", principal=request.principal, requester=request.requester, reason="inactive"
            )
            raise Missing("aa.unknown_principal", expected="an active person", found="none")
        considered = self._considered(request)
        self._log.info("attributes_released", **considered.facts)
        return considered.release

    def preview(self, request: ReleaseRequest) -> Release:
        """The same answer for somebody who only wants to know it (`attribute_authority.explained`): no line says that it was released."""
        self._check_active(request)
        return self._considered(request).release

    def policies(self, at: datetime) -> ReleasePolicies:
        """The release policies in force at the moment."""
        return self._current_policies(at)

    def precedence(self, at: datetime) -> Precedence:
        """What people may decide themselves, as it is in force at the moment."""
        if self._precedence is None:
            return DEFAULT_PRECEDENCE
        problem = self._precedence.poll(at)
        if problem is not None:
            self._log.error("precedence_refused", problem=str(problem))
        return self._precedence.value

    def not_applied(self, request: ReleaseRequest) -> tuple[NotApplied, ...]:
        """The policies for this requester that play no part in the answer to ``request``, and why, for explanations.

        Raises `Unavailable` when a required connector does not answer.
        """
        requester = self._who_asks(request)
        return policies_not_applied(
            self._current_policies(request.at),
            requester,
            target=request.target,
            at=request.at,
            circumstances=_circumstances(request, self._resolve(request)),
        )

    def _check_active(self, request: ReleaseRequest) -> None:
        if not self._people.is_active(request.principal):
            raise Missing("aa.unknown_principal", expected="an active person", found="none")

    def _considered(self, request: ReleaseRequest) -> _Considered:
        """The same as lately, where everything from which it follows is the same: services ask the same about the same person again."""
        resolution, requester = self._resolve(request), self._who_asks(request)
        policies, precedence = self._current_policies(request.at), self.precedence(request.at)
        question = _question(request)
        before: _Considered | None = resolution.conclusions.get(question) if question is not None else None
        if before is not None and not (
            before.requester is requester and before.policies is policies and before.precedence is precedence
        ):
            before = None
        decision = before.by_policies if before is not None else _by_policies(policies, request, requester, resolution)
        wish = self._wish(request, requester, decision, before.wish if before is not None else None)
        if before is not None and wish is before.wish:
            return before
        released = _as_she_chose(wish, requester, precedence, decision, resolution.attributes)
        notes = tuple([ReleaseNote(note.reason, note.source, note.detail) for note in resolution.notes])
        own_names = own_wire_names(resolution.attributes)
        release = Release(released.attributes, released, notes, wish is not None, own_names, wish, Conclusions())
        facts = _facts(request, requester, resolution, released)
        considered = _Considered(requester, policies, precedence, decision, wish, release, facts)
        known = resolution.attributes + resolution.internal
        if question is not None and requester.known and is_timeless(policies, requester, known):
            resolution.conclusions.keep(question, considered)
        return considered

    def _resolve(self, request: ReleaseRequest) -> Resolution:
        # A name that nobody proved gets nothing that is made for it.
        return self._resolver.resolve(request.principal, request.at, None if request.anonymous else request.requester)

    def _who_asks(self, request: ReleaseRequest) -> Requester:
        if request.anonymous:
            return Requester("", known=False, anonymous=True)
        requester = self._find_requester(request.requester, request.at)
        return requester if requester is not None else Requester(request.requester, known=False)

    def compared(
        self, request: ReleaseRequest, candidates: Sequence[ReleasePolicies], now: datetime
    ) -> tuple[ReleaseDecision, ...]:
        """What each of these sets of policies would decide about a past request, by what is known ``now``; conditions look at its own time.

        Nothing leaves. Raises as `release` does.
        """
        self._check_active(request)
        present = request._replace(at=now)
        resolution = self._resolve(present)
        requester = self._who_asks(present)

        def decided(policies: ReleasePolicies) -> ReleaseDecision:
            decision = _by_policies(policies, request, requester, resolution)
            wish = self._wish(present, requester, decision)
            return _as_she_chose(wish, requester, self.precedence(now), decision, resolution.attributes)

        return tuple(decided(policies) for policies in candidates)

    def about(self, principal: str, at: datetime) -> dict[str, tuple[str, ...]]:
        """What is known about a person by friendly name, whoever may learn it: for the organisation's own decisions about her.

        Raises `Unavailable` when any connector does not answer, for what is missing would decide, too.
        """
        resolution = self._resolver.resolve(principal, at)
        failed = next((note for note in resolution.notes if note.reason == "connector_failed"), None)
        if failed is not None:
            raise Unavailable("aa.connector_failed", expected=f"an answer of {failed.source}", found=failed.detail)
        return {attribute.name: attribute.texts() for attribute in resolution.attributes}

    def _wish(
        self, request: ReleaseRequest, requester: Requester, decision: ReleaseDecision, before: Wish | None = None
    ) -> Wish | None:
        """The person's own choice, where the organisation leaves it to her. ``before``: what it was lately."""
        if self._personal_choices is None or not decision.verdicts:
            return None
        return self._personal_choices.wish(request.principal, requester, request.at, before=before)

    def _current_policies(self, at: datetime) -> ReleasePolicies:
        problem = self._policies.poll(at)
        if problem is not None:
            # The policies in force stay in force.
            self._log.error("release_policies_refused", problem=str(problem))
        # Taken before: what is applied is recorded by now.
        policies = self._policies.value
        self._record_changes(at)
        return policies


def _question(request: ReleaseRequest) -> Hashable | None:
    """What names a question, its moment left out; None for one that is too long to be kept."""
    # The rest is known to be short.
    length = len(request.target or "") + len(request.authn_context or "")
    for one in request.wanted or ():
        length += _WEIGHT + len(one.name) + len(one.wire_name or "")
        length += sum(_WEIGHT + len(text) for text in one.texts())
    return request[:_AT] + request[_AT + 1 :] if length <= _LONGEST_KEPT else None


def _as_she_chose(
    wish: Wish | None, requester: Requester, precedence: Precedence, decision: ReleaseDecision, known: Attributes
) -> ReleaseDecision:
    """What becomes of the decision of the organisation's policies by the person's own choice."""
    if wish is None:
        return decision
    return as_she_wishes(decision, wish, known, requester=requester, precedence=precedence)


def _facts(
    request: ReleaseRequest, requester: Requester, resolution: Resolution, decision: ReleaseDecision
) -> dict[str, object]:
    """What the log says of an answer."""
    released = {attribute.name for attribute in decision.attributes}
    return {
        "principal": request.principal,
        "requester": None if request.anonymous else request.requester,
        "requester_known": requester.known,
        "target": request.target,
        "attributes": sorted(released),
        "withheld": sorted({verdict.attribute for verdict in decision.verdicts} - released),
        "reasons": sorted({verdict.reason for verdict in decision.verdicts if not verdict.released}),
        "rules": rules_that_released(decision),
        "notes": [f"{note.reason} {note.source} {note.detail}".strip() for note in resolution.notes],
    }


def _by_policies(
    policies: ReleasePolicies, request: ReleaseRequest, requester: Requester, resolution: Resolution
) -> ReleaseDecision:
    """What the organisation's policies decide, before the person's own choice."""
    return release(
        policies,
        requester,
        resolution.attributes,
        target=request.target,
        at=request.at,
        wanted=request.wanted,
        circumstances=_circumstances(request, resolution),
    )


def _circumstances(request: ReleaseRequest, resolution: Resolution) -> Circumstances:
    """What the conditions of policies look at."""
    person = resolution.attributes + resolution.internal
    return Circumstances(request.network, request.authn_context, person, resolution.uncertain)


def rules_that_released(decision: ReleaseDecision) -> list[str]:
    """``policy/rule`` of each rule that let a value leave, sorted."""
    return sorted({f"{verdict.policy}/{verdict.rule}" for verdict in decision.verdicts if verdict.released})
