"""The OpenAPI document: what each operation may answer, in which form, and who may ask."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.api.app import create_app
from cairn.api.problems import MEDIA_TYPE
from cairn.api.routes import SCHEMA
from support.rest import parts, rest

DOCUMENT = create_app(parts()).openapi()
METHODS = {"get", "post", "put", "patch", "delete"}


def _operations() -> list[Any]:
    return [
        pytest.param(item[method], id=f"{method} {path}")
        for path, item in DOCUMENT["paths"].items()
        for method in sorted(METHODS & item.keys())
    ]


@pytest.mark.parametrize("operation", _operations())
def test_every_error_of_an_operation_is_a_problem(operation: Any) -> None:
    failures = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
    assert {"401", "406", "429", "500", "502", "503", "504"} <= failures.keys()
    assert {str(answer["content"]) for answer in failures.values()} == {str({MEDIA_TYPE: {"schema": SCHEMA}})}


@pytest.mark.parametrize("operation", _operations())
def test_every_operation_needs_a_token_and_is_described(operation: Any) -> None:
    assert operation["security"] == [{"token": []}]
    assert operation["description"]
    assert "requestBody" not in operation or {"400", "413", "415", "422"} <= operation["responses"].keys()


def test_operations_have_names_of_their_own() -> None:
    found = [each.values[0]["operationId"] for each in _operations()]
    assert len(found) == len(set(found)) and "getMe" in found


def test_the_scheme_is_a_bearer_token() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_the_schemas_are_ours_and_strict() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    objects = {name: schema for name, schema in schemas.items() if schema["type"] == "object"}
    assert [name for name, schema in objects.items() if schema.get("additionalProperties") is not False] == []
    assert {"requestId", "next", "success", "errors"} <= schemas["ProblemDetails"]["properties"].keys()


async def test_a_problem_is_what_the_document_says() -> None:
    async with rest() as asking:
        body = (await asking.get("/api/none")).json()
    assert body.keys() == DOCUMENT["components"]["schemas"]["ProblemDetails"]["properties"].keys()
