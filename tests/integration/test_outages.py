"""Everything that Cairn stands on goes away and comes back, on a cluster of its own: nothing is lost or run twice.

`make outages` and `make chaos` (tests/chaos) do the same for longer, and more of it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from chaos import faults, judge
from chaos.faults import during, named
from chaos.judge import Left
from chaos.rig import Rig
from cluster import start, stop
from support.attempts import assert_each_attempt_ran_once, layered
from support.checkpoints import ready
from support.jobs import condition, hanging, job, lasting, release
from support.kinds import with_kinds
from support.kube import Object, until

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

AWAY = 10.0  # seconds without an API server
HOUR = 3600
EACH = {"triggers": ["job-completed"], "retentionCount": 100}


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A cluster whose API server may go, with two operators; CAIRN_TEST_OUTAGES names one that stays."""
    kept = os.environ.get("CAIRN_TEST_OUTAGES")
    there = with_kinds(start("fake", kept or "test-outages"))
    try:
        with Rig(there, CAIRN_SWEEP_SECONDS="5") as found:
            yield found
    finally:
        if not kept:
            stop(there)


def assert_done(rig: Rig, name: str, stopped: Sequence[tuple[str, str]] = ()) -> list[Object]:
    """It has succeeded, each attempt ran once, and all checkpoints are sound in both stores; the ids of those."""
    rig.kube.wait(name, "Succeeded", timeout=90)
    assert_each_attempt_ran_once(rig.kube, name, stopped=stopped)

    def settled() -> bool:
        return not judge.settled(Left.of(rig), set())

    until(settled, "everything rests", 60, lambda: judge.settled(Left.of(rig), set()))
    assert judge.verify(rig, Left.of(rig)) == []
    found = [c for c in ready(rig.kube) if c["spec"]["executionRef"]["name"] == name]
    assert found
    return found


def attempts(rig: Rig, name: str) -> set[int]:
    return {record["attempt"] for record in rig.kube.get("dagx", name)["status"]["jobs"]}


def second_pods(rig: Rig, name: str) -> list[tuple[str, str]]:
    """Attempts that Kubernetes had a second pod for: its Job controller creates one again if it gets no answer."""
    found = [each["spec"] for each in rig.kube.list("jobresults.cairn.dev", "-l", f"cairn.dev/execution={name}")]
    return [(each["job"], str(each["attempt"])) for each in found if each.get("reason") == "SecondPod"]


def assert_done_once(rig: Rig, name: str) -> None:
    """It is done, and no job was tried again, but for what Kubernetes had a second pod for."""
    rig.kube.wait(name, "Succeeded", timeout=90)
    stopped = second_pods(rig, name)
    assert_done(rig, name, stopped)
    again = Counter(job for job, _ in stopped)
    records = rig.kube.get("dagx", name)["status"]["jobs"]
    assert {r["id"]: r["attempt"] for r in records} == {r["id"]: 1 + again[r["id"]] for r in records}


@pytest.mark.parametrize(("fault", "seconds"), [("API server away", AWAY), ("etcd away", 0.0)])
def test_in_the_middle_of_a_run(rig: Rig, fault: str, seconds: float) -> None:
    name = fault.lower().replace(" ", "-")
    rig.kube.run(name, *layered(5, 3), checkpoint=EACH)
    until(lambda: rig.kube.jobs(name, "l1-0"), "it is in the middle")
    with during(named(rig, fault)):
        time.sleep(seconds)  # this long it is away: nothing is waited for
    rig.restart_controllers()
    assert_done_once(rig, name)


def test_operators_that_start_before_the_api_server_does_serve_what_it_serves(rig: Rig) -> None:
    rig.kube.run("young", *layered(3, 2), checkpoint=EACH)
    with during(named(rig, "API server away")), during(named(rig, "all operators killed")):
        pass
    rig.restart_controllers()
    assert_done_once(rig, "young")


def test_postgres_away_for_the_length_of_a_run(rig: Rig) -> None:
    with during(named(rig, "Postgres away")):
        rig.kube.run("no-rows", *layered(3, 2), checkpoint=EACH)
        rig.kube.wait("no-rows", "Succeeded")
        saved = {c["metadata"]["name"] for c in ready(rig.kube) if not _is_stored(c)}
        assert saved
    found = assert_done(rig, "no-rows")
    assert saved <= {c["metadata"]["name"] for c in found}
    assert attempts(rig, "no-rows") == {1}


def test_the_disk_of_postgres_is_full_until_it_is_not(rig: Rig) -> None:
    with during(named(rig, "Postgres' disk full")):
        jobs = [job(f"j{n}", fake={"message": f'"{secrets.token_hex(1900)}"'}) for n in range(12)]
        rig.kube.run("full", *jobs, checkpoint=EACH, parallelism=2)
        rig.kube.wait("full", "Succeeded")
        until(lambda: {_reason(c) for c in ready(rig.kube)} & {"DatabaseFull", "DatabaseUnavailable"}, "it is told")
    assert_done(rig, "full")
    assert attempts(rig, "full") == {1}


def _is_stored(found: Object) -> bool:
    return bool(condition(found, "Stored").get("status") == "True")


def _reason(found: Object) -> str:
    return str(condition(found, "Stored").get("reason"))


def test_a_leader_stopped_for_longer_than_its_lease_goes_on_and_does_nothing_twice(rig: Rig) -> None:
    rig.kube.run("stopped", hanging("a"), *layered(3, 2), lasting("b", "a", duration="100ms"), checkpoint=EACH)
    until(lambda: rig.kube.job("stopped", "a").get("startedAt"), "a runs")
    before = rig.leader()
    with during(named(rig, "leader stopped and continued")):
        release(rig.kube, "stopped", "a")
        until(lambda: rig.kube.jobs("stopped", "b"), "another one has taken over")
        assert rig.leader() not in (None, before)
    assert_done(rig, "stopped")
    assert attempts(rig, "stopped") == {1}


def test_nothing_waits_for_hours_when_the_clock_was_ahead_and_ids_sort_however_it_is_turned(rig: Rig) -> None:
    retry = {"limit": 1, "backoffSeconds": 2, "onExitCodes": [3]}
    broken = job("broken", fake={"hang": "true", "exit-code": "3"}, retry=retry)
    for each in rig.operators:
        each.turn(3 * HOUR)
    rig.kube.run("turned", broken, *layered(3, 1), failurePolicy="Continue", checkpoint=EACH)
    until(lambda: rig.kube.job("turned", "broken").get("startedAt"), "it runs")
    release(rig.kube, "turned", "broken")
    until(lambda: rig.kube.job("turned", "broken").get("retryAt"), "it has failed and waits")
    for each in rig.operators:
        each.turn(0)
    rig.kube.patch("dagx", "turned", {"metadata": {"labels": {"seen": "yes"}}})
    until(lambda: rig.kube.jobs("turned", "broken")[1:], "it is tried again", 20)
    for each in rig.operators:
        each.turn(-3 * HOUR)
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "turned-last"}}
    rig.kube.apply(body | {"spec": {"executionRef": {"name": "turned"}}})
    rig.kube.kubectl("wait", "--for=condition=Ready", "ckpt/turned-last", "--timeout=30s")
    for each in rig.operators:
        each.turn(0)
    release(rig.kube, "turned", "broken")
    rig.kube.wait("turned", "Finished")
    [record] = [r for r in rig.kube.get("dagx", "turned")["status"]["jobs"] if r["id"] == "broken"]
    assert (record["state"], record["attempt"], record["failures"]) == ("Failed", 2, 2)
    saved = [c["status"] for c in ready(rig.kube) if c["spec"]["executionRef"]["name"] == "turned"]
    parents = [each["parent"]["checkpointId"] for each in saved[1:]]
    assert parents == [each["checkpointId"] for each in saved[:-1]], "in the order of their ids"


def test_a_pod_on_a_node_that_does_not_answer_has_not_ended_before_it_has(rig: Rig) -> None:
    rig.kube.run("left", hanging("a"), checkpoint=EACH)
    until(lambda: rig.kube.job("left", "a").get("startedAt"), "a runs")
    [pod] = rig.kube.pods("left", "a")
    with during(faults.nodes_left(rig, [pod["spec"]["nodeName"]])):
        rig.kube.wait_job("left", "a", reason="NodeUnreachable")
        assert len(rig.kube.jobs("left", "a")) == 1, "nobody knows yet that it has ended"
    until(lambda: [p for p in rig.kube.pods("left", "a") if p["status"]["phase"] == "Running"
                   and p["metadata"]["uid"] != pod["metadata"]["uid"]], "the second attempt runs")  # fmt: skip
    release(rig.kube, "left", "a")
    rig.kube.wait("left", "Succeeded")
    record = rig.kube.job("left", "a")
    assert (record["attempt"], record["disruptions"], record.get("failures", 0)) == (2, 1, 0)
    labels = sorted(found["metadata"]["labels"]["cairn.dev/attempt"] for found in rig.kube.jobs("left", "a"))
    assert labels == ["1", "2"]
