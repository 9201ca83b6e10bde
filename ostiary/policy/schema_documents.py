"""Writes down the format of the policy documents as JSON Schema (draft 2020-12), from the models that read them."""

import json
from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ostiary.policy.acceptance_document import AcceptanceDocument
from ostiary.policy.access_document import AccessDocument
from ostiary.policy.release.document import ReleaseDocument
from ostiary.policy.release.precedence import PrecedenceDocument

_DOCUMENTS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("release-policy.schema.json", "Attribute release policies", ReleaseDocument),
    ("precedence.schema.json", "What people may decide themselves", PrecedenceDocument),
    ("acceptance-policy.schema.json", "Attribute acceptance policy", AcceptanceDocument),
    ("access-policy.schema.json", "Access rules", AccessDocument),
)


def schema_texts() -> Mapping[str, str]:
    """File name to content of each schema that ships in ``schemas/``."""
    return {name: _text(title, model) for name, title, model in _DOCUMENTS}


def _text(title: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True, schema_generator=_WithoutNull)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**head, **schema, "title": title}, indent=2) + "\n"


class _WithoutNull(GenerateJsonSchema):
    """None is how a model says that a key is absent; a document never says it."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: object) -> bool:
        return False
