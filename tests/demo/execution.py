"""An execution as the API server shows it: only what the demo displays and checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

_ENDED = frozenset({"Completed", "Failed", "Skipped"})


@dataclass(frozen=True)
class Job:
    """One job: its part of the spec and of the status."""

    id: str
    group: str
    after: tuple[str, ...]
    state: str
    attempt: int
    reason: str
    message: str
    launched: datetime | None
    finished: datetime | None
    retry: datetime | None

    @property
    def ended(self) -> bool:
        """Nothing more happens to this job."""
        return self.state in _ENDED

    def seconds(self, now: datetime) -> float | None:
        """How long the latest attempt has taken, from its launch on."""
        if self.launched is None:
            return None
        until = self.finished if self.finished is not None and self.state != "Running" else now
        return max(0.0, (until - self.launched).total_seconds())


@dataclass(frozen=True)
class Execution:
    """A DAGExecution."""

    name: str
    version: int
    phase: str
    pause: str
    draining: tuple[str, ...]
    message: str
    jobs: tuple[Job, ...]

    @classmethod
    def from_object(cls, body: Mapping[str, Any]) -> Self:
        """Read what `kubectl get -o json` prints."""
        spec, status = body["spec"], body.get("status") or {}
        records = {record["id"]: record for record in status.get("jobs", ())}
        pause = status.get("pause") or {}
        return cls(
            name=body["metadata"]["name"],
            version=int(body["metadata"]["resourceVersion"]),
            phase=status.get("phase", "Pending"),
            pause=pause.get("phase", ""),
            draining=tuple(pause.get("running", ())),
            message=status.get("message", ""),
            jobs=tuple(_job(each, records.get(each["id"], {})) for each in spec["jobs"]),
        )

    @property
    def ended(self) -> int:
        """How many jobs have ended."""
        return sum(job.ended for job in self.jobs)

    @property
    def running(self) -> tuple[str, ...]:
        """The jobs with an attempt under way."""
        return tuple(job.id for job in self.jobs if job.state == "Running")

    @property
    def finished(self) -> bool:
        """The run is over."""
        return self.phase in ("Succeeded", "Failed", "Cancelled")

    @property
    def attempts(self) -> dict[str, int]:
        """The number of each job's latest attempt."""
        return {job.id: job.attempt for job in self.jobs}

    def ready(self, job: Job) -> bool:
        """Everything that the job waits for has ended."""
        return all(each.ended for each in self.jobs if {each.id, f"group:{each.group}"} & set(job.after))

    def or_newer(self, other: Execution | None) -> Execution:
        """The newer of two looks: a watch may still bring what a read has overtaken."""
        return other if other is not None and other.version > self.version else self

    def job(self, name: str) -> Job:
        """The job of that id."""
        return next(job for job in self.jobs if job.id == name)


def _job(spec: Mapping[str, Any], record: Mapping[str, Any]) -> Job:
    return Job(
        id=spec["id"],
        group=spec.get("group", ""),
        after=tuple(spec.get("dependsOn", ())),
        state=record.get("state", "Pending"),
        attempt=record.get("attempt", 0),
        reason=record.get("reason", ""),
        message=record.get("message", ""),
        launched=_time(record.get("launchedAt")),
        finished=_time(record.get("finishedAt")),
        retry=_time(record.get("retryAt")),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
