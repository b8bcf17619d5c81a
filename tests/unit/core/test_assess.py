"""What has become of one attempt."""

from __future__ import annotations

from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.assess import Alive, Ended, EndKind, Finding, Held, LogWanted, Unconfirmed, Unlaunched, assess
from cairn.core.observed import LogRead
from cairn.core.outputs import Outputs, OutputsError
from cairn.core.spec import OutputsFrom
from cairn.core.status import JobRecord, Stopping
from simulation.build import after, crashed, intended, kube_job, kube_pod, name_of, observed, running, succeeded

A = name_of("a")
LOG = OutputsFrom.LOG
QUIET = {"suspended": True, "suspended_condition": True, "parallelism": 0}
BY_PAUSE = running("a", stopping=Stopping.PAUSE)
BY_SECOND_POD = running("a", stopping=Stopping.SECOND_POD)


def look(*things: Any, record: JobRecord | None = None, handout: OutputsFrom = OutputsFrom.TERMINATION,
         needed: bool = True, **seen: Any) -> Finding:  # fmt: skip
    return assess(record or running("a"), A, observed(*things, **seen), handout=handout, needed=needed)


def end(finding: Finding) -> tuple[str, str]:
    assert isinstance(finding, Ended), finding
    return finding.kind.value, finding.reason


# --- It has succeeded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("things", "record"),
    [
        param([kube_job("a"), succeeded("a")], running("a"), id="its Job's own status is not waited for"),
        param([kube_job("a", failed=True, failing="DeadlineExceeded"), succeeded("a")], running("a"),
                     id="a deadline that comes later loses"),
        param([kube_job("a", **QUIET), succeeded("a", deleting=True)], BY_PAUSE, id="a stop that comes later loses"),
        param([succeeded("a")], running("a"), id="its Job is not in view"),
        param([succeeded("a")], intended("a"), id="not even its UID was recorded"),
        param([kube_job("a"), crashed("a", uid="other"), succeeded("a")], running("a"), id="one of two pods"),
    ],
)  # fmt: skip
def test_a_pod_that_succeeded_is_a_job_that_is_done(things: list[Any], record: JobRecord) -> None:
    assert end(look(*things, record=record)) == ("Success", "")


def test_outputs_come_from_the_termination_message() -> None:
    found = look(kube_job("a"), succeeded("a", '{"rows": 3}'))
    assert isinstance(found, Ended)
    assert found.outputs == Outputs('{"rows": 3}')


def test_outputs_that_cannot_be_taken_fail_the_attempt() -> None:
    assert end(look(kube_job("a"), succeeded("a", "{NaN}"))) == ("Application", "OutputsInvalid")


BLOCK = Outputs('{"rows": 3}')


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        param(None, LogWanted(succeeded("a")), id="not read yet"),
        param(LogRead(unavailable="no answer", retry_at=after(2)), LogWanted(succeeded("a"), "no answer", after(2)),
                     id="to be read again"),
        param(LogRead(outputs=BLOCK), Ended(EndKind.SUCCESS, pod=succeeded("a"), job=kube_job("a"), outputs=BLOCK),
                     id="a block"),
        param(LogRead(), Ended(EndKind.SUCCESS, pod=succeeded("a"), job=kube_job("a")), id="no block: no outputs"),
    ],
)  # fmt: skip
def test_outputs_from_the_log(read: LogRead | None, expected: Finding) -> None:
    logs = {A: read} if read else {}
    assert look(kube_job("a"), succeeded("a"), handout=LOG, logs=logs) == expected


def test_a_block_that_cannot_be_taken_fails_the_attempt() -> None:
    logs = {A: LogRead(error=OutputsError("OutputsTooLarge", "70000 bytes"))}
    assert end(look(kube_job("a"), succeeded("a"), handout=LOG, logs=logs)) == ("Application", "OutputsTooLarge")


LOST = ("Infrastructure", names.RESULT_LOST)


@pytest.mark.parametrize(("needed", "expected"), [(True, LOST), (False, ("Success", ""))], ids=["needed", "not needed"])
def test_outputs_that_are_gone(needed: bool, expected: tuple[str, str]) -> None:
    gone = {A: LogRead(gone=True)}
    assert end(look(kube_job("a"), succeeded("a"), handout=LOG, logs=gone, needed=needed)) == expected
    assert end(look(kube_job("a", complete=True), needed=needed, absent_pods=GONE)) == expected


# --- Its Kubernetes Job is not in view -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "things", "seen", "expected"),
    [
        param(intended("a"), [], {}, Unlaunched(), id="an intent, and nothing seen"),
        param(intended("a"), [], {"absent": frozenset({A})}, Unlaunched(), id="an intent, and looked for"),
        param(intended("a"), [], {"gone": {A}}, Unconfirmed(), id="an intent whose Job was there"),
        param(intended("a"), [], {"gone": {A}, "absent": frozenset({A})}, Unconfirmed(pod=True),
              id="an intent whose Job was there, and is looked for"),
        param(intended("a"), [kube_pod("a")], {}, Unconfirmed(), id="a pod shows that there was a Job"),
        param(running("a"), [], {}, Unconfirmed(), id="not seeing is not knowing"),
        param(running("a"), [], {"absent": frozenset({A})}, Unconfirmed(pod=True), id="nor is it for the pod"),
        param(running("a"), [], {"absent_pods": frozenset({A})}, Unconfirmed(), id="the Job is asked for first"),
        param(running("a"), [crashed("a")], {}, Unconfirmed(), id="an ended pod tells nothing of the Job"),
    ],
)
def test_not_seeing_is_not_knowing(record: JobRecord, things: list[Any], seen: dict, expected: Finding) -> None:
    assert look(*things, record=record, **seen) == expected


GONE = frozenset({A})


def test_a_pod_without_its_job_runs_on() -> None:
    for record, seen in ((running("a"), {}), (intended("a"), {"absent": GONE})):
        found = look(kube_pod("a"), record=record, **seen)
        assert isinstance(found, Alive)
        assert (found.job, found.reason) == (None, names.JOB_DELETED)


@pytest.mark.parametrize(
    ("record", "things", "expected"),
    [
        param(running("a"), [], ("Infrastructure", names.JOB_DELETED), id="deleted, and its pod with it"),
        param(running("a"), [crashed("a")], ("Infrastructure", names.JOB_DELETED), id="deleted; its pod has ended"),
        param(BY_PAUSE, [], ("Stopped", names.STOPPED), id="deleted while being stopped"),
        param(BY_SECOND_POD, [], ("Infrastructure", names.SECOND_POD), id="deleted after a second pod"),
    ],
)
def test_a_job_that_is_gone(record: JobRecord, things: list[Any], expected: tuple[str, str]) -> None:
    assert end(look(*things, record=record, absent=GONE, absent_pods=GONE)) == expected


# --- Held ------------------------------------------------------------------------------------------------------------

HELD = {"suspended": True, "held_at": 3}


@pytest.mark.parametrize(
    ("fields", "pods", "held"),
    [
        param(HELD, [], True, id="created suspended, no pod"),
        param(HELD | {"suspended": False}, [], False, id="woken by somebody"),
        param(HELD, [kube_pod("a")], False, id="it has a pod"),
        param({"suspended": True}, [], False, id="suspended by somebody else"),
    ],
)
def test_held_is_provably_not_started(fields: dict, pods: list[Any], held: bool) -> None:
    assert isinstance(look(kube_job("a", **fields), *pods), Held) is held


@pytest.mark.parametrize("record", [running("a"), BY_PAUSE])
@pytest.mark.parametrize("job", [{"complete": True}, {"failed": True}, QUIET])
def test_a_job_that_has_ended_tells_nothing_of_a_pod_that_was_not_seen(record: JobRecord, job: dict) -> None:
    ended = kube_job("a", **job)
    assert look(ended, record=record) == Unconfirmed(pod=True)
    assert end(look(ended, succeeded("a"), record=record))[0] == "Success"


# --- Being stopped ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "job", "pods", "expected"),
    [
        param(BY_PAUSE, {}, [kube_pod("a")], None, id="not suspended yet"),
        param(BY_PAUSE, QUIET, [kube_pod("a", deleting=True)], None, id="its pod has its grace period"),
        param(BY_PAUSE, {"suspended": True}, [], None, id="its Job's controller has not said so"),
        param(BY_PAUSE, QUIET | {"active": 1}, [], None, id="a pod is counted"),
        param(BY_PAUSE, QUIET | {"terminating": 1}, [], None, id="a terminating pod is counted"),
        param(BY_PAUSE, QUIET, [], ("Stopped", names.STOPPED), id="quiet"),
        param(BY_PAUSE, QUIET, [crashed("a", 143, deleting=True)], ("Stopped", names.STOPPED),
                     id="quiet, its pod ended by the stop"),
        param(BY_PAUSE, {"failed": True}, [], ("Stopped", names.STOPPED), id="its Job has failed meanwhile"),
        param(BY_PAUSE, {"complete": True}, [], ("Stopped", names.STOPPED), id="its Job is complete, the pod gone"),
        param(BY_PAUSE, {"suspended": True}, [crashed("a")], ("Application", "Error"),
                     id="it had failed by itself before"),
        param(BY_SECOND_POD, QUIET, [crashed("a")], ("Infrastructure", names.SECOND_POD), id="after a second pod"),
        param(BY_SECOND_POD, {"suspended": True}, [crashed("a")], None, id="after a second pod, not quiet yet"),
    ],
)  # fmt: skip
def test_being_stopped(record: JobRecord, job: dict, pods: list[Any], expected: tuple[str, str] | None) -> None:
    found = look(kube_job("a", **job), *pods, record=record, absent_pods=GONE)
    if expected is None:
        assert isinstance(found, Alive) and found.reason == names.STOPPING
    else:
        assert end(found) == expected


# --- It has failed ---------------------------------------------------------------------------------------------------

ALIVE = None


@pytest.mark.parametrize(
    ("job", "pod", "expected"),
    [
        param({}, crashed("a"), ("Application", "Error"), id="the program failed"),
        param({}, crashed("a", container_reason="OOMKilled"), ("Application", "OOMKilled"), id="out of memory"),
        param({}, crashed("a", container_reason="", reason="Odd"), ("Application", "Odd"), id="the pod says why"),
        param({}, crashed("a", container_reason=""), ("Application", names.ERROR), id="nobody says why"),
        param({}, crashed("a", reason="Evicted"), ("Infrastructure", "Evicted"), id="evicted"),
        param({}, crashed("a", disrupted=True), ("Infrastructure", "Disrupted"), id="disrupted"),
        param({}, crashed("a", container_reason="ContainerStatusUnknown"),
                     ("Infrastructure", "ContainerStatusUnknown"), id="the node forgot it"),
        param({}, crashed("a", reason="DeadlineExceeded"), ("Application", names.TIMEOUT), id="its timeout"),
        param({}, crashed("a", deleting=True), ALIVE, id="deleted: the Job has yet to say why"),
        param({"failing": "BackoffLimitExceeded"}, crashed("a", deleting=True),
                     ("Infrastructure", names.POD_DELETED), id="deleted by hand"),
        param({"failing": "DeadlineExceeded"}, crashed("a", deleting=True), ("Application", names.TIMEOUT),
                     id="deleted because of its timeout"),
        param({"suspended": True}, crashed("a", deleting=True), ("Infrastructure", names.POD_DELETED),
                     id="deleted by whoever suspended its Job"),
        param({}, crashed("a", deleting=True, disrupted=True), ("Infrastructure", "Disrupted"),
                     id="deleted by an eviction"),
        param({"failed": True, "failing": "DeadlineExceeded"}, None, ("Application", names.TIMEOUT),
                     id="no pod: its timeout"),
        param({"failed": True, "failing": "BackoffLimitExceeded"}, None, ("Infrastructure", names.POD_DELETED),
                     id="no pod: it was deleted"),
        param({"failed": True, "failing": "Odd"}, None, ("Application", names.JOB_FAILED_WITHOUT_POD),
                     id="no pod: for another reason"),
        param({"failing": "BackoffLimitExceeded"}, kube_pod("a", deleting=True), ALIVE,
                     id="a failure target is no end"),
        param({"failing": "BackoffLimitExceeded"}, None, ALIVE, id="nor is it without a pod"),
        param(QUIET, None, ("Infrastructure", names.SUSPENDED), id="suspended for good without a reason of ours"),
        param(QUIET | {"suspended_condition": False}, None, ALIVE, id="suspended for good, not quiet yet"),
    ],
)  # fmt: skip
def test_an_end(job: dict, pod: Any, expected: tuple[str, str] | None) -> None:
    found = look(kube_job("a", **job), *([pod] if pod else []), absent_pods=GONE)
    if expected is ALIVE:
        assert isinstance(found, Alive)
    else:
        assert end(found) == expected


def test_a_pod_that_failed_under_a_job_that_is_gone_is_the_jobs_deletion() -> None:
    assert end(look(crashed("a", deleting=True), absent=GONE)) == ("Infrastructure", names.JOB_DELETED)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "exited with code 1"),
        ({"termination_message": "Traceback\nValueError: no\n"}, "exited with code 1: ValueError: no"),
        ({"container": "setup"}, "container setup exited with code 1"),
        ({"exit_code": None}, "the pod failed"),
        ({"exit_code": None, "message": "Pod was rejected"}, "Pod was rejected"),
    ],
    ids=["its code", "its last line", "another container", "no container", "the pod's message"],
)
def test_what_a_failure_says(fields: dict, message: str) -> None:
    found = look(kube_job("a"), crashed("a", **fields))
    assert isinstance(found, Ended) and found.message == message


# --- It lives --------------------------------------------------------------------------------------------------------

STARTING = {"phase": "Pending", "started_at": None}


@pytest.mark.parametrize(
    ("job", "pod", "reason"),
    [
        param({}, {}, "", id="its container runs"),
        param({}, None, names.WAITING, id="no pod yet"),
        param({"suspended": True}, None, names.SUSPENDED, id="suspended by somebody else"),
        param({}, STARTING, names.WAITING, id="its container has not started"),
        param({}, STARTING | {"waiting_reason": "ContainerCreating"}, names.WAITING, id="it is being made"),
        param({}, STARTING | {"waiting_reason": "ImagePullBackOff"}, "ImagePullBackOff", id="its image"),
        param({}, STARTING | {"unschedulable": "no node"}, names.UNSCHEDULABLE, id="no node"),
        param({}, {"started_at": None}, names.WAITING, id="running, the container that counts not yet"),
        param({}, {"deleting": True}, names.POD_DELETED, id="being deleted"),
        param({}, {"unreachable": True}, names.NODE_UNREACHABLE, id="its node does not answer"),
        param({}, {"deleting": True, "disrupted": True}, names.NODE_UNREACHABLE, id="its node is drained or lost"),
    ],
)
def test_what_it_waits_for(job: dict, pod: dict | None, reason: str) -> None:
    found = look(kube_job("a", **job), *([kube_pod("a", **pod)] if pod is not None else []))
    assert isinstance(found, Alive)
    assert (found.reason, found.intruder) == (reason, False)


@pytest.mark.parametrize(
    ("record", "pods", "intruder"),
    [
        param({"pod_uid": "pod-a"}, [kube_pod("a")], False, id="its own"),
        param({"pod_uid": "old"}, [kube_pod("a")], True, id="another than was recorded"),
        param({}, [crashed("a", uid="old"), kube_pod("a")], True, id="one after another"),
        param({}, [kube_pod("a", uid="foreign", job_uid="foreign"), kube_pod("a")], False, id="of another Job"),
    ],
)
def test_a_second_pod_is_noticed(record: dict, pods: list[Any], intruder: bool) -> None:
    found = look(kube_job("a"), *pods, record=running("a", **record))
    assert isinstance(found, Alive) and found.intruder is intruder
