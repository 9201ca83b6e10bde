"""The OpenAPI document is what is served: neither more nor less, and in the form that OpenAPI 3.1 wants."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.voms_api.conftest import ApiSite
from voms.api.table import OPERATIONS


@pytest.fixture(scope="module")
def document(unchanged: ApiSite) -> dict[str, Any]:
    told = unchanged.call("GET", "/openapi.json", chain=())
    assert told.status == 200
    assert told.headers["Content-Type"] == "application/json"
    return json.loads(told.body)


def test_it_has_every_route_and_no_other(document: dict[str, Any]) -> None:
    there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert there == {(operation.method, operation.path) for operation in OPERATIONS}
    assert len(there) == len(OPERATIONS)


def test_each_route_of_it_is_answered(document: dict[str, Any], unchanged: ApiSite) -> None:
    """Nobody may do anything, but the address is known: refused for who she is, or for what is missing, never as unknown."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            whole = path
            for each in operation["parameters"]:
                if each["in"] == "path":
                    length = re.search(r"\{(\d+)\}\$$", each["schema"]["pattern"])
                    whole = whole.replace(f"{{{each['name']}}}", "0" * int(length[1]) if length else "x")
            told = unchanged.call(method.upper(), whole, {} if "requestBody" in operation else None, chain=())
            assert told.status in (200, 400, 401, 404), (method, path, told.body)
            assert told.status == 200 or told.content["code"] not in ("voms.api_path", "voms.api_method")


def test_its_shape_is_that_of_openapi(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert set(document["info"]) >= {"title", "version"}
    assert document["servers"] == [{"url": "https://voms.test:15010/api/v1"}]
    names = []
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        for operation in methods.values():
            names.append(operation["operationId"])
            in_path = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
            assert in_path == re.findall(r"\{(\w+)\}", path)
            assert all(each["required"] is True for each in operation["parameters"] if each["in"] == "path")
            assert all(re.fullmatch(r"[1-5]\d\d", status) for status in operation["responses"])
            assert all("description" in answer for answer in operation["responses"].values())
    assert len(names) == len(set(names))
    for requirement in document["security"]:
        assert set(requirement) <= set(document["components"]["securitySchemes"])


def test_its_schemas_are_schemas_and_each_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(schemas)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", "".join(schemas))
    for methods in document["paths"].values():
        for operation in methods.values():
            for each in operation["parameters"]:
                Draft202012Validator.check_schema(each["schema"])
                assert "$ref" not in json.dumps(each["schema"])


def test_what_is_answered_fits_what_it_says(document: dict[str, Any], unchanged: ApiSite) -> None:
    for path, query in (
        ("/", ""),
        ("/groups", ""),
        ("/members", ""),
        ("/roles", ""),
        ("/acl", "group=/testvo"),
        ("/requests", ""),
    ):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole).validate(unchanged.get(path, query).content)
    member = f"/members/{unchanged.alice}"
    schema = document["paths"]["/members/{member}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(unchanged.get(member).content)


def test_a_refusal_fits_what_it_says(document: dict[str, Any], unchanged: ApiSite) -> None:
    told = unchanged.get("/members", chain=())
    assert told.headers["Content-Type"] == "application/problem+json"
    Draft202012Validator(document["components"]["schemas"]["Problem"]).validate(told.content)
