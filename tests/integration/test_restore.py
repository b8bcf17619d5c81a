"""Restores on a real API server and a real Postgres: forks, rewinds, dry runs, refusals, damage, crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support import chart
from support.checkpoints import Rows, payload_of, ready, settled, stored
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


def checkpoint(kube: Kube, name: str, execution: str) -> None:
    """Take a checkpoint, and wait until it is answered."""
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": name}}
    kube.apply(body | {"spec": {"executionRef": {"name": execution}}})
    until(lambda: settled(kube.get("ckpt", name)), f"checkpoint {name} is answered")


def plan_of(kube: Kube, name: str) -> Object | None:
    """The plan that an execution shows."""
    plan: Object | None = kube.get("dagx", name).get("status", {}).get("restore", {}).get("plan")
    return plan


def answer(kube: Kube, name: str, request: str) -> Object | None:
    """What has become of a request."""
    answers = kube.get("dagx", name)["status"].get("requests", ())
    return next((a for a in answers if a["id"] == request), None)


def lose(kube: Kube, names: list[str]) -> None:
    """Make objects disappear although no operator deletes their rows."""
    kube.kubectl("delete", "ckpt", *names)


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


def test_a_running_execution_goes_back_and_keeps_the_attempt_that_still_runs(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", job("a"), hanging("long"), hanging("b", "a"))
    for name in ("long", "b"):
        until(lambda name=name: solo.job("work", name).get("startedAt"), f"{name} runs")
    checkpoint(solo, "point", "work")
    release(solo, "work", "b")
    solo.wait_job("work", "b", state="Completed")
    solo.patch("dagx", "work", {"spec": {"restoreFrom": {"checkpointName": "point", "requestId": "r1"}}})
    solo.wait("work", "Restored")
    again = solo.wait_job("work", "b", state="Running", attempt=2)
    assert solo.job("work", "long")["attempt"] == 1
    assert "finishedAt" not in again
    for name in ("long", "b"):
        until(lambda name=name: solo.job("work", name).get("startedAt"), f"{name} runs")
        release(solo, "work", name)
    done = solo.wait("work", "Succeeded")
    assert done["status"]["restoredFrom"]["jobs"] == 2
    assert len(solo.pods("work", "long")) == 1


def test_what_runs_and_is_not_kept_is_stopped_first(solo: Kube, start: Start) -> None:
    operator = start(solo)
    solo.run("work", job("a"), hanging("b", "a"), pause={"reason": "never"})
    until(lambda: solo.job("work", "b").get("startedAt"), "b runs")
    first = newest(solo)["metadata"]["name"]
    # Named, since that checkpoint is of the very step that launched it: it would go on.
    ask = {"checkpointName": first, "requestId": "r1", "rerun": ["b"]}
    solo.patch("dagx", "work", {"spec": {"restoreFrom": ask}})
    operator.kill()  # wherever it was
    operator.start()
    solo.wait("work", "Restored")
    solo.wait_job("work", "b", state="Running", attempt=2)
    until(lambda: solo.job("work", "b").get("startedAt"), "b runs again")
    old = next(j for j in solo.jobs("work", "b") if j["metadata"]["labels"]["cairn.dev/attempt"] == "1")
    assert (old["spec"]["suspend"], old["spec"]["parallelism"]) == (True, 0)
    assert solo.job("work", "b")["uid"] != old["metadata"]["uid"]
    assert [a["id"] for a in solo.get("dagx", "work")["status"]["requests"]] == ["r1"]
    undo = solo.get("dagx", "work")["status"]["restoredFrom"]["undo"]
    assert solo.get("ckpt", undo)["status"]["phase"] == "Ready"


def test_a_cancelled_execution_and_a_paused_one_go_back(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", job("a"), hanging("b", "a"), job("c", "b"))
    until(lambda: solo.job("work", "b").get("startedAt"), "b runs")
    first = newest(solo)["metadata"]["name"]
    solo.patch("dagx", "work", {"spec": {"cancel": {"requestId": "c1", "reason": "enough"}}})
    solo.wait("work", "Finished")
    solo.patch("dagx", "work", {"spec": {"paused": True,
                                         "restoreFrom": {"checkpointName": first, "requestId": "r1"}}})  # fmt: skip
    solo.wait("work", "Restored")
    solo.wait("work", "Paused")
    assert [r["state"] for r in records(solo, "work").values()] == ["Completed", "Pending", "Pending"]
    assert "cancel" not in solo.get("dagx", "work")["status"]
    solo.patch("dagx", "work", {"spec": {"paused": False}})
    until(lambda: solo.job("work", "b").get("startedAt"), "b runs")
    release(solo, "work", "b")
    assert solo.wait("work", "Succeeded")["status"]["epoch"] == 1


# --- Dry runs --------------------------------------------------------------------------------------------------------


def test_a_plan_is_shown_and_can_be_required(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", job("a", **ROWS), job("b", "a", fake={"exit-code": "1"}))
    solo.wait("work", "Finished")
    solo.saved("work")
    fork(solo, "again", {"latestOf": "work", "dryRun": True})
    planned = until(lambda: plan_of(solo, "again"), "a plan")
    assert {j["id"]: (j["action"], j["reason"]) for j in planned["jobs"]} == {
        "a": ("Keep", "Completed"), "b": ("Rerun", "Failed"),
    }  # fmt: skip
    body = solo.get("dagx", "again")
    assert (body["status"]["phase"], condition(body, "Restored")["reason"]) == ("Pending", "DryRun")
    assert solo.jobs("again") == []
    solo.patch("dagx", "again", {"spec": {"restoreFrom": {"dryRun": False, "planDigest": "f" * 64}}})
    until(lambda: condition(solo.get("dagx", "again"), "Restored")["reason"] == "PlanChanged", "refused")
    assert solo.jobs("again") == []
    solo.patch("dagx", "again", {"spec": {"restoreFrom": {"planDigest": planned["digest"]}}})
    solo.wait("again", "Restored")
    solo.wait("again", "Finished")
    assert len(solo.jobs("again")) == 1


def test_a_dry_run_of_a_rewind_disturbs_nothing(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", job("a"), hanging("b", "a"), job("c", "b"))
    until(lambda: solo.job("work", "b").get("startedAt"), "b runs")
    first = newest(solo)["metadata"]["name"]
    ask = {"checkpointName": first, "requestId": "r1", "dryRun": True}
    solo.patch("dagx", "work", {"spec": {"restoreFrom": ask}})
    planned = until(lambda: plan_of(solo, "work"), "a plan")
    assert {j["id"]: j["reason"] for j in planned["jobs"]} == {
        "a": "Completed", "b": "StillRuns", "c": "NotStarted",
    }  # fmt: skip
    release(solo, "work", "b")
    solo.wait("work", "Succeeded")
    ask |= {"dryRun": False, "planDigest": planned["digest"]}
    solo.patch("dagx", "work", {"spec": {"restoreFrom": ask}})
    refused = until(lambda: answer(solo, "work", "r1"), "an answer")
    assert (refused["outcome"], refused["message"].split(":")[0]) == ("Refused", "PlanChanged")
    assert solo.get("dagx", "work")["status"]["phase"] == "Succeeded"


# --- Refusals --------------------------------------------------------------------------------------------------------


def test_what_cannot_be_restored_is_refused_and_changes_nothing(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", job("a", **ROWS), job("deploy", "a", replay="Unsafe"))
    solo.run("other", job("a"))
    solo.wait("work", "Succeeded")
    solo.wait("other", "Succeeded")
    for name in ("work", "other"):
        solo.saved(name)
    checkpoint(solo, "lost", "nowhere")
    until(lambda: solo.get("ckpt", "lost").get("status"), "it has failed")
    before = records(solo, "work")
    mine = [c["metadata"]["name"] for c in ready(solo) if c["spec"]["executionRef"]["name"] == "work"]
    foreign = next(c["metadata"]["name"] for c in ready(solo) if c["spec"]["executionRef"]["name"] == "other")
    for reason, source in {
        "CheckpointNotFound": {"checkpointName": "nothing"},
        "OtherExecution": {"checkpointName": foreign},
        "CheckpointHoldsNothing": {"checkpointName": "lost"},
        "NamespaceNotAllowed": {"checkpointName": "x", "namespace": "kube-system"},
        "UnsafeRerun": {"checkpointName": mine[0]},
        "UnknownJob": {"checkpointName": mine[-1], "rerun": ["nobody"]},
    }.items():
        request = f"r-{reason}"
        solo.patch("dagx", "work", {"spec": {"restoreFrom": None}})
        solo.patch("dagx", "work", {"spec": {"restoreFrom": source | {"requestId": request}}})
        told = until(lambda request=request: answer(solo, "work", request), reason)
        assert (told["outcome"], told["message"].split(":")[0]) == ("Refused", reason)
        assert condition(solo.get("dagx", "work"), "Restored")["reason"] == reason
    assert records(solo, "work") == before
    assert solo.get("dagx", "work")["status"]["epoch"] == 0
    events = [e["message"] for e in solo.events("work") if e["reason"] == "RestoreRefused"]
    assert len(events) == 6
    told = next(e for e in events if "CheckpointNotFound" in e)
    assert f"there is no checkpoint nothing in namespace {solo.namespace}; there are: " in told
    assert mine[-1] in told and "creating a Checkpoint object" in told
    wrong = solo.kubectl("patch", "dagx", "work", "--type=merge", "-p",
                         '{"spec":{"restoreFrom":{"checkpointName":"a","checkpointId":"b"}}}', check=False)  # fmt: skip
    assert "only one of checkpointName, checkpointId and latestOf can be set" in wrong.stderr


def test_edits_of_what_has_completed_need_a_word(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", job("a", **ROWS), job("b", "a"), job("gone", "a"))
    solo.wait("work", "Succeeded")
    solo.saved("work")
    edited = {"image": "fake:2"}
    solo.run("again", job("a", **ROWS) | edited, job("b", "a"), restoreFrom={"latestOf": "work"})
    problems = until(lambda: plan_of(solo, "again"), "a plan")["problems"]
    assert {p["job"]: p["reason"] for p in problems} == {"a": "CompletedJobEdited", "gone": "ResultOrphaned"}
    assert "image changed since: name it in rerun" in problems[0]["message"]
    assert solo.jobs("again") == []
    solo.patch("dagx", "again", {"spec": {"restoreFrom": {"rerun": ["a", "gone"]}}})
    done = solo.wait("again", "Succeeded")
    assert {j["metadata"]["labels"]["cairn.dev/job"] for j in solo.jobs("again")} == {"a", "b"}
    why = {j["id"]: j["reason"] for j in done["status"]["restore"]["plan"]["jobs"]}
    assert why == {"a": "Named", "b": "DependsOnRerun", "gone": "Removed"}


def test_a_damaged_copy_is_named_and_only_used_by_force(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    solo.run("work", job("a", **ROWS), job("b", "a"))
    solo.wait("work", "Succeeded")
    first, _ = stored(solo, 2)
    name, id = first["metadata"]["name"], first["status"]["checkpointId"]
    with psycopg.connect(rows.url) as connection:
        connection.execute("UPDATE workflow_checkpoints SET state = jsonb_set(state, '{jobs,0,attempt}', '7')"
                           " WHERE id = %s", [id])  # fmt: skip
    fork(solo, "again", {"checkpointName": name})
    until(lambda: solo.get("dagx", "again").get("status"), "an answer")
    refused = condition(solo.get("dagx", "again"), "Restored")
    assert refused["reason"] == "CheckpointDamaged"
    assert "its row is damaged" in refused["message"] and "the object is intact" in refused["message"]
    solo.patch("dagx", "again", {"spec": {"restoreFrom": {"force": True}}})
    solo.wait("again", "Succeeded")
    assert records(solo, "again")["a"]["attempt"] == 1


# --- Stores ----------------------------------------------------------------------------------------------------------


def test_a_fork_starts_from_the_row_when_the_object_is_gone(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    solo.run("work", job("a", **ROWS), job("b", "a"))
    solo.wait("work", "Succeeded")
    _, last = stored(solo, 2)
    name = last["metadata"]["name"]
    solo.kubectl("delete", "dagx", "work")
    # An etcd restored from an older backup: the objects are gone, and nobody deleted them.
    for found in ready(solo):
        solo.patch("ckpt", found["metadata"]["name"], {"metadata": {"finalizers": None}})
    lose(solo, [c["metadata"]["name"] for c in ready(solo)])
    assert len(rows.all()) == 2
    for number, source in enumerate(({"checkpointId": last["status"]["checkpointId"]}, {"checkpointName": name},
                                     {"latestOf": "work"})):  # fmt: skip
        fork(solo, f"fork-{number}", source)
        done = solo.wait(f"fork-{number}", "Succeeded")
        assert done["status"]["restoredFrom"]["jobs"] == 2
        assert solo.jobs(f"fork-{number}") == []


def test_another_namespace_is_for_those_who_may_read_it(
    solo: Kube, kube: Kube, start_operator: Start
) -> None:
    there = kube
    start_operator(solo, CAIRN_NAMESPACES=f"{solo.namespace},{there.namespace}", CAIRN_FORK_ACROSS_NAMESPACES="true")
    there.run("work", job("a", **ROWS), job("b", "a"))
    there.wait("work", "Succeeded")
    there.saved("work")
    chosen = chart.rendered({"fullnameOverride": solo.namespace})
    solo.apply(*(each for each in chosen if each["metadata"]["name"] == f"{solo.namespace}-fork"))
    solo.kubectl("create", "rolebinding", "ann", "--clusterrole=cluster-admin", "--user=ann")
    source = {"checkpointName": newest(there)["metadata"]["name"], "namespace": there.namespace}
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": "again"},
            "spec": {"restoreFrom": source}}  # fmt: skip

    def denied() -> str | None:
        done = solo.kubectl("create", "--as=ann", "-f", "-", input=json.dumps(body), check=False)
        if done.returncode == 0:  # the policy is not in force yet
            solo.kubectl("delete", "dagx", "again")
        return done.stderr

    assert "you may not read that checkpoint in namespace" in until(denied, "the policy is in force")
    there.kubectl("create", "role", "reader", "--verb=get", "--resource=checkpoints.cairn.dev")
    there.kubectl("create", "rolebinding", "ann", "--role=reader", "--user=ann")
    until(lambda: solo.kubectl("create", "--as=ann", "-f", "-", input=json.dumps(body), check=False).returncode == 0,
          "ann may read it now")  # fmt: skip
    done = solo.wait("again", "Succeeded")
    assert done["status"]["restoredFrom"]["namespace"] == there.namespace
    there.kubectl("delete", "rolebinding", "ann")
    solo.kubectl("patch", "dagx", "again", "--as=ann", "--type=merge", "-p", '{"spec":{"paused":true}}')


# --- Repair ----------------------------------------------------------------------------------------------------------


def test_fail_pause_look_fix_go_on(solo: Kube, start: Start) -> None:
    start(solo)
    broken = job("train", "prepare", fake={"exit-code": "1"})
    solo.run("work", job("prepare", **ROWS), broken, job("report", "train"), failurePolicy="Pause")
    paused = solo.wait("work", "Paused")
    assert paused["status"]["pause"]["reason"] == "failed: train (failurePolicy: Pause)"
    solo.saved("work")
    jobs = [j | {"image": "fake"} for j in (job("prepare", **ROWS), job("train", "prepare"), job("report", "train"))]
    request = {"id": "fix-1", "type": "Retry", "job": "train", "by": "ada", "reason": "it had the wrong image"}
    solo.patch("dagx", "work", {"spec": {"paused": False, "jobs": jobs, "requests": [request]}})
    done = solo.wait("work", "Succeeded")
    assert {r["id"]: r["attempt"] for r in done["status"]["jobs"]} == {"prepare": 1, "train": 2, "report": 1}
    told = next(e["message"] for e in solo.events("work") if e["reason"] == "Repaired")
    assert told == "request fix-1 by ada: Retry of job train: it had the wrong image"
    solo.saved("work")
    saved = payload_of(ready(solo)[-1]).document["execution"]["requests"]
    assert [(r["id"], r["by"], r["message"]) for r in saved] == [("fix-1", "ada", "it had the wrong image")]
