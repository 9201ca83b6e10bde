"""One question to the Attribute Authority with its answer, and what explains it: what `ostiary explain release` and the pages share.

Asks exactly as the services do; nothing leaves, so nothing is written down as released. Decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from attribute_authority.authority import FindRequester
from ostiary.policy.release import NotApplied, ReleasePolicies, Requester
from ostiary.policy.release.wire_names import requested_in_our_names
from ostiary.ports import Release, ReleaseRequest


class Previews(Protocol):
    """An Attribute Authority, as far as it can be asked what it would answer."""

    def preview(self, request: ReleaseRequest) -> Release:
        """As `ostiary.ports.AttributeSource.release`, for somebody who only wants to know. Raises as that does."""
        ...

    def policies(self, at: datetime) -> ReleasePolicies:
        """The release policies by which it answers."""
        ...


@dataclass(frozen=True, slots=True)
class ExplainedRelease:
    """``person`` is what the one who asks calls her; ``requester`` None: no valid metadata knows it; ``files``: where each policy
    stands, ``descriptions``: what it says of itself for people, by its id; ``not_applied``: which policies for the requester play no part
    (`with_policies_not_applied`)."""

    person: str
    request: ReleaseRequest
    requester: Requester | None
    release: Release
    files: Mapping[str, str]
    descriptions: Mapping[str, str]
    not_applied: tuple[NotApplied, ...] = ()

    def asked_for(self, name: str) -> str:
        """``required``, ``requested`` or ``no``, by the requester's metadata."""
        requested = self.requester.requested if self.requester is not None else ()
        found = [asked for asked in requested if asked.name == name]
        if not found:
            return "no"
        return "required" if any(asked.required for asked in found) else "requested"

    def unknown_attributes(self) -> tuple[str, ...]:
        """What the requester's metadata asks for, and no value is known of."""
        known = {verdict.attribute for verdict in self.release.decision.verdicts}
        requested = self.requester.requested if self.requester is not None else ()
        return tuple(dict.fromkeys(asked.name for asked in requested if asked.name not in known))


class SaysWhatDoesNotApply(Protocol):
    """An Attribute Authority, as far as it can be asked which policies play no part in an answer."""

    def not_applied(self, request: ReleaseRequest) -> tuple[NotApplied, ...]:
        """The policies for this requester that do not apply to the request, and why. Raises `Unavailable`."""
        ...


def explain_release(
    authority: Previews, find_requester: FindRequester, request: ReleaseRequest, person: str = ""
) -> ExplainedRelease:
    """What ``authority`` would answer to ``request`` now, and by which rules; ``find_requester`` is the one that it goes by. Raises as
    `Previews.preview` does."""
    answer = authority.preview(request)
    policies = authority.policies(request.at).policies
    requester = find_requester(request.requester, request.at)
    return ExplainedRelease(
        person,
        request,
        requested_in_our_names(requester, answer.wire_names) if requester is not None else None,
        answer,
        {policy.id: policy.file for policy in policies},
        {policy.id: policy.description for policy in policies},
    )


def with_policies_not_applied(authority: SaysWhatDoesNotApply, explained: ExplainedRelease) -> ExplainedRelease:
    """The same with the policies that are for this requester and do not apply to the request as it stands."""
    return replace(explained, not_applied=authority.not_applied(explained.request))
