"""The parts that measure one thing each, beside the bare calls that it cannot avoid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import cluster
from bench import api as rest
from bench import checkpoints, forks, sizing
from bench.executions import new_namespace, run_execution
from bench.figures import Figure
from bench.stage import LOGS, fake_cluster, operator, postgres
from bench.workloads import chain
from cairn.adapters.kube.api import connect
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from support.api_process import ApiProcess
from support.postgres import PostgresServer, name_of

Measure = Callable[[cluster.Cluster, PostgresServer, bool], list[Figure]]


def run(part: str, *, quick: bool) -> list[Figure]:
    """One of them, on a cluster of its own."""
    with fake_cluster(f"bench-{part}") as there, postgres() as server:
        return PARTS[part](there, server, quick)


def _checkpoints(there: cluster.Cluster, server: PostgresServer, quick: bool) -> list[Figure]:
    """What a checkpoint costs; no operator runs meanwhile."""
    url = server.migrated()
    return asyncio.run(_measure_checkpoints(there, server, url, quick))


async def _measure_checkpoints(
    there: cluster.Cluster, server: PostgresServer, url: str, quick: bool
) -> list[Figure]:  # fmt: skip
    api, pool = await connect(str(there.kubeconfig)), Pool(url, OPERATOR)
    await pool.open()
    try:
        admin = server.url(name_of(url))
        return await checkpoints.measure(api, PostgresStore(pool), url, admin, await new_namespace(api), quick=quick)
    finally:
        await pool.close()
        await api.close()


def _forks(there: cluster.Cluster, server: PostgresServer, quick: bool) -> list[Figure]:
    """How soon a fork begins; with the database, as in earnest."""

    async def measure() -> list[Figure]:
        api = await connect(str(there.kubeconfig))
        try:
            await run_execution(api, chain(1))
            return await forks.measure(api, new_namespace, quick=quick)
        finally:
            await api.close()

    with operator(there, server.migrated()):
        return asyncio.run(measure())


def _api(there: cluster.Cluster, server: PostgresServer, quick: bool) -> list[Figure]:
    """How fast the REST API answers."""
    database = server.migrated()
    served = ApiProcess(
        there.kubeconfig, LOGS / "bench-api.log", DATABASE_URL=database, CAIRN_API_RATE="100000/second",
        CAIRN_LOG_LEVEL="WARNING",
    )  # fmt: skip
    with operator(there, database):
        served.start()
        try:
            return asyncio.run(_measure_api(there, served.url, quick))
        finally:
            served.stop()


async def _measure_api(there: cluster.Cluster, url: str, quick: bool) -> list[Figure]:
    """As a caller who is administrator of a namespace."""
    api = await connect(str(there.kubeconfig))
    try:
        await run_execution(api, chain(1))
        namespace = await new_namespace(api)
        there.kubectl.run("-n", namespace, "create", "rolebinding", "bench", "--clusterrole=cluster-admin",
                          f"--serviceaccount={namespace}:default")  # fmt: skip
        token = there.kubectl.run("-n", namespace, "create", "token", "default", "--duration=1h").strip()
        return await rest.measure(api, namespace, url, token, quick=quick)
    finally:
        await api.close()


def _sizes(there: cluster.Cluster, server: PostgresServer, quick: bool) -> list[Figure]:
    """How much memory and room in the database Cairn takes up."""
    figures, database = sizing.measure_scrape(quick=quick), server.migrated()

    async def measure(pid: int) -> list[Figure]:
        api = await connect(str(there.kubeconfig))
        try:
            await run_execution(api, chain(1))
            memory = await sizing.measure_memory(api, pid, await new_namespace(api), quick=quick)
            admin = server.url(name_of(database))
            return memory + await sizing.measure_growth(lambda spec: run_execution(api, spec), admin)
        finally:
            await api.close()

    with operator(there, database) as running:
        return figures + asyncio.run(measure(running.pid))


PARTS: dict[str, Measure] = {"checkpoints": _checkpoints, "forks": _forks, "api": _api, "sizes": _sizes}
