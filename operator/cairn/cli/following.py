"""Following an execution: a line for whatever changes, until it has finished and its checkpoints are settled.

Rules:
- What has happened before is told first, so that nothing is missed, however late somebody begins to look.
- Whoever stops following (Ctrl-C) stops nothing but that, and is told so.
- A line is plain text: when it was seen (UTC), which execution or job, what it has come to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

import typer

from cairn import names
from cairn.app.control.executions import Where
from cairn.app.control.watching import versions
from cairn.cli.session import REFUSED, Session, plain
from cairn.core import asking, status_wire
from cairn.core.status import FINISHED, JobRecord, JobState, Phase, Status

Change = tuple[str, str]  # the id of a job, empty for the execution itself; and what it has come to

# Steps on the way of an attempt that is as good as running.
_ON_ITS_WAY = frozenset({"", names.LAUNCHING, "Running"})


async def follow(session: Session, places: Sequence[Where]) -> int:
    """Follow executions until all have finished; the exit code: 0 if all have succeeded."""
    try:
        return max(await asyncio.gather(*(_follow(session, where) for where in places)), default=0)
    except asyncio.CancelledError:
        every = " ".join(where.name for where in places)
        typer.echo(f"no longer following; it goes on all the same: kubectl cairn watch {every}", err=True)
        raise


async def _follow(session: Session, where: Where) -> int:
    before = Status()
    async with aclosing(versions(session.desk, where.namespace, where.name)) as seen:
        async for body in seen:
            now = status_wire.from_wire(body.get("status") or {})
            for job, told in changes(before, now):
                title = f"{where.name}/{job}" if job else where.name
                typer.echo(plain(f"{session.clock():%Y-%m-%dT%H:%M:%SZ}  {title}  {told}").replace("\n", " "))
            before = now
            if asking.has_finished(body) and not now.checkpointing.pending:
                return 0 if now.phase is Phase.SUCCEEDED else REFUSED
            if asking.is_seen(body) and now.reason == names.NOT_ACCEPTED:
                return REFUSED
    typer.echo(f"{where} was deleted", err=True)
    return REFUSED


def changes(before: Status, now: Status) -> Iterator[Change]:
    """What has changed between two looks at an execution, in words; first what came first."""
    if now.phase is not Phase.PENDING and before.phase is Phase.PENDING:
        yield "", "Running"
    elif now.phase is Phase.RUNNING and before.phase in FINISHED:
        yield "", "Running again"
    yield from _differing(before, now, _restore)
    for job in now.jobs.values():
        told = _job(job)
        if told and told != _job(before.jobs.get(job.id, JobRecord(job.id))):
            yield job.id, told
    for about in (_refusal, _pause, _saved, _unsaved):
        yield from _differing(before, now, about)
    if before.pause and not now.pause and now.phase not in FINISHED:
        yield "", "Resumed"
    if now.phase in FINISHED and before.phase is not now.phase:
        yield "", _end(now)


def _differing(before: Status, now: Status, about: Callable[[Status], str]) -> Iterator[Change]:
    told = about(now)
    if told and told != about(before):
        yield "", told


def _job(job: JobRecord) -> str:
    because = f"{job.reason}: {job.message}" if job.message and job.reason else job.reason or job.message
    match job.state:
        case JobState.RUNNING if job.reason in _ON_ITS_WAY:
            return f"Running, attempt {job.attempt}"
        case JobState.RUNNING:
            return f"Running, attempt {job.attempt}: {because}"
        case JobState.COMPLETED:
            return f"Completed{_took(job.started_at, job.finished_at)}"
        case JobState.PENDING if not job.reason:
            return ""
        case _:
            return f"{job.state.value}: {because}" if because else job.state.value


def _took(begin: datetime | None, end: datetime | None) -> str:
    return f" in {timedelta(seconds=round((end - begin).total_seconds()))}" if begin and end else ""


def _refusal(status: Status) -> str:
    if (accepted := status.condition(names.CONDITION_ACCEPTED)) is not None and not accepted.status:
        return f"not accepted: {accepted.message}"
    waits = status.phase is Phase.PENDING and status.message
    return f"Pending: {status.reason}: {status.message}" if waits else ""


def _pause(status: Status) -> str:
    pause = status.pause
    if pause is None:
        return ""
    running = f", {pause.count} still running: {', '.join(pause.running)}" if pause.count else ""
    return f"{pause.phase.value}{running}" + (f" ({pause.reason})" if pause.reason else "")


def _restore(status: Status) -> str:
    restore = status.restore
    return f"{restore.mode.value} {restore.step.value}: {restore.message}" if restore else ""


def _saved(status: Status) -> str:
    last = status.checkpointing.last
    return f"checkpoint {last.name} is Ready ({last.trigger.value})" if last else ""


def _unsaved(status: Status) -> str:
    failed = status.checkpointing.failed
    return f"checkpoint {failed.name} has failed: {failed.reason}: {failed.message}" if failed else ""


def _end(status: Status) -> str:
    because = f": {status.message}" if status.message else ""
    return f"{status.phase.value}{_took(status.started_at, status.finished_at)}{because}"
