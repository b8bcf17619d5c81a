"""What the endpoints of the versioned API share: names in paths, pages, executions as they are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path as InPath
from pydantic import AwareDatetime, BeforeValidator, Field

from cairn.api.models import Told
from cairn.app.control.executions import Where
from cairn.core import asking
from cairn.core.checkpoint.serializer import phase_word
from cairn.core.refs import ExecutionRef
from cairn.ports import Body

PREFIX = "/api/v1"
OF_NAMESPACE = "/namespaces/{namespace}"
OF_EXECUTION = OF_NAMESPACE + "/executions/{name}"

NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
NAMESPACE = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
UID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
REF = r"^(checkpoint_[0-9]{13,20}_[0-9a-z]{1,32}|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)$"
JOB = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"

Namespace = Annotated[str, InPath(pattern=NAMESPACE, description="A namespace.")]
Name = Annotated[str, InPath(pattern=NAME, description="The name of an execution.")]
CheckpointRef = Annotated[str, InPath(pattern=REF, description="A checkpoint's id, or its object's name.")]
JobId = Annotated[str, InPath(pattern=JOB, description="The id of a job.")]
JobIds = Annotated[list[Annotated[str, Field(pattern=JOB)]], Field(max_length=2000)]
Reason = Annotated[str, Field(max_length=1024, description="Why, for people.")]
NewName = Annotated[str | None, Field(pattern=NAME)]
Cursor = Annotated[str | None, Field(max_length=4096, description="`next` of the page before.")]
FreeForm = dict[str, Any]


def _written(given: object) -> object:
    """Pydantic would take a number for a time, too."""
    if isinstance(given, str) and _TIME.match(given):
        return given
    raise ValueError("must be a time with its zone, such as 2025-11-13T18:00:00Z")


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
Moment = Annotated[AwareDatetime, BeforeValidator(_written)]


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
    spec: FreeForm
    resource_status: FreeForm = Field(description="The `status` of the custom resource.")


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


def ref(where: Where) -> ExecutionRef:
    """An execution, by its name."""
    return ExecutionRef(where.namespace, where.name)
