"""Row level security: what a reader sees of other tenants is nothing, in every way of asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from cairn.adapters.postgres.pool import OPERATOR, READER, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.core.checkpoint.state import Grave, Stored
from cairn.errors import IdTaken, StoreError
from cairn.ports import Query
from support.checkpoints import Rows
from support.states import five_states
from support.stored import Tenant, same

pytestmark = pytest.mark.postgres

MINE, THEIRS = Tenant("mine", "uid-mine"), Tenant("theirs", "uid-theirs")
TABLES = ("workflow_checkpoints", "workflow_results", "workflow_checkpoint_graves")


@pytest.fixture
async def written(rows: Rows) -> AsyncIterator[tuple[Stored, Stored]]:
    """One checkpoint of each of two tenants, and one grave of each."""
    pool = Pool(rows.url, OPERATOR)
    await pool.open()
    store = PostgresStore(pool)
    mine, theirs = MINE.stored(five_states()), THEIRS.stored(five_states())
    for each in (mine, theirs):
        await store.put(each)
        found = each.checkpoint
        await store.bury(Grave(f"{found.id}-gone", found.namespace_uid, found.execution_uid, found.digest))
    yield mine, theirs
    await pool.close()


@pytest.fixture
async def reader(rows: Rows) -> AsyncIterator[PostgresStore]:
    """The store as the API reads it."""
    pool = Pool(rows.url, READER)
    await pool.open()
    yield PostgresStore(pool)
    await pool.close()


def as_reader(url: str, tenants: str | None) -> psycopg.Connection[tuple[object, ...]]:
    """A reader's own connection; whatever it asks, the policies judge."""
    connection = psycopg.connect(url)
    connection.execute("SET ROLE cairn_reader")
    if tenants is not None:
        connection.execute("SELECT set_config('cairn.tenants', %s, true)", (tenants,))
    return connection


async def test_a_reader_reads_its_tenants(reader: PostgresStore, written: tuple[Stored, Stored]) -> None:
    mine, theirs = written
    assert same(await reader.get([MINE.uid], mine.checkpoint.id), mine)
    assert await reader.get([MINE.uid], theirs.checkpoint.id) is None
    assert [c.id for c in (await reader.list(Query([MINE.uid]))).items] == [mine.checkpoint.id]
    assert len((await reader.list(Query([MINE.uid, THEIRS.uid]))).items) == 2
    assert (await reader.stats([MINE.uid])).total_checkpoints == 1


@pytest.mark.parametrize("tenants", [None, "", "[]", "no json", '"uid-theirs"', '{"a": 1}', '["uid-other"]', "[null]"])
async def test_an_unset_or_odd_tenant_sees_nothing(rows: Rows, written: object, tenants: str | None) -> None:
    with as_reader(rows.url, tenants) as connection:
        for table in TABLES:
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


async def test_other_tenants_cannot_be_read_counted_or_guessed(rows: Rows, written: tuple[Stored, Stored]) -> None:
    theirs = written[1].checkpoint
    with as_reader(rows.url, f'["{MINE.uid}"]') as connection:
        for table in TABLES:
            query = f"SELECT DISTINCT namespace_uid FROM {table}".encode()
            assert connection.execute(query).fetchall() == [(MINE.uid,)]
        by_id = connection.execute("SELECT FROM workflow_checkpoints WHERE id = %s", (theirs.id,))
        assert by_id.fetchall() == []
        assert connection.execute("SELECT max(size_bytes) FROM workflow_checkpoints WHERE namespace_uid <> %s",
                                  (MINE.uid,)).fetchone() == (None,)  # fmt: skip
        leaky = "SELECT id FROM workflow_checkpoints WHERE 1 / (CASE namespace_uid WHEN %s THEN 0 ELSE 1 END) = 1"
        assert len(connection.execute(leaky.encode(), (THEIRS.uid,)).fetchall()) == 1, "no row of theirs was divided by"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO workflow_checkpoints (id) VALUES ('x')",
        "UPDATE workflow_checkpoints SET pinned = true",
        "DELETE FROM workflow_checkpoints",
        "DELETE FROM workflow_results",
        "TRUNCATE workflow_checkpoints",
        "DROP TABLE workflow_checkpoints",
        "ALTER TABLE workflow_checkpoints DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY open ON workflow_checkpoints USING (true)",
    ],
)
async def test_a_reader_changes_nothing(rows: Rows, written: object, statement: str) -> None:
    with as_reader(rows.url, f'["{THEIRS.uid}"]') as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


async def test_a_reader_cannot_put(reader: PostgresStore, written: object) -> None:
    with pytest.raises(StoreError):
        await reader.put(MINE.stored())


async def test_an_operator_does_not_overwrite_another_tenants_id(rows: Rows, written: tuple[Stored, Stored]) -> None:
    mine, theirs = written
    pool = Pool(rows.url, OPERATOR)
    await pool.open()
    stolen = replace(mine, checkpoint=replace(mine.checkpoint, id=theirs.checkpoint.id))
    with pytest.raises(IdTaken):
        await PostgresStore(pool).put(stolen)
    assert same(await PostgresStore(pool).get([THEIRS.uid], theirs.checkpoint.id), theirs)
    await pool.close()


async def test_an_operator_may_change_the_pin_and_nothing_else(rows: Rows, written: object) -> None:
    with psycopg.connect(rows.url) as connection:
        connection.execute("SET ROLE cairn_operator")
        connection.execute("UPDATE workflow_checkpoints SET pinned = true")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE workflow_checkpoints SET digest = 'x'")


async def test_no_role_gets_around_it_and_each_has_one_policy_a_table(rows: Rows) -> None:
    with psycopg.connect(rows.url) as connection:
        roles = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname LIKE 'cairn_%'"
        ).fetchall()
        assert sorted(roles) == [(f"cairn_{name}", False, False, False) for name in ("operator", "owner", "reader")]
        policies = connection.execute("SELECT tablename, unnest(roles), permissive FROM pg_policies").fetchall()
        assert len(policies) == len({(table, role) for table, role, _ in policies}) == 9
        forced = connection.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity ORDER BY 1"
        ).fetchall()
        assert [name for (name,) in forced] == sorted(TABLES)
