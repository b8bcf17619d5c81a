"""Restores on a real API server and a real Postgres: forks, rewinds, dry runs, refusals, damage, crashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.checkpoints import Rows, ready
from support.jobs import condition, hanging, job, release
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

Start = Callable[..., OperatorProcess]

ROWS = {"fake": {"message": '{"rows": 3}'}}


@pytest.fixture
def start(start_operator: Start, rows: Rows) -> Start:
    """Start an operator with the database of this test."""

    def begin(kube: Kube, **settings: str) -> OperatorProcess:
        return start_operator(kube, **{"DATABASE_URL": rows.url, "CAIRN_SWEEP_SECONDS": "2"} | settings)

    return begin


def fork(kube: Kube, name: str, source: Object, **spec: Any) -> None:
    """Apply an execution that starts from a checkpoint."""
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name}}
    kube.apply(body | {"spec": {"restoreFrom": source} | spec})


def records(kube: Kube, name: str) -> dict[str, Object]:
    """The records of an execution, by job."""
    return {r["id"]: r for r in kube.get("dagx", name)["status"]["jobs"]}


def actions(body: Object) -> dict[str, str]:
    """What the plan of an execution does with each job."""
    return {j["id"]: j["action"] for j in body["status"]["restore"]["plan"]["jobs"]}


def newest(kube: Kube, count: int = 1) -> Object:
    """The newest checkpoint, once there are so many."""
    until(lambda: len(ready(kube)) >= count, "checkpoints")
    return ready(kube)[-1]


# --- Fork ------------------------------------------------------------------------------------------------------------


def test_only_the_rest_runs_in_a_fork_of_a_failed_execution(solo: Kube, start: Start) -> None:
    start(solo)
    broken = job("train", "prepare", fake={"duration": "100ms", "exit-code": "1"})
    solo.run("work", job("prepare", **ROWS), broken, job("report", "train"))
    solo.wait("work", "Finished")
    solo.saved("work")
    solo.run("again", job("prepare", **ROWS), job("train", "prepare"), job("report", "train"),
             restoreFrom={"latestOf": "work"})  # fmt: skip
    done = solo.wait("again", "Succeeded")
    assert [j["metadata"]["labels"]["cairn.dev/job"] for j in solo.jobs("again", "prepare")] == []
    assert done["status"]["restoredFrom"]["jobs"] == 1
    assert condition(done, "Restored")["reason"] == "Forked"
    kept = records(solo, "again")["prepare"]
    assert kept["result"] == records(solo, "work")["prepare"]["result"]
    forks = until(lambda: solo.get("dagx", "work")["status"].get("forks"), "the original knows its fork")
    assert [f["name"] for f in forks] == ["again"]


def test_jobs_come_from_the_checkpoint_and_outlive_it(solo: Kube, start: Start) -> None:
    operator = start(solo)
    solo.run("work", job("a", **ROWS), hanging("b", "a"), job("c", "b"), params={"rate": 1.0, "rows": 5})
    point = newest(solo)
    solo.kubectl("delete", "dagx", "work", "--wait=false")
    fork(solo, "again", {"checkpointName": point["metadata"]["name"]}, params={"rows": 6})
    until(lambda: solo.get("dagx", "again").get("status"), "an answer")
    refused = condition(solo.get("dagx", "again"), "Restored")
    assert refused["reason"] == "ParamsChanged"
    solo.patch("dagx", "again", {"spec": {"params": None}})
    until(lambda: solo.job("again", "b").get("startedAt"), "b runs")
    solo.kubectl("delete", "ckpt", "--all")
    operator.kill()
    start(solo)
    release(solo, "again", "b")
    done = solo.wait("again", "Succeeded")
    assert {r["id"]: r["state"] for r in done["status"]["jobs"]} == dict.fromkeys("abc", "Completed")
    assert solo.jobs("again", "a") == []


# --- Rewind ----------------------------------------------------------------------------------------------------------


def test_a_rewind_and_back_again(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", job("a", **ROWS), job("b", "a"), job("c", "b"))
    done = solo.wait("work", "Succeeded")
    solo.saved("work")
    first = ready(solo)[0]
    solo.patch("dagx", "work", {"spec": {"restoreFrom": {"checkpointName": first["metadata"]["name"],
                                                         "requestId": "r1"}}})  # fmt: skip
    until(lambda: solo.get("dagx", "work")["status"]["epoch"] == 1, "rewound",
          show=lambda: solo.get("dagx", "work")["status"])  # fmt: skip
    again = solo.wait("work", "Succeeded")
    numbers = {r["id"]: r["attempt"] for r in again["status"]["jobs"]}
    assert numbers == {"a": 1, "b": 2, "c": 2}
    undo = again["status"]["restoredFrom"]["undo"]
    solo.patch("dagx", "work", {"spec": {"restoreFrom": {"checkpointName": undo, "requestId": "r2"}}})
    until(lambda: solo.get("dagx", "work")["status"]["epoch"] == 2, "rewound again")
    back = solo.wait("work", "Succeeded")
    assert {r["id"]: r["attempt"] for r in back["status"]["jobs"]} == dict.fromkeys("abc", 1)
    before = {r["id"]: r for r in done["status"]["jobs"]}
    after = {r["id"]: {k: v for k, v in r.items() if k != "used"} for r in back["status"]["jobs"]}
    assert after == before
