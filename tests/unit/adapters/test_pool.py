"""A pool of connections at the end of its process, and of its right to use them."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.errors import NotLeading


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


class Handing:
    """One that hands out a connection with which nothing may be done, and takes it back."""

    def __init__(self) -> None:
        self.out = 0

    async def getconn(self) -> object:
        self.out += 1
        return object()

    async def putconn(self, connection: object) -> None:
        self.out -= 1


async def test_who_lost_the_lease_while_waiting_for_a_connection_does_not_use_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = Handing()
    pool = pool_over(inner, monkeypatch)

    def may_use() -> None:
        if inner.out:
            raise NotLeading("not sent")

    monkeypatch.setattr(pool, "_may_use", may_use)
    with pytest.raises(NotLeading):
        async with pool.connection():
            pytest.fail("it was used")
    assert inner.out == 0


async def test_who_may_not_use_it_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_over(Handing(), monkeypatch)

    def may_use() -> None:
        raise NotLeading("not sent")

    monkeypatch.setattr(pool, "_may_use", may_use)
    before = REGISTRY.get_sample_value("cairn_database_calls_total")
    with pytest.raises(NotLeading):
        async with pool.connection():
            pytest.fail("it was used")
    assert REGISTRY.get_sample_value("cairn_database_calls_total") == before
