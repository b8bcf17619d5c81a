"""A proxy before a Postgres server that reads what passes, so that each commit is a point that can be stopped at.

It follows the wire protocol as far as it must: where messages begin, which statements were prepared under which name,
and what a transaction has changed when its COMMIT is sent, and when it is confirmed.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from support.proxies import points
from support.proxies.listening import accept_no_more, listening

_NO_ENCRYPTION = (80877103, 80877104)  # what asks for TLS or GSS before it begins
_LOST = (ConnectionError, asyncio.IncompleteReadError)

Hook = Callable[[str], Awaitable[None]]


async def _nothing(point: str) -> None:
    """Let it pass."""


class PostgresProxy:
    """Listens for one operator. The hooks may raise ConnectionError: then the connection is cut there."""

    def __init__(self, url: str) -> None:
        found = conninfo_to_dict(url)
        self._behind = (str(found["host"]), int(found["port"] or 5432))
        self._url = url
        self._socket = listening()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.before: Hook = _nothing
        self.after: Hook = _nothing
        self.url = ""

    async def start(self) -> PostgresProxy:
        """Listen; `url` leads here."""
        self._server = await asyncio.start_server(self._accept, sock=self._socket)
        self.url = make_conninfo(self._url, host="127.0.0.1", port=self._socket.getsockname()[1])
        return self

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        assert self._server is not None
        await accept_no_more(self._socket)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(*_LOST, asyncio.CancelledError):
            await _Session(self, reader, writer).run(*self._behind)
        writer.transport.abort()


class _Session:
    """One connection, both ways."""

    def __init__(self, proxy: PostgresProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._prepared: dict[bytes, str] = {}
        self._statements: list[str] = []
        self._committing: list[str] = []  # sent, and not confirmed yet

    async def run(self, host: str, port: int) -> None:
        first = await self._greeting()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(first)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._frontend(writer))
                group.create_task(self._backend(reader))
        except* _LOST:
            pass
        finally:
            writer.transport.abort()

    async def _greeting(self) -> bytes:
        """The message that begins it, once no encryption was asked for any more."""
        while True:
            head = await self._reader.readexactly(8)
            length, code = struct.unpack("!II", head)
            if code not in _NO_ENCRYPTION:
                return head + await self._reader.readexactly(length - 8)
            self._writer.write(b"N")

    async def _frontend(self, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, body = await _message(self._reader)
            if (text := self._statement(kind, body)) is not None:
                await self._note(text)
            writer.write(kind + struct.pack("!I", len(body) + 4) + body)
            await writer.drain()

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        """The statement that a message carries out, if it does."""
        if kind == b"Q":
            return body.rstrip(b"\0").decode()
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = text.decode()
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            return self._prepared.get(name)
        return None

    async def _note(self, text: str) -> None:
        word = text.strip().partition(" ")[0].upper()
        if word != "COMMIT":
            self._statements = [] if word in ("BEGIN", "ROLLBACK") else [*self._statements, text]
            return
        point, self._statements = points.commit(self._statements), []
        self._committing.append(point)
        if point:
            await self._proxy.before(point)

    async def _backend(self, reader: asyncio.StreamReader) -> None:
        while True:
            kind, body = await _message(reader)
            if kind == b"C" and body == b"COMMIT\0" and (point := self._committing.pop(0)):
                await self._proxy.after(point)
            self._writer.write(kind + struct.pack("!I", len(body) + 4) + body)
            await self._writer.drain()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    [length] = struct.unpack("!I", head[1:])
    return head[:1], await reader.readexactly(length - 4)
