"""The Attribute Authority without a wire: is this person active, what is known about her, what may leave for this
requester.

Implements `ostiary.ports.AttributeSource`, for the IdP in the same process and for the SOAP endpoint alike.
"""

from collections.abc import Callable
from datetime import datetime

from attribute_authority.resolver.resolver import Resolution, Resolver
from ostiary.attributes import Attributes
from ostiary.config import Holder
from ostiary.errors import Missing, Unavailable
from ostiary.policy.release import ReleaseDecision, ReleasePolicies, Requester, as_she_wishes, release
from ostiary.ports import People, PersonalChoices, Release, ReleaseNote, ReleaseRequest
from ostiary.web.log import Log

FindRequester = Callable[[str, datetime], Requester | None]
"""What metadata says now about the entity with this entityID; None when it has none that is valid."""


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
        close_people: Callable[[], None] = lambda: None,
    ) -> None:
        self._people = people
        self._resolver = resolver
        self._policies = policies
        self._find_requester = find_requester
        self._log = log
        self._personal_choices = personal_choices
        self._close_people = close_people

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
        resolution = self._resolver.resolve(request.principal, request.at, request.requester)
        requester = self._find_requester(request.requester, request.at)
        if requester is None:
            requester = Requester(request.requester, known=False)
        decision = release(
            self._current_policies(request.at),
            requester,
            resolution.attributes,
            target=request.target,
            at=request.at,
            wanted=request.wanted,
        )
        decision = self._as_she_chose(request, requester, decision, resolution.attributes)
        self._note(request, requester, resolution, decision)
        notes = tuple(ReleaseNote(note.reason, note.source, note.detail) for note in resolution.notes)
        return Release(decision.attributes, decision, notes)

    def about(self, principal: str, at: datetime) -> dict[str, tuple[str, ...]]:
        """What is known about a person by friendly name, whoever may learn it: for the organisation's own decisions about her.

        Raises `Unavailable` when any connector does not answer, for what is missing would decide, too.
        """
        resolution = self._resolver.resolve(principal, at)
        failed = next((note for note in resolution.notes if note.reason == "connector_failed"), None)
        if failed is not None:
            raise Unavailable("aa.connector_failed", expected=f"an answer of {failed.source}", found=failed.detail)
        return {attribute.name: attribute.texts() for attribute in resolution.attributes}

    def _as_she_chose(
        self, request: ReleaseRequest, requester: Requester, decision: ReleaseDecision, known: Attributes
    ) -> ReleaseDecision:
        """After the organisation's policies the person's own choice, where the organisation leaves it to her."""
        if self._personal_choices is None or not decision.verdicts:
            return decision
        wish = self._personal_choices.wish(request.principal, requester, request.at)
        return as_she_wishes(decision, wish, known) if wish is not None else decision

    def _current_policies(self, at: datetime) -> ReleasePolicies:
        problem = self._policies.poll(at)
        if problem is not None:
            # The policies in force stay in force.
            self._log.error("release_policies_refused", problem=str(problem))
        return self._policies.value

    def _note(
        self, request: ReleaseRequest, requester: Requester, resolution: Resolution, decision: ReleaseDecision
    ) -> None:
        released = {attribute.name for attribute in decision.attributes}
        self._log.info(
            "attributes_released",
            principal=request.principal,
            requester=request.requester,
            requester_known=requester.known,
            target=request.target,
            attributes=sorted(released),
            withheld=sorted({verdict.attribute for verdict in decision.verdicts} - released),
            reasons=sorted({verdict.reason for verdict in decision.verdicts if not verdict.released}),
            rules=rules_that_released(decision),
            notes=[f"{note.reason} {note.source} {note.detail}".strip() for note in resolution.notes],
        )


def rules_that_released(decision: ReleaseDecision) -> list[str]:
    """``policy/rule`` of each rule that let a value leave, sorted."""
    return sorted({f"{verdict.policy}/{verdict.rule}" for verdict in decision.verdicts if verdict.released})
