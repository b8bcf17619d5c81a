"""The rows of one operator on the simulated database: the store that ships for tests, behind a network that fails."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from cairn.adapters.memory import MemoryStore
from cairn.core.checkpoint.state import Grave, Stored
from cairn.ports import Page, Query, Stats
from simulation.judge import Judge
from simulation.loop import at_once
from simulation.network import Caller, Network


class SimRows:
    """`ports.Rows`, as one process reaches it."""

    def __init__(
        self, store: MemoryStore, network: Network, judge: Judge, caller: Caller, may_use: Callable[[], None]
    ) -> None:
        self._store = store
        self._may_use = may_use  # raises where another replica leads
        self._network = network
        self._judge = judge
        self._caller = caller

    async def put(self, stored: Stored) -> None:
        def put() -> None:
            at_once(self._store.put(stored))
            found = stored.checkpoint
            if (row := at_once(self._store.read([found.namespace_uid], found.id))) is not None:
                self._judge.check_row(row)

        await self._call("put row", put)

    async def get(self, tenants: Collection[str], id: str) -> Stored | None:
        found: Stored | None = await self._call("query rows", lambda: at_once(self._store.get(tenants, id)))
        return found

    async def read(self, tenants: Collection[str], id: str) -> Stored | None:
        found: Stored | None = await self._call("query rows", lambda: at_once(self._store.read(tenants, id)))
        return found

    async def list(self, query: Query) -> Page:
        page: Page = await self._call("query rows", lambda: at_once(self._store.list(query)))
        return page

    async def delete(self, tenants: Collection[str], id: str) -> bool:
        return bool(await self._call("bury row", lambda: at_once(self._store.delete(tenants, id))))

    async def pin(self, tenants: Collection[str], id: str, pinned: bool) -> bool:
        return bool(await self._call("pin row", lambda: at_once(self._store.pin(tenants, id, pinned))))

    async def stats(self, tenants: Collection[str], execution_uid: str | None = None) -> Stats:
        stats: Stats = await self._call("query rows", lambda: at_once(self._store.stats(tenants, execution_uid)))
        return stats

    async def bury(self, grave: Grave) -> None:
        def bury() -> None:
            self._judge.check_burial(grave)
            at_once(self._store.bury(grave))

        await self._call("bury row", bury)

    async def graves(
        self, tenants: Collection[str], execution_uid: str | None, ids: Collection[str] = ()
    ) -> tuple[Grave, ...]:
        found: tuple[Grave, ...] = await self._call(
            "query rows", lambda: at_once(self._store.graves(tenants, execution_uid, ids))
        )
        return found

    async def collect_results(self, namespace_uid: str) -> int:
        return int(await self._call("query rows", lambda: at_once(self._store.collect_results(namespace_uid))))

    async def _call(self, action: str, work: Callable[[], Any]) -> Any:
        self._may_use()
        return await self._network.call(self._caller, action, work)
