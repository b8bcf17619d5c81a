"""What the four endpoints for training programs refuse: each refusal names the field, or says what can be done."""

from __future__ import annotations

from typing import Any

import pytest

from support.kube import Kube
from support.service import Service
from support.training import NO_CHECKPOINT, Json, Training, finished, gone, half_done, problem

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def training(service: Service, tenant: Kube) -> Training:
    return Training(service.api.url, service.editor(tenant))


@pytest.mark.parametrize("what", ["checkpoint", "pause", "resume"])
@pytest.mark.parametrize("execution", [NOBODY, "{namespace}/none"], ids=["uid", "name"])
def test_an_unknown_execution_is_not_found(service: Service, what: str, execution: str) -> None:
    at_home = Training(service.api.url, service.editor(service.home, f"e-{what}-{len(execution)}"))
    said = at_home.refused(what, 404, executionId=execution.format(namespace=service.home.namespace))
    assert "there is no execution" in said["detail"]


def test_an_unknown_execution_has_no_list(service: Service) -> None:
    at_home = Training(service.api.url, service.editor(service.home, "lister"))
    for execution in (NOBODY, "none", f"{service.home.namespace}/none"):
        problem(at_home.get(executionId=execution), 404, "not-found")


def test_an_unknown_checkpoint_lists_what_exists_and_how_to_take_one(service: Service) -> None:
    at_home = Training(service.api.url, service.editor(service.home, "resumer"))
    for checkpoint in (NO_CHECKPOINT, "none"):
        said = at_home.refused("resume", 404, checkpointId=checkpoint)["detail"]
        assert f"there is no checkpoint {checkpoint}" in said
    assert "POST /api/training/dag/checkpoint takes one" in said
    half_done(service.home, "kept")
    saved = at_home.done("checkpoint", executionId="kept", name="the one there is")["checkpointId"]
    said = at_home.refused("resume", 404, checkpointId=NO_CHECKPOINT)["detail"]
    assert f"{saved} (the one there is, of kept)" in said and "takes one" in said
    gone(service.home, "kept")


def test_a_finished_execution_is_neither_paused_nor_resumed(training: Training, tenant: Kube) -> None:
    uid = finished(tenant)
    said = training.refused("pause", 409, executionId=uid)
    assert "has finished (Succeeded) and cannot be paused" in said["detail"]
    said = training.refused("resume", 409, executionId=uid)
    assert "there are none yet; POST /api/training/dag/checkpoint takes one" in said["detail"]
    saved = training.done("checkpoint", executionId=uid)["checkpointId"]
    said = training.refused("resume", 409, executionId=uid)
    assert "has finished (Succeeded) and cannot be resumed" in said["detail"]
    assert saved in said["detail"] and "takes one" in said["detail"]


WRONG: list[Any] = [
    pytest.param("resume", {"executionId": "a/b", "checkpointId": NO_CHECKPOINT}, "body", id="both-ids"),
    pytest.param("resume", {}, "body", id="no-id"),
    pytest.param("resume", {"checkpointId": ""}, "checkpointId", id="empty-checkpoint"),
    pytest.param("checkpoint", {}, "executionId", id="no-execution"),
    pytest.param("checkpoint", {"executionId": ""}, "executionId", id="empty-execution"),
    pytest.param("checkpoint", {"executionId": "A B"}, "executionId", id="no-name"),
    pytest.param("checkpoint", {"executionId": "a/b/c"}, "executionId", id="too-many-parts"),
    pytest.param("checkpoint", {"executionId": 7}, "executionId", id="a-number"),
    pytest.param("checkpoint", {"executionId": "a/b", "name": "x" * 254}, "name", id="long-name"),
    pytest.param("checkpoint", {"executionId": "a/b", "metadata": {"k": 1}}, "metadata.k", id="metadata-is-text"),
    pytest.param("checkpoint", {"executionId": "a/b", "metadata": []}, "metadata", id="metadata-is-a-map"),
    pytest.param("checkpoint", {"executionId": "a/b", "metadata": None}, "metadata", id="metadata-is-not-null"),
    pytest.param("checkpoint", {"executionId": "a/b", "extra": 1}, "extra", id="unknown-field"),
    pytest.param("checkpoint", {"execution_id": "a/b"}, "executionId", id="snake-case"),
    pytest.param("pause", {"executionId": "a/b", "createCheckpoint": "yes"}, "createCheckpoint", id="text-for-true"),
    pytest.param("pause", {"executionId": "a/b", "createCheckpoint": 1}, "createCheckpoint", id="one-for-true"),
    pytest.param("pause", {"executionId": "a/b", "createCheckpoint": None}, "createCheckpoint", id="null-for-true"),
    pytest.param("pause", [], "body", id="a-list"),
    pytest.param("pause", "text", "body", id="a-text"),
    pytest.param("pause", None, "body", id="null"),
]


@pytest.mark.parametrize(("what", "body", "field"), WRONG)
def test_a_wrong_request_names_the_field(training: Training, what: str, body: Any, field: str) -> None:
    said = problem(training.post(what, body), 422, "invalid-request")
    assert field in [each["field"] for each in said["errors"]], said


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": -1}, {"limit": 1001}, {"limit": "x"}, {"offset": -1}, {"offset": 10**30},
     {"trigger": "hourly"}, {"executionId": "A B"}, {"executionid": "a/b"}],
    ids=lambda query: "-".join(map(str, *query.items())),
)  # fmt: skip
def test_a_wrong_query_names_the_parameter(training: Training, query: Json) -> None:
    said = problem(training.get(**query), 422, "invalid-request")
    assert [each["field"] for each in said["errors"]] == [*query]
