"""Restores, for people and programs: the plan before anything is touched, the fork, the rewind.

Rules:
- A plan is made here exactly as the operator makes it, of the same checkpoint by the same function; so its digest can
  be given along (`planDigest`), and the operator refuses if it has become another one.
- What a plan objects to is told before anything is written. What only the operator can find is told by its answer.
- A rewind that is committed counts as done: from there it completes whatever happens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cairn import names
from cairn.app.control.executions import Executions, Where
from cairn.app.executions import Borrowed, ExecutionView, origin_of
from cairn.app.looking import eventually, look
from cairn.app.restores import Restores
from cairn.app.views import Views
from cairn.config import Settings
from cairn.core import answering, asking
from cairn.core.parse import parse
from cairn.core.refs import ExecutionRef
from cairn.core.restore import packs
from cairn.core.restore.plan import Known, plan
from cairn.core.restore.progress import Mode, Progress, RestorePlan, Step, Verdict, from_wire
from cairn.core.restore.source import Found
from cairn.core.restore.source import NotFound as Missing
from cairn.core.spec import Restore
from cairn.core.status import JobState
from cairn.core.times import known_time
from cairn.errors import InvalidSpec, NotFound, Violation, WrongState
from cairn.ports import Body, Clock, Desk, Rows

_RUN_SETTINGS = (
    "scheduling", "parallelism", "failurePolicy", "timeoutSeconds", "ttlSecondsAfterFinished", "checkpoint",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planned:
    """What a restore would do, and from which checkpoint."""

    mode: Mode
    found: Found
    plan: RestorePlan


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has come to."""

    where: Where
    kept: int  # jobs
    message: str
    completed: int = 0  # of those that are kept, the ones that had completed; others may still run
    step: Step = Step.DONE


class RestoreControl:
    """What the ways in share."""

    def __init__(self, desk: Desk, rows: Rows | None, clock: Clock) -> None:
        self._desk = desk
        self._rows = rows
        self._clock = clock
        self._executions = Executions(desk)

    # --- Plans

    async def plan_rewind(self, ref: ExecutionRef, asks: Mapping[str, Any]) -> Planned:
        """What a rewind of an execution would do. Raises NotFound, WrongState, InvalidSpec, and the errors of the API.

        `asks` is a `spec.restoreFrom`.
        """
        body = await self._executions.get(ref)
        view = await look(self._desk, body)
        if view.execution.spec is None:
            raise InvalidSpec(view.execution.violations)
        asked = _asked(asks)
        found = await self._find(view, asked)
        if found.origin.execution_uid != view.key.uid:
            text = f"{asked.source} is of execution {found.origin.execution}; a rewind goes back to an own one: fork it"
            raise WrongState(text, reason=names.OTHER_EXECUTION)
        known = Known(view.execution.status.jobs, final=True, adopt=True)
        return Planned(Mode.REWIND, found, plan(found.saved, view.execution.spec, asked, known, view.shape))

    async def plan_fork(self, body: Mapping[str, Any]) -> Planned:
        """What a fork would do, given the whole execution with its `restoreFrom`.

        Raises NotFound, WrongState, InvalidSpec, and the errors of the API.
        """
        view, views = _unborn(body)
        asked = _asked(body["spec"]["restoreFrom"])
        found = await self._find(view, asked)
        if view.execution.lacks_jobs:
            views.borrow("", Borrowed(origin_of(view.asks), packs.configs_of(found.spec)))
            view = views.execution("") or view
        if view.execution.spec is None:
            raise InvalidSpec(view.execution.violations)
        return Planned(Mode.FORK, found, plan(found.saved, view.execution.spec, asked, found.known, view.shape))

    async def fork_spec(self, namespace: str, asks: Mapping[str, Any]) -> dict[str, Any]:
        """The spec of a fork that nobody has written one for: the checkpoint's jobs, run as they were run.

        Raises NotFound, WrongState, InvalidSpec, and the errors of the API.
        """
        view, _ = _unborn({"metadata": {"namespace": namespace}, "spec": {"restoreFrom": asks}})
        found = await self._find(view, _asked(asks))
        return {key: found.spec[key] for key in _RUN_SETTINGS if key in found.spec} | {"restoreFrom": dict(asks)}

    async def _find(self, view: ExecutionView, asked: Restore) -> Found:
        seen = Views()
        for body in await self._desk.list_checkpoints(view.source_namespace):
            seen.checkpoints.see(body)
        settings = Settings.model_validate({"fork_across_namespaces": True})  # whether they may is asked of the caller
        restores = Restores(self._desk, seen, self._rows, self._desk.get_namespace_uid, self._clock, settings)
        found = await restores.find(view, asked)
        if isinstance(found, Missing):
            if found.reason == names.CHECKPOINT_NOT_FOUND:
                raise NotFound(found.message)
            raise WrongState(found.message, reason=found.reason)
        return found

    # --- Restores

    async def fork(self, body: Mapping[str, Any], *, seconds: float = 30) -> Restored:
        """Create a fork, given the whole execution with its `restoreFrom`, and wait until it has begun.

        Raises NotFound, WrongState (with the problems of the plan), InvalidSpec, TimeoutError if no operator answers
        within so many seconds (it begins when one does), and the errors of the API.
        """
        planned = await self.plan_fork(body)
        refuse(planned, _asked(body["spec"]["restoreFrom"]))
        made, _ = await self._executions.create(body)
        where = Where.of(made)

        async def begun() -> Restored | None:
            there = await self._executions.get(ExecutionRef(where.namespace, where.name))
            return _outcome(there, generation=there["metadata"]["generation"])

        return await self._answered(begun, f"{where} was created, and", seconds)

    async def rewind(self, ref: ExecutionRef, asks: Mapping[str, Any], *, seconds: float = 30) -> Restored:
        """Rewind an execution, and wait until that is sure to complete. `asks` is a `restoreFrom` with a requestId.

        Raises NotFound, WrongState (with the problems of the plan), KeyReused, InvalidSpec, TimeoutError if no operator
        answers within so many seconds (it stays asked), and the errors of the API.
        """
        request_id = asks["requestId"]
        body = await self._executions.get(ref)
        asking.refuse_reuse(body, request_id)
        if asking.answer_to(body, request_id) is None and _outcome(body, request_id=request_id) is None:
            planned = await self.plan_rewind(ref, asks)
            refuse(planned, _asked(asks))
            source = {"checkpointId": planned.found.origin.id, "checkpointName": None, "latestOf": None}
            await self._executions.change(ref, asking.restore({**asks, **source}))

        async def committed() -> Restored | None:
            return _outcome(await self._executions.get(ref), request_id=request_id)

        return await self._answered(committed, "the rewind is asked for, but", seconds)

    async def _answered(self, read: Callable[[], Awaitable[Restored | None]], so_far: str, seconds: float) -> Restored:
        found = await eventually(read, seconds=seconds)
        if found is None:
            raise TimeoutError(f"{so_far} no operator has answered within {seconds:g} s; it goes on when one does")
        return found


def refuse(planned: Planned, asked: Restore) -> None:
    """Raise WrongState with all that is in the way of carrying a plan out."""
    objection = answering.objection_to(asked, planned.plan)
    if objection is not None:
        reason, message = objection
        problems = tuple(Violation(problem.job, problem.message) for problem in planned.plan.problems)
        raise WrongState(message, reason=reason, problems=problems)


def _outcome(body: Body, *, request_id: str = "", generation: int = 0) -> Restored | None:
    """What a restore has come to; None: nothing final yet. Raises WrongState if it was refused."""
    status = body.get("status") or {}
    progress: Progress | None = from_wire(status["restore"]) if status.get("restore") else None
    if progress is not None and progress.request_id == request_id and progress.generation >= generation:
        kept = progress.plan.kept if progress.plan else 0
        match progress.step:
            case Step.REFUSED:
                raise WrongState(progress.message, reason=progress.reason)
            case Step.STOPPING | Step.DONE:
                return Restored(Where.of(body), kept, progress.message, _completed(body, progress), progress.step)
            case _:
                return None
    answer = asking.answer_to(body, request_id) if request_id else None
    if answer is None:
        return None
    if answer["outcome"] != "Done":
        raise WrongState(answer.get("message", "it was refused"))
    restored = status.get("restoredFrom") or {}
    return Restored(Where.of(body), restored.get("jobs", 0), answer.get("message", ""), _completed(body))


def _completed(body: Body, progress: Progress | None = None) -> int:
    """How many jobs are kept as completed: as planned while a rewind stops what it does not keep, then as they are."""
    if progress is not None and progress.step is Step.STOPPING and progress.plan is not None:
        others = sum(j.verdict is Verdict.KEEP and j.reason != JobState.COMPLETED for j in progress.plan.jobs)
        return progress.plan.kept - others
    status = body["status"]
    at = known_time((status.get("restoredFrom") or {}).get("at") or body["metadata"]["creationTimestamp"])
    done = (job for job in status.get("jobs") or () if job["state"] == JobState.COMPLETED and job.get("finishedAt"))
    return sum(known_time(job["finishedAt"]) <= at for job in done)


def _unborn(body: Mapping[str, Any]) -> tuple[ExecutionView, Views]:
    """An execution that does not exist yet, as it would be seen."""
    meta = {"uid": "", "resourceVersion": "1", "generation": 1, "name": "fork"} | dict(body["metadata"])
    views = Views()
    views.see_execution({"metadata": meta, "spec": body["spec"]})
    view = views.execution("")
    assert view is not None
    return view, views


def _asked(asks: Mapping[str, Any]) -> Restore:
    """A `restoreFrom` as it is read. Raises InvalidSpec."""
    restore = parse({"restoreFrom": {key: value for key, value in asks.items() if value is not None}}).restore
    assert restore is not None
    return restore
