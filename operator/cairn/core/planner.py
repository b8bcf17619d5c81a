"""The heart of Cairn: `plan(execution, observed, *, now)` decides what is next for one execution, all of it as data.

Rules:
- Level-triggered: the same inputs give the same plan, whatever event led here.
- Nothing new is launched while `spec.paused`; nothing before its dependencies; nothing once cancelled or timed out but
  clean-up; nothing for a spec that is not accepted.
- Intent before effect: a launch or a stop is in `Plan.status` before its action may be performed, and the app performs
  `Plan.after` only once that status is stored on the very version of the execution that was planned on.
- Planning again on an applied plan yields no action (invariant 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from cairn import names
from cairn.core import checkpointing, following, health, launching, pausing, repair, restoring
from cairn.core.actions import DeleteExecution, FetchJobs, Note, Plan, SetPaused, Urgency
from cairn.core.checkpoint.book import Book
from cairn.core.draft import Draft, Execution
from cairn.core.notes import listed, notes, waits_visibly
from cairn.core.observed import Observed
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, FailurePolicy
from cairn.core.status import Acknowledged, CancelState, JobRecord, JobState, Phase, Status
from cairn.core.status_wire import to_wire
from cairn.core.times import later

# What changes nothing about what may happen next, and so may be stored a moment later, together with more.
_DEFERRABLE_FIELDS = {"uid", "pod_uid", "definition", "started_at", "reason", "message"}


def plan(execution: Execution, observed: Observed, *, now: datetime, shape: Shape | None = None) -> Plan:
    """What is next. `shape` may carry what was computed before for the same spec."""
    if execution.deleting:
        return Plan(execution.status)
    if execution.status.unreadable:
        return _unreadable(execution, now)
    if execution.spec is None:
        return _finish_plan(_not_accepted(execution, now), execution, now=now)
    if execution.lacks_jobs and execution.status.started_at is not None:
        return _without_jobs(execution, observed, now)
    draft = _begin(execution, execution.spec, shape or Shape(execution.spec), observed, now)
    restoring.begin(draft)
    if draft.held and draft.status.restore is None and not draft.status.finished:
        return Plan(execution.status, after=tuple(draft.after))  # it is being read: nothing to tell yet
    if draft.held:
        _show_pause(draft)
        _expire(draft)
    else:
        _advance(draft)
    ignored = () if draft.held else _ignored_edits(draft)
    draft.status = replace(draft.status, jobs=draft.records)
    draft.status = _with_conditions(draft.status, execution, ignored, now)
    return _finish_plan(draft.status, execution, draft, now=now)


def _unreadable(execution: Execution, now: datetime) -> Plan:
    """A status that somebody has broken by hand: nothing is done before it is mended, and what stands there stays."""
    status, text = execution.status, f"{execution.status.unreadable}: mend the status, or remove it to begin anew"
    told = replace(
        status, reason=names.STATUS_UNREADABLE, message=text[: names.MESSAGE_LIMIT],
        observed_generation=execution.generation,
    )  # fmt: skip
    if told == status:
        return Plan(status)
    said = to_wire(replace(told, conditions=health.unreadable(told, now)))
    kept = {key: said[key] for key in ("observedGeneration", "reason", "message", "conditions")}
    note = Note(names.STATUS_UNREADABLE, told.message, warning=True)
    return Plan(told, Urgency.NOW, notes=(note,), mended={**execution.found, **kept})


def _advance(draft: Draft) -> None:
    """Everything about an execution that has begun."""
    if not draft.stopping:
        repair.answer_requests(draft)
        _decline_cancel(draft)
    if draft.restored or not draft.status.finished:
        draft.records = _aligned(draft.records, draft.spec, draft.now)  # a request may have taken it up again
    if not draft.stopping:
        if not draft.status.finished:
            _work(draft)
        restoring.prepare(draft)
    restoring.note_forks(draft)
    checkpointing.keep_book(draft)
    following.suspend_strays(draft)
    _expire(draft)


def _not_accepted(execution: Execution, now: datetime) -> Status:
    """A wrong spec: nothing is launched. What runs goes on, and is looked at again when the spec is mended."""
    status = execution.status
    if not status.finished:
        message = f"{len(execution.violations)} violations; see the condition Accepted"
        status = replace(status, reason=names.NOT_ACCEPTED, message=message)
    return _with_conditions(status, execution, (), now)


def _without_jobs(execution: Execution, observed: Observed, now: datetime) -> Plan:
    """A fork whose jobs have to be read first: without them nothing can be said about any record, or about a pause."""
    name = restoring.jobs_held_in(execution.status)
    if name and name not in observed.lost:
        return Plan(execution.status, after=(FetchJobs(name),))
    status = execution.status
    if not status.finished:
        text = "the object that held the jobs of this fork is gone or damaged: write them into spec.jobs"
        status = replace(status, reason=names.JOBS_LOST, message=text)
    return _finish_plan(_with_conditions(status, execution, (), now), execution, now=now)


def _with_conditions(status: Status, execution: Execution, ignored: tuple[str, ...], now: datetime) -> Status:
    status = replace(status, observed_generation=execution.generation)
    found = health.conditions(status, execution.violations, ignored, generation=execution.generation, now=now)
    return replace(status, conditions=found)


# --- The steps of a plan ---------------------------------------------------------------------------------------------


def _begin(execution: Execution, spec: ExecutionSpec, shape: Shape, observed: Observed, now: datetime) -> Draft:
    status = execution.status
    if execution.stale_pause_reason:
        spec = replace(spec, pause=replace(spec.pause, reason=""))
    if status.started_at is None and spec.restore is None:
        status = replace(status, started_at=now, phase=Phase.RUNNING)
    elif status.started_at is not None and not status.finished:
        status = replace(status, started_at=min(status.started_at, now))  # the clock may have been turned back
    status = pausing.begin_or_end(
        status, spec, generation=execution.generation, by_operator=execution.paused_by_operator, now=now
    )
    still = status.finished or status.started_at is None
    records = dict(status.jobs) if still else _aligned(status.jobs, spec, now)
    return Draft(execution, spec, shape, observed, now, status, records)


def _aligned(recorded: Mapping[str, JobRecord], spec: ExecutionSpec, now: datetime) -> dict[str, JobRecord]:
    """A record for every job of the spec, in its order; jobs removed after they had started keep theirs, at the end."""
    records = {job.id: _present(recorded.get(job.id) or JobRecord(job.id)) for job in spec.jobs}
    return records | {r.id: _removed(r, now) for r in recorded.values() if r.id not in records and r.last}


def _removed(record: JobRecord, now: datetime) -> JobRecord:
    """A job that is in the spec no more has no other try."""
    if record.state is not JobState.PENDING:
        return record
    return record.as_ended(JobState.SKIPPED, names.REMOVED, "taken out of spec.jobs while it waited", now)


def _present(record: JobRecord) -> JobRecord:
    """A job that was taken out of the spec and put back goes on where it was."""
    return record.as_pending("", "") if record.reason == names.REMOVED else record


def _work(draft: Draft) -> None:
    _acknowledge_cancel(draft)
    _check_timeout(draft)
    following.follow(draft)
    launching.settle_and_launch(draft)
    _pause_for_failures(draft)
    _conclude(draft)
    _show_pause(draft)


def _acknowledge_cancel(draft: Draft) -> None:
    cancel, status = draft.spec.cancel, draft.status
    if cancel is None or status.acknowledged(cancel.request_id):
        return
    answer = Acknowledged(cancel.request_id, "Cancel", draft.now, message=cancel.reason[: names.MESSAGE_LIMIT])
    state = status.cancel or CancelState(cancel.request_id, cancel.reason, draft.now)
    kept = (*status.requests, answer)[-names.RECORDED_REQUESTS :]
    draft.status = replace(status, cancel=state, requests=kept)


def _decline_cancel(draft: Draft) -> None:
    """A cancel of what has finished is answered, else it would act once something takes the execution up again."""
    cancel, status = draft.spec.cancel, draft.status
    if cancel is None or not status.finished or status.acknowledged(cancel.request_id):
        return
    answer = Acknowledged(cancel.request_id, "Cancel", draft.now, "Refused", message="the execution has finished")
    draft.status = replace(status, requests=(*status.requests, answer)[-names.RECORDED_REQUESTS :])


def _check_timeout(draft: Draft) -> None:
    """Paused time does not count: the deadline moves with it, and while paused there is none."""
    status, limit = draft.status, draft.spec.timeout_seconds
    if not limit or status.timed_out_at or status.cancel or status.pause or status.started_at is None:
        return
    deadline = later(status.started_at, seconds=limit, milliseconds=status.paused_millis)
    if draft.now >= deadline:
        draft.status = replace(status, timed_out_at=draft.now)
    else:
        draft.wake.append(deadline)


def _pause_for_failures(draft: Draft) -> None:
    """`failurePolicy: Pause`: ask for the pause, and once it is there, remember which failures it was for."""
    if draft.spec.failure_policy is not FailurePolicy.PAUSE or draft.ending:
        return
    fresh = [name for name in launching.unhandled_failures(draft) if not draft.records[name].paused_for]
    if not fresh:
        return
    if not draft.spec.paused:
        draft.after.append(SetPaused(True, f"failed: {listed(fresh)} (failurePolicy: Pause)"))
        return
    for name in fresh:
        draft.put(replace(draft.records[name], paused_for=True))


def _conclude(draft: Draft) -> None:
    """The phase: finished once every job is terminal, unless a failure still waits for a person."""
    if not all(record.terminal for record in draft.records.values()) or launching.awaits_repair(draft):
        draft.status = replace(draft.status, phase=Phase.RUNNING, reason=names.WORKING, message=_summary(draft))
        return
    phase, reason, message = _outcome(draft)
    draft.status = replace(draft.status, phase=phase, reason=reason, message=message, finished_at=draft.now)
    draft.status = pausing.begin_or_end(
        draft.status, draft.spec, generation=draft.execution.generation, by_operator=False, now=draft.now
    )


def _outcome(draft: Draft) -> tuple[Phase, str, str]:
    status = draft.status
    if status.cancel is not None:
        why = f": {status.cancel.reason[: names.MESSAGE_LIMIT]}" if status.cancel.reason else ""
        return Phase.CANCELLED, names.CANCELLED, f"cancelled by request {status.cancel.request_id}{why}"
    if status.timed_out_at is not None:
        return Phase.FAILED, names.TIMED_OUT, f"ran longer than timeoutSeconds ({draft.spec.timeout_seconds})"
    if failed := launching.unhandled_failures(draft):
        first = draft.records[failed[0]]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        return Phase.FAILED, names.JOB_FAILED, f"job {first.id}{more} failed: {first.reason}: {first.message}"
    completed = sum(r.state is JobState.COMPLETED for r in draft.records.values())
    return Phase.SUCCEEDED, names.ALL_JOBS_DONE, f"{completed} of {len(draft.records)} jobs completed"


def _summary(draft: Draft) -> str:
    """What a person should know of a running execution: what fails or waits, else nothing."""
    waiting = [record for record in draft.records.values() if waits_visibly(record)]
    if not waiting:
        return ""
    more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return f"job {waiting[0].id} waits: {waiting[0].reason}: {waiting[0].message}{more}"


def _show_pause(draft: Draft) -> None:
    pause = draft.status.pause
    if pause is None:
        return
    draft.status = replace(draft.status, pause=pausing.with_progress(pause, draft.unsettled))
    until = pausing.resume_at(pause)
    if until is None:
        return
    if draft.now >= until:
        draft.after.append(SetPaused(False))
    else:
        draft.wake.append(until)


def _expire(draft: Draft) -> None:
    ttl, finished = draft.spec.ttl_seconds_after_finished, draft.status.finished_at
    waits = draft.status.checkpointing.pending or restoring.under_way(draft.status) or draft.rewinding
    if ttl is None or finished is None or not draft.status.finished or waits:
        return
    end = later(finished, seconds=ttl)
    if draft.now >= end and draft.execution.status.finished:
        draft.after.append(DeleteExecution())
    else:
        draft.wake.append(end)


def _ignored_edits(draft: Draft) -> tuple[str, ...]:
    """Jobs that were edited, added or removed too late for the edit to mean anything."""
    jobs = draft.shape.jobs
    edited = [
        r.id
        for r in draft.records.values()
        if r.definition and (r.running or r.state is JobState.COMPLETED)
        and (r.id not in jobs or jobs[r.id].digest != r.definition)
    ]  # fmt: skip
    added = [name for name in jobs if name not in draft.records]
    return (*edited, *added)


# --- What the plan comes to ------------------------------------------------------------------------------------------


def _finish_plan(status: Status, execution: Execution, draft: Draft | None = None, *, now: datetime) -> Plan:
    urgency = _urgency(execution.status, status)
    wake = min(draft.wake, default=None) if draft else None
    return Plan(
        status=status,
        urgency=urgency,
        before=tuple(draft.before) if draft else (),
        after=tuple(draft.after) if draft else (),
        notes=notes(execution.status, status) if urgency is not Urgency.NONE else (),
        requeue_after=max((wake - now).total_seconds(), 0.0) if wake else None,
    )


def _urgency(old: Status, new: Status) -> Urgency:
    if _core_of(old) != _core_of(new) or set(new.checkpointing.pending) - set(old.checkpointing.pending):
        return Urgency.NOW
    if list(old.jobs) != list(new.jobs):
        return Urgency.NOW
    changed = [(was, r) for r in new.jobs.values() if (was := old.jobs[r.id]) is not r and was != r]
    if any(_telling(before, after) for before, after in changed) or _acceptance(old) != _acceptance(new):
        return Urgency.NOW
    return Urgency.SOON if changed or old != new else Urgency.NONE


def _core_of(status: Status) -> Status:
    """The status without what is stored only for people to read, or is judged on its own."""
    return replace(status, jobs={}, message="", conditions=(), checkpointing=Book())


def _acceptance(status: Status) -> list[tuple[Any, ...]]:
    told = (c for c in status.conditions if c.type != names.CONDITION_CHECKPOINTED)
    return [(c.type, c.status, c.observed_generation) for c in told]


def _telling(before: JobRecord, after: JobRecord) -> bool:
    """Whether a record's change goes beyond what may be stored a moment later.

    A success may: what follows from it is a change of its own, and tells. Many that come at once are one write.
    """
    if after.state is JobState.COMPLETED and before.running:
        return False
    known = {name: getattr(after, name) for name in _DEFERRABLE_FIELDS}
    return replace(before, **known) != after
