"""The four endpoints for training programs: a real API server, an operator, a database, tokens of service accounts."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from support.api_process import ApiProcess
from support.checkpoints import ready
from support.jobs import hanging, job, release
from support.kube import Kube, until
from support.service import Service
from support.training import Training, finished, gone, half_done, named

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = re.compile(r"checkpoint_\d{13}_[0-9a-z]{8}")

StartApi = Callable[..., ApiProcess]


@pytest.fixture
def training(service: Service, tenant: Kube) -> Training:
    return Training(service.api.url, service.editor(tenant))


# --- Checkpoint ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_has_what_was_asked_for(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    told = training.done("checkpoint", executionId=uid, name="Before deployment", metadata={"ticket": "OPS-17"})
    assert told == {
        "success": True, "checkpointId": told["checkpointId"], "executionId": uid,
        "message": "Checkpoint created successfully",
    }  # fmt: skip
    assert ID.fullmatch(told["checkpointId"])
    [listed] = training.list(executionId=uid)
    assert TIME.fullmatch(listed["createdAt"])
    assert listed == {
        "id": told["checkpointId"], "executionId": uid, "name": "Before deployment", "trigger": "manual",
        "createdAt": listed["createdAt"], "jobCount": 3, "status": "running", "metadata": {"ticket": "OPS-17"},
    }  # fmt: skip
    [saved] = ready(tenant)
    assert saved["status"]["checkpointId"] == told["checkpointId"]
    assert saved["spec"]["createdBy"] == f"system:serviceaccount:{tenant.namespace}:editor"


def test_name_and_metadata_have_defaults(training: Training, tenant: Kube) -> None:
    half_done(tenant)
    training.done("checkpoint", executionId=named(tenant, "train"))
    [listed] = training.list(executionId=named(tenant, "train"))
    assert re.fullmatch(r"Manual checkpoint at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", listed["name"])
    assert listed["metadata"] == {}


def test_an_execution_goes_by_its_uid_by_its_namespace_and_name_or_by_a_name(
    service: Service, training: Training, tenant: Kube
) -> None:
    here = half_done(tenant)
    for text in (here, named(tenant, "train")):
        assert training.done("checkpoint", executionId=text)["executionId"] == here
    there = half_done(service.home, "at-home")
    at_home = Training(service.api.url, service.editor(service.home))
    assert at_home.done("checkpoint", executionId="at-home")["executionId"] == there
    gone(service.home, "at-home")


def test_a_finished_execution_can_be_saved_too(training: Training, tenant: Kube) -> None:
    uid = finished(tenant)
    training.done("checkpoint", executionId=uid)
    assert [c["status"] for c in training.list(executionId=uid)] == ["completed"]


# --- Pause -----------------------------------------------------------------------------------------------------------


def test_a_pause_is_answered_at_once_and_its_checkpoint_follows_when_it_has_drained(
    training: Training, tenant: Kube
) -> None:
    uid = half_done(tenant)
    told = training.done("pause", executionId=uid)
    assert told == {
        "success": True, "executionId": uid, "paused": True, "message": "Execution paused successfully",
        "checkpointCreated": True,
    }  # fmt: skip
    [made] = tenant.list("ckpt")
    assert made.get("status", {}).get("phase", "Pending") == "Pending"
    assert tenant.job("train", "b")["state"] == "Running"
    assert training.list(executionId=uid) == [], "what is not Ready cannot be restored"
    release(tenant, "train", "b")
    tenant.wait("train", "Paused")
    until(lambda: ready(tenant), "the checkpoint of the pause is Ready")
    until(lambda: training.list(executionId=uid), "it is listed")
    assert [(c["trigger"], c["status"]) for c in training.list(executionId=uid)] == [("manual", "running")]


def test_a_pause_without_a_checkpoint_takes_none(training: Training, tenant: Kube) -> None:
    half_done(tenant)
    told = training.done("pause", executionId=named(tenant, "train"), createCheckpoint=False)
    assert (told["paused"], told["checkpointCreated"]) == (True, False)
    release(tenant, "train", "b")
    tenant.wait("train", "Paused")
    assert tenant.list("ckpt") == []


def test_pausing_twice_is_no_error_and_takes_one_checkpoint(training: Training, tenant: Kube) -> None:
    half_done(tenant)
    once, twice = (training.done("pause", executionId=named(tenant, "train")) for _ in range(2))
    assert once == twice
    assert len(tenant.list("ckpt")) == 1
    release(tenant, "train", "b")
    tenant.wait("train", "Paused")
    assert training.done("pause", executionId=named(tenant, "train")) == once
    assert len(tenant.list("ckpt")) == 1


# --- Resume ----------------------------------------------------------------------------------------------------------


def test_a_paused_execution_goes_on(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    training.done("pause", executionId=uid, createCheckpoint=False)
    release(tenant, "train", "b")
    tenant.wait("train", "Paused")
    assert training.done("resume", executionId=uid) == {
        "success": True, "executionId": uid, "message": "Execution resumed successfully", "status": "running",
        "jobsRestored": 2,
    }  # fmt: skip
    tenant.wait("train", "Succeeded")


def test_what_is_not_paused_can_be_resumed_too(training: Training, tenant: Kube) -> None:
    half_done(tenant)
    assert training.done("resume", executionId=named(tenant, "train"))["jobsRestored"] == 1


def test_from_a_checkpoint_it_is_rewound_and_its_pause_is_taken_off(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    saved = training.done("checkpoint", executionId=uid)["checkpointId"]
    training.done("pause", executionId=uid, createCheckpoint=False)
    release(tenant, "train", "b")
    tenant.wait("train", "Paused")
    told = training.done("resume", checkpointId=saved)
    assert told == {
        "success": True, "executionId": uid, "message": "Execution resumed successfully", "status": told["status"],
        "jobsRestored": 1,
    }  # fmt: skip
    assert told["status"] == "running"
    after = tenant.get("dagx", "train")
    assert after["spec"]["paused"] is False
    tenant.wait_job("train", "b", attempt=2)


def test_a_finished_execution_goes_on_from_a_checkpoint(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    saved = training.done("checkpoint", executionId=uid)["checkpointId"]
    release(tenant, "train", "b")
    tenant.wait("train", "Succeeded")
    assert training.done("resume", checkpointId=saved)["executionId"] == uid
    tenant.wait_job("train", "b", attempt=2)


def test_from_a_checkpoint_of_a_deleted_execution_a_fork_goes_on(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    saved = training.done("checkpoint", executionId=uid)["checkpointId"]
    gone(tenant, "train")
    told = training.done("resume", checkpointId=saved)
    assert told["executionId"] != uid
    assert (told["status"], told["jobsRestored"]) == ("running", 1)
    [fork] = tenant.list("dagx")
    assert fork["metadata"]["uid"] == told["executionId"]
    tenant.wait_job(fork["metadata"]["name"], "a", state="Completed")
    assert tenant.jobs(fork["metadata"]["name"], "a") == [], "what is kept does not run again"


def test_one_of_that_name_that_was_created_anew_is_left_alone(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    saved = training.done("checkpoint", executionId=uid)["checkpointId"]
    gone(tenant, "train")
    other = half_done(tenant)
    told = training.done("resume", checkpointId=saved)
    assert told["executionId"] not in (uid, other)
    assert tenant.get("dagx", "train")["metadata"]["generation"] == 1


# --- List ------------------------------------------------------------------------------------------------------------


def test_the_newest_is_first_and_pages_and_filters_hold(training: Training, tenant: Kube) -> None:
    tenant.run("train", job("a"), hanging("b", "a"), checkpoint={"triggers": ["manual", "level-completed"]})
    tenant.wait_job("train", "a", state="Completed")
    until(lambda: training.list(trigger="level-completed"), "the checkpoint of the level is listed")
    made = [training.done("checkpoint", executionId=named(tenant, "train"), name=str(n))["checkpointId"]
            for n in range(3)]  # fmt: skip
    every = training.list()
    assert [c["id"] for c in every] == sorted((c["id"] for c in every), reverse=True)
    assert [c["id"] for c in every][:3] == made[::-1]
    assert training.list(limit=2) == every[:2]
    assert training.list(limit=2, offset=2) == every[2:4]
    assert training.list(offset=4) == []
    assert training.list(trigger="manual") == every[:3]
    assert training.list(trigger="level-completed") == every[3:]
    assert training.list(trigger="time-based", executionId=named(tenant, "train")) == []


def test_fifty_are_on_a_page_unless_it_is_said_otherwise(service: Service) -> None:
    document = httpx.get(f"{service.api.url}/openapi.json").json()
    asked = document["paths"]["/api/training/dag/checkpoints/list"]["get"]["parameters"]
    defaults = {p["name"]: p["schema"].get("default") for p in asked}
    assert defaults == {"executionId": None, "trigger": None, "limit": 50, "offset": 0}


def test_rows_of_deleted_executions_are_listed(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    saved = training.done("checkpoint", executionId=uid)["checkpointId"]
    gone(tenant, "train")
    for text in (uid, named(tenant, "train")):
        assert [c["id"] for c in training.list(executionId=text)] == [saved]
    assert [c["id"] for c in training.list()] == [saved]


def test_a_row_whose_object_is_lost_is_listed_and_goes_on(
    service: Service, training: Training, tenant: Kube, start_api: StartApi
) -> None:
    """Lost, as by a restored etcd: not deleted, which would take its row along."""
    uid = half_done(tenant)
    saved = training.done("checkpoint", executionId=uid)["checkpointId"]
    gone(tenant, "train")
    [lost] = tenant.list("ckpt")
    service.operator.stop()
    try:
        tenant.patch("ckpt", lost["metadata"]["name"], {"metadata": {"finalizers": []}})
        tenant.kubectl("delete", "ckpt", lost["metadata"]["name"])
    finally:
        service.operator.start()
    assert [c["id"] for c in training.list(executionId=uid)] == [saved]
    assert training.done("resume", checkpointId=saved)["jobsRestored"] == 1
