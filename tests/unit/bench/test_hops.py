"""Hops are put together from what watches have shown, each from its last dependency on."""

from __future__ import annotations

from typing import Any

from bench.hops import OWN, PARTS, STEPS, WHOLE, Timeline, dependencies_of
from bench.workloads import fan
from cairn import names


def _execution(*launched: str) -> dict[str, Any]:
    records: list[dict[str, Any]] = [{"id": id, "state": "Running", "attempt": 1} for id in launched]
    return {"metadata": {"name": "x0"}, "status": {"jobs": [*records, {"id": "other", "state": "Pending"}]}}


def _owned(job: str, **more: Any) -> dict[str, Any]:
    labels = {names.LABEL_EXECUTION: "x0", names.LABEL_JOB: job}
    return {"metadata": {"labels": labels}, "spec": {}, "status": {}} | more


def test_groups_are_resolved() -> None:
    assert dependencies_of(fan(2, 2)) == {
        "l0-0": (), "l0-1": (), "l1-0": ("l0-0", "l0-1"), "l1-1": ("l0-0", "l0-1"),
    }  # fmt: skip


def test_a_hop_begins_when_the_last_dependency_is_seen_to_have_succeeded() -> None:
    timeline = Timeline(dependencies={("x0", "b"): ("a1", "a2")})
    for number, name in enumerate(("a1", "a2")):
        timeline.take_in_pod(_owned(name, status={"phase": "Succeeded"}), 1.0 + number)
    timeline.take_in_execution(_execution("b"), 2.25)
    timeline.take_in_job(_owned("b"), 2.5)
    timeline.take_in_pod(_owned("b"), 3.0)
    timeline.take_in_pod(_owned("b", spec={"nodeName": "n"}), 4.0)
    timeline.take_in_pod(_owned("b", spec={"nodeName": "n"}, status={"phase": "Running"}), 5.0)
    timeline.take_in_pod(_owned("b", spec={"nodeName": "n"}, status={"phase": "Succeeded"}), 7.0)
    expected = [250.0, 250.0, 500.0, 1000.0, 1000.0, 2000.0]
    found = timeline.hops()
    assert [found[PARTS[step]] for step in STEPS] == [[value] for value in expected]
    assert (found[OWN], found[WHOLE]) == ([500.0], [5000.0])


def test_what_is_seen_again_changes_nothing() -> None:
    timeline = Timeline()
    timeline.take_in_job(_owned("b"), 1.0)
    timeline.take_in_job(_owned("b"), 2.0)
    assert timeline.moments == {("x0", "b"): {"Job": 1.0}}


def test_a_job_that_was_not_seen_whole_and_one_without_dependencies_have_no_hop() -> None:
    timeline = Timeline(dependencies={("x0", "a"): (), ("x0", "b"): ("a",)})
    timeline.take_in_pod(_owned("a", spec={"nodeName": "n"}, status={"phase": "Succeeded"}), 1.0)
    timeline.take_in_job(_owned("b"), 2.0)
    assert not any(timeline.hops().values())
