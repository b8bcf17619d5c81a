"""Executions: list, get, create, delete, watch, and what can be asked of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import Query as Parameter
from fastapi import Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import Field, StrictBool

from cairn import names
from cairn.api import finding
from cairn.api.cursors import decode_cursor, encode_cursor
from cairn.api.endpoints.common import (
    JOB,
    NAMESPACE,
    OF_EXECUTION,
    OF_NAMESPACE,
    PREFIX,
    Cursor,
    FreeForm,
    JobIds,
    Moment,
    Name,
    Namespace,
    NewName,
    Reason,
)
from cairn.api.etags import IfMatch, IfNoneMatch, etag
from cairn.api.keys import RequestKey, TheKey
from cairn.api.models import Asked, Told
from cairn.api.parts import Parts, TheCaller, TheParts
from cairn.api.routes import BODY, answers
from cairn.api.routes import router as new_router
from cairn.api.streaming import streamed
from cairn.api.told import Execution, ExecutionDetail, detail, execution
from cairn.app.control.watching import versions
from cairn.core import asking
from cairn.core.asking import Repair
from cairn.core.naming import run_name
from cairn.core.refs import ExecutionRef
from cairn.core.spec import PauseMode, RequestType
from cairn.core.status import Phase
from cairn.errors import InvalidSpec, Violation
from cairn.ports import Attributes, Caller, Desk

router = new_router(PREFIX, "executions")
streams = new_router(PREFIX, "executions", media_type="text/event-stream")

_LIST = "executions"
_AGAIN = "It was created before, by the same request."
_STREAM = "Server-sent events: `execution` with an ExecutionDetail as its data, and in the end `deleted`."
_EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}
Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=50)]
Notes = Annotated[dict[str, Annotated[str, Field(max_length=65536)]], Field(max_length=50)]


async def allowed(parts: Parts, caller: Caller, verb: str, namespace: str, name: str = "") -> ExecutionRef:
    """The execution, with which the caller may do that. Raises Forbidden, and the errors of the API."""
    await parts.access.require(caller, verb, names.EXECUTIONS, namespace, name)
    return ExecutionRef(namespace, name)


# --- List, get -------------------------------------------------------------------------------------------------------


class ListAsked(Asked):
    """Which executions, and which page of them."""

    namespace: Annotated[str | None, Field(pattern=NAMESPACE, description="By default all that you may see.")] = None
    label_selector: Annotated[
        str, Field(max_length=1024, pattern="^[ -~]*$", description="As in kubectl: team=ml,env!=dev.")
    ] = ""
    phase: Phase | None = None
    limit: Annotated[int, Field(ge=1, le=500, description="At most; a page may hold fewer, and not be the last.")] = 50
    cursor: Cursor = None


class ExecutionPage(Told):
    """A page of executions, by namespace and name."""

    items: list[Execution]
    next: str | None = Field(description="The cursor of the next page; null: this is the last.")


@router.get("/executions", responses=answers(403, 422))
async def list_executions(
    asked: Annotated[ListAsked, Parameter()], caller: TheCaller, parts: TheParts
) -> ExecutionPage:
    """The executions of a namespace, or of all that you may see."""
    at = decode_cursor(_LIST, asked.cursor, "namespace", "token") if asked.cursor else {"namespace": "", "token": ""}
    rest = await _namespaces(parts, caller, asked.namespace)
    rest = [name for name in rest if name >= at["namespace"]]
    if not rest:
        return ExecutionPage(items=[], next=None)
    where, *more = rest
    page = await parts.desk.list_executions(
        where, selector=asked.label_selector, limit=asked.limit, cursor=at["token"]
    )
    following = encode_cursor(_LIST, namespace=where, token=page.cursor) if page.cursor else None
    if following is None and more:
        following = encode_cursor(_LIST, namespace=more[0], token="")
    found = [execution(b) for b in page.items if asked.phase in (None, asking.phase_of(b))]
    return ExecutionPage(items=found, next=following)


async def _namespaces(parts: Parts, caller: Caller, namespace: str | None) -> list[str]:
    """Where to look, in order; the empty name stands for everywhere. Raises Forbidden."""
    if namespace is not None:
        await parts.access.require(caller, "list", names.EXECUTIONS, namespace)
        return [namespace]
    seen = await parts.access.visible(caller, Attributes("list", names.EXECUTIONS))
    if seen.everywhere:
        return [""]
    if not seen.uids:
        await parts.access.require(caller, "list", names.EXECUTIONS, parts.settings.default_namespace)
    return sorted(seen.uids)


@router.get(OF_EXECUTION, responses=answers(403, 404, 422, more={304: {"description": "You have it already."}}))
async def get_execution(
    namespace: Namespace, name: Name, caller: TheCaller, parts: TheParts, conditions: IfNoneMatch,
    response: Response,
) -> ExecutionDetail:  # fmt: skip
    """An execution, whole."""
    body = await parts.executions.get(await allowed(parts, caller, "get", namespace, name))
    tag = etag(body["metadata"]["resourceVersion"])
    if (unchanged := conditions.not_modified(tag)) is not None:
        return unchanged  # type: ignore[return-value]  # FastAPI passes a response on as it is
    response.headers["ETag"] = tag
    return detail(body)


# --- Create, delete --------------------------------------------------------------------------------------------------


class ExecutionAsked(Asked):
    """An execution to be created."""

    name: NewName = Field(None, description="By default `run-` and digits that the Idempotency-Key determines.")
    labels: Labels = Field(default_factory=dict)
    annotations: Notes = Field(default_factory=dict)
    spec: FreeForm = Field(description="As in the custom resource DAGExecution, see docs/reference.md.")


@router.post(
    OF_NAMESPACE + "/executions", status_code=201,
    responses=answers(403, 404, 409, *BODY, more={200: {"description": _AGAIN, "model": ExecutionDetail}}),
)
async def create_execution(
    namespace: Namespace, asked: ExecutionAsked, caller: TheCaller, parts: TheParts, key: TheKey, response: Response
) -> ExecutionDetail:
    """Create an execution; every violation of its spec is told at once."""
    await allowed(parts, caller, "create", namespace)
    await finding.writable(parts, caller, namespace, asked.spec)
    meta = metadata(namespace, asked.name or run_name(key.value), key)
    meta |= {"labels": asked.labels, "annotations": asked.annotations | meta["annotations"]}
    body, created = await parts.executions.create({"metadata": meta, "spec": asked.spec})
    if not created:
        response.status_code = 200
    response.headers["Location"] = f"{PREFIX}/namespaces/{namespace}/executions/{meta['name']}"
    return detail(body)


def metadata(namespace: str, name: str, key: RequestKey) -> dict[str, Any]:
    """The metadata of an object that a request creates; it tells by which request it was."""
    return {"namespace": namespace, "name": name, "annotations": {names.ANNOTATION_REQUEST: key.digest}}


@router.delete(OF_EXECUTION, status_code=204, responses=answers(403, 404, 409, 412, 422))
async def delete_execution(
    namespace: Namespace, name: Name, caller: TheCaller, parts: TheParts, conditions: IfMatch
) -> None:
    """Delete an execution with what it owns. Its checkpoints stay, as its `deletionPolicy` says."""
    ref = await allowed(parts, caller, "delete", namespace, name)
    version = (await parts.executions.get(ref))["metadata"]["resourceVersion"]
    conditions.require(etag(version))
    await parts.executions.delete(ref, version if conditions.conditional else "")


# --- Watch -----------------------------------------------------------------------------------------------------------


@streams.get(
    OF_EXECUTION + "/events", response_class=StreamingResponse,
    responses=answers(403, 404, 422, more={200: {"description": _STREAM, "content": _EVENTS}}),
)
async def watch_execution(namespace: Namespace, name: Name, caller: TheCaller, parts: TheParts) -> StreamingResponse:
    """An execution as it is, and whenever it changes, until it is deleted or you go away."""
    ref = await allowed(parts, caller, "watch", namespace, name)
    events = await streamed(_events(parts.desk, ref), parts.closing, idle=KEEPALIVE_COMMENT)
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(desk: Desk, ref: ExecutionRef) -> AsyncGenerator[bytes, None]:
    async with aclosing(versions(desk, ref.namespace, ref.name)) as watched:
        async for body in watched:
            version = body["metadata"]["resourceVersion"]
            yield format_sse_event(event="execution", id=version, data_str=detail(body).model_dump_json())
    yield format_sse_event(event="deleted", data_str="{}")


# --- Asking ----------------------------------------------------------------------------------------------------------


class PauseAsked(Asked):
    """How to pause."""

    reason: Reason = ""
    mode: Annotated[PauseMode | None, Field(description="Drain lets what runs finish, Stop ends it.")] = None
    until: Annotated[Moment | None, Field(description="When to resume by itself.")] = None
    checkpoint: Annotated[StrictBool, Field(description="Whether the drained state is saved.")] = True


class CancelAsked(Asked):
    """Why to cancel."""

    reason: Reason = ""


class HoldAsked(Asked):
    """Jobs to hold back, and jobs to let go."""

    add: JobIds = Field(default_factory=list)
    remove: JobIds = Field(default_factory=list)


class RepairAsked(Asked):
    """Something to be done to one job by hand."""

    type: RequestType
    job: Annotated[str, Field(pattern=JOB)]
    outputs: Annotated[FreeForm | None, Field(description="With Complete: what it is to have handed out.")] = None
    limit: Annotated[
        int | None, Field(strict=True, ge=1, le=100, description="With ExtendRetries: how many more.")
    ] = None
    reason: Reason = ""


class RepairTold(Told):
    """The operator's answer."""

    id: str
    type: RequestType
    job: str
    outcome: Literal["Done"]
    message: str


@router.post(OF_EXECUTION + "/pause", responses=answers(403, 404, 409, *BODY))
async def pause_execution(
    namespace: Namespace, name: Name, asked: PauseAsked, caller: TheCaller, parts: TheParts
) -> ExecutionDetail:
    """Pause it: nothing new starts. Returns at once; what runs drains."""
    ref = await allowed(parts, caller, "patch", namespace, name)
    wanted = asking.Pause(asked.reason, asked.mode.value if asked.mode else "", asked.until, asked.checkpoint)
    return detail((await parts.executions.pause(ref, wanted, by=caller.username))[0])


@router.post(OF_EXECUTION + "/resume", responses=answers(403, 404, 409, *BODY))
async def resume_execution(
    namespace: Namespace, name: Name, caller: TheCaller, parts: TheParts
) -> ExecutionDetail:
    """Take its pause off."""
    return detail(await parts.executions.resume(await allowed(parts, caller, "patch", namespace, name)))


@router.post(OF_EXECUTION + "/cancel", responses=answers(403, 404, 409, *BODY))
async def cancel_execution(
    namespace: Namespace, name: Name, asked: CancelAsked, caller: TheCaller, parts: TheParts, key: TheKey
) -> ExecutionDetail:
    """Cancel it: what runs gets its grace period, clean-up jobs still run."""
    ref = await allowed(parts, caller, "patch", namespace, name)
    return detail(await parts.executions.cancel(ref, key.request_id, asked.reason))


@router.post(OF_EXECUTION + "/hold", responses=answers(403, 404, 409, *BODY))
async def hold_jobs(
    namespace: Namespace, name: Name, asked: HoldAsked, caller: TheCaller, parts: TheParts
) -> ExecutionDetail:
    """Hold jobs back, or let them go."""
    ref = await allowed(parts, caller, "patch", namespace, name)
    return detail(await parts.executions.hold(ref, asked.add, asked.remove))


@router.post(OF_EXECUTION + "/repairs", responses=answers(403, 404, 409, *BODY))
async def repair_job(
    namespace: Namespace, name: Name, asked: RepairAsked, caller: TheCaller, parts: TheParts, key: TheKey
) -> RepairTold:
    """Retry, complete or skip a job, or allow it more retries; waits for the operator's answer."""
    ref = await allowed(parts, caller, "patch", namespace, name)
    if (asked.outputs is not None) > (asked.type is RequestType.COMPLETE):
        raise InvalidSpec((Violation("outputs", "go with type Complete alone"),))
    if (asked.limit is not None) is not (asked.type is RequestType.EXTEND_RETRIES):
        raise InvalidSpec((Violation("limit", "is needed with type ExtendRetries, and goes with no other"),))
    wanted = Repair(key.request_id, asked.type, asked.job, asked.outputs, asked.limit, caller.username,
                    asked.reason)  # fmt: skip
    [answer] = await parts.executions.repair(ref, wanted)
    return RepairTold(id=wanted.id, type=asked.type, job=asked.job, outcome="Done", message=answer.get("message", ""))
