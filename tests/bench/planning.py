"""The planner alone: what one look at an execution costs in this process, without an API server.

An execution is played through here as the operator would bring it forward: each plan's status is stored, each launch is
seen as a Kubernetes Job with a pod, and pods succeed when they are told to.
"""

from __future__ import annotations

import gc
import sys
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from bench.quantiles import quantile
from bench.workloads import fan
from cairn import names
from cairn.core.actions import Launch, Plan
from cairn.core.draft import Execution
from cairn.core.manifests import Identity
from cairn.core.observed import KubeJob, KubePod, Observed
from cairn.core.parse import parse
from cairn.core.planner import plan
from cairn.core.shape import Shape
from cairn.core.status import JobState, Status
from cairn.core.status_wire import from_wire

WIDTH = 100
"""Jobs of a level; each depends on all of the level before."""
SIZES = (10, 50, 100, 200, 500, 1000, 1500, 2000)
TIMES = 30
_BEGIN = datetime(2026, 1, 31, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Planned:
    """One look at an execution of so many jobs, half of which are done; milliseconds of CPU."""

    jobs: int
    calls: int
    """Of Python functions: the same on every machine."""
    median_ms: float
    most_ms: float


class Played:
    """One execution, and what is seen of it."""

    def __init__(self, jobs: int) -> None:
        width = min(jobs, WIDTH)
        spec = parse(fan(jobs // width, width) | {"checkpoint": {"enabled": False}})
        self.identity = Identity("default", f"jobs-{jobs}", _uid("execution", jobs))
        self.execution = Execution(self.identity, 1, Status(), spec)
        self._shape = Shape(spec)
        self._now = _BEGIN
        self._jobs: dict[str, KubeJob] = {}
        self._pods: dict[str, tuple[KubePod, ...]] = {}

    @classmethod
    def half_done(cls, jobs: int) -> Played:
        """A level in the middle is running, and the first of it has just succeeded."""
        played = cls(jobs)
        played.step()
        for _ in range(jobs // WIDTH // 2):
            played.succeed(played.running())
            played.step()
        played.step()  # what is seen of the last launches is taken in, and by now at hand
        played.succeed(played.running()[:1])
        return played

    @classmethod
    def finished(cls, jobs: int) -> Played:
        """All of it has succeeded."""
        played = cls(jobs)
        played.step()
        while not played.execution.status.finished:
            played.succeed(played.running())
            played.step()
        return played

    def look(self) -> Plan:
        """What is next; nothing changes by it."""
        observed = Observed(jobs=self._jobs, pods=self._pods)
        return plan(self.execution, observed, now=self._now, shape=self._shape)

    def step(self) -> None:
        """Do what is next."""
        made = self.look()
        if made.wire:
            self.execution = replace(self.execution, status=from_wire(made.wire))
        for action in made.after:
            if isinstance(action, Launch):
                self._launch(action.name, action.manifest["metadata"]["labels"][names.LABEL_JOB])
        self._now += timedelta(seconds=1)

    def running(self) -> Sequence[str]:
        """The Kubernetes Jobs of what runs, in order."""
        records = self.execution.status.jobs
        return [name for name, job in self._jobs.items() if records[job.job].state is JobState.RUNNING]

    def succeed(self, jobs: Iterable[str]) -> None:
        """The pods of these Kubernetes Jobs have succeeded."""
        for name in jobs:
            self._pods[name] = tuple(
                replace(pod, phase="Succeeded", exit_code=0, finished_at=self._now) for pod in self._pods[name]
            )

    def _launch(self, name: str, job: str) -> None:
        of, definition = self.identity.uid, self.execution.status.jobs[job].definition
        made = KubeJob(
            name, _uid("job", name), "7", of, of, job, attempt=1, definition=definition, created_at=self._now
        )  # fmt: skip
        self._jobs[name] = made
        self._pods[name] = (KubePod(
            f"{name}-x", _uid("pod", name), name, made.uid, of, "Running", created_at=self._now, started_at=self._now,
            container="main",
        ),)  # fmt: skip


def _uid(*of: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, of))))


def calls_of_a_look(played: Played) -> int:
    """Calls of Python functions within one plan, once what can be kept at hand is at hand."""
    played.look()
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        played.look()
    finally:
        sys.setprofile(before)
    return calls


def measure(sizes: Sequence[int] = SIZES, times: int = TIMES) -> list[Planned]:
    """What a plan costs, by the jobs of the execution."""
    return [_measured(jobs, times) for jobs in sizes]


def _measured(jobs: int, times: int) -> Planned:
    played = Played.half_done(jobs)
    calls, taken = calls_of_a_look(played), []
    gc.collect()
    for _ in range(times):
        begin = time.thread_time()
        played.look()
        taken.append((time.thread_time() - begin) * 1000)
    return Planned(jobs, calls, round(quantile(taken, 0.5), 3), round(max(taken), 3))
