"""Migrations: once each, by one at a time, all or nothing; and what they build is what `schema.sql` says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from cairn.adapters.postgres import migrate, sql
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.errors import NotMigrated, StoreUnavailable
from support.checkpoints import Rows
from support.postgres import PostgresServer
from support.stored import Tenant

pytestmark = pytest.mark.postgres

ALL = tuple(sql.migrations())

CATALOG = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_schema = 'public' ORDER BY 1, 2""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    "policies": """
        SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2""",
    "security": """
        SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1""",
    "rights": """
        SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND grantee LIKE 'cairn_%' ORDER BY 1, 2, 3""",
    "columns' rights": """
        SELECT table_name, column_name, grantee, privilege_type FROM information_schema.column_privileges
        WHERE table_schema = 'public' AND grantee LIKE 'cairn_%' ORDER BY 1, 2, 3, 4""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1""",
}


def catalog(url: str) -> dict[str, list[Any]]:
    with psycopg.connect(url) as connection:
        return {name: connection.execute(query.encode()).fetchall() for name, query in CATALOG.items()}


async def test_migrations_build_what_the_schema_says(postgres: PostgresServer) -> None:
    migrated, written = postgres.migrated(), postgres.new_database()
    with psycopg.connect(written) as connection:
        connection.execute(sql.text("roles.sql"))
        connection.execute("SET ROLE cairn_owner")
        connection.execute(migrate._TABLE)
        connection.execute(sql.text("schema.sql"))
    found, expected = catalog(migrated), catalog(written)
    assert found == expected
    assert {row[0] for row in found["security"]} == {
        "schema_migrations", "workflow_checkpoint_graves", "workflow_checkpoints", "workflow_results",
    }  # fmt: skip


async def test_the_table_is_as_it_was_asked_for(rows: Rows) -> None:
    found = catalog(rows.url)
    columns = {row[1]: (row[2], row[3]) for row in found["columns"] if row[0] == "workflow_checkpoints"}
    wanted = {
        "id": ("text", "NO"), "execution_id": ("text", "NO"), "name": ("text", "NO"), "trigger": ("text", "NO"),
        "state": ("jsonb", "NO"), "job_configs": ("jsonb", "NO"), "metadata": ("jsonb", "YES"),
        "created_by": ("text", "YES"), "created_at": ("timestamp with time zone", "NO"),
    }  # fmt: skip
    assert wanted.items() <= columns.items()
    indexes = {row[1]: row[2].partition("USING btree ")[2] for row in found["indexes"]}
    assert indexes["idx_workflow_checkpoints_execution_id"] == "(execution_id)"
    assert indexes["idx_workflow_checkpoints_created_at"] == "(created_at DESC)"
    assert indexes["idx_workflow_checkpoints_trigger"] == "(trigger)"
    assert indexes["idx_workflow_checkpoints_execution_created"] == "(execution_id, created_at DESC)"
    insert = "INSERT INTO workflow_checkpoints (id, trigger) VALUES ('x', 'weekly')"
    with psycopg.connect(rows.url) as connection, pytest.raises(psycopg.IntegrityError):
        connection.execute("SET ROLE cairn_operator")
        connection.execute(insert)


async def test_ten_at_once_apply_each_once(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    applied = await asyncio.gather(*(migrate.migrate(url) for _ in range(10)))
    assert sorted(applied) == [()] * 9 + [ALL]
    assert await migrate.migrate(url) == ()
    assert await migrate.missing(url) == ()


async def test_one_that_fails_changes_nothing(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.new_database()
    broken = {**sql.migrations(), "0002_broken": "CREATE TABLE half (); SELECT 1 / 0"}
    monkeypatch.setattr(sql, "migrations", lambda: broken)
    with pytest.raises(StoreUnavailable, match="DivisionByZero"):
        await migrate.migrate(url)
    assert await migrate.missing(url) == ("0002_broken",)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


async def test_a_later_one_changes_rows_although_security_binds_the_owner(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_one(rows.url)
    more = {**sql.migrations(), "0002_more": "UPDATE workflow_checkpoints SET created_by = 'migrated'"}
    monkeypatch.setattr(sql, "migrations", lambda: more)
    assert await migrate.migrate(rows.url) == ("0002_more",)
    assert [r["created_by"] for r in rows.all()] == ["migrated"]


async def put_one(url: str) -> None:
    pool = Pool(url, OPERATOR)
    await pool.open()
    try:
        await PostgresStore(pool).put(Tenant("ns", "uid").stored())
    finally:
        await pool.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param("INSERT INTO schema_migrations (name, checksum) VALUES ('9999_later', 'x')", "9999_later",
                     id="a newer database"),
        pytest.param("UPDATE schema_migrations SET checksum = 'x'", "another content", id="a file that has changed"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(rows: Rows, change: str, says: str) -> None:
    with psycopg.connect(rows.url) as connection:
        connection.execute("SET ROLE cairn_owner")
        connection.execute(change.encode())
    with pytest.raises(NotMigrated, match=says):
        await migrate.migrate(rows.url)


async def test_a_store_refuses_a_database_without_tables(postgres: PostgresServer) -> None:
    postgres.migrated()  # so that the roles are there
    with pytest.raises(NotMigrated, match="cairn migrate"):
        await put_one(postgres.new_database())


# --- The command -----------------------------------------------------------------------------------------------------


def command(url: str, *arguments: str) -> tuple[int, str]:
    environment = os.environ | {"DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", "cairn", "migrate", *arguments], env=environment, text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).strip()


def test_the_command_migrates_and_checks(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    listed = "\n".join(f"{{}} {name}" for name in ALL)
    assert command(url, "--check") == (1, listed.format(*["missing"] * len(ALL)))
    assert command(url) == (0, listed.format(*["applied"] * len(ALL)))
    assert command(url, "--check") == command(url) == (0, "up to date")


def test_the_command_says_in_a_line_what_is_wrong(postgres: PostgresServer) -> None:
    assert command("") == (2, command("")[1]) and "DATABASE_URL is not set" in command("")[1]
    for url, says in (("postgresql://somebody:secret@127.0.0.1:1/none", "refused"), ("secret", "not the address")):
        code, said = command(url)
        assert code == 2 and says in said and "secret" not in said and len(said.splitlines()) == 1


def test_an_operator_with_no_address_does_not_start() -> None:
    done = subprocess.run([sys.executable, "-m", "cairn", "operator"], env=os.environ | {"DATABASE_URL": "secret"},
                          text=True, capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert "DATABASE_URL is not the address" in done.stderr and "secret" not in done.stderr


def test_who_may_not_make_roles_is_told(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url(), autocommit=True, row_factory=dict_row) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("CREATE DATABASE plain OWNER postgres TEMPLATE template0")
    try:
        code, said = command(postgres.url("plain", "plain"))
        assert code == 2 and len(said.splitlines()) == 1 and "Traceback" not in said
    finally:
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute("DROP DATABASE plain")
            connection.execute("DROP ROLE plain")
