"""Decides who may enter: THE interface ``decide(subject, action, resource, environment) -> Decision`` and its first
engine, rules on URL paths. Default is deny. Never authenticates and never fetches attributes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

from ostiary.attributes import Attribute, Attributes
from ostiary.policy.urltree import Segments, read_path
from ostiary.policy.values import ValueTest


@dataclass(frozen=True, slots=True)
class Subject:
    """Who wants in: attributes that an acceptance policy let pass, who asserted them, and how and when she logged in.

    ``authn_context`` is the AuthnContextClassRef (SAML core 2.7.2.2), ``authenticated_at`` the AuthnInstant.
    """

    attributes: Attributes
    issuer: str | None = None
    authenticated_at: datetime | None = None
    authn_context: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """What she wants. ``path`` is absolute and percent-decoded once, as the application sees it (text, not WSGI's
    latin-1); ``host`` without port; ``application`` the application domain by name.
    """

    path: str
    host: str = ""
    application: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """The circumstances: the present instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """One elementary condition and how it came out, for people: ``found`` are the values looked at. ``negated``: the rule wants that it
    does not hold."""

    kind: Literal["attribute", "authn_context", "authn_age", "authenticated"]
    name: str
    expected: str
    found: tuple[str, ...]
    holds: bool
    negated: bool = False

    @property
    def met(self) -> bool:
        """Whether it came out as the rule wants it."""
        return self.holds is not self.negated


ReasonCode = Literal[
    "access.permitted",
    "access.not_met",
    "access.no_rule",
    "access.path_unreadable",
    "access.path_ambiguous",
]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: the rule that decided (empty when none did), its author's own words, and what was checked. ``one_is_enough``: the rule is
    met as soon as one of the checks is."""

    code: ReasonCode
    rule: str = ""
    because: str = ""
    checks: tuple[Check, ...] = ()
    one_is_enough: bool = False


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the enforcer must do besides. ``reauthenticate`` comes with a denial that a new login would turn: then
    ``authn_contexts`` are the classes that it may use (empty: any)."""

    name: Literal["reauthenticate"]
    authn_contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. ``attributes`` are what the application may be told: the subject's valid ones, or none on a
    denial.
    """

    allow: bool
    reasons: tuple[Reason, ...]
    attributes: Attributes = ()
    obligations: tuple[Obligation, ...] = ()


class AccessDecider(Protocol):
    """Whatever engine decides about access."""

    def decide(self, subject: Subject, action: str, resource: Resource, environment: Environment) -> Decision:
        """Whether ``subject`` may do ``action`` (an HTTP method) on ``resource``. Never raises for what a client
        sent.
        """
        ...


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """The subject has the attribute, with a value that passes the test."""

    attribute: str
    test: ValueTest
    expected: str


@dataclass(frozen=True, slots=True)
class ContextCondition:
    """She logged in by one of these authentication context classes."""

    contexts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgeCondition:
    """Her login is not older than this."""

    within: timedelta


@dataclass(frozen=True, slots=True)
class AuthenticatedCondition:
    """She is logged in: holds for every subject."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each part holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; for an attribute that she lacks, this holds."""

    part: "Condition"


Condition = AttributeCondition | ContextCondition | AgeCondition | AuthenticatedCondition | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may enter below some paths. ``None`` for methods, hosts and applications means all of them."""

    id: str
    prefixes: tuple[Segments, ...]
    condition: Condition
    because: str = ""
    methods: frozenset[str] | None = None
    hosts: frozenset[str] | None = None
    applications: frozenset[str] | None = None

    def concerns(self, resource: Resource) -> bool:
        """Whether host and application are this rule's."""
        host = resource.host.lower().removesuffix(".")
        return (self.hosts is None or host in self.hosts) and (
            self.applications is None or resource.application in self.applications
        )

    def has_method(self, method: str) -> bool:
        """Whether the rule speaks of this method; a HEAD request reads what GET reads."""
        return self.methods is None or method in self.methods or (method == "HEAD" and "GET" in self.methods)


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Compiled access rules. Built by `index_rules`.

    The deepest path that any rule for this host and application names owns the request; of its rules the first one
    that speaks of the method decides. Where none does, the answer is no: a shorter path never takes over, so that a
    rule for ``GET /admin`` does not leave ``POST /admin`` to the rule for ``/``.
    """

    rules: tuple[AccessRule, ...]
    _by_prefix: Mapping[Segments, tuple[AccessRule, ...]]

    def decide(self, subject: Subject, action: str, resource: Resource, environment: Environment) -> Decision:
        """See `AccessDecider.decide`. A path that hides where it leads is denied, as is one that servers read in
        different ways which fall under different rules.
        """
        readings = read_path(resource.path)
        if not readings:
            return Decision(False, (Reason("access.path_unreadable"),))
        found = [self._rule(reading, action.upper(), resource) for reading in readings]
        rule = found[0]
        if any(other is not rule for other in found):
            return Decision(False, (Reason("access.path_ambiguous"),))
        if rule is None:
            return Decision(False, (Reason("access.no_rule"),))
        usable = tuple(attribute for attribute in subject.attributes if _is_valid(attribute, environment.at))
        checks: list[Check] = []
        enough = _one_is_enough(rule.condition)
        if _evaluate(rule.condition, subject, usable, environment.at, checks):
            return Decision(True, (Reason("access.permitted", rule.id, rule.because, tuple(checks), enough),), usable)
        contexts = _contexts_that_help(rule.condition, subject, usable, environment.at)
        obligations = () if contexts is None else (Obligation("reauthenticate", contexts),)
        return Decision(
            False, (Reason("access.not_met", rule.id, rule.because, tuple(checks), enough),), (), obligations
        )

    def _rule(self, segments: Segments, method: str, resource: Resource) -> AccessRule | None:
        for depth in range(len(segments), -1, -1):
            owners = [rule for rule in self._by_prefix.get(segments[:depth], ()) if rule.concerns(resource)]
            if owners:
                return next((rule for rule in owners if rule.has_method(method)), None)
        return None


def index_rules(rules: Iterable[AccessRule]) -> AccessPolicy:
    """The rules, indexed by path prefix."""
    kept = tuple(rules)
    by_prefix: dict[Segments, tuple[AccessRule, ...]] = {}
    for rule in kept:
        for prefix in dict.fromkeys(rule.prefixes):
            by_prefix[prefix] = (*by_prefix.get(prefix, ()), rule)
    return AccessPolicy(kept, by_prefix)


def _is_valid(attribute: Attribute, at: datetime) -> bool:
    return attribute.valid_until is None or at < attribute.valid_until


def _one_is_enough(condition: Condition) -> bool:
    return isinstance(condition, AnyOf) and not any(isinstance(part, AllOf | AnyOf | Not) for part in condition.parts)


def _evaluate(
    condition: Condition,
    subject: Subject,
    usable: Attributes,
    at: datetime,
    checks: list[Check],
    negated: bool = False,
) -> bool:
    """Whether the condition holds. Every elementary condition is looked at and noted: people want the whole reason."""
    match condition:
        case AllOf(parts):
            held = [_evaluate(part, subject, usable, at, checks, negated) for part in parts]
            return all(held)
        case AnyOf(parts):
            held = [_evaluate(part, subject, usable, at, checks, negated) for part in parts]
            return any(held)
        case Not(part):
            return not _evaluate(part, subject, usable, at, checks, not negated)
        case _:
            check = _check(condition, subject, usable, at)
            checks.append(replace(check, negated=True) if negated else check)
            return check.holds


def _check(
    condition: AttributeCondition | ContextCondition | AgeCondition | AuthenticatedCondition,
    subject: Subject,
    usable: Attributes,
    at: datetime,
) -> Check:
    match condition:
        case AttributeCondition(name, test, expected):
            values = [value for attribute in usable if attribute.name == name for value in attribute.values]
            found = tuple(str(value) for value in values)
            return Check("attribute", name, expected, found, any(test.holds(value) for value in values))
        case ContextCondition(contexts):
            found = () if subject.authn_context is None else (subject.authn_context,)
            return Check("authn_context", "", " | ".join(contexts), found, subject.authn_context in contexts)
        case AgeCondition(within):
            if subject.authenticated_at is None:
                return Check("authn_age", "", str(within), (), False)
            age = at - subject.authenticated_at
            return Check("authn_age", "", str(within), (str(age),), age <= within)
        case AuthenticatedCondition():
            return Check("authenticated", "", "", (), True)


def _contexts_that_help(
    condition: Condition, subject: Subject, usable: Attributes, at: datetime
) -> tuple[str, ...] | None:
    """None when a new login cannot make the condition hold, else the context classes by which it can (empty: any)."""
    contexts = tuple(dict.fromkeys(_contexts(condition)))
    for context in (subject.authn_context, *contexts):
        renewed = Subject(usable, subject.issuer, at, context)
        if _evaluate(condition, renewed, usable, at, []):
            if context == subject.authn_context:
                return ()
            return tuple(
                other
                for other in contexts
                if _evaluate(condition, Subject(usable, subject.issuer, at, other), usable, at, [])
            )
    return None


def _contexts(condition: Condition) -> list[str]:
    match condition:
        case ContextCondition(contexts):
            return list(contexts)
        case AllOf(parts) | AnyOf(parts):
            return [context for part in parts for context in _contexts(part)]
        case Not(part):
            return _contexts(part)
        case _:
            return []
