"""A JobResult: what one attempt of a job left behind. Only the operator writes it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from cairn.client.models.base import Resource, Told
from cairn.client.models.kinds import MAX_INT32, Digest, Int32, Reason, Timestamp


class ResultSpec(Told):
    """How the attempt ended, and its outputs as the text that the job wrote."""

    execution: Annotated[str, Field(min_length=1, max_length=253)]
    execution_uid: Annotated[str, Field(min_length=1, max_length=36)]
    job: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    attempt: Annotated[int, Field(ge=1, le=MAX_INT32)] | None = None
    state: Literal["Completed", "Failed"] | None = None
    outputs: Annotated[str, Field(max_length=65_536)] | None = None
    digest: Digest | None = None
    pack: Annotated[str, Field(max_length=1_400_000)] | None = Field(default=None, repr=False)
    exit_code: Int32 | None = None
    reason: Reason | None = None
    message: Annotated[str, Field(max_length=4096)] | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None

    @property
    def value(self) -> Any:
        """The outputs as a value; None also when there are none, which `outputs is None` tells apart."""
        return None if self.outputs is None else json.loads(self.outputs)


class ResultStatus(Told):
    """The log tail, which follows when it could be read."""

    log_tail: Annotated[str, Field(max_length=8192)] | None = None


class JobResult(Resource):
    """What one attempt of a job left behind."""

    kind: Literal["JobResult"] = "JobResult"
    spec: ResultSpec
    status: ResultStatus = ResultStatus()
