"""Where the benchmarks play: a cluster with fake nodes of its own, a Postgres, and the operator as users run it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

import cluster
from bench import counters, executions
from bench.loop_probe import OWN_LAG
from cairn.adapters.kube.api import Api, connect
from cluster.procfs import PROC
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "logs"
OPERATOR = "operator"
POSTGRES = "Postgres"
FAKE_KUBELET = "fake kubelet"
SCRIPT = "benchmark itself"


@contextmanager
def fake_cluster(name: str) -> Iterator[cluster.Cluster]:
    """A new cluster with fake nodes, with Cairn's kinds, and nothing else in it; removed in the end."""
    there = cluster.start("fake", name)
    try:
        there.kubectl.run("apply", "--server-side", "-f", str(ROOT / "crds"))
        there.kubectl.run("wait", "--for=condition=Established", "--timeout=60s", "-f", str(ROOT / "crds"))
        asyncio.run(_watchable(there))
        yield there
    finally:
        cluster.stop(there)


async def _watchable(there: cluster.Cluster) -> None:
    api = await connect(str(there.kubeconfig))
    try:
        await executions.watchable(api)
    finally:
        await api.close()


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server, removed in the end."""
    server = PostgresServer().start()
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def operator(there: cluster.Cluster, database: str = "", *, log: str = "bench-operator") -> Iterator[OperatorProcess]:
    """A ready operator, stopped in the end."""
    process = OperatorProcess(
        there.kubeconfig, LOGS / f"{log}.log", "", CAIRN_LOG_LEVEL="WARNING", DATABASE_URL=database
    )
    process.log.unlink(missing_ok=True)
    process.start()
    try:
        yield process
    finally:
        process.stop()


@dataclass(frozen=True)
class Stage:
    """All of it, with an operator that has a database."""

    cluster: cluster.Cluster
    api: Api
    server: PostgresServer
    operator: OperatorProcess
    session: aiohttp.ClientSession

    @property
    def pids(self) -> dict[str, int]:
        """Every process that has a part in the work."""
        parts = {FAKE_KUBELET if name == "kwok" else name: pid for name, pid in self.cluster.pids.items()}
        return {OPERATOR: self.operator.pid} | parts | {POSTGRES: postmaster(self.server), SCRIPT: _own_pid()}

    async def server_metrics(self) -> str:
        """What the API server tells of itself."""
        return b"".join([chunk async for chunk in self.api.stream("/metrics")]).decode()

    async def operator_metrics(self) -> str:
        """What the operator tells of itself."""
        async with self.session.get(f"http://127.0.0.1:{self.operator.port}/metrics") as answer:
            return await answer.text()

    async def own_lag(self) -> counters.Counts:
        """How late the operator has seen its loop to be, so far."""
        return counters.buckets(await self.operator_metrics(), OWN_LAG)

    async def requests(self) -> tuple[counters.Counts, counters.Counts]:
        """Those that the API server has answered, and those that the operator has sent."""
        answered = counters.server_requests(await self.server_metrics())
        return answered, counters.operator_requests(await self.operator_metrics())


def postmaster(server: PostgresServer) -> int:
    """The pid of the process above all others of a Postgres."""
    return int((server.home / "data" / "postmaster.pid").read_text().split()[0])


def _own_pid() -> int:
    return int((PROC / "self").readlink().name)


@asynccontextmanager
async def opened(there: cluster.Cluster, server: PostgresServer, running: OperatorProcess) -> AsyncIterator[Stage]:
    """The stage, with the connections of this process."""
    api = await connect(str(there.kubeconfig))
    try:
        async with aiohttp.ClientSession() as session:
            yield Stage(there, api, server, running, session)
    finally:
        await api.close()


@contextmanager
def played(name: str) -> Iterator[tuple[cluster.Cluster, PostgresServer, OperatorProcess]]:
    """Everything anew, for one measurement."""
    with fake_cluster(name) as there, postgres() as server, operator(there, server.migrated()) as running:
        yield there, server, running
