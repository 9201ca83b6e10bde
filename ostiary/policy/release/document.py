"""Reads release policies (ARPs) from YAML files and compiles them; never applies them.

The format is the schema release-policy.schema.json.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from ostiary.config import (
    Document,
    DocumentError,
    Sources,
    WrongSetting,
    load_document,
    settings_from,
)
from ostiary.policy.fields import (
    ID_SCHEMA,
    NAME_SCHEMA,
    TEXT_SCHEMA,
    AttributeNames,
    Id,
    PolicyFields,
    Targets,
    Text,
    Texts,
    UniqueIds,
    ValueTestFields,
    load_documents,
    named_members,
    one_or_many,
)
from ostiary.policy.names import friendly
from ostiary.policy.release.audience_fields import AudienceFields
from ostiary.policy.release.bundles import bundle_file, bundles
from ostiary.policy.release.circumstances import ALWAYS
from ostiary.policy.release.condition_fields import ConditionFields
from ostiary.policy.release.index import ReleasePolicies, index_policies
from ostiary.policy.release.policy import Count, ReleasePolicy, ReleaseRule, Strength
from ostiary.policy.urltree import make_tree
from ostiary.policy.values import ValueTest

EVERY_ATTRIBUTE = "*"

_ATTRIBUTES_SCHEMA: dict[str, Any] = {"anyOf": [{"const": EVERY_ATTRIBUTE}, *one_or_many(NAME_SCHEMA)["anyOf"]]}
_Attributes = Annotated[Literal["*"] | AttributeNames, WithJsonSchema(_ATTRIBUTES_SCHEMA)]
_GROUPS_SCHEMA = {"type": "object", "propertyNames": ID_SCHEMA, "additionalProperties": one_or_many(TEXT_SCHEMA)}


class CountFields(PolicyFields):
    """How many values the attribute must have, before anything is taken out."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    least: int | None = Field(default=None, alias="min", ge=0, le=1_000_000, description="At least so many.")
    most: int | None = Field(default=None, alias="max", ge=0, le=1_000_000, description="At most so many.")

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.least is None and self.most is None:
            raise WrongSetting("policy.count", expected="min, max or both", found="neither")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise WrongSetting("policy.count", expected="min not above max", found=f"{self.least} and {self.most}")
        return self


class UnlessFields(ValueTestFields):
    """Values of which the rule does not speak: those that pass all tests that are given."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    scope: Texts | None = Field(default=None, description="The scope of the value is one of these.")

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        keys = (*self.value_keys, "scope")
        if all(getattr(self, key) is None for key in keys):
            raise WrongSetting("policy.empty_unless", expected="one or more of " + ", ".join(keys), found="none")
        return self


class ReleaseRuleFields(ValueTestFields):
    """Permits or denies attributes (``"*"``: all), or those of their values that pass the tests."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["permit"]}, {"required": ["deny"]}]})

    id: Id | None = Field(default=None, description='What explanations call this rule; "rule 1" and so on by default.')
    permit: _Attributes | None = Field(default=None, description="Attributes to permit.")
    deny: _Attributes | None = Field(default=None, description="Attributes to deny; wins over every permit.")
    scope: Texts | None = Field(default=None, description="The scope of the value is one of these.")
    value_set: Texts | None = Field(
        default=None, description="The value as written stands in one of these sets, from `value_sets`."
    )
    unless: UnlessFields | None = Field(default=None, description="Not for values that pass these tests.")
    count: CountFields | None = Field(
        default=None, description="Only where so many values of the attribute are known about her."
    )

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.permit is None) is (self.deny is None):
            raise WrongSetting(
                "policy.permit_or_deny", expected="permit or deny", found="neither" if self.permit is None else "both"
            )
        return self


def _holds_only(strength: Strength, kind: str) -> dict[str, Any]:
    """The JSON Schema that a policy of this strength has rules of this kind only."""
    return {
        "if": {"required": ["strength"], "properties": {"strength": {"const": strength}}},
        "then": {"properties": {"rules": {"items": {"required": [kind]}}}},
    }


class ReleasePolicyFields(PolicyFields):
    """One policy: for whom, optionally for which application domains and when, and what. ``strength``: ``mandatory`` (permit rules only)
    and ``forbidden`` (deny rules only) leave the person no choice."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [_holds_only("mandatory", "permit"), _holds_only("forbidden", "deny")]}
    )

    id: Id = Field(description="What explanations and the log call this policy; unique.")
    description: Text | None = Field(default=None, description="For people.")
    audience: AudienceFields = Field(alias="for", description="Who asks.")
    target: Targets | None = Field(
        default=None,
        description="Trees of URLs: the policy applies only to requests for one of them, by a requester that has an "
        "endpoint of the same scheme, host and port in its metadata.",
    )
    only: Literal["requested", "required"] | None = Field(
        default=None, description="Permit only what the requester's metadata requests, or marks as required."
    )
    when: ConditionFields | None = Field(default=None, description="When it applies; always by default.")
    strength: Strength = Field(
        default="ordinary",
        description="mandatory: the person can't withhold what it permits. forbidden: she can't release what it denies.",
    )
    rules: tuple[ReleaseRuleFields, ...] = Field(min_length=1)


class ReleaseDocument(PolicyFields):
    """Attribute release policies: what may leave, for whom. What no rule permits stays; deny wins over permit."""

    groups: Annotated[dict[Id, Texts], WithJsonSchema(_GROUPS_SCHEMA)] = Field(
        default={}, description="Named groups of requesters: lists of entityIDs."
    )
    value_sets: Annotated[dict[Id, Texts], WithJsonSchema(_GROUPS_SCHEMA)] = Field(
        default={}, description="Named sets of values, for `value_set` in rules."
    )
    use: Texts | None = Field(
        default=None, description="Names of bundles that ship with Ostiary, as if they stood here."
    )
    policies: tuple[ReleasePolicyFields, ...] = Field(default=())


def load_release_policies(paths: Iterable[Path], *, sources: Sources | None = None) -> ReleasePolicies:
    """The release policies in these files and directories, compiled and indexed.

    ``sources`` notes what was read, for `ostiary.config.Holder`. Raises `ConfigurationError` (file, line, key) for
    whatever is wrong, an id given twice and a group or value set that no file defines included.
    """
    return compile_release_policies(load_documents(paths, sources), sources=sources)


def compile_release_policies(read: Iterable[Document], *, sources: Sources | None = None) -> ReleasePolicies:
    """The release policies in documents that were read already (`load_documents`, `parse_document`), and in the bundles that they use.
    Raises as `load_release_policies`."""
    documents = _with_bundles(read, sources)
    ids = UniqueIds()
    shared = _Shared({}, {})
    for document, content in documents:
        for name, members in content.groups.items():
            ids.add(f"group {name}", document, "groups", name)
            shared.groups[name] = members
        for name, values in content.value_sets.items():
            ids.add(f"value set {name}", document, "value_sets", name)
            shared.value_sets[name] = frozenset(values)
    policies: list[ReleasePolicy] = []
    for document, _ in documents:
        # One document after the other: what was validated is much larger than what is kept of it.
        for position, fields in enumerate(settings_from(document, ReleaseDocument).policies):
            ids.add(fields.id, document, "policies", position, "id")
            policies.append(_policy(fields, shared, document, position))
    return index_policies(policies)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the policies of all documents may name."""

    groups: dict[str, tuple[str, ...]]
    value_sets: dict[str, frozenset[str]]


def _without_policies(document: Document) -> ReleaseDocument:
    data = {key: value for key, value in document.data.items() if key in ("groups", "value_sets", "use")}
    return settings_from(replace(document, data=data), ReleaseDocument)


def _with_bundles(read: Iterable[Document], sources: Sources | None) -> list[tuple[Document, ReleaseDocument]]:
    """Each with what it holds beside policies. Each bundle stands where it is used first; its name again changes nothing."""
    documents: list[tuple[Document, ReleaseDocument]] = []
    known = frozenset(bundles().values())
    shipped: set[Path] = set()
    for document in read:
        if document.path in shipped:
            continue
        content = _without_policies(document)
        documents.append((document, content))
        if document.path in known:
            shipped.add(document.path)
        for position, name in enumerate(content.use or ()):
            try:
                file = bundle_file(name)
            except WrongSetting as problem:
                raise DocumentError(
                    problem.code, **document.where("use", position), expected=problem.expected, found=problem.found
                ) from None
            if file not in shipped:
                shipped.add(file)
                bundle = load_document(file, sources=sources)
                documents.append((bundle, _without_policies(bundle)))
    return documents


def _policy(
    fields: ReleasePolicyFields,
    shared: _Shared,
    document: Document,
    position: int,
) -> ReleasePolicy:
    here = ("policies", position)
    rule_ids = UniqueIds()
    rules: list[ReleaseRule] = []
    for number, rule in enumerate(fields.rules):
        rule_id = rule.id or f"rule {number + 1}"
        rule_ids.add(rule_id, document, *here, "rules", number)
        if fields.strength != "ordinary" and (rule.permit is not None) is not (fields.strength == "mandatory"):
            raise DocumentError(
                "policy.strength",
                **document.where(*here, "rules", number),
                expected="permit rules only" if fields.strength == "mandatory" else "deny rules only",
                found=f"{rule_id} in a policy that is {fields.strength}",
            )
        names = rule.permit or rule.deny or ()
        rules.append(
            ReleaseRule(
                rule_id,
                rule.permit is not None,
                None if names == EVERY_ATTRIBUTE else frozenset(map(friendly, names)),
                _value_test(rule, shared.value_sets, document, *here, "rules", number),
                None if rule.count is None else Count(rule.count.least, rule.count.most),
            )
        )
    return ReleasePolicy(
        fields.id,
        fields.audience.compiled(shared.groups, document, *here, "for"),
        tuple(rules),
        tuple(make_tree(url) for url in fields.target or ()),
        fields.only,
        str(document.path),
        fields.strength,
        ALWAYS if fields.when is None else fields.when.condition(),
        fields.description or "",
        document.line(*here),
    )


def _value_test(
    rule: ReleaseRuleFields, value_sets: Mapping[str, frozenset[str]], document: Document, *here: str | int
) -> ValueTest:
    test = rule.value_test(rule.scope)
    if rule.unless is not None:
        test = replace(test, unless=rule.unless.value_test(rule.unless.scope))
    if rule.value_set is None:
        return test
    values = named_members("policy.unknown_value_set", rule.value_set, value_sets, document, *here, "value_set")
    return replace(test, exact=values if test.exact is None else test.exact & values)
