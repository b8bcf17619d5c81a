"""The work queue: one worker a key, delays, back-off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from cairn.app import queue
from cairn.app.queue import WorkQueue
from cairn.errors import NotLeading, Refused, Unavailable


@contextlib.asynccontextmanager
async def running(work: WorkQueue[str]) -> AsyncIterator[None]:
    task = asyncio.create_task(work.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


async def test_what_is_added_twice_is_looked_at_once() -> None:
    seen: list[str] = []

    async def work(key: str) -> None:
        seen.append(key)

    keys: WorkQueue[str] = WorkQueue("test", work)
    for key in ("a", "b", "a"):
        keys.add(key)
    assert keys.depth() == 2
    async with running(keys):
        await until(lambda: len(seen) == 2)
        await asyncio.sleep(0.01)
    assert seen == ["a", "b"]
    assert keys.depth() == 0


async def test_a_key_is_worked_on_by_one_worker_and_once_more_for_what_came_meanwhile() -> None:
    at_once = most = looks = 0
    go = asyncio.Event()

    async def work(key: str) -> None:
        nonlocal at_once, most, looks
        at_once, looks = at_once + 1, looks + 1
        most = max(most, at_once)
        await go.wait()
        at_once -= 1

    keys: WorkQueue[str] = WorkQueue("test", work, workers=4)
    async with running(keys):
        keys.add("a")
        await until(lambda: looks == 1)
        for _ in range(5):
            keys.add("a")
        go.set()
        await until(lambda: looks == 2)
        await asyncio.sleep(0.01)
    assert (most, looks) == (1, 2)


async def test_other_keys_do_not_wait() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        if key == "slow":
            await asyncio.sleep(60)
        done.append(key)

    keys: WorkQueue[str] = WorkQueue("test", work, workers=2)
    async with running(keys):
        keys.add("slow")
        keys.add("quick")
        await until(lambda: done == ["quick"])


async def test_work_says_when_to_look_again() -> None:
    looks: list[float] = []

    async def work(key: str) -> float | None:
        looks.append(asyncio.get_running_loop().time())
        return 0.02 if len(looks) == 1 else None

    keys: WorkQueue[str] = WorkQueue("test", work)
    async with running(keys):
        keys.add("a")
        await until(lambda: len(looks) == 2)
        await asyncio.sleep(0.03)
    assert len(looks) == 2
    assert looks[1] - looks[0] >= 0.015


async def test_the_earlier_of_two_delays_wins() -> None:
    looks: list[str] = []

    async def work(key: str) -> None:
        looks.append(key)

    keys: WorkQueue[str] = WorkQueue("test", work)
    async with running(keys):
        keys.add_after("a", 60)
        keys.add_after("a", 0.01)
        keys.add_after("a", 30)
        await until(lambda: looks == ["a"])


async def test_an_event_comes_before_a_delay_and_takes_its_place() -> None:
    looks: list[str] = []

    async def work(key: str) -> None:
        looks.append(key)

    keys: WorkQueue[str] = WorkQueue("test", work)
    async with running(keys):
        keys.add_after("a", 0.02)
        keys.add("a")
        await until(lambda: looks == ["a"])
        await asyncio.sleep(0.04)
    assert looks == ["a"]


@pytest.mark.parametrize(
    ("error", "traced"),
    [(Unavailable("no answer", status=503), False), (ValueError("a bug"), True)],
    ids=["the world's: one line", "a bug: with its traceback"],
)
async def test_an_error_backs_off_and_stops_nobody_else(
    error: Exception, traced: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue, "BACKOFF_FIRST", 0.001)
    looks: list[str] = []

    async def work(key: str) -> None:
        looks.append(key)
        if key == "bad" and looks.count("bad") < 4:
            raise error

    keys: WorkQueue[str] = WorkQueue("test", work, workers=1)
    with caplog.at_level(logging.WARNING):
        async with running(keys):
            keys.add("bad")
            keys.add("good")
            await until(lambda: looks.count("bad") == 4)
    assert looks[:2] == ["bad", "good"]
    assert len(caplog.records) == 3
    assert all(bool(record.exc_info) is traced for record in caplog.records)


async def test_the_wait_after_errors_grows_up_to_a_bound_and_is_forgotten_after_a_success() -> None:
    good = False

    async def work(key: str) -> None:
        if not good:
            raise Unavailable("no", status=503)

    keys: WorkQueue[str] = WorkQueue("test", work)
    waits = [await keys._attempt("a") for _ in range(40)]
    assert all(wait is not None and wait <= queue.BACKOFF_MOST for wait in waits)
    assert waits[0] is not None and waits[0] <= 2 * queue.BACKOFF_FIRST
    assert waits[-1] is not None and waits[-1] >= queue.BACKOFF_MOST / 2
    good = True
    assert await keys._attempt("a") is None
    good = False
    again = await keys._attempt("a")
    assert again is not None and again <= 2 * queue.BACKOFF_FIRST


async def test_who_says_when_to_come_again_is_believed() -> None:
    async def work(key: str) -> None:
        raise Refused("too many requests", status=429, retry_after=3 if key == "soon" else 3600)

    keys: WorkQueue[str] = WorkQueue("test", work)
    waits = [await keys._attempt("soon") for _ in range(20)]
    assert all(wait is not None and 3 <= wait <= 4.5 for wait in waits)
    never = await keys._attempt("never")
    assert never is not None and never <= 1.5 * queue.BACKOFF_MOST


async def test_drained_it_ends_what_is_being_worked_on_and_begins_nothing_more() -> None:
    seen: list[str] = []
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def work(key: str) -> float:
        begun.set()
        await may_end.wait()
        seen.append(key)
        return 0.0

    keys: WorkQueue[str] = WorkQueue("test", work, workers=1)
    async with running(keys):
        keys.add("a")
        await begun.wait()
        keys.add("b")
        keys.add_after("c", 0)
        draining = asyncio.create_task(keys.drain())
        await asyncio.sleep(0.01)
        assert not draining.done()
        keys.add("d")
        may_end.set()
        await asyncio.wait_for(draining, 5)
        await asyncio.sleep(0.01)
    assert (seen, keys.depth()) == (["a"], 0)


async def test_an_idle_queue_is_drained_at_once() -> None:
    keys: WorkQueue[str] = WorkQueue("test", lambda key: asyncio.sleep(0))  # type: ignore[arg-type,return-value]
    async with running(keys):
        await asyncio.sleep(0)
        await asyncio.wait_for(keys.drain(), 5)


async def test_who_does_not_lead_any_more_is_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[str] = []

    async def work(key: str) -> None:
        tried.append(key)
        raise NotLeading("not sent")

    keys: WorkQueue[str] = WorkQueue("test", work)
    async with running(keys):
        keys.add("a")
        await until(lambda: tried)
        await asyncio.sleep(0.01)
    assert (tried, caplog.records) == (["a"], []), "nor tried again"
