"""What a set of policies says to one requester: found once, for everything that it asks. Decides nothing about a value."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ostiary.policy.release.circumstances import Circumstances
from ostiary.policy.release.policy import ReleasePolicy, ReleaseRule
from ostiary.policy.release.requester import Requester
from ostiary.policy.urltree import Location
from ostiary.policy.values import EVERY_VALUE, ValueTest

_NONE: Final[frozenset[int]] = frozenset()


class RuleFor(NamedTuple):
    """One rule. ``position`` is that of its policy; ``only`` are the values that its policy's permits are limited to, None: any; ``test``
    is the rule's, None where every value passes."""

    position: int
    policy: ReleasePolicy
    rule: ReleaseRule
    only: frozenset[str] | None
    test: ValueTest | None


class RulesAbout(NamedTuple):
    """The rules about an attribute, each kind in the order in which they decide: what binds the person comes first. ``counting``: how many
    values there are makes a difference to some."""

    denials: tuple[RuleFor, ...]
    permits: tuple[RuleFor, ...]
    counting: bool


class RulesFor:
    """The rules of the policies that are for ``requester``. Safe for use by several threads."""

    __slots__ = ("_about", "_conditional", "_policies", "_requester")

    def __init__(self, policies: Sequence[ReleasePolicy], requester: Requester) -> None:
        self._policies = tuple(policies)
        self._requester = requester
        self._conditional = tuple(
            (position, policy) for position, policy in enumerate(policies) if policy.depends_on_request
        )
        self._about: dict[str, RulesAbout] = {}

    @property
    def depend_on_moment(self) -> bool:
        """Whether what they say to the same request may be something else at another time, whatever the attributes."""
        return any(policy.when.depends_on_moment for _, policy in self._conditional)

    def about(self, name: str) -> RulesAbout:
        """Those about the attribute of that name."""
        found = self._about.get(name)
        if found is None:
            found = self._about[name] = self._found(name)
        return found

    def idle(
        self, location: Location | None, at: datetime, circumstances: Circumstances
    ) -> tuple[frozenset[int], frozenset[int]]:
        """The positions of the policies whose denials do not apply to such a request, and of those whose permits do not."""
        if not self._conditional:
            return _NONE, _NONE
        request = self._requester, location, at, circumstances
        return (
            frozenset([position for position, policy in self._conditional if not policy.denies_under(*request)]),
            frozenset([position for position, policy in self._conditional if not policy.permits_under(*request)]),
        )

    def _found(self, name: str) -> RulesAbout:
        denials, permits = [], []
        for position, policy in enumerate(self._policies):
            about = [rule for rule in policy.rules if rule.is_about(name)]
            denials += [RuleFor(position, policy, rule, None, _test(rule)) for rule in about if not rule.permits]
            if policy.permits_for(self._requester):
                only = policy.values_asked(self._requester, name)
                permits += [RuleFor(position, policy, rule, only, _test(rule)) for rule in about if rule.permits]
        # The sort is stable: apart from that, the order of the policies.
        denials.sort(key=lambda one: one.policy.strength != "forbidden")
        permits.sort(key=lambda one: one.policy.strength != "mandatory")
        counting = any(one.rule.count is not None for one in (*denials, *permits))
        return RulesAbout(tuple(denials), tuple(permits), counting)


def _test(rule: ReleaseRule) -> ValueTest | None:
    return rule.test if rule.test != EVERY_VALUE else None
