"""Which checkpoint a step of an execution calls for: derived from the records before and after it.

Rules:
- An edge counts once: the step that records the end of a job or a level is the step that decides the checkpoint of it,
  in one write. So nothing has to remember what has been saved before.
- At most one checkpoint a step: of several causes the most telling one names it (a drained pause, a critical job, a
  level, a job, a time), and what is saved by it is not saved a second time.
- A cause has a key that is the same whoever looks, and another one once the run has been through it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cairn.core.checkpoint.book import Book
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.status import JobRecord, JobState, PausePhase, Status
from cairn.core.times import format_time, later

Records = Mapping[str, JobRecord]

CAUSE_LIMIT = 63  # characters; the longest id of a job
_COMPLETES = (JobState.COMPLETED, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class Due:
    """A checkpoint that is called for."""

    trigger: Trigger
    causes: tuple[str, ...]
    key: str  # the cause for machines; its object's name is made of it


def ended_jobs(before: Records, after: Records) -> tuple[str, ...]:
    """The jobs that have completed or failed in this step, in spec order."""
    return tuple(
        r.id
        for r in after.values()
        if r.state in _COMPLETES and not _ended_so(before.get(r.id), r)
    )  # fmt: skip


def _ended_so(before: JobRecord | None, after: JobRecord) -> bool:
    return before is not None and (before.state, before.attempt) == (after.state, after.attempt)


def ended(records: Records) -> int:
    """How many jobs have run and are done."""
    return sum(r.terminal and r.attempt > 0 for r in records.values())


def ended_levels(before: Records, after: Records, levels: Mapping[str, int]) -> tuple[int, ...]:
    """The levels of which the last job has become terminal in this step."""
    touched = {levels[r.id] for r in after.values() if r.id in levels and r.terminal and not _terminal(before, r.id)}
    open_now = {level for name, level in levels.items() if not _terminal(after, name)}
    return tuple(sorted(touched - open_now))


def _terminal(records: Records, name: str) -> bool:
    return name in records and records[name].terminal


def drained(before: Status, after: Status) -> bool:
    """Whether a pause has become complete in this step."""
    was = before.pause is not None and before.pause.phase is PausePhase.PAUSED
    return after.pause is not None and after.pause.phase is PausePhase.PAUSED and not was


def next_time(status: Status, book: Book, settings: CheckpointSettings) -> datetime | None:
    """When the next time-based checkpoint is due, if the state has changed by then."""
    if not wants(settings, Trigger.TIME_BASED) or status.started_at is None or status.finished:
        return None
    since = [status.started_at]
    since += [book.last.at] if book.last else []
    since += [book.failed.at] if book.failed else []
    since += [status.restored_from.at] if status.restored_from else []
    return later(max(since), milliseconds=settings.time_interval_ms)


def wants(settings: CheckpointSettings, trigger: Trigger) -> bool:
    """Whether checkpoints of that trigger are taken by themselves."""
    return settings.enabled and trigger in settings.triggers


def pause_due(status: Status) -> Due:
    """For a drained pause."""
    pause = status.pause
    assert pause is not None
    return Due(Trigger.MANUAL, (pause.reason[:CAUSE_LIMIT],) if pause.reason else (), pause_key(pause.generation))


def pause_key(generation: int) -> str:
    """The cause of a pause's checkpoint: the generation of the spec that paused, which no other pause shares.

    Whoever pauses knows it from the answer, and so the name of the object that will hold the drained state.
    """
    return f"pause {generation}"


def level_due(found: Sequence[int], status: Status, records: Records, levels: Mapping[str, int]) -> Due:
    """For levels that have ended."""
    tried = sum(r.attempt for r in records.values() if levels.get(r.id) in found)
    causes = tuple(str(level) for level in found)
    return Due(Trigger.LEVEL_COMPLETED, causes, f"levels {causes} {_again(status)} {tried}")


def job_due(found: Sequence[str], status: Status, records: Records) -> Due:
    """For jobs that have completed or failed."""
    tried = [(name, records[name].attempt, records[name].state.value) for name in found]
    return Due(Trigger.JOB_COMPLETED, tuple(found), f"jobs {tried} {_again(status)}")


def critical_due(found: Sequence[str], status: Status, records: Records, generation: int) -> Due:
    """For critical jobs that are about to be launched; after a pause, or any edit, it is another launch."""
    tried = [(name, records[name].attempt + 1) for name in found]
    return Due(Trigger.BEFORE_CRITICAL, tuple(found), f"critical {tried} {_again(status)} {generation}")


def time_due(due: datetime) -> Due:
    """For an interval that has passed."""
    return Due(Trigger.TIME_BASED, (format_time(due),), f"time {int(due.timestamp() * 1000)}")


def _again(status: Status) -> str:
    """What a rewind or a request by hand changes: after it, the same end is a new one."""
    return f"{status.epoch} {len(status.requests)}"
