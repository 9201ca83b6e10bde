"""The keys with which policy documents say who asks; compiles them, decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from ostiary.config import Document, WrongSetting
from ostiary.policy.fields import PatternText, PolicyFields, Text, Texts, as_pattern, as_set, named_members
from ostiary.policy.release.policy import Audience, EntityAttributeTest


class OneOrMany:
    """Of an annotated tuple of models: one mapping alone stands for the list of it, in the JSON Schema too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed_mapping, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


def _listed_mapping(value: Any) -> Any:
    return (value,) if isinstance(value, Mapping) else value


class EntityAttributeFields(PolicyFields):
    """An entity attribute in the requester's metadata, and what its value must be; one of several values is enough."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2})

    name: Text = Field(description="The name of the entity attribute.")
    value: Texts | None = Field(default=None, description="One of its values is one of these.")
    pattern: PatternText | None = Field(default=None, description="One of its values matches this pattern as a whole.")

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        if self.value is None and self.pattern is None:
            raise WrongSetting("policy.entity_attribute", expected="value or pattern", found="neither")
        return self

    def test(self) -> EntityAttributeTest:
        """The compiled test."""
        return EntityAttributeTest(self.name, as_set(self.value), as_pattern(self.pattern))


EntityAttributes = Annotated[tuple[EntityAttributeFields, ...], Field(min_length=1), OneOrMany()]


class KnownAudienceFields(PolicyFields):
    """Who asks, by what metadata proves. Each key given must hold; within a list of texts one is enough, and each of several entity
    attributes must be there."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    requesters: Texts | None = Field(default=None, description="entityIDs of the SHARs.")
    requester_pattern: PatternText | None = Field(default=None, description="The whole entityID matches this pattern.")
    entity_category: Texts | None = Field(default=None, description="Entity categories that the metadata carries.")
    entity_attribute: EntityAttributes | None = Field(
        default=None, description="Entity attributes that the metadata carries: name and value."
    )
    registration_authority: Texts | None = Field(default=None, description="Who registered the requester (mdrpi).")

    alone: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        given = [key for key in type(self).model_fields if getattr(self, key) is not None]
        lone = [key for key in given if key in self.alone]
        if not given or (lone and len(given) > 1):
            others = [key for key in type(self).model_fields if key not in self.alone]
            raise WrongSetting(
                "policy.audience",
                expected="".join(f"{key} alone, or " for key in self.alone) + "one or more of " + ", ".join(others),
                found=", ".join(given) or "nothing",
            )
        return self

    def audience(self, entity_ids: frozenset[str] | None = None) -> Audience:
        """Compiled; ``entity_ids`` narrows it further."""
        named = as_set(self.requesters)
        if entity_ids is not None:
            named = entity_ids if named is None else named & entity_ids
        return Audience(
            entity_ids=named,
            pattern=as_pattern(self.requester_pattern),
            categories=as_set(self.entity_category),
            authorities=as_set(self.registration_authority),
            entity_attributes=tuple(entry.test() for entry in self.entity_attribute or ()),
        )


class AudienceFields(KnownAudienceFields):
    """Who asks. Each key given must hold; within a list of texts one is enough, and each of several entity attributes must be there.
    ``anyone: true`` and ``anonymous: true`` stand alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "if": {"anyOf": [{"required": ["anyone"]}, {"required": ["anonymous"]}]},
            "then": {"maxProperties": 1},
        }
    )

    group: Texts | None = Field(default=None, description="Names of groups of requesters, from `groups`.")
    unless: KnownAudienceFields | None = Field(default=None, description="Not for these, by the same keys.")
    anyone: Literal[True] | None = Field(
        default=None, description="Every requester that proves its entityID, known from metadata or not."
    )
    anonymous: Literal[True] | None = Field(default=None, description="Requesters that prove nothing.")

    alone: ClassVar[tuple[str, ...]] = ("anyone", "anonymous")

    def compiled(self, groups: Mapping[str, Sequence[str]], document: Document, *path: str | int) -> Audience:
        """The audience; ``path`` is where it stands in the document. Raises `DocumentError` ``policy.unknown_group``."""
        if self.anyone or self.anonymous:
            return Audience(anyone=self.anyone is True, anonymous=self.anonymous is True)
        but = None if self.unless is None else self.unless.audience()
        if self.group is None:
            return replace(self.audience(), unless=but)
        members = named_members("policy.unknown_group", self.group, groups, document, *path, "group")
        return replace(self.audience(members), unless=but)
