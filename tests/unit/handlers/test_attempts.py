"""Where Kubernetes Jobs and pods are watched: everywhere, or where there are executions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairn.config import Settings
from cairn.handlers import attempts
from cairn.handlers.attempts import AttemptWatches


class Watched:
    """An API server that says what is watched, and an operator that says where there are executions."""

    def __init__(self, *namespaces: str) -> None:
        self.open: list[str] = []
        self.there = set(namespaces)
        self.told: list[str] = []
        self.selector = "cairn.dev/execution-uid"

    async def pages(self, path: str, **query: str) -> AsyncIterator[Any]:
        assert query["labelSelector"] == self.selector
        assert "status." in query["fieldSelector"], "what has ended is not listed"
        yield {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": path}}]}

    async def stream(self, path: str, seconds: float, **query: str) -> AsyncIterator[bytes]:
        assert query["labelSelector"] == self.selector
        assert "fieldSelector" not in query, "that something ends is what is waited for"
        self.open.append(path)
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            self.open.remove(path)

    def namespaces(self) -> frozenset[str]:
        return frozenset(self.there)

    def see_job(self, body: Any) -> None:
        self.told.append(f"job {body['metadata']['name']}")

    def see_pod(self, body: Any) -> None:
        self.told.append(f"pod {body['metadata']['name']}")

    def forget_job(self, body: Any) -> None: ...

    def forget_pod(self, body: Any) -> None: ...

    def listed_anew(self) -> None: ...

    async def until(self, *wanted: str) -> None:
        async with asyncio.timeout(5):
            while sorted(self.open) != sorted(wanted):
                await asyncio.sleep(0.001)


async def test_everywhere_two_watches_are_enough() -> None:
    there: Any = Watched("a", "b")
    made = AttemptWatches(there, there, Settings())
    running = asyncio.create_task(made.run())
    await there.until("/apis/batch/v1/jobs", "/api/v1/pods")
    made.see_namespace("c")
    assert not made._news.is_set()
    assert sorted(there.told) == ["job /apis/batch/v1/jobs", "pod /api/v1/pods"]
    running.cancel()
    await asyncio.wait({running})
    assert there.open == []


async def test_a_shard_watches_its_own_only() -> None:
    there: Any = Watched()
    there.selector = "cairn.dev/execution-uid,cairn.dev/shard=a"
    running = asyncio.create_task(AttemptWatches(there, there, Settings(shard="a")).run())
    await there.until("/apis/batch/v1/jobs", "/api/v1/pods")
    running.cancel()
    await asyncio.wait({running})


async def test_else_it_is_watched_where_there_are_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(*namespaces: str) -> list[str]:
        return [f"{api}/namespaces/{n}/{kind}" for n in namespaces
                for api, kind in (("/apis/batch/v1", "jobs"), ("/api/v1", "pods"))]  # fmt: skip

    there: Any = Watched("team-a")
    made = AttemptWatches(there, there, Settings(namespaces=("team-*",)))
    running = asyncio.create_task(made.run())
    await there.until(*of("team-a"))
    there.there.add("team-b")
    made.see_namespace("team-b")
    await there.until(*of("team-a", "team-b"))
    made.see_namespace("team-b")
    assert not made._news.is_set(), "watched already"
    there.there.remove("team-a")
    monkeypatch.setattr(attempts, "_LOOK_SECONDS", 0.01)
    made._news.set()
    await there.until(*of("team-b"))
    running.cancel()
    await asyncio.wait({running})
