"""Reads access rules from YAML files and compiles them; never applies them.

The format is the schema access-policy.schema.json.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from ostiary.config import Duration, Sources, WrongSetting, networks, settings_from
from ostiary.policy.access_conditions import (
    AgeCondition,
    AllOf,
    AnyOf,
    AttributeCondition,
    AuthenticatedCondition,
    Condition,
    ContextCondition,
    FqanCondition,
    IssuerCondition,
    NetworkCondition,
    Not,
    TimeCondition,
)
from ostiary.policy.access_rules import AccessPolicy, AccessRule, index_rules
from ostiary.policy.fields import (
    AttributeName,
    Id,
    Networks,
    PathPrefixes,
    PolicyFields,
    Text,
    Texts,
    UniqueIds,
    ValueTestFields,
    as_set,
    checked_by,
    listed,
    load_documents,
    one_or_many,
)
from ostiary.policy.names import friendly
from ostiary.policy.time_fields import TimesFields
from ostiary.policy.times import TimeKey
from ostiary.policy.urltree import make_prefix
from ostiary.x509.fqan import MAX_LENGTH, parse_fqan

_CONDITION_KEYS = (
    "all",
    "any",
    "not",
    "attribute",
    "fqan",
    "issuer",
    "authn_context",
    "authenticated_within",
    "authenticated",
    "when",
    "network",
)


def _each(change: Callable[[str], str]) -> BeforeValidator:
    def changed(value: Any) -> Any:
        items = listed(value)
        if not isinstance(items, list | tuple):
            return items
        return tuple(change(item) if isinstance(item, str) else item for item in items)

    return BeforeValidator(changed)


def _many(pattern: str, maximum: int) -> WithJsonSchema:
    return WithJsonSchema(one_or_many({"type": "string", "pattern": pattern, "maxLength": maximum}))


Methods = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z]+$", max_length=32)], ...],
    Field(min_length=1),
    _each(str.upper),
    _many("^[A-Za-z]+$", 32),
]
Hosts = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]*[a-z0-9]$|^\[[0-9a-f:.]+\]$", max_length=253)], ...],
    Field(min_length=1),
    _each(str.lower),
    _many(r"^[A-Za-z0-9_.-]*[A-Za-z0-9]$|^\[[0-9A-Fa-f:.]+\]$", 253),
]


_FQAN = r"^(/[A-Za-z0-9_.-]+)+(/Role=[A-Za-z0-9_.-]+)?(/Capability=NULL)?$"
Fqans = Annotated[
    tuple[Annotated[str, AfterValidator(checked_by(parse_fqan))], ...],
    Field(min_length=1),
    BeforeValidator(listed),
    _many(_FQAN, MAX_LENGTH),
]


class WhenFields(TimesFields):
    """When it holds. Each key given must hold at the moment of the request."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [key]} for key in ("time", "weekdays", "dates")]}
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.time is None and self.weekdays is None and self.dates is None:
            raise WrongSetting("policy.empty_condition", expected="one or more of time, weekdays, dates", found="none")
        return self

    def words(self) -> tuple[tuple[TimeKey, str], ...]:
        """Each span as it is written, the time of day with its zone."""
        words: list[tuple[TimeKey, str]] = []
        if self.dates is not None:
            words.append(("date", f"{self.dates.start or ''}/{self.dates.end or ''}"))
        if self.weekdays is not None:
            words.append(("weekday", " | ".join(self.weekdays)))
        if self.time is not None:
            words.append(("time", f"{self.time.start} - {self.time.end} {self.time_zone or 'UTC'}"))
        return tuple(words)


class ConditionFields(ValueTestFields):
    """One condition: exactly one of all, any, not, attribute, fqan, issuer, authn_context, authenticated_within, authenticated, when,
    network.

    With ``attribute`` stand the tests on its values: one value that passes all of them is enough. With ``fqan`` may stand ``below``.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [key]} for key in _CONDITION_KEYS],
            "dependentRequired": {
                **{key: ["attribute"] for key in ("value", "pattern", "left", "scope")},
                "below": ["fqan"],
            },
        }
    )

    all: tuple["ConditionFields", ...] | None = Field(default=None, min_length=1, description="Each of these holds.")
    any: tuple["ConditionFields", ...] | None = Field(default=None, min_length=1, description="One of these holds.")
    negated: "ConditionFields | None" = Field(
        default=None, alias="not", description="This does not hold; for an attribute that is missing, `not` holds."
    )
    attribute: AttributeName | None = Field(default=None, description="The person has this attribute.")
    scope: Texts | None = Field(default=None, description="The scope of the value is one of these.")
    fqan: Fqans | None = Field(
        default=None,
        description="She has one of these groups or roles of a VO, such as /bio/analysis or /bio/analysis/Role=manager; "
        "exactly this group, and in a bare group no role in particular.",
    )
    below: Literal[True] | None = Field(
        default=None, description="Groups below count, too; for a bare group every role in it as well."
    )
    issuer: Texts | None = Field(default=None, description="Her home organisation is one of these (entityIDs).")
    authn_context: Texts | None = Field(default=None, description="Logged in by one of these AuthnContextClassRefs.")
    authenticated_within: (
        Annotated[Duration, WithJsonSchema({"type": "string", "pattern": "^([0-9]+[dhms])+$"})] | None
    ) = Field(default=None, description="The login is not older than this, for instance 30m.")
    authenticated: Literal[True] | None = Field(default=None, description="Logged in: enough for everybody.")

    when: WhenFields | None = Field(default=None, description="Only at these times.")
    network: Networks | None = Field(
        default=None, description="The request comes from one of these networks, such as 192.0.2.0/24."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        names = {"not": "negated"}
        given = [key for key in _CONDITION_KEYS if getattr(self, names.get(key, key)) is not None]
        if len(given) != 1:
            raise WrongSetting(
                "policy.condition",
                expected="exactly one of " + ", ".join(_CONDITION_KEYS),
                found=", ".join(given) or "none",
            )
        tests = [key for key in (*self.value_keys, "scope") if getattr(self, key) is not None]
        if tests and self.attribute is None:
            raise WrongSetting("policy.condition", expected=f"attribute beside {tests[0]}", found=given[0])
        if self.below and self.fqan is None:
            raise WrongSetting("policy.condition", expected="fqan beside below", found=given[0])
        return self


class AccessRuleFields(PolicyFields):
    """Who may enter below these paths. Of the rules for the deepest path that holds the request, the first that names
    its method (or none) decides.
    """

    id: Id = Field(description="What explanations and the log call this rule; unique.")
    paths: PathPrefixes = Field(description="Path prefixes, by whole segments; not percent-encoded.")
    methods: Methods | None = Field(default=None, description="HTTP methods; GET covers HEAD. All by default.")
    hosts: Hosts | None = Field(default=None, description="Host names without port. All by default.")
    applications: Texts | None = Field(default=None, description="Application domains by name. All by default.")
    permit: ConditionFields = Field(description="Who may enter.")
    because: Text | None = Field(default=None, description="For people: what this rule asks for, and why.")


class AccessDocument(PolicyFields):
    """Access rules. What no rule permits is denied."""

    rules: tuple[AccessRuleFields, ...] = Field(default=())


def load_access_policy(paths: Iterable[Path], *, sources: Sources | None = None) -> AccessPolicy:
    """The access rules in these files and directories, in order, compiled and indexed.

    ``sources`` notes what was read, for `ostiary.config.Holder`. Raises `ConfigurationError` (file, line, key).
    """
    ids = UniqueIds()
    rules: list[AccessRule] = []
    for document in load_documents(paths, sources):
        content = settings_from(document, AccessDocument)
        for position, fields in enumerate(content.rules):
            ids.add(fields.id, document, "rules", position, "id")
            rules.append(_rule(fields))
    return index_rules(rules)


def _rule(fields: AccessRuleFields) -> AccessRule:
    return AccessRule(
        fields.id,
        tuple(make_prefix(path) for path in fields.paths),
        _condition(fields.permit),
        fields.because or "",
        as_set(fields.methods),
        as_set(fields.hosts),
        as_set(fields.applications),
    )


def _condition(fields: ConditionFields) -> Condition:
    if fields.all is not None:
        return AllOf(tuple(_condition(part) for part in fields.all))
    if fields.any is not None:
        return AnyOf(tuple(_condition(part) for part in fields.any))
    if fields.negated is not None:
        return Not(_condition(fields.negated))
    if fields.attribute is not None:
        return AttributeCondition(friendly(fields.attribute), fields.value_test(fields.scope), _in_words(fields))
    if fields.fqan is not None:
        return FqanCondition(tuple(parse_fqan(text) for text in fields.fqan), bool(fields.below))
    if fields.issuer is not None:
        return IssuerCondition(frozenset(fields.issuer))
    if fields.when is not None:
        return TimeCondition(fields.when.times(), fields.when.words())
    if fields.network is not None:
        return NetworkCondition(networks(fields.network))
    if fields.authn_context is not None:
        return ContextCondition(fields.authn_context)
    if fields.authenticated_within is not None:
        return AgeCondition(fields.authenticated_within)
    return AuthenticatedCondition()


def _in_words(fields: ConditionFields) -> str:
    tests = (
        ("value", fields.value),
        ("pattern", None if fields.pattern is None else (fields.pattern,)),
        ("left", fields.left),
        ("scope", fields.scope),
    )
    return "; ".join(f"{name}: {' | '.join(texts)}" for name, texts in tests if texts is not None)
