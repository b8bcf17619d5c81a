"""The four endpoints for training programs when a request is sent again, and when there is no database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.api_process import ApiProcess
from support.jobs import release
from support.kube import Kube
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer
from support.service import Service
from support.training import NO_CHECKPOINT, Json, Training, gone, half_done, named, problem

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

StartApi = Callable[..., ApiProcess]


@pytest.fixture
def training(service: Service, tenant: Kube) -> Training:
    return Training(service.api.url, service.editor(tenant))


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
