"""How many Kubernetes Jobs of an execution may wait for their pod at once, and what becomes of the other launches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cairn import names
from cairn.core.actions import Launch, Plan, Urgency
from cairn.core.draft import Execution
from cairn.core.observed import Refusal
from cairn.core.planner import LAUNCH_WINDOW
from cairn.core.spec import Cancel
from cairn.core.status import Status
from cairn.core.status_wire import from_wire
from simulation.build import IDENTITY, NOW, after, job, kube_job, kube_pod, name_of, planned, spec

JOBS = [f"j{number}" for number in range(LAUNCH_WINDOW * 2 + 20)]
FIRST, OTHERS = JOBS[:LAUNCH_WINDOW], JOBS[LAUNCH_WINDOW:]


def begun(**fields: Any) -> Execution:
    """All of them are recorded, and nothing more."""
    given = Execution(IDENTITY, 1, Status(), spec(*map(job, JOBS), **fields))
    return replace(given, status=from_wire(planned(given).wire))


def made(*jobs: str, **fields: Any) -> list[Any]:
    """Their Kubernetes Jobs, as the answers to their creates show them."""
    return [kube_job(name, **{"created_at": NOW} | fields) for name in jobs]


def launched(plan: Plan, *, held: bool = False) -> list[str]:
    launches = [action for action in plan.after if isinstance(action, Launch)]
    assert all(launch.manifest["spec"]["suspend"] is held for launch in launches)
    return [launch.manifest["metadata"]["labels"][names.LABEL_JOB] for launch in launches]


def test_all_launches_are_recorded_at_once_and_only_so_many_are_created() -> None:
    first = planned(Execution(IDENTITY, 1, Status(), spec(*map(job, JOBS))))
    assert {record.state for record in first.status.jobs.values()} == {"Running"}
    assert (launched(first), first.crowded) == (FIRST, True)


def test_while_their_pods_are_awaited_nothing_more_is_created() -> None:
    plan = planned(begun(), *made(*FIRST))
    assert (launched(plan), plan.crowded) == ([], True)
    assert plan.requeue_after == 3.0, "and if no pod comes, it is looked at again"


def test_each_pod_makes_room_for_one_more_without_a_write() -> None:
    pods = [kube_pod(name, phase="Pending", started_at=None) for name in FIRST[:20]]
    plan = planned(begun(), *made(*FIRST), *pods)
    assert launched(plan) == OTHERS[:20]
    assert plan.urgency is Urgency.SOON, "what is seen of Jobs and pods may be told later"


def test_where_there_is_room_for_all_nobody_is_told_to_hurry() -> None:
    pods = [kube_pod(name) for name in FIRST]
    plan = planned(begun(), *made(*FIRST, *OTHERS[: LAUNCH_WINDOW - 20]), *pods)
    assert (launched(plan), plan.crowded) == (OTHERS[LAUNCH_WINDOW - 20 :][:20], True)
    pods += [kube_pod(name) for name in OTHERS]
    plan = planned(begun(), *made(*JOBS), *pods)
    assert (launched(plan), plan.crowded) == ([], False)


@pytest.mark.parametrize(
    "waits", [{"created_at": after(-3)}, {"created_at": after(60)}, {"created_at": None}, {"suspended": True}],
    ids=["for long", "by a clock that has been turned back", "for who knows how long", "for a queue controller"],
)  # fmt: skip
def test_what_gets_no_pod_keeps_nothing_from_its_turn(waits: dict[str, Any]) -> None:
    assert launched(planned(begun(), *made(*FIRST, **waits))) == OTHERS[:LAUNCH_WINDOW]


def test_a_create_that_was_refused_takes_its_turn_when_it_is_tried_again() -> None:
    refused = {name_of(FIRST[0]): Refusal("QuotaExceeded", "no", after(-1))}
    plan = planned(begun(), *made(*FIRST[1:]), refused=refused)
    assert launched(plan) == FIRST[:1]
    assert (plan.status.jobs[FIRST[0]].reason, plan.status.jobs[OTHERS[0]].reason) == (
        "QuotaExceeded", names.LAUNCHING,
    )  # fmt: skip
    plan = planned(begun(), *made(*FIRST[1:], OTHERS[0]), refused=refused)
    assert (launched(plan), plan.status.jobs[FIRST[0]].reason) == ([], "QuotaExceeded")


@pytest.mark.parametrize("asked", [{"paused": True}, {"cancel": Cancel("c1")}], ids=["pause", "cancel"])
def test_what_is_recorded_and_not_created_is_held_by_a_pause_or_a_cancel_all_of_it(asked: dict[str, Any]) -> None:
    given = begun()
    assert given.spec is not None
    plan = planned(replace(given, generation=2, spec=replace(given.spec, **asked)), *made(*FIRST))
    assert (launched(plan, held=True), plan.crowded) == (OTHERS, False)
