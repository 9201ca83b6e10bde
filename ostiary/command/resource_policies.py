"""What a resource's acceptance policy and access rules make of given facts, and what in them can hardly be meant. Asks the code that
decides in service; decides nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from ostiary.attributes import (
    NAME_ID_VALUED,
    SCOPED,
    Attribute,
    Attributes,
    NameIdValue,
    Value,
    make_attribute,
    make_name_id_value,
    make_value,
)
from ostiary.config import load_settings
from ostiary.errors import Refusal
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance import AcceptanceDecision, AcceptancePolicy, Issuer, Scope, accept
from ostiary.policy.acceptance_changes import Requirement, combined, missing
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.policy.acceptance_doubts import acceptance_doubts, given_names
from ostiary.policy.access import Decision, Environment, Resource, Subject
from ostiary.policy.access_conditions import GROUPS_AND_ROLES
from ostiary.policy.access_document import load_access_policy
from ostiary.policy.access_doubts import access_doubts
from ostiary.policy.doubts import Doubt
from ostiary.policy.names import friendly
from ostiary.web.log import Log
from ostiary.web.metadata_log import registry_at
from ostiary.x509.fqan import parse_fqan
from sp_shire.addresses import Addresses
from sp_shire.applications import domain_named
from sp_shire.settings import ShireSettings
from sp_shire.shar.learning import issuer_of

Kind = Literal["accept", "access"]


@dataclass(frozen=True, slots=True)
class ExplainedAcceptance:
    """``known``: whether metadata knows the issuer; ``attributes`` what goes on, combinations included; ``missing`` what is required."""

    issuer: Issuer
    known: bool
    decision: AcceptanceDecision
    attributes: Attributes
    missing: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class ExplainedAccess:
    """One request and its decision."""

    method: str
    resource: Resource
    environment: Environment
    subject: Subject
    decision: Decision


def explain_acceptance(
    config: Path, issuer: str, told: Sequence[str], *, application: str = "", now: datetime, log: Log
) -> ExplainedAcceptance:
    """``told``: ``name=value``, as many as there are; ``application``: the application domain, empty for the resource itself. Raises
    `ConfigurationError`, and `Refusal` (``explain.attribute``)."""
    settings = _settings(config, application)
    policy = load_acceptance_policy(settings.accept)
    entity = _registry(settings, now, log).get(issuer, now)
    who = issuer_of(issuer, entity)
    decision = accept(policy, who, read_attributes(told), at=now, audience=settings.entity_id)
    attributes = combined(policy.combinations, decision.attributes, now)
    return ExplainedAcceptance(who, entity is not None, decision, attributes, missing(policy.required, attributes, now))


def explain_access(
    config: Path,
    path: str,
    *,
    method: str,
    told: Sequence[str],
    fqans: Sequence[str],
    issuer: str | None,
    authn_context: str | None,
    age: timedelta,
    at: datetime,
    network: str | None,
    host: str | None,
    application: str = "",
) -> ExplainedAccess:
    """``told``: ``name=value`` as accepted. Raises `ConfigurationError`, `Refusal` (``explain.attribute``, ``x509.fqan``)."""
    settings = _settings(config, application)
    policy = load_access_policy(settings.access)
    groups = make_attribute(GROUPS_AND_ROLES, [parse_fqan(text).short() for text in fqans])
    scoped = scoped_names(load_acceptance_policy(settings.accept))
    attributes = read_attributes(told, scoped) + ((groups,) if fqans else ())
    subject = Subject(attributes, issuer, at - age, authn_context)
    resource = Resource(path, host or _host(settings), settings.application)
    environment = Environment(at, network)
    return ExplainedAccess(
        method, resource, environment, subject, policy.decide(subject, method, resource, environment)
    )


def scoped_names(policy: AcceptancePolicy) -> frozenset[str]:
    """The names under which values with a scope go on."""
    scoped = SCOPED | {rule.gives for rule in policy.rules if rule.attribute in SCOPED}
    for making in policy.combinations:
        if scoped.issuperset(making.sources):
            scoped |= {making.name}
    return scoped


def read_attributes(told: Sequence[str], scoped: frozenset[str] = SCOPED) -> Attributes:
    """What ``name=value`` texts say; a persistent name is written ``IdP!SP!value``, and of a ``scoped`` one the scope stands behind the @.

    Raises `Refusal` (``explain.attribute``).
    """
    values: dict[str, list[str]] = {}
    for text in told:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise Refusal("explain.attribute", expected="name=value", found=text[:200])
        values.setdefault(friendly(name), []).append(value)
    return tuple(
        Attribute(name, tuple(make_name_id_value(_name_id(text)) for text in texts))
        if name in NAME_ID_VALUED
        else Attribute(name, tuple(_value(name, text, scoped) for text in texts))
        for name, texts in values.items()
    )


def _value(name: str, text: str, scoped: frozenset[str]) -> Value:
    left, at, scope = text.rpartition("@")
    if name in SCOPED or name not in scoped or not at:
        return make_value(name, text)
    return Value(left, scope)


def _name_id(text: str) -> NameIdValue:
    parts = text.split("!")
    return NameIdValue(parts[2], parts[0], parts[1]) if len(parts) == 3 else NameIdValue(text)


def find_doubts(
    kind: Kind, files: Sequence[Path], config: Path | None, *, now: datetime, log: Log
) -> tuple[tuple[Path, ...], tuple[Doubt, ...]]:
    """The files looked at, and what in them can hardly be meant. ``config``: sp.yaml, whose policies are looked at where no ``files`` are
    given, and whose other policy and metadata tell more. Raises `ConfigurationError`."""
    settings = load_settings(config, ShireSettings) if config is not None else None
    if kind == "accept":
        paths = tuple(files) or (settings.accept if settings else ())
        found = acceptance_doubts(load_acceptance_policy(paths))
        scopes = _scope_doubts(_registry(settings, now, log), now) if settings else ()
        return paths, (*found, *scopes)
    paths = tuple(files) or (settings.access if settings else ())
    accepted = given_names(load_acceptance_policy(settings.accept)) if settings else None
    return paths, access_doubts(load_access_policy(paths), now, accepted)


def _scope_doubts(registry: Registry, now: datetime) -> tuple[Doubt, ...]:
    """Expressions in metadata that our language does not have: what they were meant to cover is refused."""
    return tuple(
        dict.fromkeys(
            Doubt("scope_covers_nothing", "", scope.value, entity.entity_id)
            for entity in registry.all(now)
            for role in (entity.idp, entity.aa)
            if role is not None
            for scope in role.scopes
            if Scope(scope.value, scope.is_pattern).covers_nothing
        )
    )


def _settings(config: Path, application: str) -> ShireSettings:
    settings = load_settings(config, ShireSettings)
    return domain_named(settings, application, config) if application else settings


def _registry(settings: ShireSettings, now: datetime, log: Log) -> Registry:
    return registry_at(settings.trust, now, log)


def _host(settings: ShireSettings) -> str:
    return Addresses(settings).host_name
