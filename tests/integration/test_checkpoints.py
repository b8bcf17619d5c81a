"""Checkpoints on a real API server and a real Postgres: every trigger, both stores, faults, deletes, lifetimes."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from support.checkpoints import Rows, label, payload_of, ready, settled, stored
from support.jobs import condition, hanging, job, lasting, release
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

Start = Callable[..., OperatorProcess]

OUTPUTS = {"fake": {"message": '{"rows": 3}'}}


@pytest.fixture
def start(start_operator: Start, rows: Rows) -> Start:
    """Start an operator with the database of this test."""

    def begin(kube: Kube, **settings: str) -> OperatorProcess:
        given = {"DATABASE_URL": rows.url, "CAIRN_SWEEP_SECONDS": "2"} | settings
        return start_operator(kube, **given)

    return begin


def checkpoint(kube: Kube, name: str, execution: str, /, **spec: Any) -> None:
    """Create a Checkpoint, as a user does."""
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": name}}
    kube.apply(body | {"spec": {"executionRef": {"name": execution}} | spec})


def of(found: list[Object], trigger: str) -> list[Object]:
    return [c for c in found if c["spec"]["trigger"] == trigger]


# --- Triggers --------------------------------------------------------------------------------------------------------


def test_levels_are_saved_in_both_stores_as_a_chain(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    solo.run("work", job("a", **OUTPUTS), lasting("b", "a", duration="300ms"), lasting("c", "b", duration="300ms"))
    solo.wait("work", "Succeeded")
    found = stored(solo, 3)
    assert [label(c) for c in found] == [f"Auto checkpoint after level {n}" for n in range(3)]
    assert [c["status"]["jobCount"] for c in found] == [3, 3, 3]
    parents = [c["status"].get("parent", {}).get("checkpointId") for c in found]
    assert parents == [None, *(c["status"]["checkpointId"] for c in found[:2])]
    kept = rows.all()
    assert {r["id"]: r["digest"] for r in kept} == {
        c["status"]["checkpointId"]: c["status"]["digest"] for c in found
    }
    assert {r["execution_id"] for r in kept} == {solo.get("dagx", "work")["metadata"]["uid"]}
    assert {r["trigger"] for r in kept} == {"level-completed"}
    assert kept[0]["job_configs"][0]["id"] == "a"
    state = payload_of(found[-1])
    assert [j["status"] for j in state.document["jobs"]] == ["completed"] * 3
    assert '{"rows": 3}' in state.texts.values()
    assert condition(solo.get("dagx", "work"), "Checkpointed")["status"] == "True"


def test_jobs_that_complete_or_fail_are_saved(solo: Kube, start: Start) -> None:
    start(solo)
    bad = job("bad", fake={"duration": "100ms", "exit-code": "3"})
    solo.run("work", hanging("good"), bad, failurePolicy="Continue", checkpoint={"triggers": ["job-completed"]})
    stored(solo, 1)
    release(solo, "work", "good")
    solo.wait("work", "Finished")
    found = stored(solo, 2)
    assert sorted(c["spec"]["metadata"]["jobs"] for c in found) == ["bad", "good"]
    first = payload_of(found[0]).document["jobs"]
    assert {j["id"]: j["status"] for j in first} == {"good": "running", "bad": "failed"}


def test_a_critical_job_is_launched_after_its_checkpoint_is_durable(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", lasting("a", duration="100ms"), lasting("deploy", "a", duration="100ms"),
             checkpoint={"criticalJobIds": ["deploy"], "triggers": ["before-critical"]})  # fmt: skip
    done = solo.wait("work", "Succeeded")
    [found] = stored(solo, 1)
    assert label(found) == "Auto checkpoint before critical job deploy"
    states = {j["id"]: j["status"] for j in payload_of(found).document["jobs"]}
    assert states == {"a": "completed", "deploy": "pending"}
    launched = next(r for r in done["status"]["jobs"] if r["id"] == "deploy")["launchedAt"]
    assert datetime.fromisoformat(found["status"]["createdAt"]) <= datetime.fromisoformat(launched)


def test_time_passes_and_nothing_new_is_not_saved_twice(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", hanging("a"), checkpoint={"triggers": ["time-based"], "timeIntervalMs": 1000})
    first = until(lambda: of(ready(solo), "time-based"), "a checkpoint of the time")
    assert label(first[0]).startswith("Auto checkpoint at ")
    until(lambda: solo.job("work", "a").get("startedAt"), "a runs")
    time.sleep(3.5)  # intervals in which nothing happens
    before = len(ready(solo))
    time.sleep(2.5)
    assert len(ready(solo)) == before <= 3
    release(solo, "work", "a")
    solo.wait("work", "Succeeded")


def test_a_drained_pause_is_saved_and_says_paused(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", hanging("a"), job("b", "a"))
    until(lambda: solo.pods("work", "a"), "a has a pod")
    solo.patch("dagx", "work", {"spec": {"paused": True, "pause": {"reason": "look at it"}}})
    release(solo, "work", "a")
    solo.wait("work", "Paused")
    [found] = until(lambda: of(ready(solo), "manual"), "the checkpoint of the pause")
    document = payload_of(found).document
    assert document["pause"]["phase"] == "paused"
    assert document["execution"]["status"] == found["status"]["executionStatus"] == "running"
    solo.patch("dagx", "work", {"spec": {"paused": False}})
    solo.wait("work", "Succeeded")


def test_a_pause_that_stops_waits_for_a_critical_job(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", hanging("deploy"), hanging("other"), checkpoint={"criticalJobIds": ["deploy"]})
    until(lambda: len(solo.pods("work")) == 2, "both run")
    solo.patch("dagx", "work", {"spec": {"paused": True, "pause": {"mode": "Stop"}}})
    solo.wait_job("work", "other", state="Pending", reason="Stopped")
    assert solo.get("dagx", "work")["status"]["pause"]["running"] == ["deploy"]
    assert solo.job("work", "deploy")["state"] == "Running"
    release(solo, "work", "deploy")
    solo.wait("work", "Paused")
    assert solo.job("work", "deploy")["state"] == "Completed"


def test_what_somebody_creates_is_answered(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    solo.run("work", hanging("a"), checkpoint={"enabled": False})
    until(lambda: solo.job("work", "a").get("startedAt"), "a runs")
    checkpoint(solo, "mine", "work", name="Before deployment", metadata={"ticket": "OPS-17"}, createdBy="jane")
    checkpoint(solo, "same", "work")
    checkpoint(solo, "lost", "no-such-execution")
    solo.kubectl("wait", "--for=condition=Ready", "ckpt/mine", "ckpt/same", "--timeout=30s")
    failed = until(lambda: settled(solo.get("ckpt", "lost")), "an answer")
    assert (failed["status"]["phase"], condition(failed, "Ready")["reason"]) == ("Failed", "ExecutionNotFound")
    mine, same = solo.get("ckpt", "mine"), solo.get("ckpt", "same")
    assert mine["status"]["stateDigest"] == same["status"]["stateDigest"], "unchanged, and yet both were taken"
    until(lambda: len(rows.all()) == 2, "both rows")
    [row] = [r for r in rows.all() if r["name"] == "Before deployment"]
    assert (row["metadata"], row["created_by"]) == ({"ticket": "OPS-17"}, "jane")
    assert next(r["name"] for r in rows.all() if r["created_by"] is None).startswith("Manual checkpoint at ")
    events = solo.list("events", "--field-selector=reason=CheckpointTaken")
    assert {e["involvedObject"]["kind"] for e in events} == {"DAGExecution"}


def test_the_settings_are_shown_as_they_were_resolved(solo: Kube, start: Start) -> None:
    start(solo)
    solo.run("work", hanging("a"), checkpoint={"profile": "LongRunning", "retentionCount": 7})
    shown = until(lambda: solo.get("dagx", "work").get("status", {}).get("checkpointing"), "the settings")
    assert shown["settings"]["triggers"] == ["time-based", "job-completed"]
    assert (shown["settings"]["timeIntervalMs"], shown["settings"]["retentionCount"]) == (600000, 7)
    assert shown["unsaved"] == 0 and "next" in shown


# --- Failures --------------------------------------------------------------------------------------------------------


def test_a_lost_result_fails_the_checkpoint_and_pauses_where_that_is_asked_for(solo: Kube, start: Start) -> None:
    operator = start(solo)
    solo.run("work", job("a", **OUTPUTS), hanging("b", "a"), lasting("c", "b", duration="1s"),
             job("d", "c"), checkpoint={"triggers": ["job-completed"], "onError": "Pause"})  # fmt: skip
    stored(solo, 1)
    operator.kill()
    solo.kubectl("delete", "jres", "-l", "cairn.dev/job=a")
    operator.start()
    release(solo, "work", "b")
    paused = solo.wait("work", "Paused")
    assert "onError: Pause" in paused["spec"]["pause"]["reason"]
    failed = [c for c in solo.list("ckpt") if c["status"]["phase"] == "Failed"]
    assert {condition(c, "Ready")["reason"] for c in failed} == {"ResultLost"}
    assert paused["status"]["checkpointing"]["failed"]["reason"] == "ResultLost"
    assert condition(paused, "Checkpointed")["status"] == "False"


def test_postgres_may_go_and_come_back(solo: Kube, start: Start, rows: Rows, postgres: PostgresServer) -> None:
    operator = start(solo)
    solo.run("work", lasting("a", duration="100ms"), hanging("b", "a"), lasting("c", "b", duration="100ms"))
    stored(solo, 1)
    postgres.stop()
    try:
        release(solo, "work", "b")
        solo.wait("work", "Succeeded")
        waiting = until(lambda: [c for c in ready(solo) if _reason(c) == "DatabaseUnavailable"][1:], "two unstored")
        assert waiting[0]["status"]["conditions"]
        assert operator.describe()["unstored"] == 2
        operator.kill()
        operator.start()  # it starts without a database, too
    finally:
        postgres.start()
    found = stored(solo, 3)
    assert {r["id"] for r in rows.all()} == {c["status"]["checkpointId"] for c in found}
    assert operator.describe()["unstored"] == 0


@pytest.mark.parametrize("fault", ["read-only", "frozen"])
def test_whatever_is_wrong_with_postgres_the_run_goes_on(
    fault: str, solo: Kube, start: Start, rows: Rows, postgres: PostgresServer
) -> None:
    start(solo)
    solo.run("work", lasting("a", duration="100ms"), hanging("b", "a"), lasting("c", "b", duration="100ms"))
    stored(solo, 1)
    if fault == "frozen":
        postgres.freeze()
    else:
        postgres.set_read_only(rows.url, True)
    try:
        release(solo, "work", "b")
        solo.wait("work", "Succeeded", timeout=20)
        reason = "DatabaseUnavailable" if fault == "frozen" else "DatabaseReadOnly"
        until(lambda: [c for c in ready(solo) if _reason(c) == reason], f"it says {reason}")
    finally:
        if fault == "frozen":
            postgres.thaw()
        else:
            postgres.set_read_only(rows.url, False)
    stored(solo, 3)


def _reason(found: Object) -> str:
    return str(condition(found, "Stored").get("reason"))


def test_without_a_database_the_objects_are_the_only_copy(solo: Kube, start_operator: Start) -> None:
    start_operator(solo, DATABASE_URL="")
    solo.run("work", job("a"))
    solo.wait("work", "Succeeded")
    [found] = until(lambda: ready(solo), "a checkpoint")
    assert (condition(found, "Stored")["status"], _reason(found)) == ("False", "NoDatabase")
    assert "finalizers" not in found["metadata"]
    solo.kubectl("delete", "ckpt", found["metadata"]["name"], "--timeout=20s")


def test_a_state_too_large_for_an_object_is_in_the_row(
    solo: Kube, start: Start, rows: Rows, postgres: PostgresServer
) -> None:
    start(solo, CAIRN_OBJECT_STATE_BYTES="1000")
    solo.run("work", job("a", **OUTPUTS), hanging("b", "a"), checkpoint={"triggers": ["job-completed"]})
    [found] = stored(solo, 1)
    assert "state" not in found["status"]
    [row] = rows.all()
    assert (row["id"], row["digest"]) == (found["status"]["checkpointId"], found["status"]["digest"])
    postgres.stop()
    try:
        checkpoint(solo, "large", "work")
        waiting = until(lambda: _pending_for(solo, "large", "DatabaseUnavailable"), "it waits for the database")
        assert "digest" not in waiting["status"]
    finally:
        postgres.start()
    solo.kubectl("wait", "--for=condition=Stored", "ckpt/large", "--timeout=60s")
    assert solo.get("ckpt", "large")["status"]["phase"] == "Ready"
    assert len(rows.all()) == 2


def _pending_for(kube: Kube, name: str, reason: str) -> Object | None:
    found = kube.get("ckpt", name)
    waits = found.get("status", {}).get("phase") == "Pending" and condition(found, "Ready").get("reason") == reason
    return found if waits else None


def test_a_state_too_large_for_an_object_fails_without_a_database(solo: Kube, start_operator: Start) -> None:
    start_operator(solo, DATABASE_URL="", CAIRN_OBJECT_STATE_BYTES="1000")
    solo.run("work", hanging("a"), params={"large": secrets.token_hex(1000)})  # so that it is, before anything has run
    checkpoint(solo, "large", "work")
    failed = until(lambda: settled(solo.get("ckpt", "large")), "an answer")
    assert (failed["status"]["phase"], condition(failed, "Ready")["reason"]) == ("Failed", "TooLarge")


# --- Deletes and lifetimes -------------------------------------------------------------------------------------------


def test_deleting_the_object_deletes_the_row_and_leaves_a_grave(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    solo.run("work", job("a"), job("b", "a"))
    solo.wait("work", "Succeeded")
    first, second = stored(solo, 2)
    solo.kubectl("delete", "ckpt", first["metadata"]["name"], "--timeout=30s")
    assert [r["id"] for r in rows.all()] == [second["status"]["checkpointId"]]
    assert rows.graves() == [first["status"]["checkpointId"]]


def test_a_delete_with_postgres_away_is_remembered(
    solo: Kube, start: Start, rows: Rows, postgres: PostgresServer
) -> None:
    start(solo, CAIRN_HOME_NAMESPACE=solo.namespace)
    solo.run("work", job("a"))
    [found] = stored(solo, 1)
    postgres.stop()
    try:
        solo.kubectl("delete", "ckpt", found["metadata"]["name"], "--timeout=30s")
        assert len(solo.list("configmap", "-l", "cairn.dev/remembered-delete=true")) == 1
    finally:
        postgres.start()
    until(lambda: not rows.all(), "the row goes")
    until(lambda: not solo.list("configmap", "-l", "cairn.dev/remembered-delete=true"), "nothing is remembered")


def test_a_namespace_with_checkpoints_goes_while_postgres_is_away(
    solo: Kube, start: Start, rows: Rows, postgres: PostgresServer
) -> None:
    home = f"{solo.namespace}-home"  # in which no other operator looks for what was remembered, with another database
    solo.kubectl("create", "namespace", home)
    start(solo, CAIRN_HOME_NAMESPACE=home)
    solo.run("work", job("a"))
    stored(solo, 1)
    postgres.stop()
    try:
        solo.kubectl("delete", "namespace", solo.namespace, "--timeout=90s")
    finally:
        postgres.start()
    until(lambda: not rows.all(), "the row goes")
    solo.kubectl("delete", "namespace", home, "--wait=false")


def test_retention_keeps_the_newest_and_the_pinned(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    solo.run("work", hanging("a"), checkpoint={"retentionCount": 3})
    checkpoint(solo, "pinned", "work", pinned=True)
    solo.kubectl("wait", "--for=condition=Stored", "ckpt/pinned", "--timeout=30s")
    for n in range(6):
        checkpoint(solo, f"c{n}", "work")
        solo.kubectl("wait", "--for=condition=Ready", f"ckpt/c{n}", "--timeout=30s")
    until(lambda: {c["metadata"]["name"] for c in solo.list("ckpt")} == {"pinned", "c3", "c4", "c5"}, "three and one",
          30, lambda: [c["metadata"]["name"] for c in solo.list("ckpt")])  # fmt: skip
    until(lambda: len(rows.all()) == 4, "the rows follow")
    assert {r["pinned"] for r in rows.all() if r["object_name"] == "pinned"} == {True}
    solo.patch("ckpt", "pinned", {"spec": {"pinned": False}})
    until(lambda: not any(r["pinned"] for r in rows.all()), "the row is not pinned any more")


def test_checkpoints_outlive_their_execution_for_a_while(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    retention = {"retention": {"afterDeletionSeconds": 4}}
    solo.run("kept", job("a"), checkpoint=retention)
    solo.run("dropped", job("a"), checkpoint={"deletionPolicy": "Delete"})
    stored(solo, 2)
    solo.kubectl("delete", "dagx", "dropped", "kept", "--timeout=30s")
    until(lambda: [c["spec"]["executionRef"]["name"] for c in solo.list("ckpt")] == ["kept"], "Delete goes at once")
    [found] = until(lambda: [c for c in solo.list("ckpt") if "expiresAt" in c["status"]], "a time is set")
    solo.patch("ckpt", found["metadata"]["name"], {"spec": {"pinned": True}})
    time.sleep(5)
    assert len(solo.list("ckpt")) == 1, "pinned ones stay"
    solo.patch("ckpt", found["metadata"]["name"], {"spec": {"pinned": False}})
    until(lambda: not solo.list("ckpt") and not rows.all(), "the other one goes after its time")


# --- Crashes ---------------------------------------------------------------------------------------------------------


def assert_sound(kube: Kube, rows: Rows, name: str) -> list[Object]:
    """Each decided checkpoint once, all Ready and stored, each row its object's, a chain without a gap."""
    found = ready(kube)
    assert len({c["status"]["checkpointId"] for c in found}) == len(found)
    causes = [(c["spec"]["trigger"], json.dumps(c["spec"]["metadata"])) for c in found]
    assert len(set(causes)) == len(causes), "one checkpoint for each cause"
    known = {c["status"]["checkpointId"]: c["status"]["digest"] for c in found}
    assert {r["id"]: r["digest"] for r in rows.all()} == known
    parents = [c["status"]["parent"] for c in found if "parent" in c["status"]]
    assert all(known[p["checkpointId"]] == p["digest"] for p in parents)
    assert not kube.get("dagx", name)["status"]["checkpointing"].get("pending")
    return found


@pytest.mark.parametrize("seed", [3, 4])
def test_killed_again_and_again_nothing_is_lost_or_doubled(seed: int, solo: Kube, start: Start, rows: Rows,
                                                          postgres: PostgresServer) -> None:  # fmt: skip
    operator = start(solo)
    layers = [lasting(f"l{n}-{k}", *([f"group:l{n - 1}"] if n else []), duration="150ms", group=f"l{n}")
              for n in range(5) for k in range(3)]  # fmt: skip
    solo.run("work", *layers, checkpoint={"triggers": ["level-completed", "job-completed"], "retentionCount": 100})
    moments = random.Random(seed)
    for number in range(5):
        time.sleep(moments.uniform(0.05, 0.7))  # any moment will do
        operator.kill()
        if number == 2:
            postgres.restart()
        operator.start()
    solo.wait("work", "Succeeded")
    solo.saved("work")
    until(lambda: all(condition(c, "Stored")["status"] == "True" for c in ready(solo)), "all are stored")
    found = assert_sound(solo, rows, "work")
    last = payload_of(found[-1]).document
    assert (last["execution"]["status"], {j["status"] for j in last["jobs"]}) == ("completed", {"completed"})


def test_two_operators_take_each_checkpoint_once(solo: Kube, start: Start, rows: Rows) -> None:
    start(solo)
    start(solo)
    layers = [lasting(f"l{n}", *([f"l{n - 1}"] if n else []), duration="100ms") for n in range(5)]
    solo.run("work", *layers, checkpoint={"retentionCount": 100})
    solo.wait("work", "Succeeded")
    solo.saved("work")
    until(lambda: all(condition(c, "Stored")["status"] == "True" for c in ready(solo)), "all are stored")
    assert len(assert_sound(solo, rows, "work")) == 5
