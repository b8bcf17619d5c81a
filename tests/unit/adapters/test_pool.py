"""A pool of connections at the end of its process."""

from __future__ import annotations

import asyncio

import pytest

from cairn.adapters.postgres.pool import OPERATOR, Pool


class Cancelled:
    """The library's pool, one of whose own tasks somebody else has cancelled."""

    async def close(self, timeout: float) -> None:
        raise asyncio.CancelledError


class Slow:
    """One that takes its time."""

    async def close(self, timeout: float) -> None:
        await asyncio.Event().wait()


def pool_over(inner: object, monkeypatch: pytest.MonkeyPatch) -> Pool:
    pool = Pool("postgresql://nobody@127.0.0.1:1/none", OPERATOR)
    monkeypatch.setattr(pool, "_pool", inner)
    return pool


async def test_a_task_of_the_pool_that_was_cancelled_does_not_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    await pool_over(Cancelled(), monkeypatch).close()


async def test_who_is_cancelled_while_it_closes_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    closing = asyncio.create_task(pool_over(Slow(), monkeypatch).close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
