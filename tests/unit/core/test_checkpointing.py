"""Checkpoints as a step of the plan: decided with what they are for, awaited, settled, failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core import checkpointing
from cairn.core.actions import DeleteExecution, Launch, Plan, SetPaused, StopJob, TakeCheckpoint, Urgency
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.book import Book, Last, Pending
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.serializer import state_digest
from cairn.core.checkpoint.settings import CheckpointSettings, OnError
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.draft import Execution
from cairn.core.naming import checkpoint_id
from cairn.core.spec import ExecutionSpec, Pause, PauseMode, RunOn
from cairn.core.status import JobRecord, PausePhase, PauseState, Phase
from cairn.core.status_wire import from_wire
from cairn.core.times import format_time
from simulation.build import (
    EARLIER,
    IDENTITY,
    NOW,
    after,
    crashed,
    ended,
    execution,
    intended,
    job,
    kube_job,
    planned,
    running,
    spec,
    states,
    succeeded,
)

CHAIN = (job("a"), job("b", "a"))


def settings(*triggers: Trigger, **fields: Any) -> CheckpointSettings:
    return CheckpointSettings(triggers=frozenset(triggers), **fields)


LEVELS = settings(Trigger.LEVEL_COMPLETED)
JOBS = settings(Trigger.JOB_COMPLETED)
CRITICAL = settings(Trigger.BEFORE_CRITICAL, critical_job_ids=frozenset({"b"}))
PAUSING = replace(CRITICAL, on_error=OnError.PAUSE)


def given(checkpoint: CheckpointSettings, *jobs: Any, **fields: Any) -> ExecutionSpec:
    return spec(*(jobs or CHAIN), checkpoint=checkpoint, **fields)


def taken(made: Plan) -> list[Pending]:
    """What a plan asks to be taken."""
    return [a.pending for a in made.after if isinstance(a, TakeCheckpoint)]


def the_one(made: Plan) -> Pending:
    [only] = taken(made)
    assert only in made.status.checkpointing.pending
    return only


def found(name: str, phase: str = objects.READY, at: datetime = NOW, digest: str = "d") -> CheckpointObject:
    """A Checkpoint object of this execution."""
    status: dict[str, Any] = {"phase": phase, "executionUid": IDENTITY.uid}
    if phase == objects.READY:
        status |= {"checkpointId": checkpoint_id(at, name), "createdAt": format_time(at),
                   "digest": "0", "stateDigest": digest, "endedJobs": 1}  # fmt: skip
    if phase == objects.FAILED:
        status["conditions"] = [{"type": "Ready", "status": "False", "reason": "ResultLost", "message": "gone"}]
    body = objects.manifest(IDENTITY, name, Trigger.MANUAL, "", {}, guarded=False)
    body["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": "5", "creationTimestamp": format_time(at)}
    return objects.view(body | {"status": status})


def applied(before: Execution, made: Plan) -> Execution:
    """The execution once the plan's status is stored and read again."""
    return replace(before, status=from_wire(made.wire) if made.wire else before.status)


def seen(*checkpoints: CheckpointObject) -> dict[str, Any]:
    return {"checkpoints": {c.name: c for c in checkpoints}}


# --- Deciding --------------------------------------------------------------------------------------------------------


def test_a_level_and_what_is_decided_of_it_are_one_write() -> None:
    made = planned(execution(given(LEVELS), running("a")), kube_job("a"), succeeded("a"))
    pending = the_one(made)
    assert (pending.trigger, pending.causes) == (Trigger.LEVEL_COMPLETED, ("0",))
    assert pending.label == "Auto checkpoint after level 0"
    assert made.urgency is Urgency.NOW
    assert states(made) == {"a": "Completed", "b": "Running"}, "the next job does not wait for it"


def test_what_is_decided_is_asked_for_until_it_is_there_and_decided_once() -> None:
    before = execution(given(LEVELS), running("a"))
    made = planned(before, kube_job("a"), succeeded("a"))
    stored = applied(before, made)
    again = planned(stored, kube_job("a"), succeeded("a"))
    assert taken(again) == taken(made)
    assert again.urgency is Urgency.NONE
    pending = the_one(made)
    begun = planned(stored, kube_job("a"), succeeded("a"), **seen(found(pending.name, objects.PENDING)))
    assert taken(begun) == [pending]
    done = planned(stored, kube_job("a"), succeeded("a"), **seen(found(pending.name)))
    assert (taken(done), done.status.checkpointing.pending) == ([], ())
    last = done.status.checkpointing.last
    assert last is not None and last.name == pending.name
    assert done.urgency is Urgency.SOON, "nothing depends on it"


def test_what_was_ready_and_is_deleted_before_that_was_written_down_is_not_made_again() -> None:
    before = execution(given(LEVELS), running("a"))
    made = planned(before, kube_job("a"), succeeded("a"))
    gone = found(the_one(made).name)
    done = planned(applied(before, made), kube_job("a"), succeeded("a"), departed={gone.name: gone})
    assert (taken(done), done.status.checkpointing.pending) == ([], ())


def test_what_a_critical_job_waits_for_is_made_again_if_it_is_deleted() -> None:
    settings = CheckpointSettings(triggers=frozenset({Trigger.BEFORE_CRITICAL}), critical_job_ids=frozenset({"a"}))
    before = execution(spec(job("a"), checkpoint=settings), JobRecord("a"))
    made = planned(before)
    gone = found(the_one(made).name)
    assert taken(planned(applied(before, made), departed={gone.name: gone})) == [the_one(made)]


def test_jobs_that_end_together_share_one_that_names_all() -> None:
    two = (job("a"), job("c"))
    made = planned(
        execution(given(JOBS, *two), running("a"), running("c")),
        kube_job("a"), succeeded("a"), kube_job("c"), crashed("c"),
    )  # fmt: skip
    assert the_one(made).causes == ("a", "c")
    assert the_one(made).label == "Auto checkpoint after jobs a, c"


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        param(settings(Trigger.LEVEL_COMPLETED, Trigger.JOB_COMPLETED), [Trigger.LEVEL_COMPLETED],
              id="the more telling cause names it"),
        param(settings(Trigger.MANUAL), [], id="not asked for"),
        param(replace(LEVELS, enabled=False), [], id="not enabled"),
        param(replace(LEVELS, triggers=frozenset(Trigger), critical_job_ids=frozenset({"b"})),
              [Trigger.BEFORE_CRITICAL], id="before a critical job"),
    ],
)  # fmt: skip
def test_one_state_is_saved_once(checkpoint: CheckpointSettings, expected: list[Trigger]) -> None:
    made = planned(execution(given(checkpoint), running("a")), kube_job("a"), succeeded("a"))
    assert [p.trigger for p in taken(made)] == expected


def test_older_ones_without_an_object_go_into_the_newest() -> None:
    jobs = (job("a"), job("b"), job("c"))
    old = Pending("old", Trigger.JOB_COMPLETED, "", ("a",), EARLIER)
    begun = Pending("begun", Trigger.JOB_COMPLETED, "", ("x",), EARLIER)
    asked = Pending("asked", Trigger.MANUAL, "", (), EARLIER)
    before = execution(
        given(JOBS, *jobs), ended("a"), running("b"), running("c"),
        status_checkpointing=Book(pending=(old, begun, asked)),
    )  # fmt: skip
    made = planned(before, kube_job("a"), kube_job("b"), succeeded("b"), kube_job("c"),
                   **seen(found("begun", objects.PENDING)))  # fmt: skip
    *others, newest = made.status.checkpointing.pending
    assert others == [begun, asked]
    assert (newest.causes, newest.label) == (("a", "b"), "Auto checkpoint after jobs a, b")


def test_more_causes_than_are_listed_are_counted() -> None:
    jobs = tuple(job(f"j{n}") for n in range(120))
    before = execution(given(JOBS, *jobs), *(running(j.id) for j in jobs))
    things = [thing for j in jobs for thing in (kube_job(j.id), succeeded(j.id))]
    pending = the_one(planned(before, *things))
    assert (len(pending.causes), pending.more) == (100, 20)


def test_the_end_of_an_execution_is_saved_and_its_time_to_live_waits_for_that() -> None:
    before = execution(given(LEVELS, job("a"), ttl_seconds_after_finished=0), running("a"))
    made = planned(before, kube_job("a"), succeeded("a"))
    assert made.status.phase is Phase.SUCCEEDED
    pending = the_one(made)
    stored = applied(before, made)
    waiting = planned(stored, kube_job("a"), succeeded("a"))
    assert DeleteExecution() not in waiting.after
    done = planned(stored, kube_job("a"), succeeded("a"), **seen(found(pending.name)))
    assert DeleteExecution() in done.after


def test_work_at_risk_is_counted() -> None:
    before = execution(given(settings()), ended("a"), ended("b"))
    assert planned(before).status.checkpointing.unsaved == 2
    assert planned(before, **seen(found("c"))).status.checkpointing.unsaved == 1


# --- Pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pause", "checkpoint", "expected"),
    [
        param(Pause(), settings(), [Trigger.MANUAL], id="as asked for by default"),
        param(Pause(checkpoint=False), settings(), [], id="not asked for"),
        param(Pause(), CheckpointSettings(enabled=False), [], id="not enabled"),
        param(Pause(), LEVELS, [Trigger.MANUAL], id="the level that ended is saved by it"),
    ],
)
def test_a_drained_pause_is_saved(pause: Pause, checkpoint: CheckpointSettings, expected: list[Trigger]) -> None:
    before = execution(
        given(checkpoint, paused=True, pause=pause), running("a"),
        status_pause=PauseState(PausePhase.DRAINING, EARLIER, 1),
    )  # fmt: skip
    made = planned(before, kube_job("a"), succeeded("a"))
    assert [p.trigger for p in taken(made)] == expected


DRAINING, DRAINED = (PauseState(phase, EARLIER, 4) for phase in PausePhase)


@pytest.mark.parametrize(
    ("pause", "generation", "paused", "waits"),
    [
        param(DRAINING, 4, True, True, id="while it drains"),
        param(DRAINING, 6, True, True, id="also after another edit"),
        param(DRAINED, 4, True, False, id="not once it has drained"),
        param(None, 4, True, True, id="before the pause is seen"),
        param(None, 5, True, False, id="not one that an earlier spec asked for"),
        param(DRAINING, 4, False, False, id="not after a resume"),
    ],
)
def test_the_checkpoint_of_a_pause_waits_for_the_drain(
    pause: PauseState | None, generation: int, paused: bool, waits: bool
) -> None:
    at = execution(given(settings(), paused=paused), running("a"), status_pause=pause, generation=generation)
    name = checkpointing.pause_checkpoint(at.identity, 4)
    assert checkpointing.awaits_drain(at, name) is waits
    assert not checkpointing.awaits_drain(at, "another")
    assert not checkpointing.awaits_drain(replace(at, spec=None), name)
    assert not checkpointing.awaits_drain(replace(at, status=replace(at.status, phase=Phase.FAILED)), name)


def test_draining_is_not_drained() -> None:
    before = execution(given(settings(), paused=True), running("a"))
    assert taken(planned(before, kube_job("a"), succeeded("a", phase="Running"))) == []


@pytest.mark.parametrize(("critical", "stops"), [(frozenset({"a"}), False), (frozenset({"b"}), True)])
def test_a_pause_that_stops_waits_for_a_critical_job(critical: frozenset[str], stops: bool) -> None:
    checkpoint = settings(Trigger.BEFORE_CRITICAL, critical_job_ids=critical)
    before = execution(
        given(checkpoint, paused=True, pause=Pause(PauseMode.STOP)), running("a"), JobRecord("b"),
    )  # fmt: skip
    made = planned(before, kube_job("a"), succeeded("a", phase="Running"))
    record = made.status.jobs["a"]
    assert bool(record.stopping) is stops
    assert any(isinstance(a, StopJob) for a in made.after) is stops


# --- Critical jobs ---------------------------------------------------------------------------------------------------


def waiting_for(checkpoint: CheckpointSettings, **fields: Any) -> tuple[Execution, Pending]:
    """An execution whose critical job waits for the checkpoint before it."""
    before = execution(given(checkpoint, **fields), ended("a"), JobRecord("b"))
    made = planned(before)
    return applied(before, made), the_one(made)


def test_a_critical_job_waits_until_its_checkpoint_is_ready() -> None:
    waiting, pending = waiting_for(CRITICAL)
    assert waiting.status.jobs["b"].reason == names.AWAITING_CHECKPOINT
    assert pending.label == "Auto checkpoint before critical job b"
    still = planned(waiting, **seen(found(pending.name, objects.PENDING)))
    assert (states(still)["b"], taken(still)) == ("Pending", [pending])
    ready = planned(waiting, **seen(found(pending.name)))
    assert states(ready)["b"] == "Running"
    assert [type(a) for a in ready.after] == [Launch]
    assert ready.status.checkpointing.pending == ()


def test_a_checkpoint_counts_for_a_launch_that_comes_later() -> None:
    waiting, pending = waiting_for(CRITICAL)
    held = replace(waiting, spec=given(CRITICAL, hold=frozenset({"b"})), generation=2)
    made = planned(held, **seen(found(pending.name)))
    assert made.status.checkpointing.pending == (pending,)
    released = planned(applied(waiting, made), **seen(found(pending.name)))
    assert states(released)["b"] == "Running"


def test_another_attempt_has_another_checkpoint() -> None:
    _, pending = waiting_for(CRITICAL)
    retried = execution(given(CRITICAL), ended("a"), replace(ended("b"), state=JobRecord("b").state, finished_at=None))
    assert the_one(planned(retried)).name != pending.name


def test_a_failed_one_lets_the_critical_job_go_or_pauses() -> None:
    waiting, pending = waiting_for(CRITICAL)
    failed = found(pending.name, objects.FAILED)
    made = planned(waiting, **seen(failed))
    assert states(made)["b"] == "Running"
    assert made.status.checkpointing.failed is not None
    assert made.status.checkpointing.failed.reason == "ResultLost"
    condition = made.status.condition(names.CONDITION_CHECKPOINTED)
    assert condition is not None and (condition.status, condition.reason) == (False, names.CHECKPOINT_FAILED)

    waiting, pending = waiting_for(PAUSING)
    failed = found(pending.name, objects.FAILED)
    made = planned(waiting, **seen(failed))
    assert states(made)["b"] == "Pending"
    [pause] = [a for a in made.after if isinstance(a, SetPaused)]
    assert pause.paused and pending.name in pause.reason
    paused = replace(applied(waiting, made), spec=given(PAUSING, paused=True, pause=Pause(checkpoint=False)),
                     generation=2)  # fmt: skip
    made = planned(paused, **seen(failed))
    assert made.status.checkpointing.pending == ()
    assert [a for a in made.after if isinstance(a, SetPaused)] == []
    resumed = replace(applied(paused, made), spec=given(PAUSING), generation=3)
    again = planned(resumed, now=after(5), **seen(failed))
    assert the_one(again).name != pending.name, "after the resume another one is taken"


def test_a_failed_one_of_another_kind_pauses_too() -> None:
    pending = Pending("p", Trigger.LEVEL_COMPLETED, "", ("0",), EARLIER)
    checkpoint = replace(LEVELS, on_error=OnError.PAUSE)
    before = execution(given(checkpoint), running("a"), status_checkpointing=Book(pending=(pending,)))
    made = planned(before, kube_job("a"), succeeded("a", phase="Running"), **seen(found("p", objects.FAILED)))
    assert [a.paused for a in made.after if isinstance(a, SetPaused)] == [True]


def test_an_execution_that_ends_is_not_paused_and_its_critical_clean_up_goes_without() -> None:
    """Else the same checkpoint is decided, found to have failed, and decided again, for ever."""
    jobs = (job("a"), job("b", "a", run_on=RunOn.DONE))
    begun = execution(given(PAUSING, *jobs), ended("a"))
    waiting = applied(begun, planned(begun))
    pending = the_one(planned(begun))
    timed_out = replace(waiting, status=replace(waiting.status, timed_out_at=NOW))
    made = planned(timed_out, **seen(found(pending.name, objects.FAILED)))
    assert states(made)["b"] == "Running"
    assert [a for a in made.after if isinstance(a, SetPaused)] == []


def test_who_is_no_longer_critical_does_not_wait() -> None:
    waiting, _ = waiting_for(CRITICAL)
    assert states(planned(replace(waiting, spec=given(settings()))))["b"] == "Running"


def test_a_removed_critical_job_lets_its_checkpoint_go() -> None:
    waiting, pending = waiting_for(CRITICAL)
    removed = replace(waiting, spec=given(CRITICAL, job("a")), generation=2)
    assert planned(removed, **seen(found(pending.name))).status.checkpointing.pending == ()


# --- Times -----------------------------------------------------------------------------------------------------------

TIMED = settings(Trigger.TIME_BASED, time_interval_ms=30_000)


def hung(**fields: Any) -> Execution:
    return execution(given(TIMED, job("a")), intended("a", uid="job-a"), **fields)


def look(at: Execution, now: datetime = NOW, *checkpoints: CheckpointObject) -> Plan:
    return planned(at, kube_job("a"), succeeded("a", phase="Running"), now=now, **seen(*checkpoints))


def test_a_checkpoint_is_taken_once_the_interval_has_passed() -> None:
    young = replace(hung(), status=replace(hung().status, started_at=NOW))
    made = look(young)
    assert (taken(made), made.requeue_after) == ([], 30.0)
    assert made.status.checkpointing.next == after(30)
    made = look(hung())
    assert (the_one(made).trigger, the_one(made).label) == (Trigger.TIME_BASED, "Auto checkpoint at 07:59")


def test_the_interval_is_counted_anew_once_the_clock_was_turned_back() -> None:
    old = Last("old", checkpoint_id(after(3 * 3600), "old"), Trigger.TIME_BASED, after(3 * 3600), "", 0)
    made = look(hung(status_checkpointing=Book(last=old)))
    assert (taken(made), made.requeue_after, made.status.checkpointing.next) == ([], 30.0, after(30))
    stored = applied(hung(status_checkpointing=Book(last=old)), made)
    assert look(stored, after(10)).status.checkpointing.next == after(30), "what was said holds"
    made = look(stored, after(30))
    assert the_one(made).trigger is Trigger.TIME_BASED
    assert made.status.checkpointing.next == after(60)


def test_nothing_new_is_not_saved_again_and_something_new_is_at_once() -> None:
    stored = applied(hung(), look(hung()))
    pending = stored.status.checkpointing.pending[0]
    digest = state_digest(stored.spec_digest, stored.status)
    first = found(pending.name, at=NOW, digest=digest)
    settled = applied(stored, look(stored, after(1), first))
    quiet = look(settled, after(40), first)
    assert taken(quiet) == []
    changed = replace(settled, status=replace(settled.status, jobs=settled.status.jobs | {"z": ended("z")}))
    assert the_one(look(changed, after(40), first)).name != pending.name


def test_what_is_being_saved_already_is_not_saved_by_the_time_as_well() -> None:
    """A drained pause, say, whose checkpoint is not Ready when the interval is over."""
    other = Pending("pause", Trigger.MANUAL, "", (), EARLIER)
    waiting = hung(status_checkpointing=Book(pending=(other,)))
    made = look(waiting)
    assert taken(made) == [other]
    digest = state_digest(waiting.spec_digest, made.status)
    ready = look(applied(waiting, made), after(60), found("pause", at=NOW, digest=digest))
    assert ready.status.checkpointing.pending == ()
    assert taken(ready) == []


def test_one_that_is_pending_is_not_decided_again() -> None:
    stored = applied(hung(), look(hung()))
    assert the_one(look(stored, after(60))) == stored.status.checkpointing.pending[0]


# --- What users make -------------------------------------------------------------------------------------------------


def test_a_checkpoint_that_a_user_made_is_the_last_one_too() -> None:
    old = Last("old", checkpoint_id(EARLIER, "old"), Trigger.MANUAL, EARLIER, "", 0)
    before = execution(given(settings()), ended("a"), running("b"), status_checkpointing=Book(last=old))
    mine = found("mine")
    made = planned(before, kube_job("b"), succeeded("b", phase="Running"), **seen(mine))
    last = made.status.checkpointing.last
    assert last is not None and last.name == "mine"
    condition = made.status.condition(names.CONDITION_CHECKPOINTED)
    assert condition is not None and condition.status
    older = found("older", at=EARLIER - timedelta(days=1))
    assert planned(applied(before, made), kube_job("b"), **seen(older)).status.checkpointing.last == last


def test_a_pause_that_drains_twice_is_saved_once() -> None:
    draining = PauseState(PausePhase.DRAINING, EARLIER, 1)
    before = execution(given(settings(), paused=True), running("a"), JobRecord("b"), status_pause=draining)
    once = applied(before, planned(before, kube_job("a"), succeeded("a")))
    again = replace(once, status=replace(once.status, pause=draining))
    assert len(planned(again).status.checkpointing.pending) == 1


def test_what_has_ended_since_a_pause_was_saved_is_saved_when_it_drains_again() -> None:
    """A cancel, say, has ended a job that was held: the checkpoint of the pause may hold the state before that."""
    draining = PauseState(PausePhase.DRAINING, EARLIER, 1)
    first = execution(given(JOBS, paused=True), running("a"), JobRecord("b"), status_pause=draining)
    of_pause = found(checkpointing.pause_checkpoint(IDENTITY, 1), at=EARLIER)
    for known in (seen(of_pause), seen(replace(of_pause, phase=""))):
        made = planned(first, kube_job("a"), succeeded("a"), **known)
        assert [p.trigger for p in made.status.checkpointing.pending] == [Trigger.JOB_COMPLETED]
    pending = Pending(of_pause.name, Trigger.MANUAL, "", (), EARLIER)
    waiting = replace(first, status=replace(first.status, checkpointing=Book(pending=(pending,))))
    made = planned(waiting, kube_job("a"), succeeded("a"))
    assert [p.trigger for p in made.status.checkpointing.pending] == [Trigger.MANUAL, Trigger.JOB_COMPLETED]


def test_what_is_decided_a_second_time_is_pending_once() -> None:
    """A level that is opened by a new job which is skipped, say, ends once more, and no attempt tells the two apart."""
    before = execution(given(LEVELS), running("a"))
    pending = the_one(planned(before, kube_job("a"), succeeded("a")))
    again = replace(before, status=replace(before.status, checkpointing=Book(pending=(pending,))))
    made = planned(again, kube_job("a"), succeeded("a"), **seen(replace(found(pending.name), phase="")))
    assert made.status.checkpointing.pending == (pending,)
