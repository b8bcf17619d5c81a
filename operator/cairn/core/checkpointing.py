"""The checkpoints of one execution, as a step of its plan: which are decided, which are awaited, which have failed.

Rules:
- A decided checkpoint is in `status.checkpointing.pending` before its object is made, and stays there until that is
  Ready or Failed. Of those that are not made yet, the older ones of a kind that may coalesce go into the newest.
- A critical job is launched only once the checkpoint before it is Ready. With `onError: Continue` a Failed one lets it
  go too; with `Pause` the execution is paused, and after the resume another one is taken.
- A user's Checkpoint object is no decision of a plan: it is answered beside the loop, and counts here once Ready.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from cairn import names
from cairn.core.actions import SetPaused, TakeCheckpoint
from cairn.core.checkpoint import settings as resolved
from cairn.core.checkpoint import triggers
from cairn.core.checkpoint.book import SHOWN_CAUSES, Book, Failure, Last, Pending
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.serializer import state_digest
from cairn.core.checkpoint.settings import OnError
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.checkpoint.triggers import Due, ended
from cairn.core.draft import Draft, Execution
from cairn.core.manifests import Identity
from cairn.core.naming import checkpoint_name, telling_name
from cairn.core.spec import JobSpec
from cairn.core.status import JobState, PausePhase

_COALESCE = frozenset({Trigger.TIME_BASED, Trigger.JOB_COMPLETED, Trigger.LEVEL_COMPLETED})
_PENDING_AT_MOST = 50


# --- Before a critical job -------------------------------------------------------------------------------------------


def lets_launch(draft: Draft, job: JobSpec) -> bool:
    """Whether a ready job may be launched as far as checkpoints are concerned; else one is called for or awaited."""
    settings = draft.spec.checkpoint
    if job.id not in settings.critical_job_ids or not triggers.wants(settings, Trigger.BEFORE_CRITICAL):
        return True
    awaited = draft.status.checkpointing.awaited(Trigger.BEFORE_CRITICAL, job.id)
    if awaited is None:
        draft.critical.append(job.id)
    else:
        found = draft.observed.checkpoints.get(awaited.name)
        if found is not None and (found.is_ready or (found.is_failed and not _pauses_on_error(draft))):
            return True
    record = draft.records[job.id]
    draft.put(record.with_reason(names.AWAITING_CHECKPOINT, "a critical job: the checkpoint before it is being taken"))
    return False


def _pauses_on_error(draft: Draft) -> bool:
    """Whether a failed checkpoint pauses the execution; one that ends is not paused any more, and goes on without."""
    return draft.spec.checkpoint.on_error is OnError.PAUSE and not draft.ending


def is_critical(draft: Draft, job_id: str) -> bool:
    """Whether a pause waits for this job rather than stop it."""
    return job_id in draft.spec.checkpoint.critical_job_ids


# --- Of a pause ------------------------------------------------------------------------------------------------------


def awaits_drain(execution: Execution, name: str) -> bool:
    """Whether a checkpoint is that of a pause which has not drained yet: it is to hold the state that is left then."""
    pause, spec = execution.status.pause, execution.spec
    if spec is None or not spec.paused or execution.status.finished:
        return False
    if pause is not None and pause.phase is PausePhase.PAUSED:
        return False
    generation = pause.generation if pause is not None else execution.generation  # else its begin is still to be seen
    return name == pause_checkpoint(execution.identity, generation)


def pause_checkpoint(identity: Identity, generation: int) -> str:
    """The name of the checkpoint that a pause takes, which began with that generation of the spec."""
    return checkpoint_name(identity.name, identity.uid, Trigger.MANUAL, triggers.pause_key(generation))


# --- The book --------------------------------------------------------------------------------------------------------


def keep_book(draft: Draft) -> None:
    """Settle what was pending, decide what this step calls for, and ask for what is not there yet."""
    book = replace(draft.status.checkpointing, settings=resolved.to_wire(draft.spec.checkpoint))
    book = _decided(draft, _settled(draft, book))
    if draft.undo is not None and all(p.name != draft.undo.name for p in book.pending):
        book = replace(book, pending=(*book.pending, draft.undo)[-_PENDING_AT_MOST:])
    book = replace(
        book, next=_next_time(draft, book), unsaved=_unsaved(draft, book)
    )
    if book.next is not None and book.next > draft.now:
        draft.wake.append(book.next)
    draft.status = replace(draft.status, checkpointing=book)
    draft.after += (TakeCheckpoint(p) for p in book.pending if not _is_settled(draft, p))


def _is_settled(draft: Draft, pending: Pending) -> bool:
    found = _found(draft, pending)
    return found is not None and found.is_settled


def _found(draft: Draft, pending: Pending) -> CheckpointObject | None:
    """Its object; or as it was when somebody deleted it, so that what nothing waits for is not made again."""
    found = draft.observed.checkpoints.get(pending.name)
    return draft.observed.departed.get(pending.name) if found is None and pending.trigger in _COALESCE else found


def _settled(draft: Draft, book: Book) -> Book:
    """The book after what has become of the pending ones, and of those that users made."""
    ready = [c for c in draft.observed.checkpoints.values() if c.is_ready and _is_of_this_course(draft, c)]
    newest = max(ready, key=lambda c: c.id, default=None)
    if newest is not None and (book.last is None or newest.id > book.last.id):
        book = replace(book, last=_last(newest), failed=_still(book.failed, newest))
    for pending in book.pending:
        found = _found(draft, pending)
        if found is None or not found.is_settled or _still_guards(draft, pending, found):
            continue
        if found.is_failed:
            book = _failed(draft, book, found)
        else:
            book = book.without(pending.name)
    return book


def _is_of_this_course(draft: Draft, found: CheckpointObject) -> bool:
    """Whether it was taken since the execution last went back; what came before is not what is at risk now."""
    restored = draft.status.restored_from
    return restored is None or (found.taken_at is not None and found.taken_at > restored.at)


def _still(failed: Failure | None, newest: CheckpointObject) -> Failure | None:
    """The last failure, unless a checkpoint was taken since."""
    assert newest.taken_at is not None
    return failed if failed is not None and failed.at > newest.taken_at else None


def _last(found: CheckpointObject) -> Last:
    assert found.taken_at is not None
    return Last(found.name, found.id, found.trigger, found.taken_at, found.state_digest, found.ended_jobs)


def _still_guards(draft: Draft, pending: Pending, found: CheckpointObject) -> bool:
    """Whether a critical job that this checkpoint is for waits for its launch."""
    settings = draft.spec.checkpoint
    if pending.trigger is not Trigger.BEFORE_CRITICAL or (found.is_failed and _pauses_on_error(draft)):
        return False
    return any(
        draft.records[name].state is JobState.PENDING
        for name in pending.causes
        if name in draft.records and name in settings.critical_job_ids
    )


def _failed(draft: Draft, book: Book, found: CheckpointObject) -> Book:
    """A failed one is noted; with `onError: Pause` only once the pause that it asks for is there."""
    reason, message = found.ready
    if draft.spec.checkpoint.on_error is OnError.PAUSE and not draft.status.finished and not draft.ending:
        if not draft.spec.paused:
            draft.after.append(SetPaused(True, f"checkpoint {found.name} failed: {reason} (onError: Pause)"))
            return book
    return replace(book.without(found.name), failed=Failure(found.name, reason, message[:256], draft.now))


def _unsaved(draft: Draft, book: Book) -> int:
    """How many more jobs have ended than the last checkpoint has seen the end of."""
    restored = draft.status.restored_from
    saved = book.last.ended if book.last else restored.ended if restored else 0
    return max(ended(draft.records) - saved, 0)


# --- Deciding --------------------------------------------------------------------------------------------------------


def _decided(draft: Draft, book: Book) -> Book:
    due = _due(draft, book)
    if due is None:
        return book
    made = _pending(draft, due)
    if any(p.name == made.name for p in book.pending):
        return book
    kept, swallowed = _coalesced(draft, book.pending)
    causes = tuple(dict.fromkeys((*(c for p in swallowed if p.trigger is due.trigger for c in p.causes), *due.causes)))
    more = max(len(causes) - SHOWN_CAUSES, 0) + sum(p.more for p in swallowed if p.trigger is due.trigger)
    made = replace(
        made, label=telling_name(due.trigger, causes[:SHOWN_CAUSES], more), causes=causes[:SHOWN_CAUSES], more=more
    )  # fmt: skip
    return replace(book, pending=(*kept, made)[-_PENDING_AT_MOST:], next=None)


def _pending(draft: Draft, due: Due) -> Pending:
    return Pending(_name(draft, due), due.trigger, "", due.causes, draft.now)


def _name(draft: Draft, due: Due) -> str:
    return checkpoint_name(draft.identity.name, draft.identity.uid, due.trigger, due.key)


def _is_known(draft: Draft, book: Book, due: Due) -> bool:
    """Whether a checkpoint of that name was decided before: it may hold an earlier state already."""
    name = _name(draft, due)
    return name in draft.observed.checkpoints or any(p.name == name for p in book.pending)


def _coalesced(draft: Draft, pending: Iterable[Pending]) -> tuple[list[Pending], list[Pending]]:
    """What stays pending beside a newer one, and what goes into it: all that has no object yet and may coalesce."""
    kept: list[Pending] = []
    swallowed: list[Pending] = []
    for each in pending:
        begun = each.name in draft.observed.checkpoints
        (kept if begun or each.trigger not in _COALESCE else swallowed).append(each)
    return kept, swallowed


def _due(draft: Draft, book: Book) -> Due | None:
    """The most telling cause of this step, if there is one."""
    before, status, settings = draft.execution.status, draft.status, draft.spec.checkpoint
    if not settings.enabled:
        return None
    if draft.spec.pause.checkpoint and triggers.drained(before, status):
        due = triggers.pause_due(status)
        if not _is_known(draft, book, due):  # a pause that a cancel has ended jobs in drains once more
            return due
    if draft.critical:
        found = draft.critical[:SHOWN_CAUSES]
        return triggers.critical_due(found, status, draft.records, draft.execution.generation)
    if draft.restored:
        return None  # what was kept has not ended in this step, and is saved already
    levels = triggers.ended_levels(before.jobs, draft.records, draft.shape.levels)
    if levels and triggers.wants(settings, Trigger.LEVEL_COMPLETED):
        return triggers.level_due(levels, status, draft.records, draft.shape.levels)
    jobs = triggers.ended_jobs(before.jobs, draft.records)
    if jobs and triggers.wants(settings, Trigger.JOB_COMPLETED):
        return triggers.job_due(jobs, status, draft.records)
    return _time_due(draft, book)


def _time_due(draft: Draft, book: Book) -> Due | None:
    due = _next_time(draft, book)
    if due is None or due > draft.now:
        return None
    if any(not _is_settled(draft, p) for p in book.pending):
        return None  # what is being saved may be all there is; its settling leads to another look
    if book.last is not None and book.last.state_digest == _digest_now(draft):
        draft.wake.append(draft.now + timedelta(milliseconds=draft.spec.checkpoint.time_interval_ms))
        return None
    return triggers.time_due(due)


def _next_time(draft: Draft, book: Book) -> datetime | None:
    """When the next time-based one is due; counted from now on where it would be counted from a time that lies ahead.

    The clock has been turned back then, and what was said before of when it is due holds, if it can.
    """
    due = triggers.next_time(draft.status, book, draft.spec.checkpoint)
    latest = draft.now + timedelta(milliseconds=draft.spec.checkpoint.time_interval_ms)
    if due is None or due <= latest:
        return due
    return book.next if book.next is not None and book.next <= latest else latest


def _digest_now(draft: Draft) -> str:
    return state_digest(draft.execution.spec_digest, replace(draft.status, jobs=draft.records))
