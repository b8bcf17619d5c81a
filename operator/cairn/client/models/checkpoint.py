"""A Checkpoint: its `spec` as a person writes it, its `status` as the operator does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from cairn.client.models.base import Condition, Resource, Told, Written, find_condition
from cairn.client.models.kinds import (
    CheckpointId,
    Count,
    Digest,
    List,
    LongCount,
    Name,
    Retained,
    Timestamp,
    Uid,
    Word,
    WrittenName,
)
from cairn.core.checkpoint.retention import Phase
from cairn.core.checkpoint.settings import DeletionPolicy
from cairn.core.checkpoint.trigger import Trigger


class ExecutionRef(Written):
    """The execution whose state is saved."""

    name: WrittenName


class CheckpointSpec(Written):
    """What is saved, and why. Cannot change, but for `pinned`."""

    execution_ref: ExecutionRef
    name: Name | None = None
    metadata: Annotated[Mapping[str, Annotated[str, Field(max_length=4096)]], Field(max_length=50)] = {}
    trigger: Word[Trigger] = Trigger.MANUAL
    pinned: bool = False
    created_by: Name | None = None


class CheckpointParent(Told):
    """The checkpoint before this one."""

    checkpoint_id: CheckpointId | None = None
    digest: Digest | None = None


class KeptAfterwards(Told):
    """How long it outlives its execution, as the settings said when it was taken."""

    after_deletion_seconds: Retained | None = None
    deletion_policy: Word[DeletionPolicy] | None = None


class CheckpointStatus(Told):
    """The saved state and what is known of it."""

    observed_generation: LongCount | None = None
    phase: Word[Phase] | None = None
    checkpoint_id: CheckpointId | None = None
    execution_uid: Uid | None = None
    created_at: Timestamp | None = None
    job_count: Count | None = None
    ended_jobs: Count | None = None
    execution_status: Annotated[str, Field(max_length=32)] | None = None
    size_bytes: LongCount | None = None
    digest: Digest | None = None
    state_digest: Digest | None = None
    parent: CheckpointParent | None = None
    retention: KeptAfterwards | None = None
    expires_at: Timestamp | None = None
    state: Annotated[str, Field(max_length=1_200_000)] | None = Field(default=None, repr=False)
    conditions: Annotated[List[Condition], Field(max_length=20)] = ()

    @property
    def ready(self) -> bool:
        """Whether it can be restored now."""
        return self.phase is Phase.READY

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return find_condition(self.conditions, kind)


class Checkpoint(Resource):
    """A consistent, immutable copy of the state of an execution."""

    kind: Literal["Checkpoint"] = "Checkpoint"
    spec: CheckpointSpec
    status: CheckpointStatus = CheckpointStatus()
