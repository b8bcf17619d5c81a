"""Numbered migrations, each applied once and in its own transaction, by one at a time.

Rules:
- Forward only. What was applied is written down with a checksum: a file that has changed since, or a database that
  knows migrations this version does not, is refused.
- One advisory lock for all: of ten that start at once, one migrates and nine find nothing left to do.
- The tables belong to cairn_owner. Row level security binds it too, so it has a policy of its own; without one a
  migration would change no row, and say nothing.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from cairn.adapters.postgres import sql
from cairn.adapters.postgres.errors import translated
from cairn.adapters.postgres.pool import CONNECT_SECONDS, Connection
from cairn.errors import NotMigrated

_LOCK = "SELECT pg_advisory_lock(hashtextextended('cairn migrations', 0))"
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


def checksum(text: str) -> str:
    """What a migration is known by."""
    return sha256(text.encode()).hexdigest()


async def migrate(url: str) -> tuple[str, ...]:
    """Apply what is missing; the names of that. Raises StoreUnavailable, NotMigrated."""
    async with translated(), await _connect(url) as connection:
        await connection.execute(_LOCK)  # held until the connection ends
        await connection.execute(sql.text("roles.sql"))
        await connection.execute("SET ROLE cairn_owner")
        await connection.execute(_TABLE)
        missing = _missing(await _applied(connection))
        for name in missing:
            await _apply(connection, name, sql.migrations()[name])
        return missing


async def missing(url: str) -> tuple[str, ...]:
    """What would be applied; nothing is changed. Raises StoreUnavailable, NotMigrated."""
    async with translated(), await _connect(url) as connection:
        try:
            return _missing(await _applied(connection))
        except psycopg.errors.UndefinedTable:
            return tuple(sql.migrations())


async def check(connection: Connection) -> None:
    """Whether everything this version needs was applied. Raises NotMigrated."""
    known = set(await _applied(connection))
    if lacking := [name for name in sql.migrations() if name not in known]:
        raise NotMigrated(f"the database lacks {', '.join(lacking)}: run `cairn migrate`")


async def _connect(url: str) -> AsyncConnection[dict[str, Any]]:
    return await AsyncConnection.connect(
        url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_SECONDS, application_name="cairn migrate"
    )  # fmt: skip


async def _applied(connection: Connection) -> dict[str, str]:
    cursor = await connection.execute(sql.queries()["applied"])
    return {row["name"]: row["checksum"] for row in await cursor.fetchall()}


def _missing(applied: dict[str, str]) -> tuple[str, ...]:
    shipped = sql.migrations()
    if unknown := applied.keys() - shipped.keys():
        raise NotMigrated(f"the database has {', '.join(sorted(unknown))}, which this version does not know: upgrade")
    if changed := [name for name, known in applied.items() if known != checksum(shipped[name])]:
        raise NotMigrated(f"{', '.join(changed)} was applied with another content than this version has")
    return tuple(name for name in shipped if name not in applied)


async def _apply(connection: AsyncConnection[dict[str, Any]], name: str, text: Any) -> None:
    async with connection.transaction():
        await connection.execute(text)
        await connection.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES (%s, %s)", (name, checksum(text))
        )  # fmt: skip
