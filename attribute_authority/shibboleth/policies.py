"""Policies of an attribute filter as release policies of this software: one for each alternative of a requirement, its rules by attribute.

Never widens: where something can't be said, what it would permit is left out, and what it would deny is denied without it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from attribute_authority.shibboleth.filter_file import FilterPolicy, FilterRule
from attribute_authority.shibboleth.formula import (
    ALWAYS,
    All,
    Alternative,
    Formula,
    Part,
    PersonCount,
    Reason,
    Some,
    TooMany,
    alternatives,
)
from attribute_authority.shibboleth.names import AttributeIds, is_usable
from attribute_authority.shibboleth.wording import ANY_NUMBER, Said, can_not_say, say

Effect = Literal["not_permitted", "denied_more"]

_NO_ID: Final = re.compile(r"[^A-Za-z0-9 ._:/-]+")
_MAX_ID: Final = 110


@dataclass(frozen=True, slots=True)
class NotTranslated:
    """Something in the file that no policy says: where it stands, its type, why and a detail; the policy and attribute that it is about,
    and what that means for what is released."""

    line: int
    type: str
    reason: Reason
    detail: str
    policy: str
    attribute: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class TranslatedPolicy:
    """One policy of a release document, and the line of the file that it comes from."""

    line: int
    document: Mapping[str, Any]


@dataclass(slots=True)
class _Policies:
    """The policies so far that one AttributeFilterPolicy becomes: rules by what they share."""

    parts: dict[str, tuple[Mapping[str, Any], dict[str, tuple[dict[str, Any], list[str]]]]] = field(
        default_factory=dict
    )

    def add(self, said: Said, denies: bool, attribute: str) -> None:
        shared = said.policy()
        _, rules = self.parts.setdefault(repr(shared), (shared, {}))
        tests = said.rule()
        _, attributes = rules.setdefault(f"{denies} {tests!r}", ({"deny" if denies else "permit": [], **tests}, []))
        if attribute not in attributes:
            attributes.append(attribute)


def translate(
    policies: Sequence[FilterPolicy], ids: AttributeIds
) -> tuple[tuple[TranslatedPolicy, ...], tuple[NotTranslated, ...]]:
    """The release policies, in the order of the file, and what is not in them."""
    used: set[str] = set()
    translated: list[TranslatedPolicy] = []
    missing: dict[NotTranslated, None] = {}
    for policy in policies:
        found = _Policies()
        for rule in policy.rules:
            name = ids.name(rule.attribute_id)
            if not is_usable(name):
                missing[_missing(policy, rule, "AttributeRule", "name", rule.attribute_id)] = None
                continue
            for alternative in _alternatives_of(policy, rule, name, missing):
                said = _said(alternative, policy, rule, name, missing)
                if said is not None:
                    found.add(said, rule.denies, name)
        for shared, rules in found.parts.values():
            document = {"id": _unused(policy.id, used), **shared, "rules": _rules(rules.values())}
            translated.append(TranslatedPolicy(policy.line, document))
    return tuple(translated), tuple(missing)


def _rules(found: Iterable[tuple[dict[str, Any], list[str]]]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    for rule, attributes in found:
        kind = "permit" if "permit" in rule else "deny"
        rules.append({**rule, kind: attributes[0] if len(attributes) == 1 else attributes})
    return rules


def _alternatives_of(
    policy: FilterPolicy, rule: FilterRule, attribute: str, missing: dict[NotTranslated, None]
) -> tuple[Alternative, ...]:
    """Those of the requirement and the rule together. Where there are too many, a permit is left out; a denial does without what is too
    much, the rule's own condition first."""
    tries: tuple[Formula, ...] = (_counted(All((policy.requirement, rule.formula)), attribute),)
    if rule.denies:
        tries = (*tries, policy.requirement, ALWAYS)
    for formula in tries:
        try:
            return alternatives(formula)
        except TooMany:
            missing[_missing(policy, rule, "AttributeRule", "too_many", "")] = None
    return ()


def _counted(formula: Formula, attribute: str) -> Formula:
    """Of the attribute that the rule is about: not so many values are fewer, or more."""
    match formula:
        case Part(PersonCount(name, least, most), False) if name == attribute:
            fewer = (Part(PersonCount(name, 1, least - 1)),) if least > 1 else ()
            more = (Part(PersonCount(name, most + 1, ANY_NUMBER)),) if most < ANY_NUMBER else ()
            return Some((*fewer, *more))
        case All(parts):
            return All(tuple(_counted(part, attribute) for part in parts))
        case Some(parts):
            return Some(tuple(_counted(part, attribute) for part in parts))
    return formula


def _said(
    alternative: Alternative,
    policy: FilterPolicy,
    rule: FilterRule,
    attribute: str,
    missing: dict[NotTranslated, None],
) -> Said | None:
    """The alternative in the words of release policies; None where it must not, or need not, be said."""
    said = Said()
    complete = True
    for part in _in_order(alternative):
        further = say(said, part, attribute, rule.denies)
        if further is not None:
            said = further
            continue
        complete = False
        untold = can_not_say(part, rule.line)
        missing[_missing(policy, rule, untold.type, untold.reason, untold.detail, untold.line)] = None
    if not complete and not rule.denies:
        return None
    return said if said.is_possible() else None


def _in_order(alternative: Alternative) -> list[Part]:
    """Always in the same order, so that the same file becomes the same policies."""
    return sorted(alternative, key=lambda part: (not part.holds, type(part.atom).__name__, repr(_sorted(part.atom))))


def _sorted(atom: object) -> object:
    return [
        sorted(value) if isinstance(value, frozenset) else _sorted(value) if hasattr(value, "__slots__") else value
        for value in (getattr(atom, name) for name in getattr(atom, "__slots__", ()))
    ]


def _missing(
    policy: FilterPolicy, rule: FilterRule, type_: str, reason: Reason, detail: str, line: int | None = None
) -> NotTranslated:
    effect: Effect = "denied_more" if rule.denies else "not_permitted"
    return NotTranslated(line or rule.line, type_, reason, detail, policy.id, rule.attribute_id, effect)


def _unused(id_: str, used: set[str]) -> str:
    """An id of release policies that looks like this one and is not used yet."""
    stem = _NO_ID.sub(" ", id_).strip(" ._:/-")[:_MAX_ID] or "policy"
    name = stem
    number = 1
    while name in used:
        number += 1
        name = f"{stem} {number}"
    used.add(name)
    return name
