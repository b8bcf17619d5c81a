"""What the cluster shows, made compact."""

from __future__ import annotations

from typing import Any

import pytest

from cairn import names
from cairn.core.observed import KubeJob, KubePod, kube_job, kube_pod
from simulation.build import NOW

Body = dict[str, Any]
STAMP = "2026-01-31T08:00:00Z"


def job_body(metadata: Body | None = None, **parts: Any) -> Body:
    return {"metadata": {"name": "j", "uid": "u", "resourceVersion": "5"} | (metadata or {}), **parts}


def pod_body(metadata: Body | None = None, **parts: Any) -> Body:
    return {"metadata": {"name": "p", "uid": "u"} | (metadata or {}), **parts}


def statuses(*containers: Body, **status: Any) -> Body:
    return {"containerStatuses": list(containers)} | status


def terminated(name: str, code: int | None, **fields: Any) -> Body:
    return {"name": name, "state": {"terminated": {"exitCode": code} | fields}}


def test_a_bare_job() -> None:
    assert kube_job(job_body()) == KubeJob("j", "u", "5", "")


def test_a_whole_job() -> None:
    body = job_body(
        {
            "labels": {names.LABEL_EXECUTION_UID: "x", names.LABEL_JOB: "a", names.LABEL_ATTEMPT: "3"},
            "annotations": {names.ANNOTATION_DEFINITION: "d", names.ANNOTATION_HELD: "7"},
            "ownerReferences": [{"uid": "other"}, {"uid": "x", "controller": True}],
            "creationTimestamp": STAMP, "deletionTimestamp": STAMP,
        },
        spec={"suspend": True, "parallelism": 0},
        status={"active": 1, "terminating": 2, "conditions": [
            {"type": "Suspended", "status": "True"}, {"type": "Complete", "status": "False"},
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"},
        ]},
    )  # fmt: skip
    assert kube_job(body) == KubeJob(
        "j", "u", "5", "x", "x", "a", 3, "d", NOW, True, 0, 7, suspended_condition=True, failed=True,
        failing="DeadlineExceeded", failure_message="too long", active=1, terminating=2, deleting=True,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5"])
def test_labels_and_annotations_of_others_do_no_harm(text: str) -> None:
    seen = kube_job(job_body({"labels": {names.LABEL_ATTEMPT: text}, "annotations": {names.ANNOTATION_HELD: text}}))
    assert (seen.attempt, seen.held_at) == (0, None)


def test_a_failure_target_is_no_failure_but_tells_why() -> None:
    target = [{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"}]
    seen = kube_job(job_body(status={"conditions": target}))
    assert (seen.failed, seen.failing) == (False, "BackoffLimitExceeded")


def test_counts_matter_while_suspended_alone() -> None:
    counts = {"active": 1, "terminating": 1}
    assert kube_job(job_body(status=counts)) == kube_job(job_body())
    assert kube_job(job_body(spec={"suspend": True}, status=counts)).active == 1


@pytest.mark.parametrize(
    ("fields", "stopped", "quiet"),
    [
        ({}, False, False),
        ({"suspended": True}, False, False),
        ({"suspended": True, "parallelism": 0}, True, False),
        ({"parallelism": 0}, False, False),
        ({"suspended": True, "suspended_condition": True}, False, True),
        ({"suspended": True, "suspended_condition": True, "active": 1}, False, False),
        ({"suspended": True, "suspended_condition": True, "terminating": 1}, False, False),
        ({"suspended_condition": True}, False, False),
    ],
    ids=["runs", "just suspended", "for good", "woken", "quiet", "active", "terminating", "an old condition"],
)
def test_stopped_and_quiet(fields: Body, stopped: bool, quiet: bool) -> None:
    seen = KubeJob("j", "u", "5", "", **fields)
    assert (seen.stopped, seen.quiet) == (stopped, quiet)


def test_a_bare_pod() -> None:
    assert kube_pod(pod_body()) == KubePod("p", "u", "", "")


def test_a_whole_pod() -> None:
    body = pod_body(
        {
            "labels": {"batch.kubernetes.io/job-name": "j", names.LABEL_EXECUTION_UID: "x"},
            "ownerReferences": [{"uid": "job", "controller": True}], "creationTimestamp": STAMP,
            "deletionTimestamp": STAMP,
        },
        spec={"nodeName": "n1", "containers": [{"name": "main"}, {"name": "log"}], "initContainers": [{"name": "i"}]},
        status=statuses(
            terminated("main", 1, reason="Error", message="said", startedAt=STAMP, finishedAt=STAMP),
            phase="Failed", reason="Evicted", message="low on memory",
            conditions=[{"type": "DisruptionTarget", "status": "True"}],
        ),
    )  # fmt: skip
    assert kube_pod(body) == KubePod(
        "p",
        "u",
        "j",
        "job",
        "x",
        "Failed",
        "Evicted",
        "low on memory",
        NOW,
        True,
        True,
        "n1",
        NOW,
        NOW,
        "main",
        1,
        "Error",
        "said",
        containers=3,
    )


def test_the_older_label_tells_the_job_too() -> None:
    assert kube_pod(pod_body({"labels": {"job-name": "j"}})).job_name == "j"


@pytest.mark.parametrize(
    ("containers", "initial", "seen", "expected"),
    [
        pytest.param(["first", "main"], [], [terminated("first", 0), terminated("main", 0)], "main", id="main"),
        pytest.param(["first", "b"], [], [terminated("b", 0), terminated("first", 0)], "first", id="else the first"),
        pytest.param(
            ["main", "b"], [], [terminated("main", 0), terminated("b", 3)], "b", id="unless another failed it"
        ),
        pytest.param(
            ["main", "b"], [], [terminated("main", 1), terminated("b", 3)], "main", id="main's failure counts"
        ),
        pytest.param(["main"], [terminated("setup", 2)], [{"name": "main"}], "setup", id="an init container failed"),
        pytest.param(["main"], [terminated("setup", 0)], [], "", id="nothing of it yet"),
        pytest.param(
            ["main"], [terminated("proxy", 137)], [terminated("main", 0)], "main", id="a sidecar fails no pod"
        ),
    ],
)
def test_which_container_counts(containers: list[str], initial: list[Body], seen: list[Body], expected: str) -> None:
    spec = {
        "containers": [{"name": n} for n in containers],
        "initContainers": [{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always"}],
    }
    status = statuses(*seen, initContainerStatuses=initial, phase="Failed")
    assert kube_pod(pod_body(spec=spec, status=status)).container == expected


def test_a_pod_that_has_not_failed_is_told_by_its_main_container() -> None:
    status = statuses(terminated("main", 0), terminated("b", 3), phase="Succeeded")
    seen = kube_pod(pod_body(spec={"containers": [{"name": "main"}, {"name": "b"}]}, status=status))
    assert (seen.container, seen.exit_code) == ("main", 0)


def test_a_running_container_tells_since_when() -> None:
    status = statuses({"name": "main", "state": {"running": {"startedAt": STAMP}}}, phase="Running")
    seen = kube_pod(pod_body(spec={"containers": [{"name": "main"}]}, status=status))
    assert (seen.started_at, seen.finished_at, seen.exit_code) == (NOW, None, None)


def waiting(reason: str | None) -> Body:
    return {"name": "c", "state": {"waiting": {"reason": reason, "message": "m"}}}


@pytest.mark.parametrize(
    ("initial", "seen", "expected"),
    [
        ([], [], ""),
        ([], [waiting("ContainerCreating")], "ContainerCreating"),
        ([waiting("PodInitializing")], [waiting("ErrImagePull")], "ErrImagePull"),
        ([waiting("ImagePullBackOff")], [waiting("PodInitializing")], "ImagePullBackOff"),
    ],
    ids=["nothing", "the plain one alone", "the telling one first", "init containers too"],
)
def test_why_a_container_waits(initial: list[Body], seen: list[Body], expected: str) -> None:
    assert kube_pod(pod_body(status=statuses(*seen, initContainerStatuses=initial))).waiting_reason == expected


@pytest.mark.parametrize(
    ("conditions", "fields", "unschedulable", "unreachable"),
    [
        ([{"type": "PodScheduled", "status": "False", "message": "no node"}], {}, "no node", False),
        ([{"type": "PodScheduled", "status": "True", "message": "x"}], {}, "", False),
        ([{"type": "Ready", "status": "False", "reason": "NodeNotReady"}], {}, "", True),
        ([{"type": "DisruptionTarget", "status": "False"}], {}, "", False),
        ([], {"reason": "NodeLost"}, "", True),
    ],
    ids=["no node takes it", "scheduled", "its node is not ready", "no disruption", "its node is lost"],
)
def test_what_conditions_tell(conditions: list[Body], fields: Body, unschedulable: str, unreachable: bool) -> None:
    seen = kube_pod(pod_body(status={"conditions": conditions} | fields))
    assert (seen.unschedulable, seen.unreachable, seen.disrupted) == (unschedulable, unreachable, False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False), ({"reason": "Evicted"}, True), ({"reason": "OutOfcpu"}, True), ({"disrupted": True}, True),
        ({"container_reason": "ContainerStatusUnknown"}, True), ({"container_reason": "OOMKilled"}, False),
    ],
    ids=["the program", "evicted", "no room", "disrupted", "forgotten", "out of memory is the program's"],
)  # fmt: skip
def test_for_whose_sake_a_pod_failed(fields: Body, expected: bool) -> None:
    assert KubePod("p", "u", "j", "ju", **fields).infrastructure is expected


@pytest.mark.parametrize(
    ("phase", "over"), [("Pending", False), ("Running", False), ("Unknown", False), ("Failed", True)]
)
def test_only_a_terminal_phase_is_an_end(phase: str, over: bool) -> None:
    assert KubePod("p", "u", "j", "ju", phase=phase, deleting=True).ended is over
