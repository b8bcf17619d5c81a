"""The password of the database is changed under a running store: a file that is read anew is all it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cairn import names
from cairn.adapters.postgres import pool as pools
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.config import from_environment
from cairn.errors import NotConfigured, StoreUnavailable
from support.postgres import PostgresServer, name_of
from support.stored import Tenant, same

pytestmark = pytest.mark.postgres

TENANT = Tenant("ns", "uid-of-ns")


@pytest.fixture
def strict() -> Iterator[PostgresServer]:
    """A server that asks everybody but its administrator for a password."""
    server = PostgresServer().start()
    rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    (server.home / "data" / "pg_hba.conf").write_text(rules)
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("SELECT pg_reload_conf()")
    yield server
    server.remove()


def change_password(server: PostgresServer, url: str, password: str) -> str:
    """The address with the new one."""
    user = str(conninfo_to_dict(url)["user"])
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password)))
    return make_conninfo(url, password=password)


def end_connections(server: PostgresServer, url: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name_of(url),))


async def test_a_new_password_is_taken_up_without_a_restart(strict: PostgresServer, tmp_path: Path) -> None:
    file, url = tmp_path / "operator-url", strict.migrated()
    file.write_text(f"{url}\n")
    address = from_environment({"DATABASE_URL_FILE": str(file)}).address()
    assert address is not None
    pool = Pool(address, OPERATOR)
    await pool.open()
    store, first, second = PostgresStore(pool), TENANT.stored(), TENANT.stored(number=1)
    await store.put(first)
    changed = change_password(strict, url, "another one")
    await store.put(first)  # a connection that is there goes on
    end_connections(strict, url)
    with pytest.raises(StoreUnavailable, match="password authentication failed") as error:
        await store.put(second)
    assert error.value.reason == names.DATABASE_UNAVAILABLE
    file.unlink()
    with pytest.raises(StoreUnavailable, match=r"DATABASE_URL_FILE: .*operator-url cannot be read: No such file"):
        await store.put(second)
    file.write_text(changed)
    async with asyncio.timeout(30):
        await taken_up(store)
    await store.put(second)
    assert same(await store.get([TENANT.uid], second.checkpoint.id), second)
    await pool.close()


async def taken_up(store: PostgresStore) -> None:
    """Wait until the pool, which tries a few times with growing delays, has made a new connection."""
    while True:
        try:
            await store.put(TENANT.stored())
            return
        except StoreUnavailable:
            await asyncio.sleep(0.1)


async def test_a_connection_ends_though_it_is_used_all_the_time(
    strict: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a new address holds for all connections before long, without anybody ending them."""
    monkeypatch.setattr(pools, "LIFETIME_SECONDS", 0.1)
    pool = Pool(strict.migrated(), OPERATOR)
    await pool.open()

    async def backend() -> int:
        async with pool.connection() as connection:
            found = await (await connection.execute("SELECT pg_backend_pid() AS pid")).fetchone()
            assert found is not None
            return int(found["pid"])

    first = await backend()
    async with asyncio.timeout(10):
        while await backend() == first:
            await asyncio.sleep(0.02)
    await pool.close()


def test_what_the_file_holds_is_checked_at_the_start_and_never_quoted(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("user:secret at nowhere")
    address = from_environment({"DATABASE_URL_FILE": str(file)}).address()
    assert address is not None
    with pytest.raises(NotConfigured, match="DATABASE_URL_FILE") as error:
        Pool(address, OPERATOR)
    assert "secret" not in str(error.value)
