"""The Attribute Authority without a wire: is this person active, what is known about her, what may leave for this
requester.

Implements `ostiary.ports.AttributeSource`, for the IdP in the same process and for the SOAP endpoint alike.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from attribute_authority.resolver.resolver import Resolution, Resolver
from ostiary.attributes import Attributes
from ostiary.config import Holder
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
    policies_not_applied,
    release,
)
from ostiary.policy.release.wire_names import own_wire_names
from ostiary.ports import People, PersonalChoices, Release, ReleaseNote, ReleaseRequest
from ostiary.web.log import Log

FindRequester = Callable[[str, datetime], Requester | None]
"""What metadata says now about the entity with this entityID; None when it has none that is valid."""

_Tell = Callable[[ReleaseRequest, Requester, Resolution, ReleaseDecision], None]


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
        return self._considered(request, self._note)

    def preview(self, request: ReleaseRequest) -> Release:
        """The same answer for somebody who only wants to know it (`attribute_authority.explained`): no line says that it was released."""
        self._check_active(request)
        return self._considered(request, lambda *_: None)

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

    def _considered(self, request: ReleaseRequest, tell: _Tell) -> Release:
        resolution = self._resolve(request)
        requester = self._who_asks(request)
        decision = _by_policies(self._current_policies(request.at), request, requester, resolution)
        wish = self._wish(request, requester, decision)
        decision = self._as_she_chose(wish, request, requester, decision, resolution.attributes)
        tell(request, requester, resolution, decision)
        notes = tuple([ReleaseNote(note.reason, note.source, note.detail) for note in resolution.notes])
        own_names = own_wire_names(resolution.attributes)
        return Release(decision.attributes, decision, notes, wish is not None, own_names, wish)

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
            return self._as_she_chose(wish, present, requester, decision, resolution.attributes)

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

    def _wish(self, request: ReleaseRequest, requester: Requester, decision: ReleaseDecision) -> Wish | None:
        """The person's own choice, where the organisation leaves it to her."""
        if self._personal_choices is None or not decision.verdicts:
            return None
        return self._personal_choices.wish(request.principal, requester, request.at)

    def _as_she_chose(
        self,
        wish: Wish | None,
        request: ReleaseRequest,
        requester: Requester,
        decision: ReleaseDecision,
        known: Attributes,
    ) -> ReleaseDecision:
        """What becomes of the decision of the organisation's policies by the person's own choice."""
        if wish is None:
            return decision
        return as_she_wishes(decision, wish, known, requester=requester, precedence=self.precedence(request.at))

    def _current_policies(self, at: datetime) -> ReleasePolicies:
        problem = self._policies.poll(at)
        if problem is not None:
            # The policies in force stay in force.
            self._log.error("release_policies_refused", problem=str(problem))
        # Taken before: what is applied is recorded by now.
        policies = self._policies.value
        self._record_changes(at)
        return policies

    def _note(
        self, request: ReleaseRequest, requester: Requester, resolution: Resolution, decision: ReleaseDecision
    ) -> None:
        released = {attribute.name for attribute in decision.attributes}
        self._log.info(
            "attributes_released",
            principal=request.principal,
            requester=None if request.anonymous else request.requester,
            requester_known=requester.known,
            target=request.target,
            attributes=sorted(released),
            withheld=sorted({verdict.attribute for verdict in decision.verdicts} - released),
            reasons=sorted({verdict.reason for verdict in decision.verdicts if not verdict.released}),
            rules=rules_that_released(decision),
            notes=[f"{note.reason} {note.source} {note.detail}".strip() for note in resolution.notes],
        )


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
