"""TLS in front of a Postgres that was built without it: the test's server speaks it as Postgres does."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # the protocol's SSLRequest, which asks whether TLS may begin


class TlsFront:
    """Takes clients over TLS, and only so, and passes what they say on to a server on this machine."""

    def __init__(self, certificate: Path, key: Path, port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._behind = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.clients = 0  # that came over TLS

    def start(self) -> int:
        """Begin to listen; the port."""
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Let nobody in any more."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if await client.readexactly(len(_SSL_REQUEST)) == _SSL_REQUEST:
                answer.write(b"S")
                await answer.drain()
                await answer.start_tls(self._context)
                self.clients += 1
                server, question = await asyncio.open_connection("127.0.0.1", self._behind)
                await asyncio.wait(
                    [asyncio.create_task(_pass_on(client, question)), asyncio.create_task(_pass_on(server, answer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                question.close()
        answer.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
