"""Reads release policies (ARPs) from YAML files and compiles them; never applies them.

The format is the schema release-policy.schema.json.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from ostiary.config import Document, DocumentError, Sources, WrongSetting, nearest_key, settings_from
from ostiary.policy.fields import (
    ID_SCHEMA,
    NAME_SCHEMA,
    TEXT_SCHEMA,
    AttributeNames,
    Id,
    PatternText,
    PolicyFields,
    Targets,
    Text,
    Texts,
    UniqueIds,
    ValueTestFields,
    as_pattern,
    as_set,
    load_documents,
    one_or_many,
)
from ostiary.policy.release import Audience, ReleasePolicies, ReleasePolicy, ReleaseRule, index_policies
from ostiary.policy.urltree import make_tree

EVERY_ATTRIBUTE = "*"

_AUDIENCE_KEYS = ("requesters", "group", "requester_pattern", "entity_category", "registration_authority", "anyone")
_ATTRIBUTES_SCHEMA: dict[str, Any] = {"anyOf": [{"const": EVERY_ATTRIBUTE}, *one_or_many(NAME_SCHEMA)["anyOf"]]}
_Attributes = Annotated[Literal["*"] | AttributeNames, WithJsonSchema(_ATTRIBUTES_SCHEMA)]
_GROUPS_SCHEMA = {"type": "object", "propertyNames": ID_SCHEMA, "additionalProperties": one_or_many(TEXT_SCHEMA)}


class AudienceFields(PolicyFields):
    """Who asks. Each key given must hold; within a list one is enough. ``anyone: true`` stands alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "if": {"required": ["anyone"]},
            "then": {"maxProperties": 1},
        }
    )

    requesters: Texts | None = Field(default=None, description="entityIDs of the SHARs.")
    group: Texts | None = Field(default=None, description="Names of groups of requesters, from `groups`.")
    requester_pattern: PatternText | None = Field(default=None, description="The whole entityID matches this pattern.")
    entity_category: Texts | None = Field(default=None, description="Entity categories that the metadata carries.")
    registration_authority: Texts | None = Field(default=None, description="Who registered the requester (mdrpi).")
    anyone: Literal[True] | None = Field(default=None, description="Every requester, known from metadata or not.")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        given = [key for key in _AUDIENCE_KEYS if getattr(self, key) is not None]
        if not given or ("anyone" in given and len(given) > 1):
            raise WrongSetting(
                "policy.audience",
                expected="anyone alone, or one or more of " + ", ".join(_AUDIENCE_KEYS[:-1]),
                found=", ".join(given) or "nothing",
            )
        return self


class ReleaseRuleFields(ValueTestFields):
    """Permits or denies attributes (``"*"``: all), or those of their values that pass the tests."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["permit"]}, {"required": ["deny"]}]})

    id: Id | None = Field(default=None, description='What explanations call this rule; "rule 1" and so on by default.')
    permit: _Attributes | None = Field(default=None, description="Attributes to permit.")
    deny: _Attributes | None = Field(default=None, description="Attributes to deny; wins over every permit.")
    scope: Texts | None = Field(default=None, description="The scope of the value is one of these.")

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.permit is None) is (self.deny is None):
            raise WrongSetting(
                "policy.permit_or_deny", expected="permit or deny", found="neither" if self.permit is None else "both"
            )
        return self


class ReleasePolicyFields(PolicyFields):
    """One policy: for whom, optionally for which application domains, and what."""

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
    rules: tuple[ReleaseRuleFields, ...] = Field(min_length=1)


class ReleaseDocument(PolicyFields):
    """Attribute release policies: what may leave, for whom. What no rule permits stays; deny wins over permit."""

    groups: Annotated[dict[Id, Texts], WithJsonSchema(_GROUPS_SCHEMA)] = Field(
        default={}, description="Named groups of requesters: lists of entityIDs."
    )
    policies: tuple[ReleasePolicyFields, ...] = Field(default=())


def load_release_policies(paths: Iterable[Path], *, sources: Sources | None = None) -> ReleasePolicies:
    """The release policies in these files and directories, compiled and indexed.

    ``sources`` notes what was read, for `ostiary.config.Holder`. Raises `ConfigurationError` (file, line, key) for
    whatever is wrong, an id given twice and a group that no file defines included.
    """
    documents = [(document, settings_from(document, ReleaseDocument)) for document in load_documents(paths, sources)]
    ids = UniqueIds()
    groups: dict[str, tuple[str, ...]] = {}
    for document, content in documents:
        for name, members in content.groups.items():
            ids.add(f"group {name}", document, "groups", name)
            groups[name] = members
    policies: list[ReleasePolicy] = []
    for document, content in documents:
        for position, fields in enumerate(content.policies):
            ids.add(fields.id, document, "policies", position, "id")
            policies.append(_policy(fields, groups, document, position))
    return index_policies(policies)


def _policy(
    fields: ReleasePolicyFields, groups: Mapping[str, tuple[str, ...]], document: Document, position: int
) -> ReleasePolicy:
    rule_ids = UniqueIds()
    rules: list[ReleaseRule] = []
    for number, rule in enumerate(fields.rules):
        rule_id = rule.id or f"rule {number + 1}"
        rule_ids.add(rule_id, document, "policies", position, "rules", number)
        names = rule.permit or rule.deny or ()
        rules.append(
            ReleaseRule(
                rule_id,
                rule.permit is not None,
                None if names == EVERY_ATTRIBUTE else frozenset(names),
                rule.value_test(rule.scope),
            )
        )
    return ReleasePolicy(
        fields.id,
        _audience(fields.audience, groups, document, position),
        tuple(rules),
        tuple(make_tree(url) for url in fields.target or ()),
        fields.only,
        str(document.path),
    )


def _audience(
    fields: AudienceFields, groups: Mapping[str, tuple[str, ...]], document: Document, position: int
) -> Audience:
    entity_ids = as_set(fields.requesters)
    if fields.group is not None:
        members: set[str] = set()
        for name in fields.group:
            if name not in groups:
                raise DocumentError(
                    "policy.unknown_group",
                    **document.where("policies", position, "for", "group"),
                    expected=", ".join(sorted(groups)) or "a group defined under groups",
                    found=name,
                    nearest=nearest_key(name, groups),
                )
            members.update(groups[name])
        entity_ids = frozenset(members) if entity_ids is None else entity_ids & members
    return Audience(
        anyone=fields.anyone is True,
        entity_ids=entity_ids,
        pattern=as_pattern(fields.requester_pattern),
        categories=as_set(fields.entity_category),
        authorities=as_set(fields.registration_authority),
    )
