"""The process around the application: its connections, its port, its end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from cairn import names
from cairn.adapters.clock import system_clock
from cairn.adapters.ids import random_id
from cairn.adapters.kube.api import connect
from cairn.adapters.kube.checkpoints import ObjectStore
from cairn.adapters.kube.desk import KubeDesk
from cairn.adapters.kube.reviews import KubeReviewer
from cairn.adapters.postgres.pool import READER, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.api.app import create_app
from cairn.api.parts import Parts
from cairn.api.settings import ApiSettings
from cairn.api.tls import Certificate
from cairn.app.access import Access, Remembering

logger = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 30
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def connected(settings: ApiSettings) -> AsyncIterator[Parts]:
    """The parts of an application on a real cluster, and a database where one is named. Raises NotConfigured."""
    address = settings.address()
    pool = Pool(address, READER) if address else None
    api = await connect(discreet=True)
    try:
        if pool is not None:
            await pool.open()
        remembering = Remembering(settings.access_seconds, settings.denied_seconds)
        access = Access(KubeReviewer(api, settings.audiences), remembering)
        rows = PostgresStore(pool) if pool else None
        desk, objects = KubeDesk(api, names.API_MANAGER), ObjectStore(api, system_clock)
        yield Parts(settings, access, desk, objects, rows, system_clock, random_id)
    finally:
        if pool is not None:
            await pool.close()
        await api.close()


class Server(uvicorn.Server):
    """uvicorn's, but for two things about its end.

    Streams are told at once that the process is to stop, so that nobody waits for their clients. And a signal is not
    raised anew after it was heeded: that would kill the process before its connections are closed.
    """

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)


def server_config(app: ASGIApp, settings: ApiSettings, certificate: Certificate | None) -> uvicorn.Config:
    """How uvicorn serves it: no log lines, no name of its own, and X-Forwarded-For only from who may say so."""
    return uvicorn.Config(
        app, host=settings.host, port=settings.port, loop="asyncio", http="h11", ws="none", lifespan="on",
        log_config=None, access_log=False, server_header=False, timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds, forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
    )  # fmt: skip


async def serve(settings: ApiSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises NotConfigured."""
    certificate = Certificate(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None
    if certificate is None and not _is_loopback(settings.host):
        logger.warning("no CAIRN_API_TLS_CERT: tokens are sent in the clear, unless something in front adds TLS")
    async with connected(settings) as parts:
        server = Server(server_config(create_app(parts), settings, certificate), parts.closing)
        watch = asyncio.create_task(certificate.watch()) if certificate else None
        try:
            await server.serve()
        finally:
            if watch is not None:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch
    logger.info("stopped")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
