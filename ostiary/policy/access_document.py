"""Reads access rules from YAML files and compiles them; never applies them.

The format is the schema access-policy.schema.json.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from ostiary.config import Duration, Sources, WrongSetting, settings_from
from ostiary.policy.access import (
    AccessPolicy,
    AccessRule,
    AgeCondition,
    AllOf,
    AnyOf,
    AttributeCondition,
    AuthenticatedCondition,
    Condition,
    ContextCondition,
    Not,
    index_rules,
)
from ostiary.policy.fields import (
    AttributeName,
    Id,
    PathPrefixes,
    PolicyFields,
    Text,
    Texts,
    UniqueIds,
    ValueTestFields,
    as_set,
    listed,
    load_documents,
    one_or_many,
)
from ostiary.policy.urltree import make_prefix

_CONDITION_KEYS = ("all", "any", "not", "attribute", "authn_context", "authenticated_within", "authenticated")


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


class ConditionFields(ValueTestFields):
    """One condition: exactly one of all, any, not, attribute, authn_context, authenticated_within, authenticated.

    With ``attribute`` stand the tests on its values: one value that passes all of them is enough.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [key]} for key in _CONDITION_KEYS],
            "dependentRequired": {key: ["attribute"] for key in ("value", "pattern", "left", "scope")},
        }
    )

    all: tuple["ConditionFields", ...] | None = Field(default=None, min_length=1, description="Each of these holds.")
    any: tuple["ConditionFields", ...] | None = Field(default=None, min_length=1, description="One of these holds.")
    negated: "ConditionFields | None" = Field(
        default=None, alias="not", description="This does not hold; for an attribute that is missing, `not` holds."
    )
    attribute: AttributeName | None = Field(default=None, description="The person has this attribute.")
    scope: Texts | None = Field(default=None, description="The scope of the value is one of these.")
    authn_context: Texts | None = Field(default=None, description="Logged in by one of these AuthnContextClassRefs.")
    authenticated_within: (
        Annotated[Duration, WithJsonSchema({"type": "string", "pattern": "^([0-9]+[dhms])+$"})] | None
    ) = Field(default=None, description="The login is not older than this, for instance 30m.")
    authenticated: Literal[True] | None = Field(default=None, description="Logged in: enough for everybody.")

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
        return AttributeCondition(fields.attribute, fields.value_test(fields.scope), _in_words(fields))
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
