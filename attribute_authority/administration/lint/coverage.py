"""Whether all that one rule of a release policy speaks of is spoken of by another one. Pure; where it can't tell, it says no."""

from collections.abc import Sequence
from dataclasses import fields

from ostiary.policy.patterns import Pattern
from ostiary.policy.release import Audience, ReleasePolicy, ReleaseRule
from ostiary.policy.release.circumstances import ALWAYS
from ostiary.policy.urltree import UrlTree, begins_with
from ostiary.policy.values import ValueTest

# What a pattern matches that is meant to match everything. No sensible narrower one matches all of them.
_PROBES = ("☃ ~|{}", "0", "a", "-@-", "https://x.example/?y=z#", "Ω" * 40)


def matches_everything(pattern: Pattern) -> bool:
    """Whether this pattern lets every value through that anybody writes."""
    return all(pattern.matches(probe) for probe in _PROBES)


def covers(
    wide: ReleasePolicy, wide_rule: ReleaseRule, narrow: ReleasePolicy, narrow_rule: ReleaseRule, attribute: str | None
) -> bool:
    """Whether ``wide_rule`` speaks of each value of ``attribute`` (None: of each attribute) that ``narrow_rule`` speaks of, for each
    request. Both permit, or the wide one denies."""
    return (
        (wide_rule.attributes is None or (attribute is not None and attribute in wide_rule.attributes))
        and (not wide_rule.permits or _only_covers(wide, narrow))
        and wide_rule.count in (None, narrow_rule.count)
        and wide.when in (ALWAYS, narrow.when)
        and _test_covers(wide_rule.test, narrow_rule.test)
        and _targets_cover(wide.targets, narrow.targets)
        and audience_covers(wide.audience, narrow.audience, denies=not wide_rule.permits)
    )


def audience_covers(wide: Audience, narrow: Audience, *, denies: bool = False) -> bool:
    """Whether each requester of ``narrow`` is one of ``wide``; ``denies``: as far as denials go, where ``anyone`` is really anyone."""
    if wide.unless is not None and wide.unless != narrow.unless:
        return False
    if narrow.anonymous or wide.anonymous:
        return (narrow.anonymous and wide.anonymous) or (denies and wide.anyone)
    if wide.anyone:
        return True
    if narrow.anyone:
        return False
    return (
        _within(narrow.entity_ids, wide.entity_ids)
        and _within(narrow.categories, wide.categories)
        and _within(narrow.authorities, wide.authorities)
        and all(test in narrow.entity_attributes for test in wide.entity_attributes)
        and (wide.pattern is None or wide.pattern == narrow.pattern or _all_match(narrow.entity_ids, wide.pattern))
    )


def _only_covers(wide: ReleasePolicy, narrow: ReleasePolicy) -> bool:
    return wide.only in (None, narrow.only) or (wide.only == "requested" and narrow.only == "required")


def _test_covers(wide: ValueTest, narrow: ValueTest) -> bool:
    for each in fields(ValueTest):
        demanded, given = getattr(wide, each.name), getattr(narrow, each.name)
        if demanded is None or demanded == given:
            continue
        if isinstance(demanded, Pattern):
            if matches_everything(demanded) or _all_match(narrow.exact, demanded):
                continue
        elif isinstance(demanded, frozenset) and isinstance(given, frozenset) and given <= demanded:
            continue
        return False
    return True


def _targets_cover(wide: Sequence[UrlTree], narrow: Sequence[UrlTree]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(
        any(tree.origin == inner.origin and begins_with(inner.prefix, tree.prefix) for tree in wide) for inner in narrow
    )


def _within(narrow: frozenset[str] | None, wide: frozenset[str] | None) -> bool:
    return wide is None or (narrow is not None and narrow <= wide)


def _all_match(texts: frozenset[str] | None, pattern: Pattern) -> bool:
    return bool(texts) and all(pattern.matches(text) for text in texts or ())
