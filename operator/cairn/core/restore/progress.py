"""What an execution's status remembers of restores: how far the newest one has come, and where its state comes from.

Rules:
- `Progress` is the answer to `spec.restoreFrom`: it may be replaced by the next one. `RestoredFrom` is only written by
  a restore that has taken place, and the results that were kept are found through it as long as the execution lives.
- None of this is state of the run: it is left out of checkpoints, whose chain of parents tells the lineage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from cairn.core.times import format_time, known_time
from cairn.core.wire import without_empty


class Mode(StrEnum):
    """Whether a new execution starts from a checkpoint, or one goes back to one of its own."""

    FORK = "Fork"
    REWIND = "Rewind"


class Step(StrEnum):
    """How far a restore has come. Up to `Preparing` nothing has changed; from `Stopping` on it always completes."""

    REFUSED = "Refused"
    PLANNED = "Planned"  # a dry run
    PREPARING = "Preparing"
    STOPPING = "Stopping"
    DONE = "Done"


UNDER_WAY = frozenset({Step.PREPARING, Step.STOPPING})


class Verdict(StrEnum):
    """What a restore does with a job."""

    KEEP = "Keep"  # its result, or the failure that was handled, or the attempt that still runs
    RERUN = "Rerun"  # it has run before
    RUN = "Run"  # for the first time
    SKIP = "Skip"  # it is not run, as before


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a restore does with one job, and why."""

    id: str
    verdict: Verdict
    reason: str
    message: str = ""
    seconds: int = 0  # of work: kept, or done again, as far as it is known
    replay: str = ""  # Unsafe or Confirm, where what it has done may be done again


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a plan cannot be carried out as it was asked for: of which job, and what to do."""

    job: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore does, job by job, before anything is touched."""

    jobs: tuple[JobPlan, ...]
    digest: str  # SHA-256 over the checkpoint, and verdict and reason of each job, in whatever order
    problems: tuple[Problem, ...] = ()
    counts: Mapping[Verdict, int] = field(default_factory=dict)  # of all jobs, those that are not listed included
    kept_seconds: int = 0  # of work
    repeated_seconds: int = 0

    @classmethod
    def of(cls, jobs: tuple[JobPlan, ...], digest: str, problems: tuple[Problem, ...] = ()) -> RestorePlan:
        """The plan that these jobs make."""
        counts = Counter(job.verdict for job in jobs)
        kept, again = (sum(j.seconds for j in jobs if j.verdict is v) for v in (Verdict.KEEP, Verdict.RERUN))
        return cls(jobs, digest, problems, {verdict: counts[verdict] for verdict in Verdict}, kept, again)

    @property
    def kept(self) -> int:
        """How many jobs are kept."""
        return self.counts.get(Verdict.KEEP, 0)

    def carried_out(self) -> RestorePlan:
        """The plan as it is remembered: why something ran again or is not run; the rest goes without saying."""
        return replace(self, jobs=tuple(j for j in self.jobs if j.verdict in (Verdict.RERUN, Verdict.SKIP)))

    def describe(self) -> str:
        """The plan in a sentence."""
        told = [f"{self.counts[verdict]} {verdict.lower()}" for verdict in Verdict if self.counts.get(verdict)]
        work = f"{self.kept_seconds} s of work kept, {self.repeated_seconds} s done again"
        return f"{', '.join(told) or 'no jobs'}; {work}"


@dataclass(frozen=True, slots=True)
class Origin:
    """A checkpoint, and whose it is."""

    id: str
    name: str  # of its object
    digest: str
    namespace: str
    execution: str
    execution_uid: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the newest restore that was asked for has come."""

    mode: Mode
    step: Step
    generation: int  # of the spec that it answers
    at: datetime
    request_id: str = ""
    reason: str = ""
    message: str = ""
    origin: Origin | None = None
    plan: RestorePlan | None = None
    undo: str = ""  # name of the checkpoint of the state before a rewind
    target: str = ""  # while Stopping: the records to go back to, written down


@dataclass(frozen=True, slots=True)
class RestoredFrom:
    """Where the present state comes from."""

    mode: Mode
    origin: Origin
    at: datetime
    jobs: int  # whose results were kept
    ended: int = 0  # jobs that had run and were done
    request_id: str = ""
    undo: str = ""
    configs: str = ""  # name of the object that holds the jobs, where the spec has none
    packs: tuple[str, ...] = ()  # names of the objects that hold the kept results


@dataclass(frozen=True, slots=True)
class Fork:
    """An execution that was forked from this one."""

    namespace: str
    name: str
    uid: str
    checkpoint_id: str
    at: datetime


# --- The stored form -------------------------------------------------------------------------------------------------


def _job_to_wire(job: JobPlan) -> dict[str, Any]:
    worked = job.verdict in (Verdict.KEEP, Verdict.RERUN)
    return without_empty(
        {"id": job.id, "action": job.verdict.value, "reason": job.reason, "message": job.message,
         "seconds": job.seconds if job.seconds or worked else None, "replay": job.replay}
    )  # fmt: skip


def plan_to_wire(plan: RestorePlan) -> dict[str, Any]:
    """The plan as `status.restore.plan`."""
    return {
        "digest": plan.digest,
        "counts": {verdict.value.lower(): plan.counts.get(verdict, 0) for verdict in Verdict},
        "keptSeconds": plan.kept_seconds,
        "repeatedSeconds": plan.repeated_seconds,
        "jobs": [_job_to_wire(job) for job in plan.jobs],
        "problems": [{"job": p.job, "reason": p.reason, "message": p.message} for p in plan.problems],
    }


def _plan_from_wire(wire: Mapping[str, Any]) -> RestorePlan:
    return RestorePlan(
        jobs=tuple(
            JobPlan(
                j["id"], Verdict(j["action"]), j["reason"], j.get("message", ""), j.get("seconds", 0),
                j.get("replay", ""),
            )
            for j in wire["jobs"]
        ),
        digest=wire["digest"],
        problems=tuple(Problem(p["job"], p["reason"], p["message"]) for p in wire["problems"]),
        counts={verdict: wire["counts"][verdict.value.lower()] for verdict in Verdict},
        kept_seconds=wire["keptSeconds"],
        repeated_seconds=wire["repeatedSeconds"],
    )  # fmt: skip


def origin_to_wire(origin: Origin) -> dict[str, Any]:
    """A checkpoint as `status.restore.from`."""
    return without_empty(
        {"checkpointId": origin.id, "checkpointName": origin.name, "digest": origin.digest,
         "namespace": origin.namespace, "execution": origin.execution, "executionUid": origin.execution_uid}
    )  # fmt: skip


def _origin_from_wire(wire: Mapping[str, Any]) -> Origin:
    return Origin(
        wire["checkpointId"], wire.get("checkpointName", ""), wire["digest"], wire["namespace"], wire["execution"],
        wire["executionUid"],
    )  # fmt: skip


def to_wire(progress: Progress) -> dict[str, Any]:
    """The progress as `status.restore`."""
    return without_empty(
        {
            "mode": progress.mode.value, "phase": progress.step.value, "observedGeneration": progress.generation,
            "at": format_time(progress.at), "requestId": progress.request_id, "reason": progress.reason,
            "message": progress.message, "from": origin_to_wire(progress.origin) if progress.origin else None,
            "plan": plan_to_wire(progress.plan) if progress.plan else None, "undo": progress.undo,
            "target": progress.target,
        }
    )  # fmt: skip


def from_wire(wire: Mapping[str, Any]) -> Progress:
    """The progress that `to_wire` wrote."""
    origin, plan = wire.get("from"), wire.get("plan")
    return Progress(
        Mode(wire["mode"]), Step(wire["phase"]), wire["observedGeneration"], known_time(wire["at"]),
        wire.get("requestId", ""), wire.get("reason", ""), wire.get("message", ""),
        _origin_from_wire(origin) if origin else None, _plan_from_wire(plan) if plan else None,
        wire.get("undo", ""), wire.get("target", ""),
    )  # fmt: skip


def restored_to_wire(restored: RestoredFrom) -> dict[str, Any]:
    """The source of the present state as `status.restoredFrom`."""
    return origin_to_wire(restored.origin) | without_empty(
        {"mode": restored.mode.value, "at": format_time(restored.at), "requestId": restored.request_id,
         "undo": restored.undo, "configs": restored.configs, "packs": list(restored.packs)}
    ) | {"jobs": restored.jobs, "endedJobs": restored.ended}  # fmt: skip


def restored_from_wire(wire: Mapping[str, Any]) -> RestoredFrom:
    """The source that `restored_to_wire` wrote."""
    return RestoredFrom(
        Mode(wire["mode"]), _origin_from_wire(wire), known_time(wire["at"]), wire["jobs"], wire["endedJobs"],
        wire.get("requestId", ""), wire.get("undo", ""), wire.get("configs", ""), tuple(wire.get("packs", ())),
    )  # fmt: skip


def fork_to_wire(fork: Fork) -> dict[str, Any]:
    """A fork as an entry of `status.forks`."""
    return {
        "namespace": fork.namespace, "name": fork.name, "uid": fork.uid, "checkpointId": fork.checkpoint_id,
        "at": format_time(fork.at),
    }  # fmt: skip


def fork_from_wire(wire: Mapping[str, Any]) -> Fork:
    """The fork that `fork_to_wire` wrote."""
    return Fork(wire["namespace"], wire["name"], wire["uid"], wire["checkpointId"], known_time(wire["at"]))
