"""Typed models of Cairn's resources, field for field as in the CRDs: a test holds the two against each other.

Building one raises `pydantic.ValidationError` where a value is wrong in itself; what is wrong between values (unknown
dependencies, cycles, references) is found by `Dag.build` and by the operator.
"""

from __future__ import annotations

from cairn.client.models.base import Condition, Metadata, Resource
from cairn.client.models.checkpoint import (
    Checkpoint,
    CheckpointParent,
    CheckpointSpec,
    CheckpointStatus,
    ExecutionRef,
    KeptAfterwards,
)
from cairn.client.models.execution import (
    Cancel,
    CheckpointSettings,
    DAGExecution,
    ExecutionSpec,
    Job,
    JobDefaults,
    Pause,
    Request,
    RestoreFrom,
    Retention,
    Retry,
)
from cairn.client.models.execution_status import (
    CancelStatus,
    CheckpointingStatus,
    Counts,
    ExecutionStatus,
    FailedCheckpoint,
    Fork,
    JobStatus,
    LastCheckpoint,
    PauseStatus,
    PendingCheckpoint,
    Plan,
    PlanCounts,
    PlannedJob,
    PlanProblem,
    RequestStatus,
    RestoredFrom,
    RestoreSource,
    RestoreStatus,
    SettingsInForce,
)
from cairn.client.models.result import JobResult, ResultSpec, ResultStatus

__all__ = [
    "Cancel",
    "CancelStatus",
    "Checkpoint",
    "CheckpointParent",
    "CheckpointSettings",
    "CheckpointSpec",
    "CheckpointStatus",
    "CheckpointingStatus",
    "Condition",
    "Counts",
    "DAGExecution",
    "ExecutionRef",
    "ExecutionSpec",
    "ExecutionStatus",
    "FailedCheckpoint",
    "Fork",
    "Job",
    "JobDefaults",
    "JobResult",
    "JobStatus",
    "KeptAfterwards",
    "LastCheckpoint",
    "Metadata",
    "Pause",
    "PauseStatus",
    "PendingCheckpoint",
    "Plan",
    "PlanCounts",
    "PlanProblem",
    "PlannedJob",
    "Request",
    "RequestStatus",
    "Resource",
    "RestoreFrom",
    "RestoreSource",
    "RestoreStatus",
    "RestoredFrom",
    "ResultSpec",
    "ResultStatus",
    "Retention",
    "Retry",
    "SettingsInForce",
]
