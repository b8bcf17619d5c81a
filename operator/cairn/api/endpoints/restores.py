"""Restores: the plan before anything is touched, the rewind, the fork."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import Field, StrictBool, model_validator

from cairn import names
from cairn.api import finding
from cairn.api.endpoints.common import (
    NAME,
    NAMESPACE,
    OF_EXECUTION,
    OF_NAMESPACE,
    PREFIX,
    REF,
    FreeForm,
    JobIds,
    Name,
    Namespace,
    NewName,
)
from cairn.api.endpoints.executions import allowed, metadata
from cairn.api.keys import RequestKey, TheKey
from cairn.api.models import Asked, Told
from cairn.api.parts import Parts, TheCaller, TheParts
from cairn.api.routes import BODY, answers
from cairn.api.routes import router as new_router
from cairn.app.control.restores import Planned, Restored
from cairn.core.naming import fork_name
from cairn.core.refs import is_checkpoint_id
from cairn.core.restore.progress import Step, Verdict, plan_to_wire
from cairn.core.wire import without_empty

router = new_router(PREFIX, "restores")


class RestoreAsked(Asked):
    """From which checkpoint, and what is to run again; as in `spec.restoreFrom`."""

    checkpoint: Annotated[
        str | None, Field(pattern=REF, description="An id, or the name of an object.")
    ] = None
    latest_of: Annotated[
        str | None, Field(pattern=NAME, description="The execution whose newest checkpoint is meant.")
    ] = None
    rerun: Annotated[JobIds, Field(description="Jobs to run again although their results are there.")] = Field(
        default_factory=list
    )
    confirm: Annotated[JobIds, Field(description="Jobs with `replay: Confirm` that may be run again.")] = Field(
        default_factory=list
    )
    force: Annotated[
        StrictBool, Field(description="Whether to restore in spite of a doubt, such as a damaged copy.")
    ] = False
    plan_digest: Annotated[
        str | None, Field(max_length=128, description="Of the plan that you have seen; another one is refused.")
    ] = None

    @model_validator(mode="after")
    def _one(self) -> RestoreAsked:
        if (self.checkpoint is None) is (self.latest_of is None):
            raise ValueError("give checkpoint or latestOf, and not both")
        return self

    def asks(self) -> dict[str, Any]:
        """The `restoreFrom` that says the same."""
        is_id = self.checkpoint is not None and is_checkpoint_id(self.checkpoint)
        return without_empty(
            {
                "checkpointId": self.checkpoint if is_id else None,
                "checkpointName": None if is_id else self.checkpoint,
                "latestOf": self.latest_of, "rerun": list(self.rerun), "confirm": list(self.confirm),
                "planDigest": self.plan_digest,
            }
        ) | ({"force": True} if self.force else {})  # fmt: skip


class ForkAsked(RestoreAsked):
    """A fork: a new execution that starts from a checkpoint."""

    name: NewName = Field(None, description="By default one that the Idempotency-Key determines.")
    namespace: Annotated[
        str | None, Field(pattern=NAMESPACE, description="That of the checkpoint, by default the fork's own.")
    ] = None
    spec: Annotated[
        FreeForm | None,
        Field(description="Its spec, with edits; by default the jobs of the checkpoint, run as they were run."),
    ] = None  # fmt: skip

    def asks(self) -> dict[str, Any]:
        return super().asks() | without_empty({"namespace": self.namespace})


class JobPlan(Told):
    """What a restore does with one job."""

    id: str
    action: Verdict
    reason: str
    message: str = ""
    seconds: int = Field(0, description="Of work: kept, or done again, as far as it is known.")
    replay: str = ""


class PlanProblem(Told):
    """What is in the way of carrying a plan out."""

    job: str
    reason: str
    message: str


class Plan(Told):
    """What a restore would do, before anything is touched."""

    mode: Literal["Fork", "Rewind"]
    checkpoint_id: str
    digest: str = Field(description="To be given as `planDigest`, so that this plan is carried out, or none.")
    feasible: bool = Field(description="Whether it can be carried out: there are no problems.")
    counts: dict[str, int]
    kept_seconds: int
    repeated_seconds: int
    jobs: list[JobPlan]
    problems: list[PlanProblem]


class RestoreTold(Told):
    """A restore that takes place."""

    execution_id: str = Field(description="The UID of the execution.")
    namespace: str
    name: str
    jobs_restored: int = Field(description="Jobs that are kept.")
    complete: bool = Field(description="Whether it is done; else it is sure to be, once what is not kept has stopped.")
    message: str


def _plan(made: Planned) -> Plan:
    wire = plan_to_wire(made.plan)
    return Plan(
        mode=made.mode.value, checkpoint_id=made.found.origin.id, digest=made.plan.digest,
        feasible=not made.plan.problems, counts=wire["counts"], kept_seconds=made.plan.kept_seconds,
        repeated_seconds=made.plan.repeated_seconds, jobs=[JobPlan(**job) for job in wire["jobs"]],
        problems=[PlanProblem(**problem) for problem in wire["problems"]],
    )  # fmt: skip


def _told(done: Restored) -> RestoreTold:
    return RestoreTold(
        execution_id=done.where.uid, namespace=done.where.namespace, name=done.where.name, jobs_restored=done.kept,
        complete=done.step is Step.DONE, message=done.message,
    )  # fmt: skip


# --- Rewind ----------------------------------------------------------------------------------------------------------


@router.post(OF_EXECUTION + "/plan", responses=answers(403, 404, 409, *BODY))
async def plan_rewind(
    namespace: Namespace, name: Name, asked: RestoreAsked, caller: TheCaller, parts: TheParts
) -> Plan:
    """What a rewind of this execution would do. Nothing is changed."""
    ref = await allowed(parts, caller, "get", namespace, name)
    await parts.access.require(caller, "get", names.CHECKPOINTS, namespace)
    return _plan(await parts.restores.plan_rewind(ref, asked.asks()))


@router.post(OF_EXECUTION + "/rewind", responses=answers(403, 404, 409, *BODY))
async def rewind_execution(
    namespace: Namespace, name: Name, asked: RestoreAsked, caller: TheCaller, parts: TheParts, key: TheKey
) -> RestoreTold:
    """Put an execution back to one of its checkpoints. Its pause stays as it is."""
    ref = await allowed(parts, caller, "patch", namespace, name)
    await parts.access.require(caller, "get", names.CHECKPOINTS, namespace)
    return _told(await parts.restores.rewind(ref, asked.asks() | {"requestId": key.request_id}))


# --- Fork ------------------------------------------------------------------------------------------------------------


@router.post(OF_NAMESPACE + "/forks/plan", responses=answers(403, 404, 409, *BODY))
async def plan_fork(
    namespace: Namespace, asked: ForkAsked, caller: TheCaller, parts: TheParts, key: TheKey
) -> Plan:
    """What a fork would do. Nothing is created."""
    await parts.access.require(caller, "get", names.CHECKPOINTS, asked.namespace or namespace)
    await finding.foreign_source(parts, caller, namespace, asked.asks())
    return _plan(await parts.restores.plan_fork(await _fork(parts, namespace, asked, key)))


@router.post(OF_NAMESPACE + "/forks", status_code=201, responses=answers(403, 404, 409, *BODY))
async def fork_checkpoint(
    namespace: Namespace, asked: ForkAsked, caller: TheCaller, parts: TheParts, key: TheKey, response: Response
) -> RestoreTold:
    """Start a new execution from a checkpoint."""
    await allowed(parts, caller, "create", namespace)
    await parts.access.require(caller, "get", names.CHECKPOINTS, asked.namespace or namespace)
    await finding.foreign_source(parts, caller, namespace, asked.asks())
    body = await _fork(parts, namespace, asked, key)
    await finding.borrowable(parts, caller, namespace, body["spec"])
    done = await parts.restores.fork(body)
    response.headers["Location"] = f"{PREFIX}/namespaces/{namespace}/executions/{done.where.name}"
    return _told(done)


async def _fork(parts: Parts, namespace: str, asked: ForkAsked, key: RequestKey) -> dict[str, Any]:
    """The execution that a fork is to be."""
    asks = asked.asks()
    given = asked.spec if asked.spec is not None else await parts.restores.fork_spec(namespace, asks)
    spec = {**given, "restoreFrom": asks}
    name = asked.name or fork_name(asked.latest_of or "checkpoint", key.value)
    return {"metadata": metadata(namespace, name, key), "spec": spec}
