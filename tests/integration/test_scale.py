"""500 jobs in one execution: it completes in order, the object stays small, and a person can still read the Events.

200 jobs at once: a pause, a crash and a new execution of the same name while they are being created.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable

import pytest

from support.attempts import assert_each_attempt_ran_once, attempts
from support.jobs import job
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

Start = Callable[[Kube], OperatorProcess]

LEVELS, WIDTH = 10, 50
CROWD = [job(f"j{number}") for number in range(200)]
LARGE = [job(f"j{number}") for number in range(400)]
BEGUN = 20  # pods


def test_500_jobs(served: Kube) -> None:
    jobs = [
        {"id": f"l{level}-{n}", "group": f"l{level}", "dependsOn": [f"group:l{level - 1}"] if level else []}
        for level in range(LEVELS)
        for n in range(WIDTH)
    ]
    served.run("x", *jobs)
    done = served.wait("x", "Finished", timeout=240)
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "500/500")
    assert {(record["state"], record["attempt"]) for record in done["status"]["jobs"]} == {("Completed", 1)}

    whole = json.loads(served.kubectl("get", "dagx", "x", "-o", "json", "--show-managed-fields").stdout)
    size = len(json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode())
    assert size < 400_000, f"{size} bytes"

    end = until(lambda: [e for e in served.events("x") if e["reason"] == "Succeeded"], "the Event of its end")
    assert end[0]["message"] == "500 of 500 jobs completed"
    assert len(served.events("x")) <= 60

    assert_in_order(served.jobs("x"), served.pods("x"))


def assert_in_order(jobs: list[Object], pods: list[Object]) -> None:
    """One Kubernetes Job and one pod a job, and no pod began before the level before had ended (to the second)."""
    assert len(jobs) == len(pods) == LEVELS * WIDTH
    began, ended = defaultdict(list), defaultdict(list)
    for pod in pods:
        level = int(pod["metadata"]["labels"]["cairn.dev/job"].removeprefix("l").split("-")[0])
        began[level].append(pod["metadata"]["creationTimestamp"])
        ended[level].append(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])
    for level in range(1, LEVELS):
        assert max(ended[level - 1]) <= min(began[level]), f"level {level}"


def begun(kube: Kube) -> bool:
    return len(kube.pods("x")) >= BEGUN


def waking(kube: Kube) -> list[str]:
    """The Kubernetes Jobs that were created to run."""
    return sorted(job["metadata"]["name"] for job in kube.jobs("x") if not job["spec"].get("suspend"))


def test_a_pause_when_20_of_400_have_begun_holds_what_has_no_kubernetes_job(solo: Kube, start_operator: Start) -> None:
    start_operator(solo)
    solo.run("x", *LARGE)
    until(lambda: begun(solo), "it has begun")
    solo.patch("dagx", "x", {"spec": {"paused": True}})
    paused = solo.wait("x", "Paused")
    run, held = waking(solo), [r["id"] for r in paused["status"]["jobs"] if r.get("reason") == "Held"]
    assert sorted(attempts(paused)) == sorted(job["id"] for job in LARGE), "all were recorded"
    assert len(solo.pods("x")) == len(run) == len(LARGE) - len(held)
    assert len(held) >= BEGUN, "those that wait for the pods of others are many, however late the pause was heard of"
    solo.patch("dagx", "x", {"spec": {"paused": False}})
    assert solo.wait("x", "Finished", timeout=240)["status"]["phase"] == "Succeeded"
    assert_each_attempt_ran_once(solo, "x")


def test_a_pause_when_20_of_200_have_begun_keeps_those_without_a_place_from_it(
    solo: Kube, start_operator: Start
) -> None:
    start_operator(solo)
    solo.run("x", *CROWD, parallelism=BEGUN)
    until(lambda: begun(solo), "it has begun")
    answer = solo.kubectl("patch", "dagx", "x", "--type=merge", "-p", '{"spec":{"paused":true}}', "-o", "json")
    recorded = attempts(json.loads(answer.stdout))
    paused = solo.wait("x", "Paused")
    assert attempts(paused) == recorded
    assert len(solo.pods("x")) == len(solo.jobs("x")) == len(recorded) < len(CROWD)
    solo.patch("dagx", "x", {"spec": {"paused": False}})
    assert solo.wait("x", "Finished", timeout=120)["status"]["phase"] == "Succeeded"
    assert_each_attempt_ran_once(solo, "x")


def test_killed_in_the_midst_of_200_creates_it_finishes_and_each_ran_once(solo: Kube, start_operator: Start) -> None:
    operator = start_operator(solo)
    solo.run("x", *CROWD)
    until(lambda: begun(solo), "it has begun")
    operator.kill()
    operator.start()
    assert solo.wait("x", "Finished", timeout=120)["status"]["phase"] == "Succeeded"
    assert_each_attempt_ran_once(solo, "x")


def test_deleted_in_the_midst_and_created_anew_at_once_it_runs_as_another(solo: Kube, start_operator: Start) -> None:
    start_operator(solo)
    first = solo.run("x", *CROWD)
    until(lambda: begun(solo), "it has begun")
    solo.kubectl("delete", "dagx", "x", "--wait=false")
    until(lambda: solo.kubectl("get", "dagx", "x", check=False).returncode, "it is gone")
    second = solo.run("x", *CROWD)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert solo.wait("x", "Finished", timeout=120)["status"]["phase"] == "Succeeded"
    own = ("-l", f"cairn.dev/execution-uid={second['metadata']['uid']}")
    assert (len(solo.list("jobs", *own)), len(solo.list("pods", *own))) == (len(CROWD), len(CROWD))
    until(lambda: len(solo.jobs("x")) == len(CROWD), "what was left of the first is gone")
