"""Restores as a step of the plan: a fork begins at once or not at all, a rewind has one commit point."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.actions import (
    DeleteExecution,
    FetchCheckpoint,
    FetchJobs,
    FetchPacks,
    FetchResult,
    Launch,
    Plan,
    SavePack,
    SetPaused,
    StopJob,
    TakeCheckpoint,
    Urgency,
)
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.book import Book, Last, Pending
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.serializer import state_digest
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.checkpoint.state import Attempt
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.draft import Execution
from cairn.core.naming import checkpoint_id
from cairn.core.observed import Refusal
from cairn.core.outputs import Outputs
from cairn.core.restore import packs, records
from cairn.core.restore.plan import Known, Saved
from cairn.core.restore.progress import Fork, Mode, Origin, Progress, RestoredFrom, Step
from cairn.core.restore.source import Found, NotFound, Wanted
from cairn.core.spec import Cancel, JobSpec, Pause, Replay, Request, RequestType, Restore, Retry, Source
from cairn.core.status import (
    Acknowledged,
    CancelState,
    JobRecord,
    JobState,
    PausePhase,
    PauseState,
    Phase,
    Status,
    Stopping,
)
from cairn.core.status_wire import from_wire
from cairn.core.times import format_time
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
    name_of,
    planned,
    running,
    skipped,
    spec,
    states,
    succeeded,
)

SOURCE = Source(checkpoint_name="before")
CHAIN = (job("a"), job("b", "a"))
OUT = Outputs('{"rows":1}')
OLD = EARLIER - timedelta(hours=1)  # when the checkpoint's execution began
TAKEN = OLD + timedelta(seconds=600)  # when the checkpoint was taken
ELSEWHERE = Origin("checkpoint_1", "before", "d" * 64, "default", "original", "uid-of-original")
OWN = replace(ELSEWHERE, execution=IDENTITY.name, execution_uid=IDENTITY.uid)


def asked(*rerun: str, source: Source = SOURCE, **fields: Any) -> Restore:
    return Restore(source, frozenset(rerun), **fields)


def done(name: str, **fields: Any) -> JobRecord:
    """A completed job of the checkpoint."""
    given = {
        "definition": name, "launched_at": OLD, "started_at": OLD, "finished_at": OLD + timedelta(seconds=60),
    }  # fmt: skip
    return ended(name, **given | fields)


def found(
    *records_: JobRecord, jobs: tuple[JobSpec, ...] = CHAIN, ask: Restore | None = None, origin: Origin = ELSEWHERE,
    known: Known | None = None, spec: dict[str, Any] | None = None, warning: str = "", **status: Any,
) -> Found:  # fmt: skip
    """A checkpoint of these records; jobs with a result have handed out `OUT`."""
    there = {r.id: r for r in records_}
    saved = Saved(origin.id, origin.digest, TAKEN, there, {j.id: j for j in jobs})
    tries = {
        r.id: (Attempt(r.attempt, r.state, finished_at=r.finished_at, outputs=OUT if r.result else None),)
        for r in records_
        if r.state is JobState.COMPLETED
    }
    taken = Status(Phase.RUNNING, started_at=OLD, jobs=there, **status)
    wanted, known = Wanted.by(ask or asked()), known or Known(final=True)
    return Found(wanted, origin, saved, taken, tries, spec or {}, known, warning)


def missing(reason: str = names.CHECKPOINT_NOT_FOUND, retry_at: datetime | None = None, **ask: Any) -> NotFound:
    return NotFound(Wanted.by(asked(**ask)), reason, "none", retry_at)


def applied(before: Execution, made: Plan, **fields: Any) -> Execution:
    """The execution once a plan's status is stored and read again."""
    return replace(before, status=from_wire(made.wire) if made.wire else before.status, **fields)


def condition(made: Plan) -> tuple[bool, str]:
    """The condition Restored."""
    found = made.status.condition(names.CONDITION_RESTORED)
    assert found is not None
    return found.status, found.reason


def step(made: Plan) -> tuple[Step, str]:
    assert made.status.restore is not None
    return made.status.restore.step, made.status.restore.reason


def told(made: Plan) -> list[str]:
    return [note.reason for note in made.notes]


def of_kind(made: Plan, kind: type) -> list[Any]:
    return [action for action in (*made.before, *made.after) if isinstance(action, kind)]


# --- A fork: its checkpoint ------------------------------------------------------------------------------------------


def fork(ask: Restore | None = None, *jobs: JobSpec, generation: int = 1, **fields: Any) -> Execution:
    """A new execution that starts from a checkpoint; `spec_` fields are those of its spec."""
    given = {name.removeprefix("spec_"): fields.pop(name) for name in list(fields) if name.startswith("spec_")}
    return Execution(IDENTITY, generation, Status(), spec(*(jobs or CHAIN), restore=ask or asked(), **given), **fields)


KEPT = done("a", result=OUT.digest)


def test_a_fork_waits_for_its_checkpoint_and_writes_nothing_before_it_is_there() -> None:
    made = planned(fork())
    assert (made.urgency, made.before, made.wire) == (Urgency.NONE, (), {})
    assert made.after == (FetchCheckpoint(asked()),)
    assert made.status == Status()


def test_a_fork_begins_by_one_write_with_what_it_keeps_before_it() -> None:
    made = planned(fork(), restore=found(KEPT, JobRecord("b")))
    assert made.urgency is Urgency.NOW
    assert (made.status.started_at, made.status.phase, made.status.reason) == (NOW, Phase.RUNNING, names.WORKING)
    assert states(made) == {"a": "Completed", "b": "Running"}
    assert made.status.jobs["a"] == KEPT
    [pack] = of_kind(made, SavePack)
    assert made.before == (pack,)
    assert packs.read_results(pack.manifest) == [
        ("a", Attempt(1, JobState.COMPLETED, finished_at=KEPT.finished_at, outputs=OUT))
    ]
    restored = made.status.restored_from
    assert restored == RestoredFrom(Mode.FORK, ELSEWHERE, NOW, 1, 1, packs=(packs.name_of(pack.manifest),))
    assert (step(made), condition(made)) == ((Step.DONE, names.FORKED), (True, names.FORKED))
    assert told(made) == ["Launched", "Forked"]
    assert made.notes[-1].message.startswith("from checkpoint checkpoint_1 of original: 1 keep, 1 run; 60 s of work")


def test_what_follows_from_what_is_kept_is_launched_in_that_very_plan() -> None:
    made = planned(fork(), restore=found(KEPT, JobRecord("b")))
    [launch] = of_kind(made, Launch)
    assert (launch.name, launch.manifest["metadata"]["labels"][names.LABEL_JOB]) == (name_of("b"), "b")
    assert launch.inputs, "its inputs are at hand without another read"
    assert launch.due is None, "what it comes after ended in another execution"


def test_what_was_begun_is_not_begun_again() -> None:
    before = fork(asked(request_id="r1"))
    made = planned(before, restore=found(KEPT, JobRecord("b")))
    again = planned(applied(before, made), kube_job("b"), kube_pod("b"), restore=None)
    assert of_kind(again, FetchCheckpoint) == []
    assert again.status.restore == made.status.restore
    assert [r.id for r in made.status.requests] == ["r1"], "and its request is answered"


def test_a_fork_remembers_of_its_plan_what_ran_again_or_is_not_run() -> None:
    jobs = (job("a"), job("b"), job("c"), job("d"))
    given = found(done("a"), running("b"), JobRecord("c"), skipped("d", names.CONDITION_FALSE), jobs=jobs)
    made = planned(fork(None, *jobs), restore=given)
    assert made.status.restore is not None and made.status.restore.plan is not None
    assert [(j.id, j.reason) for j in made.status.restore.plan.jobs] == [
        ("b", "WasRunning"), ("d", names.CONDITION_FALSE),
    ]  # fmt: skip
    assert states(made) == {"a": "Completed", "b": "Running", "c": "Running", "d": "Skipped"}


def test_a_fork_of_what_was_done_is_done() -> None:
    made = planned(fork(), restore=found(KEPT, done("b")))
    assert (made.status.phase, actions(made)) == (Phase.SUCCEEDED, [])
    assert made.status.checkpointing.unsaved == 0, "what was kept is not at risk"


def test_nothing_kept_needs_no_pack() -> None:
    made = planned(fork(), restore=found(running("a"), JobRecord("b")))
    assert (made.before, states(made)) == ((), {"a": "Running", "b": "Pending"})


def test_what_has_ended_before_is_not_saved_again_at_the_start() -> None:
    checkpoints = CheckpointSettings(triggers=frozenset({Trigger.JOB_COMPLETED, Trigger.LEVEL_COMPLETED}))
    made = planned(fork(spec_checkpoint=checkpoints), restore=found(KEPT, JobRecord("b")))
    assert of_kind(made, TakeCheckpoint) == []


def test_a_damaged_copy_that_was_insisted_on_is_told() -> None:
    ask = asked(force=True)
    made = planned(fork(ask), restore=found(KEPT, JobRecord("b"), ask=ask, warning="its row is damaged: x"))
    assert made.status.restore is not None
    assert made.status.restore.message.endswith("; its row is damaged: x")


@pytest.mark.parametrize("other", [asked(source=Source(checkpoint_name="other")), asked(force=True)], ids=str)
def test_what_was_found_for_another_question_is_no_answer(other: Restore) -> None:
    made = planned(fork(), restore=found(KEPT, ask=other))
    assert (made.after, made.urgency) == ((FetchCheckpoint(asked()),), Urgency.NONE)


def test_what_else_a_restore_asks_for_does_not_make_it_another_question() -> None:
    made = planned(fork(asked("a", request_id="r")), restore=found(KEPT, JobRecord("b")))
    assert made.status.started_at == NOW


# --- A fork: refused, planned, waiting -------------------------------------------------------------------------------

UNSAFE = (job("a"), job("b", "a", replay=Replay.UNSAFE))
EDITED = (job("a", digest="new"), job("b", "a"))


@pytest.mark.parametrize(
    ("jobs", "ask", "given", "reason"),
    [
        param(CHAIN, asked(), missing(), names.CHECKPOINT_NOT_FOUND, id="no checkpoint"),
        param(CHAIN, asked(), missing(names.CHECKPOINT_DAMAGED), names.CHECKPOINT_DAMAGED, id="a damaged one"),
        param(EDITED, asked(), found(KEPT, JobRecord("b")), "CompletedJobEdited", id="a completed job was edited"),
        param(UNSAFE, asked(), found(KEPT, running("b")), "UnsafeRerun", id="an unsafe rerun"),
        param((EDITED[0], UNSAFE[1]), asked(), found(KEPT, running("b")), names.PLAN_REFUSED, id="for several reasons"),
        param(CHAIN, asked(plan_digest="x" * 64), found(KEPT, JobRecord("b")), names.PLAN_CHANGED, id="another plan"),
    ],
)
def test_a_fork_that_cannot_begin_says_why_and_starts_nothing(
    jobs: tuple[JobSpec, ...], ask: Restore, given: Found | NotFound, reason: str
) -> None:
    before = fork(ask, *jobs)
    made = planned(before, restore=given)
    assert (step(made), condition(made)) == ((Step.REFUSED, reason), (False, reason))
    assert (made.status.phase, made.status.reason, made.status.started_at) == (Phase.PENDING, reason, None)
    assert (states(made), actions(made), made.before) == ({}, [], ())
    assert told(made) == ["RestoreRefused"] and made.notes[0].warning
    assert planned(applied(before, made), restore=given).idle, "and says it once"


def test_a_refusal_lists_every_problem_and_keeps_the_plan() -> None:
    made = planned(fork(None, EDITED[0], UNSAFE[1]), restore=found(KEPT, running("b")))
    assert made.status.restore is not None and made.status.restore.plan is not None
    assert [line.split(":")[0] for line in made.status.restore.message.splitlines()] == ["b", "a"][::-1]
    assert len(made.status.restore.plan.problems) == 2
    assert [j.id for j in made.status.restore.plan.jobs] == ["a", "b"]


def test_a_refusal_of_very_many_problems_is_cut_and_counts_them() -> None:
    jobs = tuple(job(f"j{n:03}", digest="new") for n in range(100))
    old = tuple(replace(j, digest=j.id) for j in jobs)
    made = planned(fork(None, *jobs), restore=found(*(done(j.id) for j in jobs), jobs=old))
    assert made.status.restore is not None and made.status.restore.plan is not None
    lines = made.status.restore.message.splitlines()
    assert len(made.status.restore.message) < 2100
    assert lines[-1] == f"… {100 - len(lines) + 1} more of 100; see status.restore.plan"
    assert len(made.status.restore.plan.problems) == 100


def test_an_answer_stands_until_the_spec_is_edited() -> None:
    before = fork(None, *EDITED)
    refused = applied(before, planned(before, restore=found(KEPT, JobRecord("b"))))
    assert planned(refused, restore=None).idle, "its checkpoint is not even read again"
    named = replace(refused, generation=2, spec=spec(*EDITED, restore=asked("a")))
    assert planned(named, restore=None).after == (FetchCheckpoint(asked("a")),)
    made = planned(named, restore=found(KEPT, JobRecord("b")))
    assert (made.status.started_at, states(made)) == (NOW, {"a": "Running", "b": "Pending"})
    assert told(made) == ["Launched", "Forked"]


PASSING = [
    names.CHECKPOINT_NOT_FOUND, names.CHECKPOINT_NOT_READY, names.DATABASE_UNAVAILABLE, names.DATABASE_READ_ONLY,
    names.DATABASE_FULL, names.NOT_MIGRATED,
]  # fmt: skip


@pytest.mark.parametrize("reason", PASSING)
def test_what_may_pass_is_looked_for_again_when_its_time_comes(reason: str) -> None:
    before = fork()
    later = missing(reason, after(10))
    made = planned(before, restore=later)
    assert (made.after, made.requeue_after) == ((), 10)
    waits = applied(before, made)
    due = planned(waits, now=after(10), restore=later)
    assert (due.after, due.urgency) == ((FetchCheckpoint(asked()),), Urgency.NONE)
    assert planned(waits, now=after(11), restore=found(KEPT, JobRecord("b"))).status.started_at == after(11)


def test_a_dry_run_tells_the_plan_and_begins_nothing() -> None:
    ask = asked(dry_run=True)
    before = fork(ask)
    made = planned(before, restore=found(KEPT, JobRecord("b"), ask=ask))
    assert (step(made), condition(made)) == ((Step.PLANNED, names.DRY_RUN), (False, names.DRY_RUN))
    assert (made.status.phase, made.status.started_at, actions(made)) == (Phase.PENDING, None, [])
    assert made.status.restore is not None and made.status.restore.plan is not None
    assert [(j.id, j.verdict) for j in made.status.restore.plan.jobs] == [("a", "Keep"), ("b", "Run")]
    assert told(made) == ["RestorePlanned"]
    assert planned(applied(before, made), restore=None).idle


def test_a_dry_run_tells_what_would_be_refused() -> None:
    ask = asked(dry_run=True)
    made = planned(fork(ask, *EDITED), restore=found(KEPT, JobRecord("b"), ask=ask))
    assert step(made) == (Step.REFUSED, "CompletedJobEdited")


def test_the_plan_that_was_looked_at_is_carried_out_and_no_other() -> None:
    ask, given = asked(dry_run=True), found(KEPT, JobRecord("b"))
    before = fork(ask)
    seen = planned(before, restore=given)
    assert seen.status.restore is not None and seen.status.restore.plan is not None
    agreed = asked(plan_digest=seen.status.restore.plan.digest)
    wanted = replace(applied(before, seen), generation=2, spec=spec(*CHAIN, restore=agreed))
    assert planned(wanted, restore=given).status.started_at == NOW
    changed = planned(wanted, restore=found(KEPT, running("b")))
    assert step(changed) == (Step.REFUSED, names.PLAN_CHANGED)
    assert "its digest is " in changed.status.restore.message


def test_a_dry_run_does_not_mind_an_old_digest() -> None:
    ask = asked(dry_run=True, plan_digest="x" * 64)
    assert step(planned(fork(ask), restore=found(KEPT, JobRecord("b"), ask=ask))) == (Step.PLANNED, names.DRY_RUN)


# --- A fork: paused, cancelled ---------------------------------------------------------------------------------------


def test_a_paused_fork_begins_and_starts_nothing() -> None:
    made = planned(fork(spec_paused=True), restore=found(KEPT, JobRecord("b")))
    assert (states(made), of_kind(made, Launch)) == ({"a": "Completed", "b": "Pending"}, [])
    assert made.status.pause is not None and made.status.pause.phase is PausePhase.PAUSED
    assert step(made) == (Step.DONE, names.FORKED)


def test_a_fork_that_waits_shows_that_it_is_paused() -> None:
    made = planned(fork(spec_paused=True), restore=missing())
    assert made.status.pause is not None and made.status.pause.phase is PausePhase.PAUSED


def test_the_clock_of_a_fork_that_was_paused_before_it_began_stands_from_its_beginning() -> None:
    before = fork(spec_paused=True, spec_timeout_seconds=100)
    waits = applied(before, planned(before, restore=missing()))
    made = planned(waits, now=after(3600), restore=found(KEPT, JobRecord("b")))
    began = applied(waits, made)
    resumed = replace(began, generation=2, spec=replace(began.spec, paused=False) if began.spec else None)
    goes_on = planned(resumed, now=after(3700))
    assert goes_on.status.paused_millis == 100_000


def test_a_pause_that_ends_in_the_moment_of_the_beginning_still_ends() -> None:
    before = fork(spec_paused=True, spec_pause=Pause(until=after(60)))
    waits = applied(before, planned(before, restore=missing()))
    made = planned(waits, now=after(61), restore=found(KEPT, JobRecord("b")))
    assert SetPaused(False) in made.after


def test_a_fork_that_is_cancelled_while_it_waits_ends_there() -> None:
    before = fork(spec_cancel=Cancel("c1", "never mind"), spec_ttl_seconds_after_finished=10)
    made = planned(before, restore=found(KEPT, JobRecord("b")))
    assert (made.status.phase, made.status.jobs, made.before) == (Phase.CANCELLED, {}, ())
    assert [(a.id, a.outcome, a.message) for a in made.status.requests] == [("c1", "Done", "never mind")]
    ended = applied(before, made)
    assert planned(ended, restore=found(KEPT, JobRecord("b"))).idle
    assert of_kind(planned(ended, now=after(11)), DeleteExecution)


def test_repairs_that_were_copied_from_the_original_are_not_done_again() -> None:
    requests = (Request("old", RequestType.RETRY, "a"), Request("new", RequestType.RETRY, "a"))
    known = (Acknowledged("old", "Retry", OLD, "Done", "a"),)
    done_ = found(KEPT, JobRecord("b"), requests=known)
    made = planned(fork(spec_requests=requests[:1]), restore=done_)
    assert [(a.id, a.outcome, a.message) for a in made.status.requests] == [
        ("old", "Refused", "answered before the fork, in original")
    ]
    assert states(made) == {"a": "Completed", "b": "Running"}
    assert states(planned(fork(spec_requests=requests), restore=done_))["a"] == "Running", "a new one is done"


# --- A fork: its jobs come from the checkpoint -----------------------------------------------------------------------

HELD = {"jobs": [{"id": "a", "image": "x"}, {"id": "b", "image": "x", "dependsOn": ["a"]}], "params": {"n": 1}}


def borrowing(**fields: Any) -> Execution:
    return fork(borrows_jobs=True, **fields)


def without_jobs(before: Execution) -> Execution:
    """As it is after a restart: the jobs that it has from a checkpoint have not been read."""
    assert before.spec is not None
    return replace(before, lacks_jobs=True, spec=replace(before.spec, jobs=()))


def test_the_jobs_of_a_checkpoint_are_held_by_the_fork_itself() -> None:
    made = planned(borrowing(), restore=found(KEPT, JobRecord("b"), spec=HELD | {"paused": True}))
    results, configs = of_kind(made, SavePack)
    assert packs.read_configs(configs.manifest) == HELD
    restored = made.status.restored_from
    assert restored is not None
    assert restored.configs == packs.name_of(configs.manifest)
    assert restored.packs == (packs.name_of(results.manifest),)


def test_a_fork_without_jobs_of_a_checkpoint_without_jobs_is_refused_and_does_not_succeed_in_nothing() -> None:
    """The checkpoint is of a fork that had not begun, and takes its own jobs from another one."""
    before = borrowing()
    assert before.spec is not None
    before = replace(before, spec=replace(before.spec, jobs=()))
    made = planned(before, restore=found(jobs=(), spec={"restoreFrom": {"checkpointName": "other"}}))
    assert step(made) == (Step.REFUSED, names.CHECKPOINT_HOLDS_NOTHING)
    assert (made.status.phase, made.status.started_at, made.before) == (Phase.PENDING, None, ())


def test_after_a_restart_the_jobs_are_read_before_anything_else() -> None:
    began = applied(borrowing(), planned(borrowing(), restore=found(KEPT, JobRecord("b"), spec=HELD)))
    assert began.status.restored_from is not None
    made = planned(without_jobs(began), kube_job("b"), succeeded("b"))
    assert made.after == (FetchJobs(began.status.restored_from.configs),)
    assert made.before == ()
    assert states(planned(began, kube_job("b"), succeeded("b"))) == {"a": "Completed", "b": "Completed"}


def test_while_the_jobs_are_read_no_record_changes() -> None:
    waits = JobRecord("c", JobState.PENDING, 2, names.ERROR, "code 1", failures=1, retry_at=after(30))
    granted = JobRecord("d", extra_retries=2)
    restored = RestoredFrom(Mode.FORK, ELSEWHERE, EARLIER, 1, configs="configs")
    progress = Progress(Mode.FORK, Step.DONE, 1, EARLIER, reason=names.FORKED, origin=ELSEWHERE)
    jobs = (*CHAIN, job("c"), job("d"))
    given = execution(
        spec(*jobs, restore=asked()), KEPT, running("b"), waits, granted, borrows_jobs=True,
        status_restored_from=restored, status_restore=progress,
    )  # fmt: skip
    made = planned(without_jobs(given), kube_job("b"), kube_pod("b"))
    assert dict(made.status.jobs) == dict(given.status.jobs)


def test_jobs_that_are_lost_are_told_and_nothing_starts() -> None:
    began = applied(borrowing(), planned(borrowing(), restore=found(KEPT, JobRecord("b"), spec=HELD)))
    assert began.status.restored_from is not None
    made = planned(without_jobs(began), lost=frozenset({began.status.restored_from.configs}))
    assert (made.status.reason, actions(made)) == (names.JOBS_LOST, [])
    assert "write them into spec.jobs" in made.status.message
    assert states(made) == states(planned(began))


@pytest.mark.parametrize("restored", [None, RestoredFrom(Mode.FORK, ELSEWHERE, EARLIER, 0)], ids=["none", "other"])
def test_jobs_taken_out_of_the_spec_of_what_never_held_any_are_lost(restored: RestoredFrom | None) -> None:
    given = execution(
        spec(restore=asked()), ended("a"), borrows_jobs=True, lacks_jobs=True, status_restored_from=restored,
        status_restore=Progress(Mode.FORK, Step.DONE, 1, EARLIER),
    )  # fmt: skip
    assert planned(given).status.reason == names.JOBS_LOST


# --- Kept results ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("launched", "with_packs", "expected"),
    [
        param(OLD, ("p1", "p2"), FetchPacks(("p1", "p2"), frozenset({OUT.digest})), id="kept: from the packs"),
        param(EARLIER, ("p1", "p2"), FetchResult(name_of("a"), OUT.digest), id="its own: from the result"),
        param(OLD, (), FetchResult(name_of("a"), OUT.digest), id="of an execution that has kept nothing"),
        param(None, ("p1",), FetchResult(name_of("a"), OUT.digest), id="never launched"),
    ],
)
@pytest.mark.parametrize("finished", [OLD, NOW], ids=["a node whose clock is late", "a node whose clock is early"])
def test_where_the_outputs_of_a_dependency_are_read(
    launched: datetime | None, finished: datetime, with_packs: tuple[str, ...], expected: FetchPacks | FetchResult
) -> None:
    made_by = {"launched_at": launched, "finished_at": finished}
    restored = RestoredFrom(Mode.FORK, ELSEWHERE, EARLIER, 1, packs=with_packs)
    given = execution(
        spec(*CHAIN, restore=asked()), done("a", result=OUT.digest, **made_by), status_restored_from=restored
    )  # fmt: skip
    made = planned(given)
    assert made.after == (expected,)
    assert states(made) == {"a": "Completed", "b": "Pending"}
    assert states(planned(given, outputs={OUT.digest: OUT}))["b"] == "Running"


def test_kept_results_that_are_lost_fail_what_needs_them() -> None:
    restored = RestoredFrom(Mode.FORK, ELSEWHERE, EARLIER, 1, packs=("p1",))
    given = execution(spec(*CHAIN, restore=asked()), done("a", result=OUT.digest), status_restored_from=restored)
    made = planned(given, lost=frozenset({OUT.digest}))
    assert (made.status.jobs["b"].state, made.status.jobs["b"].reason) == (JobState.FAILED, names.INPUT_LOST)


# --- A rewind: up to the commit point --------------------------------------------------------------------------------

REWIND = asked(request_id="r1")


def back_to(*records_: JobRecord, ask: Restore = REWIND, **fields: Any) -> Found:
    """An own checkpoint."""
    return found(*records_, ask=ask, origin=OWN, **fields)


def rewinding(*records_: JobRecord, ask: Restore | None = REWIND, jobs: tuple[JobSpec, ...] = CHAIN,
              **fields: Any) -> Execution:  # fmt: skip
    """A started execution that is asked to go back."""
    given = {name.removeprefix("spec_"): fields.pop(name) for name in list(fields) if name.startswith("spec_")}
    begun = {"status_started_at": OLD, "spec_digest": "spec"}
    return execution(spec(*jobs, restore=ask, **given), *records_, **begun | fields)


def edited(before: Execution, ask: Restore | None = REWIND, **fields: Any) -> Execution:
    assert before.spec is not None
    return replace(before, generation=before.generation + 1, spec=replace(before.spec, restore=ask, **fields))


def undo_of(made: Plan) -> Pending:
    """The checkpoint of the state before that a plan asks for."""
    [take] = of_kind(made, TakeCheckpoint)
    assert take.pending in made.status.checkpointing.pending
    assert isinstance(take.pending, Pending)
    return take.pending


def taken(pending: Pending, before: Execution, phase: str = objects.READY) -> CheckpointObject:
    """The object of that checkpoint, which holds the state that is stored now."""
    digest = state_digest(before.spec_digest, before.status)
    status: dict[str, Any] = {"phase": phase, "executionUid": IDENTITY.uid}
    if phase == objects.READY:
        status |= {"checkpointId": checkpoint_id(NOW, pending.name), "createdAt": format_time(NOW),
                   "digest": "0", "stateDigest": digest, "endedJobs": 1}  # fmt: skip
    if phase == objects.FAILED:
        status["conditions"] = [{"type": "Ready", "status": "False", "reason": "ResultLost", "message": "gone"}]
    body = objects.manifest(IDENTITY, pending.name, Trigger.MANUAL, pending.label, {}, guarded=False)
    body["metadata"] |= {"uid": "uid-undo", "resourceVersion": "5", "creationTimestamp": format_time(NOW)}
    return objects.view(body | {"status": status})


def seen(*checkpoints: CheckpointObject) -> dict[str, Any]:
    return {"checkpoints": {c.name: c for c in checkpoints}}


def prepared(before: Execution, given: Found, *things: Any, **fields: Any) -> tuple[Execution, CheckpointObject]:
    """The execution once its rewind is being prepared, and the checkpoint of the state before it."""
    made = planned(before, *things, restore=given, **fields)
    assert step(made) == (Step.PREPARING, names.RESTORING)
    stored = applied(before, made)
    return stored, taken(undo_of(made), stored)


def committed(before: Execution, given: Found, *things: Any) -> tuple[Execution, Plan]:
    """The execution once its rewind is committed, and the plan that did it."""
    stored, undo = prepared(before, given, *things)
    made = planned(stored, *things, restore=given, **seen(undo))
    assert step(made) == (Step.STOPPING, names.RESTORING)
    return applied(stored, made), made


def rewound(before: Execution, given: Found, *things: Any, now: datetime = NOW) -> Plan:
    """The plan that swaps the records of an execution of which nothing runs."""
    stored, _ = committed(before, given, *things)
    made = planned(stored, *things, now=now)
    assert step(made) == (Step.DONE, names.REWOUND)
    return made


THREE = (*CHAIN, job("c", "b"))
BOTH_DONE = (done("a"), done("b", finished_at=EARLIER))
TO_B = back_to(done("a"), JobRecord("b"))


def test_a_rewind_waits_for_its_checkpoint_and_launches_nothing_meanwhile() -> None:
    made = planned(rewinding(done("a"), JobRecord("b")))
    assert (made.after, states(made)) == ((FetchCheckpoint(REWIND),), {"a": "Completed", "b": "Pending"})
    assert made.status.restore is None


def test_before_anything_changes_the_state_is_saved() -> None:
    before = rewinding(*BOTH_DONE)
    made = planned(before, restore=TO_B)
    assert (step(made), condition(made)) == ((Step.PREPARING, names.RESTORING), (False, names.RESTORING))
    undo = undo_of(made)
    assert (undo.trigger, undo.label) == (Trigger.MANUAL, "Before the rewind r1")
    assert made.status.restore is not None and made.status.restore.undo == undo.name
    assert states(made) == {"a": "Completed", "b": "Completed"}
    assert made.status.phase is Phase.SUCCEEDED
    again = planned(applied(before, made), restore=TO_B)
    assert (again.urgency, actions(again)) == (Urgency.NONE, ["TakeCheckpoint"]), "asked for until it is there"


def test_while_it_is_prepared_what_runs_goes_on_and_nothing_starts() -> None:
    jobs = (*CHAIN, job("c"))
    before = rewinding(done("a"), JobRecord("b"), running("c"), jobs=jobs)
    made = planned(before, kube_job("c"), kube_pod("c"), restore=back_to(*map(JobRecord, "abc"), jobs=jobs))
    assert (states(made), of_kind(made, Launch), of_kind(made, StopJob)) == (
        {"a": "Completed", "b": "Pending", "c": "Running"}, [], [],
    )  # fmt: skip


def test_what_has_waited_goes_on_once_a_rewind_is_refused() -> None:
    """No event will tell of the refusal: it would wait until everything is looked at again."""
    before = rewinding(done("a"), JobRecord("b"))
    made = planned(before, restore=NotFound(Wanted.by(REWIND), names.CHECKPOINT_NOT_FOUND, "none"))
    assert (step(made)[0], states(made)["b"], made.requeue_after) == (Step.REFUSED, "Pending", 0)
    again = planned(applied(before, made))
    assert (states(again)["b"], again.requeue_after) == ("Running", None)


def test_a_job_that_ends_meanwhile_leads_to_another_checkpoint() -> None:
    given = back_to(JobRecord("a"), JobRecord("b"))
    stored, undo = prepared(rewinding(done("a"), running("b")), given, kube_job("b"), kube_pod("b"))
    made = planned(stored, kube_job("b"), succeeded("b"), restore=given, **seen(undo))
    assert step(made) == (Step.PREPARING, names.RESTORING)
    assert undo_of(made).name != undo.name
    assert states(made)["b"] == "Completed"
    last = applied(stored, made)
    done_ = planned(last, kube_job("b"), restore=given, **seen(undo, taken(undo_of(made), last)))
    assert step(done_)[0] is Step.STOPPING
    assert done_.status.restore is not None and done_.status.restore.undo == undo_of(made).name


def test_a_checkpoint_of_another_state_under_that_name_is_not_enough() -> None:
    stored, undo = prepared(rewinding(*BOTH_DONE), TO_B)
    made = planned(stored, restore=TO_B, **seen(replace(undo, state_digest="other")))
    assert step(made)[0] is Step.PREPARING


def test_the_undo_of_another_request_is_another_checkpoint() -> None:
    first = undo_of(planned(rewinding(*BOTH_DONE), restore=TO_B))
    ask = asked(request_id="r2")
    assert undo_of(planned(rewinding(*BOTH_DONE, ask=ask), restore=TO_B)).name != first.name


def test_an_edit_while_it_is_prepared_leads_to_another_plan() -> None:
    stored, undo = prepared(rewinding(*BOTH_DONE), TO_B)
    named = asked("a", request_id="r1")
    made = planned(edited(stored, named), restore=TO_B, **seen(undo))
    assert made.status.restore is not None and made.status.restore.plan is not None
    assert made.status.restore.plan.jobs[0].reason == "Named"
    assert made.status.requests == ()


# --- A rewind: refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "given", "jobs", "reason"),
    [
        param(REWIND, missing(), CHAIN, names.CHECKPOINT_NOT_FOUND, id="no checkpoint"),
        param(REWIND, found(done("a"), JobRecord("b")), CHAIN, names.OTHER_EXECUTION, id="of another execution"),
        param(REWIND, TO_B, EDITED, "CompletedJobEdited", id="its plan has a problem"),
        param(asked(request_id="r1", plan_digest="x"), TO_B, CHAIN, names.PLAN_CHANGED, id="another plan"),
    ],
)
def test_a_rewind_that_cannot_be_is_refused_for_good(
    ask: Restore, given: Found | NotFound, jobs: tuple[JobSpec, ...], reason: str
) -> None:
    before = rewinding(*BOTH_DONE, ask=ask, jobs=jobs)
    made = planned(before, restore=given)
    assert (step(made), condition(made)) == ((Step.REFUSED, reason), (False, reason))
    [answer] = made.status.requests
    assert (answer.id, answer.type, answer.outcome) == ("r1", "Restore", "Refused")
    assert answer.message.startswith(f"{reason}: ")
    assert "RestoreRefused" in told(made)
    assert made.status.restore is not None and made.status.restore.mode is Mode.REWIND
    stored = applied(before, made)
    assert of_kind(planned(stored, restore=TO_B), TakeCheckpoint) == [], "a known id never acts again"
    assert planned(stored).idle


def test_what_was_refused_lets_launches_go_on() -> None:
    before = rewinding(done("a"), JobRecord("b"))
    made = planned(before, restore=missing())
    assert states(planned(applied(before, made)))["b"] == "Running"


def test_without_a_new_request_id_a_started_execution_is_refused() -> None:
    before = rewinding(done("a"), JobRecord("b"), ask=asked())
    made = planned(before)
    assert (step(made), made.status.requests) == ((Step.REFUSED, names.REQUEST_ID_MISSING), ())
    assert states(made)["b"] == "Running", "and goes on"
    again = planned(applied(before, made), kube_job("b"), kube_pod("b"))
    assert again.status.restore == made.status.restore


def test_a_known_request_id_never_acts_again() -> None:
    answered = (Acknowledged("r1", "Restore", EARLIER),)
    made = planned(rewinding(done("a"), JobRecord("b"), status_requests=answered), restore=TO_B)
    assert (made.status.restore, states(made)["b"]) == (None, "Running")


@pytest.mark.parametrize("request_id", ["", "r0"])
def test_what_a_fork_was_begun_with_is_no_rewind(request_id: str) -> None:
    ask = asked(request_id=request_id)
    before = fork(ask)
    began = applied(before, planned(before, restore=found(KEPT, JobRecord("b"))))
    made = planned(began, kube_job("b"), kube_pod("b"), restore=TO_B)
    assert (step(made), of_kind(made, TakeCheckpoint)) == ((Step.DONE, names.FORKED), [])


def test_a_source_that_is_not_what_it_was_forked_by_needs_a_request_id() -> None:
    """Silence would be taken for a rewind that has taken place: the condition Restored is True already."""
    before = fork()
    began = applied(before, planned(before, restore=found(KEPT, JobRecord("b"))))
    ask = Restore(Source(checkpoint_name="another"))
    made = planned(edited(began, ask), kube_job("b"), kube_pod("b"))
    assert (step(made), condition(made)[0]) == ((Step.REFUSED, names.REQUEST_ID_MISSING), False)


def test_a_fork_goes_back_to_a_checkpoint_of_its_own() -> None:
    before = fork()
    began = applied(before, planned(before, restore=found(KEPT, JobRecord("b"))))
    made = planned(edited(began), kube_job("b"), kube_pod("b"), restore=TO_B)
    assert step(made) == (Step.PREPARING, names.RESTORING)
    elsewhere = planned(edited(began), kube_job("b"), kube_pod("b"), restore=found(KEPT, ask=REWIND))
    assert step(elsewhere) == (Step.REFUSED, names.OTHER_EXECUTION), "not to one of what it was forked from"


def test_the_latest_checkpoint_of_a_dry_run_is_looked_for_again_by_the_real_one() -> None:
    """Only once a rewind is being prepared is it fixed, since the next one is the one before the rewind itself."""
    latest = Source(latest_of="sample")
    before = rewinding(*BOTH_DONE, ask=asked(source=latest, request_id="r1", dry_run=True))
    ask = asked(source=latest, request_id="r1")
    made = planned(before, restore=back_to(done("a"), JobRecord("b"), ask=ask))
    assert step(made)[0] is Step.PLANNED
    real = planned(edited(applied(before, made), ask))
    assert of_kind(real, FetchCheckpoint) == [FetchCheckpoint(ask)]


def test_what_a_finished_fork_came_to_is_told_also_when_its_jobs_are_lost() -> None:
    restored = RestoredFrom(Mode.FORK, ELSEWHERE, OLD, 0, configs="configs")
    over = {"status_phase": Phase.SUCCEEDED, "status_finished_at": EARLIER, "status_reason": names.ALL_JOBS_DONE}
    before = rewinding(*BOTH_DONE, ask=asked(), borrows_jobs=True, status_restored_from=restored, **over)
    assert planned(without_jobs(before), lost=frozenset({"configs"})).status.reason == names.ALL_JOBS_DONE


def test_a_dry_run_of_a_rewind_tells_the_plan_and_answers_nothing() -> None:
    ask = asked(request_id="r1", dry_run=True)
    before = rewinding(done("a"), done("b"), ask=ask)
    made = planned(before, restore=TO_B)
    assert (step(made), made.status.requests) == ((Step.PLANNED, names.DRY_RUN), ())
    assert (states(made), of_kind(made, TakeCheckpoint)) == ({"a": "Completed", "b": "Completed"}, [])
    stored = applied(before, made)
    assert planned(stored, restore=None).idle
    for_real = planned(edited(stored), restore=TO_B)
    assert step(for_real) == (Step.PREPARING, names.RESTORING), "the same request then goes ahead"


def test_a_dry_run_that_would_be_refused_answers_nothing_either() -> None:
    ask = asked(request_id="r1", dry_run=True)
    made = planned(rewinding(*BOTH_DONE, ask=ask, jobs=EDITED), restore=TO_B)
    assert (step(made), made.status.requests) == ((Step.REFUSED, "CompletedJobEdited"), ())


def test_a_dry_run_keeps_no_launch_waiting() -> None:
    ask = asked(request_id="r1", dry_run=True)
    assert states(planned(rewinding(done("a"), JobRecord("b"), ask=ask)))["b"] == "Running"


@pytest.mark.parametrize(
    ("force", "expected"),
    [(False, (Step.REFUSED, names.UNDO_NOT_SAVED)), (True, (Step.STOPPING, names.RESTORING))],
    ids=["refused", "force goes without"],
)
def test_when_the_state_before_cannot_be_saved(force: bool, expected: tuple[Step, str]) -> None:
    ask = asked(request_id="r1", force=force)
    given = back_to(done("a"), JobRecord("b"), ask=ask)
    stored, undo = prepared(rewinding(*BOTH_DONE, ask=ask), given)
    made = planned(stored, restore=given, **seen(replace(undo, phase=objects.FAILED, ready=("ResultLost", "gone"))))
    assert step(made) == expected
    assert made.status.restore is not None
    assert made.status.restore.undo == ""
    assert ("ResultLost: gone" in made.status.restore.message) is not force


# --- A rewind: withdrawn, cancelled ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "goes_on"),
    [
        param(None, "Running", id="none is asked for"),
        param(asked(request_id="r2"), "Pending", id="another request"),
        param(asked(), "Running", id="without a request id"),
        param(asked(request_id="r2", dry_run=True), "Running", id="a dry run of another request"),
    ],
)
def test_a_rewind_that_is_withdrawn_has_changed_nothing(ask: Restore | None, goes_on: str) -> None:
    stored, undo = prepared(rewinding(done("a"), JobRecord("b")), TO_B)
    made = planned(edited(stored, ask), restore=TO_B, **seen(undo))
    [answer] = made.status.requests
    assert (answer.id, answer.outcome, answer.message.split(":")[0]) == ("r1", "Refused", names.WITHDRAWN)
    assert states(made) == {"a": "Completed", "b": goes_on}
    assert made.status.epoch == 0


def test_a_rewind_that_becomes_a_dry_run_is_withdrawn_but_may_still_be_asked_for() -> None:
    stored, undo = prepared(rewinding(done("a"), JobRecord("b")), TO_B)
    dry = asked(request_id="r1", dry_run=True)
    made = planned(edited(stored, dry), restore=TO_B, **seen(undo))
    assert (step(made), made.status.requests) == ((Step.PLANNED, names.DRY_RUN), ())


def test_a_newer_request_is_prepared_in_its_place() -> None:
    stored, undo = prepared(rewinding(*BOTH_DONE), TO_B)
    made = planned(edited(stored, asked(request_id="r2")), restore=TO_B, **seen(undo))
    assert made.status.restore is not None
    assert (made.status.restore.request_id, step(made)[0]) == ("r2", Step.PREPARING)
    assert [r.id for r in made.status.requests] == ["r1"]


@pytest.mark.parametrize("record", [JobRecord("b"), running("b")], ids=["nothing runs", "something runs"])
def test_a_cancel_before_the_commit_point_withdraws_it(record: JobRecord) -> None:
    things = (kube_job("b"), kube_pod("b")) if record.running else ()
    stored, undo = prepared(rewinding(done("a"), record), TO_B, *things)
    made = planned(edited(stored, cancel=Cancel("c1")), *things, restore=TO_B, **seen(undo))
    assert step(made) == (Step.REFUSED, names.WITHDRAWN)
    assert [(r.id, r.outcome) for r in made.status.requests] == [("c1", "Done"), ("r1", "Refused")]
    assert made.status.cancel is not None
    assert made.status.epoch == 0


def test_a_cancel_of_before_is_spent_by_the_rewind() -> None:
    cancelled = rewinding(
        done("a"), skipped("b", names.CANCELLED), status_phase=Phase.CANCELLED, status_finished_at=EARLIER,
        status_cancel=CancelState("c1", "", EARLIER), status_requests=(Acknowledged("c1", "Cancel", EARLIER),),
        spec_cancel=Cancel("c1"),
    )  # fmt: skip
    made = rewound(cancelled, TO_B)
    assert (made.status.cancel, made.status.phase, made.status.finished_at) == (None, Phase.RUNNING, None)
    stored = applied(cancelled, made)
    assert states(planned(stored))["b"] == "Running", "and is not acted upon again"


def test_a_cancel_after_the_commit_point_acts_after_the_swap() -> None:
    given = back_to(done("a"), JobRecord("b"))
    stored, _ = committed(rewinding(done("a"), running("b")), given, kube_job("b"), kube_pod("b"))
    stopping = planned(edited(stored, cancel=Cancel("c1")), kube_job("b"), kube_pod("b"))
    assert (stopping.status.cancel, step(stopping)[0]) == (None, Step.STOPPING)
    assert of_kind(stopping, StopJob) == [StopJob(name_of("b"), "job-b")]
    gone = kube_pod("b", phase="Failed", exit_code=143, finished_at=NOW)
    swapped = planned(edited(stored, cancel=Cancel("c1")), kube_job("b", suspended=True, parallelism=0), gone)
    assert (swapped.status.cancel, step(swapped)) == (None, (Step.DONE, names.REWOUND))
    last = edited(applied(stored, swapped), cancel=Cancel("c1"))
    made = planned(last, kube_job("b", suspended=True, parallelism=0), gone)
    assert (made.status.phase, states(made)) == (Phase.CANCELLED, {"a": "Completed", "b": "Skipped"})


# --- A rewind: from the commit point on ------------------------------------------------------------------------------


def test_one_write_holds_all_that_it_goes_back_to() -> None:
    stored, made = committed(rewinding(*BOTH_DONE), back_to(done("a"), JobRecord("b"), paused_millis=100_000))
    assert made.status.restore is not None
    target = records.from_text(made.status.restore.target)
    assert target == records.Target((done("a"),), 500_000, 1)
    assert (made.urgency, "Rewinding" in told(made)) == (Urgency.NOW, True)
    assert (made.status.epoch, states(made)) == (0, {"a": "Completed", "b": "Completed"})
    assert stored.status.restore == made.status.restore


def test_from_there_on_it_completes_without_checkpoint_and_whatever_is_asked_for() -> None:
    stored, _ = committed(rewinding(*BOTH_DONE), TO_B)
    for ask in (None, asked(request_id="r2"), REWIND):
        made = planned(edited(stored, ask), restore=missing())
        assert (step(made), made.status.epoch) == ((Step.DONE, names.REWOUND), 1)
        assert [(r.id, r.outcome) for r in made.status.requests] == [("r1", "Done")]


def test_what_is_not_kept_is_stopped_first_and_what_may_go_on_does() -> None:
    jobs = (job("a"), job("b"))
    before = rewinding(running("a"), running("b", 2, uid="job-b"), jobs=jobs)
    things = [kube_job("a"), kube_pod("a"), kube_job("b", 2), kube_pod("b", 2)]
    stored, made = committed(before, back_to(running("a"), running("b"), jobs=jobs), *things)
    assert {r.id: r.stopping for r in made.status.jobs.values()} == {"a": None, "b": Stopping.REWIND}
    assert of_kind(made, StopJob) == [], "nothing is stopped before that is written"
    stopping = planned(stored, *things)
    assert of_kind(stopping, StopJob) == [StopJob(name_of("b", 2), "job-b")]
    assert step(stopping)[0] is Step.STOPPING
    ended_ = [*things[:2], kube_job("b", 2, suspended=True, parallelism=0), crashed("b", 137)]
    ended_[-1] = replace(ended_[-1], job_name=name_of("b", 2))
    swapped = planned(stored, *ended_)
    assert step(swapped)[0] is Step.DONE
    assert swapped.status.jobs["a"] == stored.status.jobs["a"], "it goes on under its own number"
    assert swapped.status.jobs["b"] == JobRecord("b", used=2)
    again = planned(applied(stored, swapped), *ended_)
    assert again.status.jobs["b"].attempt == 3
    assert of_kind(again, StopJob) == []


@pytest.mark.parametrize(
    ("pod", "state"),
    [(succeeded("a"), "Completed"), (crashed("a"), "Failed")],
    ids=["completes", "fails"],
)
def test_what_goes_on_may_end_while_others_are_stopped(pod: Any, state: str) -> None:
    jobs = (job("a"), job("b"))
    things = (kube_job("a"), kube_pod("a"), kube_job("b"), kube_pod("b"))
    given = back_to(running("a"), JobRecord("b"), jobs=jobs)
    stored, _ = committed(rewinding(running("a"), running("b"), jobs=jobs), given, *things)
    made = planned(stored, kube_job("a"), pod, kube_job("b", suspended=True, parallelism=0), crashed("b", 143))
    assert (step(made)[0], states(made)) == (Step.DONE, {"a": state, "b": "Pending"})


def test_an_intent_that_was_never_created_is_given_up_once_that_is_known() -> None:
    before = rewinding(done("a"), running("b", uid="", reason=names.LAUNCHING))
    things: tuple[Any, ...] = ()
    given = back_to(JobRecord("a"), JobRecord("b"))
    stored, _ = committed(before, given, *things)
    made = planned(stored)
    [launch] = of_kind(made, Launch)
    assert launch.manifest["spec"]["suspend"] is True, "its create may be under way: the name is taken, suspended"
    held = kube_job("b", suspended=True, held_at=1)
    assert of_kind(planned(stored, held), StopJob) == [StopJob(name_of("b"), "job-b")]


@pytest.mark.parametrize("stopping", [None, Stopping.CANCEL], ids=["running", "cancelled before"])
def test_an_intent_whose_create_is_refused_is_settled_by_a_rewind_and_never_given_up(stopping: Stopping | None) -> None:
    """Another create may be under way: it must find the name taken before the job runs again."""
    before = rewinding(done("a"), running("b", uid="", stopping=stopping))
    stored, _ = committed(before, back_to(JobRecord("a"), JobRecord("b")))
    for seconds, expected in ((5, []), (0, ["Launch"])):
        refused = {name_of("b"): Refusal(names.LAUNCH_REFUSED, "exceeded quota", after(seconds))}
        made = planned(stored, refused=refused, absent=frozenset({name_of("b")}))
        assert (step(made)[0], actions(made), made.status.jobs["b"].running) == (Step.STOPPING, expected, True)
        assert made.status.jobs["b"].reason == names.LAUNCH_REFUSED, "it waits visibly"
        assert all(launch.manifest["spec"]["suspend"] for launch in of_kind(made, Launch))


def test_a_removed_running_job_is_stopped_too() -> None:
    jobs = (job("a"),)
    given = back_to(done("a"), running("x"), jobs=(*jobs, job("x")))
    stored, made = committed(rewinding(done("a"), running("x"), jobs=jobs), given, kube_job("x"), kube_pod("x"))
    assert made.status.jobs["x"].stopping is Stopping.REWIND
    swapped = planned(stored, kube_job("x", suspended=True, parallelism=0), crashed("x", 143))
    assert step(swapped)[0] is Step.DONE
    assert swapped.status.jobs["x"].state is JobState.SKIPPED
    assert swapped.status.jobs["x"].reason == names.REMOVED


def test_the_swap_goes_back_in_everything_but_attempt_numbers_and_answers() -> None:
    before = rewinding(
        done("a"), failed("b", attempt=3), status_phase=Phase.FAILED, status_finished_at=EARLIER,
        status_timed_out_at=EARLIER, status_epoch=4, status_reason=names.TIMED_OUT,
        status_checkpointing=Book(unsaved=7, last=Last("x", "checkpoint_0", Trigger.MANUAL, OLD, "d", 9)),
    )  # fmt: skip
    made = rewound(before, TO_B)
    status = made.status
    assert (status.phase, status.reason, status.finished_at, status.timed_out_at) == (
        Phase.RUNNING, names.WORKING, None, None,
    )  # fmt: skip
    assert status.epoch == 5
    assert dict(status.jobs) == {"a": done("a"), "b": JobRecord("b", used=3)}
    assert [(r.id, r.type, r.outcome) for r in status.requests] == [("r1", "Restore", "Done")]
    assert status.restore is not None and status.restore.plan is not None
    assert (status.restore.target, [j.id for j in status.restore.plan.jobs]) == ("", ["b"])
    assert status.restore.message.startswith("from checkpoint checkpoint_1 of sample: 1 keep, 1 rerun;")
    restored = status.restored_from
    assert restored is not None
    assert (restored.mode, restored.origin, restored.jobs, restored.ended) == (Mode.REWIND, OWN, 1, 1)
    assert (restored.request_id, restored.undo) == ("r1", status.restore.undo)
    book = status.checkpointing
    assert (book.last, book.pending, book.unsaved) == (None, (), 0), "nothing is at risk that was not saved"
    assert told(made) == ["Rewound"], "what was kept has not ended now"
    assert (condition(made), made.requeue_after) == ((True, names.REWOUND), 0)
    nxt = planned(applied(before, made))
    assert nxt.status.jobs["b"].attempt == 4, "attempt numbers go on"


@pytest.mark.parametrize("pausing", [False, True], ids=["running", "paused since"])
def test_the_clock_of_the_run_goes_back_to_that_of_the_checkpoint(pausing: bool) -> None:
    paused = {"spec_paused": True, "status_pause": PauseState(PausePhase.PAUSED, EARLIER, 1)} if pausing else {}
    before = rewinding(*BOTH_DONE, JobRecord("c"), jobs=THREE, **paused)
    given = back_to(done("a"), JobRecord("b"), JobRecord("c"), jobs=THREE, paused_millis=50_000)
    made = rewound(before, given, now=after(30))
    resumed = edited(applied(before, made), paused=False)
    later = planned(resumed, now=after(90)).status
    worked = after(90) - OLD - timedelta(milliseconds=later.paused_millis)
    assert worked == timedelta(seconds=550 + (0 if pausing else 60))


def test_a_rewind_leaves_the_pause_as_it_is() -> None:
    pause = PauseState(PausePhase.PAUSED, EARLIER, 1)
    before = rewinding(*BOTH_DONE, JobRecord("c"), jobs=THREE, spec_paused=True, status_pause=pause)
    made = rewound(before, back_to(done("a"), JobRecord("b"), JobRecord("c"), jobs=THREE))
    assert made.status.pause is not None and made.status.pause.phase is PausePhase.PAUSED
    assert states(planned(applied(before, made)))["b"] == "Pending"


def test_a_pause_that_ends_while_attempts_are_stopped_still_ends() -> None:
    pause = PauseState(PausePhase.PAUSED, EARLIER, 1, until=after(5))
    ending = {"spec_paused": True, "spec_pause": Pause(until=after(5)), "status_pause": pause}
    before = rewinding(*BOTH_DONE, JobRecord("c"), jobs=THREE, **ending)
    made = rewound(before, back_to(done("a"), JobRecord("b"), JobRecord("c"), jobs=THREE), now=after(6))
    assert SetPaused(False) in planned(applied(before, made), now=after(6)).after


def test_jobs_that_a_fork_has_taken_over_are_still_its_own_after_a_rewind() -> None:
    restored = RestoredFrom(Mode.FORK, ELSEWHERE, OLD, 1, configs="configs", packs=("p1",))
    made = rewound(rewinding(*BOTH_DONE, status_restored_from=restored), TO_B)
    assert made.status.restored_from is not None
    assert (made.status.restored_from.configs, made.status.restored_from.packs) == ("configs", ("p1",))


def test_records_of_a_job_that_only_the_checkpoint_knows_come_back() -> None:
    """It was taken out before the checkpoint, and is not forgotten by the rewind."""
    given = back_to(done("a"), JobRecord("b"), done("x"))
    assert rewound(rewinding(*BOTH_DONE), given).status.jobs["x"] == done("x")


def test_repairs_wait_for_the_swap() -> None:
    stored, _ = committed(rewinding(done("a"), running("b")), TO_B, kube_job("b"), kube_pod("b"))
    request = (Request("q1", RequestType.SKIP, "b"),)
    made = planned(edited(stored, requests=request), kube_job("b"), kube_pod("b"))
    assert made.status.requests == ()


def test_completing_by_hand_after_a_rewind_takes_a_number_of_its_own() -> None:
    before = rewinding(done("a"), done("b", attempt=3))
    made = rewound(before, TO_B)
    request = (Request("q1", RequestType.COMPLETE, "b", outputs=1, has_outputs=True),)
    repaired = planned(edited(applied(before, made), requests=request))
    assert repaired.status.jobs["b"].attempt == 4


def test_after_a_restart_the_jobs_of_a_fork_are_read_before_a_committed_rewind_goes_on() -> None:
    """Else what goes on would lose its other tries, were it to end now."""
    jobs = (job("a", retry=Retry(limit=3)), job("b"))
    restored = RestoredFrom(Mode.FORK, ELSEWHERE, OLD, 0, configs="configs")
    before = rewinding(running("a"), running("b"), jobs=jobs, borrows_jobs=True, status_restored_from=restored)
    things = (kube_job("a"), kube_pod("a"), kube_job("b"), kube_pod("b"))
    stored, _ = committed(before, back_to(running("a"), JobRecord("b"), jobs=jobs), *things)
    now = (kube_job("a"), crashed("a"), kube_job("b", suspended=True, parallelism=0), crashed("b", 143))
    made = planned(without_jobs(stored), *now)
    assert (made.after, made.urgency) == ((FetchJobs("configs"),), Urgency.NONE)
    lost = planned(without_jobs(stored), *now, lost=frozenset({"configs"}))
    assert (step(lost)[0], lost.status.reason) == (Step.STOPPING, names.JOBS_LOST)
    assert planned(stored, *now).status.jobs["a"].state is JobState.PENDING


# --- Time to live, lineage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "restore", "deletes"),
    [
        param(None, None, True, id="nothing is asked for"),
        param(REWIND, None, False, id="a rewind is asked for"),
        param(asked(request_id="r1", dry_run=True), None, True, id="a dry run is"),
    ],
)
def test_what_is_about_to_go_back_is_not_deleted(ask: Restore | None, restore: Any, deletes: bool) -> None:
    before = rewinding(
        *BOTH_DONE, ask=ask, spec_ttl_seconds_after_finished=10, status_phase=Phase.SUCCEEDED,
        status_finished_at=EARLIER,
    )  # fmt: skip
    assert (DeleteExecution() in planned(before).after) is deletes


def test_what_goes_back_is_not_deleted_and_what_was_refused_is() -> None:
    before = rewinding(
        *BOTH_DONE, spec_ttl_seconds_after_finished=10, status_phase=Phase.SUCCEEDED, status_finished_at=EARLIER
    )
    stored, undo = prepared(before, TO_B)
    assert of_kind(planned(stored, restore=TO_B, **seen(undo)), DeleteExecution) == []
    going, _ = committed(before, TO_B)
    assert of_kind(planned(going), DeleteExecution) == []
    refused = applied(before, planned(before, restore=missing()))
    assert of_kind(planned(refused), DeleteExecution) == [DeleteExecution()]


def a_fork(n: int, at: datetime = NOW) -> Fork:
    return Fork("default", f"fork-{n}", f"uid-{n:03}", "checkpoint_1", at)


def test_an_execution_remembers_what_was_forked_from_it() -> None:
    before = execution(spec(job("a")), ended("a"), status_phase=Phase.SUCCEEDED)
    made = planned(before, forks=(a_fork(2, after(5)), a_fork(1)))
    assert made.status.forks == (a_fork(1), a_fork(2, after(5)))
    assert told(made) == ["ForkedInto", "ForkedInto"]
    stored = applied(before, made)
    assert planned(stored, forks=(a_fork(1),)).idle
    assert planned(stored).status.forks == made.status.forks, "also of one that is gone"


def test_the_newest_forks_are_remembered() -> None:
    many = tuple(a_fork(n, after(n)) for n in range(names.SHOWN_FORKS + 5))
    made = planned(execution(spec(job("a")), ended("a")), forks=many)
    assert made.status.forks == many[5:]


def test_a_repeated_refusal_of_another_request_is_told_too() -> None:
    before = rewinding(*BOTH_DONE)
    first = planned(before, restore=missing())
    ask = asked(request_id="r2")
    second = planned(edited(applied(before, first), ask), restore=missing())
    assert told(second) == ["RestoreRefused"]


def test_a_wrong_spec_does_not_undo_a_commit() -> None:
    stored, _ = committed(rewinding(*BOTH_DONE), TO_B)
    wrong = replace(stored, generation=2, spec=None, violations=(Violation("spec.jobs", "wrong"),))
    made = planned(wrong)
    assert step(made)[0] is Step.STOPPING
    assert step(planned(replace(applied(wrong, made), spec=stored.spec, violations=())))[0] is Step.DONE
