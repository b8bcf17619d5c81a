"""Pauses under load: whether a launch is still recorded after the patch was answered, and how soon a pause is seen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from bench import counters, executions, scripts
from bench.stage import Stage
from bench.workloads import Workload

Body = dict[str, Any]
BETWEEN = 0.05  # seconds between two patches


@dataclass(slots=True)
class Pauses:
    """Of all pauses."""

    late_launches: int = 0
    """Launches recorded in a version of the execution later than the patch's answer: there may be none."""
    late_milliseconds: list[float] = field(default_factory=list)
    """When these were seen, after the answer."""
    visible_milliseconds: list[float] = field(default_factory=list)
    """From the patch's answer until `Draining`, or `Paused` where nothing ran any more, was seen on a watch."""
    lag: dict[str, int] = field(default_factory=dict)
    """How late the operator has seen its loop to be meanwhile; see `loop_probe.Lag`."""


@dataclass(slots=True)
class Watched:
    """One execution: what the watch has shown last, and the pause that is under way."""

    found: Pauses
    finished: bool = False
    seen: bool = True
    """Whether its pause is seen; there may be none."""
    _latest: tuple[Body, float] | None = None
    _launched: set[tuple[str, int]] = field(default_factory=set)
    _version: int = 0
    _answered: float = 0.0

    def paused(self, answer: Body, at: float) -> None:
        """The patch that pauses it was answered; what follows from it may have been seen already."""
        self._version, self._answered = int(answer["metadata"]["resourceVersion"]), at
        self._launched, self.seen = launches(answer), False
        if self._latest is not None:
            self._judge(*self._latest)

    def resumed(self) -> None:
        """It may launch again."""
        self._version, self.seen = 0, True

    def take_in(self, body: Body, at: float) -> None:
        """The watch has shown it."""
        self._latest = (body, at)
        self.finished = "finishedAt" in body.get("status", {})
        self._judge(body, at)

    def _judge(self, body: Body, at: float) -> None:
        if not self._version or int(body["metadata"]["resourceVersion"]) <= self._version:
            return
        milliseconds = max(at - self._answered, 0.0) * 1000
        late = launches(body) - self._launched
        self._launched |= late
        self.found.late_launches += len(late)
        self.found.late_milliseconds += [milliseconds] * len(late)
        if body.get("status", {}).get("pause") and not self.seen:
            self.seen = True
            self.found.visible_milliseconds.append(milliseconds)


def launches(body: Body) -> set[tuple[str, int]]:
    """The attempts that an execution has recorded."""
    records = body.get("status", {}).get("jobs", ())
    return {(record["id"], record["attempt"]) for record in records if record.get("attempt")}


class Pausing:
    """The executions of a workload, paused and resumed until they are done."""

    def __init__(self, stage: Stage, work: Workload, namespace: str) -> None:
        self._api = stage.api
        self._spec = work.spec(checkpoints=True)
        self._namespace = namespace
        self._path = executions.EXECUTIONS.format(namespace)
        self.found = Pauses()
        self._watched = {f"x{n}": Watched(self.found) for n in range(work.executions)}

    async def run(self, times: int, between: float) -> Pauses:
        """Pause each execution so many times, with so many seconds of work between, and let all come to their end."""
        watching = asyncio.create_task(self._watch())
        await executions.create_all(self._api, self._namespace, {name: self._spec for name in self._watched})
        for _ in range(times):
            await asyncio.sleep(between)
            await self._pause_all()
            seen = len(self.found.visible_milliseconds)
            print(f"  {seen} pauses seen, {self.found.late_launches} late launches", flush=True)
        await executions.succeeded(self._api, self._namespace, len(self._watched))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return self.found

    async def _pause_all(self) -> None:
        running = {name: watched for name, watched in self._watched.items() if not watched.finished}
        for name, watched in running.items():
            answer = await self._set_paused(name, True)
            watched.paused(answer, time.perf_counter())
            await asyncio.sleep(BETWEEN)
        await executions.until(self._all_seen, every=0.05)
        await asyncio.sleep(1)  # a launch that comes late would come now
        for name, watched in running.items():
            watched.resumed()
            await self._set_paused(name, False)

    async def _set_paused(self, name: str, paused: bool) -> Body:
        path = f"{self._path}/{name}"
        uid = (await self._api.get(path))["metadata"]["uid"]
        return await self._api.patch(path, {"metadata": {"uid": uid}, "spec": {"paused": paused}})

    async def _all_seen(self) -> bool | None:
        return all(watched.seen or watched.finished for watched in self._watched.values()) or None

    async def _watch(self) -> None:
        async for body in scripts.watch_on(self._api, self._path):
            self._watched[body["metadata"]["name"]].take_in(body, time.perf_counter())


async def measure(stage: Stage, work: Workload, times: int, between: float) -> Pauses:
    """Pauses of a workload's executions, while all of them run."""
    before = await stage.own_lag()
    found = await Pausing(stage, work, await executions.new_namespace(stage.api)).run(times, between)
    found.lag = counters.increase(before, await stage.own_lag())
    return found
