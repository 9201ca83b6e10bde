"""The OpenAPI 3.1 document of the API, made of the table of its operations: what is not there is not served, and the other way round."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from voms.api.routing import PREFIX, Operation, pattern_of
from voms.api.values import Nothing

VERSION: Final = "1.0.0"
_TEMPLATE: Final = "#/components/schemas/{model}"
_PROBLEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "What was wrong (RFC 9457). code is one of docs/errors.md.",
    "required": ["title", "status", "code"],
    "properties": {
        "title": {"type": "string", "description": "What was wrong, in one sentence."},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string", "description": "What to do."},
        "reference": {"type": "string", "description": "Under which number the log says more."},
    },
}
_REFUSALS: Final = (
    ("400", "The request can't be understood, or does not fit."),
    ("401", "Nobody, or a credential that can't be accepted."),
    ("403", "The caller may not do that."),
    ("404", "There is no such thing."),
    ("503", "The database does not answer."),
)


def openapi_document(operations: Sequence[Operation], vo: str, server: str) -> dict[str, Any]:
    """The document for the VO ``vo``, whose API is below the URL ``server``."""
    shapes = [shape for each in operations for shape in (each.body, each.answer) if shape not in (None, Nothing)]
    modes: list[tuple[type[BaseModel], Any]] = [(shape, "validation") for shape in dict.fromkeys(shapes) if shape]
    found, together = models_json_schema(modes, ref_template=_TEMPLATE)
    schemas = dict(together.get("$defs", {}))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, found)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Administration of the VO {vo}",
            "version": VERSION,
            "description": "Groups, roles, members, rights and requests. What a caller may do, the VO's access-control lists say.",
        },
        "servers": [{"url": f"{server}{PREFIX}"}],
        "security": [{"certificate": []}, {"token": []}, {}],
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": dict(_PROBLEM)},
            "securitySchemes": {
                "certificate": {"type": "mutualTLS", "description": "A certificate; a proxy may only look."},
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the VO itself with the scope vo.read or vo.manage.",
                },
            },
        },
    }


def _operation(each: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    answer = each.answer
    told: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        told = {
            "description": _said(answer),
            "content": {"application/json": {"schema": schemas[answer, "validation"]}},
        }
    problem = {"application/problem+json": {"schema": {"$ref": _TEMPLATE.format(model="Problem")}}}
    refusals = {status: {"description": text, "content": problem} for status, text in _REFUSALS}
    written: dict[str, Any] = {
        "operationId": each.name,
        "tags": [each.tag],
        "summary": each.summary,
        "description": each.description,
        "parameters": [*_path_parameters(each), *_query_parameters(each)],
        "responses": {str(each.status): told, **refusals},
    }
    if each.body is not Nothing:
        content = {"application/json": {"schema": schemas[each.body, "validation"]}}
        written["requestBody"] = {"required": True, "content": content}
    return written


def _path_parameters(each: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{pattern_of(name)}$"}}
        for name in each.parameters
    ]


def _query_parameters(each: Operation) -> list[dict[str, Any]]:
    schema = each.query.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema.get("properties", {}).items()
    ]


def _said(shape: type[BaseModel]) -> str:
    return " ".join((shape.__doc__ or "").split())
