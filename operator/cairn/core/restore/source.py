"""A checkpoint as it was found for a restore, or why there is none to restore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cairn.core.checkpoint.state import Attempt, CheckpointState
from cairn.core.checkpoint.triggers import ended
from cairn.core.restore.plan import Known, Saved
from cairn.core.restore.progress import Origin
from cairn.core.spec import ExecutionSpec, Restore, Source
from cairn.core.status import Status


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to be found; all else that a restore asks for is for its plan."""

    source: Source
    force: bool = False

    @classmethod
    def by(cls, asked: Restore) -> Wanted:
        """What a restore wants to be found."""
        return cls(asked.source, asked.force)


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint that can be restored."""

    wanted: Wanted
    origin: Origin
    saved: Saved
    status: Status
    attempts: Mapping[str, tuple[Attempt, ...]]
    spec: Mapping[str, Any]
    known: Known = field(default_factory=Known)  # of its execution, where that is another one
    warning: str = ""  # a copy that is damaged, where somebody insists

    @property
    def worked(self) -> timedelta:
        """How far the clock of the run had come."""
        status = self.status
        if status.started_at is None:
            return timedelta()
        end = status.finished_at or (status.pause.since if status.pause else self.saved.taken_at)
        return max(end - status.started_at - timedelta(milliseconds=status.paused_millis), timedelta())

    @property
    def ended(self) -> int:
        """How many jobs had run and were done."""
        return ended(self.status.jobs)


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why there is nothing to restore."""

    wanted: Wanted
    reason: str
    message: str
    retry_at: datetime | None = None  # where it may pass by itself


def saved_of(state: CheckpointState, digest: str, spec: ExecutionSpec | None) -> Saved:
    """What a plan looks at of a checkpoint, given its spec as far as that could be read."""
    return Saved(
        id=state.label.id, digest=digest, taken_at=state.label.created_at, records=state.status.jobs,
        jobs={job.id: job for job in spec.jobs} if spec else {}, params=state.spec.get("params") or {},
    )  # fmt: skip
