"""The whole plan: begin, cancel, timeout, pause, end, expiry; what is stored how soon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.actions import DeleteExecution, Launch, Plan, SetPaused, StopJob, Urgency
from cairn.core.draft import Execution
from cairn.core.manifests import Identity
from cairn.core.observed import Observed
from cairn.core.planner import plan
from cairn.core.shape import Shape
from cairn.core.spec import Cancel, ExecutionSpec, FailurePolicy, Pause, PauseMode, RunOn
from cairn.core.status import Acknowledged, CancelState, JobRecord, JobState, PausePhase, PauseState, Phase, Status
from cairn.core.status_wire import from_wire
from cairn.errors import Violation
from simulation.build import (
    EARLIER,
    IDENTITY,
    NOW,
    actions,
    after,
    crashed,
    ended,
    execution,
    failed,
    job,
    kube_job,
    kube_pod,
    planned,
    running,
    skipped,
    spec,
    states,
    succeeded,
)

ONE = (job("a"),)
PAUSED = PauseState(PausePhase.PAUSED, EARLIER, 1)
POLICY_PAUSE = FailurePolicy.PAUSE
DONE = RunOn.DONE


def new(given: ExecutionSpec | None, **fields: Any) -> Execution:
    return Execution(IDENTITY, 1, Status(), given, **fields)


def alive(*names_: str) -> list[Any]:
    return [thing for name in names_ for thing in (kube_job(name), kube_pod(name))]


def applied(given: Execution, made: Plan, **fields: Any) -> Execution:
    """The execution once a plan's status is stored and read again."""
    return replace(given, status=from_wire(made.wire) if made.wire else given.status, **fields)


# --- Begin -----------------------------------------------------------------------------------------------------------


def test_a_new_execution_starts() -> None:
    made = planned(new(spec(*ONE)))
    assert (made.status.phase, made.status.reason, made.status.started_at) == ("Running", names.WORKING, NOW)
    assert (made.urgency, states(made), actions(made)) == (Urgency.NOW, {"a": "Running"}, ["Launch"])
    assert made.status.observed_generation == 1
    assert [n.reason for n in made.notes] == ["Launched"]


def test_a_shape_may_be_handed_in() -> None:
    given = spec(*ONE)
    assert plan(new(given), Observed(), now=NOW, shape=Shape(given)) == plan(new(given), Observed(), now=NOW)


def test_a_new_execution_that_is_paused_starts_nothing() -> None:
    made = planned(new(spec(*ONE, paused=True)))
    assert (states(made), actions(made)) == ({"a": "Pending"}, [])
    assert made.status.pause is not None and made.status.pause.phase is PausePhase.PAUSED
    assert made.status.phase is Phase.RUNNING


def test_what_is_being_deleted_is_left_alone() -> None:
    made = planned(new(spec(*ONE), deleting=True))
    assert made.idle and made.status == Status()


def test_what_is_planned_and_applied_is_planned_no_more() -> None:
    given = new(spec(*ONE, job("b", "a"), paused=True))
    made = planned(given)
    assert planned(applied(given, made)).idle


# --- A spec that is not accepted -------------------------------------------------------------------------------------

WRONG = (Violation("spec.jobs[0].when", "wrong"),)


def test_nothing_is_launched_for_a_spec_that_is_not_accepted() -> None:
    given = new(None, violations=WRONG)
    made = planned(given)
    assert (made.after, made.before, made.requeue_after) == ((), (), None)
    assert (made.status.phase, made.status.reason) == ("Pending", names.NOT_ACCEPTED)
    assert [n.reason for n in made.notes] == [names.INVALID]
    assert planned(applied(given, made)).idle


def test_an_edit_that_is_not_accepted_leaves_what_runs_alone() -> None:
    made = planned(execution(None, running("a"), generation=2, violations=WRONG), kube_job("a"), succeeded("a"))
    assert (states(made), made.status.phase, actions(made)) == ({"a": "Running"}, "Running", [])


def test_what_has_finished_stays_finished_under_a_wrong_spec() -> None:
    made = planned(
        execution(None, ended("a"), status_phase=Phase.SUCCEEDED, status_reason="AllJobsDone", violations=WRONG)
    )
    assert (made.status.phase, made.status.reason) == ("Succeeded", "AllJobsDone")


# --- Edits -----------------------------------------------------------------------------------------------------------


def test_an_added_job_runs() -> None:
    made = planned(execution(spec(*ONE, job("b")), running("a")), *alive("a"))
    assert (states(made), made.urgency) == ({"a": "Running", "b": "Running"}, Urgency.NOW)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        param(JobRecord("b"), None, id="not started: forgotten"),
        param(skipped("b"), None, id="skipped: forgotten"),
        param(running("b"), ("Running", ""), id="running: followed to its end"),
        param(ended("b"), ("Completed", ""), id="completed: kept"),
        param(JobRecord("b", JobState.PENDING, 1, names.ERROR, retry_at=after(9)), ("Skipped", names.REMOVED),
                     id="waiting for another try: none"),
        param(JobRecord("b", JobState.PENDING, 1, names.STOPPED), ("Skipped", names.REMOVED),
                     id="stopped by a pause: not run again"),
    ],
)  # fmt: skip
def test_a_removed_job(record: JobRecord, expected: tuple[str, str] | None) -> None:
    made = planned(execution(spec(*ONE), ended("a"), record), *alive("b"))
    found = made.status.jobs.get("b")
    assert (found and (found.state, found.reason)) == expected
    assert made.status.finished is not bool(expected and expected[0] == "Running")


def test_a_job_that_is_put_back_goes_on_with_its_next_attempt() -> None:
    gone = ended("b", JobState.SKIPPED, reason=names.REMOVED)
    made = planned(execution(spec(*ONE, job("b")), running("a"), gone), *alive("a"))
    assert (made.status.jobs["b"].state, made.status.jobs["b"].attempt) == ("Running", 2)


@pytest.mark.parametrize(
    ("records", "told"),
    [
        param([running("b", definition="old")], "b", id="running and edited"),
        param([ended("b", definition="old")], "b", id="completed and edited"),
        param([ended("b", definition="b")], None, id="as it was"),
        param([failed("b", definition="old")], None, id="failed: an edit is for the next attempt"),
        param([JobRecord("b")], None, id="not started: the edit takes effect"),
        param([ended("b"), ended("gone", definition="x")], "gone", id="completed and removed"),
    ],
)
def test_edits_without_effect_are_told(records: list[JobRecord], told: str | None) -> None:
    running_as_it_was = [kube_job("b", definition="old"), kube_pod("b")]
    made = planned(execution(spec(*ONE, job("b")), running("a"), *records), *alive("a"), *running_as_it_was)
    condition = made.status.condition(names.CONDITION_EDITS_IGNORED)
    assert (condition.message.rsplit(": ")[-1] if condition else None) == told


def test_a_job_that_is_added_after_the_end_is_told() -> None:
    made = planned(execution(spec(*ONE, job("late")), ended("a"), status_phase=Phase.SUCCEEDED, status_finished_at=NOW))
    condition = made.status.condition(names.CONDITION_EDITS_IGNORED)
    assert condition is not None and condition.message.endswith(": late")
    assert (made.status.phase, states(made)) == ("Succeeded", {"a": "Completed"})


# --- Cancel ----------------------------------------------------------------------------------------------------------

CANCEL = Cancel("c1", "enough")


def test_a_cancel_is_acknowledged_and_stops_what_runs() -> None:
    made = planned(execution(spec(*ONE, cancel=CANCEL), running("a")), *alive("a"))
    assert made.status.cancel == CancelState("c1", "enough", NOW)
    assert made.status.requests == (Acknowledged("c1", "Cancel", NOW, message="enough"),)
    assert actions(made) == ["StopJob"]
    assert [n.reason for n in made.notes] == ["Cancelling"]


def test_a_cancel_acts_once() -> None:
    known = (Acknowledged("c1", "Cancel", EARLIER),)
    made = planned(execution(spec(*ONE, cancel=CANCEL), JobRecord("a"), status_requests=known))
    assert (made.status.cancel, states(made)) == (None, {"a": "Running"})


def test_a_second_cancel_is_acknowledged_and_changes_nothing() -> None:
    first = CancelState("c0", "", EARLIER)
    made = planned(execution(spec(*ONE, cancel=CANCEL), running("a"), status_cancel=first), *alive("a"))
    assert made.status.cancel == first
    assert made.status.acknowledged("c1")


def test_the_last_200_requests_are_kept() -> None:
    known = tuple(Acknowledged(f"r{i}", "Retry", EARLIER) for i in range(200))
    made = planned(execution(spec(*ONE, cancel=CANCEL), running("a"), status_requests=known), *alive("a"))
    assert len(made.status.requests) == 200
    assert (made.status.requests[0].id, made.status.requests[-1].id) == ("r1", "c1")


def test_a_long_reason_fits_into_the_status() -> None:
    made = planned(execution(spec(*ONE, cancel=Cancel("c" * 253, "x" * 1024))))
    assert len(made.status.requests[0].message) == 256
    assert made.status.phase is Phase.CANCELLED
    assert len(made.status.message) <= 1024


# --- The timeout -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "fields", "out", "wake"),
    [
        param(0, {}, False, None, id="none"),
        param(60, {}, True, None, id="over"),
        param(61, {}, False, 1, id="not yet"),
        param(60, {"status_paused_millis": 2000}, False, 2, id="paused time does not count"),
        param(60, {"status_cancel": CancelState("c", "", EARLIER)}, False, None, id="cancelled already"),
    ],
)
def test_the_executions_timeout(limit: int, fields: dict, out: bool, wake: float | None) -> None:
    made = planned(execution(spec(*ONE, timeout_seconds=limit), running("a"), **fields), *alive("a"))
    assert (made.status.timed_out_at is not None) is out
    assert made.requeue_after == wake


def test_a_run_that_began_by_a_clock_turned_back_since_begins_now() -> None:
    given = execution(spec(*ONE, timeout_seconds=60), running("a"), status_started_at=after(3 * 3600))
    made = planned(given, *alive("a"))
    assert (made.status.started_at, made.requeue_after) == (NOW, 60)


def test_while_paused_there_is_no_timeout() -> None:
    given = execution(spec(*ONE, timeout_seconds=30, paused=True), running("a"), status_pause=PAUSED)
    made = planned(given, *alive("a"))
    assert (made.status.timed_out_at, made.requeue_after) == (None, None)


def test_the_time_of_a_pause_is_given_back() -> None:
    given = execution(spec(*ONE, timeout_seconds=60), JobRecord("a"), status_pause=replace(PAUSED, since=after(-20)))
    made = planned(given)
    assert (made.status.timed_out_at, made.requeue_after, made.status.paused_millis) == (None, 20, 20_000)


# --- The pause -------------------------------------------------------------------------------------------------------


def test_a_pause_drains_and_then_is_there() -> None:
    given = execution(spec(*ONE, job("b", "a"), paused=True), running("a"), generation=3)
    made = planned(given, *alive("a"))
    pause = made.status.pause
    assert pause is not None
    assert (pause.phase, pause.running, pause.since, pause.generation) == (PausePhase.DRAINING, ("a",), NOW, 3)
    made = planned(applied(given, made), kube_job("a"), succeeded("a"))
    assert made.status.pause is not None and made.status.pause.phase is PausePhase.PAUSED
    assert states(made) == {"a": "Completed", "b": "Pending"}
    condition = made.status.condition("Paused")
    assert condition is not None and condition.status


def test_a_resume_goes_on() -> None:
    made = planned(execution(spec(*ONE), JobRecord("a"), status_pause=PAUSED))
    assert (made.status.pause, states(made)) == (None, {"a": "Running"})
    assert [n.reason for n in made.notes] == ["Launched", "Resumed"]


@pytest.mark.parametrize(
    ("until", "expected", "wake"),
    [
        (after(5), (), 5),
        (NOW, (SetPaused(False),), None),
        (EARLIER, (), None),
    ],
    ids=["not yet", "now", "stale: it must not disarm the pause"],
)
def test_until(until: Any, expected: tuple[Any, ...], wake: float | None) -> None:
    given = execution(spec(*ONE, paused=True, pause=Pause(until=until)), JobRecord("a"), status_pause=PAUSED)
    made = planned(given)
    assert (made.after, made.requeue_after) == (expected, wake)


def test_who_paused_is_shown() -> None:
    made = planned(execution(spec(*ONE, paused=True), JobRecord("a"), paused_by_operator=True))
    assert made.status.pause is not None and made.status.pause.by == "operator"


@pytest.mark.parametrize(("stale", "reason"), [(False, "failed: a"), (True, "")], ids=["as it is", "an earlier one"])
def test_the_reason_of_an_earlier_pause_is_not_shown(stale: bool, reason: str) -> None:
    given = spec(*ONE, paused=True, pause=Pause(reason="failed: a"))
    made = planned(execution(given, JobRecord("a"), stale_pause_reason=stale))
    assert made.status.pause is not None and made.status.pause.reason == reason


# --- failurePolicy: Pause --------------------------------------------------------------------------------------------

PAIR = (job("a"), job("b", "a"), job("c"))


def test_a_failure_pauses_and_a_resume_goes_on() -> None:
    given = execution(spec(*PAIR, failure_policy=POLICY_PAUSE), running("a"), JobRecord("b"), running("c"))
    made = planned(given, kube_job("a"), crashed("a"), *alive("c"))
    assert SetPaused(True, "failed: a (failurePolicy: Pause)") in made.after
    assert states(made) == {"a": "Failed", "b": "Pending", "c": "Running"}

    paused = applied(given, made, spec=spec(*PAIR, failure_policy=POLICY_PAUSE, paused=True), generation=2)
    made = planned(paused, *alive("c"))
    assert made.status.jobs["a"].paused_for
    assert (states(made)["b"], actions(made)) == ("Pending", [])
    assert planned(applied(paused, made), *alive("c")).idle

    made = planned(applied(paused, made, spec=given.spec, generation=3), *alive("c"))
    assert states(made) == {"a": "Failed", "b": "Skipped", "c": "Running"}
    assert actions(made) == []


def test_a_failed_execution_waits_for_a_person_before_it_ends() -> None:
    given = execution(spec(*ONE, failure_policy=POLICY_PAUSE), failed("a"))
    made = planned(given)
    assert (made.status.phase, actions(made)) == ("Running", ["SetPaused"])
    paused = spec(*ONE, failure_policy=POLICY_PAUSE, paused=True)
    made = planned(applied(given, made, spec=paused))
    assert (made.status.phase, actions(made)) == ("Running", [])
    made = planned(applied(given, made, spec=given.spec))
    assert (made.status.phase, actions(made)) == ("Failed", [])


def test_a_cancelled_execution_does_not_wait_for_a_person() -> None:
    made = planned(execution(spec(*ONE, failure_policy=POLICY_PAUSE, cancel=CANCEL, paused=True), failed("a")))
    assert (made.status.phase, made.after) == ("Cancelled", ())


# --- The end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "records", "fields", "expected"),
    [
        param(ONE, [ended("a")], {}, ("Succeeded", names.ALL_JOBS_DONE, "1 of 1 jobs completed"), id="all completed"),
        param((*ONE, job("b")), [ended("a"), skipped("b", names.CONDITION_FALSE)], {},
                     ("Succeeded", names.ALL_JOBS_DONE, "1 of 2 jobs completed"), id="a skip is no failure"),
        param(ONE, [failed("a")], {}, ("Failed", names.JOB_FAILED, "job a failed: Error: exited with code 1"),
                     id="a failure"),
        param((*ONE, job("b")), [failed("a"), failed("b")], {},
                     ("Failed", names.JOB_FAILED, "job a and 1 more failed: Error: exited with code 1"), id="failures"),
        param((*ONE, job("h", "a", run_on=RunOn.FAILURE)), [failed("a"), ended("h")], {},
                     ("Succeeded", names.ALL_JOBS_DONE, "1 of 2 jobs completed"), id="a failure that was handled"),
        param((*ONE, job("c", "a", run_on=DONE)), [failed("a"), ended("c")], {},
                     ("Failed", names.JOB_FAILED, "job a failed: Error: exited with code 1"),
              id="clean-up handles nothing"),
        param(ONE, [ended("a")], {"cancel": CANCEL},
                     ("Cancelled", names.CANCELLED, "cancelled by request c1: enough"), id="cancelled"),
        param(ONE, [ended("a")], {"cancel": Cancel("c1")},
                     ("Cancelled", names.CANCELLED, "cancelled by request c1"), id="cancelled without a reason"),
        param(ONE, [failed("a")], {"timeout_seconds": 1},
                     ("Failed", names.TIMED_OUT, "ran longer than timeoutSeconds (1)"), id="timed out"),
    ],
)  # fmt: skip
def test_what_it_came_to(jobs: Any, records: list[JobRecord], fields: dict, expected: tuple[str, str, str]) -> None:
    made = planned(execution(spec(*jobs, **fields), *records))
    assert (made.status.phase, made.status.reason, made.status.message) == expected
    assert made.status.finished_at == NOW


def test_the_end_ends_a_pause() -> None:
    made = planned(execution(spec(*ONE, paused=True), ended("a"), status_pause=PAUSED))
    assert (made.status.phase, made.status.pause, made.status.paused_millis) == ("Succeeded", None, 60_000)


def test_what_has_finished_is_looked_at_and_left_as_it_is() -> None:
    given = execution(spec(*ONE), running("a"))
    finished = applied(given, planned(given, kube_job("a"), succeeded("a")))
    assert finished.status.finished
    assert planned(finished, kube_job("a"), succeeded("a")).idle
    late = planned(finished, kube_job("a", 2))
    assert [type(a) for a in late.after] == [StopJob]


def test_a_running_execution_says_what_waits() -> None:
    stuck = [kube_job("a"), kube_pod("a", phase="Pending", unschedulable="no node", started_at=None)]
    also = [
        kube_job("b"),
        kube_pod("b", phase="Pending", waiting_reason="ErrImagePull", waiting_message="no such image"),
    ]
    given = spec(*ONE, job("b"))
    assert planned(execution(given, running("a"), running("b")), *alive("a", "b")).status.message == ""
    made = planned(execution(given, running("a"), running("b")), *stuck, *alive("b"))
    assert made.status.message == "job a waits: Unschedulable: no node"
    made = planned(execution(given, running("a"), running("b")), *stuck, *also[:1], replace(also[1], started_at=None))
    assert made.status.message == "job a waits: Unschedulable: no node (and 1 more)"


# --- Its time to live ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "expected", "wake"),
    [(None, (), None), (61, (), 1), (60, (DeleteExecution(),), None), (0, (DeleteExecution(),), None)],
    ids=["kept", "not yet", "over", "at once"],
)
def test_its_time_to_live(ttl: int | None, expected: tuple[Any, ...], wake: float | None) -> None:
    finished = {"status_phase": Phase.SUCCEEDED, "status_finished_at": EARLIER}
    made = planned(execution(spec(*ONE, ttl_seconds_after_finished=ttl), ended("a"), **finished))
    assert (made.after, made.requeue_after) == (expected, wake)


def test_the_end_is_stored_before_the_execution_is_deleted() -> None:
    given = execution(spec(*ONE, ttl_seconds_after_finished=0), ended("a"))
    made = planned(given)
    assert (made.status.phase, made.after, made.requeue_after) == ("Succeeded", (), 0)
    assert planned(applied(given, made)).after == (DeleteExecution(),)


def test_what_has_not_finished_does_not_expire() -> None:
    assert (
        DeleteExecution()
        not in planned(execution(spec(*ONE, ttl_seconds_after_finished=0), running("a")), *alive("a")).after
    )


# --- How soon --------------------------------------------------------------------------------------------------------


def stored(given: Execution, *things: Any) -> Execution:
    """The execution once everything is stored."""
    return applied(given, planned(given, *things))


SETTLED = stored(execution(spec(*ONE, job("b", "a")), running("a"), JobRecord("b")), *alive("a"))


@pytest.mark.parametrize(
    ("given", "things", "urgency"),
    [
        param(SETTLED, alive("a"), Urgency.NONE, id="nothing new"),
        param(SETTLED, [kube_job("a"), kube_pod("a", unreachable=True)], Urgency.SOON, id="why it waits"),
        param(SETTLED, [kube_job("a"), succeeded("a")], Urgency.NOW, id="an end"),
        param(replace(SETTLED, generation=2), alive("a"), Urgency.NOW, id="a newer spec"),
        param(replace(SETTLED, spec=spec(*ONE, job("b", "a"), job("c"))), alive("a"), Urgency.NOW, id="a job more"),
        param(replace(SETTLED, spec=None, violations=WRONG), alive("a"), Urgency.NOW, id="not accepted any more"),
        param(replace(SETTLED, spec=spec(*ONE, job("b", "a"), paused=True)), alive("a"), Urgency.NOW, id="a pause"),
        param(replace(SETTLED, status=replace(SETTLED.status, message="odd")), alive("a"), Urgency.SOON,
                     id="the message alone"),
    ],
)  # fmt: skip
def test_how_soon_it_is_stored(given: Execution, things: list[Any], urgency: Urgency) -> None:
    made = planned(given, *things)
    assert made.urgency is urgency
    assert bool(made.wire) is (urgency is not Urgency.NONE)
    assert urgency is not Urgency.NONE or made.notes == ()


def test_whatever_must_be_recorded_first_is_never_deferred() -> None:
    """A launch or a stop may only be decided in a status that is stored at once."""
    stop = replace(SETTLED, spec=spec(*ONE, job("b", "a"), paused=True, pause=Pause(PauseMode.STOP)))
    for made in (planned(stop, *alive("a")), planned(SETTLED, kube_job("a"), succeeded("a"))):
        assert made.urgency is Urgency.NOW
        assert any(isinstance(action, StopJob | Launch) for action in made.after)


def test_executions_of_one_name_share_nothing() -> None:
    other = replace(new(spec(*ONE)), identity=Identity("default", "sample", "another"))
    (one,), (two,) = planned(new(spec(*ONE))).after, planned(other).after
    assert isinstance(one, Launch) and isinstance(two, Launch) and one.name != two.name


# --- A status that other hands have broken ---------------------------------------------------------------------------


def test_nothing_is_done_on_a_status_that_cannot_be_read_and_that_is_said_once() -> None:
    there = {"phase": "Running", "restore": {"phase": "Stopping"}, "jobs": [{"id": "a", "state": "Running"}]}
    given = replace(execution(spec(job("a"))), status=from_wire(there), found=there, generation=3)
    made = planned(given, kube_job("a"), kube_pod("a"))
    assert not made.before and not made.after and made.urgency is Urgency.NOW
    assert {key: made.wire[key] for key in there} == there, "what stands there stays"
    assert (made.wire["reason"], made.wire["observedGeneration"]) == (names.STATUS_UNREADABLE, 3)
    assert "status.restore: 'mode' is missing" in made.wire["message"]
    told = {c["type"]: c["status"] for c in made.wire["conditions"]}
    assert told == {"Stalled": "True", "Reconciling": "False"}
    assert [(note.reason, note.warning) for note in made.notes] == [(names.STATUS_UNREADABLE, True)]
    assert planned(replace(given, status=from_wire(made.wire), found=made.wire)).idle
