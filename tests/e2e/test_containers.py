"""Executions whose jobs are real containers on a real node: what only a kubelet can show."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from support.checkpoints import payload_of
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess

pytestmark = pytest.mark.e2e

Start = Callable[[Kube], OperatorProcess]

BEGIN, END = "::cairn-outputs::", "::end-cairn-outputs::"
BUSYBOX = "localhost/cairn-busybox:dev"


def shell(job_id: str, script: str, **more: Any) -> Object:
    """A job that runs a shell script in busybox."""
    return {"id": job_id, "image": BUSYBOX, "command": ["sh", "-ec", script]} | more


def result(kube: Kube, job: str, attempt: int = 1) -> Object:
    """The JobResult of an attempt."""
    found = kube.list("jobresults", "-l", f"cairn.dev/job={job},cairn.dev/attempt={attempt}")
    assert len(found) == 1, found
    return found[0]


def result_of(kube: Kube, execution: str, job: str) -> Object:
    """The JobResult of the only attempt of a job in one of several executions."""
    [found] = kube.list("jobresults", "-l", f"cairn.dev/execution={execution},cairn.dev/job={job}")
    return found


def log_tail(kube: Kube, job: str, attempt: int = 1) -> str:
    """The log tail of an attempt, which follows its result."""

    def tail() -> str | None:
        found = kube.list("jobresults", "-l", f"cairn.dev/job={job},cairn.dev/attempt={attempt}")
        return found[0].get("status", {}).get("logTail") if found else None

    return until(tail, f"the log tail of {job}")


TELLING = {"rows": 18446744073709551617, "one": 1.0, "name": "Größe 🚀", "nested": {"a": [1, None, {"b": "\u0000"}]}}


def test_data_goes_from_job_to_job_as_files_and_variables(real: Kube) -> None:
    text = json.dumps(TELLING)
    show = "cat /cairn/inputs/make.json; echo; echo $CAIRN_INPUTS; cat /cairn/params.json; echo; env | grep ^CAIRN_"
    finished = real.run(
        "data",
        shell("make", f"printf '%s' '{text}' > /dev/termination-log; echo made"),
        shell("use", show + "; echo rows=$0 lr=$1", dependsOn=["make"],
              args=["$(jobs.make.outputs.rows)", "$(params.lr)"]),
        shell("none", "test ! -e /cairn/inputs; test -z \"$CAIRN_INPUTS\""),
        params={"lr": 0.5, "who": "Zoë"},
    )  # fmt: skip
    finished = real.wait("data", "Finished", 120)
    assert finished["status"]["phase"] == "Succeeded", finished["status"]
    assert result(real, "make")["spec"]["outputs"] == text
    lines = log_tail(real, "use").splitlines()
    assert lines[0] == text
    assert lines[1] == f'{{"make":{text}}}'
    assert json.loads(lines[2]) == {"lr": 0.5, "who": "Zoë"}
    told = {"CAIRN_ATTEMPT": "1", "CAIRN_EXECUTION": "data", "CAIRN_JOB": "use", "CAIRN_NAMESPACE": real.namespace}
    assert {f"{name}={value}" for name, value in told.items()} <= set(lines)
    assert lines[-1] == "rows=18446744073709551617 lr=0.5"


def test_large_outputs_come_from_a_block_in_the_log(real: Kube) -> None:
    big = shell(
        "big",
        "echo noise; echo ::cairn-outputs::; printf '{\"items\": ['; for i in $(seq 1 6000); do printf '%s,' $i; done;"
        " echo '0]}'; echo ::end-cairn-outputs::; echo more noise",
        outputs="Log",
    )
    real.run("large", big, shell("use", "wc -c < /cairn/inputs/big.json > /dev/termination-log", dependsOn=["big"]))
    finished = real.wait("large", "Finished", 120)
    assert finished["status"]["phase"] == "Succeeded", finished["status"]
    outputs = result(real, "big")["spec"]["outputs"]
    assert len(json.loads(outputs)["items"]) == 6001
    assert int(result(real, "use")["spec"]["outputs"]) == len(outputs.encode())


def test_outputs_that_do_not_fit_fail_clearly(real: Kube) -> None:
    fill = "head -c {} /dev/zero | tr '\\0' 7 {}"
    real.run(
        "toolarge",
        shell("message", fill.format(5000, "> /dev/termination-log")),
        shell("log", f"echo {BEGIN}; {fill.format(70000, '')}; echo; echo {END}", outputs="Log"),
        shell("text", "echo hello > /dev/termination-log"),
        failurePolicy="Continue",
    )
    finished = real.wait("toolarge", "Finished", 120)
    reasons = {r["id"]: r["reason"] for r in finished["status"]["jobs"]}
    assert reasons == {"message": "OutputsTooLarge", "log": "OutputsTooLarge", "text": "OutputsInvalid"}
    assert "outputs: Log" in real.job("toolarge", "message")["message"]


def test_every_attempt_stays_readable_to_the_end(real: Kube) -> None:
    script = "echo attempt $CAIRN_ATTEMPT; if [ $CAIRN_ATTEMPT -lt 3 ]; then echo 'Fehler: Größe' >&2; exit 75; fi"
    real.run("retried", shell("flaky", script, retry={"limit": 3, "backoffSeconds": 1, "onExitCodes": [75]}))
    finished = real.wait("retried", "Finished", 120)
    record = finished["status"]["jobs"][0]
    assert (record["state"], record["attempt"], record["failures"]) == ("Completed", 3, 2)
    for attempt in (1, 2):
        assert result(real, "flaky", attempt)["spec"]["exitCode"] == 75
        assert "Fehler: Größe" in result(real, "flaky", attempt)["spec"]["message"]
    assert log_tail(real, "flaky", 3).strip() == "attempt 3"
    # Nothing orders what a container writes to its two streams at once.
    assert set(log_tail(real, "flaky", 1).splitlines()) == {"attempt 1", "Fehler: Größe"}


def test_pods_are_restricted_and_have_no_token(real: Kube) -> None:
    real.run("safe", shell("a", "test ! -e /var/run/secrets/kubernetes.io; id -u > /dev/termination-log"))
    assert real.wait("safe", "Finished", 120)["status"]["phase"] == "Succeeded"
    assert result(real, "a")["spec"]["outputs"] == "65532"


def test_a_whole_pod_template_with_init_container_sidecar_and_volume(real: Kube) -> None:
    mount = {"name": "work", "mountPath": "/shared"}
    template = {
        "metadata": {"labels": {"team": "ml"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "work", "emptyDir": {}}],
            "initContainers": [
                {"name": "fetch", "image": BUSYBOX, "volumeMounts": [mount],
                 "command": ["sh", "-c", "echo 42 > /shared/x"]},
                {"name": "side", "image": BUSYBOX, "command": ["sh", "-c", "sleep 1000"], "restartPolicy": "Always"},
            ],
            "containers": [
                {"name": "main", "image": BUSYBOX, "volumeMounts": [mount],
                 "command": ["sh", "-c", "cat /shared/x > /dev/termination-log"]},
            ],
        },
    }  # fmt: skip
    real.run("template", {"id": "a", "podTemplate": template})
    assert real.wait("template", "Finished", 120)["status"]["phase"] == "Succeeded"
    assert result(real, "a")["spec"]["outputs"] == "42"


def mounting(volume: Object) -> Object:
    """A job that mounts a volume."""
    mount = {"name": "v", "mountPath": "/v"}
    main = {"name": "main", "image": BUSYBOX, "command": ["true"], "volumeMounts": [mount]}
    return {"id": "a", "podTemplate": {"spec": {"volumes": [{"name": "v"} | volume], "containers": [main]}}}


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (shell("a", "true", env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "no-such", "key": "k"}}}]),
         "CreateContainerConfigError"),
        ({"id": "a", "image": "localhost/no-such-image:1", "command": ["true"]}, "ImagePull"),
        (mounting({"configMap": {"name": "no-such"}}), "FailedMount"),
        (mounting({"persistentVolumeClaim": {"claimName": "no"}}), "not found"),
    ],
    ids=["a missing Secret", "an image that cannot be pulled", "a missing ConfigMap", "a missing claim"],
)  # fmt: skip
def test_what_a_job_waits_for_is_visible(real: Kube, job: Object, reason: str) -> None:
    real.run("waits", job)

    def said() -> bool:
        record = real.job("waits", "a")
        return reason in f"{record.get('reason')} {record.get('message')}"

    until(said, reason, 60, lambda: real.job("waits", "a"))
    assert real.job("waits", "a")["state"] == "Running"


def test_a_missing_secret_that_comes_lets_the_job_run(real: Kube) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    real.run("late", shell("a", 'test "$X" = y', env=env))
    real.wait_job("late", "a", reason="CreateContainerConfigError")
    real.kubectl("create", "secret", "generic", "late", "--from-literal=k=y")
    assert real.wait("late", "Finished", 120)["status"]["phase"] == "Succeeded"


def test_a_pause_drains_what_runs_and_then_nothing_starts(real: Kube) -> None:
    real.run("drain", shell("a", "sleep 8"), shell("b", "true", dependsOn=["a"]))
    until(lambda: real.job("drain", "a").get("startedAt"), "a runs")
    real.kubectl("patch", "dagx", "drain", "--type", "merge", "-p", '{"spec":{"paused":true}}')
    draining = until(lambda: real.get("dagx", "drain")["status"].get("pause"), "the pause is seen")
    assert (draining["phase"], draining["running"]) == ("Draining", ["a"])
    paused = real.wait("drain", "Paused")
    assert (paused["status"]["phase"], paused["status"]["progress"]) == ("Running", "1/2")
    assert real.jobs("drain", "b") == []
    real.kubectl("patch", "dagx", "drain", "--type", "merge", "-p", '{"spec":{"paused":false}}')
    assert real.wait("drain", "Finished", 120)["status"]["phase"] == "Succeeded"


def test_a_pause_with_mode_stop_ends_what_runs_and_runs_it_again_without_using_a_retry(real: Kube) -> None:
    script = "trap 'exit 1' TERM; if [ $CAIRN_ATTEMPT = 1 ]; then sleep 1000 & wait; fi"
    real.run("stop", shell("a", script))
    until(lambda: real.job("stop", "a").get("startedAt"), "a runs")
    real.patch("dagx", "stop", {"spec": {"paused": True, "pause": {"mode": "Stop", "reason": "maintenance"}}})
    paused = real.wait("stop", "Paused")
    record = paused["status"]["jobs"][0]
    assert (record["state"], record["reason"], record.get("failures")) == ("Pending", "Stopped", None)
    assert paused["status"]["pause"]["reason"] == "maintenance"
    assert not [p for p in real.pods("stop") if p["status"]["phase"] == "Running"]
    real.patch("dagx", "stop", {"spec": {"paused": False}})
    record = real.wait("stop", "Finished", 120)["status"]["jobs"][0]
    assert (record["state"], record["attempt"], record.get("failures")) == ("Completed", 2, None)


def test_cancel_gives_the_grace_period_and_runs_the_clean_up(real: Kube) -> None:
    real.run(
        "cancel",
        shell("a", "trap 'echo caught; exit 3' TERM; sleep 1000 & wait"),
        shell("b", "true", dependsOn=["a"]),
        shell("clean", "echo clean > /dev/null", dependsOn=["b"], runOn="Done"),
    )
    until(lambda: real.job("cancel", "a").get("startedAt"), "a runs")
    real.patch("dagx", "cancel", {"spec": {"cancel": {"requestId": "c1", "reason": "wrong data"}}})
    finished = real.wait("cancel", "Finished", 120)
    states = {r["id"]: (r["state"], r.get("reason")) for r in finished["status"]["jobs"]}
    assert finished["status"]["phase"] == "Cancelled"
    assert states == {"a": ("Failed", "Cancelled"), "b": ("Skipped", "Cancelled"), "clean": ("Completed", None)}


def test_a_timeout_ends_the_container_and_says_so(real: Kube) -> None:
    real.run("timeout", shell("a", "sleep 1000", timeoutSeconds=2,
                              podTemplate={"spec": {"terminationGracePeriodSeconds": 1}}))  # fmt: skip
    record = real.wait("timeout", "Finished", 120)["status"]["jobs"][0]
    assert (record["state"], record["reason"], record["failures"]) == ("Failed", "Timeout", 1)


def test_deleted_is_not_ended(real: Kube) -> None:
    """A pod deleted by hand whose container ignores TERM: its next attempt waits for the container's end."""
    script = "trap '' TERM; if [ $CAIRN_ATTEMPT = 1 ]; then for i in $(seq 1 100); do sleep 1; done; fi"
    template = {"spec": {"terminationGracePeriodSeconds": 5}}
    real.run("deleted", shell("a", script, podTemplate=template, retry={"backoffSeconds": 0}))
    until(lambda: real.job("deleted", "a").get("startedAt"), "a runs")
    [pod] = real.pods("deleted")
    real.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    record = real.wait("deleted", "Finished", 120)["status"]["jobs"][0]
    assert (record["state"], record["attempt"]) == ("Completed", 2)
    assert (record.get("failures"), record["disruptions"]) == (None, 1)
    first = result(real, "a", 1)["spec"]
    assert record["startedAt"] >= first["finishedAt"]


def test_killed_in_mid_run_each_attempt_ran_exactly_once(real_solo: Kube, start_operator: Start) -> None:
    operator = start_operator(real_solo)
    work = [shell(f"w{n}", "sleep 1; echo $CAIRN_ATTEMPT") for n in range(3)]
    joins = [shell(f"j{n}", "true", dependsOn=["w0", "w1", "w2"]) for n in range(3)]
    real_solo.run("work", *work, *joins)
    moments = random.Random(3)
    for _ in range(3):
        time.sleep(moments.uniform(0.1, 1.5))  # any moment will do to be killed at
        operator.kill()
        operator.start()
    finished = real_solo.wait("work", "Finished", 120)
    assert finished["status"]["phase"] == "Succeeded"
    assert {r["attempt"] for r in finished["status"]["jobs"]} == {1}
    pods = Counter(p["metadata"]["labels"]["cairn.dev/job"] for p in real_solo.pods("work"))
    assert pods == {job["id"]: 1 for job in [*work, *joins]}
    restarts = [s["restartCount"] for p in real_solo.pods("work") for s in p["status"]["containerStatuses"]]
    assert set(restarts) == {0}


# --- Checkpoints -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_holds_what_the_containers_have_left(real: Kube) -> None:
    twice = """
        if [ $CAIRN_ATTEMPT = 1 ]; then echo no luck; sleep 1; exit 3; fi
        echo as you asked; printf '{"n": 1}' > /dev/termination-log
        sleep 1  # the runtime writes the log beside the container: what it says at its very end may come too late"""
    real.run("kept", shell("flaky", twice, retry={"limit": 1, "backoffSeconds": 0}))
    real.wait("kept", "Succeeded")
    log_tail(real, "flaky", 1)
    log_tail(real, "flaky", 2)
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "mine"}}
    real.apply(body | {"spec": {"executionRef": {"name": "kept"}}})
    real.kubectl("wait", "--for=condition=Ready", "ckpt/mine", "--timeout=30s")
    held = payload_of(real.get("ckpt", "mine"))
    first, second = held.document["jobs"][0]["attempts"]
    assert (first["status"], first["exitCode"], first["error"]["reason"]) == ("failed", 3, "Error")
    assert (second["status"], second["exitCode"]) == ("completed", 0)
    assert "no luck" in held.texts[first["logTail"]["sha256"]]
    assert "as you asked" in held.texts[second["logTail"]["sha256"]]
    assert json.loads(held.texts[second["outputs"]["sha256"]]) == {"n": 1}
    assert real.get("ckpt", "mine")["status"]["executionStatus"] == "completed"


def test_only_the_rest_runs_after_the_operator_and_the_execution_were_lost(
    real_solo: Kube, start_operator: Start
) -> None:
    """At hour 28 of 30: the operator is killed and the execution deleted in mid run; what was saved is not lost."""
    operator = start_operator(real_solo)
    jobs = [
        shell("fetch", "printf '{\"rows\": 3}' > /dev/termination-log"),
        shell("train", 'printf \'{"of": %s}\' "$(cat /cairn/inputs/fetch.json)" > /dev/termination-log',
              dependsOn=["fetch"]),
        shell("evaluate", "sleep 600", dependsOn=["train"]),
        shell("report", "cat /cairn/inputs/train.json > /dev/termination-log", dependsOn=["train", "evaluate"]),
    ]  # fmt: skip
    real_solo.run("work", *jobs)
    until(lambda: real_solo.job("work", "evaluate").get("startedAt"), "it is in mid run", 120)
    real_solo.saved("work")
    operator.kill()
    real_solo.kubectl("delete", "dagx", "work", "--timeout=120s")
    operator.start()
    jobs[2] = shell("evaluate", "test \"$(cat /cairn/inputs/train.json)\" = '{\"of\": {\"rows\": 3}}'",
                    dependsOn=["train"])  # fmt: skip
    real_solo.run("again", *jobs, restoreFrom={"latestOf": "work"})
    finished = real_solo.wait("again", "Finished", 120)
    assert finished["status"]["phase"] == "Succeeded", finished["status"]
    ran = Counter(p["metadata"]["labels"]["cairn.dev/job"] for p in real_solo.pods("again"))
    assert ran == {"evaluate": 1, "report": 1}
    assert result_of(real_solo, "again", "report")["spec"]["outputs"] == '{"of": {"rows": 3}}'


def test_a_container_that_the_rewind_keeps_runs_on_and_one_that_it_does_not_is_stopped(real: Kube) -> None:
    real.run("work", shell("quick", "true"), shell("long", "sleep 12; echo $CAIRN_ATTEMPT"),
             shell("late", "sleep 300", dependsOn=["quick"]))  # fmt: skip
    until(lambda: real.job("work", "long").get("startedAt"), "long runs", 120)
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "point"}}
    until(lambda: real.job("work", "late").get("startedAt"), "late runs", 120)
    real.apply(body | {"spec": {"executionRef": {"name": "work"}}})
    real.kubectl("wait", "--for=condition=Ready", "ckpt/point", "--timeout=30s")
    jobs = [shell("quick", "true"), shell("long", "sleep 12; echo $CAIRN_ATTEMPT"),
            shell("late", "echo mended", dependsOn=["quick"])]  # fmt: skip
    ask = {"checkpointName": "point", "requestId": "r1"}
    real.patch("dagx", "work", {"spec": {"jobs": jobs, "restoreFrom": ask}})
    finished = real.wait("work", "Succeeded", 120)
    assert {r["id"]: r["attempt"] for r in finished["status"]["jobs"]} == {"quick": 1, "long": 1, "late": 2}
    pods = Counter(p["metadata"]["labels"]["cairn.dev/job"] for p in real.pods("work"))
    assert (pods["quick"], pods["long"]) == (1, 1)
