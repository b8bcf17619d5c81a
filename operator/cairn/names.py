"""Every word that other programs or people see: groups, labels, annotations, reasons, condition types.

A reason is CamelCase and stable: people write alerts and `kubectl wait` on it. Messages are prose and may change.
"""

from __future__ import annotations

from typing import Final

GROUP: Final = "cairn.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
EXECUTIONS: Final = "dagexecutions"
RESULTS: Final = "jobresults"
CHECKPOINTS: Final = "checkpoints"
EXECUTION_KIND: Final = "DAGExecution"
RESULT_KIND: Final = "JobResult"
CHECKPOINT_KIND: Final = "Checkpoint"

# Field managers: one for what the operator observes, one for the single thing it writes in a spec (a pause).
MANAGER: Final = "cairn-operator"
PAUSE_MANAGER: Final = "cairn-pause"
# … and one for each way in, so that `managedFields` tell by which of them a field was written.
CLI_MANAGER: Final = "cairn-cli"
API_MANAGER: Final = "cairn-api"
CLIENT_MANAGER: Final = "cairn-client"

# Labels on Kubernetes Jobs, pods, results and inputs.
LABEL_EXECUTION: Final = f"{GROUP}/execution"
LABEL_EXECUTION_UID: Final = f"{GROUP}/execution-uid"
LABEL_JOB: Final = f"{GROUP}/job"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_SHARD: Final = f"{GROUP}/shard"  # on executions and checkpoints too: which operator works on them
LABEL_REMEMBERED: Final = f"{GROUP}/remembered-delete"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"

# On Checkpoint objects that may have a row: their delete must be seen, so that the row goes too.
FINALIZER: Final = f"{GROUP}/row"

# Annotations on Kubernetes Jobs.
ANNOTATION_DEFINITION: Final = f"{GROUP}/definition"
ANNOTATION_HELD: Final = f"{GROUP}/held-at-generation"

# On what a program asked for with an idempotency key: the digest of what it asked for.
ANNOTATION_REQUEST: Final = f"{GROUP}/request-digest"

# On a Checkpoint object that is brought in from a file: whoever made it fills it, the operator does not.
ANNOTATION_IMPORTED: Final = f"{GROUP}/imported"

MAIN_CONTAINER: Final = "main"
VOLUME: Final = "cairn"
MOUNT_PATH: Final = "/cairn"

# Bounds of the API (see the descriptions in crds/).
MESSAGE_LIMIT: Final = 256
RECORDED_REQUESTS: Final = 200
OUTPUTS_LIMIT: Final = 64 * 1024
INLINE_INPUTS_LIMIT: Final = 32 * 1024
OBJECT_LIMIT: Final = 1_200_000
PACK_BYTES: Final = 512_000  # of kept results in one object
SHOWN_FORKS: Final = 50
LOG_TAIL_LINES: Final = 50
LOG_TAIL_BYTES: Final = 8 * 1024

# Why an execution is in its phase.
ALL_JOBS_DONE: Final = "AllJobsDone"
JOB_FAILED: Final = "JobFailed"
TIMED_OUT: Final = "TimedOut"
CANCELLED: Final = "Cancelled"
WORKING: Final = "Working"
NOT_ACCEPTED: Final = "NotAccepted"

# Why a spec is not accepted.
INVALID: Final = "Invalid"
TOO_LARGE: Final = "TooLarge"
ACCEPTED: Final = "Accepted"

# Why a job is in its state.
LAUNCHING: Final = "Launching"
LAUNCH_REFUSED: Final = "LaunchRefused"
LAUNCH_REJECTED: Final = "LaunchRejected"
HELD: Final = "Held"
ON_HOLD: Final = "OnHold"
STOPPING: Final = "Stopping"
STOPPED: Final = "Stopped"
WAITING: Final = "Waiting"
UNSCHEDULABLE: Final = "Unschedulable"
SUSPENDED: Final = "Suspended"
NODE_UNREACHABLE: Final = "NodeUnreachable"
READING_OUTPUTS: Final = "ReadingOutputs"
AWAITING_CHECKPOINT: Final = "AwaitingCheckpoint"
ERROR: Final = "Error"
TIMEOUT: Final = "Timeout"
POD_DELETED: Final = "PodDeleted"
JOB_DELETED: Final = "JobDeleted"
JOB_FAILED_WITHOUT_POD: Final = "JobFailedWithoutPod"
SECOND_POD: Final = "SecondPod"
NAME_TAKEN: Final = "NameTaken"
RESULT_LOST: Final = "ResultLost"
INPUT_LOST: Final = "InputLost"
CONDITION_FAILED: Final = "ConditionFailed"
CONDITION_FALSE: Final = "ConditionFalse"
TEMPLATE_FAILED: Final = "TemplateFailed"
DEPENDENCY_FAILED: Final = "DependencyFailed"
DEPENDENCY_SKIPPED: Final = "DependencySkipped"
NOTHING_FAILED: Final = "NothingFailed"
REMOVED: Final = "Removed"
EXECUTION_FAILING: Final = "ExecutionFailing"
COMPLETED_BY_HAND: Final = "CompletedByHand"
SKIPPED_BY_HAND: Final = "SkippedByHand"

# What a restore does with a job whose attempt goes on.
STILL_RUNS: Final = "StillRuns"

# How a restore stands (condition Restored), and why one is refused.
FORKED: Final = "Forked"
REWOUND: Final = "Rewound"
RESTORING: Final = "Restoring"
DRY_RUN: Final = "DryRun"
PLAN_REFUSED: Final = "PlanRefused"
PLAN_CHANGED: Final = "PlanChanged"
REQUEST_ID_MISSING: Final = "RequestIdMissing"
WITHDRAWN: Final = "Withdrawn"
CHECKPOINT_NOT_FOUND: Final = "CheckpointNotFound"
CHECKPOINT_NOT_READY: Final = "CheckpointNotReady"
CHECKPOINT_HOLDS_NOTHING: Final = "CheckpointHoldsNothing"
CHECKPOINT_DAMAGED: Final = "CheckpointDamaged"
CHECKPOINT_NEWER: Final = "CheckpointNewer"
OTHER_EXECUTION: Final = "OtherExecution"
NAMESPACE_NOT_ALLOWED: Final = "NamespaceNotAllowed"
UNDO_NOT_SAVED: Final = "UndoNotSaved"
JOBS_LOST: Final = "JobsLost"
STATUS_UNREADABLE: Final = "StatusUnreadable"

# Why the newest checkpoint of an execution was taken, or was not.
CHECKPOINT_SAVED: Final = "Saved"
CHECKPOINT_FAILED: Final = "CheckpointFailed"

# Why a checkpoint is Ready, or is not.
TAKEN: Final = "Taken"
EXECUTION_NOT_FOUND: Final = "ExecutionNotFound"
SERIALIZATION_FAILED: Final = "SerializationFailed"
IMPORT_INCOMPLETE: Final = "ImportIncomplete"

# Why a checkpoint is Stored in the database, or is not.
STORED: Final = "Stored"
NOT_STORED_YET: Final = "NotStoredYet"
NO_DATABASE: Final = "NoDatabase"
DATABASE_UNAVAILABLE: Final = "DatabaseUnavailable"
DATABASE_READ_ONLY: Final = "DatabaseReadOnly"
DATABASE_FULL: Final = "DatabaseFull"
NOT_MIGRATED: Final = "NotMigrated"
ID_TAKEN: Final = "IdTaken"
DAMAGED: Final = "Damaged"
ROW_LOST: Final = "RowLost"

# Condition types.
CONDITION_ACCEPTED: Final = "Accepted"
CONDITION_PAUSED: Final = "Paused"
CONDITION_SUCCEEDED: Final = "Succeeded"
CONDITION_FINISHED: Final = "Finished"
CONDITION_EDITS_IGNORED: Final = "EditsIgnored"
CONDITION_CHECKPOINTED: Final = "Checkpointed"
CONDITION_RESTORED: Final = "Restored"
CONDITION_READY: Final = "Ready"
CONDITION_STORED: Final = "Stored"
# What kstatus reads (kubernetes-sigs/cli-utils, pkg/kstatus): both are True only while things are abnormal.
CONDITION_RECONCILING: Final = "Reconciling"
CONDITION_STALLED: Final = "Stalled"
