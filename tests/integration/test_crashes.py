"""The operator killed, doubled or late, on a real API server and Job controller: nothing lost, nothing run twice."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable

import pytest

from support.attempts import assert_each_attempt_ran_once, attempts, layered
from support.jobs import hanging, lasting, release
from support.kube import Kube, until
from support.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

Start = Callable[[Kube], OperatorProcess]


def test_killed_again_and_again_it_finishes_and_each_attempt_ran_once(solo: Kube, start_operator: Start) -> None:
    operator = start_operator(solo)
    solo.run("work", *layered(5, 6))
    moments = random.Random(7)
    for _ in range(5):
        time.sleep(moments.uniform(0.05, 0.6))  # not waiting for anything: any moment will do to be killed at
        operator.kill()
        operator.start()
    finished = solo.wait("work", "Finished")
    assert finished["status"]["phase"] == "Succeeded"
    assert {r["attempt"] for r in finished["status"]["jobs"]} == {1}
    assert_each_attempt_ran_once(solo, "work")


def test_two_operators_at_once_still_run_each_attempt_once(solo: Kube, start_operator: Start) -> None:
    start_operator(solo)
    start_operator(solo)
    solo.run("work", *layered(5, 6))
    finished = solo.wait("work", "Finished")
    assert finished["status"]["phase"] == "Succeeded"
    assert {r["attempt"] for r in finished["status"]["jobs"]} == {1}
    assert_each_attempt_ran_once(solo, "work")


def test_a_stopped_and_continued_operator_acts_on_nothing_old(solo: Kube, start_operator: Start) -> None:
    asleep = start_operator(solo)
    solo.run("work", hanging("a"), lasting("b", "a", duration="100ms"))
    until(lambda: solo.job("work", "a").get("startedAt"), "a runs")
    asleep.signal(signal.SIGSTOP)
    start_operator(solo)
    solo.patch("dagx", "work", {"spec": {"paused": True}})
    release(solo, "work", "a")
    solo.wait("work", "Paused")
    asleep.signal(signal.SIGCONT)
    until(asleep.alive, "the first operator turns again")
    solo.patch("dagx", "work", {"metadata": {"labels": {"seen": "yes"}}})
    time.sleep(1)  # give it the chance to do the wrong thing
    assert solo.jobs("work", "b") == []
    solo.patch("dagx", "work", {"spec": {"paused": False}})
    solo.wait("work", "Finished")
    assert_each_attempt_ran_once(solo, "work")


def crashed_between_intent_and_create(kube: Kube, start_operator: Start) -> None:
    """Leave an execution as a crash right after the status write leaves it: an intent without a Kubernetes Job."""
    operator = start_operator(kube)
    kube.run("work", lasting("a", duration="200ms"), paused=True)
    kube.wait("work", "Paused")
    operator.kill()
    status = kube.get("dagx", "work")["status"]
    record = {"id": "a", "state": "Running", "attempt": 1, "launchedAt": status["startedAt"], "hash": "0" * 16}
    kube.patch("dagx", "work", {"status": {"jobs": [record]}}, "--subresource=status")


def test_an_open_intent_under_a_pause_is_settled_without_starting_anything(solo: Kube, start_operator: Start) -> None:
    crashed_between_intent_and_create(solo, start_operator)
    start_operator(solo)
    record = solo.wait_job("work", "a", reason="Held")
    [job] = solo.jobs("work")
    assert (job["spec"]["suspend"], job["metadata"]["uid"]) == (True, record["uid"])
    solo.wait("work", "Paused")
    assert solo.pods("work") == []
    solo.patch("dagx", "work", {"spec": {"paused": False}})
    solo.wait("work", "Succeeded")
    assert_each_attempt_ran_once(solo, "work")


def test_an_open_intent_under_a_cancel_never_starts(solo: Kube, start_operator: Start) -> None:
    crashed_between_intent_and_create(solo, start_operator)
    solo.patch("dagx", "work", {"spec": {"paused": False, "cancel": {"requestId": "c1", "reason": "wrong data"}}})
    start_operator(solo)
    finished = solo.wait("work", "Finished")
    assert finished["status"]["phase"] == "Cancelled"
    assert finished["status"]["jobs"][0]["reason"] == "Cancelled"
    [job] = solo.jobs("work")
    assert job["spec"]["suspend"] is True
    assert solo.pods("work") == []


def test_a_pause_is_linearizable(solo: Kube, start_operator: Start) -> None:
    """Once the patch has returned, no launch is recorded any more, at whatever moment it came."""
    start_operator(solo)
    moments = random.Random(11)
    for number in range(4):
        name = f"work-{number}"
        solo.run(name, *layered(6, 4))
        until(lambda n=name: solo.jobs(n), "it has begun")  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.4))  # any moment will do
        answer = solo.kubectl("patch", "dagx", name, "--type=merge", "-p", '{"spec":{"paused":true}}', "-o", "json")
        recorded = attempts(json.loads(answer.stdout))
        paused = solo.wait(name, "Paused")
        assert attempts(paused) == recorded
        assert not [p for p in solo.pods(name) if p["status"]["phase"] not in ("Succeeded", "Failed")]
        assert len(solo.jobs(name)) == sum(recorded.values())
    for number in range(4):
        solo.patch("dagx", f"work-{number}", {"spec": {"paused": False}})
    for number in range(4):
        assert solo.wait(f"work-{number}", "Finished")["status"]["phase"] == "Succeeded"
        assert_each_attempt_ran_once(solo, f"work-{number}")


def test_a_late_create_without_a_live_record_is_suspended(solo: Kube, start_operator: Start) -> None:
    start_operator(solo)
    solo.run("work", lasting("a", duration="100ms"))
    solo.wait("work", "Succeeded")
    [job] = solo.jobs("work")
    late = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "late-create",
            "labels": job["metadata"]["labels"] | {"cairn.dev/attempt": "2"},
            "ownerReferences": job["metadata"]["ownerReferences"],
        },
        "spec": {"template": {"metadata": {"annotations": {"fake.cairn.dev/hang": "true"}},
                              "spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "i"}]}}},
    }  # fmt: skip
    solo.kubectl("create", "-f", "-", input=json.dumps(late))
    until(lambda: solo.get("job", "late-create")["spec"].get("suspend"), "it is suspended")
    assert solo.get("job", "late-create")["spec"]["parallelism"] == 0


def test_liveness_readiness_and_a_clean_stop(solo: Kube, start_operator: Start) -> None:
    operator = start_operator(solo)
    assert operator.ready()
    assert operator.alive()
    assert operator.stop() == 0
