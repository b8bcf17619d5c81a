"""The chart's files, as far as they can be judged without Helm."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from support.generated import generator

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "cairn"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())

made = generator("generate_chart")
TOLD: dict[str, str] = made.comments((CHART / "values.yaml").read_text())
LEAVES = dict(made.leaves(VALUES, TOLD))


def described(path: str) -> bool:
    """Whether the schema has a value, by its path."""
    schema = SCHEMA
    for name in path.split("."):
        if "$ref" in schema:
            schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


def problems(values: dict[str, Any]) -> list[str]:
    """Where the schema refuses values that are laid over the defaults, as Helm lays them."""
    validator = jsonschema.Draft7Validator(SCHEMA)
    return sorted("/".join(map(str, error.absolute_path)) for error in validator.iter_errors(over(VALUES, values)))


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(name), dict)
        merged[name] = over(below[name], value) if both else value
    return merged


def test_the_copies_of_the_crds_are_the_crds() -> None:
    for path, text in made.crds().items():
        assert path.read_text() == text, "run `make chart`"
    assert {path.name for path in made.CRDS.iterdir()} == {path.name for path in made.crds()}


def test_the_page_of_the_values_is_current() -> None:
    assert made.VALUES.read_text() == made.values_page(), "run `make chart`"


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]
    assert "1.33" in chart["kubeVersion"], "what docs/operations.md says Cairn needs"


@pytest.mark.parametrize("path", LEAVES)
def test_every_value_has_a_comment_and_is_in_the_schema(path: str) -> None:
    assert TOLD.get(path), f"{path} has no comment that begins with `# -- `"
    assert described(path)


def test_nothing_is_described_that_there_is_not() -> None:
    assert set(TOLD) == set(LEAVES)


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    def objects(schema: dict[str, Any], path: str) -> list[str]:
        open_here = ["/" + path] if "properties" in schema and schema.get("additionalProperties") is not False else []
        return open_here + [
            found for name, each in schema.get("properties", {}).items() for found in objects(each, f"{path}/{name}")
        ]

    known = {**SCHEMA, "properties": SCHEMA["properties"] | SCHEMA["definitions"]}
    assert objects(known, "") == []


def test_the_defaults_are_accepted() -> None:
    assert problems({}) == []
    assert problems({"global": {"registry": "of another chart"}}) == []


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"imag": {}}, ""),
        ({"image": {"tag": 18}}, "image/tag"),
        ({"image": {"digest": "latest"}}, "image/digest"),
        ({"image": {"pullPolicy": "Sometimes"}}, "image/pullPolicy"),
        ({"operator": {"workers": 257}}, "operator/workers"),
        ({"operator": {"objectStateBytes": 2000000}}, "operator/objectStateBytes"),
        ({"operator": {"replicas": "2"}}, "operator/replicas"),
        ({"api": {"podDisruptionBudget": {"maxUnavailable": "half"}}}, "api/podDisruptionBudget/maxUnavailable"),
        ({"api": {"rate": "fast"}}, "api/rate"),
        ({"api": {"corsOrigins": ["https://a, https://b"]}}, "api/corsOrigins/0"),
        ({"api": {"ingress": {"enabled": True}}}, "api/ingress/host"),
        ({"api": {"terminationGracePeriodSeconds": 5}}, "api/terminationGracePeriodSeconds"),
        ({"database": {"mode": "sqlite"}}, "database/mode"),
        ({"database": {"mode": "external"}}, "database/external/secretName"),
        ({"database": {"bundled": {"parameters": {"Shared Buffers": 1}}}}, "database/bundled/parameters"),
        ({"database": {"bundled": {"storage": {"size": "big"}}}}, "database/bundled/storage/size"),
        ({"watch": {"namespaces": ["a,b"]}}, "watch/namespaces/0"),
        ({"watch": {"namespaces": ["a", "a"]}}, "watch/namespaces"),
        ({"logging": {"level": "LOUD"}}, "logging/level"),
        ({"tracing": {"otlpEndpoint": "collector:4317"}}, "tracing/otlpEndpoint"),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "networkPolicy/apiServer/ports"),
    ],
    ids=lambda given: given if isinstance(given, str) else json.dumps(given),
)
def test_a_wrong_value_is_refused_where_it_stands(values: dict[str, Any], where: str) -> None:
    assert problems(values) == [where]
