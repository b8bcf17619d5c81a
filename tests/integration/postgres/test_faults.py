"""A database that is away, slow, read-only, full or killed in the middle: each is told apart, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cairn import names
from cairn.adapters.postgres import pool as pools
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.sql import queries
from cairn.adapters.postgres.store import PostgresStore
from cairn.core.checkpoint.state import Grave
from cairn.errors import DamagedPayload, NotLeading, StoreUnavailable, WrongDigest
from cairn.ports import Query
from support.checkpoints import Rows
from support.postgres import NOBODY, PostgresServer, name_of
from support.states import completed, five_states, realistic_state, state_of
from support.stored import Tenant, same

pytestmark = pytest.mark.postgres

TENANT = Tenant("ns", "uid-of-ns")


@pytest.fixture
async def store(rows: Rows) -> AsyncIterator[PostgresStore]:
    pool = Pool(rows.url, OPERATOR)
    await pool.open()
    yield PostgresStore(pool)
    await pool.close()


async def refused(store: PostgresStore, reason: str, text: str | None = None) -> None:
    with pytest.raises(StoreUnavailable, match=text) as error:
        await store.put(TENANT.stored())
    assert error.value.reason == reason


# --- Away, slow, read-only, full -------------------------------------------------------------------------------------


async def test_away_and_back(store: PostgresStore, postgres: PostgresServer) -> None:
    put = TENANT.stored()
    await store.put(put)
    postgres.stop()
    try:
        with pytest.raises(StoreUnavailable):
            await store.put(TENANT.stored())
        await refused(store, names.DATABASE_UNAVAILABLE, "Connection refused")
        with pytest.raises(StoreUnavailable):
            await store.list(Query([TENANT.uid]))
    finally:
        postgres.start()
    assert same(await store.get([TENANT.uid], put.checkpoint.id), put)


async def test_a_pool_opens_and_closes_without_a_database() -> None:
    pool = Pool("postgresql://nobody@127.0.0.1:1/none", OPERATOR)
    async with asyncio.timeout(2):
        await pool.open()
    await refused(PostgresStore(pool), names.DATABASE_UNAVAILABLE)
    async with asyncio.timeout(5):
        await pool.close()


async def test_nothing_is_asked_by_who_may_not_any_more(rows: Rows) -> None:
    """A leader whose time is over; its connections stay whole."""
    allowed = True

    def may_use() -> None:
        if not allowed:
            raise NotLeading("not sent")

    pool = Pool(rows.url, OPERATOR, size=1, may_use=may_use)
    await pool.open()
    store, put = PostgresStore(pool), TENANT.stored()
    allowed = False
    for _ in range(3):
        with pytest.raises(NotLeading):
            await store.put(put)
    assert rows.all() == []
    allowed = True
    await store.put(put)
    await pool.close()


async def test_frozen(store: PostgresStore, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that keeps its connections and answers nothing is given up after a time of our own."""
    monkeypatch.setattr(pools, "CALL_SECONDS", 1.0)
    await store.put(TENANT.stored())
    postgres.freeze()
    try:
        async with asyncio.timeout(15):
            await refused(store, names.DATABASE_UNAVAILABLE)
    finally:
        postgres.thaw()
    await store.put(TENANT.stored())


async def test_a_slow_statement_is_given_up(store: PostgresStore, rows: Rows) -> None:
    put = TENANT.stored()
    await store.put(put)
    with psycopg.connect(rows.url) as connection:
        connection.execute("SET ROLE cairn_owner")
        connection.execute("LOCK TABLE workflow_checkpoints")
        with pytest.raises(StoreUnavailable):
            await store.pin([TENANT.uid], put.checkpoint.id, True)
    assert await store.pin([TENANT.uid], put.checkpoint.id, True)


async def test_read_only(store: PostgresStore, rows: Rows, postgres: PostgresServer) -> None:
    postgres.set_read_only(rows.url, True)
    await refused(store, names.DATABASE_READ_ONLY)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 8 MB for a table space."""
    folder = Path(tempfile.mkdtemp(prefix="cairn-small-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    os.chown(folder, NOBODY, NOBODY)
    folder.chmod(0o700)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


async def test_full(store: PostgresStore, rows: Rows, postgres: PostgresServer, small_disk: Path) -> None:
    """The rows lie on a file system of their own, which runs full; what is there stays readable."""
    name = f"small_{os.getpid()}"
    put = TENANT.stored()
    await store.put(put)
    with psycopg.connect(postgres.url(name_of(rows.url)), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE {name} LOCATION '{small_disk}'".encode())
        for table in ("workflow_checkpoints", "workflow_results"):
            connection.execute(f"ALTER TABLE {table} SET TABLESPACE {name}".encode())
        with pytest.raises(StoreUnavailable) as error:
            for _ in range(100):
                await store.put(TENANT.stored(unlike(os.urandom(60_000).hex())))
        assert error.value.reason == names.DATABASE_FULL
        assert same(await store.get([TENANT.uid], put.checkpoint.id), put)
        for table in ("workflow_checkpoints", "workflow_results"):
            connection.execute(f"ALTER TABLE {table} SET TABLESPACE pg_default".encode())
        connection.execute(f"DROP TABLESPACE {name}".encode())


def unlike(text: str) -> Any:
    """A state with a log tail that nothing else has, and nothing can compress."""
    record, (attempt,) = completed("a")
    return state_of((record, (replace(attempt, log_tail=text),)))


# --- Killed in the middle --------------------------------------------------------------------------------------------


async def test_killed_between_statement_and_commit(rows: Rows, postgres: PostgresServer) -> None:
    """Nobody knows whether it was committed. Putting it again is right either way."""
    pool = Pool(rows.url, OPERATOR)
    await pool.open()
    store, put = PostgresStore(pool), TENANT.stored(five_states())
    with pytest.raises(StoreUnavailable):
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")
            await store.put(put)  # committed on a connection of its own; its answer is lost with the server
            postgres.kill()
    postgres.start()
    await store.put(put)
    assert same(await store.get([TENANT.uid], put.checkpoint.id), put)
    assert len(rows.all()) == 1
    await pool.close()


async def test_restarted_again_and_again_while_rows_are_put(store: PostgresStore, rows: Rows,
                                                           postgres: PostgresServer) -> None:  # fmt: skip
    put = [TENANT.stored(five_states(), number=n) for n in range(30)]

    async def persist() -> None:
        for each in put:
            while True:
                try:
                    await store.put(each)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.05)

    async with asyncio.timeout(90):
        work = asyncio.create_task(persist())
        for _ in range(3):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
        await work
    assert [r["id"] for r in rows.all()] == [s.checkpoint.id for s in put]


# --- Several at once -------------------------------------------------------------------------------------------------


async def test_one_of_many_that_put_the_same_wins(store: PostgresStore, rows: Rows) -> None:
    put = TENANT.stored(five_states())
    await asyncio.gather(*(store.put(put) for _ in range(12)))
    assert len(rows.all()) == 1


async def test_a_late_put_does_not_bring_back_what_was_deleted(store: PostgresStore, rows: Rows) -> None:
    for n in range(10):
        put = TENANT.stored(number=n)
        found = put.checkpoint
        grave = Grave(found.id, found.namespace_uid, found.execution_uid, found.digest)
        await asyncio.gather(store.put(put), store.bury(grave), store.put(put))
        assert await store.get([TENANT.uid], found.id) is None
    assert len(rows.graves()) == 10
    assert len(await store.graves([TENANT.uid], found.execution_uid)) == 10


async def test_texts_are_stored_once_and_go_with_the_last_that_names_them(store: PostgresStore, rows: Rows) -> None:
    state = realistic_state(20)
    first, second = TENANT.stored(state), TENANT.stored(state, number=1)
    for each in (first, second):
        await store.put(each)
    assert count(rows.url) == len(first.content.texts)
    await store.delete([TENANT.uid], first.checkpoint.id)
    assert await store.collect_results(TENANT.uid) == 0
    assert same(await store.get([TENANT.uid], second.checkpoint.id), second)
    await store.delete([TENANT.uid], second.checkpoint.id)
    assert await store.collect_results(TENANT.uid) == len(first.content.texts)
    assert count(rows.url) == 0


async def test_graves_outlast_the_chain_they_are_for_by_a_month(
    store: PostgresStore, rows: Rows, postgres: PostgresServer
) -> None:
    old, new = TENANT.stored(number=1), TENANT.stored(number=2)
    for each in (old, new):
        await store.put(each)
    await store.delete([TENANT.uid], old.checkpoint.id)
    with psycopg.connect(postgres.url(name_of(rows.url)), autocommit=True) as connection:
        connection.execute("UPDATE workflow_checkpoint_graves SET buried_at = now() - interval '31 days'")
    await store.collect_results(TENANT.uid)
    assert rows.graves() == [old.checkpoint.id], "the chain is still there"
    await store.delete([TENANT.uid], new.checkpoint.id)
    await store.collect_results(TENANT.uid)
    assert rows.graves() == [new.checkpoint.id]


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE cairn_operator")
        found = connection.execute("SELECT count(*) FROM workflow_results").fetchone()
        assert found is not None
        return int(found[0])


async def test_a_collector_never_takes_what_a_put_relies_on(store: PostgresStore) -> None:
    """Puts of states that share all their texts, deletes and collectors, all at once."""
    state = realistic_state(10)
    for n in range(8):
        old, new = TENANT.stored(state, number=2 * n), TENANT.stored(state, number=2 * n + 1)
        await store.put(old)
        await asyncio.gather(
            store.delete([TENANT.uid], old.checkpoint.id), store.collect_results(TENANT.uid), store.put(new),
            store.collect_results(TENANT.uid),
        )  # fmt: skip
        await store.collect_results(TENANT.uid)
        assert same(await store.get([TENANT.uid], new.checkpoint.id), new)
        await store.delete([TENANT.uid], new.checkpoint.id)


# --- What was changed behind its back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE workflow_checkpoints SET state = jsonb_set(state, '{jobs,0,attempt}', '7')", WrongDigest),
        ("UPDATE workflow_checkpoints SET digest = repeat('0', 64)", WrongDigest),
        ("UPDATE workflow_checkpoints SET exact = 'abc'", DamagedPayload),
        ("UPDATE workflow_results SET body = 'null '", WrongDigest),
        ("UPDATE workflow_results SET body = '\\xff'", WrongDigest),
        ("DELETE FROM workflow_results", DamagedPayload),
    ],
)
async def test_a_changed_row_is_not_read(store: PostgresStore, rows: Rows, postgres: PostgresServer, statement: str,
                                         error: type[Exception]) -> None:  # fmt: skip
    put = TENANT.stored(five_states())
    await store.put(put)
    with psycopg.connect(postgres.url(name_of(rows.url))) as connection:
        connection.execute(statement.encode())
    with pytest.raises(error):
        await store.get([TENANT.uid], put.checkpoint.id)
    if "exact" in statement:
        return
    found = await store.read([TENANT.uid], put.checkpoint.id)
    assert found is not None and found != put, "as it is"


async def test_a_changed_exact_row_can_be_read_as_it_is(store: PostgresStore, rows: Rows,
                                                        postgres: PostgresServer) -> None:  # fmt: skip
    """Where jsonb cannot hold the document, and so the columns not the whole label."""
    put = TENANT.stored(state_of(spec={"params": {"zero": -0.0, "text": "before"}}), name="a \0 name")
    await store.put(put)
    with psycopg.connect(postgres.url(name_of(rows.url))) as connection:
        other = zlib.compress(put.content.document.replace(b"before", b"behind"))
        connection.execute("UPDATE workflow_checkpoints SET exact = %s", (other,))
    with pytest.raises(WrongDigest):
        await store.get([TENANT.uid], put.checkpoint.id)
    found = await store.read([TENANT.uid], put.checkpoint.id)
    assert found is not None and b"behind" in found.content.document
    assert found.checkpoint == replace(put.checkpoint, name="a \ufffd name"), "as far as the columns tell"


# --- Plans -----------------------------------------------------------------------------------------------------------


async def test_lists_are_read_along_the_index_of_the_tenant(rows: Rows) -> None:
    asked = {
        "tenants": ["a"], "execution_uid": None, "execution": None, "trigger": None, "since": None, "until": None,
        "after": None, "limit": 51, "offset": 0,
    }  # fmt: skip
    with psycopg.connect(rows.url) as connection:
        connection.execute("SET ROLE cairn_operator")
        connection.execute("SET enable_seqscan = off")
        explained = connection.execute("EXPLAIN " + queries()["list"], asked)
        plan = "\n".join(str(line) for (line,) in explained.fetchall())
    assert "Index Scan using idx_workflow_checkpoints_tenant_id" in plan, plan
