"""Reads an acceptance policy (AAP) from YAML files and compiles it; never applies it.

The format is the schema acceptance-policy.schema.json.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from ostiary.attributes import NAME_ID_VALUED, SCOPED
from ostiary.config import Document, DocumentError, Sources, WrongSetting, settings_from
from ostiary.policy.acceptance import ANY_ISSUER, AcceptancePolicy, AcceptanceRule, IssuerTest, index_rules
from ostiary.policy.acceptance_changes import Change, Combination, Requirement, Rewriting, Table
from ostiary.policy.captures import compile_capture
from ostiary.policy.fields import (
    NAME_SCHEMA,
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
    checked_by,
    load_documents,
)
from ostiary.policy.names import friendly
from ostiary.policy.patterns import MAX_PATTERN_LENGTH


class IssuerFields(PolicyFields):
    """Whom a rule believes. Each key given must hold; within a list one is enough."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    issuers: Texts | None = Field(
        default=None, description="entityIDs of home organisations; names of VOs; names of CAs (RFC 4514)."
    )
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


class RewritingFields(PolicyFields):
    """Takes a part out of a text and puts it into another."""

    pattern: Annotated[
        str,
        AfterValidator(checked_by(compile_capture)),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PATTERN_LENGTH}),
    ] = Field(description="The whole text matches it; its one group (...) is the part.")
    to: Annotated[str, StringConstraints(pattern=r"^[^{}]*\{\}[^{}]*$", max_length=1024)] = Field(
        description="The new text; {} stands for the part."
    )


class AcceptanceRuleFields(ValueTestFields):
    """Believes values of these attributes, from these issuers, if they pass the tests."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"required": ["map", "rewrite"]},
            "dependentSchemas": {"otherwise": {"anyOf": [{"required": ["map"]}, {"required": ["rewrite"]}]}},
        }
    )

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

    mapping: Annotated[dict[Text, Text], Field(min_length=1, max_length=10_000)] | None = Field(
        default=None,
        alias="map",
        description="What a value becomes, by value; of a scoped value the part before the @, and its scope stays.",
    )
    rewrite: RewritingFields | None = Field(default=None, description="The same by a pattern instead of a table.")
    otherwise: Literal["refuse", "keep"] = Field(
        default="refuse", description="What happens to values that map does not name or that rewrite does not match."
    )

    @model_validator(mode="after")
    def _scope_fits(self) -> Self:
        names = [friendly(name) for name in self.attribute]
        unscoped = [name for name in names if name not in SCOPED]
        if unscoped and (self.scope is not None or self.left is not None):
            raise WrongSetting("policy.not_scoped", expected="scope and left for scoped attributes", found=unscoped[0])
        if unscoped and self.rename is not None and friendly(self.rename) in SCOPED:
            # Its scope would be nobody's: only a scope that was looked at as such goes on as one.
            raise WrongSetting("policy.not_scoped", expected=f"scoped attributes for {self.rename}", found=unscoped[0])
        return self

    @model_validator(mode="after")
    def _change_fits(self) -> Self:
        if self.mapping is not None and self.rewrite is not None:
            raise WrongSetting("policy.change", expected="map or rewrite", found="both")
        changes = self.mapping is not None or self.rewrite is not None
        if "otherwise" in self.model_fields_set and not changes:
            raise WrongSetting("policy.change", expected="otherwise beside map or rewrite", found="otherwise alone")
        names = {friendly(name) for name in self.attribute}
        to_name_id = self.rename is not None and friendly(self.rename) in NAME_ID_VALUED
        if (changes and names & NAME_ID_VALUED) or (to_name_id and not names <= NAME_ID_VALUED):
            raise WrongSetting(
                "policy.change", expected="persistent names as they are", found=", ".join(sorted(NAME_ID_VALUED))
            )
        return self

    def change(self) -> Change | None:
        """The compiled change of values."""
        keeps = self.otherwise == "keep"
        if self.mapping is not None:
            return Table(self.mapping, keeps)
        if self.rewrite is not None:
            before, _, after = self.rewrite.to.partition("{}")
            return Rewriting(compile_capture(self.rewrite.pattern), before, after, keeps)
        return None


class CombinationFields(PolicyFields):
    """One attribute of several that were accepted."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["first_of"]}, {"required": ["all_of"]}]})

    name: AttributeName = Field(alias="as", description="What it is called; a name that no rule gives.")
    first_of: AttributeNames | None = Field(default=None, description="The values of the first of these that there is.")
    all_of: AttributeNames | None = Field(default=None, description="The values of each of these.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        sources = self.sources()
        if (self.first_of is None) == (self.all_of is None):
            raise WrongSetting("policy.combination", expected="either first_of or all_of", found="both or neither")
        if friendly(self.name) in sources:
            raise WrongSetting("policy.combination", expected="a name beside its sources", found=self.name)
        kind = next((kind for kind in (SCOPED, NAME_ID_VALUED) if friendly(self.name) in kind), None)
        if kind is not None and not kind.issuperset(sources):
            raise WrongSetting("policy.not_scoped", expected=f"attributes of the kind of {self.name}", found=sources[0])
        return self

    def sources(self) -> tuple[str, ...]:
        """By friendly names."""
        return tuple(friendly(name) for name in self.first_of or self.all_of or ())

    def combination(self) -> Combination:
        """Compiled."""
        return Combination(friendly(self.name), self.sources(), self.first_of is not None)


class RequirementFields(PolicyFields):
    """Nobody comes in without one of these."""

    any_of: AttributeNames = Field(alias="any", description="One of these is enough.")
    because: Text | None = Field(default=None, description="For people: what it is needed for.")


class NameAlone:
    """Of an annotated `RequirementFields`: the name of an attribute alone stands for the requirement of it, in the JSON Schema too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_named, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [NAME_SCHEMA, handler(core)]}


def _named(value: Any) -> Any:
    return {"any": value} if isinstance(value, str) else value


class AcceptanceDocument(PolicyFields):
    """Attribute acceptance policy: who is believed about what. What no rule names is thrown out."""

    rules: tuple[AcceptanceRuleFields, ...] = Field(default=())
    combine: tuple[CombinationFields, ...] = Field(
        default=(), description="Attributes made of accepted ones, in this order."
    )
    required: tuple[Annotated[RequirementFields, NameAlone()], ...] = Field(
        default=(),
        description="What has to be known of everybody who comes in, by the names that rules and combine give.",
    )


def load_acceptance_policy(paths: Iterable[Path], *, sources: Sources | None = None) -> AcceptancePolicy:
    """The acceptance rules in these files and directories, in order, compiled and indexed.

    ``sources`` notes what was read, for `ostiary.config.Holder`. Raises `ConfigurationError` (file, line, key).
    """
    ids, made = UniqueIds(), UniqueIds()
    rules: list[AcceptanceRule] = []
    combinations: list[Combination] = []
    required: list[Requirement] = []
    contents: list[tuple[Document, AcceptanceDocument]] = []
    for document in load_documents(paths, sources):
        content = settings_from(document, AcceptanceDocument)
        contents.append((document, content))
        for position, fields in enumerate(content.rules):
            rule_id = fields.id or f"rule {len(rules) + 1}"
            ids.add(rule_id, document, "rules", position)
            rules.extend(_rules(rule_id, fields))
        required.extend(
            Requirement(tuple(friendly(name) for name in fields.any_of), fields.because or "")
            for fields in content.required
        )
    given = {rule.gives for rule in rules}
    for document, content in contents:
        for position, making in enumerate(content.combine):
            combination = making.combination()
            made.add(combination.name, document, "combine", position, "as")
            if combination.name in given:
                place = document.where("combine", position, "as")
                expected = "a name that no rule gives"
                raise DocumentError("policy.combination", **place, expected=expected, found=combination.name)
            combinations.append(combination)
    return index_rules(rules, combinations=combinations, required=required)


def _rules(rule_id: str, fields: AcceptanceRuleFields) -> Iterable[AcceptanceRule]:
    listed = fields.scope if isinstance(fields.scope, tuple) else None
    for name in dict.fromkeys(friendly(name) for name in fields.attribute):
        yield AcceptanceRule(
            rule_id,
            name,
            ANY_ISSUER if fields.issuers is None else fields.issuers.test(),
            fields.value_test(listed),
            registered_scope=name in SCOPED and fields.scope in (None, "metadata"),
            registered_value=fields.value_is_scope is not None,
            rename=None if fields.rename is None else friendly(fields.rename),
            change=fields.change(),
        )
