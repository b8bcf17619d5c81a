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

from psycopg import AsyncConnection, sql

from cluster import Cluster
from reliability.tenant import Tenant
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer, name_of
from support.proxies.api import ApiProxy, Upstream
from support.proxies.postgres import PostgresProxy

SETTINGS = {"CAIRN_SWEEP_SECONDS": "1", "CAIRN_LOG_FORMAT": "text"}
_serial = itertools.count()


@dataclass
class Theatre:
    """What all stages share: the cluster, and a database server."""

    upstream: Upstream
    postgres: PostgresServer
    folder: Path  # of logs
    _pattern: str  # the address of a database that others are copies of

    @classmethod
    @asynccontextmanager
    async def open(cls, there: Cluster, folder: Path) -> AsyncIterator[Theatre]:
        """Open it for a while, with a database server of its own."""
        server = PostgresServer().start()
        upstream = Upstream(there.kubeconfig)
        try:
            yield cls(upstream, server, folder, server.migrated())
        finally:
            await upstream.close()
            server.remove()

    async def database(self, name: str) -> str:
        """A database with the tables of Cairn; its address."""
        url, pattern = self._pattern, name_of(self._pattern)
        admin = await AsyncConnection.connect(self.postgres.url(), autocommit=True)
        async with admin:
            words = (sql.Identifier(name), sql.Identifier(pattern), sql.Identifier(pattern))
            await admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*words))
        return url.replace(f"dbname={pattern}", f"dbname={name}")

    async def drop(self, name: str) -> None:
        """Remove a database."""
        admin = await AsyncConnection.connect(self.postgres.url(), autocommit=True)
        async with admin:
            await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass
class Stage:
    """One scenario's own."""

    user: Tenant
    url: str  # of the database, past the proxy
    api: ApiProxy
    database: PostgresProxy
    operator: OperatorProcess
    killed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Start the operator, and start it again if it was killed meanwhile."""
        while True:
            self.killed.clear()
            try:
                await asyncio.to_thread(self.operator.start)
                return
            except AssertionError:
                if not self.killed.is_set():
                    raise

    def kill(self) -> None:
        """End it, in the middle of whatever it does."""
        self.operator.kill()
        self.killed.set()

    async def stand_by(self) -> None:
        """Start it whenever it was killed, until cancelled."""
        while True:
            await self.killed.wait()
            await self.start()


@asynccontextmanager
async def staged(theatre: Theatre, name: str, **settings: str) -> AsyncIterator[Stage]:
    """Set a stage, with an operator that is not started yet, and clear it away again."""
    called = f"{name}-{os.getpid()}-{next(_serial)}"
    user = await Tenant(theatre.upstream, called).create()
    url = await theatre.database(called)
    folder = theatre.folder / called
    api = await ApiProxy(theatre.upstream, folder).start()
    database = await PostgresProxy(url).start()
    mine = {"DATABASE_URL": database.url, "CAIRN_HOME_NAMESPACE": called}
    operator = OperatorProcess(api.kubeconfig, folder / "operator.log", called, **SETTINGS | mine | settings)
    try:
        yield Stage(user, url, api, database, operator)
        shutil.rmtree(folder)
    finally:
        with suppress(AssertionError):  # it was never started
            operator.kill()
        await api.stop()
        await database.stop()
        await theatre.drop(called)
        await user.remove()
