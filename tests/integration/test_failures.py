"""Failures of programs and of the cluster: told apart, counted apart, tried again or not, and always explained.

Fake pods hang until a test lets them go, so that every story is told in the test and none depends on time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support import jobs
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

QUICK = {"limit": 0, "backoffSeconds": 0.1}


def job(name: str, *after: str, fake: Object | None = None, **more: Any) -> Object:
    """A job whose pod hangs on a fake node, unless `fake` says something else; tried again quickly."""
    return {"retry": QUICK} | jobs.job(name, *after, fake=jobs.HANGS if fake is None else fake, **more)


def running(kube: Kube, job_id: str, attempt: int = 1) -> str:
    """The name of the pod of that attempt, once it runs."""

    def find() -> str | None:
        for pod in kube.pods("x", job_id):
            if pod["metadata"]["labels"]["cairn.dev/attempt"] == str(attempt) and pod["status"]["phase"] == "Running":
                return str(pod["metadata"]["name"])
        return None

    return until(find, f"job {job_id}, attempt {attempt}, runs", show=lambda: kube.job("x", job_id))


def let_go(kube: Kube, pod: str, exit_code: int = 0) -> None:
    """The pod ends by itself."""
    kube.kubectl("annotate", "pod", pod, f"fake.cairn.dev/exit-code={exit_code}", "fake.cairn.dev/hang-")


def patch_pod(kube: Kube, pod: str, **status: Any) -> None:
    """What a kubelet or a controller would write into the pod's status."""
    kube.kubectl("patch", "pod", pod, "--subresource=status", "--type=strategic", "-p", json.dumps({"status": status}))


def evict(kube: Kube, pod: str) -> None:
    """Through the Eviction API, as `kubectl drain` does."""
    body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}})
    path = f"/api/v1/namespaces/{kube.namespace}/pods/{pod}/eviction"
    kube.kubectl("create", "--raw", path, "-f", "-", input=body)


def counted(record: Object) -> tuple[str, int, int, int]:
    """State, attempts, application failures, infrastructure failures."""
    return record["state"], record["attempt"], record.get("failures", 0), record.get("disruptions", 0)


def told(kube: Kube, job_id: str) -> list[str]:
    """Why each attempt of a job ended, by its results."""
    found = kube.list("jobresults.cairn.dev", "-l", f"cairn.dev/execution=x,cairn.dev/job={job_id}")
    return [item["spec"].get("reason", "") for item in sorted(found, key=lambda item: int(item["spec"]["attempt"]))]


# --- What the cluster does -------------------------------------------------------------------------------------------


def test_what_the_cluster_does_to_an_attempt_costs_no_retry(served: Kube) -> None:
    expected = {
        "evicted": "Disrupted", "low-memory": "Evicted", "preempted": "Disrupted", "pod-deleted": "PodDeleted",
        "job-deleted": "JobDeleted",
    }  # fmt: skip
    served.run("x", *(job(name) for name in expected))
    pods = {name: running(served, name) for name in expected}
    evict(served, pods["evicted"])
    patch_pod(served, pods["low-memory"], phase="Failed", reason="Evicted", message="low on resource: memory")
    disruption = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    patch_pod(served, pods["preempted"], phase="Failed", conditions=[disruption])
    served.kubectl("delete", "pod", pods["pod-deleted"], "--wait=false")
    [doomed] = served.jobs("x", "job-deleted")
    served.kubectl("delete", "job", doomed["metadata"]["name"], "--cascade=background", "--wait=false")
    for name in expected:
        let_go(served, running(served, name, attempt=2))
    done = served.wait("x", "Succeeded")
    for record in done["status"]["jobs"]:
        assert counted(record) == ("Completed", 2, 0, 1), record
        assert told(served, record["id"]) == [expected[record["id"]]]
    names = {found["metadata"]["name"] for found in served.jobs("x", "job-deleted")}
    assert doomed["metadata"]["name"] not in names, "a deleted Kubernetes Job is never created again"


def test_failures_of_the_program_and_of_the_cluster_are_counted_apart(served: Kube) -> None:
    served.run("x", job("a", retry={"limit": 1, "backoffSeconds": 0.1, "onExitCodes": [75]}))
    served.kubectl("delete", "pod", running(served, "a"), "--wait=false")
    let_go(served, running(served, "a", attempt=2), exit_code=75)
    patch_pod(served, running(served, "a", attempt=3), phase="Failed", reason="Evicted")
    let_go(served, running(served, "a", attempt=4), exit_code=75)
    [record] = served.wait("x", "Finished")["status"]["jobs"]
    assert counted(record) == ("Failed", 4, 2, 2)
    assert told(served, "a") == ["PodDeleted", "Error", "Evicted", "Error"]
    assert "all 1 retries are used" in record["message"] and record["exitCode"] == 75


def test_a_deleted_pod_has_not_ended_before_it_has(served: Kube) -> None:
    served.run("x", job("a", fake={"hang": "true", "termination-duration": "2s"}))
    pod = running(served, "a")
    deleted = datetime.now(UTC)
    served.kubectl("delete", "pod", pod, "--wait=false")
    waiting = served.wait_job("x", "a", reason="PodDeleted")
    assert (waiting["state"], waiting["attempt"]) == ("Running", 1)
    let_go(served, running(served, "a", attempt=2))
    [record] = served.wait("x", "Succeeded")["status"]["jobs"]
    assert datetime.fromisoformat(record["launchedAt"]) - deleted >= timedelta(seconds=2)


def test_a_pod_whose_kubernetes_job_was_orphaned_away_may_still_succeed(served: Kube) -> None:
    served.run("x", job("a", fake={"hang": "true", "message": '"kept"'}), job("b", "a", fake={}))
    pod = running(served, "a")
    [doomed] = served.jobs("x", "a")
    served.kubectl("delete", "job", doomed["metadata"]["name"], "--cascade=orphan")
    waiting = served.wait_job("x", "a", reason="JobDeleted")
    assert waiting["state"] == "Running" and "still runs" in waiting["message"]
    let_go(served, pod)
    done = served.wait("x", "Succeeded")
    assert [counted(record) for record in done["status"]["jobs"]] == [("Completed", 1, 0, 0)] * 2
    assert done["status"]["jobs"][0]["result"], "its outputs are kept"


def test_a_second_pod_under_one_kubernetes_job_is_not_let_run(served: Kube) -> None:
    served.run("x", job("a"))
    first = running(served, "a")
    served.wait_job("x", "a", podUid=served.get("pod", first)["metadata"]["uid"])
    served.kubectl("patch", "pod", first, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    served.kubectl("delete", "pod", first, "--force", "--grace-period=0")
    let_go(served, running(served, "a", attempt=2))
    [record] = served.wait("x", "Succeeded")["status"]["jobs"]
    assert counted(record) == ("Completed", 2, 0, 1)
    assert told(served, "a") == ["SecondPod"]
    stopped = [found for found in served.jobs("x", "a") if found["metadata"]["labels"]["cairn.dev/attempt"] == "1"]
    assert [found["spec"]["suspend"] for found in stopped] == [True]


def test_trouble_that_passes_is_shown_and_costs_nothing(served: Kube) -> None:
    served.run("x", job("image", fake={"start-delay": "1h"}), job("node"))
    [pod] = until(lambda: served.pods("x", "image"), "a pod")
    waiting = {"reason": "ErrImagePull", "message": "registry.example: no such host"}
    patch_pod(served, pod["metadata"]["name"], phase="Pending",
              containerStatuses=[{"name": "main", "image": "fake", "imageID": "", "ready": False, "restartCount": 0,
                                  "state": {"waiting": waiting}}])  # fmt: skip
    lost = running(served, "node")
    patch_pod(served, lost, conditions=[{"type": "Ready", "status": "False", "reason": "NodeNotReady"}])
    shown = served.wait_job("x", "image", reason="ErrImagePull")
    assert shown["state"] == "Running" and "no such host" in shown["message"]
    assert served.wait_job("x", "node", reason="NodeUnreachable")["state"] == "Running"
    said = until(lambda: served.get("dagx", "x")["status"].get("message"), "a message of the execution")
    assert "ErrImagePull" in said or "NodeUnreachable" in said
    served.kubectl("annotate", "pod", pod["metadata"]["name"], "fake.cairn.dev/start-delay-")
    let_go(served, lost)
    done = served.wait("x", "Succeeded")
    assert [counted(record) for record in done["status"]["jobs"]] == [("Completed", 1, 0, 0)] * 2


def test_a_job_that_must_not_be_replayed_is_not_tried_again_by_itself(served: Kube) -> None:
    served.run("x", job("a", replay="Unsafe"))
    patch_pod(served, running(served, "a"), phase="Failed", reason="Evicted")
    [record] = served.wait("x", "Finished")["status"]["jobs"]
    assert counted(record) == ("Failed", 1, 0, 1)
    assert record["reason"] == "Evicted" and "replay is Unsafe" in record["message"]


def test_a_result_that_was_lost_while_nobody_watched_is_made_again_where_it_is_needed(
    solo: Kube, start_operator: Callable[[Kube], OperatorProcess]
) -> None:
    operator = start_operator(solo)
    hands_out = {"hang": "true", "message": "[1]"}
    solo.run("x", job("needed", fake=hands_out), job("not-needed"), job("b", "needed", fake={}))
    pods = [running(solo, name) for name in ("needed", "not-needed")]
    solo.wait_job("x", "needed", state="Running", reason=None)
    operator.kill()
    for pod in pods:
        let_go(solo, pod)
    for found in solo.jobs("x"):
        solo.kubectl("wait", "--for=condition=Complete", f"job/{found['metadata']['name']}", "--timeout=60s")
    solo.kubectl("delete", "pod", *pods)
    operator.start()
    let_go(solo, running(solo, "needed", attempt=2))
    done = solo.wait("x", "Succeeded")
    assert [counted(record) for record in done["status"]["jobs"]] == [
        ("Completed", 2, 0, 1), ("Completed", 1, 0, 0), ("Completed", 1, 0, 0),
    ]  # fmt: skip
    assert told(solo, "needed")[0] == "ResultLost"


# --- What the program does -------------------------------------------------------------------------------------------


def test_a_failed_program_is_tried_again_later_and_later_but_only_for_the_named_exit_codes(served: Kube) -> None:
    retry = {"limit": 2, "backoffSeconds": 0.6, "factor": 2, "onExitCodes": [7]}
    ends = {"duration": "100ms", "exit-code": "7"}
    served.run("x", job("again", fake=ends, retry=retry), job("once", fake=ends | {"exit-code": "8"}, retry=retry),
               failurePolicy="Continue")  # fmt: skip
    again, once = served.wait("x", "Finished")["status"]["jobs"]
    assert counted(again) == ("Failed", 3, 3, 0) and "all 2 retries are used" in again["message"]
    assert counted(once) == ("Failed", 1, 1, 0) and "exit code 8 is not in retry.onExitCodes" in once["message"]
    ended = []
    for pod in sorted(served.pods("x", "again"), key=lambda pod: str(pod["metadata"]["labels"]["cairn.dev/attempt"])):
        told_by_node = {c["type"]: c.get("message", "") for c in pod["status"]["conditions"]}
        ended.append(datetime.fromisoformat(told_by_node["fake.cairn.dev/finish-at"]))
    assert ended[1] - ended[0] >= timedelta(seconds=0.7) and ended[2] - ended[1] >= timedelta(seconds=1.3)


def test_out_of_memory_is_named_as_such(served: Kube) -> None:
    served.run("x", job("a", fake={"exit-code": "137", "reason": "OOMKilled"}))
    [record] = served.wait("x", "Finished")["status"]["jobs"]
    assert counted(record) == ("Failed", 1, 1, 0)
    assert (record["reason"], record["exitCode"]) == ("OOMKilled", 137)
