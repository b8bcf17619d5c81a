"""The stores that keep the one contract: memory, Postgres rows, Checkpoint objects."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cairn.adapters.clock import system_clock
from cairn.adapters.kube.api import connect
from cairn.adapters.kube.checkpoints import ObjectStore
from cairn.adapters.memory import MemoryStore
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.ports import CheckpointStore
from cluster import Cluster
from support.stored import Tenant

_serial = itertools.count()
NewTenant = Callable[[], Awaitable[Tenant]]


@pytest.fixture(params=[
    "memory",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("objects", marks=pytest.mark.cluster),
])  # fmt: skip
async def world(request: pytest.FixtureRequest) -> AsyncIterator[tuple[CheckpointStore, NewTenant]]:
    """A store, and how a test gets tenants in it."""

    async def plain() -> Tenant:
        number = f"{os.getpid()}-{next(_serial)}"
        return Tenant(f"ns-{number}", f"uid-{number}")

    if request.param == "memory":
        yield MemoryStore(), plain
    elif request.param == "postgres":
        pool = Pool(request.getfixturevalue("rows").url, OPERATOR)
        await pool.open()
        yield PostgresStore(pool), plain
        await pool.close()
    else:
        there: Cluster = request.getfixturevalue("fake_cluster")
        api = await connect(str(there.kubeconfig))

        async def namespace() -> Tenant:
            name = f"conform-{os.getpid()}-{next(_serial)}"
            made = await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
            return Tenant(name, made["metadata"]["uid"])

        yield ObjectStore(api, system_clock), namespace
        await api.close()


@pytest.fixture
def store(world: tuple[CheckpointStore, NewTenant]) -> CheckpointStore:
    """The store under test."""
    return world[0]


@pytest.fixture
async def tenant(world: tuple[CheckpointStore, NewTenant]) -> Tenant:
    """A tenant of this test alone."""
    return await world[1]()


@pytest.fixture
async def other(world: tuple[CheckpointStore, NewTenant]) -> Tenant:
    """Another one."""
    return await world[1]()
