"""Decides which asserted values are believed (attribute acceptance policy, AAP): may this issuer assert this value?

Everything that no rule names is thrown out. Never verifies signatures and never reads metadata: the issuer is handed
in as proven, with the scopes that its metadata registers.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ostiary.attributes import (
    NAME_ID_VALUED,
    SCOPED,
    Attribute,
    Attributes,
    NameIdValue,
    Value,
    make_name_id_value,
    make_value,
)
from ostiary.errors import Refusal
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS, is_identifier
from ostiary.policy.acceptance_changes import Change, Combination, Requirement, united
from ostiary.policy.patterns import Pattern, compile_pattern
from ostiary.policy.values import EVERY_VALUE, ValueTest

NO_RULE = "no rule"
_PLAIN_LEFT = re.compile(r"[^@\s\x00-\x20\x7f-\x9f]{1,256}")
# SAML core 8.3.7: at most 256 characters. A "!" would make two names read alike once their qualifiers stand before them.
_PLAIN_NAME = re.compile(r"[^!\s\x00-\x20\x7f-\x9f]{1,256}")
MAX_SCOPE_LENGTH = 255

AcceptanceReason = Literal[
    "accepted",
    "no_rule",
    "issuer",
    "value",
    "scope",
    "scope_missing",
    "scope_unexpected",
    "expired",
    "other_issuer",
    "not_mapped",
]


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope registered for an issuer (``shibmd:Scope``), literal or a regular expression.

    An expression outside the language of `ostiary.policy.patterns` covers nothing: metadata comes from elsewhere, and
    what it writes wrongly must neither stop the login of others nor open a door.
    """

    value: str
    is_pattern: bool = False
    _pattern: Pattern | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _safe_pattern(self.value) if self.is_pattern else None)

    def covers(self, scope: str) -> bool:
        """Whether ``scope`` (the part after ``@``) is registered by this; the whole of it must match, and case
        counts.
        """
        if not self.is_pattern:
            return scope == self.value
        return self._pattern is not None and len(scope) <= MAX_SCOPE_LENGTH and self._pattern.matches(scope)

    @property
    def covers_nothing(self) -> bool:
        """Whether it is an expression that this language does not have."""
        return self.is_pattern and self._pattern is None


def _safe_pattern(text: str) -> Pattern | None:
    try:
        return compile_pattern(text)
    except Refusal:
        return None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who asserts, as proven, with what its metadata says about it."""

    entity_id: str
    scopes: tuple[Scope, ...] = ()
    registration_authority: str | None = None
    entity_categories: tuple[str, ...] = ()

    def may_use(self, scope: str) -> bool:
        """Whether the scope is registered for this issuer."""
        return any(registered.covers(scope) for registered in self.scopes)


@dataclass(frozen=True, slots=True)
class IssuerTest:
    """Which issuers a rule believes: each thing that is given must hold; nothing given holds for all."""

    entity_ids: frozenset[str] | None = None
    pattern: Pattern | None = None
    authorities: frozenset[str] | None = None
    categories: frozenset[str] | None = None

    def holds(self, issuer: Issuer) -> bool:
        """Whether the rule believes this issuer."""
        return (
            (self.entity_ids is None or issuer.entity_id in self.entity_ids)
            and (self.authorities is None or issuer.registration_authority in self.authorities)
            and (self.categories is None or not self.categories.isdisjoint(issuer.entity_categories))
            and (self.pattern is None or self.pattern.matches(issuer.entity_id))
        )


ANY_ISSUER = IssuerTest()


@dataclass(frozen=True, slots=True)
class AcceptanceRule:
    """Accepts values of one attribute. ``registered_scope``: the value's scope must be registered for the issuer.
    ``registered_value``: the whole value must be (schacHomeOrganization). ``rename``: the name it goes by from here
    on; ``change``: what becomes of the text before the scope.
    """

    id: str
    attribute: str
    issuers: IssuerTest = ANY_ISSUER
    test: ValueTest = EVERY_VALUE
    registered_scope: bool = False
    registered_value: bool = False
    rename: str | None = None
    change: Change | None = None

    @property
    def gives(self) -> str:
        """The name under which accepted values go on."""
        return self.rename or self.attribute


@dataclass(frozen=True, slots=True)
class AcceptancePolicy:
    """A compiled acceptance policy. Built by `index_rules`. ``combinations`` and ``required`` speak of what was accepted from everybody
    who was asked (`ostiary.policy.acceptance_changes`)."""

    rules: tuple[AcceptanceRule, ...]
    _by_attribute: Mapping[str, tuple[AcceptanceRule, ...]]
    combinations: tuple[Combination, ...] = ()
    required: tuple[Requirement, ...] = ()

    def about(self, name: str) -> tuple[AcceptanceRule, ...]:
        """The rules about one attribute, in their order."""
        return self._by_attribute.get(name, ())


def index_rules(
    rules: Iterable[AcceptanceRule],
    *,
    combinations: Iterable[Combination] = (),
    required: Iterable[Requirement] = (),
) -> AcceptancePolicy:
    """The rules, indexed by the attribute that they speak of."""
    kept = tuple(rules)
    by_attribute: dict[str, tuple[AcceptanceRule, ...]] = {}
    for rule in kept:
        by_attribute[rule.attribute] = (*by_attribute.get(rule.attribute, ()), rule)
    return AcceptancePolicy(kept, by_attribute, tuple(combinations), tuple(required))


@dataclass(frozen=True, slots=True)
class AcceptanceVerdict:
    """What was decided about one value. ``rule`` is the rule that accepted it, or the last one that came near (it
    failed at ``reason``), or ``NO_RULE``; ``name`` is the name under which the value goes on, empty when it does
    not; ``becomes`` what it goes on as, where the rule made another value of it.
    """

    attribute: str
    value: Value
    accepted: bool
    rule: str
    reason: AcceptanceReason
    name: str = ""
    becomes: Value | None = None


@dataclass(frozen=True, slots=True)
class AcceptanceDecision:
    """What is believed, each attribute with its issuer, and one verdict for each value that arrived."""

    attributes: Attributes
    verdicts: tuple[AcceptanceVerdict, ...]


def accept(
    policy: AcceptancePolicy, issuer: Issuer, attributes: Attributes, *, at: datetime, audience: str | None = None
) -> AcceptanceDecision:
    """Which of ``attributes``, asserted by ``issuer``, are believed at the instant ``at`` by ``audience`` (this resource's entityID).

    The first rule about an attribute whose tests all hold, and which makes something of the value, accepts it under the rule's name for it.
    A value of a scoped attribute (`ostiary.attributes.SCOPED`) without a scope is refused, as is a scope on any other, and a scoped value
    whose left part is empty or holds blanks or another ``@``, and a subject-id or pairwise-id of another form than its profile's. What
    claims to come from another issuer than the proven one is refused. What differs in values alone goes on as one attribute.

    A persistent name (eduPersonTargetedID) is this issuer's for this audience: other qualifiers are refused, absent ones filled in, so that
    it goes on as ``IdP!SP!value`` (SAML core 8.3.7). Nothing else is such a name, whatever its text looks like.
    """
    verdicts: list[AcceptanceVerdict] = []
    accepted: list[Attribute] = []
    for attribute in attributes:
        kept: dict[str, list[Value]] = {}
        for asserted in attribute.values:
            value = asserted if asserted.name_id is None else _qualified(asserted.name_id, issuer, audience)
            verdict = _verdict(policy, issuer, attribute, value, at, audience)
            verdicts.append(verdict)
            if verdict.accepted:
                kept.setdefault(verdict.name, []).append(verdict.becomes or value)
        accepted.extend(_accepted(attribute, name, values, issuer) for name, values in kept.items())
    return AcceptanceDecision(united(accepted), tuple(verdicts))


def _accepted(attribute: Attribute, name: str, values: list[Value], issuer: Issuer) -> Attribute:
    wire_name = attribute.wire_name if name == attribute.name else None
    once = tuple(dict.fromkeys(values))
    return attribute._replace(name=name, values=once, issuer=issuer.entity_id, wire_name=wire_name)


def _qualified(name: NameIdValue, issuer: Issuer, audience: str | None) -> Value:
    """The persistent name with the qualifiers that stand for absent ones."""
    return make_name_id_value(
        NameIdValue(name.value, name.name_qualifier or issuer.entity_id, name.sp_name_qualifier or audience)
    )


def _verdict(
    policy: AcceptancePolicy, issuer: Issuer, attribute: Attribute, value: Value, at: datetime, audience: str | None
) -> AcceptanceVerdict:
    name = attribute.name

    def refused(reason: AcceptanceReason, rule: str = NO_RULE) -> AcceptanceVerdict:
        return AcceptanceVerdict(name, value, False, rule, reason)

    if attribute.issuer is not None and attribute.issuer != issuer.entity_id:
        return refused("other_issuer")
    if attribute.valid_until is not None and at >= attribute.valid_until:
        return refused("expired")
    if name in SCOPED and not value.scope:
        return refused("scope_missing")
    if name not in SCOPED and value.scope is not None:
        return refused("scope_unexpected")
    if name in SCOPED and not _PLAIN_LEFT.fullmatch(value.text):
        # "alice@victim.example@home.example" is home's to say, but an application that splits at the first @ reads another scope.
        return refused("value")
    if name in SUBJECT_IDENTIFIERS and not is_identifier(str(value)):
        return refused("value")
    if value.name_id is not None:
        if value.name_id.name_qualifier != issuer.entity_id:
            return refused("other_issuer")
        if (
            audience is None
            or value.name_id.sp_name_qualifier != audience
            or not _PLAIN_NAME.fullmatch(value.name_id.value)
        ):
            return refused("value")
    elif name in NAME_ID_VALUED:
        return refused("value")
    nearest = refused("no_rule")
    for rule in policy.about(name):
        failed = _failed_test(rule, issuer, value)
        if failed is None:
            becomes = _changed(rule, value)
            if becomes is not None:
                changed = None if becomes == value else becomes
                return AcceptanceVerdict(name, value, True, rule.id, "accepted", rule.gives, changed)
            failed = "not_mapped"
        nearest = refused(failed, rule.id)
    return nearest


def _changed(rule: AcceptanceRule, value: Value) -> Value | None:
    """What the value goes on as, its scope the same; None where there is nothing, or nothing of the form that its new name demands."""
    becomes = value
    if rule.change is not None:
        text = rule.change.of(value.text)
        if not text or (value.scope is not None and not _PLAIN_LEFT.fullmatch(text)):
            return None
        becomes = Value(text, value.scope)
    if rule.gives in SUBJECT_IDENTIFIERS and (rule.change is not None or rule.gives != rule.attribute):
        becomes = make_value(rule.gives, str(becomes))
        return becomes if is_identifier(str(becomes)) else None
    return becomes


def _failed_test(rule: AcceptanceRule, issuer: Issuer, value: Value) -> AcceptanceReason | None:
    if not rule.issuers.holds(issuer):
        return "issuer"
    if rule.registered_scope and not (value.scope is not None and issuer.may_use(value.scope)):
        return "scope"
    if rule.registered_value and not issuer.may_use(str(value)):
        return "scope"
    if not rule.test.holds(value):
        return "value"
    return None
