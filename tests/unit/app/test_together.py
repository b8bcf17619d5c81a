"""What runs side by side ends together, also where a cancel is lost on the way."""

from __future__ import annotations

import asyncio

import pytest

from cairn.app import together as module
from cairn.app.together import together


async def for_ever(told: list[str], lost: int = 0) -> None:
    """Goes on for ever; the first cancels are swallowed, as by a library."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not lost:
                told.append("ended")
                raise
            lost -= 1


async def test_a_cancel_that_is_swallowed_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.01)
    told: list[str] = []
    running = asyncio.create_task(together(for_ever(told), together(for_ever(told, lost=1), for_ever(told, lost=3))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({running})
    assert (running.cancelled(), told) == (True, ["ended"] * 3)


async def test_what_is_raised_ends_the_others_and_is_raised() -> None:
    told: list[str] = []

    async def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await together(for_ever(told), fails())
    assert told == ["ended"]


async def test_it_ends_when_all_of_it_has() -> None:
    async with asyncio.timeout(5):
        await together(asyncio.sleep(0), asyncio.sleep(0))
