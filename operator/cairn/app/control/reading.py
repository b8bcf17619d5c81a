"""What jobs have said and handed out: logs of attempts, live while their pods are there, and outputs.

Rules:
- A pod's log is the whole log. Once the pod is gone, what was kept of it is told: the last 50 lines (8 KiB), if any.
- Outputs are those of the completed attempt that the status speaks of, checked by digest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cairn import names
from cairn.app.checkpoints.archive import Archive
from cairn.app.executions import ExecutionView
from cairn.core.checkpoint.state import Attempt
from cairn.core.naming import attempt_name
from cairn.core.schema import closest
from cairn.errors import Gone, NotFound, Unavailable, WrongState
from cairn.ports import Body, Desk


@dataclass(frozen=True, slots=True)
class LogSource:
    """Where the log of an attempt is to be had."""

    job: str
    attempt: int
    pod: str = ""  # empty: the pod is gone
    container: str = ""
    kept: str | None = None  # what was kept of it then


class Reading:
    """What the ways in share."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def log_source(self, view: ExecutionView, job: str, attempt: int | None = None) -> LogSource:
        """Where the log of an attempt is, by default of the latest one.

        Raises NotFound (no such job or attempt), WrongState (nothing has run yet), and the errors of the API.
        """
        record = view.execution.status.jobs.get(job)
        if record is None:
            raise NotFound(f"{view.key} has no job {job!r}{closest(job, view.execution.status.jobs)}")
        number = attempt if attempt is not None else record.attempt
        if record.last == 0:
            raise WrongState(f"job {job} of {view.key} has not run yet: it is {record.state} {record.reason}".rstrip())
        if not 1 <= number <= record.last:
            raise NotFound(f"job {job} of {view.key} has attempts 1 to {record.last}, and no attempt {number}")
        name = attempt_name(view.key.name, view.key.uid, job, number)
        pods = await self._desk.list_pods(view.key.namespace, name)
        if pods:
            newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
            return LogSource(job, number, newest["metadata"]["name"], _container(newest))
        return LogSource(job, number, kept=await self._kept(view, job, number))

    async def _kept(self, view: ExecutionView, job: str, number: int) -> str | None:
        for body in await self._desk.list_results(view.key.namespace, view.key.uid):
            spec = body["spec"]
            if (spec.get("job"), spec.get("attempt")) == (job, number):
                tail: str | None = (body.get("status") or {}).get("logTail")
                return tail
        return None

    async def log(
        self, view: ExecutionView, source: LogSource, *, follow: bool = False, tail_lines: int | None = None,
        on_kept: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[bytes, None]:  # fmt: skip
        """The log in chunks; `on_kept` is called before what was kept of it is told instead.

        Raises WrongState where there is none yet or any more, and the errors of the API.
        """
        begun = False
        if source.pod:
            chunks = self._desk.follow_log(
                view.key.namespace, source.pod, source.container, follow=follow, tail_lines=tail_lines
            )  # fmt: skip
            try:
                async for chunk in chunks:
                    begun = True
                    yield chunk
                return
            except (Gone, Unavailable):
                if begun or (kept := await self._kept(view, source.job, source.attempt)) is None:
                    raise
                source = LogSource(source.job, source.attempt, kept=kept)
        if source.kept is None:
            text = f"the pod of attempt {source.attempt} of job {source.job} is gone, and nothing was kept of its log"
            raise WrongState(text)
        on_kept()
        lines = source.kept.splitlines(keepends=True)
        yield "".join(lines if tail_lines is None else lines[max(len(lines) - tail_lines, 0) :]).encode()

    async def attempts(self, view: ExecutionView) -> Mapping[str, tuple[Attempt, ...]]:
        """Every attempt of every job that is known, with its outputs. Raises CannotSave, and the errors of the API."""
        return await Archive(self._desk).attempts(view)

    async def outputs(self, view: ExecutionView, job: str | None = None) -> dict[str, Any]:
        """The outputs of the completed jobs, or of one, by job id; None for a job that handed out nothing.

        Raises NotFound, WrongState (the job has not completed), CannotSave (they are lost), and the errors of the API.
        """
        records = view.execution.status.jobs
        if job is not None and job not in records:
            raise NotFound(f"{view.key} has no job {job!r}{closest(job, records)}")
        if job is not None and records[job].state.value != "Completed":
            raise WrongState(f"job {job} of {view.key} is {records[job].state}: only a completed job has outputs")
        tries = await self.attempts(view)
        found: dict[str, Any] = {}
        for name, record in records.items():
            if record.state.value == "Completed" and job in (None, name):
                last = next((a for a in tries.get(name, ()) if a.number == record.attempt), None)
                found[name] = json.loads(last.outputs.text) if last and last.outputs is not None else None
        return found


def _container(pod: Body) -> str:
    """The container that counts: the one named `main`, or the first."""
    containers = [c["name"] for c in pod["spec"]["containers"]]
    return str(names.MAIN_CONTAINER if names.MAIN_CONTAINER in containers else containers[0])
