"""What one rule makes of another: permits that a denial takes back, and rules that say what another one says already. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attribute_authority.administration.lint.coverage import covers
from attribute_authority.administration.lint.report import Finding, Places, listed
from ostiary.policy.release import ReleasePolicies, ReleasePolicy, ReleaseRule

_Rule = tuple[ReleasePolicy, ReleaseRule]

# Pairs of rules that are compared at most: people wait for it.
_MOST_PAIRS: Final = 1_000_000


def pointless(policies: ReleasePolicies, places: Places) -> tuple[list[Finding], bool]:
    """Permits that denials cover, and rules that another rule makes superfluous; whether there were too many to compare them all."""
    rules = [(policy, rule) for policy in policies.policies for rule in policy.rules]
    candidates = _Candidates(rules)
    found: list[Finding] = []
    pairs = 0
    for position, (policy, rule) in enumerate(rules):
        names: Sequence[str | None] = sorted(rule.attributes) if rule.attributes is not None else (None,)
        denied: dict[str | None, _Rule] = {}
        repeated: dict[str | None, _Rule] = {}
        for other in candidates.wide_enough_for(policy):
            pairs += 1
            if pairs > _MOST_PAIRS:
                return found, True
            if other == position:
                continue
            wide, wide_rule = rules[other]
            for name in names:
                if rule.permits and not wide_rule.permits:
                    if name not in denied and covers(wide, wide_rule, policy, rule, name):
                        denied[name] = rules[other]
                elif name not in repeated and _repeats(rules[position], rules[other], name, earlier=other < position):
                    repeated[name] = rules[other]
        found.extend(_told(policy, rule, names, denied, repeated, places))
    return found, False


def _repeats(one: _Rule, other: _Rule, name: str | None, *, earlier: bool) -> bool:
    """Whether ``one`` says of the attribute only what ``other`` says too. Of two that say the same, the later one does."""
    (policy, rule), (wide, wide_rule) = one, other
    if rule.permits is not wide_rule.permits or not _binds_no_less(wide, policy):
        return False
    if not covers(wide, wide_rule, policy, rule, name):
        return False
    return earlier or not (_binds_no_less(policy, wide) and covers(policy, rule, wide, wide_rule, name))


def _binds_no_less(wide: ReleasePolicy, narrow: ReleasePolicy) -> bool:
    return narrow.strength in ("ordinary", wide.strength)


def _told(
    policy: ReleasePolicy,
    rule: ReleaseRule,
    names: Sequence[str | None],
    denied: Mapping[str | None, _Rule],
    repeated: Mapping[str | None, _Rule],
    places: Places,
) -> Iterator[Finding]:
    def facts(covered: Mapping[str | None, _Rule]) -> dict[str, str]:
        by = listed({f"{wide.id}/{wide_rule.id}" for wide, wide_rule in covered.values()})
        return {"other": by, "attributes": listed([name for name in names if name in covered and name is not None])}

    if len(denied) == len(names):
        yield places.finding("error", "denied", policy, rule, **facts(denied))
    elif denied:
        yield places.finding("warning", "denied_partly", policy, rule, **facts(denied))
    elif len(repeated) == len(names):
        yield places.finding("hint", "superfluous", policy, rule, **facts(repeated))


class _Candidates:
    """The rules whose audience may include all of another policy's, without looking at those of other requesters."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._by_id: dict[str, list[int]] = {}
        self._by_category: dict[str, list[int]] = {}
        self._others: list[int] = []
        for position, (policy, _) in enumerate(rules):
            audience = policy.audience
            if audience.entity_ids is not None:
                for entity_id in audience.entity_ids:
                    self._by_id.setdefault(entity_id, []).append(position)
            elif audience.categories is not None:
                for category in audience.categories:
                    self._by_category.setdefault(category, []).append(position)
            else:
                self._others.append(position)

    def wide_enough_for(self, policy: ReleasePolicy) -> Iterator[int]:
        """Positions; whichever covers the policy is among them."""
        audience = policy.audience
        for names, index in ((audience.entity_ids, self._by_id), (audience.categories, self._by_category)):
            # Whoever covers all of them covers the first.
            if names:
                yield from index.get(min(names), ())
        yield from self._others
