"""Pauses under load: whether a launch is still recorded after the patch was answered, and how soon a pause is seen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from bench import executions, scripts
from bench.stage import Stage
from bench.workloads import Workload

Body = dict[str, Any]
BETWEEN = 0.05  # seconds between two patches


@dataclass(frozen=True, slots=True)
class Pauses:
    """Of all pauses."""

    late_launches: int
    """Launches recorded in a version of the execution later than the patch's answer: there may be none."""
    late_milliseconds: list[float]
    """When these were seen, after the answer."""
    visible_milliseconds: list[float]
    """From the patch's answer until `Draining`, or `Paused` where nothing ran any more, was seen on a watch."""


@dataclass(slots=True)
class Watched:
    """One execution: its last pause, and what was seen since."""

    launched: set[tuple[str, int]] = field(default_factory=set)
    version: int = 0
    answered: float = 0.0
    seen: bool = True
    finished: bool = False


class Pausing:
    """The executions of a workload, paused and resumed until they are done."""

    def __init__(self, stage: Stage, work: Workload, namespace: str) -> None:
        self._stage = stage
        self._work = work
        self._path = executions.EXECUTIONS.format(namespace)
        self._namespace = namespace
        self._watched = {f"x{n}": Watched() for n in range(work.executions)}
        self.found = Pauses(0, [], [])

    async def run(self, times: int, between: float) -> Pauses:
        """Pause each execution so many times, with so many seconds of work between, and let all come to their end."""
        watching = asyncio.create_task(self._watch())
        spec = self._work.spec(checkpoints=True)
        await executions.create_all(self._stage.api, self._namespace, {name: spec for name in self._watched})
        for _ in range(times):
            await asyncio.sleep(between)
            await self._pause_all()
        await executions.succeeded(self._stage.api, self._namespace, self._work.executions)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return self.found

    async def _pause_all(self) -> None:
        for name, watched in self._watched.items():
            if not watched.finished:
                await self._set_paused(name, watched, True)
                await asyncio.sleep(BETWEEN)
        await executions.until(self._all_seen, every=0.05)
        await asyncio.sleep(1)  # a launch that comes late would come now
        for name, watched in self._watched.items():
            if not watched.finished:
                await self._set_paused(name, watched, False)

    async def _set_paused(self, name: str, watched: Watched, paused: bool) -> None:
        body = await self._stage.api.get(f"{self._path}/{name}")
        patch = {"metadata": {"uid": body["metadata"]["uid"]}, "spec": {"paused": paused}}
        answer = await self._stage.api.patch(f"{self._path}/{name}", patch)
        watched.version = int(answer["metadata"]["resourceVersion"]) if paused else 0
        watched.answered, watched.launched, watched.seen = time.perf_counter(), launches(answer), not paused

    async def _all_seen(self) -> bool | None:
        return all(watched.seen or watched.finished for watched in self._watched.values()) or None

    async def _watch(self) -> None:
        async for body in scripts.watch(self._stage.api, self._path):
            self._take_in(body, time.perf_counter())

    def _take_in(self, body: Body, at: float) -> None:
        watched, status = self._watched[body["metadata"]["name"]], body.get("status", {})
        watched.finished = "finishedAt" in status
        if not watched.version or int(body["metadata"]["resourceVersion"]) <= watched.version:
            return
        if late := launches(body) - watched.launched:
            watched.launched |= late
            self.found.late_milliseconds.extend([(at - watched.answered) * 1000] * len(late))
            self.found = Pauses(len(self.found.late_milliseconds), self.found.late_milliseconds,
                                self.found.visible_milliseconds)  # fmt: skip
        if status.get("pause") and not watched.seen:
            watched.seen = True
            self.found.visible_milliseconds.append((at - watched.answered) * 1000)


def launches(body: Body) -> set[tuple[str, int]]:
    """The attempts that an execution has recorded."""
    records = body.get("status", {}).get("jobs", ())
    return {(record["id"], record["attempt"]) for record in records if record.get("attempt")}


async def measure(stage: Stage, work: Workload, times: int, between: float) -> Pauses:
    """Pauses of a workload's executions, while all of them run."""
    return await Pausing(stage, work, await executions.new_namespace(stage.api)).run(times, between)
