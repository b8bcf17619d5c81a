"""The connections to the database: few, checked before use, given up soon, and made again by themselves.

Rules:
- The operator starts and works whether or not the database is there: opening waits for nothing.
- Each connection takes on one role at once, so that it may do no more than that, whoever logged in.
- Nothing waits for long: the server ends a statement, this side a call, each after its own time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, OperationalError, ProgrammingError, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cairn import names
from cairn.adapters import metrics
from cairn.adapters.postgres.errors import NO_ADDRESS, said, translated
from cairn.adapters.timing import POSTGRES, calling
from cairn.errors import IdTaken, NotConfigured, StoreError, StoreUnavailable

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 5
CALL_SECONDS = 10.0

OPERATOR = "cairn_operator"
READER = "cairn_reader"

Connection = AsyncConnection[DictRow]

# It warns of every try to connect while the database is away; whoever needs a connection is told, and says it once.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class Pool:
    """Connections of one role. Raises NotConfigured for what is no address."""

    def __init__(self, url: str, role: str, size: int = 6) -> None:
        try:
            conninfo_to_dict(url)
        except ProgrammingError:
            raise NotConfigured(NO_ADDRESS) from None  # the error quotes the address, and the password in it
        self._role = role
        self._why_not = ""  # what the last try to connect came to; the pool itself only tells that time is up
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url, connection_class=self._remembering(), configure=self._configure, open=False, min_size=0,
            max_size=size, max_idle=300, timeout=CONNECT_SECONDS, reconnect_timeout=CONNECT_SECONDS,
            check=AsyncConnectionPool.check_connection, kwargs=_settings(),
        )  # fmt: skip

    async def open(self) -> None:
        """Begin to hand out connections; waits for none."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close(timeout=1)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in a transaction that is committed at the end. Raises StoreError."""
        up = metrics.DATABASE_UP.labels(self._role)
        try:
            with calling(POSTGRES), metrics.timed_call():
                async with translated(), asyncio.timeout(CALL_SECONDS):
                    async with self._connection() as connection:
                        yield connection
        except StoreError as error:
            if not isinstance(error, IdTaken):  # an answer like any other
                up.set(0)
                metrics.DATABASE_ERRORS.labels(getattr(error, "reason", type(error).__name__)).inc()
            raise
        up.set(1)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            connection = await self._pool.getconn()
        except PoolTimeout as error:
            raise StoreUnavailable(names.DATABASE_UNAVAILABLE, self._why_not or str(error)) from error
        try:
            async with connection.transaction():
                yield connection
        finally:
            await self._pool.putconn(connection)

    def _remembering(self) -> type[Connection]:
        pool = self

        class Remembering(AsyncConnection[DictRow]):
            @classmethod
            async def connect(cls, *given: Any, **named: Any) -> Any:
                try:
                    return await super().connect(*given, **named)
                except OperationalError as error:
                    pool._why_not = said(error)
                    raise

        return Remembering

    async def _configure(self, connection: Connection) -> None:
        await connection.set_autocommit(True)
        await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._role)))


def _settings() -> dict[str, Any]:
    return {
        "row_factory": dict_row, "connect_timeout": CONNECT_SECONDS, "application_name": "cairn",
        # A plan made for all values would serve none of them: most conditions of a list are not asked for.
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={STATEMENT_SECONDS}s"
        " -c plan_cache_mode=force_custom_plan",
        "tcp_user_timeout": int(CALL_SECONDS * 1000),
    }  # fmt: skip
