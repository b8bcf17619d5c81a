"""Liveness and readiness, as a kubelet asks for them, and metrics, as Prometheus does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from cairn.app.operator import Operator
from cairn.config import Settings


@contextlib.asynccontextmanager
async def serve_health(settings: Settings, operator: Operator, ready: asyncio.Event) -> AsyncIterator[None]:
    """Serve /livez, /readyz and /metrics while the context lasts.

    Live: the loop turns. Ready: the watches have begun, on a standby too, and nobody has asked for a stop.
    """
    if not settings.health_port:
        yield
        return

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"alive": operator.alive()}, status=200 if operator.alive() else 503)

    async def readyz(_: web.Request) -> web.Response:
        status = 200 if ready.is_set() else 503
        return web.json_response({"ready": ready.is_set(), **operator.describe()}, status=status)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    REGISTRY.register(operator.census)
    try:
        await web.TCPSite(runner, settings.health_host, settings.health_port).start()
        yield
    finally:
        REGISTRY.unregister(operator.census)
        await runner.cleanup()
