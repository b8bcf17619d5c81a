"""What must hold for the CRDs, the samples and the reference, as far as it can be seen without an API server."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cairn import names
from cairn.core.checkpoint.retention import Phase as CheckpointPhase
from cairn.core.checkpoint.settings import DeletionPolicy, OnError, Profile, Trigger
from cairn.core.parse import parse
from cairn.core.spec import FailurePolicy, OutputsFrom, PauseMode, Replay, RequestType, RunOn, Scheduling
from cairn.core.status import JobState, PausePhase, Phase, Stopping

ROOT = Path(__file__).resolve().parents[3]
CRDS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))}
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))

# Where a value is not described down to its leaves, and why.
UNKNOWN = {
    "dagexecutions:spec.params{}",  # any JSON, the user's
    "dagexecutions:spec.requests[].outputs",  # any JSON, the user's
    "dagexecutions:spec.jobs[].env[].valueFrom",  # Kubernetes' own
    "dagexecutions:spec.jobs[].podTemplate.spec",
    "dagexecutions:spec.jobDefaults.env[].valueFrom",
    "dagexecutions:spec.jobDefaults.podTemplate.spec",
}
NO_DEFAULTS = ("spec.jobs", "spec.jobDefaults", "spec.checkpoint")


def schema_of(name: str) -> dict[str, Any]:
    """The schema of a CRD's only version."""
    schema: dict[str, Any] = CRDS[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def walk(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema node with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(f"{path}.{name}" if path else name, child)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from walk(path + mark, schema[key])


NODES = [(f"{name}:{path}", node) for name in CRDS for path, node in walk("", schema_of(name))]
FIELDS = [pytest.param(path, node, id=path) for path, node in NODES]


def at(path: str) -> dict[str, Any]:
    """The schema node of a DAGExecution field."""
    return dict(NODES)[f"dagexecutions:{path}"]


@pytest.mark.parametrize(("path", "node"), FIELDS)
def test_every_field_is_described(path: str, node: dict[str, Any]) -> None:
    if path.endswith(":metadata"):
        assert set(node) == {"type"}, "the API server allows nothing else and describes it itself"
        return
    text = node.get("description", "")
    assert len(text) > 5
    assert text.endswith(".")
    assert "  " not in text


@pytest.mark.parametrize(("path", "node"), FIELDS)
def test_every_list_map_and_string_is_bounded(path: str, node: dict[str, Any]) -> None:
    if node.get("type") == "string":
        assert "maxLength" in node or "enum" in node
    if node.get("x-kubernetes-int-or-string"):
        assert "maxLength" in node
    if node.get("type") == "array":
        assert "maxItems" in node
        assert node["x-kubernetes-list-type"] in {"atomic", "set", "map"}
    if "additionalProperties" in node:
        assert "maxProperties" in node
    if node.get("type") == "object" and not path.endswith(":metadata"):
        assert "properties" in node or "maxProperties" in node


def test_only_the_listed_fields_hold_unknown_values() -> None:
    assert {path for path, node in NODES if node.get("x-kubernetes-preserve-unknown-fields")} == UNKNOWN


def test_numbers_that_users_write_are_bounded_below() -> None:
    unbounded = {
        path.partition(":")[2]
        for path, node in NODES
        if ":spec." in path and node.get("type") in {"integer", "number"} and "minimum" not in node
    }
    assert unbounded == {"spec.exitCode"}


def test_defaults_stand_only_where_the_operator_need_not_merge() -> None:
    defaults = {path.partition(":")[2] for path, node in NODES if "default" in node}
    assert not {path for path in defaults if path.startswith(NO_DEFAULTS)}
    assert "spec.ttlSecondsAfterFinished" not in defaults
    assert {path: at(path)["default"] for path in ("spec.paused", "spec.scheduling", "spec.pause.mode")} == {
        "spec.paused": False,
        "spec.scheduling": "Dependencies",
        "spec.pause.mode": "Drain",
    }


def test_a_job_and_the_defaults_have_the_same_fields_with_the_same_bounds() -> None:
    def bare(schema: Any) -> Any:
        if isinstance(schema, dict):
            return {key: bare(value) for key, value in schema.items() if key != "description"}
        return schema

    job, defaults = at("spec.jobs[]")["properties"], at("spec.jobDefaults")["properties"]
    assert set(job) - set(defaults) == {"id", "group", "dependsOn", "runOn", "when"}
    assert {name: bare(job[name]) for name in defaults} == {name: bare(defaults[name]) for name in defaults}


def test_large_lists_are_atomic_so_that_managed_fields_stay_small() -> None:
    lists = ("status.jobs", "status.requests", "status.checkpointing.pending", "spec.jobs[].dependsOn")
    for path in (*lists, "spec.jobs[].command"):
        assert at(path)["x-kubernetes-list-type"] == "atomic"
    assert at("spec.jobs")["x-kubernetes-list-map-keys"] == ["id"]
    assert at("status.conditions")["x-kubernetes-list-map-keys"] == ["type"]


@pytest.mark.parametrize(
    ("path", "enumeration"),
    [
        ("spec.scheduling", Scheduling),
        ("spec.checkpoint.profile", Profile),
        ("spec.checkpoint.triggers[]", Trigger),
        ("spec.checkpoint.onError", OnError),
        ("spec.checkpoint.deletionPolicy", DeletionPolicy),
        ("status.checkpointing.settings.profile", Profile),
        ("status.checkpointing.settings.triggers[]", Trigger),
        ("status.checkpointing.settings.onError", OnError),
        ("status.checkpointing.settings.deletionPolicy", DeletionPolicy),
        ("status.checkpointing.last.trigger", Trigger),
        ("status.checkpointing.pending[].trigger", Trigger),
        ("spec.failurePolicy", FailurePolicy),
        ("spec.pause.mode", PauseMode),
        ("spec.jobs[].runOn", RunOn),
        ("spec.jobs[].outputs", OutputsFrom),
        ("spec.jobs[].replay", Replay),
        ("spec.requests[].type", RequestType),
        ("status.phase", Phase),
        ("status.pause.phase", PausePhase),
        ("status.jobs[].state", JobState),
        ("status.jobs[].stopping", Stopping),
    ],
)
def test_enumerations_are_those_of_the_core(path: str, enumeration: type[Any]) -> None:
    assert at(path)["enum"] == [member.value for member in enumeration]


@pytest.mark.parametrize(
    ("path", "enumeration"),
    [
        ("spec.trigger", Trigger),
        ("status.phase", CheckpointPhase),
        ("status.retention.deletionPolicy", DeletionPolicy),
    ],
)
def test_enumerations_of_a_checkpoint_are_those_of_the_core(path: str, enumeration: type[Any]) -> None:
    assert dict(NODES)[f"checkpoints:{path}"]["enum"] == [member.value for member in enumeration]


def test_every_rule_says_what_is_wrong_where_and_of_which_kind() -> None:
    for path, node in NODES:
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["message"], path
            assert rule["reason"] in {"FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"}, path


def test_no_rules_inside_jobs_since_each_would_be_judged_at_every_status_write() -> None:
    assert not [p for p, n in NODES if p.startswith("dagexecutions:spec.jobs[]") and "x-kubernetes-validations" in n]


@pytest.mark.parametrize(
    ("plural", "kind", "short"),
    [
        ("dagexecutions", names.EXECUTION_KIND, "dagx"),
        ("checkpoints", "Checkpoint", "ckpt"),
        ("jobresults", names.RESULT_KIND, "jres"),
    ],
)
def test_names(plural: str, kind: str, short: str) -> None:
    crd = CRDS[plural]
    spec = crd["spec"]
    assert crd["metadata"]["name"] == f"{plural}.{names.GROUP}"
    assert (spec["group"], spec["scope"], spec["versions"][0]["name"]) == (names.GROUP, "Namespaced", names.VERSION)
    assert (spec["names"]["kind"], spec["names"]["shortNames"]) == (kind, [short])
    assert spec["names"]["categories"] == ["cairn"]
    assert ("subresources" in spec["versions"][0]) is (plural != "jobresults"), "a result is written in one call"


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        (
            "dagexecutions",
            [
                ".status.phase",
                ".spec.paused",
                ".spec.restoreFrom.checkpointName",
                ".spec.restoreFrom.checkpointId",
                ".spec.restoreFrom.latestOf",
            ],
        ),
        (
            "checkpoints",
            [
                ".spec.executionRef.name",
                ".spec.trigger",
                ".status.phase",
                ".status.checkpointId",
                ".status.executionUid",
            ],
        ),
        ("jobresults", [".spec.execution", ".spec.job"]),
    ],
)
def test_selectable_fields(plural: str, expected: list[str]) -> None:
    version = CRDS[plural]["spec"]["versions"][0]
    assert [field["jsonPath"] for field in version["selectableFields"]] == expected


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as JSON Schema that, like strict field validation, refuses unknown fields."""
    copied = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "nullable"}
    if schema.get("x-kubernetes-int-or-string"):
        copied["type"] = ["integer", "string"]
    if "items" in schema:
        copied["items"] = closed(schema["items"])
    if "properties" in schema:
        copied["properties"] = {name: closed(child) for name, child in schema["properties"].items()}
        copied["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if isinstance(schema.get("additionalProperties"), dict):
        copied["additionalProperties"] = closed(schema["additionalProperties"])
    return copied


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in SAMPLES])
def test_sample_is_valid(path: Path) -> None:
    sample = yaml.safe_load(path.read_text())
    schema = closed(schema_of("dagexecutions"))
    schema["properties"]["metadata"] = {"type": "object"}
    assert not [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(sample)]
    assert parse(sample["spec"]).jobs
    assert path.read_text().startswith("# ")


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 8


def test_the_reference_is_current() -> None:
    location = ROOT / "docs" / "generate_reference.py"
    spec = importlib.util.spec_from_file_location("generate_reference", location)
    assert spec is not None and spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    text = generator.render(generator.load(ROOT / "crds"))
    assert (ROOT / "docs" / "reference.md").read_text() == text, "run `make docs`"
    fields = {path.partition(":")[2] for path, _ in NODES}
    missing = {f for f in fields if f and not f.endswith(("]", "}")) and f"`{f}`" not in text}
    assert not missing
