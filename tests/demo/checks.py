"""What must hold for the demo to have shown what it says. Pure: facts in, the broken promises out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from demo.execution import Execution


@dataclass(frozen=True)
class Hold:
    """The time of the pause: from when on nothing may be launched, from when on nothing may run, until when."""

    patched: datetime
    drained: datetime
    resumed: datetime


def while_held(patched: Execution, drained: Execution, held: Execution) -> Iterator[str]:
    """Three looks: when the patch had returned, when it was Paused, and a while later. Nothing was launched since."""
    for look in (drained, held):
        if look.pause != "Paused":
            yield f"the execution is {look.pause or 'not paused'} where it should be Paused"
        if look.running:
            yield f"still running while paused: {', '.join(look.running)}"
    for job, attempt in held.attempts.items():
        if attempt != patched.attempts[job]:
            yield f"{job}: attempt {attempt} was launched while paused"
    if all(job.ended for job in held.jobs):
        yield "the pause came too late: every job had ended"


def in_the_end(execution: Execution, hold: Hold, *, retried: str, skipped: str) -> Iterator[str]:
    """The finished execution."""
    if execution.phase != "Succeeded":
        yield f"the execution is {execution.phase}: {execution.message}"
    if execution.job(retried).attempt != 2:
        yield f"{retried} has {execution.job(retried).attempt} attempts, not 2"
    for job in execution.jobs:
        expected = "Skipped" if job.id == skipped else "Completed"
        if job.state != expected:
            yield f"{job.id} is {job.state}, not {expected}: {job.reason} {job.message}"
        if job.launched and hold.patched < job.launched < hold.resumed:
            yield f"{job.id} was launched at {job.launched}, while paused"


def containers(pods: Iterable[Mapping[str, Any]], hold: Hold) -> Iterator[str]:
    """The pods of the execution: no container may have started between drain and resume.

    Kubernetes rounds their times down to seconds, so in the last second before the resume one cannot tell.
    """
    end = hold.resumed - timedelta(seconds=1)
    for pod in pods:
        for status in pod["status"].get("containerStatuses", ()):
            for state in status["state"].values():
                started = state.get("startedAt")
                if started and hold.drained < datetime.fromisoformat(started) < end:
                    yield f"a container of {pod['metadata']['name']} started at {started}, while paused"


def results(found: Sequence[Mapping[str, Any]], *, retried: str, final: str) -> Iterator[str]:
    """The specs of the JobResult objects."""
    attempts = sorted((each["attempt"], each.get("exitCode")) for each in found if each["job"] == retried)
    if attempts != [(1, 75), (2, 0)]:
        yield f"the attempts of {retried} (number, exit code) are {attempts}, not [(1, 75), (2, 0)]"
    if not any(each["job"] == final and each.get("outputs") for each in found):
        yield f"{final} has left no outputs"
