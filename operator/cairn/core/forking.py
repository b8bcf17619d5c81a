"""A fork as a step of its plan: it waits for its checkpoint, is refused, planned, or begins.

Rules:
- Until it has begun nothing of it runs, and nothing exists that would have to be undone.
- It begins by one status write, after the objects that hold what it keeps; the same plan launches what is ready.
- A fork that cannot begin waits: for an edit, or for what may pass by itself to be looked for again.
"""

from __future__ import annotations

from dataclasses import replace

from cairn import names
from cairn.core import answering, pausing
from cairn.core.actions import SavePack
from cairn.core.draft import Draft
from cairn.core.restore import packs, records
from cairn.core.restore.plan import plan
from cairn.core.restore.progress import Mode, RestoredFrom, RestorePlan, Step
from cairn.core.restore.source import Found, NotFound
from cairn.core.spec import Cancel, Restore
from cairn.core.status import Acknowledged, CancelState, Phase


def fork(draft: Draft, asked: Restore) -> None:
    """Begin the execution from the checkpoint, or say why not."""
    if draft.spec.cancel is not None:
        _cancel_fork(draft, draft.spec.cancel)
        return
    if answering.is_answered(draft, asked):
        return
    found = answering.sought(draft, asked)
    if found is None:
        return
    if isinstance(found, NotFound):
        answering.answer(draft, asked, Step.REFUSED, found.reason, found.message)
        return
    made = plan(found.saved, draft.spec, asked, found.known, draft.shape)
    if objection := answering.objection_to(asked, made):
        answering.answer(draft, asked, Step.REFUSED, *objection, found=found, made=made)
    elif asked.dry_run:
        answering.answer(draft, asked, Step.PLANNED, names.DRY_RUN, made.describe(), found=found, made=made)
    else:
        _begin_fork(draft, asked, found, made)


def _refuse_copied(draft: Draft, found: Found) -> None:
    """Repairs that the spec brings along from the original have been done there, though their ids are new here."""
    known = {answer.id for answer in found.status.requests}
    text = f"answered before the fork, in {found.origin.execution}"
    copied = tuple(
        Acknowledged(request.id, request.type.value, draft.now, "Refused", request.job, text, request.by)
        for request in draft.spec.requests
        if request.id in known
    )
    draft.status = replace(draft.status, requests=(*draft.status.requests, *copied))


def _cancel_fork(draft: Draft, cancel: Cancel) -> None:
    """A fork that is cancelled before it has begun ends there."""
    if draft.status.finished:
        return
    state = CancelState(cancel.request_id, cancel.reason, draft.now)
    answer = Acknowledged(cancel.request_id, "Cancel", draft.now, message=cancel.reason[: names.MESSAGE_LIMIT])
    draft.status = replace(
        draft.status, phase=Phase.CANCELLED, finished_at=draft.now, cancel=state, reason=names.CANCELLED,
        message="cancelled before it had begun", requests=(*draft.status.requests, answer), pause=None,
    )  # fmt: skip


def _begin_fork(draft: Draft, asked: Restore, found: Found, made: RestorePlan) -> None:
    kept = {job.id: found.attempts.get(job.id, ()) for job in made.jobs if records.stands(job)}
    source = f"checkpoint {found.origin.id}"
    held = list(packs.results(draft.identity, kept, source))
    draft.before += (SavePack(pack) for pack in held)
    configs = packs.configs(draft.identity, found.spec, source) if draft.execution.borrows_jobs else None
    if configs is not None:
        draft.before.append(SavePack(configs))
    for tries in kept.values():
        draft.outputs |= {one.outputs.digest: one.outputs for one in tries if one.outputs is not None}
    draft.records = records.forked(made, found.saved.records)
    restored = RestoredFrom(
        Mode.FORK, found.origin, draft.now, made.kept, found.ended, asked.request_id,
        configs=packs.name_of(configs) if configs else "", packs=tuple(map(packs.name_of, held)),
    )  # fmt: skip
    pause = pausing.with_clock(draft.status.pause, draft.now) if draft.status.pause else None
    draft.status = replace(
        draft.status, started_at=draft.now, phase=Phase.RUNNING, restored_from=restored, pause=pause
    )  # fmt: skip
    draft.held, draft.restored = False, True
    _refuse_copied(draft, found)
    answering.answer(draft, asked, Step.DONE, names.FORKED, answering.told(made, found), found=found, made=made)
