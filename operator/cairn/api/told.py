"""An execution as the REST API tells it, and `cairn get` and `cairn list` with it; nothing here needs a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from cairn.api.models import Told
from cairn.core import asking
from cairn.core.checkpoint.serializer import phase_word
from cairn.ports import Body


class Execution(Told):
    """An execution, in short."""

    id: str = Field(description="Its UID.")
    namespace: str
    name: str
    phase: str = Field(description="Pending, Running, Succeeded, Failed, Cancelled.")
    status: str = Field(description="The phase in lower case; `completed` for one that succeeded.")
    paused: bool = Field(description="Whether its spec asks for a pause.")
    draining: bool = Field(description="Whether something still runs in spite of that.")
    reason: str
    message: str
    progress: str = Field(description="Completed jobs of all jobs, such as 3/5.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    labels: Mapping[str, str]


class ExecutionDetail(Execution):
    """An execution, whole: spec and status are those of the custom resource, which docs/reference.md describes."""

    resource_version: str
    generation: int
    spec: dict[str, Any]
    resource_status: dict[str, Any] = Field(description="The `status` of the custom resource.")


def brief(body: Body) -> dict[str, Any]:
    """The fields of an `Execution`."""
    meta, status = body["metadata"], body.get("status") or {}
    phase = asking.phase_of(body)
    return {
        "id": meta["uid"], "namespace": meta["namespace"], "name": meta["name"], "phase": phase.value,
        "status": phase_word(phase), "paused": asking.is_paused(body),
        "draining": (status.get("pause") or {}).get("phase") == "Draining", "reason": status.get("reason", ""),
        "message": status.get("message", ""), "progress": status.get("progress", ""),
        "created_at": meta["creationTimestamp"], "started_at": status.get("startedAt"),
        "finished_at": status.get("finishedAt"), "labels": meta.get("labels") or {},
    }  # fmt: skip


def execution(body: Body) -> Execution:
    """An execution, in short."""
    return Execution(**brief(body))


def detail(body: Body) -> ExecutionDetail:
    """An execution, whole."""
    meta = body["metadata"]
    return ExecutionDetail(
        **brief(body), resource_version=meta["resourceVersion"], generation=meta["generation"], spec=body["spec"],
        resource_status=body.get("status") or {},
    )  # fmt: skip
