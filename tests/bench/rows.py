"""What a full database changes: the operator's calls among ever more rows of checkpoints, on a Postgres of its own.

The rows that fill the table are made by the database itself and are as small as can be: those of many executions, a
hundred of which have run at the same time. What is put and read is a real checkpoint of a few jobs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from bench.quantiles import Spread
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.core.checkpoint import serializer
from cairn.core.checkpoint.state import Checkpoint, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.ports import Query
from support.postgres import PostgresServer, name_of
from support.states import a_state

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
TIMES = 100
OF_AN_EXECUTION = 10
AT_ONCE = 100
TENANTS = 50
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)

# Row n, of n from 0 on, one a second.
_FILL = f"""
    INSERT INTO workflow_checkpoints (
        id, execution_id, name, trigger, state, job_configs, metadata, created_at, namespace, namespace_uid,
        execution_name, object_name, object_uid, job_count, execution_status, size_bytes, digest, state_digest
    )
    SELECT 'checkpoint_' || (1735689600 + n)::bigint * 1000 || '_' || left(md5(n::text), 8), 'execution-' || execution,
        'Level 1', 'level-completed', '{{"jobConfigs": []}}', '[]', '{{}}', to_timestamp(1735689600 + n),
        'ns-' || execution %% {TENANTS}, 'tenant-' || execution %% {TENANTS}, 'run-' || execution, 'o-' || n, 'u-' || n,
        3, 'running', 3500, md5(n::text) || md5(n::text), md5(n::text) || md5(n::text)
    FROM generate_series(%(begin)s::integer, %(end)s::integer - 1) AS n,
        LATERAL (SELECT n / {OF_AN_EXECUTION * AT_ONCE} * {AT_ONCE} + n %% {AT_ONCE} AS execution) AS of
"""
_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'workflow_checkpoints' AND indexname LIKE 'idx%' ORDER BY indexname
"""
_SIZES = """
    SELECT pg_table_size('workflow_checkpoints') AS rows, pg_indexes_size('workflow_checkpoints') AS indexes
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """Calls of the operator in milliseconds, among so many rows."""

    rows: int
    put: Spread
    get: Spread
    """One by its id, checked against its digests."""
    list: Spread
    """Those of one execution."""
    table_megabytes: float
    index_megabytes: float
    fill_seconds: float


async def measure(server: PostgresServer, counts: Sequence[int] = COUNTS, times: int = TIMES) -> list[Filled]:
    """One point for each count, in one table that grows."""
    url = server.migrated()
    admin, pool = server.url(name_of(url)), Pool(url, OPERATOR)
    await pool.open()
    try:
        found: list[Filled] = []
        for count in counts:
            took = await _fill(admin, found[-1].rows if found else 0, count)
            found.append(await _point(PostgresStore(pool), admin, count, times, took))
            point = found[-1]
            print(f"  {count} rows: put {point.put.median} ms, get {point.get.median} ms, list {point.list.median} ms, "
                  f"filled in {took:.1f} s", flush=True)  # fmt: skip
        return found
    finally:
        await pool.close()


async def _fill(admin: str, begin: int, end: int) -> float:
    """As a superuser, whom no policy judges row by row; indexes are made anew, which is faster than to keep them up."""
    began = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(admin) as connection:
        indexes = await (await connection.execute(_INDEXES)).fetchall()
        for name, _ in indexes:
            await connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        await connection.execute(_FILL.encode(), {"begin": begin, "end": end})
        await connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        for _, definition in indexes:
            await connection.execute(definition.encode())
        await connection.execute("ANALYZE workflow_checkpoints")
    return time.perf_counter() - began


async def _point(store: PostgresStore, admin: str, count: int, times: int, took: float) -> Filled:
    chance = random.Random(count)
    executions = [chance.randrange(count // OF_AN_EXECUTION) for _ in range(times)]
    rows = [checkpoint(count, number, execution) for number, execution in enumerate(executions)]
    await store.list(Query([tenant_of(0)], execution_uid="nobody"))  # connections, plans
    put = await _timed([lambda row=row: store.put(row) for row in rows])  # type: ignore[misc]
    chance.shuffle(rows)
    get = await _timed([lambda row=row: _got(store, row) for row in rows])  # type: ignore[misc]
    listed = await _timed([lambda e=execution: _listed(store, e) for execution in executions])  # type: ignore[misc]
    async with await psycopg.AsyncConnection.connect(admin) as connection:
        sizes = await (await connection.execute(_SIZES)).fetchone()
    assert sizes is not None
    return Filled(count, put, get, listed, round(sizes[0] / 1e6, 1), round(sizes[1] / 1e6, 1), round(took, 2))


async def _timed(calls: Sequence[Callable[[], Awaitable[object]]]) -> Spread:
    taken = []
    for call in calls:
        begin = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - begin) * 1000)
    spread = Spread.of(taken)
    assert spread is not None
    return spread


async def _got(store: PostgresStore, row: Stored) -> None:
    found = await store.get([row.checkpoint.namespace_uid], row.checkpoint.id)
    assert found is not None and found.content.digest == row.content.digest


async def _listed(store: PostgresStore, execution: int) -> None:
    found = await store.list(Query([tenant_of(execution)], execution_uid=f"execution-{execution}"))
    assert len(found.items) >= OF_AN_EXECUTION


def tenant_of(execution: int) -> str:
    """Whose execution it is."""
    return f"tenant-{execution % TENANTS}"


def checkpoint(count: int, number: int, execution: int) -> Stored:
    """One more checkpoint of an execution that is there, later than all that fill the table."""
    content = serializer.serialize(a_state(3))
    at = _BEGIN + timedelta(seconds=max(COUNTS), milliseconds=count + number)
    return Stored(Checkpoint(
        id=f"checkpoint_{int(at.timestamp() * 1000)}_{count}x{number}", namespace=f"ns-{execution % TENANTS}",
        namespace_uid=tenant_of(execution), execution=f"run-{execution}", execution_uid=f"execution-{execution}",
        object_name=f"o-{count}-{number}", object_uid=f"u-{count}-{number}", name="Level 2",
        trigger=Trigger.LEVEL_COMPLETED, created_at=at, created_by=None, metadata={}, job_count=3,
        execution_status="running", size_bytes=content.size, digest=content.digest,
        state_digest=content.state_digest,
    ), content)  # fmt: skip
