"""One view of a resource whose parts (application domains) are told different things: what goes anywhere, and for which pages alone. Pure.

Her choice is about the whole resource. So a value counts as recommended where any part recommends it, as mandatory where any part makes it
so, and as forbidden only where every part forbids it; what then leaves to one part, the policies of that part decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from attribute_authority.explained import ExplainedRelease
from ostiary.attributes import Value
from ostiary.policy.release import ReleaseDecision, ReleasePolicies, Requester, Verdict

MAXIMUM_PLACES: Final = 10
"""Parts of one resource that are looked at."""

_GOING: Final = 2

Places = Mapping[tuple[str, Value], tuple[str, ...]]
"""For an attribute's value the URLs below which alone it goes, or would go if she let it; nothing where that is everywhere."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The answers for all parts as one."""

    explained: ExplainedRelease
    places: Places


def targets_of(policies: ReleasePolicies, requester: Requester, usual: str | None) -> tuple[str | None, ...]:
    """For which application domains to look: the one that counts when the resource names none, and those of which policies speak."""
    trees = [
        tree.url
        for policy in policies.concerning(requester)
        for tree in policy.targets
        if tree.origin in requester.origins
    ]
    return tuple(dict.fromkeys((usual, *trees)))[: MAXIMUM_PLACES + 1]


def joined(answers: Sequence[ExplainedRelease]) -> Joined:
    """``answers``: one for each of the targets, the usual one first."""
    first = answers[0]
    if len(answers) == 1:
        return Joined(first, {})
    found: dict[tuple[str, Value], list[tuple[Verdict, str]]] = {}
    for answer in answers:
        for verdict in answer.release.decision.verdicts:
            found.setdefault((verdict.attribute, verdict.value), []).append((verdict, answer.request.target or ""))
    verdicts = tuple(min((verdict for verdict, _ in said), key=_rank) for said in found.values())
    decision = ReleaseDecision((), verdicts)
    places = {
        key: tuple(target for verdict, target in said if _rank(verdict) <= _GOING)
        for key, said in found.items()
        if _rank(said[0][0]) > _GOING >= min(_rank(verdict) for verdict, _ in said)
    }
    explained = replace(first, release=first.release._replace(attributes=(), decision=decision, conclusions=None))
    return Joined(explained, places)


def _rank(verdict: Verdict) -> int:
    """The lower, the more it says about what goes anywhere."""
    if verdict.bound:
        return 0 if verdict.released else 9
    if verdict.released:
        return 1
    match verdict.reason:
        case "withheld" | "not_asked":
            return _GOING
        case "deny":
            return 3
        case "no_rule":
            return 4
    return 5
