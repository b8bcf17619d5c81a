"""The pause as it is seen: since when, how far drained, and how long it has stopped the execution's clock.

Rules (design, Pause):
- `spec.paused: true` always pauses. `until` only tells the operator when to write `paused: false`, once, and only if it
  lies later than the pause's begin: a stale `until` must never disarm a pause.
- Every pause ends by the same patch, whoever began it.
- `Draining` counts what runs and every intent that is not settled; `Paused` means that there is none of either.
- A begin that lies ahead was told by a clock that has been turned back since: the pause begins now.
- The clock stands from the pause's begin to the resume, draining included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cairn.core.spec import ExecutionSpec
from cairn.core.status import PausePhase, PauseState, Status

SHOWN = 20


def begin_or_end(status: Status, spec: ExecutionSpec, *, generation: int, by_operator: bool, now: datetime) -> Status:
    """The status with its pause begun, carried on, or ended (its length added to what the clock leaves out)."""
    pause = status.pause
    if not spec.paused or status.finished:
        if pause is None:
            return status
        stood = int((now - pause.since).total_seconds() * 1000)
        return replace(status, pause=None, paused_millis=status.paused_millis + max(stood, 0))
    if pause is None:
        pause = PauseState(PausePhase.DRAINING, since=now, generation=generation)
    described = replace(
        pause, since=min(pause.since, now), by="operator" if by_operator else "user", reason=spec.pause.reason,
        mode=spec.pause.mode.value, until=spec.pause.until,
    )  # fmt: skip
    return replace(status, pause=described)


def with_progress(pause: PauseState, unsettled: Sequence[str]) -> PauseState:
    """The pause with what still runs."""
    phase = PausePhase.DRAINING if unsettled else PausePhase.PAUSED
    return replace(pause, phase=phase, running=tuple(unsettled[:SHOWN]), count=len(unsettled))


def resume_at(pause: PauseState) -> datetime | None:
    """When the pause ends by itself, or None: an `until` that does not lie after its begin is not heeded."""
    return pause.until if pause.until and pause.until > pause.since else None


def with_clock(pause: PauseState, now: datetime) -> PauseState:
    """The pause of a run whose clock begins now: it counts from now on, and an `until` that has come still ends it."""
    until = resume_at(pause)
    return replace(pause, since=now if until is None or until > now else until - timedelta(milliseconds=1))


def describe(pause: PauseState) -> str:
    """The pause in a sentence, for conditions and events."""
    text = "paused" if pause.phase is PausePhase.PAUSED else f"draining ({pause.count}): {_listed(pause)}"
    if pause.reason:
        text += f"; reason: {pause.reason}"
    if pause.until and resume_at(pause) is None:
        text += "; pause.until is not later than the pause's begin and is ignored"
    return text


def _listed(pause: PauseState) -> str:
    more = pause.count - len(pause.running)
    return ", ".join(pause.running) + (f" and {more} more" if more else "")
