"""A part of Kopf that fails ends the operator at once: Kopf itself may go on for ever, with the rest of its parts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import kopf
import pytest

from cairn.config import Settings
from cairn.handlers import main, watching
from unit.handlers.test_shutdown import Recorded


async def fails() -> None:
    await asyncio.sleep(0.01)
    raise ValueError("no JSON")


async def stays(let_go: asyncio.Event) -> None:
    """A part that loses its cancel."""
    while not let_go.is_set():
        with suppress(asyncio.CancelledError):
            await let_go.wait()


class Silent:
    """An API server that nobody asks, and watches that bring nothing."""

    def __init__(self, *_: Any) -> None: ...

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None: ...


@pytest.mark.parametrize("election", [False, True])
async def test_who_hears_only_in_part_works_no_more(monkeypatch: pytest.MonkeyPatch, election: bool) -> None:
    let_go, operator = asyncio.Event(), Recorded()
    parts: list[asyncio.Task[None]] = []

    async def spawned(*, ready_flag: asyncio.Event, **_: Any) -> list[asyncio.Task[None]]:
        ready_flag.set()
        parts.extend(asyncio.create_task(part) for part in (stays(let_go), fails()))
        return parts

    async def there(api: Any, halt: asyncio.Event) -> bool:
        return True

    async def connect(**_: Any) -> Any:
        return Silent()

    monkeypatch.setattr(kopf, "spawn_tasks", spawned)
    monkeypatch.setattr(watching, "_kinds_are_there", there)
    monkeypatch.setattr(watching, "connect", connect)
    monkeypatch.setattr(watching, "AttemptWatches", Silent)
    monkeypatch.setattr(watching, "registry_for", lambda *_: None)
    try:
        async with asyncio.timeout(5):
            with pytest.raises(ValueError, match="no JSON"):
                await main._serve(Settings(health_port=0, leader_election=election), operator)  # type: ignore[arg-type]
        assert operator.told == ["works", "work ends"]
        assert not parts[0].done()
    finally:
        let_go.set()


def test_what_then_still_runs_is_killed() -> None:
    settings = kopf.OperatorSettings()
    watching.configure(settings, Settings())
    assert settings.process.ultimate_exiting_timeout == watching.ENDS_WITHIN
