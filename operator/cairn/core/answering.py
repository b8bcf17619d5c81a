"""What the status says of a restore: sought, refused, planned, under way, done.

Said again it is left as it is, so that planning again on an applied plan writes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from cairn import names
from cairn.core.actions import FetchCheckpoint
from cairn.core.draft import Draft
from cairn.core.observed import PASSING_MOST
from cairn.core.restore.progress import Mode, Progress, RestorePlan, Step
from cairn.core.restore.source import Found, NotFound, Wanted
from cairn.core.spec import Restore
from cairn.core.status import Acknowledged, Status

_PROBLEMS_TOLD = 2000  # characters
# A fork waits for these to change; and what was withdrawn is no answer to what is asked for instead.
_PASSING = frozenset(
    {
        names.CHECKPOINT_NOT_FOUND, names.CHECKPOINT_NOT_READY, names.DATABASE_UNAVAILABLE, names.DATABASE_READ_ONLY,
        names.DATABASE_FULL, names.NOT_MIGRATED, names.WITHDRAWN,
    }
)  # fmt: skip


def sought(draft: Draft, asked: Restore) -> Found | NotFound | None:
    """The checkpoint that is asked for, or None while it is being read (which is asked for)."""
    found = draft.observed.restore
    if found is None or found.wanted != Wanted.by(asked):
        draft.after.append(FetchCheckpoint(asked))
        return None
    if isinstance(found, NotFound) and found.retry_at is not None:
        if not draft.awaits(found.retry_at, PASSING_MOST):
            draft.after.append(FetchCheckpoint(asked))
    return found


def is_answered(draft: Draft, asked: Restore) -> bool:
    """Whether this very spec has had its answer, and the world may move on without it changing."""
    progress = draft.status.restore
    if progress is None or progress.generation != draft.execution.generation:
        return False
    if progress.request_id != asked.request_id or progress.step not in (Step.REFUSED, Step.PLANNED):
        return False
    return progress.reason not in _PASSING


def objection_to(asked: Restore, made: RestorePlan) -> tuple[str, str] | None:
    """Why a plan is not carried out: reason and message."""
    if not made.jobs:  # those of a fork that had not begun were to come from yet another checkpoint
        text = "the checkpoint holds no jobs, its execution had not begun: write spec.jobs, or start from another one"
        return names.CHECKPOINT_HOLDS_NOTHING, text
    if made.problems:
        reasons = {problem.reason for problem in made.problems}
        told = [f"{problem.job}: {problem.message}" for problem in made.problems]
        text = "\n".join(told)
        if len(text) > _PROBLEMS_TOLD:
            shown = text[:_PROBLEMS_TOLD].rsplit("\n", 1)[0]
            text = f"{shown}\n… {len(told) - shown.count(chr(10)) - 1} more of {len(told)}; see status.restore.plan"
        return (reasons.pop() if len(reasons) == 1 else names.PLAN_REFUSED), text
    if asked.plan_digest and asked.plan_digest != made.digest and not asked.dry_run:
        text = f"the plan is another one than that of planDigest: {made.describe()}; its digest is {made.digest}"
        return names.PLAN_CHANGED, text
    return None


def answer(
    draft: Draft, asked: Restore, step: Step, reason: str, message: str, *, found: Found | None = None,
    made: RestorePlan | None = None, undo: str = "", target: str = "",
) -> None:  # fmt: skip
    """Say in the status how far the restore has come."""
    mode = Mode.REWIND if draft.execution.status.started_at else Mode.FORK
    said = Progress(
        mode, step, draft.execution.generation, draft.now, asked.request_id, reason, message,
        found.origin if found else None, made.carried_out() if made and step is Step.DONE else made, undo, target,
    )  # fmt: skip
    _say(draft, said)
    if draft.held:
        draft.status = replace(draft.status, reason=reason, message=message[: names.MESSAGE_LIMIT])
    if step is Step.DONE and asked.request_id:
        draft.status = acknowledged(draft, asked.request_id, "Done", message)


def refuse(draft: Draft, request_id: str, reason: str, message: str, *, found: Found | None = None,
           made: RestorePlan | None = None) -> None:  # fmt: skip
    """Answer a rewind for good; nothing has changed."""
    said = Progress(
        Mode.REWIND, Step.REFUSED, draft.execution.generation, draft.now, request_id, reason, message,
        found.origin if found else None, made,
    )  # fmt: skip
    asked = draft.spec.restore
    dry = asked is not None and asked.dry_run and asked.request_id == request_id
    if not dry and not draft.status.acknowledged(request_id):
        draft.status = acknowledged(draft, request_id, "Refused", f"{reason}: {message}")
    _say(draft, said)
    if draft.rewinding:
        draft.wake.append(draft.now)  # what has waited for the rewind goes on


def _say(draft: Draft, said: Progress) -> None:
    """Say it in the status; said again, it is left as it is."""
    old = draft.status.restore
    if old is not None and replace(said, at=old.at, generation=old.generation) == old:
        said = replace(said, at=old.at)
    draft.status = replace(draft.status, restore=said)


def acknowledged(draft: Draft, request_id: str, outcome: str, message: str) -> Status:
    """The status with the request answered."""
    said = Acknowledged(request_id, "Restore", draft.now, outcome, message=message[: names.MESSAGE_LIMIT])
    return replace(draft.status, requests=(*draft.status.requests, said)[-names.RECORDED_REQUESTS :])


def told(made: RestorePlan, found: Found) -> str:
    """What a restore does, in a sentence, and from where."""
    warning = f"; {found.warning}" if found.warning else ""
    return f"from checkpoint {found.origin.id} of {found.origin.execution}: {made.describe()}{warning}"
