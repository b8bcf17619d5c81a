"""A DAGExecution, and its `spec` as a person writes it. What each field means: `kubectl explain dagx.spec`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cairn.client.models.base import Resource, Written
from cairn.client.models.execution_status import ExecutionStatus
from cairn.client.models.kinds import (
    Id,
    List,
    LongCount,
    Name,
    NamespaceName,
    Retained,
    Text,
    Timeout,
    Timestamp,
    Word,
    WrittenCheckpointId,
    WrittenJob,
    WrittenName,
)
from cairn.core.checkpoint.settings import DeletionPolicy, OnError, Profile
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.schema import MAX_DEPENDENCIES, MAX_JOBS, MAX_REQUESTS
from cairn.core.spec import FailurePolicy, OutputsFrom, PauseMode, Replay, RequestType, RunOn, Scheduling

_DEPENDENCY = "^(group:)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"

Dependency = Annotated[str, Field(pattern=_DEPENDENCY, min_length=1, max_length=69)]
Argument = Annotated[str, Field(max_length=65_536)]
Arguments = Annotated[List[Argument], Field(max_length=100)]
ExitCode = Annotated[int, Field(ge=1, le=255)]
Retries = Annotated[int, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
JobNames = Annotated[List[WrittenJob], Field(max_length=MAX_JOBS)]


class Retry(Written):
    """How often and how soon a failed attempt is tried again. Times are seconds."""

    limit: Retries | None = None
    backoff_seconds: Seconds | None = None
    factor: Annotated[float, Field(ge=1, le=100)] | None = None
    max_seconds: Seconds | None = None
    on_exit_codes: Annotated[List[ExitCode], Field(max_length=255)] = ()


class JobDefaults(Written):
    """What `jobDefaults` and a job have in common. What belongs to Kubernetes is given as it stands in a pod."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    command: Arguments = ()
    args: Arguments = ()
    env: Annotated[List[Mapping[str, Any]], Field(max_length=100)] = ()
    resources: Mapping[str, Any] = {}
    pod_template: Mapping[str, Any] = {}
    retry: Retry | None = None
    timeout_seconds: Timeout | None = None
    outputs: Word[OutputsFrom] | None = None
    replay: Word[Replay] | None = None


class _Node(Written):
    """What only a job has; a base of its own, so that a job's body begins with its id."""

    id: Id
    group: Id | None = None
    depends_on: Annotated[List[Dependency], Field(max_length=MAX_DEPENDENCIES)] = ()
    run_on: Word[RunOn] | None = None
    when: Annotated[str, Field(min_length=1, max_length=1024)] | None = None


class Job(JobDefaults, _Node):
    """One node of the DAG."""


class Pause(Written):
    """How a pause is carried out; whether there is one is `ExecutionSpec.paused` alone."""

    mode: Word[PauseMode] = PauseMode.DRAIN
    reason: Text = ""
    until: Timestamp | None = None
    checkpoint: bool = True


class Cancel(Written):
    """A request to cancel; `request_id` acts once."""

    request_id: WrittenName
    reason: Text = ""


class Retention(Written):
    """How long and how many checkpoints are kept."""

    max_age_seconds: Retained | None = None
    max_bytes: LongCount | None = None
    after_deletion_seconds: Retained | None = None


class CheckpointSettings(Written):
    """When checkpoints are taken and how long they are kept; what is not set comes from the profile."""

    enabled: bool | None = None
    profile: Word[Profile] | None = None
    triggers: Annotated[List[Word[Trigger]], Field(max_length=5)] = ()
    time_interval_ms: Annotated[int, Field(ge=1000, le=604_800_000)] | None = None
    retention_count: Annotated[int, Field(ge=1, le=10_000)] | None = None
    retention: Retention | None = None
    critical_job_ids: JobNames = ()
    on_error: Word[OnError] | None = None
    deletion_policy: Word[DeletionPolicy] | None = None


class RestoreFrom(Written):
    """The checkpoint to start from: exactly one of the first three is set."""

    checkpoint_name: WrittenName | None = None
    checkpoint_id: WrittenCheckpointId | None = None
    latest_of: WrittenName | None = None
    namespace: NamespaceName | None = None
    rerun: JobNames = ()
    confirm: JobNames = ()
    force: bool = False
    dry_run: bool = False
    plan_digest: WrittenCheckpointId | None = None
    request_id: WrittenName | None = None


class Request(Written):
    """A repair asked for by hand; `id` acts once. *No outputs* and *outputs: null* differ."""

    nullable: ClassVar[frozenset[str]] = frozenset({"outputs"})

    id: WrittenName
    type: Word[RequestType]
    job: WrittenJob
    outputs: Any = None
    limit: Retries | None = None
    by: Name | None = None
    reason: Text | None = None


class ExecutionSpec(Written):
    """What somebody asks for."""

    paused: bool = False
    pause: Pause | None = None
    hold: JobNames = ()
    cancel: Cancel | None = None
    scheduling: Word[Scheduling] = Scheduling.DEPENDENCIES
    parallelism: Annotated[int, Field(ge=0, le=10_000)] = 0
    failure_policy: Word[FailurePolicy] = FailurePolicy.STOP
    timeout_seconds: Timeout = 0
    ttl_seconds_after_finished: Timeout | None = None
    params: Annotated[Mapping[str, Any], Field(max_length=200)] = {}
    checkpoint: CheckpointSettings | None = None
    job_defaults: JobDefaults | None = None
    jobs: Annotated[List[Job], Field(max_length=MAX_JOBS)] = ()
    restore_from: RestoreFrom | None = None
    requests: Annotated[List[Request], Field(max_length=MAX_REQUESTS)] = ()


class DAGExecution(Resource):
    """A DAG that runs once, and how far it has come."""

    kind: Literal["DAGExecution"] = "DAGExecution"
    spec: ExecutionSpec
    status: ExecutionStatus = ExecutionStatus()
