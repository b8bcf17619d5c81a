"""How the operator's process ends: not ready, then what is under way, then the work, then the watches."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from cairn.adapters.clock import system_clock
from cairn.app.census import Census
from cairn.app.views import Views
from cairn.config import Settings
from cairn.handlers import main
from support.operator_process import free_port


class Recorded:
    """An operator that notes what becomes of it, and whose drain lasts until it is let."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.draining, self.may_end = asyncio.Event(), asyncio.Event()
        self.census = Census(Views(), system_clock, lambda: None)

    async def run(self) -> None:
        self.told.append("works")
        try:
            await asyncio.Event().wait()
        finally:
            self.told.append("work ends")

    async def beat(self) -> None:
        await asyncio.Event().wait()

    async def drain(self, seconds: float) -> None:
        self.told.append(f"drains for {seconds} s")
        self.draining.set()
        await self.may_end.wait()
        self.told.append("is drained")

    def describe(self) -> dict[str, Any]:
        return {"leader": True}


@pytest.mark.parametrize("election", [False, True])
async def test_a_signal_lets_what_is_under_way_end_first(monkeypatch: pytest.MonkeyPatch, election: bool) -> None:
    stop, operator = asyncio.Event(), Recorded()

    async def watch(settings: Any, made: Any, ready: asyncio.Event, halt: asyncio.Event) -> None:
        operator.told.append("watches")
        ready.set()
        await halt.wait()
        operator.told.append("watches end")

    async def told(ready: asyncio.Event) -> None:
        await stop.wait()

    monkeypatch.setattr(main, "watch", watch)
    monkeypatch.setattr(main, "_told_to_stop", told)
    settings = Settings(health_port=free_port(), shutdown_seconds=7, leader_election=election)
    running = asyncio.create_task(main._serve(settings, operator))  # type: ignore[arg-type]
    url = f"http://127.0.0.1:{settings.health_port}/readyz"
    async with aiohttp.ClientSession() as asking, asyncio.timeout(10):
        while await status(asking, url) != 200 or "works" not in operator.told:
            await asyncio.sleep(0.01)
        assert operator.told == (["watches", "works"] if election else ["works", "watches"])
        stop.set()
        await operator.draining.wait()
        assert await status(asking, url) == 503
        operator.may_end.set()
        await running
    assert operator.told[2:] == ["drains for 7.0 s", "is drained", "work ends", "watches end"]


async def status(asking: aiohttp.ClientSession, url: str) -> int:
    try:
        async with asking.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0
