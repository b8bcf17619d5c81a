"""Kopf has all namespaces of a pattern that there are, whatever it has heard itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairn.handlers import namespaces
from cairn.handlers.namespaces import ServedNamespaces


def body(name: str, **meta: str) -> Any:
    return {"metadata": {"name": name, "resourceVersion": "1"} | meta}


class Cluster:
    """An API server that has namespaces, and tells of what becomes of them."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    async def pages(self, path: str) -> AsyncIterator[Any]:
        assert path == "/api/v1/namespaces"
        yield {"metadata": {"resourceVersion": "1"}, "items": [body(name) for name in self.names]}

    async def stream(self, path: str, seconds: float, **query: str) -> AsyncIterator[bytes]:
        while True:
            yield json.dumps(await self.events.get()).encode() + b"\n"

    def tell(self, kind: str, name: str) -> None:
        self.events.put_nowait({"type": kind, "object": body(name)})

    def forget_all(self) -> None:
        self.events.put_nowait({"type": "ERROR", "object": {"code": 410}})


class Running:
    """What Kopf would serve."""

    def __init__(self, cluster: Cluster, *patterns: str) -> None:
        api: Any = cluster
        served = ServedNamespaces(api, patterns, 60)
        self.insights = served.insights
        self._task = asyncio.create_task(served.run())
        self.revisions = 0
        self._counting = asyncio.create_task(self._count())

    async def _count(self) -> None:
        async with self.insights.revised:
            while True:
                await self.insights.revised.wait()
                self.revisions += 1

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(5):
            while sorted(map(str, self.insights.namespaces)) != sorted(names):
                await asyncio.sleep(0.001)

    async def stop(self) -> None:
        tasks = {self._task, self._counting}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_what_matches_is_served_from_its_making_to_its_end() -> None:
    cluster = Cluster("team-a", "team-x", "other")
    running = Running(cluster, "team-*,!*-x", "one")
    await running.until("team-a")
    for name in ("team-b", "two", "one", "team-x"):
        cluster.tell("ADDED", name)
    await running.until("team-a", "team-b", "one")
    cluster.tell("DELETED", "team-a")
    cluster.tell("DELETED", "two")
    await running.until("team-b", "one")
    assert running.revisions >= 3, "Kopf looks only when it is told to"
    await running.stop()


async def test_one_that_is_made_again_at_once_is_served() -> None:
    cluster = Cluster("a")
    running = Running(cluster, "*")
    await running.until("a")
    cluster.tell("DELETED", "a")
    cluster.tell("ADDED", "a")
    cluster.tell("ADDED", "b")
    await running.until("a", "b")
    await running.stop()


async def test_what_went_while_nobody_heard_of_it_is_served_no_more() -> None:
    cluster = Cluster("stays", "goes")
    running = Running(cluster, "*")
    await running.until("stays", "goes")
    cluster.names = ["stays", "comes"]
    cluster.forget_all()
    await running.until("stays", "comes")
    await running.stop()


async def test_kopf_cannot_drop_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears of a delete late, when it has been made again, or stops before what is in it has gone."""
    monkeypatch.setattr(namespaces, "_LOOK_SECONDS", 0.01)
    running = Running(Cluster("a"), "*")
    await running.until("a")
    running.insights.namespaces.clear()
    await running.until("a")
    await running.stop()


async def test_nobody_is_disturbed_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "_LOOK_SECONDS", 0.001)
    cluster = Cluster("a")
    running = Running(cluster, "*")
    await running.until("a")
    await asyncio.sleep(0.01)
    before = running.revisions
    for _ in range(10):
        cluster.tell("MODIFIED", "a")
        await asyncio.sleep(0.002)
    assert running.revisions == before <= 1
    await running.stop()
