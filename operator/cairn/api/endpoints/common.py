"""What the endpoints of the versioned API share: names in paths, pages, words of requests."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path as InPath
from pydantic import AwareDatetime, BeforeValidator, Field

from cairn.app.control.executions import Where
from cairn.core.refs import ExecutionRef

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


def ref(where: Where) -> ExecutionRef:
    """An execution, by its name."""
    return ExecutionRef(where.namespace, where.name)
