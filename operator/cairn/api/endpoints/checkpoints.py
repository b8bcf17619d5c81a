"""Checkpoints: list, take, look into, pin, delete, count, compare, verify."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query as Parameter
from fastapi import Response
from pydantic import Field, StrictBool

from cairn import names
from cairn.api import finding
from cairn.api.cursors import decode_cursor, encode_cursor
from cairn.api.endpoints.common import (
    NAME,
    OF_EXECUTION,
    OF_NAMESPACE,
    PREFIX,
    REF,
    UID,
    CheckpointRef,
    Cursor,
    FreeForm,
    Moment,
    Name,
    Namespace,
)
from cairn.api.endpoints.training import Metadata, row_of
from cairn.api.etags import IfMatch, IfNoneMatch, etag
from cairn.api.keys import TheKey
from cairn.api.models import Asked, Told
from cairn.api.parts import Parts, TheCaller, TheParts
from cairn.api.routes import BODY, answers
from cairn.api.routes import router as new_router
from cairn.app.checkpoints.inspector import Now, Ref, Saved
from cairn.app.checkpoints.manager import Wish
from cairn.core.checkpoint import chain, diff, serializer
from cairn.core.checkpoint.state import Checkpoint as Summary
from cairn.core.checkpoint.state import Trigger
from cairn.core.refs import ExecutionRef
from cairn.errors import InvalidSpec, NotFound, Violation
from cairn.ports import Query

router = new_router(PREFIX, "checkpoints")

_LIST = "checkpoints"
OF_CHECKPOINT = OF_NAMESPACE + "/checkpoints/{ref}"


class Parent(Told):
    """The checkpoint before."""

    id: str
    digest: str


class Checkpoint(Told):
    """A checkpoint, without what it holds."""

    id: str
    object_name: str = Field(description="The name of its Checkpoint object, which may be gone.")
    namespace: str
    execution_id: str = Field(description="The UID of the execution it was taken of.")
    execution: str = Field(description="The name of that execution.")
    name: str
    trigger: Trigger
    created_at: datetime
    created_by: str | None
    job_count: int
    status: str = Field(description="Of the execution at that time: pending, running, completed, failed, cancelled.")
    size_bytes: int = Field(description="Of the serialized state, before compression.")
    digest: str = Field(description="SHA-256 over the parent's digest and the state.")
    state_digest: str = Field(description="SHA-256 over what unchanged means: without ids, times, log tails.")
    parent: Parent | None
    pinned: bool
    metadata: Mapping[str, str]


def told(found: Summary) -> Checkpoint:
    """A checkpoint, as it is told."""
    parent = found.parent
    return Checkpoint(
        id=found.id, object_name=found.object_name, namespace=found.namespace, execution_id=found.execution_uid,
        execution=found.execution, name=found.name, trigger=found.trigger, created_at=found.created_at,
        created_by=found.created_by, job_count=found.job_count, status=found.execution_status,
        size_bytes=found.size_bytes, digest=found.digest, state_digest=found.state_digest,
        parent=Parent(id=parent.id, digest=parent.digest) if parent else None, pinned=found.pinned,
        metadata=found.metadata,
    )  # fmt: skip


# --- List, count -----------------------------------------------------------------------------------------------------


class ListAsked(Asked):
    """Which checkpoints, and which page of them."""

    execution: Annotated[str | None, Field(pattern=NAME, description="The name of an execution.")] = None
    execution_id: Annotated[str | None, Field(pattern=UID, description="The UID of an execution.")] = None
    trigger: Trigger | None = None
    since: Annotated[Moment | None, Field(description="Taken then or later.")] = None
    until: Annotated[Moment | None, Field(description="Taken before.")] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Cursor = None


class CheckpointPage(Told):
    """A page of checkpoints, newest first."""

    items: list[Checkpoint]
    next: str | None = Field(description="The cursor of the next page; null: this is the last.")


@router.get("/checkpoints", responses=answers(403, 422))
async def list_all_checkpoints(
    asked: Annotated[ListAsked, Parameter()], caller: TheCaller, parts: TheParts
) -> CheckpointPage:
    """The checkpoints of all namespaces that you may see."""
    return await _page(parts, asked, await finding.tenants(parts, caller, "list"))


@router.get(OF_NAMESPACE + "/checkpoints", responses=answers(403, 404, 422))
async def list_checkpoints_of_namespace(
    namespace: Namespace, asked: Annotated[ListAsked, Parameter()], caller: TheCaller, parts: TheParts
) -> CheckpointPage:
    """The checkpoints of a namespace, also of executions that were deleted."""
    return await _page(parts, asked, await finding.tenants(parts, caller, "list", namespace))


async def _page(parts: Parts, asked: ListAsked, seen: Mapping[str, str]) -> CheckpointPage:
    after = decode_cursor(_LIST, asked.cursor, "after")["after"] if asked.cursor else None
    page = await parts.manager.list(
        Query(tuple(seen.values()), asked.execution_id, asked.execution, asked.trigger, asked.since, asked.until,
              asked.limit, after=after)
    )  # fmt: skip
    following = encode_cursor(_LIST, after=page.next) if page.next else None
    return CheckpointPage(items=[told(one) for one in page.items], next=following)


class Due(Told):
    """A checkpoint that retention would remove."""

    object_name: str
    reason: str


class Stats(Told):
    """Checkpoints in numbers."""

    total_checkpoints: int
    triggers: Mapping[Trigger, int]
    oldest_checkpoint: datetime | None
    newest_checkpoint: datetime | None
    bytes: int = Field(description="Of serialized states, before compression.")
    due: list[Due] = Field(description="What retention would remove now, and why; only with `execution`.")


class StatsAsked(Asked):
    """Of which execution; by default of all."""

    execution: Annotated[str | None, Field(pattern=NAME, description="The name of an execution that exists.")] = None


@router.get(OF_NAMESPACE + "/checkpoints/stats", responses=answers(403, 404, 422))
async def count_checkpoints(
    namespace: Namespace, asked: Annotated[StatsAsked, Parameter()], caller: TheCaller, parts: TheParts
) -> Stats:
    """How many checkpoints there are, of what kind, from when to when; and what retention would remove next."""
    seen = await finding.tenants(parts, caller, "list", namespace)
    uid, due = None, []
    if asked.execution is not None:
        body = await parts.executions.get(ExecutionRef(namespace, asked.execution))
        uid = body["metadata"]["uid"]
        retired = await parts.manager.due(namespace, asked.execution)
        due = [Due(object_name=one.name, reason=one.reason) for one in retired]
    found = await parts.manager.stats(list(seen.values()), uid)
    return Stats(
        total_checkpoints=found.total_checkpoints, triggers=found.triggers, oldest_checkpoint=found.oldest_checkpoint,
        newest_checkpoint=found.newest_checkpoint, bytes=found.bytes, due=due,
    )  # fmt: skip


# --- Take ------------------------------------------------------------------------------------------------------------


class CheckpointAsked(Asked):
    """A checkpoint to be taken now."""

    execution: Annotated[str, Field(pattern=NAME, description="The name of an execution.")]
    name: Annotated[str, Field(max_length=253, description="What it is called.")] = ""
    metadata: Metadata = Field(default_factory=dict)
    pinned: Annotated[StrictBool, Field(description="Whether retention leaves it alone.")] = False


@router.post(OF_NAMESPACE + "/checkpoints", status_code=201, responses=answers(403, 404, 409, *BODY))
async def take_checkpoint(
    namespace: Namespace, asked: CheckpointAsked, caller: TheCaller, parts: TheParts, key: TheKey, response: Response
) -> Checkpoint:
    """Take a checkpoint, and wait until it can be restored."""
    await parts.access.require(caller, "create", names.CHECKPOINTS, namespace)
    await parts.executions.get(ExecutionRef(namespace, asked.execution))
    wish = Wish(
        namespace, asked.execution, key.value, asked.name, asked.metadata, caller.username, asked.pinned, key.digest
    )  # fmt: skip
    taken = await parts.manager.create(wish)
    if parts.rows is not None:
        await row_of(parts, namespace, taken.name)
    response.headers["Location"] = f"{PREFIX}/namespaces/{namespace}/checkpoints/{taken.id}"
    return told(taken.summary(await parts.desk.get_namespace_uid(namespace)))


# --- Diff, verify ----------------------------------------------------------------------------------------------------


class DiffAsked(Asked):
    """What to compare: two checkpoints, or one and an execution as it is now."""

    from_: Annotated[str, Field(alias="from", pattern=REF, description="A checkpoint.")]
    to: Annotated[str | None, Field(pattern=REF, description="Another one.")] = None
    now: Annotated[str | None, Field(pattern=NAME, description="The name of an execution.")] = None


@router.get(OF_NAMESPACE + "/checkpoints/diff", responses=answers(403, 404, 409, 422))
async def diff_checkpoints(
    namespace: Namespace, asked: Annotated[DiffAsked, Parameter()], caller: TheCaller, parts: TheParts
) -> FreeForm:
    """What differs between two checkpoints, or between one and now."""
    if (asked.to is None) is (asked.now is None):
        raise InvalidSpec((Violation("to", "give either `to`, another checkpoint, or `now`, an execution"),))
    await parts.access.require(caller, "get", names.CHECKPOINTS, namespace)
    if asked.now is not None:
        await parts.access.require(caller, "get", names.EXECUTIONS, namespace, asked.now)
        await parts.access.require(caller, "get", names.RESULTS, namespace)
    other: Ref = Saved(namespace, asked.to) if asked.to is not None else Now(namespace, asked.now or "")
    return diff.to_wire(await parts.inspector.diff(Saved(namespace, asked.from_), other))


@router.get(OF_EXECUTION + "/verify", responses=answers(403, 404, 422))
async def verify_checkpoints(namespace: Namespace, name: Name, caller: TheCaller, parts: TheParts) -> FreeForm:
    """Whether every checkpoint of an execution, also of one that was deleted, is what was saved, in both stores."""
    await parts.access.require(caller, "list", names.CHECKPOINTS, namespace)
    return chain.to_wire(await parts.inspector.verify(namespace, name))


# --- One -------------------------------------------------------------------------------------------------------------


@router.get(
    OF_CHECKPOINT, responses=answers(403, 404, 422, more={304: {"description": "You have it already."}})
)
async def get_checkpoint(
    namespace: Namespace, ref: CheckpointRef, caller: TheCaller, parts: TheParts, conditions: IfNoneMatch,
    response: Response,
) -> Checkpoint:  # fmt: skip
    """A checkpoint, without what it holds."""
    found, _ = await finding.checkpoint(parts, caller, ref, "get", namespace=namespace)
    tag = _tag(found)
    if (unchanged := conditions.not_modified(tag)) is not None:
        return unchanged  # type: ignore[return-value]  # FastAPI passes a response on as it is
    response.headers["ETag"] = tag
    return told(found)


def _tag(found: Summary) -> str:
    """All of a checkpoint stays as it is, but for the pin."""
    return etag(f"{found.digest}-{found.pinned:d}")


class State(Told):
    """What a checkpoint holds."""

    checkpoint: Checkpoint
    document: FreeForm = Field(description="The state as it was written down; docs/checkpoints.md describes it.")
    texts: Mapping[str, str] = Field(description="Outputs and log tails, by the SHA-256 that the document names.")


@router.get(OF_CHECKPOINT + "/state", responses=answers(403, 404, 409, 422))
async def get_state(namespace: Namespace, ref: CheckpointRef, caller: TheCaller, parts: TheParts) -> State:
    """What a checkpoint holds, checked against its digests."""
    found, seen = await finding.checkpoint(parts, caller, ref, "get", namespace=namespace)
    stored = await parts.manager.get(list(seen.values()), found.id)
    if stored is None:
        raise NotFound(f"checkpoint {found.id} is gone meanwhile")
    serializer.deserialize(stored.content)
    document: dict[str, Any] = json.loads(stored.content.document)
    return State(checkpoint=told(stored.checkpoint), document=document, texts=stored.content.texts)


class PinAsked(Asked):
    """What of a checkpoint can be changed."""

    pinned: Annotated[StrictBool, Field(description="Whether retention leaves it alone.")]


@router.patch(OF_CHECKPOINT, responses=answers(403, 404, 409, 412, *BODY))
async def pin_checkpoint(
    namespace: Namespace, ref: CheckpointRef, asked: PinAsked, caller: TheCaller, parts: TheParts, conditions: IfMatch
) -> Checkpoint:
    """Pin a checkpoint, or unpin it."""
    found, seen = await finding.checkpoint(parts, caller, ref, "patch", namespace=namespace)
    conditions.require(_tag(found))
    await parts.checkpoints.pin(seen, found.id, asked.pinned)
    return told(replace(found, pinned=asked.pinned))


@router.delete(OF_CHECKPOINT, status_code=204, responses=answers(403, 404, 409, 412, 422))
async def delete_checkpoint(
    namespace: Namespace, ref: CheckpointRef, caller: TheCaller, parts: TheParts, conditions: IfMatch
) -> None:
    """Delete a checkpoint, its object and its row."""
    found, seen = await finding.checkpoint(parts, caller, ref, "delete", namespace=namespace)
    conditions.require(_tag(found))
    await parts.checkpoints.delete(seen, found.id)
