"""The four endpoints for training programs: a real API server, an operator, a database, tokens of service accounts."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.api_process import ApiProcess
from support.checkpoints import ready
from support.jobs import hanging, job, release
from support.kube import Kube, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer
from support.service import Service
from support.training import Json, Training, problem

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = re.compile(r"checkpoint_\d{13}_[0-9a-z]{8}")
NOBODY = "00000000-0000-4000-8000-000000000000"
NO_CHECKPOINT = "checkpoint_1700000000000_zzzzzzzz"
QUIET = {"triggers": ["manual"]}

StartApi = Callable[..., ApiProcess]


@pytest.fixture
def training(service: Service, tenant: Kube) -> Training:
    return Training(service.api.url, service.editor(tenant))


def half_done(kube: Kube, name: str = "train", **spec: Any) -> str:
    """An execution whose first job is done and whose second one runs; its UID."""
    uid: str = kube.run(name, job("a"), hanging("b", "a"), job("c", "b"), checkpoint=QUIET, **spec)["metadata"]["uid"]
    kube.wait_job(name, "a", state="Completed")
    until(lambda: kube.job(name, "b").get("startedAt"), "b runs")
    return uid


def finished(kube: Kube, name: str = "done") -> str:
    """An execution that has succeeded; its UID."""
    uid: str = kube.run(name, job("a"), checkpoint=QUIET)["metadata"]["uid"]
    kube.wait(name, "Finished")
    return uid


def named(kube: Kube, name: str) -> str:
    return f"{kube.namespace}/{name}"


def gone(kube: Kube, name: str) -> None:
    """Delete an execution, and wait until it is."""
    kube.kubectl("delete", "dagx", name, "--wait=true")


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


# --- Refusals --------------------------------------------------------------------------------------------------------


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


# --- The same request again ------------------------------------------------------------------------------------------


def test_the_same_key_takes_one_checkpoint(training: Training, tenant: Kube) -> None:
    half_done(tenant)
    body = {"executionId": named(tenant, "train"), "name": "x"}
    assert training.done("checkpoint", "k", **body) == training.done("checkpoint", "k", **body)
    assert len(tenant.list("ckpt")) == 1
    said = problem(training.post("checkpoint", body | {"name": "y"}, "k"), 422, "idempotency-key-reused")
    assert said["next"].startswith("Use a new key")
    training.done("checkpoint", "other", **body)
    training.done("checkpoint", **body)
    assert len(tenant.list("ckpt")) == 3


def test_the_same_key_rewinds_once(training: Training, tenant: Kube) -> None:
    half_done(tenant)
    first, second = (training.done("checkpoint", executionId=named(tenant, "train"))["checkpointId"] for _ in range(2))
    told = training.done("resume", "k", checkpointId=first)
    release(tenant, "train", "b")
    tenant.wait("train", "Succeeded")
    before = tenant.get("dagx", "train")
    assert training.done("resume", "k", checkpointId=first)["executionId"] == told["executionId"]
    after = tenant.get("dagx", "train")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    problem(training.post("resume", {"checkpointId": second}, "k"), 422, "idempotency-key-reused")
    assert tenant.get("dagx", "train")["metadata"]["generation"] == before["metadata"]["generation"]


def test_a_later_pause_stays_when_a_resume_is_sent_again(training: Training, tenant: Kube) -> None:
    half_done(tenant)
    saved = training.done("checkpoint", executionId=named(tenant, "train"))["checkpointId"]
    training.done("pause", executionId=named(tenant, "train"), createCheckpoint=False)
    training.done("resume", "k", checkpointId=saved)
    training.done("pause", executionId=named(tenant, "train"), createCheckpoint=False)
    training.done("resume", "k", checkpointId=saved)
    assert tenant.get("dagx", "train")["spec"]["paused"] is True


def test_the_same_key_forks_once(training: Training, tenant: Kube) -> None:
    uid = half_done(tenant)
    first, second = (training.done("checkpoint", executionId=uid)["checkpointId"] for _ in range(2))
    gone(tenant, "train")
    once, twice = (training.done("resume", "k", checkpointId=first) for _ in range(2))
    assert once["executionId"] == twice["executionId"]
    assert len(tenant.list("dagx")) == 1
    problem(training.post("resume", {"checkpointId": second}, "k"), 422, "idempotency-key-reused")
    assert len(tenant.list("dagx")) == 1


def test_two_replicas_agree_on_the_same_key_at_the_same_time(
    service: Service, tenant: Kube, start_api: StartApi
) -> None:
    token, uid = service.editor(tenant), half_done(tenant)
    replicas = [Training(url, token) for url in (service.api.url, start_api().url)]
    with ThreadPoolExecutor(8) as threads:

        def together(what: str, **body: Any) -> list[Json]:
            asked = [threads.submit(replicas[n % 2].done, what, "k", **body) for n in range(8)]
            return [one.result() for one in asked]

        saved = together("checkpoint", executionId=uid)
        assert len({told["checkpointId"] for told in saved}) == 1
        assert len(tenant.list("ckpt")) == 1
        before = tenant.get("dagx", "train")["metadata"]["generation"]
        assert {told["executionId"] for told in together("resume", checkpointId=saved[0]["checkpointId"])} == {uid}
        assert tenant.get("dagx", "train")["metadata"]["generation"] == before + 1
        gone(tenant, "train")
        forks = together("resume", checkpointId=saved[0]["checkpointId"])
        assert len({told["executionId"] for told in forks}) == 1
        assert len(tenant.list("dagx")) == 1


# --- Without a database ----------------------------------------------------------------------------------------------


def test_everything_works_without_a_database(service: Service, tenant: Kube, start_api: StartApi) -> None:
    plain = Training(start_api(DATABASE_URL="").url, service.editor(tenant))
    uid = half_done(tenant)
    saved = plain.done("checkpoint", executionId=uid)["checkpointId"]
    assert [c["id"] for c in plain.list(executionId=uid)] == [saved]
    assert plain.done("pause", executionId=uid, createCheckpoint=False)["paused"]
    assert plain.done("resume", executionId=uid)["jobsRestored"] == 1
    assert plain.done("resume", checkpointId=saved)["executionId"] == uid
    gone(tenant, "train")
    assert plain.done("resume", checkpointId=saved)["jobsRestored"] == 1


def test_with_the_database_away_the_objects_answer(
    solo: Kube, service: Service, start_api: StartApi, start_operator: Callable[..., OperatorProcess]
) -> None:
    """Its own database, operator and API, since others must not notice."""
    server = PostgresServer().start()
    try:
        url = server.migrated()
        start_operator(solo, DATABASE_URL=url)
        training = Training(start_api(DATABASE_URL=url).url, service.editor(solo))
        uid = half_done(solo)
        saved = training.done("checkpoint", executionId=uid)["checkpointId"]
        server.stop()
        assert [c["id"] for c in training.list(executionId=uid)] == [saved]
        later = training.done("checkpoint", executionId=uid)["checkpointId"]
        assert [c["id"] for c in training.list()] == [later, saved]
        assert training.done("pause", executionId=uid, createCheckpoint=False)["paused"]
        assert training.done("resume", checkpointId=saved)["executionId"] == uid
        said = problem(training.post("resume", {"checkpointId": NO_CHECKPOINT}), 503, "database-unavailable")
        assert said["detail"]
    finally:
        server.remove()


