"""What jobs have handed out and said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query as Parameter
from fastapi.responses import StreamingResponse
from pydantic import Field

from cairn import names
from cairn.api.endpoints.common import OF_EXECUTION, PREFIX, JobId, Name, Namespace
from cairn.api.endpoints.executions import allowed
from cairn.api.models import Asked, Told
from cairn.api.parts import TheCaller, TheParts
from cairn.api.routes import answers
from cairn.api.routes import router as new_router
from cairn.api.streaming import streamed

router = new_router(PREFIX, "jobs")
logs = new_router(PREFIX, "jobs", media_type="text/plain")


class Outputs(Told):
    """What completed jobs have handed out."""

    outputs: dict[str, Any] = Field(description="By job id; null: it handed out nothing.")


class LogAsked(Asked):
    """Which log, and how much of it."""

    attempt: Annotated[int | None, Field(ge=1, le=1_000_000, description="By default the latest.")] = None
    follow: Annotated[bool, Field(description="Whether to stay until the job has ended.")] = False
    tail_lines: Annotated[int | None, Field(ge=0, le=1_000_000, description="Only so many lines at the end.")] = None


@router.get(OF_EXECUTION + "/outputs", responses=answers(403, 404, 409, 422))
async def get_outputs(namespace: Namespace, name: Name, caller: TheCaller, parts: TheParts) -> Outputs:
    """The outputs of all completed jobs."""
    ref = await allowed(parts, caller, "get", namespace, name)
    await parts.access.require(caller, "get", names.RESULTS, namespace)
    return Outputs(outputs=await parts.reading.outputs(await parts.executions.view(ref)))


@router.get(OF_EXECUTION + "/jobs/{job}/outputs", responses=answers(403, 404, 409, 422))
async def get_outputs_of_job(
    namespace: Namespace, name: Name, job: JobId, caller: TheCaller, parts: TheParts
) -> Outputs:
    """The outputs of one job."""
    ref = await allowed(parts, caller, "get", namespace, name)
    await parts.access.require(caller, "get", names.RESULTS, namespace)
    return Outputs(outputs=await parts.reading.outputs(await parts.executions.view(ref), job))


@logs.get(
    OF_EXECUTION + "/jobs/{job}/log", response_class=StreamingResponse,
    responses=answers(403, 404, 409, 422, more={
        200: {"description": "The log.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    }),
)  # fmt: skip
async def get_log(
    namespace: Namespace, name: Name, job: JobId, asked: Annotated[LogAsked, Parameter()], caller: TheCaller,
    parts: TheParts,
) -> StreamingResponse:  # fmt: skip
    """The log of an attempt: whole while its pod is there, else the lines that were kept."""
    ref = await allowed(parts, caller, "get", namespace, name)
    await parts.access.require(caller, "get", "pods", namespace, subresource="log", group="")
    view = await parts.executions.view(ref)
    source = await parts.reading.log_source(view, job, asked.attempt)
    log = parts.reading.log(view, source, follow=asked.follow, tail_lines=asked.tail_lines)
    return StreamingResponse(await streamed(log, parts.closing), media_type="text/plain; charset=utf-8")
