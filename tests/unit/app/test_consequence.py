"""Which ends of pods lead on, and so are looked at without delay."""

from __future__ import annotations

from typing import Any

import pytest
from pytest import param

from cairn.app.views import Views
from cairn.core.naming import attempt_name

Body = dict[str, Any]
UID = "uid-1"
FAN = [{"id": "a", "image": "x"}, {"id": "b", "image": "x"}, {"id": "c", "image": "x", "dependsOn": ["a", "b"]},
       {"id": "alone", "image": "x"}]  # fmt: skip


def name_of(job: str) -> str:
    return attempt_name("run", UID, job, 1)


def record(job: str, state: str = "Running") -> Body:
    return {"id": job, "state": state, "attempt": 1, "launchedAt": "2026-01-31T08:00:00.000Z"}


def views(*records: Body, **spec: Any) -> Views:
    made = Views()
    meta = {"namespace": "ns", "name": "run", "uid": UID, "generation": 1, "resourceVersion": "1"}
    status = {"phase": "Running", "startedAt": "2026-01-31T08:00:00.000Z", "jobs": list(records)}
    made.see_execution({"metadata": meta, "spec": {"jobs": FAN} | spec, "status": status})
    for each in records:
        labels = {"cairn.dev/execution-uid": UID, "cairn.dev/job": each["id"], "cairn.dev/attempt": "1"}
        name = name_of(each["id"])
        made.see_job({"metadata": {"name": name, "uid": f"j-{name}", "resourceVersion": "1", "labels": labels}})
    assert made.execution(UID) is not None, "it was looked at"
    return made


def ended(seen: Views, job: str, phase: str = "Succeeded") -> bool:
    name = name_of(job)
    labels = {"cairn.dev/execution-uid": UID, "batch.kubernetes.io/job-name": name}
    pod = seen.see_pod({"metadata": {"name": name, "uid": f"p-{name}", "labels": labels}, "status": {"phase": phase}})
    assert pod is not None
    return seen.leads_on(pod)


A, B, ALONE = record("a"), record("b"), record("alone")


def test_the_last_thing_that_something_waits_for_leads_on() -> None:
    seen = views(A, B)
    assert [ended(seen, "a"), ended(seen, "b")] == [False, True]


def test_what_is_recorded_as_done_is_waited_for_no_more() -> None:
    assert ended(views(A, record("b", "Completed")), "a")


def test_nothing_waits_for_a_job_without_dependents() -> None:
    assert not ended(views(A, B, ALONE), "alone")


def test_what_has_not_begun_is_waited_for() -> None:
    assert not ended(views(A), "a")


@pytest.mark.parametrize(
    "spec", [{"parallelism": 2}, {"paused": True}, {"scheduling": "Levels"}], ids=["a place", "a drain", "a level"]
)
def test_an_end_that_more_than_dependents_wait_for_leads_on(spec: Body) -> None:
    assert ended(views(A, B, ALONE, **spec), "alone")


def test_a_failure_leads_on() -> None:
    assert ended(views(A, B, ALONE), "alone", "Failed")


@pytest.mark.parametrize(
    "seen", [param(Views(), id="the execution is not known"), param(views(B), id="its Job is not known")]
)
def test_in_doubt_it_leads_on_unless_nobody_could_look(seen: Views) -> None:
    assert ended(seen, "a") is (seen.execution(UID) is not None)
