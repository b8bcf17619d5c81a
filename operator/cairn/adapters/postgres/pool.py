"""The connections to the database: few, checked before use, given up soon, and made again by themselves.

Rules:
- The operator starts and works whether or not the database is there: opening waits for nothing.
- Each connection takes on one role at once, so that it may do no more than that, whoever logged in.
- The address is asked for anew for each connection, and none lives for long: so a password can be changed meanwhile.
- Nothing waits for long: the server ends a statement, this side a call, each after its own time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, OperationalError, ProgrammingError, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cairn import names
from cairn.adapters import metrics
from cairn.adapters.postgres.errors import NO_ADDRESS, NO_ADDRESS_IN_FILE, said, translated
from cairn.adapters.timing import POSTGRES, calling
from cairn.errors import IdTaken, NotConfigured, StoreError, StoreUnavailable

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 5
CALL_SECONDS = 10.0
LIFETIME_SECONDS = 300.0  # of a connection, however often it is used: so long after a new address an old one may serve

OPERATOR = "cairn_operator"
READER = "cairn_reader"

Address = str | Callable[[], str]  # what tells it anew may raise NotConfigured
Connection = AsyncConnection[DictRow]

# It warns of every try to connect while the database is away; whoever needs a connection is told, and says it once.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def check_address(address: Address) -> str:
    """The address as it is now. Raises NotConfigured for what is none."""
    url = address() if callable(address) else address
    try:
        conninfo_to_dict(url)
    except ProgrammingError:  # it quotes the address, and the password in it
        raise NotConfigured(NO_ADDRESS_IN_FILE if callable(address) else NO_ADDRESS) from None
    return url


class Pool:
    """Connections of one role. Raises NotConfigured for what is no address."""

    def __init__(self, address: Address, role: str, size: int = 6, may_use: Callable[[], None] = lambda: None) -> None:
        check_address(address)
        self._address = address
        self._may_use = may_use  # raises where nothing may be asked or written any more
        self._role = role
        self._why_not = ""  # what the last try to connect came to; the pool itself only tells that time is up
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._resolve, connection_class=self._remembering(), configure=self._configure, open=False, min_size=0,
            max_size=size, max_idle=300, max_lifetime=LIFETIME_SECONDS, timeout=CONNECT_SECONDS,
            reconnect_timeout=CONNECT_SECONDS, check=AsyncConnectionPool.check_connection, kwargs=_settings(),
        )  # fmt: skip

    async def open(self) -> None:
        """Begin to hand out connections; waits for none."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        try:
            await self._pool.close(timeout=1)
        except asyncio.CancelledError:
            # One of the pool's own tasks was: Kopf, at its end, cancels whatever runs in the loop.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in a transaction that is committed at the end. Raises StoreError."""
        self._may_use()
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
            self._may_use()  # again: it may have taken a while to get one
            async with connection.transaction():
                yield connection
        finally:
            await self._pool.putconn(connection)

    def _resolve(self) -> str:
        """The address for a new connection."""
        try:
            return check_address(self._address)
        except NotConfigured as error:
            self._why_not = str(error)
            raise

    def _remembering(self) -> type[Connection]:
        pool = self

        class Remembering(AsyncConnection[DictRow]):
            @classmethod
            async def connect(cls, *given: Any, **named: Any) -> Any:
                try:
                    made = await super().connect(*given, **named)
                except OperationalError as error:
                    pool._why_not = said(error)
                    raise
                pool._why_not = ""
                return made

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
