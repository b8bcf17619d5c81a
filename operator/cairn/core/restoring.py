"""Restores as a step of an execution's plan: a fork is let begin, a rewind brought to its end whatever crashes.

Rules (design: "a rewind has one commit point"):
- A rewind is *Preparing* while the checkpoint of the state before it is taken: launches wait, what runs goes on, and
  nothing has changed yet. An edit leads to another plan; a cancel, or another request, answers it as refused.
- *Stopping* is the commit point: one fenced write holds all that the rewind goes back to, and from there it completes,
  whatever becomes of the checkpoint, and whatever is edited (a spec that is wrong delays it, as it does everything).
  Attempts that the plan does not keep are stopped; the last write swaps the records, raises the epoch and answers.
- The checkpoint before a rewind holds the very state that the commit point replaces: an attempt that ends meanwhile
  leads to another one.
- A restore leaves `paused` as it is, and spends the cancel that came before it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cairn import names
from cairn.core import answering, following, forking
from cairn.core.checkpoint.book import Book, Pending
from cairn.core.checkpoint.serializer import state_digest
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.draft import Draft
from cairn.core.naming import checkpoint_name
from cairn.core.restore import records
from cairn.core.restore.plan import Known, plan
from cairn.core.restore.progress import UNDER_WAY, Fork, Mode, Progress, RestoredFrom, RestorePlan, Step
from cairn.core.restore.source import Found, NotFound
from cairn.core.spec import Restore, Source
from cairn.core.status import Phase, Status, Stopping

# --- Before the work of a plan ---------------------------------------------------------------------------------------


def begin(draft: Draft) -> None:
    """Begin a fork, or hold the work back while it cannot begin; see that a rewind keeps launches waiting."""
    progress, asked = draft.status.restore, draft.spec.restore
    if progress is not None and progress.step is Step.STOPPING:
        _stop(draft, progress)
        return
    if draft.status.started_at is None:
        assert asked is not None  # else it has started
        draft.held = True
        forking.fork(draft, asked)
    else:
        if progress is not None and progress.step is Step.PREPARING and _is_withdrawn(asked, progress):
            text = "another restore, or none, is asked for by now"
            answering.refuse(draft, progress.request_id, names.WITHDRAWN, text)
        draft.rewinding = asked is not None and not asked.dry_run and _is_new(draft, asked) and bool(asked.request_id)


def _is_withdrawn(asked: Restore | None, progress: Progress) -> bool:
    """Whether a rewind that has changed nothing yet is not asked for any more."""
    return asked is None or asked.dry_run or asked.request_id != progress.request_id


def _is_new(draft: Draft, asked: Restore) -> bool:
    """Whether a started execution is asked for a restore that has not been answered."""
    if not asked.request_id:
        return not _is_its_own(asked.source, draft.status.restored_from)
    progress = draft.status.restore  # remembers the newest answer for longer than the list of all does
    if progress is not None and progress.request_id == asked.request_id and progress.step is Step.DONE:
        return False
    return not draft.status.acknowledged(asked.request_id)


def _is_its_own(source: Source, restored: RestoredFrom | None) -> bool:
    """Whether this is what the execution was forked by: that has had its answer."""
    if restored is None:
        return False
    pairs = {
        source.checkpoint_name: restored.origin.name, source.checkpoint_id: restored.origin.id,
        source.latest_of: restored.origin.execution,
    }  # fmt: skip
    return any(asked and asked == of for asked, of in pairs.items())


def jobs_held_in(status: Status) -> str:
    """The name of the object that holds the jobs of a fork whose spec has none; they are read after a restart."""
    return status.restored_from.configs if status.restored_from else ""


# --- Rewind, up to the commit point ----------------------------------------------------------------------------------


def prepare(draft: Draft) -> None:
    """After the work of a plan, whose records are now as they are: plan a rewind, save the state before it, commit."""
    asked = draft.spec.restore
    if asked is None or draft.restored or not _is_new(draft, asked):
        return
    if not asked.request_id:
        text = "this execution has started: going back to a checkpoint needs a requestId that was not used before"
        answering.answer(draft, asked, Step.REFUSED, names.REQUEST_ID_MISSING, text)
        return
    if draft.status.cancel is not None and not draft.execution.status.cancel:
        answering.refuse(draft, asked.request_id, names.WITHDRAWN, "a cancel came before it had begun")
        return
    if asked.dry_run and answering.is_answered(draft, asked):
        return
    found = answering.sought(draft, _fixed(draft, asked))
    if isinstance(found, Found) and found.origin.execution_uid != draft.identity.uid:
        text = f"{asked.source} is of execution {found.origin.execution}; a rewind goes back to an own one: fork it"
        found = NotFound(found.wanted, names.OTHER_EXECUTION, text)
    if isinstance(found, NotFound):
        answering.refuse(draft, asked.request_id, found.reason, found.message)
    elif found is not None:
        _plan_rewind(draft, asked, found)


def _fixed(draft: Draft, asked: Restore) -> Restore:
    """What is asked for, by its id once that is known: the latest checkpoint is soon that of the rewind itself."""
    progress = draft.status.restore
    if not asked.source.latest_of or progress is None or progress.origin is None:
        return asked
    if progress.step is not Step.PREPARING or progress.request_id != asked.request_id:
        return asked
    return replace(asked, source=Source(checkpoint_id=progress.origin.id, namespace=asked.source.namespace))


def _plan_rewind(draft: Draft, asked: Restore, found: Found) -> None:
    made = plan(found.saved, draft.spec, asked, Known(draft.records, final=True, adopt=True), draft.shape)
    if objection := answering.objection_to(asked, made):
        answering.refuse(draft, asked.request_id, *objection, found=found, made=made)
    elif asked.dry_run:
        answering.answer(draft, asked, Step.PLANNED, names.DRY_RUN, made.describe(), found=found, made=made)
    else:
        _save_and_commit(draft, asked, found, made)


def _save_and_commit(draft: Draft, asked: Restore, found: Found, made: RestorePlan) -> None:
    """Wait for the checkpoint of the very state that is given up, then commit."""
    now = state_digest(draft.execution.spec_digest, replace(draft.status, jobs=draft.records))
    cause = f"rewind {asked.request_id} {draft.execution.generation} {now}"  # an edit may be undone by the next one
    undo = checkpoint_name(draft.identity.name, draft.identity.uid, Trigger.MANUAL, cause)
    taken = draft.observed.checkpoints.get(undo)
    if taken is not None and taken.is_failed and not asked.force:
        text = f"the state before the rewind cannot be saved: {taken.ready[0]}: {taken.ready[1]}; force goes without"
        answering.refuse(draft, asked.request_id, names.UNDO_NOT_SAVED, text, found=found, made=made)
        return
    if taken is not None and (taken.is_failed or (taken.is_ready and taken.state_digest == now)):
        _commit(draft, asked, found, made, undo if taken.is_ready else "")
        return
    draft.undo = Pending(undo, Trigger.MANUAL, f"Before the rewind {asked.request_id}"[:253], (), draft.now)
    text = f"saving the state before it goes back to {found.origin.id}"
    answering.answer(draft, asked, Step.PREPARING, names.RESTORING, text, found=found, made=made, undo=undo)


def _commit(draft: Draft, asked: Restore, found: Found, made: RestorePlan, undo: str) -> None:
    """The commit point: all that the rewind needs is in this one write."""
    back = records.Target(
        records.going_back(made, found.saved.records), int(found.worked / timedelta(milliseconds=1)), found.ended
    )
    text = f"stopping what is not kept; {answering.told(made, found)}"
    answering.answer(
        draft, asked, Step.STOPPING, names.RESTORING, text, found=found, made=made, undo=undo,
        target=records.to_text(back),
    )  # fmt: skip
    assert draft.status.restore is not None
    adopted = records.adopted(made)
    for record in list(draft.records.values()):
        if record.running and record.id not in adopted:
            draft.put(record.as_stopping(Stopping.REWIND))
    draft.wake.append(draft.now)


# --- Rewind, from the commit point on --------------------------------------------------------------------------------


def _stop(draft: Draft, progress: Progress) -> None:
    """See every attempt that is not kept to its end; then swap the records."""
    draft.stopping = True
    assert progress.plan is not None
    adopted = records.adopted(progress.plan)
    draft.adopted = adopted
    following.follow(draft)
    left = [r.id for r in draft.records.values() if r.running and r.id not in adopted]
    if not left:
        _swap(draft, progress, adopted)


def _swap(draft: Draft, progress: Progress, adopted: frozenset[str]) -> None:
    assert progress.origin is not None and progress.plan is not None
    back, status, now = records.from_text(progress.target), draft.status, draft.now
    draft.records = records.rewound(back.records, adopted, draft.records)
    before = status.restored_from
    restored = RestoredFrom(
        Mode.REWIND, progress.origin, now, progress.plan.kept, back.ended, progress.request_id,
        progress.undo, before.configs if before else "", before.packs if before else (),
    )  # fmt: skip
    done = replace(
        progress, step=Step.DONE, at=now, reason=names.REWOUND, target="", plan=progress.plan.carried_out(),
        message=progress.message.removeprefix("stopping what is not kept; "),
    )  # fmt: skip
    assert status.started_at is not None
    stands_since = status.pause.since if status.pause else now
    stood = int((stands_since - status.started_at) / timedelta(milliseconds=1)) - back.worked_millis
    draft.status = replace(
        status, phase=Phase.RUNNING, reason=names.WORKING, message="", finished_at=None, cancel=None,
        timed_out_at=None, paused_millis=max(stood, 0),
        epoch=status.epoch + 1, restore=done, restored_from=restored,
        checkpointing=Book(settings=status.checkpointing.settings),
    )  # fmt: skip
    draft.status = answering.acknowledged(draft, progress.request_id, "Done", done.message)
    draft.restored = True
    draft.wake.append(now)


# --- Lineage ---------------------------------------------------------------------------------------------------------


def note_forks(draft: Draft) -> None:
    """Remember which executions were forked from this one."""
    known = {fork.uid for fork in draft.status.forks}
    fresh = [fork for fork in draft.observed.forks if fork.uid not in known]
    if fresh:
        every: list[Fork] = sorted((*draft.status.forks, *fresh), key=lambda fork: (fork.at, fork.uid))
        draft.status = replace(draft.status, forks=tuple(every[-names.SHOWN_FORKS :]))


def under_way(status: Status) -> bool:
    """Whether a rewind has begun and not ended."""
    return status.restore is not None and status.restore.step in UNDER_WAY
