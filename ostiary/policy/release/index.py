"""Finds the release policies whose audience includes a requester, without looking at the others. Decides nothing else."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ostiary.config.derived import Derived
from ostiary.policy.pattern_literals import Literals
from ostiary.policy.patterns import Pattern
from ostiary.policy.release.policy import Audience, ReleasePolicy
from ostiary.policy.release.requester import Requester
from ostiary.policy.release.rules_for import RulesFor

_Key = tuple[str, ...]
_Positions = tuple[int, ...]

_REMEMBERED: Final = 4096
"""Requesters of which an index remembers the patterns that match."""


@dataclass(frozen=True, slots=True)
class ReleasePolicies:
    """Policies in their order, found by who asks. Built by `index_policies`."""

    policies: tuple[ReleasePolicy, ...]
    _by_key: Mapping[_Key, _Positions]
    _by_pattern: Callable[[str], _Positions]
    _for_others: _Positions
    _rules: Derived[RulesFor] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rules", Derived(self._rules_for))

    def rules_for(self, requester: Requester, *, keep: bool = False) -> RulesFor:
        """What they say to the requester. ``keep``: this very object will ask again, so that it is worked out once."""
        return self._rules(requester) if keep and requester.known else self._rules_for(requester)

    def _rules_for(self, requester: Requester) -> RulesFor:
        return RulesFor(self.concerning(requester), requester)

    def concerning(self, requester: Requester) -> list[ReleasePolicy]:
        """The policies whose audience includes the requester, in their order."""
        found = set(self._for_others)
        for key in _keys_of_requester(requester):
            found.update(self._by_key.get(key, ()))
        if not requester.anonymous:
            found.update(self._by_pattern(requester.entity_id))
        candidates = (self.policies[position] for position in sorted(found))
        return [policy for policy in candidates if policy.audience.includes(requester)]


def index_policies(policies: Iterable[ReleasePolicy]) -> ReleasePolicies:
    """The policies, indexed by the narrowest thing that their audience names."""
    kept = tuple(policies)
    by_key: dict[_Key, list[int]] = {}
    by_pattern: list[tuple[Pattern, int]] = []
    for_others: list[int] = []
    for position, policy in enumerate(kept):
        audience = policy.audience
        keys = _exact_keys(audience)
        if keys is None and (audience.pattern is None or not _tells_apart(audience.pattern)):
            keys = _wide_keys(audience)
        if keys is not None:
            for key in keys:
                by_key.setdefault(key, []).append(position)
        elif audience.pattern is not None:
            by_pattern.append((audience.pattern, position))
        else:
            for_others.append(position)
    return ReleasePolicies(
        kept,
        {key: tuple(positions) for key, positions in by_key.items()},
        _named_by_pattern(by_pattern),
        tuple(for_others),
    )


def _named_by_pattern(entries: Sequence[tuple[Pattern, int]]) -> Callable[[str], _Positions]:
    """What finds the positions of the patterns that match an entityID: only those are tried whose literals it has."""
    by_prefix: dict[str, list[tuple[Literals, Pattern, int]]] = {}
    for pattern, position in entries:
        for branch in pattern.literals:
            by_prefix.setdefault(branch.prefix, []).append((branch, pattern, position))
    lengths = sorted({len(prefix) for prefix in by_prefix})
    filed = {prefix: _by_rarest_part(found) for prefix, found in by_prefix.items()}

    # The answer for an entityID follows from the policies alone.
    @functools.lru_cache(maxsize=_REMEMBERED)
    def find(entity_id: str) -> _Positions:
        return tuple(
            position
            for length in lengths
            for part, candidates in filed.get(entity_id[:length], ())
            if part in entity_id
            for pattern, position in candidates
            if pattern.matches(entity_id)
        )

    return find


def _by_rarest_part(
    entries: Sequence[tuple[Literals, Pattern, int]],
) -> tuple[tuple[str, tuple[tuple[Pattern, int], ...]], ...]:
    """Filed under the part that the fewest others hold, so that few are left to try; ``""``, which every text holds, without parts."""
    how_many = Counter(part for literals, _, _ in entries for part in literals.parts)
    filed: dict[str, list[tuple[Pattern, int]]] = {}
    for literals, pattern, position in entries:
        part = min(literals.parts, key=lambda part: (how_many[part], -len(part)), default="")
        filed.setdefault(part, []).append((pattern, position))
    return tuple((part, tuple(found)) for part, found in filed.items())


def _tells_apart(pattern: Pattern) -> bool:
    """Whether its literals say more than that it is a URL."""
    return all(branch.parts or len(branch.prefix) > len("https://") for branch in pattern.literals)


NO_POLICIES = index_policies(())


def _exact_keys(audience: Audience) -> list[_Key] | None:
    """One of these is among the keys of each requester that the audience includes; None where it names nothing so narrow."""
    if audience.anonymous:
        return [("anonymous",)]
    if audience.entity_ids is not None:
        return [("id", name) for name in audience.entity_ids]
    for test in audience.entity_attributes:
        if test.values is not None:
            return [("attribute", test.name, value) for value in test.values]
    if audience.categories is not None:
        return [("category", name) for name in audience.categories]
    return None


def _wide_keys(audience: Audience) -> list[_Key] | None:
    """The same for what many requesters share."""
    if audience.entity_attributes:
        return [("attribute", audience.entity_attributes[0].name)]
    if audience.authorities is not None:
        return [("authority", name) for name in audience.authorities]
    return None


def _keys_of_requester(requester: Requester) -> Iterator[_Key]:
    if requester.anonymous:
        yield ("anonymous",)
        return
    yield ("id", requester.entity_id)
    for category in requester.entity_categories:
        yield ("category", category)
    for name, values in requester.entity_attributes:
        yield ("attribute", name)
        for value in values:
            yield ("attribute", name, value)
    if requester.registration_authority is not None:
        yield ("authority", requester.registration_authority)
