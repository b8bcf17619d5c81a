"""The four endpoints that training programs call: checkpoint, pause, resume, list. Paths and fields are fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Query as Parameter
from pydantic import Field, StrictBool, model_validator

from cairn import names
from cairn.api import finding
from cairn.api.keys import TheKey
from cairn.api.models import Asked, Told
from cairn.api.parts import Parts, TheCaller, TheParts
from cairn.api.routes import BODY, answers
from cairn.api.routes import router as new_router
from cairn.app.checkpoints.manager import Wish
from cairn.app.looking import eventually
from cairn.core import asking
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.serializer import phase_word
from cairn.core.checkpoint.state import Checkpoint, Trigger
from cairn.core.refs import ExecutionRef, execution_ref
from cairn.core.status import JobState
from cairn.core.times import format_time
from cairn.errors import WrongState
from cairn.ports import Body, Caller, Page, Query

router = new_router("/api/training/dag", "training")

_USER_LIMIT = 253  # of `createdBy`
_STORED_SECONDS = 2.0  # for the row of a checkpoint to follow, so that it is in the list at once

ExecutionId = Annotated[
    str,
    Field(
        min_length=1, max_length=317,
        description="The execution's UID, or `namespace/name`, or a name in the API's default namespace.",
    ),
]  # fmt: skip
CheckpointId = Annotated[str, Field(min_length=1, max_length=128, description="The checkpoint's id.")]
Metadata = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]],
    Field(max_length=50, description="Anything to keep with the checkpoint, as texts."),
]


# --- Checkpoint ------------------------------------------------------------------------------------------------------


class CheckpointAsked(Asked):
    """A checkpoint to be taken now."""

    execution_id: ExecutionId
    name: Annotated[
        str, Field(max_length=253, description="What it is called; by default `Manual checkpoint at <time>`.")
    ] = ""
    metadata: Metadata = Field(default_factory=dict)


class CheckpointTold(Told):
    """A checkpoint that was taken."""

    success: Literal[True] = True
    checkpoint_id: str = Field(description="Its id.")
    execution_id: str = Field(description="The UID of the execution.")
    message: Literal["Checkpoint created successfully"] = "Checkpoint created successfully"


@router.post("/checkpoint", responses=answers(403, 404, 409, *BODY))
async def create_checkpoint(asked: CheckpointAsked, caller: TheCaller, parts: TheParts, key: TheKey) -> CheckpointTold:
    """Take a checkpoint of an execution as it is now, and wait until it can be restored."""
    ref = await finding.execution(parts, caller, asked.execution_id, "create", names.CHECKPOINTS)
    await parts.executions.get(ref)
    wish = Wish(
        ref.namespace, ref.name, key.value, asked.name, asked.metadata, caller.username[:_USER_LIMIT],
        digest=key.digest,
    )  # fmt: skip
    taken = await parts.manager.create(wish)
    if parts.rows is not None:
        await row_of(parts, taken.namespace, taken.name)
    return CheckpointTold(checkpoint_id=taken.id, execution_id=taken.execution_uid)


async def row_of(parts: Parts, namespace: str, name: str) -> None:
    """Wait for its row for a moment; without one it is in the list a little later."""

    async def stored() -> bool | None:
        return objects.view(await parts.desk.get_checkpoint(namespace, name)).is_stored or None

    await eventually(stored, seconds=_STORED_SECONDS)


# --- Pause -----------------------------------------------------------------------------------------------------------


class PauseAsked(Asked):
    """An execution to be paused."""

    execution_id: ExecutionId
    create_checkpoint: Annotated[StrictBool, Field(description="Whether the drained state is saved.")] = True


class PauseTold(Told):
    """An execution that is paused: nothing new starts; what runs finishes."""

    success: Literal[True] = True
    execution_id: str = Field(description="The UID of the execution.")
    paused: Literal[True] = True
    message: Literal["Execution paused successfully"] = "Execution paused successfully"
    checkpoint_created: bool = Field(
        description="Whether the Checkpoint object exists: Pending while jobs drain, Ready once they have."
    )


@router.post("/pause", responses=answers(403, 404, 409, *BODY))
async def pause(asked: PauseAsked, caller: TheCaller, parts: TheParts) -> PauseTold:
    """Pause an execution. Returns at once; draining goes on. Pausing twice is no error."""
    ref = await finding.execution(parts, caller, asked.execution_id, "patch")
    wanted = asking.Pause(checkpoint=asked.create_checkpoint)
    body, checkpoint = await parts.executions.pause(ref, wanted, by=caller.username[:_USER_LIMIT])
    return PauseTold(execution_id=body["metadata"]["uid"], checkpoint_created=bool(checkpoint))


# --- Resume ----------------------------------------------------------------------------------------------------------


class ResumeAsked(Asked):
    """An execution to be resumed, as it is or from a checkpoint: exactly one of the two ids."""

    execution_id: ExecutionId | None = None
    checkpoint_id: CheckpointId | None = None

    @model_validator(mode="after")
    def _one(self) -> ResumeAsked:
        if (self.execution_id is None) is (self.checkpoint_id is None):
            raise ValueError("give executionId or checkpointId, and not both")
        return self


class ResumeTold(Told):
    """An execution that goes on."""

    success: Literal[True] = True
    execution_id: str = Field(description="The UID of the execution that goes on; of a new one where the old is gone.")
    message: Literal["Execution resumed successfully"] = "Execution resumed successfully"
    status: str = Field(description="In lower case: `pending` or `running`, also while paused.")
    jobs_restored: int = Field(description="Jobs that are kept as completed.")


@router.post("/resume", responses=answers(403, 404, 409, *BODY))
async def resume(asked: ResumeAsked, caller: TheCaller, parts: TheParts, key: TheKey) -> ResumeTold:
    """Resume a paused execution; or go on from a checkpoint: rewind its execution, or fork it if that is gone."""
    if asked.execution_id is not None:
        ref = await finding.execution(parts, caller, asked.execution_id, "patch")
        try:
            return _resumed(await parts.executions.resume(ref), None)
        except WrongState as error:
            choice = await finding.choice(parts, caller, ref.namespace, ref.name)
            raise WrongState(f"{error}; {choice}", reason=error.reason) from error
    assert asked.checkpoint_id is not None
    found, _ = await finding.checkpoint(parts, caller, asked.checkpoint_id, "get")
    await parts.access.require(caller, "patch", names.EXECUTIONS, found.namespace, found.execution)
    await parts.access.require(caller, "create", names.EXECUTIONS, found.namespace)
    restored = await parts.checkpoints.resume(found, key.value, key.request_id)
    body = await parts.executions.get(ExecutionRef(restored.where.namespace, restored.where.name))
    return _resumed(body, restored.completed)


def _resumed(body: Body, kept: int | None) -> ResumeTold:
    jobs = (body.get("status") or {}).get("jobs") or ()
    completed = sum(job["state"] == JobState.COMPLETED for job in jobs)
    return ResumeTold(
        execution_id=body["metadata"]["uid"], status=phase_word(asking.phase_of(body)),
        jobs_restored=completed if kept is None else kept,
    )  # fmt: skip


# --- List ------------------------------------------------------------------------------------------------------------


class ListAsked(Asked):
    """Which checkpoints, and which page of them."""

    execution_id: ExecutionId | None = None
    trigger: Trigger | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class Listed(Told):
    """A checkpoint, as a list shows it."""

    id: str
    execution_id: str = Field(description="The UID of the execution it was taken of.")
    name: str
    trigger: Trigger
    created_at: str = Field(description="In UTC, with milliseconds.", examples=["2025-11-13T18:00:00.000Z"])
    job_count: int
    status: str = Field(description="Of the execution at that time: pending, running, completed, failed, cancelled.")
    metadata: Mapping[str, str]


class ListTold(Told):
    """A page of checkpoints, newest first."""

    success: Literal[True] = True
    count: int = Field(description="How many are on this page.")
    checkpoints: list[Listed]


@router.get("/checkpoints/list", responses=answers(403, 404, 422))
async def list_checkpoints(
    asked: Annotated[ListAsked, Parameter()], caller: TheCaller, parts: TheParts
) -> ListTold:
    """The checkpoints of all executions that you may see, or of one, also of one that was deleted."""
    query = Query((), trigger=asked.trigger, limit=asked.limit, offset=asked.offset)
    if asked.execution_id is None:
        seen = await finding.tenants(parts, caller, "list")
        found = await parts.manager.list(replace(query, tenants=tuple(seen.values())))
    else:
        found = await _of_execution(parts, caller, asked.execution_id, query)
    return ListTold(count=len(found.items), checkpoints=[_listed(one) for one in found.items])


async def _of_execution(parts: Parts, caller: Caller, text: str, query: Query) -> Page:
    """Those of one execution. Raises NotFound if there is neither such an execution nor a checkpoint of it."""
    ref = execution_ref(text, parts.settings.default_namespace)
    seen = await finding.tenants(parts, caller, "list", "" if ref.uid else ref.namespace)
    asked = replace(
        query, tenants=tuple(seen.values()), execution_uid=ref.uid or None, execution=None if ref.uid else ref.name
    )  # fmt: skip
    page = await parts.manager.list(asked)
    if not page.items and not (await parts.manager.list(replace(asked, trigger=None, offset=0, limit=1))).items:
        found = await finding.execution(parts, caller, text, "list", names.CHECKPOINTS)
        await parts.executions.get(found)
    return page


def _listed(found: Checkpoint) -> Listed:
    return Listed(
        id=found.id, execution_id=found.execution_uid, name=found.name, trigger=found.trigger,
        created_at=format_time(found.created_at), job_count=found.job_count, status=found.execution_status,
        metadata=found.metadata,
    )  # fmt: skip
