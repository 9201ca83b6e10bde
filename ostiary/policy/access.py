"""THE interface of decisions about access: ``decide(subject, action, resource, environment) -> Decision``, and the data that go in and out.

Decides nothing itself; the first engine is `ostiary.policy.access_rules`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from ostiary.attributes import Attributes


@dataclass(frozen=True, slots=True)
class Subject:
    """Who wants in: attributes that an acceptance policy let pass, who asserted them, and how and when she logged in.

    ``authn_context`` is the AuthnContextClassRef (SAML core 2.7.2.2), ``authenticated_at`` the AuthnInstant. None of the three: not known.
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
    """The circumstances: the present instant, and the address that the request comes from (None: not known)."""

    at: datetime
    network: str | None = None


CheckKind = Literal[
    "attribute", "fqan", "issuer", "authn_context", "authn_age", "authenticated", "time", "weekday", "date", "network"
]


@dataclass(frozen=True, slots=True)
class Check:
    """One elementary condition and how it came out, for people: ``found`` are the values looked at, ``holds`` is None where nobody knows.
    ``negated``: the rule wants that it does not hold."""

    kind: CheckKind
    name: str
    expected: str
    found: tuple[str, ...]
    holds: bool | None
    negated: bool = False

    @property
    def met(self) -> bool:
        """Whether it is known to have come out as the rule wants it."""
        return self.holds is (not self.negated)


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
