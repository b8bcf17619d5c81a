"""What the checkpoint settings of a spec cost: how many checkpoints a run takes at most, how large, how many are kept.

Rules:
- Counted are the automatic ones of a run in which nothing is rewound, repaired by hand or disrupted: each of those adds
  ends, and so checkpoints, that nobody can foresee. One step takes at most one checkpoint, so that several causes at
  once need fewer than this says.
- A checkpoint holds the spec and a record of each job, whose size is measured by writing one down; what the jobs hand
  out and the ends of their logs come on top, at most as much as each may hand out.
- Time-based ones have no bound but the execution's own timeout; without one they are told by the hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cairn.core import graph
from cairn.core.checkpoint import serializer, triggers
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.checkpoint.state import Attempt, CheckpointState, Label, Origin
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.spec import ExecutionSpec, JobSpec, OutputsFrom
from cairn.core.status import JobRecord, JobState, Phase, Status
from cairn.names import LOG_TAIL_BYTES, OUTPUTS_LIMIT

TERMINATION_LIMIT = 4096  # bytes that Kubernetes keeps of a termination message
_HOUR_MS = 3_600_000
_WHEN = datetime(2026, 1, 31, tzinfo=UTC)  # every time is written in as many bytes
_UID = "0" * 36
_DIGEST = "0" * 16


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate."""

    counts: Mapping[Trigger, int]  # at most, of the triggers that are set, but for those by time without a bound
    per_hour: float  # time-based ones without a bound; 0: there are none
    least_bytes: int  # of one checkpoint, before compression, if no job hands out anything
    most_bytes: int  # … if each hands out as much as it may
    kept: int  # checkpoints that retention keeps at most, of those counted here
    kept_bytes: int  # of these at most

    @property
    def most(self) -> int:
        """Checkpoints of a run at most, but for those by the hour."""
        return sum(self.counts.values())


def estimate(spec: ExecutionSpec, written: Mapping[str, Any]) -> Cost:
    """What the settings of an accepted spec cost; `written` is the spec as the user wrote it, with its jobs."""
    settings = spec.checkpoint
    counts = {trigger: count for trigger, count in _counts(spec).items() if triggers.wants(settings, trigger)}
    by_time = triggers.wants(settings, Trigger.TIME_BASED) and not spec.timeout_seconds
    per_hour = _HOUR_MS / settings.time_interval_ms if by_time else 0.0
    least = _size(spec, written)
    most = least + sum(_handed_out(job) for job in spec.jobs)
    kept = settings.retention_count if per_hour else min(settings.retention_count, sum(counts.values()))
    kept_bytes = min(kept * most, settings.max_bytes) if settings.max_bytes else kept * most
    return Cost(counts, per_hour, least, most, kept, kept_bytes)


def _counts(spec: ExecutionSpec) -> dict[Trigger, int]:
    """How many each trigger takes at most."""
    levels = graph.levels(spec.jobs)
    critical = (job for job in spec.jobs if job.id in spec.checkpoint.critical_job_ids)
    found = {
        Trigger.JOB_COMPLETED: len(spec.jobs),
        Trigger.LEVEL_COMPLETED: len(set(levels.values())),
        Trigger.BEFORE_CRITICAL: sum(1 + job.retry.limit for job in critical),
    }
    if spec.timeout_seconds:
        found[Trigger.TIME_BASED] = spec.timeout_seconds * 1000 // spec.checkpoint.time_interval_ms
    return found


def _handed_out(job: JobSpec) -> int:
    """Bytes that a job hands out at most, with the end of its log."""
    return LOG_TAIL_BYTES + (OUTPUTS_LIMIT if job.outputs is OutputsFrom.LOG else TERMINATION_LIMIT)


def _size(spec: ExecutionSpec, written: Mapping[str, Any]) -> int:
    """Bytes of a checkpoint of a run in which every job has completed and handed out nothing."""
    records = {job.id: _record(job.id) for job in spec.jobs}
    tries = {id: (Attempt(1, JobState.COMPLETED, started_at=_WHEN, finished_at=_WHEN, exit_code=0),) for id in records}
    status = Status(Phase.RUNNING, "Working", observed_generation=1, started_at=_WHEN, jobs=records)
    label = Label(f"checkpoint_{_DIGEST[:13]}_{_DIGEST[:8]}", "x" * 40, Trigger.LEVEL_COMPLETED, _WHEN)
    origin = Origin("x" * 16, "x" * 24, _UID, 1, "0" * 8)
    return serializer.serialize(CheckpointState(label, origin, written, status, tries)).size


def _record(id: str) -> JobRecord:
    return JobRecord(
        id, JobState.COMPLETED, 1, launched_at=_WHEN, started_at=_WHEN, finished_at=_WHEN, uid=_UID, pod_uid=_UID,
        definition=_DIGEST, exit_code=0,
    )  # fmt: skip


def lines(cost: Cost, settings: CheckpointSettings) -> list[str]:
    """The estimate for a terminal; sizes in KB of 1,000 bytes."""
    told = [f"{count} {trigger}" for trigger, count in cost.counts.items()]
    told += [f"{cost.per_hour:g} time-based an hour"] if cost.per_hour else []
    if not told:
        return ["checkpoints: only those that somebody asks for, and of a pause"]
    size = f"{_kb(cost.least_bytes)} each, {_kb(cost.most_bytes)} if every job hands out all it may"
    kept = f"the newest {settings.retention_count} are kept: {_kb(cost.kept_bytes)} at most"
    return [f"checkpoints: at most {', '.join(told)}", f"size: {size}, before compression", f"retention: {kept}"]


def to_wire(cost: Cost) -> dict[str, Any]:
    """The estimate as plain JSON."""
    return {
        "checkpointsAtMost": {trigger.value: count for trigger, count in cost.counts.items()},
        "timeBasedPerHour": cost.per_hour, "bytesEach": cost.least_bytes, "bytesEachAtMost": cost.most_bytes,
        "keptAtMost": cost.kept, "keptBytesAtMost": cost.kept_bytes,
    }  # fmt: skip


def _kb(count: int) -> str:
    return f"{count / 1000:,.1f} KB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"
