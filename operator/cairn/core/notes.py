"""The Kubernetes Events of one step: what a person would want to read, derived from the status before and after.

One Event tells of many jobs, so that 1,000 jobs do not flood a namespace: launches, completions and skips of a step are
named together; only failures are told one by one, the first few of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from cairn import names
from cairn.core import pausing
from cairn.core.actions import Note
from cairn.core.restore.progress import Mode, Progress, Step
from cairn.core.status import JobRecord, JobState, PausePhase, Phase, Status

PROGRESS = frozenset({"Completed", "Skipped", "Launched"})  # reasons of notes that a person can do without
_LISTED = 10
_FAILURES = 5
_USUAL = frozenset({names.WAITING, names.STOPPING, names.HELD, names.LAUNCHING, names.READING_OUTPUTS})
_OUTCOME = {Phase.SUCCEEDED: "Succeeded", Phase.FAILED: "Failed", Phase.CANCELLED: "Cancelled"}
ENDS = frozenset(_OUTCOME.values())  # reasons of the notes that tell how an execution ended


def listed(ids: Sequence[str]) -> str:
    """Some ids for a person: the first ten, and how many more."""
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more


def progress(reason: str, ids: Sequence[str]) -> Note:
    """A note about so many jobs that were launched, completed or skipped."""
    told = f"job {ids[0]}" if len(ids) == 1 else f"{len(ids)} jobs: {listed(ids)}"
    return Note(reason, f"{reason.lower()} {told}", jobs=tuple(ids))


def _attempt(record: JobRecord) -> str:
    return f"job {record.id}, attempt {record.attempt}"


def _about(record: JobRecord, reason: str, what: str, message: str = "", *, warning: bool = False) -> Note:
    """A note about one attempt; `message` may be what a container said, and is for the Event alone."""
    text = f"{_attempt(record)} {what}"
    told = f"{text}: {message}" if message else text
    return Note(reason, told, warning, text if message else "", record.id, record.attempt)


def notes(old: Status, new: Status) -> tuple[Note, ...]:
    """What has happened between two statuses of one execution, most telling last."""
    changed = [(old.jobs.get(r.id), r) for r in new.jobs.values() if old.jobs.get(r.id) is not r]
    if new.restored_from != old.restored_from:  # what was kept has not ended now
        changed = [(old.jobs.get(r.id), r) for r in new.jobs.values() if r.running and r.id not in old.jobs]
    told_of_jobs = (*_progress(changed), *_failures(changed), *_waits(changed))
    told_of_asked = (*_answers(old, new), *_restore(old, new), *_forks(old, new))
    return (*told_of_jobs, *told_of_asked, *_pause(old, new), *_cancel(old, new), *_end(old, new))


Changes = Iterable[tuple[JobRecord | None, JobRecord]]


def _progress(changed: Changes) -> Iterable[Note]:
    launched, completed, skipped = [], [], []
    for before, after in changed:
        state = before.state if before else JobState.PENDING
        if after.attempt > (before.attempt if before else 0) and after.running:
            launched.append(after.id)
        elif after.state is JobState.COMPLETED and state is not JobState.COMPLETED:
            completed.append(after.id)
        elif after.state is JobState.SKIPPED and state is not JobState.SKIPPED:
            skipped.append(after.id)
    if completed:
        yield progress("Completed", completed)
    if skipped:
        yield progress("Skipped", skipped)
    if launched:
        yield progress("Launched", launched)


def _failures(changed: Changes) -> Iterable[Note]:
    failed = [a for b, a in changed if a.state is JobState.FAILED and not (b and b.state is JobState.FAILED)]
    again = [a for b, a in changed if a.state is JobState.PENDING and b is not None and b.running]
    for record in failed[:_FAILURES]:
        yield _about(record, "JobFailed", f"failed: {record.reason}", record.message, warning=True)
    if len(failed) > _FAILURES:
        yield Note("JobFailed", f"failed also: {listed([r.id for r in failed[_FAILURES:]])}", warning=True)
    for record in again[:_FAILURES]:
        if record.reason == names.STOPPED:
            yield _about(record, "Stopped", f"was {record.message}")
        else:
            yield _about(record, "Retrying", f"ended: {record.reason}", f"{record.message}; trying again", warning=True)


def waits_visibly(record: JobRecord) -> bool:
    """Whether a launched job waits for something that a person may have to see to."""
    return record.running and bool(record.message) and record.reason not in _USUAL


def _waits(changed: Changes) -> Iterable[Note]:
    fresh = [a for b, a in changed if waits_visibly(a) and not (b and b.running and b.reason == a.reason)]
    for record in fresh[:_FAILURES]:
        yield _about(record, "Waiting", f"waits: {record.reason}", record.message, warning=True)
    if len(fresh) > _FAILURES:
        yield Note("Waiting", f"waiting also: {listed([r.id for r in fresh[_FAILURES:]])}", warning=True)


def _pause(old: Status, new: Status) -> Iterable[Note]:
    before, after = old.pause, new.pause
    if after is None:
        if before is not None and not new.finished:
            yield Note("Resumed", "resumed")
        return
    if before is None:
        yield Note("Pausing" if after.phase is PausePhase.DRAINING else "Paused", pausing.describe(after))
    elif before.phase is not after.phase and after.phase is PausePhase.PAUSED:
        yield Note("Drained", "nothing runs any more: paused")


def _cancel(old: Status, new: Status) -> Iterable[Note]:
    if new.cancel and not old.cancel:
        yield Note("Cancelling", f"cancel {new.cancel.request_id}: {new.cancel.reason or 'no reason given'}")
    if new.timed_out_at and not old.timed_out_at:
        yield Note("TimedOut", "the execution has run for longer than timeoutSeconds", warning=True)


def _answers(old: Status, new: Status) -> Iterable[Note]:
    """Repairs by hand: which, of what, by whom, and why."""
    known = {answer.id for answer in old.requests}
    for answer in new.requests:
        if answer.id in known or not answer.job:
            continue
        by = f" by {answer.by}" if answer.by else ""
        why = f": {answer.message}" if answer.message else ""
        done = answer.outcome == "Done"
        reason, text = ("Repaired", "") if done else ("RepairRefused", " is refused")
        yield Note(reason, f"request {answer.id}{by}: {answer.type} of job {answer.job}{text}{why}", not done)


def _restore(old: Status, new: Status) -> Iterable[Note]:
    """How a restore has come on."""
    after = new.restore
    if after is None or (old.restore is not None and _told_of(old.restore) == _told_of(after)):
        return
    request = f"request {after.request_id}: " if after.request_id else ""
    match after.step:
        case Step.REFUSED:
            yield Note("RestoreRefused", f"{request}{after.reason}: {after.message}", warning=True)
        case Step.PLANNED:
            yield Note("RestorePlanned", f"{request}{after.message}")
        case Step.STOPPING:
            yield Note("Rewinding", f"{request}{after.message}")
        case Step.DONE:
            yield Note("Forked" if after.mode is Mode.FORK else "Rewound", f"{request}{after.message}")
        case Step.PREPARING:
            return
        case _ as never:
            assert_never(never)


def _told_of(progress: Progress) -> tuple[str, Step, str]:
    return progress.request_id, progress.step, progress.message


def _forks(old: Status, new: Status) -> Iterable[Note]:
    """Executions that were forked from this one."""
    known = {fork.uid for fork in old.forks}
    for fork in new.forks:
        if fork.uid not in known:
            yield Note("ForkedInto", f"forked from checkpoint {fork.checkpoint_id} into {fork.namespace}/{fork.name}")


def _end(old: Status, new: Status) -> Iterable[Note]:
    if new.finished and not old.finished:
        logged = f"the execution has ended: {new.phase}: {new.reason}"
        yield Note(_OUTCOME[new.phase], new.message, new.phase is not Phase.SUCCEEDED, logged)
    for kind in (names.CONDITION_ACCEPTED, names.CONDITION_EDITS_IGNORED):
        was, now = old.condition(kind), new.condition(kind)
        bad = now is not None and now.status is (kind == names.CONDITION_EDITS_IGNORED)
        if now is not None and bad and (was is None or was.message != now.message):
            yield Note(now.reason, now.message[:900], warning=True, logged=f"{kind} is {now.status}: {now.reason}")
