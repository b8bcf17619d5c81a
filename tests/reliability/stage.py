"""Where a scenario plays: a namespace, a database, proxies before both servers, and an operator that can be killed."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import AsyncConnection

from cluster import Cluster
from reliability.tenant import Tenant
from support.nursery import Nursery
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer
from support.proxies.api import ApiProxy, Upstream
from support.proxies.postgres import PostgresProxy

SETTINGS = {"CAIRN_SWEEP_SECONDS": "1", "CAIRN_LOG_FORMAT": "text"}
ENDS_AT_MOST = 20  # one that ends more often by itself does not work at all
_serial = itertools.count()


@dataclass
class Theatre:
    """What all stages share: the cluster, a database server with databases to lend, and who starts operators."""

    upstream: Upstream
    postgres: PostgresServer
    nursery: Nursery
    folder: Path  # of logs
    _free: list[str] = field(default_factory=list)  # addresses of databases that nobody uses now
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    @asynccontextmanager
    async def open(cls, there: Cluster, folder: Path) -> AsyncIterator[Theatre]:
        """Open it for a while, with a database server of its own."""
        server, nursery, upstream = PostgresServer().start(), Nursery(), Upstream(there.kubeconfig)
        try:
            yield cls(upstream, server, nursery, folder)
        finally:
            nursery.close()
            await upstream.close()
            server.remove()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """An empty database with the tables of Cairn; its address."""
        async with self._making:  # the first one makes the roles of all
            url = self._free.pop() if self._free else await asyncio.to_thread(self.postgres.migrated)
        try:
            yield url
        finally:
            await self._empty(url)
            self._free.append(url)

    async def _empty(self, url: str) -> None:
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("SET ROLE cairn_owner")
            await connection.execute(
                "TRUNCATE workflow_checkpoints, workflow_results, workflow_checkpoint_graves CASCADE"
            )  # fmt: skip


@dataclass
class Stage:
    """One scenario's own."""

    user: Tenant
    url: str  # of the database, past the proxy
    api: ApiProxy
    database: PostgresProxy
    operator: OperatorProcess
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: int = 0  # times that it ended by itself

    async def start(self) -> None:
        """Start the operator, and start it again if it was killed, or has ended by itself, before it was ready."""
        while True:
            self.killed.clear()
            try:
                await asyncio.to_thread(self.operator.start)
                return
            except AssertionError:
                self.ended += not self.killed.is_set()
                if self.operator.running or self.ended > ENDS_AT_MOST:
                    raise

    def forget(self) -> None:
        """Nothing is to be learnt from the log."""
        shutil.rmtree(self.api.kubeconfig.parent)

    def kill(self) -> None:
        """End it, in the middle of whatever it does."""
        self.operator.kill()
        self.killed.set()

    async def stand_by(self) -> None:
        """Start it whenever it was killed or has ended by itself, as a kubelet would, until cancelled."""
        while True:
            while self.operator.running and not self.killed.is_set():
                await asyncio.sleep(0.05)
            self.ended += not self.killed.is_set()
            await self.start()


@asynccontextmanager
async def staged(theatre: Theatre, name: str, **settings: str) -> AsyncIterator[Stage]:
    """Set a stage, with an operator that is not started yet, and clear it away again."""
    called = f"{name}-{os.getpid()}-{next(_serial)}"
    folder = theatre.folder / called
    async with theatre.database() as url:
        user = await Tenant(theatre.upstream, called).create()
        api = await ApiProxy(theatre.upstream, folder).start()
        database = await PostgresProxy(url).start()
        mine = {"DATABASE_URL": database.url, "CAIRN_HOME_NAMESPACE": called}
        given = SETTINGS | mine | settings
        operator = OperatorProcess(api.kubeconfig, folder / "operator.log", called, theatre.nursery, **given)
        try:
            yield Stage(user, url, api, database, operator)
        finally:
            with suppress(AssertionError):  # it was never started
                operator.kill()
            await api.stop()
            await database.stop()
            await user.remove()
