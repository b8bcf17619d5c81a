"""Deciding about what has not started: skip it, keep it waiting, or record the intent to launch it.

One pass in the order of levels, so that a skip is known to whatever comes after it. The gates, in the order in which
they are asked: dependencies and failures, cancel and timeout, pause, `hold`, backoff, level, `parallelism`, `when`,
the checkpoint before a critical job.
"""

from __future__ import annotations

from dataclasses import replace

from cairn import names
from cairn.core import checkpointing, conditions, measures
from cairn.core.conditions import ConditionError
from cairn.core.draft import Draft
from cairn.core.failure import Handling, Ready, Skip, handling, readiness
from cairn.core.following import CannotLaunch, launch_of, upstream
from cairn.core.outputs import Outputs
from cairn.core.retry import longest_backoff
from cairn.core.spec import FailurePolicy, JobSpec, RunOn, Scheduling
from cairn.core.status import JobRecord, JobState

_ENDING = {True: (names.CANCELLED, "the execution was cancelled before it started"),
           False: (names.TIMED_OUT, "the execution timed out before it started")}  # fmt: skip


def unhandled_failures(draft: Draft) -> list[str]:
    """Failed jobs whose failure nothing has handled or still may."""
    return [name for name, state in _failures(draft) if state is Handling.UNHANDLED]


def _failures(draft: Draft) -> list[tuple[str, Handling]]:
    jobs, dependents = draft.shape.jobs, draft.shape.dependents
    return [
        (record.id, handling(record.id, jobs, dependents, draft.records))
        for record in draft.records.values()
        if record.state is JobState.FAILED
    ]


def settle_and_launch(draft: Draft) -> None:
    """Decide about every pending job, and again while one ends by that: no event will tell of it."""
    while _ends_any(draft):
        pass


def _ends_any(draft: Draft) -> bool:
    """Decide about every pending job; whether one that was to be launched has ended instead."""
    draft.critical.clear()
    draft.clean = not any(record.went_wrong for record in draft.records.values())
    failures = _failures(draft)
    stop = draft.spec.failure_policy is FailurePolicy.STOP
    draft.failing = stop and any(state is not Handling.HANDLED for _, state in failures)
    give_up = stop and any(state is Handling.UNHANDLED for _, state in failures)
    draft.pausing = awaits_repair(draft)
    pending = [job for job in draft.shape.ordered if draft.records[job.id].state is JobState.PENDING]
    ready = [job for job in pending if _is_ready(draft, job, give_up=give_up)]
    _launch(draft, ready)
    return any(draft.records[job.id].terminal for job in ready)


def awaits_repair(draft: Draft) -> bool:
    """Whether `failurePolicy: Pause` waits for a person: nothing starts, is skipped or finishes until they resume."""
    if draft.spec.failure_policy is not FailurePolicy.PAUSE or draft.ending:
        return False
    return any(draft.spec.paused or not draft.records[name].paused_for for name in unhandled_failures(draft))


def _is_ready(draft: Draft, job: JobSpec, *, give_up: bool) -> bool:
    """Whether the job's dependencies let it start now; records its skip where they never will."""
    record = draft.records[job.id]
    if draft.ending and job.run_on is not RunOn.DONE:
        _give_up(draft, record, *_ENDING[draft.status.cancel is not None])
        return False
    match readiness(job, draft.records, clean=draft.clean):
        case Skip(reason, message):
            if not (draft.pausing and reason in (names.DEPENDENCY_FAILED, names.DEPENDENCY_SKIPPED)):
                draft.put(record.as_ended(JobState.SKIPPED, reason, message, draft.now))
            return False
        case Ready() if job.run_on is not RunOn.SUCCESS or not draft.failing:
            return True
    if give_up and job.run_on is RunOn.SUCCESS:
        _give_up(draft, record, names.EXECUTION_FAILING, "not started because another job failed (failurePolicy: Stop)")
    return False


def _give_up(draft: Draft, record: JobRecord, reason: str, message: str) -> None:
    """A job that never ran is skipped; one that waited for another try has failed, with its last attempt's reason."""
    if record.attempt == 0:
        draft.put(record.as_ended(JobState.SKIPPED, reason, message, draft.now))
    elif reason != names.EXECUTION_FAILING or record.reason in ("", names.STOPPED, names.ON_HOLD):
        draft.put(record.as_ended(JobState.FAILED, reason, message, draft.now))
    else:
        draft.put(record.as_ended(JobState.FAILED, record.reason, record.message, draft.now))


# --- Launching -------------------------------------------------------------------------------------------------------


def _launch(draft: Draft, ready: list[JobSpec]) -> None:
    room = draft.spec.parallelism - draft.count_running() if draft.spec.parallelism else len(ready)
    barrier = _barrier(draft, ready)
    for job in ready:
        if not _may_start(draft, job) or draft.shape.levels[job.id] > barrier:
            continue
        if room <= 0:
            break
        room -= _start(draft, job)


def _barrier(draft: Draft, ready: list[JobSpec]) -> int:
    """The highest level that may start: in `Levels`, the lowest one that is not done.

    What a failure keeps from starting is not waited for: it waits itself, for the job that handles the failure.
    """
    levels, records = draft.shape.levels, draft.records
    if draft.spec.scheduling is Scheduling.DEPENDENCIES:
        return len(levels)
    if draft.failing:
        waited_for = {job.id for job in ready} | {job.id for job in draft.spec.jobs if records[job.id].running}
    else:
        waited_for = {job.id for job in draft.spec.jobs if not records[job.id].terminal}
    return min((levels[name] for name in waited_for), default=0)


def _may_start(draft: Draft, job: JobSpec) -> bool:
    """Whether pause, hold and backoff let a ready job start; a hold is shown."""
    record = draft.records[job.id]
    if job.id in draft.spec.hold:
        draft.put(record.with_reason(names.ON_HOLD, "named in spec.hold"))
        return False
    if record.reason == names.ON_HOLD:
        draft.put(record.with_reason(""))
    if draft.spec.paused or draft.pausing or draft.rewinding:
        return False
    return not _backs_off(draft, job, record)


def _backs_off(draft: Draft, job: JobSpec, record: JobRecord) -> bool:
    """Whether the job waits for its next try: once more as long as it should, if the clock has been turned back."""
    if record.retry_at is None:
        return False
    most = longest_backoff(job.retry, record)
    at = min(record.retry_at, draft.now + most)
    draft.put(replace(record, retry_at=at))
    return draft.awaits(at, most)


def _start(draft: Draft, job: JobSpec) -> int:
    """Record the intent to launch, or what the job's condition or inputs make of it; 1 if a place is taken."""
    record = draft.records[job.id]
    try:
        given = upstream(draft, job)
        if isinstance(given, list):
            draft.after.extend(fetch for fetch in given if fetch not in draft.after)
            return 0
        if job.when and record.attempt == 0 and not _condition_holds(draft, job, given):
            draft.put(record.as_ended(JobState.SKIPPED, names.CONDITION_FALSE, f"when: {job.when}", draft.now))
            return 0
        if not checkpointing.lets_launch(draft, job):
            return 0
        intended = record.as_intended(job.digest, draft.now).with_reason(names.LAUNCHING)
        launch = launch_of(draft, intended, job, held=False)
    except ConditionError as error:
        draft.put(record.as_ended(JobState.FAILED, names.CONDITION_FAILED, str(error), draft.now))
        return 0
    except CannotLaunch as error:
        draft.put(record.as_ended(JobState.FAILED, error.reason, str(error), draft.now))
        return 0
    assert launch is not None  # the inputs are at hand
    draft.put(replace(intended, stopping=None))
    draft.after.append(replace(launch, due=measures.due(draft, job)))
    return 1


def _condition_holds(draft: Draft, job: JobSpec, given: dict[str, Outputs]) -> bool:
    assert job.when is not None
    jobs = {name: _described(draft.records[name], given.get(name)) for name in job.depends_on}
    return conditions.evaluate(conditions.compile(job.when), params=draft.spec.params, jobs=jobs)


def _described(record: JobRecord, out: Outputs | None) -> dict[str, object]:
    """A dependency as a condition sees it; what there is not is left out, so that `has()` tells."""
    described: dict[str, object] = {"state": record.state.value, "attempt": record.attempt}
    if record.reason:
        described["reason"] = record.reason
    if record.exit_code is not None:
        described["exitCode"] = record.exit_code
    if out is not None:
        described["outputs"] = out.value
    return described
