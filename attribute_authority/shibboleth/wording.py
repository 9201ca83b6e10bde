"""What the keys of a release policy can say of an alternative, and what they can't. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from attribute_authority.shibboleth.formula import (
    AskedFor,
    Atom,
    LoggedInBy,
    OwnValue,
    Part,
    PersonCount,
    PersonHas,
    RegisteredBy,
    RequesterAttribute,
    RequesterName,
    TextTest,
    Untold,
    ValueText,
)
from ostiary.policy.patterns import compile_pattern
from ostiary.saml.names import ENTITY_CATEGORY

ANY_NUMBER: Final = 1_000_000

_TYPES: Final[Mapping[type, str]] = MappingProxyType(
    {
        RequesterName: "Requester",
        RequesterAttribute: "EntityAttribute",
        RegisteredBy: "RegistrationAuthority",
        AskedFor: "AttributeInMetadata",
        LoggedInBy: "AuthenticationMethod",
        PersonCount: "NumberOfAttributeValues",
        OwnValue: "Value",
    }
)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said so far: of the requester, of when, and of the value. None, or empty, is nothing."""

    requesters: frozenset[str] | None = None
    requester_pattern: str | None = None
    entity_attributes: tuple[RequesterAttribute, ...] = ()
    authorities: frozenset[str] | None = None
    only: Literal["requested", "required"] | None = None
    contexts: frozenset[str] | None = None
    person: tuple[PersonHas, ...] = ()
    exact: frozenset[str] | None = None
    left: frozenset[str] | None = None
    scope: frozenset[str] | None = None
    pattern: str | None = None
    count: tuple[int, int] | None = None
    but_requester: RequesterName | RequesterAttribute | RegisteredBy | None = None
    but_person: tuple[PersonHas, ...] = ()
    but_value: ValueText | None = None

    def is_possible(self) -> bool:
        """Whether anything can be all that."""
        sets = (self.requesters, self.authorities, self.contexts, self.exact, self.left, self.scope)
        return all(found is None or found for found in sets) and (self.count is None or self.count[0] <= self.count[1])

    def policy(self) -> dict[str, Any]:
        """The keys of the policy: for whom, and when."""
        when = _without_nothing(
            authn_context=_plain(self.contexts),
            person=_one_or_more(
                [
                    *({"attribute": has.attribute, **value_keys(has.test)} for has in self.person),
                    *({"attribute": has.attribute, **value_keys(has.test), "has": False} for has in self.but_person),
                ]
            ),
        )
        return _without_nothing(**{"for": self._audience() or {"anyone": True}}, only=self.only, when=when or None)

    def rule(self) -> dict[str, Any]:
        """The keys of the rule: for which values."""
        return _without_nothing(
            value=_plain(self.exact),
            pattern=self.pattern,
            left=_plain(self.left),
            scope=_plain(self.scope),
            unless=None if self.but_value is None else value_keys(self.but_value),
            count=None if self.count is None else _count_keys(*self.count),
        )

    def _audience(self) -> dict[str, Any]:
        but = None if self.but_requester is None else _but(self.but_requester)
        return _without_nothing(
            requesters=_plain(self.requesters),
            requester_pattern=self.requester_pattern,
            **_entity_attribute_keys(self.entity_attributes),
            registration_authority=_plain(self.authorities),
            unless=but,
        )


def _but(excepted: RequesterName | RequesterAttribute | RegisteredBy) -> dict[str, Any]:
    match excepted:
        case RequesterName(test):
            return _without_nothing(requesters=_plain(test.exact), requester_pattern=test.pattern)
        case RequesterAttribute():
            return _entity_attribute_keys((excepted,))
        case RegisteredBy(authorities):
            return _without_nothing(registration_authority=_plain(authorities))


def _entity_attribute_keys(found: tuple[RequesterAttribute, ...]) -> dict[str, Any]:
    exact = [test for test in found if test.name == ENTITY_CATEGORY and test.test.pattern is None]
    first = exact[0] if exact else None
    return _without_nothing(
        entity_category=_plain(first.test.exact) if first is not None else None,
        entity_attribute=_one_or_more(
            [
                {"name": test.name, **_without_nothing(value=_plain(test.test.exact), pattern=test.test.pattern)}
                for test in found
                if test is not first
            ]
        ),
    )


def say(said: Said, part: Part, attribute: str, denies: bool) -> Said | None:
    """``said`` and this as well; None where release policies can't say it. ``attribute`` is the one that the rule is about."""
    if not part.holds:
        return _say_not(said, part.atom, attribute)
    match part.atom:
        case RequesterName(test):
            return _requester(said, test.exact, test.pattern)
        case RequesterAttribute() as asked:
            return replace(said, entity_attributes=(*said.entity_attributes, asked))
        case RegisteredBy(authorities):
            return replace(said, authorities=_both(said.authorities, authorities))
        case AskedFor(required) if not denies:
            return replace(said, only="required" if required or said.only == "required" else "requested")
        case LoggedInBy(test) if test.pattern is None:
            return replace(said, contexts=_both(said.contexts, test.exact))
        case PersonHas() as has:
            return replace(said, person=(*said.person, has))
        case PersonCount(name, least, most) if name == attribute:
            before = said.count or (1, ANY_NUMBER)
            return replace(said, count=(max(least, before[0]), min(most, before[1])))
        case PersonCount(name, least, most) if least <= 1 and most >= ANY_NUMBER:
            return replace(said, person=(*said.person, PersonHas(name, ValueText())))
        case OwnValue(test):
            return _value(said, test)
    return None


def _say_not(said: Said, atom: Atom, attribute: str) -> Said | None:
    """One requester, or kind of requesters, can be excepted, and one test on values; of the person any number."""
    match atom:
        case RequesterName(TextTest(exact, None)) if said.requesters is not None:
            return replace(said, requesters=said.requesters - exact)
        case RequesterName() | RequesterAttribute() | RegisteredBy() if said.but_requester in (None, atom):
            return replace(said, but_requester=atom)
        case OwnValue(test) if said.but_value in (None, test):
            return replace(said, but_value=test)
        case PersonHas() as has:
            return replace(said, but_person=(*said.but_person, has))
        case PersonCount(name, least, most) if name != attribute and least <= 1 and most >= ANY_NUMBER:
            return replace(said, but_person=(*said.but_person, PersonHas(name, ValueText())))
    return None


def can_not_say(part: Part, line: int) -> Untold:
    """Why it can't be said; ``line`` is where the rule begins, for what has no line of its own."""
    atom = part.atom
    if isinstance(atom, Untold):
        return atom
    if not part.holds:
        return Untold(line, "NOT", "negation", _TYPES.get(type(atom), ""))
    match atom:
        case PersonCount(attribute):
            return Untold(line, "NumberOfAttributeValues", "other_count", attribute)
        case AskedFor():
            return Untold(line, "AttributeInMetadata", "denied_in_metadata")
        case LoggedInBy(test):
            return Untold(line, "AuthenticationMethodRegex", "method_regex", test.pattern or "")
    return Untold(line, "AND", "two_patterns")


def value_keys(test: ValueText) -> dict[str, Any]:
    """The keys of a test on values."""
    return _without_nothing(
        value=_plain(test.exact), pattern=test.pattern, left=_plain(test.left), scope=_plain(test.scope)
    )


def _requester(said: Said, exact: frozenset[str], pattern: str | None) -> Said | None:
    if pattern is None:
        named = _both(said.requesters, exact)
        return _only_matching(replace(said, requesters=named))
    if said.requester_pattern not in (None, pattern) and said.requesters is None:
        return None
    return _only_matching(replace(said, requester_pattern=pattern))


def _only_matching(said: Said) -> Said:
    """Names that are given are compared with the pattern once and for all."""
    if said.requesters is None or said.requester_pattern is None:
        return said
    pattern = compile_pattern(said.requester_pattern)
    return replace(
        said,
        requesters=frozenset(name for name in said.requesters if pattern.matches(name)),
        requester_pattern=None,
    )


def _value(said: Said, test: ValueText) -> Said | None:
    if test.pattern is not None and said.pattern not in (None, test.pattern):
        return None
    return replace(
        said,
        exact=_both(said.exact, test.exact or None),
        left=_both(said.left, test.left or None),
        scope=_both(said.scope, test.scope or None),
        pattern=test.pattern or said.pattern,
    )


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _count_keys(least: int, most: int) -> Mapping[str, int]:
    return {**({"min": least} if least > 1 else {}), **({"max": most} if most < ANY_NUMBER else {})}


def _plain(texts: frozenset[str] | None) -> str | list[str] | None:
    """A text alone, or a sorted list of them."""
    if not texts:
        return None
    return next(iter(texts)) if len(texts) == 1 else sorted(texts)


def _one_or_more(found: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]] | None:
    if not found:
        return None
    return found[0] if len(found) == 1 else found


def _without_nothing(**keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}
