"""The `status` of a DAGExecution, as the operator writes it. What each field means: `kubectl explain dagx.status`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cairn.client.models.base import Condition, Told, find_condition
from cairn.client.models.kinds import (
    CheckpointId,
    Count,
    Digest,
    Int32,
    JobId,
    List,
    LongCount,
    Name,
    Namespace,
    Note,
    Reason,
    Text,
    Timestamp,
    Uid,
    Word,
)
from cairn.core.checkpoint.settings import DeletionPolicy, OnError, Profile
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.restore.progress import Mode, Step, Verdict
from cairn.core.spec import PauseMode
from cairn.core.status import FINISHED, JobState, PausePhase, Phase, Stopping


class Counts(Told):
    """How many jobs are in each state."""

    total: Count | None = None
    pending: Count | None = None
    running: Count | None = None
    completed: Count | None = None
    failed: Count | None = None
    skipped: Count | None = None


class PauseStatus(Told):
    """How far a pause has come."""

    phase: Word[PausePhase] | None = None
    since: Timestamp | None = None
    generation: LongCount | None = None
    by: Literal["user", "operator"] | None = None
    reason: Text | None = None
    mode: Word[PauseMode] | None = None
    until: Timestamp | None = None
    running: Annotated[List[JobId], Field(max_length=20)] = ()
    count: Count | None = None


class CancelStatus(Told):
    """A cancel that was acknowledged."""

    request_id: Name | None = None
    reason: Text | None = None
    at: Timestamp | None = None


class RequestStatus(Told):
    """A request that was answered."""

    id: Name
    type: Annotated[str, Field(max_length=32)] | None = None
    job: JobId | None = None
    at: Timestamp | None = None
    outcome: Literal["Done", "Refused"] | None = None
    message: Note | None = None
    by: Name | None = None


class JobStatus(Told):
    """Where a job stands; the attempt's fields are those of its latest attempt."""

    id: JobId
    state: Word[JobState]
    attempt: Count | None = None
    reason: Reason | None = None
    message: Note | None = None
    launched_at: Timestamp | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    uid: Uid | None = None
    pod_uid: Uid | None = None
    hash: Annotated[str, Field(max_length=16)] | None = None
    result: Digest | None = None
    exit_code: Int32 | None = None
    failures: Count | None = None
    disruptions: Count | None = None
    retry_at: Timestamp | None = None
    stopping: Word[Stopping] | None = None
    extra_retries: Count | None = None
    paused_for: bool | None = None
    used: Count | None = None


class RestoreSource(Told):
    """A checkpoint, and whose it is."""

    checkpoint_id: CheckpointId | None = None
    checkpoint_name: Name | None = None
    digest: Digest | None = None
    namespace: Namespace | None = None
    execution: Name | None = None
    execution_uid: Uid | None = None


class PlanCounts(Told):
    """How many jobs a restore keeps, runs again, runs for the first time, and skips."""

    keep: Count | None = None
    rerun: Count | None = None
    run: Count | None = None
    skip: Count | None = None


class PlannedJob(Told):
    """What a restore does with one job, and why."""

    id: JobId
    action: Word[Verdict]
    reason: Reason
    message: Note | None = None
    seconds: LongCount | None = None
    replay: Literal["Unsafe", "Confirm"] | None = None


class PlanProblem(Told):
    """Why a plan cannot be carried out as it was asked for: of which job, and what to do."""

    job: JobId
    reason: Reason
    message: Text


class Plan(Told):
    """What a restore does, job by job."""

    digest: Digest | None = None
    counts: PlanCounts | None = None
    kept_seconds: LongCount | None = None
    repeated_seconds: LongCount | None = None
    jobs: Annotated[List[PlannedJob], Field(max_length=4000)] = ()
    problems: Annotated[List[PlanProblem], Field(max_length=500)] = ()


class RestoreStatus(Told):
    """The answer to `restore_from`."""

    mode: Word[Mode] | None = None
    phase: Word[Step] | None = None
    observed_generation: LongCount | None = None
    at: Timestamp | None = None
    request_id: Name | None = None
    reason: Reason | None = None
    message: Annotated[str, Field(max_length=8192)] | None = None
    source: RestoreSource | None = Field(default=None, alias="from")
    plan: Plan | None = None
    undo: Name | None = None
    target: Annotated[str, Field(max_length=400_000)] | None = Field(default=None, repr=False)


class RestoredFrom(RestoreSource):
    """The restore that the present state comes from."""

    mode: Word[Mode] | None = None
    at: Timestamp | None = None
    jobs: Count | None = None
    ended_jobs: Count | None = None
    request_id: Name | None = None
    undo: Name | None = None
    configs: JobId | None = None
    packs: Annotated[List[JobId], Field(max_length=1000)] = ()


class Fork(Told):
    """An execution that was started from a checkpoint of this one."""

    namespace: Namespace
    name: Name
    uid: Uid
    checkpoint_id: CheckpointId | None = None
    at: Timestamp | None = None


class SettingsInForce(Told):
    """The settings of checkpoints, with what the profile adds."""

    enabled: bool | None = None
    profile: Word[Profile] | None = None
    triggers: Annotated[List[Word[Trigger]], Field(max_length=5)] = ()
    time_interval_ms: LongCount | None = None
    retention_count: Count | None = None
    max_age_seconds: LongCount | None = None
    max_bytes: LongCount | None = None
    after_deletion_seconds: LongCount | None = None
    critical_job_ids: Annotated[List[JobId], Field(max_length=20)] = ()
    critical_job_count: Count | None = None
    on_error: Word[OnError] | None = None
    deletion_policy: Word[DeletionPolicy] | None = None


class LastCheckpoint(Told):
    """The newest checkpoint that became Ready."""

    name: Name | None = None
    checkpoint_id: CheckpointId | None = None
    trigger: Word[Trigger] | None = None
    at: Timestamp | None = None
    state_digest: Digest | None = None
    ended_jobs: Count | None = None


class PendingCheckpoint(Told):
    """A checkpoint that is decided and not yet taken."""

    name: Name
    trigger: Word[Trigger]
    label: Name | None = None
    causes: Annotated[List[JobId], Field(max_length=100)] = ()
    more: Count | None = None
    since: Timestamp | None = None


class FailedCheckpoint(Told):
    """The last checkpoint that could not be taken."""

    name: Name | None = None
    reason: Reason | None = None
    message: Text | None = None
    at: Timestamp | None = None


class CheckpointingStatus(Told):
    """How the taking of checkpoints stands."""

    settings: SettingsInForce | None = None
    last: LastCheckpoint | None = None
    next: Timestamp | None = None
    unsaved: Count | None = None
    pending: Annotated[List[PendingCheckpoint], Field(max_length=50)] = ()
    failed: FailedCheckpoint | None = None


class ExecutionStatus(Told):
    """How far an execution has come. Before the operator has seen it, nothing is set."""

    observed_generation: LongCount | None = None
    phase: Word[Phase] | None = None
    reason: Reason | None = None
    message: Text | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    progress: Annotated[str, Field(max_length=16)] | None = None
    counts: Counts | None = None
    pause: PauseStatus | None = None
    paused_millis: LongCount | None = None
    epoch: LongCount | None = None
    cancel: CancelStatus | None = None
    timed_out_at: Timestamp | None = None
    requests: Annotated[List[RequestStatus], Field(max_length=200)] = ()
    jobs: Annotated[List[JobStatus], Field(max_length=4000)] = ()
    restore: RestoreStatus | None = None
    restored_from: RestoredFrom | None = None
    forks: Annotated[List[Fork], Field(max_length=50)] = ()
    checkpointing: CheckpointingStatus | None = None
    conditions: Annotated[List[Condition], Field(max_length=20)] = ()

    @property
    def finished(self) -> bool:
        """Whether the execution has come to its end."""
        return self.phase in FINISHED

    def job(self, job_id: str) -> JobStatus | None:
        """What is known of that job, if anything is."""
        return next((job for job in self.jobs if job.id == job_id), None)

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return find_condition(self.conditions, kind)
