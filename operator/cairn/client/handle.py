"""An execution in the hands of a program.

Rules:
- It is that one execution: where it was deleted, or another one has its name, `NotFound` says so.
- What the API server says is kept in `seen`; nothing is read behind the user's back.
- Besides what it says itself, every method raises the errors of the API: `Refused` (no right, or too many requests, in
  Kubernetes' words), `Rejected` and `Unavailable`. A watch that is lost begins anew; only an API server that stays away
  for long is `Unavailable`.
- Seconds are how long is waited, None for as long as it takes; a `TimeoutError` says what has not come, and takes
  nothing back that was asked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from cairn import names
from cairn.app.checkpoints.manager import Wish, ask_for, settled
from cairn.app.control.watching import versions
from cairn.client.changes import Change, changes
from cairn.client.connection import Connection, in_time, plan_model, restore_asks
from cairn.client.models import Checkpoint, DAGExecution, Plan, RequestStatus
from cairn.core import asking, status_wire
from cairn.core.asking import Repair
from cairn.core.drawing.model import draw
from cairn.core.drawing.svg import svg
from cairn.core.parse import parse
from cairn.core.refs import ExecutionRef, is_checkpoint_id
from cairn.core.restore.progress import UNDER_WAY
from cairn.core.shape import Shape
from cairn.core.spec import PauseMode, RequestType
from cairn.core.status import JobState
from cairn.errors import InvalidSpec, NotFound, WrongState
from cairn.ports import Body

Saved = Checkpoint | str  # a checkpoint, its id, or the name of its object


class Execution:
    """One execution; `Client.run`, `get`, `list` and `fork` give it out."""

    def __init__(self, connection: Connection, body: Body) -> None:
        self._at = connection
        meta = body["metadata"]
        self._ref = ExecutionRef(meta["namespace"], meta["name"], meta["uid"])
        self._seen, self._body = DAGExecution.from_body(body), body

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self._ref.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self._ref.name

    @property
    def uid(self) -> str:
        """What tells it from another execution of its name."""
        return self._ref.uid

    @property
    def seen(self) -> DAGExecution:
        """How it stood when it was last read."""
        return self._seen

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def __repr__(self) -> str:
        return f"<Execution {self}: {self._seen.status.phase or 'Pending'}, {self._seen.status.progress or '0/0'} jobs>"

    def _repr_svg_(self) -> str | None:
        """What a notebook shows: its jobs as they stood when it was last read; nothing where its spec has none."""
        try:
            spec = parse(self._body["spec"])
        except InvalidSpec:
            return None
        if not spec.jobs:
            return None  # they come from the checkpoint that it was forked from
        status = status_wire.from_wire(self._body.get("status") or {})
        return svg(draw(spec, Shape(spec), status, name=self.name))

    # --- Reading

    async def refresh(self) -> DAGExecution:
        """How it stands now. Raises NotFound."""
        return self._take(await self._at.executions.get(self._ref))

    async def follow(self) -> AsyncGenerator[Change, None]:
        """How it stands, and then what changes, as it comes; ends once it has finished and its checkpoints are taken.

        Raises NotFound (also if it is deleted meanwhile), WrongState if its spec is not accepted.
        """
        before = None
        async with aclosing(versions(self._at.desk, self.namespace, self.name)) as seen:
            async for body in seen:
                now = self._take(body)
                for change in changes(before, now):
                    yield change
                before = now
                if asking.has_finished(body) and not (now.status.checkpointing and now.status.checkpointing.pending):
                    return
                _refuse_unaccepted(body, now)
        raise self._deleted()

    async def finished(self, seconds: float | None = None) -> DAGExecution:
        """Wait until it has finished; how it stands then: whether well, says `status.phase`.

        Raises NotFound, WrongState if its spec is not accepted, TimeoutError.
        """

        def is_over(body: Body, now: DAGExecution) -> bool:
            if not (over := asking.has_finished(body)):
                _refuse_unaccepted(body, now)
            return over

        return await self._until(is_over, seconds, "finished")

    async def paused(self, seconds: float | None = None) -> DAGExecution:
        """Wait until its pause has come to its end: nothing of it runs any more.

        Raises NotFound, WrongState if it has finished or was resumed before that, or is not paused, TimeoutError.
        """
        return await self._until(lambda body, _: asking.has_drained(body), seconds, "come to rest")

    async def outputs(self) -> dict[str, Any]:
        """What its completed jobs have handed out, by job; None for one that has handed out nothing.

        Raises NotFound, CannotSave if outputs are lost.
        """
        return await self._at.reading.outputs(await self._at.executions.view(self._ref))

    async def output(self, job: str) -> Any:
        """What a completed job has handed out. Raises NotFound (also of the job), WrongState, CannotSave."""
        return (await self._at.reading.outputs(await self._at.executions.view(self._ref), job))[job]

    async def logs(
        self, job: str, *, attempt: int | None = None, follow: bool = False, tail: int | None = None
    ) -> AsyncGenerator[str, None]:  # fmt: skip
        """The log of an attempt of a job, by default of its latest one, line by line; `tail`: only so many.

        `follow` waits for the job to start, and goes on until the attempt has ended. Raises NotFound (also of the job
        or attempt), WrongState where there is no log yet, or not any more.
        """
        if follow:
            await self._until(lambda body, now: _has_begun(body, now, job), None, f"started {job}")
        view = await self._at.executions.view(self._ref)
        source = await self._at.reading.log_source(view, job, attempt)
        rest = b""
        async for chunk in self._at.reading.log(view, source, follow=follow, tail_lines=tail):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    # --- Asking

    async def pause(
        self, reason: str = "", *, mode: PauseMode | str | None = None, until: datetime | None = None,
        checkpoint: bool | None = None,
    ) -> str:  # fmt: skip
        """Ask for a pause: nothing new starts. `mode`: Drain lets what runs end, Stop stops it; None: as the spec says.

        `until` resumes it by itself. `checkpoint` saves the state once it is drained (None: as the spec says); the name
        of that checkpoint, if True. Raises NotFound, WrongState if it has finished.
        """
        asked = asking.Pause(reason, PauseMode(mode).value if mode else "", until, checkpoint)
        body, name = await self._at.executions.pause(self._ref, asked, by=await self._at.by() if checkpoint else None)
        self._take(body)
        return name

    async def resume(self) -> None:
        """Let it go on. Raises NotFound, WrongState if it has finished."""
        self._take(await self._at.executions.resume(self._ref))

    async def cancel(self, reason: str = "") -> None:
        """Ask for its end: what runs is stopped; `finished` waits for that. Raises NotFound, WrongState."""
        self._take(await self._at.executions.cancel(self._ref, self._at.new_id(), reason))

    async def hold(self, *jobs: str) -> None:
        """Hold jobs back: they do not start. Raises NotFound (also of a job)."""
        self._take(await self._at.executions.hold(self._ref, add=jobs))

    async def release(self, *jobs: str) -> None:
        """Let jobs go that are held back. Raises NotFound (also of a job)."""
        self._take(await self._at.executions.hold(self._ref, remove=jobs))

    async def delete(self) -> None:
        """Delete it, and what it owns; its checkpoints stay as their settings say. Raises NotFound."""
        await self._at.executions.delete(self._ref)

    # --- Repairing

    async def retry(self, job: str, *, reason: str = "", seconds: float = 10) -> RequestStatus:
        """Try a failed job again, and what it has held up; the operator's answer.

        Raises NotFound (also of the job), WrongState if it is refused, TimeoutError (it stays asked).
        """
        return await self._repair(RequestType.RETRY, job, seconds, reason=reason)

    async def complete(
        self, job: str, outputs: Mapping[str, Any] | None = None, *, reason: str = "", seconds: float = 10
    ) -> RequestStatus:
        """Count a failed job as completed, with these outputs. Raises as `retry` does."""
        return await self._repair(RequestType.COMPLETE, job, seconds, reason=reason, outputs=outputs)

    async def skip(self, job: str, *, reason: str = "", seconds: float = 10) -> RequestStatus:
        """Count a job as skipped. Raises as `retry` does."""
        return await self._repair(RequestType.SKIP, job, seconds, reason=reason)

    async def extend_retries(self, job: str, limit: int, *, reason: str = "", seconds: float = 10) -> RequestStatus:
        """Allow a job so many retries more. Raises as `retry` does."""
        return await self._repair(RequestType.EXTEND_RETRIES, job, seconds, reason=reason, limit=limit)

    async def _repair(self, kind: RequestType, job: str, seconds: float, **more: Any) -> RequestStatus:
        asked = Repair(self._at.new_id(), kind, job, by=await self._at.by(), **more)
        (answer,) = await self._at.executions.repair(self._ref, asked, seconds=seconds)
        return RequestStatus.model_validate(answer)

    # --- Checkpoints

    async def checkpoint(
        self, name: str = "", *, metadata: Mapping[str, str] | None = None, pinned: bool = False, seconds: float = 30
    ) -> Checkpoint:
        """Save its state now, and wait until it can be restored. `name` is a label, such as "before tuning".

        `pinned`: retention leaves it alone. Raises NotFound, CannotSave (why it cannot be saved), TimeoutError (it is
        taken when an operator is there again).
        """
        await self._at.executions.get(self._ref)
        wish = Wish(
            self.namespace, self.name, self._at.new_id(), name, dict(metadata or {}), await self._at.by(), pinned
        )  # fmt: skip
        made = await ask_for(self._at.desk, wish)
        with in_time(f"checkpoint {made} is asked for, but no operator has taken it within {seconds:g} s"):
            await settled(self._at.desk, self.namespace, made, seconds=seconds)
        return Checkpoint.from_body(await self._at.desk.get_checkpoint(self.namespace, made))

    async def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Its checkpoints that have an object, newest first, those that are being taken or have failed before them."""
        found = await self._at.checkpoints(self.namespace, self.name)
        return tuple(one for one in found if one.status.execution_uid in (None, self.uid))

    async def plan(
        self, saved: Saved, *, rerun: Sequence[str] = (), confirm: Sequence[str] = (), force: bool = False
    ) -> Plan:  # fmt: skip
        """What a rewind to a checkpoint would do, job by job; nothing is touched. `problems` says what is in its way.

        Raises NotFound, WrongState (not Ready, or of another execution: fork that), InvalidSpec.
        """
        asks = restore_asks(source_of(saved), rerun, confirm, force)
        return plan_model((await self._at.restores.plan_rewind(self._ref, asks)).plan)

    async def rewind(
        self, saved: Saved, *, rerun: Sequence[str] = (), confirm: Sequence[str] = (), force: bool = False,
        plan: Plan | None = None, seconds: float = 30,
    ) -> DAGExecution:  # fmt: skip
        """Put it back to one of its checkpoints, and wait until that is done; how it stands then. A pause stays.

        What stands now is saved before (`status.restored_from.undo`). `rerun`: jobs that run again although they could
        be kept; `confirm`: jobs whose replay asks for it; `force`: also what is Unsafe; `plan`: this one, or none.
        Raises NotFound, WrongState (with the `problems` of the plan), InvalidSpec, TimeoutError (it stays asked).
        """
        asks = restore_asks(source_of(saved), rerun, confirm, force, plan) | {"requestId": self._at.new_id()}
        await self._at.restores.rewind(self._ref, asks, seconds=seconds)

        def is_done(_: Body, now: DAGExecution) -> bool:
            return now.status.restore is None or now.status.restore.phase not in UNDER_WAY

        return await self._until(is_done, seconds, "been put back (it will be: the rewind is committed)")

    # --- Within

    def _take(self, body: Body) -> DAGExecution:
        if body["metadata"]["uid"] != self.uid:
            raise self._deleted(" meanwhile, and another one has its name")
        self._seen, self._body = DAGExecution.from_body(body), body
        return self._seen

    def _deleted(self, more: str = " meanwhile") -> NotFound:
        return NotFound(f"execution {self.name} in namespace {self.namespace} was deleted{more}")

    async def _until(
        self, is_so: Callable[[Body, DAGExecution], bool], seconds: float | None, what: str
    ) -> DAGExecution:  # fmt: skip
        try:
            await self._at.executions.until(self._ref, lambda body: is_so(body, self._take(body)), seconds=seconds)
        except TimeoutError:
            raise TimeoutError(await self._overdue(what, seconds or 0)) from None
        return self._seen

    async def _overdue(self, what: str, seconds: float) -> str:
        body = await self._at.executions.get(self._ref)
        text = f"execution {self} has not {what} within {seconds:g} s"
        if not asking.is_seen(body):
            return f"{text}, and no operator has looked at its spec as it is now: is the operator running?"
        now = self._take(body).status
        return f"{text}: it is {now.pause.phase if now.pause else now.phase}, {now.progress or '0/0'} jobs done"


def source_of(saved: Saved) -> dict[str, Any]:
    """Which checkpoint is meant, as `restoreFrom` names it."""
    if isinstance(saved, str):
        return {"checkpointId" if is_checkpoint_id(saved) else "checkpointName": saved}
    if saved.status.checkpoint_id:
        return {"checkpointId": saved.status.checkpoint_id}
    return {"checkpointName": saved.metadata.name}


def _has_begun(body: Body, now: DAGExecution, job: str) -> bool:
    """Whether there is something to read of a job's log, or will not be."""
    if not asking.is_seen(body):
        return False
    record = now.status.job(job)
    waits = record is not None and not record.started_at and record.state in (JobState.PENDING, JobState.RUNNING)
    return not waits or asking.has_finished(body)


def _refuse_unaccepted(body: Body, now: DAGExecution) -> None:
    accepted = now.status.condition(names.CONDITION_ACCEPTED)
    if accepted is not None and accepted.status == "False" and asking.is_seen(body):
        meta = body["metadata"]
        text = f"the spec of execution {meta['namespace']}/{meta['name']} is not accepted: {accepted.message}"
        raise WrongState(text, reason=accepted.reason)
