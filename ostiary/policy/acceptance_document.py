"""Reads an acceptance policy (AAP) from YAML files and compiles it; never applies it.

The format is the schema acceptance-policy.schema.json.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ostiary.attributes import SCOPED
from ostiary.config import Sources, WrongSetting, settings_from
from ostiary.policy.acceptance import ANY_ISSUER, AcceptancePolicy, AcceptanceRule, IssuerTest, index_rules
from ostiary.policy.fields import (
    AttributeName,
    AttributeNames,
    Id,
    PatternText,
    PolicyFields,
    Text,
    Texts,
    UniqueIds,
    ValueTestFields,
    as_pattern,
    as_set,
    load_documents,
)


class IssuerFields(PolicyFields):
    """Whom a rule believes. Each key given must hold; within a list one is enough."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    issuers: Texts | None = Field(default=None, description="entityIDs of home organisations.")
    issuer_pattern: PatternText | None = Field(default=None, description="The whole entityID matches this pattern.")
    registration_authority: Texts | None = Field(default=None, description="Who registered the issuer (mdrpi).")
    entity_category: Texts | None = Field(default=None, description="Entity categories that its metadata carries.")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.model_fields_set:
            raise WrongSetting("policy.issuers", expected="one or more of " + ", ".join(type(self).model_fields))
        return self

    def test(self) -> IssuerTest:
        """The compiled test."""
        return IssuerTest(
            as_set(self.issuers),
            as_pattern(self.issuer_pattern),
            as_set(self.registration_authority),
            as_set(self.entity_category),
        )


class AcceptanceRuleFields(ValueTestFields):
    """Believes values of these attributes, from these issuers, if they pass the tests."""

    id: Id | None = Field(default=None, description='What explanations call this rule; "rule 1" and so on by default.')
    attribute: AttributeNames = Field(description="The attributes that this rule is about.")
    issuers: IssuerFields | None = Field(
        default=None, alias="from", description="Whom to believe; every issuer by default."
    )
    scope: Literal["metadata", "any"] | Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="For scoped attributes. metadata (the default): registered in the issuer's metadata. any: not looked at. "
        "A list: one of these.",
    )
    value_is_scope: Literal["metadata"] | None = Field(
        default=None, description="The whole value must be a scope registered in the issuer's metadata."
    )
    rename: AttributeName | None = Field(default=None, alias="as", description="The name it goes by from here on.")

    @model_validator(mode="after")
    def _scope_fits(self) -> Self:
        unscoped = [name for name in self.attribute if name not in SCOPED]
        if unscoped and (self.scope is not None or self.left is not None):
            raise WrongSetting("policy.not_scoped", expected="scope and left for scoped attributes", found=unscoped[0])
        return self


class AcceptanceDocument(PolicyFields):
    """Attribute acceptance policy: who is believed about what. What no rule names is thrown out."""

    rules: tuple[AcceptanceRuleFields, ...] = Field(default=())


def load_acceptance_policy(paths: Iterable[Path], *, sources: Sources | None = None) -> AcceptancePolicy:
    """The acceptance rules in these files and directories, in order, compiled and indexed.

    ``sources`` notes what was read, for `ostiary.config.Holder`. Raises `ConfigurationError` (file, line, key).
    """
    ids = UniqueIds()
    rules: list[AcceptanceRule] = []
    for document in load_documents(paths, sources):
        content = settings_from(document, AcceptanceDocument)
        for position, fields in enumerate(content.rules):
            rule_id = fields.id or f"rule {len(rules) + 1}"
            ids.add(rule_id, document, "rules", position)
            rules.extend(_rules(rule_id, fields))
    return index_rules(rules)


def _rules(rule_id: str, fields: AcceptanceRuleFields) -> Iterable[AcceptanceRule]:
    listed = fields.scope if isinstance(fields.scope, tuple) else None
    for name in fields.attribute:
        yield AcceptanceRule(
            rule_id,
            name,
            ANY_ISSUER if fields.issuers is None else fields.issuers.test(),
            fields.value_test(listed),
            registered_scope=name in SCOPED and fields.scope in (None, "metadata"),
            registered_value=fields.value_is_scope is not None,
            rename=fields.rename,
        )
