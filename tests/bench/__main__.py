"""Run the benchmarks: `make bench`, or `python -m bench --quick`."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cluster
from bench import api as rest
from bench import checkpoints, forks, scripts, sizing
from bench.figures import Figure, table, write
from cairn.adapters.kube.api import Api, connect
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from support.api_process import ApiProcess
from support.postgres import PostgresServer, name_of

ROOT = Path(__file__).resolve().parents[2]
EXECUTIONS = "/apis/cairn.dev/v1alpha1/namespaces/{}/dagexecutions"
Body = dict[str, Any]
_serial = itertools.count()


def chain(length: int) -> Body:
    """W2: a chain of jobs that take no time."""
    jobs = [{"id": f"j{n}"} | ({"dependsOn": [f"j{n - 1}"]} if n else {}) for n in range(length)]
    return {"jobDefaults": {"image": "fake"}, "jobs": jobs}


def fan(levels: int, width: int) -> Body:
    """Levels of jobs, each job on all of the level before."""
    jobs = [
        {"id": f"l{level}-{n}", "group": f"l{level}"} | ({"dependsOn": [f"group:l{level - 1}"]} if level else {})
        for level in range(levels)
        for n in range(width)
    ]
    return {"jobDefaults": {"image": "fake"}, "jobs": jobs}


async def new_namespace(api: Api) -> str:
    """A namespace for one measurement, ready for pods."""
    name = f"bench-{os.getpid()}-{next(_serial)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    for _ in range(200):
        accounts = await api.get(f"/api/v1/namespaces/{name}/serviceaccounts")
        if accounts["items"]:
            return name
        await asyncio.sleep(0.05)
    raise RuntimeError("no service account appeared")


async def run_execution(api: Api, spec: Body) -> tuple[float, Body]:
    """Seconds from the create to `finishedAt` being seen, and the finished object."""
    path = EXECUTIONS.format(await new_namespace(api))
    begin = time.perf_counter()
    await api.create(path, {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution",
                            "metadata": {"name": "work"}, "spec": spec})  # fmt: skip
    async for body in scripts.watch(api, path):
        if body.get("status", {}).get("finishedAt"):
            seconds = time.perf_counter() - begin
            assert body["status"]["phase"] == "Succeeded", body["status"]
            return seconds, body
    raise RuntimeError("the watch ended before the execution")


@contextmanager
def operator(kubeconfig: Path, database: str = "") -> Iterator[int]:
    """The operator as a process of its own, as users run it; its pid."""
    environment = os.environ | {
        "KUBECONFIG": str(kubeconfig), "CAIRN_HEALTH_PORT": "0", "CAIRN_LOG_LEVEL": "WARNING",
        "DATABASE_URL": database,
    }  # fmt: skip
    log = (ROOT / "build" / "logs").joinpath("bench-operator.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", "cairn", "operator"], env=environment, stderr=out)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


Contender = Callable[[Api], Awaitable[float]]


async def rounds(api: Api, contenders: dict[str, Contender], count: int) -> dict[str, float]:
    """The medians of several rounds in each of which every contender runs once."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(count):
        for name, contender in contenders.items():
            taken[name].append(await contender(api))
            print(f"  round {number + 1}: {name}: {taken[name][-1]:.2f} s", flush=True)
    return {name: statistics.median(values) for name, values in taken.items()}


async def measure_w2(api: Api, count: int) -> list[Figure]:
    """A chain of 20 jobs that take no time."""
    length = 20

    async def cairn(api: Api) -> float:
        return (await run_execution(api, chain(length)))[0]

    async def jobs(api: Api) -> float:
        return await scripts.chain_of_jobs(api, await new_namespace(api), length)

    async def pods(api: Api) -> float:
        return await scripts.chain_of_pods(api, await new_namespace(api), length)

    found = await rounds(api, {"Cairn": cairn, "bare Kubernetes Jobs": jobs, "bare pods": pods}, count)
    floor = found["bare pods"]
    note = f"bare pods: {floor:.2f} s, Cairn is {found['Cairn'] / floor:.1f} times that"
    return [Figure.beside("W2", found["Cairn"], "s", found["bare Kubernetes Jobs"], note)]


async def measure_500(api: Api) -> list[Figure]:
    """One execution of 500 jobs, 10 levels of 50: seconds, and the size of the whole object."""
    await run_execution(api, chain(2))
    seconds, body = await run_execution(api, fan(10, 50))
    size = len(json.dumps(body, separators=(",", ":")).encode()) / 1000
    baseline = await scripts.fan_of_jobs(api, await new_namespace(api), 10, 50)
    return [
        Figure.beside("jobs-500", seconds, "s", baseline, "10 levels of 50, each on all of the one before"),
        Figure.beside("object-500", size, "kB", 400.0, "the whole object; the baseline is the limit"),
    ]


async def measure(kubeconfig: Path, *, quick: bool) -> list[Figure]:
    """What an operator does with whole executions."""
    api = await connect(str(kubeconfig))
    try:
        await run_execution(api, chain(1))  # the operator is up and warm
        return [*await measure_w2(api, 1 if quick else 3), *await measure_500(api)]
    finally:
        await api.close()


async def measure_forks(kubeconfig: Path, *, quick: bool) -> list[Figure]:
    """How soon a fork begins; with the database, as in earnest."""
    api = await connect(str(kubeconfig))
    try:
        await run_execution(api, chain(1))
        return await forks.measure(api, new_namespace, quick=quick)
    finally:
        await api.close()


async def measure_checkpoints(kubeconfig: Path, server: PostgresServer, *, quick: bool) -> list[Figure]:
    """What a checkpoint costs; no operator runs meanwhile."""
    url = server.migrated()
    api, pool = await connect(str(kubeconfig)), Pool(url, OPERATOR)
    await pool.open()
    try:
        admin = server.url(name_of(url))
        return await checkpoints.measure(api, PostgresStore(pool), url, admin, await new_namespace(api), quick=quick)
    finally:
        await pool.close()
        await api.close()


async def measure_api(there: cluster.Cluster, url: str, *, quick: bool) -> list[Figure]:
    """How fast the REST API answers a caller who is administrator of a namespace."""
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


async def measure_sizes(there: cluster.Cluster, pid: int, url: str, *, quick: bool) -> list[Figure]:
    """How much memory and room in the database Cairn takes up."""
    api = await connect(str(there.kubeconfig))
    try:
        await run_execution(api, chain(1))
        memory = await sizing.measure_memory(api, pid, await new_namespace(api), quick=quick)
        return memory + await sizing.measure_growth(lambda spec: run_execution(api, spec), url)
    finally:
        await api.close()


def main() -> None:
    """Start the cluster, measure, print, keep."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", choices=["checkpoints", "executions", "forks", "api", "sizes"], help="not everything")
    given = parser.parse_args()
    figures: list[Figure] = []
    there, server = cluster.start("fake", "bench"), PostgresServer().start()
    try:
        there.kubectl.run("apply", "--server-side", "-f", str(ROOT / "crds"))
        there.kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))
        if given.only in (None, "checkpoints"):
            figures += asyncio.run(measure_checkpoints(there.kubeconfig, server, quick=given.quick))
        if given.only in (None, "executions"):
            with operator(there.kubeconfig):
                figures += asyncio.run(measure(there.kubeconfig, quick=given.quick))
        if given.only in (None, "forks"):
            with operator(there.kubeconfig, server.migrated()):
                figures += asyncio.run(measure_forks(there.kubeconfig, quick=given.quick))
        if given.only in (None, "api"):
            database = server.migrated()
            served = ApiProcess(
                there.kubeconfig, ROOT / "build/logs/bench-api.log", DATABASE_URL=database,
                CAIRN_API_RATE="100000/second", CAIRN_LOG_LEVEL="WARNING",
            )  # fmt: skip
            with operator(there.kubeconfig, database):
                served.start()
                try:
                    figures += asyncio.run(measure_api(there, served.url, quick=given.quick))
                finally:
                    served.stop()
        if given.only in (None, "sizes"):
            figures += sizing.measure_scrape(quick=given.quick)
            database = server.migrated()
            with operator(there.kubeconfig, database) as pid:
                admin = server.url(name_of(database))
                figures += asyncio.run(measure_sizes(there, pid, admin, quick=given.quick))
    finally:
        server.remove()
        cluster.stop(there)
    write(figures, ROOT / "build" / "bench.json")
    print(table(figures))


if __name__ == "__main__":
    main()
