"""The standard conditions of an execution, so that `kubectl wait` and kstatus understand it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cairn import names
from cairn.core import pausing
from cairn.core.restore.progress import Step
from cairn.core.status import Condition, PausePhase, Phase, Status
from cairn.errors import Violation

_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")  # what the API server takes for one
_MESSAGE_LIMIT = 8000  # a condition's message may be 32 KiB; every violation should fit, and does up to some hundred


@dataclass(frozen=True, slots=True)
class _Wanted:
    type: str
    status: bool
    reason: str
    message: str


def _acceptance(violations: Sequence[Violation]) -> _Wanted:
    if not violations:
        return _Wanted(names.CONDITION_ACCEPTED, True, names.ACCEPTED, "the spec can run")
    too_large = any(v.message.startswith(names.TOO_LARGE) for v in violations)
    text = "\n".join(map(str, violations))
    if len(text) > _MESSAGE_LIMIT:
        shown = text[:_MESSAGE_LIMIT].rsplit("\n", 1)[0]
        text = f"{shown}\n… {len(violations) - shown.count(chr(10)) - 1} more of {len(violations)} violations"
    return _Wanted(names.CONDITION_ACCEPTED, False, names.TOO_LARGE if too_large else names.INVALID, text)


def _pause(status: Status) -> _Wanted:
    pause = status.pause
    if pause is None:
        return _Wanted(names.CONDITION_PAUSED, False, "NotPaused", "")
    return _Wanted(
        names.CONDITION_PAUSED, pause.phase is PausePhase.PAUSED, pause.phase.value, pausing.describe(pause)
    )


def _end(status: Status) -> list[_Wanted]:
    succeeded = status.phase is Phase.SUCCEEDED
    reason = status.reason or names.WORKING
    return [
        _Wanted(names.CONDITION_FINISHED, status.finished, reason, status.message),
        _Wanted(names.CONDITION_SUCCEEDED, succeeded, reason, status.message),
    ]


def _kstatus(status: Status, accepted: bool) -> list[_Wanted]:
    failed = status.finished and status.phase is not Phase.SUCCEEDED
    reason = status.reason or names.WORKING
    return [
        _Wanted(names.CONDITION_RECONCILING, not status.finished and accepted, reason, status.message),
        _Wanted(names.CONDITION_STALLED, failed or not accepted, reason, status.message),
    ]


def _edits(ignored: Sequence[str]) -> list[_Wanted]:
    if not ignored:
        return []
    more = f" and {len(ignored) - 10} more" if len(ignored) > 10 else ""
    text = f"edited after they had started, so that the edit has no effect on them: {', '.join(ignored[:10])}{more}"
    return [_Wanted(names.CONDITION_EDITS_IGNORED, True, "JobsAlreadyStarted", text)]


def _checkpointed(status: Status) -> list[_Wanted]:
    """Whether the newest checkpoint was taken; nothing before there is one."""
    last, failed = status.checkpointing.last, status.checkpointing.failed
    if failed is not None:
        text = f"{failed.name}: {failed.reason}: {failed.message}"
        return [_Wanted(names.CONDITION_CHECKPOINTED, False, names.CHECKPOINT_FAILED, text)]
    if last is not None:
        return [_Wanted(names.CONDITION_CHECKPOINTED, True, names.CHECKPOINT_SAVED, f"{last.name} ({last.trigger})")]
    return []


def _restored(status: Status) -> list[_Wanted]:
    """How the newest restore that was asked for stands; nothing where none ever was."""
    progress = status.restore
    if progress is None:
        return []
    return [_Wanted(names.CONDITION_RESTORED, progress.step is Step.DONE, progress.reason, progress.message)]


def conditions(status: Status, violations: Sequence[Violation], ignored_edits: Sequence[str], *,
               generation: int, now: datetime) -> tuple[Condition, ...]:  # fmt: skip
    """All conditions of `status`; a transition time changes only with the condition's status."""
    wanted = [
        _acceptance(violations), _pause(status), *_end(status), *_kstatus(status, not violations),
        *_edits(ignored_edits), *_checkpointed(status), *_restored(status),
    ]  # fmt: skip
    return tuple(_carried(status.condition(w.type), w, generation, now) for w in wanted)


def unreadable(status: Status, now: datetime) -> tuple[Condition, ...]:
    """The conditions of a status that says nothing else: it waits for a person."""
    wanted = _kstatus(status, accepted=False)
    return tuple(_carried(None, w, status.observed_generation, now) for w in wanted)


def _carried(old: Condition | None, wanted: _Wanted, generation: int, now: datetime) -> Condition:
    since = old.last_transition if old and old.status == wanted.status else now
    reason = wanted.reason if _REASON.fullmatch(wanted.reason) else names.STATUS_UNREADABLE  # by other hands
    return Condition(wanted.type, wanted.status, reason, wanted.message, generation, since)
