"""The first engine of decisions about access: rules on URL paths. Default is deny. Never authenticates and never fetches attributes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ostiary.attributes import Attributes
from ostiary.policy.access import Check, Decision, Environment, Obligation, Reason, Resource, Subject
from ostiary.policy.access_conditions import Condition, one_is_enough
from ostiary.policy.urltree import Segments, read_path


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
        return (self.hosts is None or resource.host.lower().removesuffix(".") in self.hosts) and (
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
        method = action.upper()
        rule = self._rule(readings[0], method, resource)
        if any(self._rule(reading, method, resource) is not rule for reading in readings[1:]):
            return Decision(False, (Reason("access.path_ambiguous"),))
        if rule is None:
            return Decision(False, (Reason("access.no_rule"),))
        usable = _usable(subject.attributes, environment)
        checks: list[Check] = []
        allow = rule.condition.known(subject, usable, environment, checks, False) is True
        enough = one_is_enough(rule.condition)
        if allow:
            return Decision(True, (Reason("access.permitted", rule.id, rule.because, tuple(checks), enough),), usable)
        contexts = _contexts_that_help(rule.condition, subject, usable, environment)
        obligations = () if contexts is None else (Obligation("reauthenticate", contexts),)
        return Decision(
            False, (Reason("access.not_met", rule.id, rule.because, tuple(checks), enough),), (), obligations
        )

    def _rule(self, segments: Segments, method: str, resource: Resource) -> AccessRule | None:
        by_prefix = self._by_prefix
        for depth in range(len(segments), -1, -1):
            found = by_prefix.get(segments[:depth])
            if found is None:
                continue
            owned = False
            for rule in found:
                if rule.concerns(resource):
                    if rule.has_method(method):
                        return rule
                    owned = True
            if owned:
                return None
        return None


def index_rules(rules: Iterable[AccessRule]) -> AccessPolicy:
    """The rules, indexed by path prefix."""
    kept = tuple(rules)
    by_prefix: dict[Segments, tuple[AccessRule, ...]] = {}
    for rule in kept:
        for prefix in dict.fromkeys(rule.prefixes):
            by_prefix[prefix] = (*by_prefix.get(prefix, ()), rule)
    return AccessPolicy(kept, by_prefix)


def _usable(attributes: Attributes, environment: Environment) -> Attributes:
    at = environment.at
    usable = [attribute for attribute in attributes if attribute.valid_until is None or at < attribute.valid_until]
    return attributes if len(usable) == len(attributes) else tuple(usable)


def _contexts_that_help(
    condition: Condition, subject: Subject, usable: Attributes, environment: Environment
) -> tuple[str, ...] | None:
    """None when a new login cannot make the condition hold, else the context classes by which it can (empty: any)."""

    def holds_by(context: str | None) -> bool:
        renewed = Subject(usable, subject.issuer, environment.at, context)
        return condition.known(renewed, usable, environment, [], False) is True

    if holds_by(subject.authn_context):
        return ()
    return tuple(context for context in dict.fromkeys(condition.contexts) if holds_by(context)) or None
