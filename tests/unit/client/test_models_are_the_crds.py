"""The models against the CRDs: the same fields, types, words, bounds, requiredness and defaults, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cairn import names
from cairn.client.models import Checkpoint, DAGExecution, JobResult, Resource
from cairn.client.models.base import Written

CRDS = Path(__file__).resolve().parents[3] / "crds"
KINDS: dict[str, type[Resource]] = {"dagexecutions": DAGExecution, "checkpoints": Checkpoint, "jobresults": JobResult}

BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties", "pattern", "format")
RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}

# Kubernetes' own: the model leaves them to the API server and to `core.parse`, below the type of the whole.
OPAQUE = ("podTemplate", "resources", "env[]")
# Any JSON within bounds that have no meaning in a type.
ANY_JSON = ("outputs", "params{}")

Node = dict[str, Any]


@cache
def crd_of(name: str) -> Node:
    return yaml.safe_load((CRDS / f"{name}.yaml").read_text())  # type: ignore[no-any-return]


def crd_schema(name: str) -> Node:
    return crd_of(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]  # type: ignore[no-any-return]


def described(path: str, node: Node, resolve: Callable[[Node], Node]) -> Iterator[tuple[str, Node]]:
    """Every field by its path, with what both notations say of it."""
    node = resolve(node)
    opaque = path.endswith(OPAQUE)
    yield path, facts(path, node)
    if opaque or (path.endswith(ANY_JSON) and "type" not in node):
        return
    for name, child in node.get("properties", {}).items():
        yield from described(f"{path}.{name}", child, resolve)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if child := node.get(key):
            yield from described(path + mark, {} if child is True else child, resolve)


def facts(path: str, node: Node) -> Node:
    """Type, words, bounds, required fields and default, as they are compared."""
    if path.endswith(OPAQUE):
        return {"type": node["type"]}
    if path.endswith(ANY_JSON) and "type" not in node:
        return {}
    told = {key: node[key] for key in ("type", *BOUNDS) if key in node}
    told["words"] = sorted(node.get("enum", [node["const"]] if "const" in node else []))
    told["required"] = sorted(node.get("required", []))
    if told["words"]:
        told.pop("maxLength", None)  # the longest word says it
    if "pattern" in told:
        told["pattern"] = told["pattern"].replace("(?:", "(")
    default = node.get("default")
    told["default"] = None if default in ([], {}) else default  # so a model says *not set*
    return _times(_ranges(told))


def _ranges(told: Node) -> Node:
    """`int32` and `int64` say least and greatest values."""
    if told["type"] == "integer":
        least, greatest = RANGES[told.pop("format", "int64")]
        told["minimum"] = max(least, told.get("minimum", least))
        told["maximum"] = min(greatest, told.get("maximum", greatest))
    return told


def _times(told: Node) -> Node:
    """Of a time, a model knows no text whose length could be told: see `test_a_time_is_written_within_the_bounds`."""
    return {"type": "string", "format": "date-time"} if told.get("format") == "date-time" else told


def resolver(definitions: Node) -> Callable[[Node], Node]:
    """Follows references and forgets null, which means *not set* everywhere."""

    def resolve(node: Node) -> Node:
        if "$ref" in node:
            return {**definitions[node["$ref"].rpartition("/")[2]], **{k: v for k, v in node.items() if k != "$ref"}}
        if "anyOf" in node:
            (only,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
            return {**resolve(only), **{k: v for k, v in node.items() if k != "anyOf"}}
        return node

    return resolve


@cache
def from_crd(name: str) -> dict[str, Node]:
    properties = crd_schema(name)["properties"]
    return {
        path: node for part in ("spec", "status") for path, node in described(part, properties[part], lambda node: node)
    }


@cache
def from_model(name: str) -> dict[str, Node]:
    schema = KINDS[name].model_json_schema(by_alias=True)
    resolve = resolver(schema["$defs"])
    parts = {part: resolve(schema["properties"][part]) | {"default": None} for part in ("spec", "status")}
    return {path: node for part, node in parts.items() for path, node in described(part, node, resolve)}


@pytest.mark.parametrize("name", KINDS)
def test_a_model_has_the_fields_of_its_crd_and_no_others(name: str) -> None:
    assert sorted(from_model(name)) == sorted(from_crd(name))


@pytest.mark.parametrize(
    ("name", "path"), [pytest.param(name, path, id=f"{name}:{path}") for name in KINDS for path in from_crd(name)]
)
def test_a_field_is_as_its_crd_says(name: str, path: str) -> None:
    assert from_model(name)[path] == from_crd(name)[path]


@pytest.mark.parametrize("name", KINDS)
def test_a_model_names_the_group_version_and_kind_of_its_crd(name: str) -> None:
    crd, model = crd_of(name)["spec"], KINDS[name].model_fields
    assert model["api_version"].default == names.API_VERSION == f"{crd['group']}/{crd['versions'][0]['name']}"
    assert model["kind"].default == crd["names"]["kind"]
    assert sorted(field.alias or "" for field in model.values()) == sorted(crd_schema(name)["properties"])


@pytest.mark.parametrize("name", KINDS)
def test_what_the_model_requires_is_what_the_crd_requires(name: str) -> None:
    assert KINDS[name].model_json_schema()["required"] == crd_schema(name)["required"]


def _models(model: type[Written]) -> set[type[Written]]:
    return {model}.union(*(_models(child) for child in model.__subclasses__()))


def test_every_model_is_frozen_and_strict_and_says_what_it_is() -> None:
    models = _models(Written)
    assert all(model.model_config["frozen"] and model.model_config["strict"] for model in models)
    assert all(model.__doc__ for model in models)
