"""What has changed of an execution from one look to the next, for somebody who follows it.

Rules:
- A change is told by what it has come to; `str` of it is a line for a person.
- At the first look, how things stand counts as a change; what has been and gone before it does not.
- In one look what causes comes before what is caused: a phase that begins, jobs, a pause, its checkpoint, the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cairn.client.models import DAGExecution, ExecutionStatus, JobStatus
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.restore.progress import Mode
from cairn.core.status import FINISHED, JobState, PausePhase, Phase


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """The execution is in another phase."""

    phase: Phase
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        why = "" if self.phase in (Phase.RUNNING, Phase.SUCCEEDED) else _why(self.reason, self.message)
        return f"execution {self.phase}{why}"


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job is in another state, or in another attempt."""

    id: str
    state: JobState
    was: JobState
    attempt: int = 0
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        why = "" if self.state in (JobState.RUNNING, JobState.COMPLETED) else _why(self.reason, self.message)
        return f"{self.id} {self.state}{again}{why}"


@dataclass(frozen=True, slots=True)
class PauseChange:
    """A pause has come this far; no phase: the execution goes on."""

    phase: PausePhase | None
    reason: str = ""
    until: datetime | None = None

    def __str__(self) -> str:
        return f"execution {self.phase}{_why(self.reason)}" if self.phase else "execution resumed"


@dataclass(frozen=True, slots=True)
class CheckpointTaken:
    """A checkpoint can be restored from now on."""

    name: str
    id: str
    trigger: Trigger
    at: datetime | None = None

    def __str__(self) -> str:
        return f"checkpoint {self.name} ({self.trigger})"


@dataclass(frozen=True, slots=True)
class CheckpointFailed:
    """A checkpoint could not be taken."""

    name: str
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"checkpoint {self.name} failed{_why(self.reason, self.message)}"


@dataclass(frozen=True, slots=True)
class Rewound:
    """The execution was put back to a checkpoint."""

    checkpoint: str
    checkpoint_id: str

    def __str__(self) -> str:
        return f"execution rewound to {self.checkpoint or self.checkpoint_id}"


Change = PhaseChange | JobChange | PauseChange | CheckpointTaken | CheckpointFailed | Rewound


def changes(before: DAGExecution | None, after: DAGExecution) -> Iterator[Change]:
    """What has changed since; None before: nothing was known yet."""
    then, now = before.status if before else ExecutionStatus(), after.status
    begun = [*_phase(then, now)]
    ended = begun if now.phase in FINISHED else []
    if begun is not ended:
        yield from begun
    if before:
        yield from _rewound(then, now)
    yield from _jobs(then, now)
    yield from _pause(then, after)
    if before:
        yield from _checkpoints(then, now)
    yield from ended


def _phase(then: ExecutionStatus, now: ExecutionStatus) -> Iterator[PhaseChange]:
    phase = now.phase or Phase.PENDING
    if phase is not (then.phase or Phase.PENDING):
        yield PhaseChange(phase, now.reason or "", now.message or "")


def _jobs(then: ExecutionStatus, now: ExecutionStatus) -> Iterator[JobChange]:
    known = {job.id: job for job in then.jobs}
    for job in now.jobs:
        was = known.get(job.id) or JobStatus(id=job.id, state=JobState.PENDING)
        if (job.state, job.attempt or 0) != (was.state, was.attempt or 0):
            yield JobChange(job.id, job.state, was.state, job.attempt or 0, job.reason or "", job.message or "")


def _pause(then: ExecutionStatus, after: DAGExecution) -> Iterator[PauseChange]:
    was, now = then.pause and then.pause.phase, after.status.pause
    if now is not None and now.phase is not was:
        yield PauseChange(now.phase, now.reason or "", now.until)
    elif now is None and was is not None and not after.spec.paused:
        yield PauseChange(None)


def _checkpoints(then: ExecutionStatus, now: ExecutionStatus) -> Iterator[CheckpointTaken | CheckpointFailed]:
    last, failed = (now.checkpointing.last, now.checkpointing.failed) if now.checkpointing else (None, None)
    old, old_failed = (then.checkpointing.last, then.checkpointing.failed) if then.checkpointing else (None, None)
    if last is not None and last.checkpoint_id != (old and old.checkpoint_id):
        yield CheckpointTaken(last.name or "", last.checkpoint_id or "", last.trigger or Trigger.MANUAL, last.at)
    if failed is not None and failed != old_failed:
        yield CheckpointFailed(failed.name or "", failed.reason or "", failed.message or "")


def _rewound(then: ExecutionStatus, now: ExecutionStatus) -> Iterator[Rewound]:
    source = now.restored_from
    if source is not None and source.mode is Mode.REWIND and source != then.restored_from:
        yield Rewound(source.checkpoint_name or "", source.checkpoint_id or "")


def _why(*words: str) -> str:
    told = [word for word in words if word]
    return ": " + ", ".join(told) if told else ""
