"""From the end of an attempt to the record of its job."""

from __future__ import annotations

from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.assess import Ended, EndKind
from cairn.core.conclude import conclude, with_seen
from cairn.core.outputs import Outputs
from cairn.core.spec import Replay, Retry
from cairn.core.status import JobRecord, Stopping
from simulation.build import NOW, after, crashed, job, kube_job, kube_pod, running, succeeded

FAILED = Ended(EndKind.APPLICATION, names.ERROR, "exited with code 1", crashed("a"), kube_job("a"))
EVICTED = Ended(EndKind.INFRASTRUCTURE, "Evicted", "the node was low on memory", crashed("a", reason="Evicted"))
STOPPED = Ended(EndKind.STOPPED, names.STOPPED)


def test_what_is_seen_is_remembered_once() -> None:
    fresh = running("a", uid="", definition="intended")
    seen = with_seen(fresh, kube_job("a", definition="adopted"), kube_pod("a"))
    assert (seen.uid, seen.pod_uid, seen.definition, seen.started_at) == (
        "job-a",
        "pod-a",
        "adopted",
        kube_pod("a").started_at,
    )
    again = with_seen(seen, kube_job("a", uid="other", definition=""), kube_pod("a", uid="other", started_at=NOW))
    assert again == seen
    assert with_seen(fresh, None, None) == fresh


def test_success() -> None:
    out = Outputs("{}")
    pod = succeeded("a", finished_at=after(-5))
    concluded = conclude(running("a"), Ended(EndKind.SUCCESS, pod=pod, outputs=out), job("a"), NOW, last=False)
    record = concluded.record
    assert (record.state, record.result, record.exit_code, record.finished_at) == (
        "Completed",
        out.digest,
        0,
        after(-5),
    )
    assert concluded.attempt == record


def test_success_without_a_pod_ends_now() -> None:
    record = conclude(running("a"), Ended(EndKind.SUCCESS, message="gone"), job("a"), NOW, last=False).record
    assert (record.state, record.result, record.exit_code, record.finished_at, record.message) == (
        "Completed", "", None, NOW, "gone",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ended", "fields", "last", "expected"),
    [
        param(FAILED, {}, False, ("Failed", 1, 0, None), id="no retry"),
        param(FAILED, {"retry": Retry(1)}, False, ("Pending", 1, 0, after(10)), id="a retry"),
        param(FAILED, {"retry": Retry(1)}, True, ("Failed", 1, 0, None), id="no retry at the end of the execution"),
        param(EVICTED, {}, False, ("Pending", 0, 1, after(10)), id="a disruption costs no retry"),
        param(EVICTED, {}, True, ("Failed", 0, 1, None), id="nor is it tried again at the end"),
    ],
)
def test_failure(ended: Ended, fields: dict[str, Any], last: bool, expected: tuple[Any, ...]) -> None:
    concluded = conclude(running("a"), ended, job("a", **fields), NOW, last=last)
    record = concluded.record
    assert (record.state, record.failures, record.disruptions, record.retry_at) == expected
    assert (concluded.attempt.state, concluded.attempt.reason, concluded.said) == (
        "Failed",
        ended.reason,
        ended.message,
    )


def test_why_there_is_no_other_try_is_not_what_gets_cut() -> None:
    ended = Ended(EndKind.INFRASTRUCTURE, "Evicted", "x" * 500, kube_pod("a"))
    record = conclude(running("a"), ended, job("a", replay=Replay.UNSAFE), NOW, last=False).record
    assert len(record.message) == names.MESSAGE_LIMIT
    assert record.message.endswith("xxx (its container had started and replay is Unsafe)")


@pytest.mark.parametrize(
    ("why", "state", "reason"),
    [
        (Stopping.PAUSE, "Pending", names.STOPPED),
        (Stopping.CANCEL, "Failed", names.CANCELLED),
        (Stopping.TIMEOUT, "Failed", names.TIMED_OUT),
    ],
    ids=["a pause: it runs again", "a cancel", "a timeout"],
)
def test_stopped_on_purpose_costs_nothing(why: Stopping, state: str, reason: str) -> None:
    before: JobRecord = running("a", stopping=why, failures=1)
    concluded = conclude(before, STOPPED, job("a"), NOW, last=why is not Stopping.PAUSE)
    record = concluded.record
    assert (record.state, record.reason, record.failures, record.disruptions) == (state, reason, 1, 0)
    assert (record.stopping, record.retry_at) == (None, None)
    assert concluded.attempt.state == "Failed"
