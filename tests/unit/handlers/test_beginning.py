"""The operator begins to watch only once the API server lists all that it watches: Kopf looks once, and never again."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import kopf
import pytest

from cairn import names
from cairn.adapters.clock import system_clock
from cairn.adapters.kube.cluster import KubeCluster
from cairn.app.operator import Operator
from cairn.config import Settings
from cairn.errors import Gone, Unavailable
from cairn.handlers import main, watching
from cairn.handlers.attempts import AttemptWatches
from support.operator_process import free_port

KINDS = [names.EXECUTIONS, names.CHECKPOINTS, names.RESULTS]


class Young:
    """An API server that has just started: each look at its groups, or at Cairn's, shows a little more."""

    def __init__(self, groups: list[Any], kinds: list[Any]) -> None:
        self.groups, self.kinds = groups, kinds
        self.closed = False

    async def get(self, path: str) -> dict[str, Any]:
        found = (self.groups if path == "/apis" else self.kinds).pop(0)
        if isinstance(found, Exception):
            raise found
        key = "groups" if path == "/apis" else "resources"
        return {key: [{"name": name} for name in found]}

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []

    async def spawned(**_: Any) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(asyncio.sleep(0))]

    async def run(*_: Any, **__: Any) -> None:
        told.append("kopf")

    monkeypatch.setattr(kopf, "spawn_tasks", spawned)
    monkeypatch.setattr(kopf, "run_tasks", run)
    monkeypatch.setattr(watching, "registry_for", lambda *_: None)
    monkeypatch.setattr(AttemptWatches, "run", lambda self: asyncio.Event().wait())
    monkeypatch.setattr(watching._Patience, "__iter__", lambda self: iter([0.0] * 20))
    return told


async def watched(monkeypatch: pytest.MonkeyPatch, server: Young, halt: asyncio.Event) -> None:
    async def connect(**_: Any) -> Any:
        return server

    monkeypatch.setattr(watching, "connect", connect)
    operator: Operator = None  # type: ignore[assignment]
    await watching.watch(Settings(), operator, asyncio.Event(), halt)
    assert server.closed


async def test_it_waits_for_the_group_and_for_each_kind(monkeypatch: pytest.MonkeyPatch, began: list[str]) -> None:
    away, ours = Unavailable("no answer"), ["apps", names.GROUP]
    looks = [Gone("no such group", status=404), KINDS[:1], away, KINDS[:2]]
    server = Young([away, ["apps"], ours, ours, ours, ours, ours], [*looks, KINDS])
    await watched(monkeypatch, server, asyncio.Event())
    assert (began, server.groups, server.kinds) == (["kopf"], [], [])


async def test_it_can_be_told_to_stop_meanwhile(monkeypatch: pytest.MonkeyPatch, began: list[str]) -> None:
    monkeypatch.setattr(watching._Patience, "__iter__", lambda self: iter([9.0]))
    halt = asyncio.Event()
    halt.set()
    await watched(monkeypatch, Young([["apps"]] * 9, []), halt)
    assert began == []


async def test_it_is_alive_meanwhile_whether_or_not_there_is_an_election(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a kubelet would start it again and again, later each time, while it waits for an API server."""
    never = asyncio.Event()
    monkeypatch.setattr(main, "watch", lambda *_: never.wait())
    settings = Settings(health_port=free_port(), leader_election=True)
    api: Any = None
    operator = Operator(KubeCluster(api), system_clock, settings)
    serving = asyncio.create_task(main._serve(settings, operator))
    async with aiohttp.ClientSession() as asking, asyncio.timeout(10):
        while await status(asking, settings, "livez") != 200:
            await asyncio.sleep(0.01)
        assert await status(asking, settings, "readyz") == 503
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_what_is_there_once_it_has_begun_is_left_out_of_searches_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(main.gc, "freeze", lambda: told.append("frozen"))
    monkeypatch.setattr(main.gc, "set_threshold", lambda *numbers: told.append(numbers))
    api: Any = None
    operator = Operator(KubeCluster(api), system_clock, Settings())
    keeping = asyncio.create_task(main._keep_what_is_there(operator))
    await asyncio.sleep(0.01)
    assert told == [main._COLLECTED_AFTER]
    operator.begin()
    await keeping
    assert told == [main._COLLECTED_AFTER, "frozen"]


async def status(asking: aiohttp.ClientSession, settings: Settings, page: str) -> int:
    try:
        async with asking.get(f"http://127.0.0.1:{settings.health_port}/{page}") as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0
