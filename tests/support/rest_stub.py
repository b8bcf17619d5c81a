"""A REST API in a thread: whatever a test says that it answers, over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    query: Mapping[str, str]
    authorization: str


@dataclass(frozen=True)
class Given:
    """One answer."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def problem(status: int, detail: str) -> Given:
    """An error as the REST API tells it."""
    return Given({"type": "about:blank", "title": "x", "status": status, "detail": detail, "success": False}, status)


class RestStub:
    """Answers while it is entered; `asked` tells what was asked."""

    def __init__(self, answer: Callable[[Asked], Awaitable[Given]]) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> RestStub:
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return runner

    async def _serve(self, request: web.Request) -> web.Response:
        asked = Asked(request.path, dict(request.query), request.headers.get("Authorization", ""))
        self.asked.append(asked)
        given = await self._answer(asked)
        if isinstance(given.body, str):
            return web.Response(text=given.body, status=given.status, headers=given.headers)
        return web.json_response(given.body, status=given.status, headers=given.headers)
