"""What checkpoints cost: each figure beside the bare call to the database or the API server that it cannot avoid.

Everything runs in this process on real parts: the serializer as it is, the keeper and the outbox as the operator runs
them, an API server and a Postgres. In each round the bare call is made right after the measured one, so that both meet
the same machine.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import statistics
import string
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from bench.figures import Figure
from cairn import names
from cairn.adapters.clock import system_clock
from cairn.adapters.kube.api import Api
from cairn.adapters.kube.cluster import KubeCluster
from cairn.adapters.postgres.store import PostgresStore
from cairn.app.checkpoints.archive import Archive
from cairn.app.checkpoints.keeper import Keeper
from cairn.app.checkpoints.outbox import Outbox
from cairn.app.checkpoints.views import Lane
from cairn.app.events import EventWriter
from cairn.app.views import Views
from cairn.core.actions import TakeCheckpoint
from cairn.core.checkpoint import payload, serializer
from cairn.core.checkpoint.book import Pending
from cairn.core.checkpoint.state import Attempt, CheckpointState, Serialized, Trigger
from cairn.core.status_wire import to_wire
from cairn.ports import Query
from support.states import realistic_state

Body = dict[str, Any]
SIZES = (50, 100, 1000)
ROWS = 100_000
_serial = itertools.count()


def spread(values: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(values), statistics.quantiles(values, n=20)[-1]


def figure(name: str, taken: list[float], bare: list[float], what: str) -> Figure:
    """A figure in milliseconds beside that of the bare call."""
    median, p95 = spread([t * 1000 for t in taken])
    floor, _ = spread([t * 1000 for t in bare])
    return Figure.beside(name, median, "ms", floor, f"p95 {p95:.2f} ms; beside: {what}")


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


async def timed_async(work: Callable[[], Awaitable[object]]) -> float:
    begin = time.perf_counter()
    await work()
    return time.perf_counter() - begin


# --- Serialize, deserialize ------------------------------------------------------------------------------------------


def measure_serializer(jobs: int, rounds: int) -> list[Figure]:
    """Writing a state down and reading it back, beside Python's own JSON of the same document."""
    states = [realistic_state(jobs) for _ in range(rounds)]
    content = serializer.serialize(states[0])
    document = json.loads(content.document)
    written, dumped, read, loaded = [], [], [], []
    for state in states:
        written.append(timed(lambda s=state: serializer.serialize(s)))  # type: ignore[misc]
        dumped.append(timed(lambda: json.dumps(document, sort_keys=True)))
        read.append(timed(lambda: serializer.deserialize(content)))
        loaded.append(timed(lambda: json.loads(content.document)))
    size = f"{content.size // 1000} KB"
    return [
        figure(f"serialize-{jobs}", written, dumped, f"json.dumps of the document; {size}"),
        figure(f"deserialize-{jobs}", read, loaded, f"json.loads of the document; {size}"),
    ]


# --- Create ----------------------------------------------------------------------------------------------------------


class Workshop:
    """A keeper and an outbox on real parts, without their queues: each step is called and waited for."""

    def __init__(self, api: Api, store: PostgresStore, namespace: str) -> None:
        self.cluster = KubeCluster(api)
        self.api = api
        self.namespace = namespace
        self.views = Views()
        self.archive = Archive(self.cluster)
        self.outbox = Outbox(self.cluster, self.views.checkpoints, store, system_clock, "default")
        events = EventWriter(self.cluster, system_clock)
        self.keeper = Keeper(
            self.cluster, self.views, self.archive, self.outbox, system_clock, events, 1_000_000
        )  # fmt: skip

    async def load(self, name: str, state: CheckpointState) -> str:
        """An execution with that spec and status, and its attempts as if they had just ended."""
        path = f"/apis/{names.API_VERSION}/namespaces/{self.namespace}/{names.EXECUTIONS}"
        spec = dict(state.spec) | {"checkpoint": {"retentionCount": 10_000}}
        made = await self.api.create(path, {"apiVersion": names.API_VERSION, "kind": names.EXECUTION_KIND,
                                            "metadata": {"name": name}, "spec": spec})  # fmt: skip
        meta = made["metadata"]
        await self.cluster.write_status(
            self.namespace, name, meta["uid"], meta["resourceVersion"], to_wire(replace(state.status, conditions=()))
        )  # fmt: skip
        self.views.see_execution(await self.cluster.get_execution(self.namespace, name))
        for job, attempts in state.attempts.items():
            for attempt in attempts:
                self._note(meta["uid"], job, attempt)
        uid: str = meta["uid"]
        return uid

    def _note(self, uid: str, job: str, attempt: Attempt) -> None:
        spec = {"executionUid": uid, "job": job, "attempt": attempt.number, "state": attempt.state.value}
        status = {"logTail": attempt.log_tail} if attempt.log_tail is not None else {}
        self.archive.note({"spec": spec, "status": status}, attempt.outputs)

    async def create(self, name: str, uid: str) -> str:
        """One checkpoint, from the decision to the committed row; its id."""
        view = self.views.execution(uid)
        assert view is not None
        pending = Pending(f"c-{next(_serial)}", Trigger.LEVEL_COMPLETED, "Auto checkpoint after level 1", ("1",),
                          system_clock())  # fmt: skip
        self.keeper.request(view, TakeCheckpoint(pending))
        await self.keeper.look(Lane(self.namespace, name))
        seen = self.views.checkpoints.of_execution(self.namespace, name, uid)[pending.name]
        await self.outbox._store(self.outbox._rows, seen)  # type: ignore[arg-type]
        assert seen.is_ready
        return seen.id


async def measure_create(shop: Workshop, url: str, jobs: int, rounds: int) -> list[Figure]:
    """From the decision to object and committed row, beside one bare API write and one bare committed INSERT."""
    state = realistic_state(jobs)
    name = f"work-{jobs}"
    uid = await shop.load(name, state)
    content = serializer.serialize(state)
    ids: list[str] = []
    created, bare, got, selected = [], [], [], []

    async def create() -> None:
        ids.append(await shop.create(name, uid))

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS bare (id text PRIMARY KEY, document jsonb, texts bytea)")
        await create()  # warm
        tenant = await shop.outbox.tenant(shop.namespace)
        for _ in range(rounds):
            created.append(await timed_async(create))
            same = f"bare-{next(_serial)}"
            bare.append(await timed_async(lambda s=same: bare_write(shop, connection, s, content)))  # type: ignore[misc]
            got.append(await timed_async(lambda: shop.outbox._rows.get([tenant], ids[-1])))  # type: ignore[union-attr]
            selected.append(await timed_async(lambda s=same: bare_read(connection, s)))  # type: ignore[misc]
    what = "one create of an object of that size and one committed INSERT"
    return [
        figure(f"checkpoint-create-{jobs}", created, bare, what),
        figure(f"checkpoint-get-{jobs}", got, selected, "one SELECT of the same bytes"),
    ]


async def bare_write(
    shop: Workshop, connection: psycopg.AsyncConnection[Any], name: str, content: Serialized
) -> None:
    """One create of an object of that size, and one committed row of that size."""
    text = payload.to_text(content)
    path = f"/api/v1/namespaces/{shop.namespace}/configmaps"
    await shop.api.create(path, {"metadata": {"name": name}, "data": {"state": text}})
    texts = "".join(content.texts.values()).encode()
    await connection.execute(
        "INSERT INTO bare VALUES (%s, %s::jsonb, %s)", (name, content.document.decode(), texts)
    )  # fmt: skip


async def bare_read(connection: psycopg.AsyncConnection[Any], name: str) -> None:
    cursor = await connection.execute("SELECT * FROM bare WHERE id = %s", (name,))
    assert await cursor.fetchone()


# --- List ------------------------------------------------------------------------------------------------------------


async def measure_list(store: PostgresStore, url: str, admin: str, rounds: int) -> list[Figure]:
    """The newest 50 of an execution among 100,000 rows of 100 tenants, beside the bare SELECT of the same rows."""
    tenant, uid = "tenant-7", "execution-7-3"
    await fill(admin, ROWS)
    query = Query([tenant], execution_uid=uid, limit=50)
    columns = "id, name, trigger, created_at, metadata, job_count, digest"
    select = (
        f"SELECT {columns} FROM workflow_checkpoints WHERE namespace_uid = %s AND execution_id = %s"
        " ORDER BY id DESC LIMIT 50"
    )
    listed, bare = [], []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SET ROLE cairn_operator")
        for _ in range(rounds):
            listed.append(await timed_async(lambda: store.list(query)))
            bare.append(await timed_async(lambda: rows_of(connection, select, (tenant, uid))))
        assert len((await store.list(query)).items) == 50
    return [figure("checkpoint-list", listed, bare, f"one SELECT of the same 50 of {ROWS} rows")]


async def rows_of(connection: psycopg.AsyncConnection[Any], query: str, values: tuple[str, ...]) -> list[Any]:
    cursor = await connection.execute(query.encode(), values)
    return await cursor.fetchall()


async def fill(url: str, count: int) -> None:
    """Rows of 100 tenants with 10 executions each, as small as can be, so that the list is what is measured.

    As a superuser: COPY does not work under row level security.
    """
    content = serializer.serialize(realistic_state(3))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    letters = random.Random(5)

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        columns = (
            "id, execution_id, name, trigger, state, job_configs, metadata, created_at, namespace, namespace_uid,"
            " execution_name, object_name, object_uid, job_count, execution_status, size_bytes, digest, state_digest,"
            " result_digests"
        )
        statement = f"COPY workflow_checkpoints ({columns}) FROM STDIN".encode()
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for n in range(count):
                tenant, execution = n % 100, n // 100 % 10
                at = begin + timedelta(seconds=n)
                suffix = "".join(letters.choices(string.ascii_lowercase, k=8))
                await copy.write_row((
                    f"checkpoint_{int(at.timestamp() * 1000)}_{suffix}", f"execution-{tenant}-{execution}", "Auto",
                    "level-completed", "{}", "[]", "{}", at, f"ns-{tenant}", f"tenant-{tenant}",
                    f"execution-{execution}", f"o-{n}", f"u-{n}", 3, "running", content.size, content.digest,
                    content.state_digest, [],
                ))  # fmt: skip
        await connection.execute("ANALYZE workflow_checkpoints")


# --- All of it -------------------------------------------------------------------------------------------------------


async def measure(
    api: Api, store: PostgresStore, url: str, admin: str, namespace: str, *, quick: bool
) -> list[Figure]:
    """Every figure of checkpoints."""
    found: list[Figure] = []
    for jobs in SIZES:
        found += measure_serializer(jobs, 20 if quick or jobs > 100 else 200)
    shop = Workshop(api, store, namespace)
    for jobs in SIZES:
        found += await measure_create(shop, url, jobs, 20 if quick or jobs > 100 else 60)
        await asyncio.sleep(0)
    return [*found, *await measure_list(store, url, admin, 50 if quick else 200)]
