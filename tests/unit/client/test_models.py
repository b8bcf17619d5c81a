"""How the models behave: what they take, what they refuse, what they write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from cairn.client.models import (
    Checkpoint,
    CheckpointSpec,
    DAGExecution,
    ExecutionRef,
    ExecutionSpec,
    Job,
    JobResult,
    Metadata,
    Pause,
    Request,
    Retry,
)
from cairn.core.spec import RequestType, RunOn
from cairn.core.status import Condition, JobRecord, JobState, PausePhase, PauseState, Phase, Status
from cairn.core.status_wire import to_wire

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 1, 31, 18, 0, 0, 250_000, tzinfo=UTC)


def execution(**more: Any) -> dict[str, Any]:
    """The body of an execution as the API server gives it."""
    return {
        "apiVersion": "cairn.dev/v1alpha1",
        "kind": "DAGExecution",
        "metadata": {"name": "a", "namespace": "ml", "uid": "u", "resourceVersion": "7", "managedFields": [{}]},
        "spec": {"paused": False, "jobs": [{"id": "a", "image": "i"}]},
    } | more


def test_both_names_of_a_field_are_understood() -> None:
    assert Job(id="a", depends_on=("b",)) == Job.model_validate({"id": "a", "dependsOn": ["b"]})


@pytest.mark.parametrize(
    ("model", "body"),
    [
        pytest.param(Retry(), {}, id="nothing"),
        pytest.param(Retry(limit=0), {"limit": 0}, id="a default that was said"),
        pytest.param(Retry(limit=None), {}, id="null is not set"),
        pytest.param(Pause.model_validate({"mode": None}), {}, id="also where there is a default"),
        pytest.param(Retry(limit=2).model_copy(update={"limit": None}), {}, id="null of a copy"),
        pytest.param(
            Request(id="r", type=RequestType.COMPLETE, job="a", outputs=None, limit=None),
            {"id": "r", "type": "Complete", "job": "a", "outputs": None},
            id="outputs of null are said",
        ),
        pytest.param(
            Request(id="r", type=RequestType.COMPLETE, job="a"),
            {"id": "r", "type": "Complete", "job": "a"},
            id="no outputs are not",
        ),
        pytest.param(Metadata(name="a", uid="u", resource_version="7"), {"name": "a"}, id="not what the server gives"),
    ],
)  # fmt: skip
def test_a_body_has_what_was_set(model: Any, body: dict[str, Any]) -> None:
    assert model.to_body() == body


def test_an_object_is_applied_without_what_the_server_gives() -> None:
    seen = DAGExecution.from_body(execution(status={"phase": "Running"}))
    assert seen.to_body() == execution(metadata={"name": "a", "namespace": "ml"})
    assert seen.metadata.resource_version == "7"


def test_a_checkpoint_is_asked_for_in_a_few_words() -> None:
    spec = CheckpointSpec(execution_ref=ExecutionRef(name="train"), name="Before deployment")
    assert Checkpoint(metadata=Metadata(generate_name="train-"), spec=spec).to_body() == {
        "apiVersion": "cairn.dev/v1alpha1",
        "kind": "Checkpoint",
        "metadata": {"generateName": "train-"},
        "spec": {"executionRef": {"name": "train"}, "name": "Before deployment"},
    }


@pytest.mark.parametrize(
    "time",
    [
        pytest.param(NOW, id="UTC"),
        pytest.param(NOW.astimezone(timezone(timedelta(hours=-9, minutes=-30))), id="another zone"),
        pytest.param(NOW.replace(microsecond=250_999), id="microseconds"),
        pytest.param("2026-01-31T19:00:00.25+01:00", id="text"),
    ],
)
def test_a_time_is_written_within_the_bounds(time: Any) -> None:
    crd = yaml.safe_load((ROOT / "crds" / "dagexecutions.yaml").read_text())["spec"]["versions"][0]["schema"]
    until = crd["openAPIV3Schema"]["properties"]["spec"]["properties"]["pause"]["properties"]["until"]
    written = Pause(until=time).to_body()["until"]
    assert written == "2026-01-31T18:00:00.250Z"
    assert re.fullmatch(until["pattern"], written) and len(written) <= until["maxLength"]


@pytest.mark.parametrize(
    ("model", "fields", "place"),
    [
        pytest.param(Retry, {"limit": 101}, "limit", id="a bound"),
        pytest.param(Retry, {"limit": "2"}, "limit", id="nothing is converted"),
        pytest.param(Retry, {"limits": 2}, "limits", id="an unknown field"),
        pytest.param(Job, {"id": "a", "runOn": "done"}, "runOn", id="an unknown word"),
        pytest.param(Job, {"id": "a", "command": "echo"}, "command", id="a text is no list"),
        pytest.param(Job, {"id": "-a"}, "id", id="a pattern"),
        pytest.param(Job, {"id": None}, "id", id="null is not set, where it must be"),
        pytest.param(Job, 3, None, id="no object"),
        pytest.param(Pause, {"until": NOW.replace(tzinfo=None)}, "until", id="a time without a zone"),
        pytest.param(Pause, {"until": "tomorrow"}, "until", id="no time"),
        pytest.param(ExecutionSpec, {"jobs": [{"id": "a"}] * 2001}, "jobs", id="too many"),
        pytest.param(DAGExecution, execution(kind="Checkpoint"), "kind", id="another kind"),
        pytest.param(DAGExecution, execution(apiVersion="cairn.dev/v2"), "apiVersion", id="another version"),
    ],
)
def test_what_is_wrong_in_itself_is_refused(model: type[BaseModel], fields: Any, place: str | None) -> None:
    with pytest.raises(ValidationError) as error:
        model.model_validate(fields)
    assert [item["loc"] for item in error.value.errors()] == [(place,) if place else ()]


def test_a_newer_operator_can_be_read() -> None:
    body = execution(status={"phase": "Running", "news": 1, "jobs": [{"id": "a", "state": "Running", "news": 1}]})
    body["spec"]["news"] = 1
    body["spec"]["jobs"][0]["news"] = 1
    seen = DAGExecution.from_body(body)
    assert seen.spec.jobs == (Job(id="a", image="i"),)
    assert seen.status.jobs[0].state is JobState.RUNNING


def test_a_field_that_somebody_writes_must_exist() -> None:
    body = execution()
    body["spec"]["news"] = 1
    with pytest.raises(ValidationError):
        DAGExecution.model_validate(body)


def test_a_status_of_the_operator_can_be_read() -> None:
    written = to_wire(
        Status(
            phase=Phase.RUNNING,
            started_at=NOW,
            pause=PauseState(PausePhase.DRAINING, NOW, 3, running=("a",), count=1),
            jobs={"a": JobRecord("a", JobState.RUNNING, attempt=1, launched_at=NOW)},
            conditions=(Condition("Accepted", True, "Accepted", "", 3, NOW),),
        )
    )
    status = DAGExecution.from_body(execution(status=written)).status
    assert (status.phase, status.started_at, status.progress) == (Phase.RUNNING, NOW, "0/1")
    assert status.pause is not None and status.pause.running == ("a",)
    assert (job := status.job("a")) is not None and job.launched_at == NOW
    assert (accepted := status.condition("Accepted")) is not None and accepted.status == "True"
    assert status.job("b") is None and status.condition("Finished") is None
    assert status.model_dump(mode="json", by_alias=True, exclude_unset=True) == written


@pytest.mark.parametrize(
    ("phase", "finished"),
    [(None, False), ("Pending", False), ("Running", False), ("Failed", True), ("Cancelled", True)],
)
def test_an_execution_tells_whether_it_has_ended(phase: str | None, finished: bool) -> None:
    assert DAGExecution.from_body(execution(status={"phase": phase})).status.finished is finished


@pytest.mark.parametrize(("phase", "ready"), [(None, False), ("Pending", False), ("Ready", True), ("Failed", False)])
def test_a_checkpoint_tells_whether_it_can_be_restored(phase: str | None, ready: bool) -> None:
    body = {"spec": {"executionRef": {"name": "a"}}, "status": {"phase": phase, "conditions": []}}
    status = Checkpoint.from_body(body).status
    assert status.ready is ready
    assert status.condition("Stored") is None


@pytest.mark.parametrize(("outputs", "value"), [(None, None), ("null", None), ('{"score": 1.0}', {"score": 1.0})])
def test_a_result_has_its_outputs_as_a_value(outputs: str | None, value: Any) -> None:
    spec = {"execution": "a", "executionUid": "u", "job": "a", "attempt": 1, "outputs": outputs, "news": 1}
    result = JobResult.model_validate({"spec": spec}).spec
    assert (result.outputs, result.value) == (outputs, value)


def test_a_model_shows_what_was_set() -> None:
    assert repr(Job(id="a", run_on=RunOn.DONE)) == "Job(id='a', run_on=<RunOn.DONE: 'Done'>)"


def test_a_model_shows_no_payload() -> None:
    body = {"spec": {"executionRef": {"name": "a"}}, "status": {"state": "json:{}", "phase": "Ready"}}
    assert "json:" not in repr(Checkpoint.from_body(body))
