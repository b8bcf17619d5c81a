"""A DAG written in Python: what it becomes, and that whatever is wrong is told as `cairn lint` tells it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cairn.client import (
    CheckpointSettings,
    Dag,
    DAGExecution,
    InvalidSpec,
    Job,
    JobDefaults,
    OutputsFrom,
    Pause,
    Profile,
    RestoreFrom,
    Retry,
    RunOn,
)
from cairn.client.dag import JobFields, SpecFields
from cairn.client.models import ExecutionSpec
from cairn.core.parse import parse
from cairn.errors import Violation

SAMPLES = sorted((Path(__file__).resolve().parents[3] / "manifests" / "samples").glob("*.yaml"))


def spec_of(dag: Dag) -> dict[str, Any]:
    return dag.build().to_body()["spec"]  # type: ignore[no-any-return]


def job_of(**fields: Any) -> dict[str, Any]:
    """The body of a job with these fields."""
    dag = Dag("one", image="i")
    dag.job("first")
    dag.job("a", **fields)
    return spec_of(dag)["jobs"][1]  # type: ignore[no-any-return]


def wrong_with(dag: Dag) -> tuple[Violation, ...]:
    with pytest.raises(InvalidSpec) as error:
        dag.build()
    return error.value.violations


# --- What it becomes -------------------------------------------------------------------------------------------------


def test_a_dag_is_an_execution_with_what_was_said_and_nothing_else() -> None:
    dag = Dag("train", image="python:3.12", parallelism=2)
    prepare = dag.job("prepare", command=["prepare"])
    dag.job("train", after=[prepare], group="training")
    dag.job("pick", after="group:training")
    assert dag.build("ml").to_body() == {
        "apiVersion": "cairn.dev/v1alpha1",
        "kind": "DAGExecution",
        "metadata": {"name": "train", "namespace": "ml"},
        "spec": {
            "parallelism": 2,
            "jobDefaults": {"image": "python:3.12"},
            "jobs": [
                {"id": "prepare", "command": ["prepare"]},
                {"id": "train", "group": "training", "dependsOn": ["prepare"]},
                {"id": "pick", "dependsOn": ["group:training"]},
            ],
        },
    }


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"after": "first"}, {"dependsOn": ["first"]}, id="one dependency needs no list"),
        pytest.param({"after": (x for x in ["first"])}, {"dependsOn": ["first"]}, id="dependencies from a generator"),
        pytest.param({"command": ("a", "b")}, {"command": ["a", "b"]}, id="a tuple is a list"),
        pytest.param({"env": {"A": "1"}}, {"env": [{"name": "A", "value": "1"}]}, id="variables as a mapping"),
        pytest.param({"env": [{"name": "A"}]}, {"env": [{"name": "A"}]}, id="variables as in a pod"),
        pytest.param({"retry": Retry(limit=2)}, {"retry": {"limit": 2}}, id="a model says only what was set"),
        pytest.param({"retry": {"maxSeconds": 2}}, {"retry": {"maxSeconds": 2}}, id="a mapping as in YAML"),
        pytest.param({"run_on": RunOn.DONE}, {"runOn": "Done"}, id="an enum"),
        pytest.param({"run_on": "Done"}, {"runOn": "Done"}, id="its text"),
        pytest.param({"timeout_seconds": 0}, {"timeoutSeconds": 0}, id="0 is said"),
        pytest.param({"image": None}, {}, id="None is not set"),
        pytest.param(
            {"pod_template": {"spec": {"tolerations": [{"operator": "Exists"}]}}},
            {"podTemplate": {"spec": {"tolerations": [{"operator": "Exists"}]}}},
            id="a pod template passes through",
        ),
    ],
)
def test_a_job_is_what_its_keywords_say(fields: dict[str, Any], body: dict[str, Any]) -> None:
    assert job_of(**fields) == {"id": "a"} | body


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param({"hold": ["a"]}, {"hold": ["a"]}, id="hold"),
        pytest.param({"paused": False}, {"paused": False}, id="False is said"),
        pytest.param(
            {"checkpoint": CheckpointSettings(profile=Profile.PRODUCTION, critical_job_ids=("a",))},
            {"checkpoint": {"profile": "Production", "criticalJobIds": ["a"]}},
            id="checkpoint settings",
        ),
        pytest.param(
            {"pause": Pause(until=datetime(2026, 1, 31, 18, tzinfo=UTC))},
            {"pause": {"until": "2026-01-31T18:00:00.000Z"}},
            id="a time",
        ),
        pytest.param({"params": {"x": None}}, {"params": {"x": None}}, id="null is a value of a param"),
        pytest.param(
            {"job_defaults": JobDefaults(outputs=OutputsFrom.LOG)},
            {"jobDefaults": {"image": "i", "outputs": "Log"}},
            id="image joins the defaults",
        ),
        pytest.param({"job_defaults": {"image": "j"}}, {"jobDefaults": {"image": "j"}}, id="whose own image wins"),
    ],
)
def test_an_execution_is_what_its_keywords_say(fields: Any, body: dict[str, Any]) -> None:
    dag = Dag("one", image="i", **fields)
    dag.job("a")
    assert spec_of(dag) == {"jobDefaults": {"image": "i"}, "jobs": [{"id": "a"}]} | body


def test_a_dag_without_jobs_may_start_from_a_checkpoint() -> None:
    assert spec_of(Dag("again", restore_from=RestoreFrom(latest_of="train"))) == {"restoreFrom": {"latestOf": "train"}}


def test_a_job_may_be_written_already() -> None:
    dag = Dag("one", image="i")
    first = dag.add(Job(id="a", retry=Retry(limit=1)))
    second = dag.add({"id": "b", "dependsOn": [first]})
    assert (first, second) == ("a", "b")
    assert spec_of(dag)["jobs"] == [{"id": "a", "retry": {"limit": 1}}, {"id": "b", "dependsOn": ["a"]}]


def test_a_reference_to_an_output_is_one_that_the_operator_knows() -> None:
    dag = Dag("one", image="i")
    first = dag.job("train-0.1")
    dag.job("b", command=[first.output("best.score")])
    (violation,) = wrong_with(dag)
    assert violation.message.startswith("uses the outputs of job 'train-0.1', which is not in dependsOn")


def test_what_changes_afterwards_changes_nothing() -> None:
    dag, command, template = Dag("one", image="i"), ["a"], {"spec": {"hostname": "x"}}
    dag.job("a", command=command, pod_template=template)
    built = dag.build()
    command.append("b")
    template["spec"]["hostname"] = "y"
    dag.job("later")
    assert built.to_body()["spec"]["jobs"] == [
        {"id": "a", "command": ["a"], "podTemplate": {"spec": {"hostname": "x"}}}
    ]
    assert [job.id for job in dag.build().spec.jobs] == ["a", "later"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_can_be_read_and_written_as_it_is(path: Path) -> None:
    for body in yaml.safe_load_all(path.read_text().replace(":00Z", ":00.000Z")):  # milliseconds are written always
        if body["kind"] == "DAGExecution":
            assert DAGExecution.model_validate(body).to_body() == body


# --- As a file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("1e-05", '"1e-05"', id="a number to kubectl, not to Python"),
        pytest.param("0o17", '"0o17"', id="an octal number to kubectl"),
        pytest.param("y", '"y"', id="true to kubectl"),
        pytest.param("N", '"N"', id="false to kubectl"),
        pytest.param("-1e3", '"-1e3"', id="a negative number"),
        pytest.param("yes", "'yes'", id="true to both"),
        pytest.param("2026-01-31", '"2026-01-31"', id="a date"),
        pytest.param("null", "'null'", id="null"),
        pytest.param("-c", "-c", id="an option"),
        pytest.param("echo größer", "echo größer", id="a text"),
        pytest.param("a\nb\n", "|\n      a\n      b\n", id="lines"),
    ],
)
def test_a_text_stays_a_text_in_a_file(text: str, written: str) -> None:
    dag = Dag("one", image="i")
    dag.job("a", command=[text])
    file = dag.to_yaml("ml")
    assert file.endswith(f"    - {written}" + ("" if written.endswith("\n") else "\n"))
    assert yaml.safe_load(file) == dag.build("ml").to_body()


# --- What is wrong ---------------------------------------------------------------------------------------------------


def _duplicate(dag: Dag) -> None:
    dag.job("a")
    dag.job("a")


def _unknown(dag: Dag) -> None:
    dag.job("prepare")
    dag.job("a", after=["prepaer", "group:training"])


def _cycle(dag: Dag) -> None:
    dag.job("a", after="b")
    dag.job("b", after="a")


def _several(dag: Dag) -> None:
    _duplicate(dag)
    _cycle(dag)
    dag.job("c", command="echo", when="jobs[", retry={"backoff_seconds": 1})


@pytest.mark.parametrize("write", [_duplicate, _unknown, _cycle, _several, lambda dag: None])
def test_what_the_operator_finds_wrong_is_told_in_its_words_and_once(write: Callable[[Dag], None]) -> None:
    dag = Dag("wrong", image="i")
    write(dag)
    with pytest.raises(InvalidSpec) as error:
        parse(dag._spec())
    assert wrong_with(dag) == error.value.violations


@pytest.mark.parametrize(
    ("name", "namespace", "fields", "violations"),
    [
        pytest.param("Train", None, {}, ["metadata.name: should be lower-case letters"], id="a name in upper case"),
        pytest.param("t" * 254, None, {}, ["metadata.name: string should have at most 253"], id="a long name"),
        pytest.param("t", "a_b", {}, ["metadata.namespace: should be lower-case letters"], id="a namespace"),
        pytest.param(
            "t", None, {"retry": {"limit": 101}}, ["spec.jobs[0].retry.limit: should be less"], id="a bound of the CRD"
        ),
        pytest.param(
            "T", None, {"retry": {"limit": -1}, "when": "x" * 1025, "after": ["b"]},
            ["metadata.name: ", "spec.jobs[0].retry.limit: ", "spec.jobs[0].dependsOn[0]: ", "spec.jobs[0].when: "],
            id="all of it, each once",
        ),
        pytest.param("t", None, {"env": {"A": 1}}, ["spec.jobs[0].env[0].value: should be a valid string"], id="env"),
        pytest.param("t", None, {"command": {1}}, ["spec.jobs[0].command: is a set, which JSON does"], id="no JSON"),
    ],
)  # fmt: skip
def test_everything_that_is_wrong_is_told_at_once(
    name: str, namespace: str | None, fields: Any, violations: list[str]
) -> None:
    dag = Dag(name, image="i")
    dag.job("a", **fields)
    with pytest.raises(InvalidSpec) as error:
        dag.build(namespace)
    found = [str(violation) for violation in error.value.violations]
    assert len(found) == len(violations)
    assert all(text.startswith(start) for text, start in zip(found, violations, strict=True)), found


@pytest.mark.parametrize(
    ("act", "message"),
    [
        pytest.param(lambda dag: dag.job("a", imag="i"), "job has no field 'imag'; did you mean 'image'?", id="job"),
        pytest.param(lambda dag: type(dag)("a", hol=[]), "Dag has no field 'hol'; did you mean 'hold'?", id="Dag"),
        pytest.param(lambda dag: dag.add("a"), "add takes a Job or a mapping, not 'a'", id="add"),
    ],
)
def test_what_is_no_python_is_refused_where_it_is_written(act: Callable[[Any], object], message: str) -> None:
    with pytest.raises(TypeError) as error:
        act(Dag("one"))
    assert str(error.value).startswith(message)


def test_every_field_has_a_keyword() -> None:
    assert JobFields.__annotations__.keys() == Job.model_fields.keys() - {"id", "depends_on"}
    on_the_way = {"cancel", "requests"}
    assert SpecFields.__annotations__.keys() == ExecutionSpec.model_fields.keys() - {"jobs"} - on_the_way
