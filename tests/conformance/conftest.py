"""The stores that keep the one contract: memory, Postgres rows, Checkpoint objects."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import psycopg
import pytest

from cairn import names
from cairn.adapters.clock import system_clock
from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.checkpoints import ObjectStore
from cairn.adapters.memory import MemoryStore
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.core.checkpoint.state import Stored
from cairn.ports import CheckpointStore
from cluster import Cluster
from support.checkpoints import Rows
from support.stored import Damage, Tenant

_serial = itertools.count()
NewTenant = Callable[[], Awaitable[Tenant]]


@dataclass(frozen=True)
class World:
    """A store, how a test gets tenants in it, and how it changes a text behind the store's back."""

    store: CheckpointStore
    new_tenant: NewTenant
    damage: Damage


def in_memory(store: MemoryStore) -> Damage:
    async def damage(put: Stored, before: str, after: str) -> None:
        texts = {digest: text.replace(before, after) for digest, text in put.content.texts.items()}
        store._rows[put.checkpoint.id] = replace(put, content=replace(put.content, texts=texts))

    return damage


def in_a_database(rows: Rows) -> Damage:
    async def damage(put: Stored, before: str, after: str) -> None:
        with psycopg.connect(rows.url) as connection:
            connection.execute("SET ROLE cairn_owner")
            changed = connection.execute(
                "UPDATE workflow_results SET body = convert_to(replace(convert_from(body, 'UTF8'), %s, %s), 'UTF8')"
                " WHERE namespace_uid = %s",
                (before, after, put.checkpoint.namespace_uid),
            )
            assert changed.rowcount == len(put.content.texts)

    return damage


def in_objects(api: Api) -> Damage:
    async def damage(put: Stored, before: str, after: str) -> None:
        found = put.checkpoint
        path = f"/apis/{names.API_VERSION}/namespaces/{found.namespace}/{names.CHECKPOINTS}/{found.object_name}"
        body = await api.get(path)
        state = body["status"]["state"]
        assert state.startswith("json:") and before in state
        patch = {"metadata": {"uid": body["metadata"]["uid"]}, "status": {"state": state.replace(before, after)}}
        await api.patch(f"{path}/status", patch)

    return damage


@pytest.fixture(params=[
    "memory",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("objects", marks=pytest.mark.cluster),
])  # fmt: skip
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Each store there is."""

    async def plain() -> Tenant:
        number = f"{os.getpid()}-{next(_serial)}"
        return Tenant(f"ns-{number}", f"uid-{number}")

    if request.param == "memory":
        memory = MemoryStore()
        yield World(memory, plain, in_memory(memory))
    elif request.param == "postgres":
        rows: Rows = request.getfixturevalue("rows")
        pool = Pool(rows.url, OPERATOR)
        await pool.open()
        yield World(PostgresStore(pool), plain, in_a_database(rows))
        await pool.close()
    else:
        there: Cluster = request.getfixturevalue("fake_cluster")
        api = await connect(str(there.kubeconfig))

        async def namespace() -> Tenant:
            name = f"conform-{os.getpid()}-{next(_serial)}"
            made = await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
            return Tenant(name, made["metadata"]["uid"])

        yield World(ObjectStore(api, system_clock), namespace, in_objects(api))
        await api.close()


@pytest.fixture
def store(world: World) -> CheckpointStore:
    """The store under test."""
    return world.store


@pytest.fixture
def damage(world: World) -> Damage:
    """Change a text of what a store holds, without its knowledge."""
    return world.damage


@pytest.fixture
async def tenant(world: World) -> Tenant:
    """A tenant of this test alone."""
    return await world.new_tenant()


@pytest.fixture
async def other(world: World) -> Tenant:
    """Another one."""
    return await world.new_tenant()
