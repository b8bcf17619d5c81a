"""Answers that go on: when they begin, when they end, and what they leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from cairn.api import streaming
from cairn.api.streaming import streamed
from cairn.errors import NotFound


class Source:
    """Yields what is put into it; None ends it, an error is raised."""

    def __init__(self) -> None:
        self.put: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.closed = False

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            while (chunk := await self.put.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.closed = True


async def test_all_is_passed_on_to_the_end() -> None:
    source = Source()
    for chunk in (b"a", b"b", None):
        source.put.put_nowait(chunk)
    assert [chunk async for chunk in await streamed(source(), asyncio.Event())] == [b"a", b"b"]


async def test_what_goes_wrong_at_first_is_raised_before_the_answer_begins() -> None:
    source = Source()
    source.put.put_nowait(NotFound("none"))
    with pytest.raises(NotFound):
        await streamed(source(), asyncio.Event())


async def test_it_begins_although_nothing_is_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_FIRST_SECONDS", 0)
    source = Source()
    chunks = await streamed(source(), asyncio.Event())
    source.put.put_nowait(b"late")
    assert await anext(chunks) == b"late"


async def test_silence_is_filled_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_FIRST_SECONDS", 0)
    chunks = await streamed(Source()(), asyncio.Event(), idle=b"still here", seconds=0)
    assert [await anext(chunks), await anext(chunks)] == [b"still here"] * 2


async def test_it_ends_when_the_process_is_to_stop_and_closes_its_source() -> None:
    source, closing = Source(), asyncio.Event()
    source.put.put_nowait(b"a")
    chunks = await streamed(source(), closing)
    assert await anext(chunks) == b"a"
    closing.set()
    assert [chunk async for chunk in chunks] == []
    await _until_closed(source)


async def test_who_goes_away_closes_the_source() -> None:
    source = Source()
    source.put.put_nowait(b"a")
    chunks = await streamed(source(), asyncio.Event())

    async def read() -> None:
        async for _ in chunks:
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await _until_closed(source)


async def test_who_goes_away_before_it_begins_closes_it_too() -> None:
    source = Source()
    asking = asyncio.create_task(streamed(source(), asyncio.Event()))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await _until_closed(source)


async def _until_closed(source: Source) -> None:
    async with asyncio.timeout(5):
        while not source.closed:
            await asyncio.sleep(0)
