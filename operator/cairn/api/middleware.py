"""What surrounds every request, from the outside in: `Traced`, `Hardened`, `Clocked`, `Answered`, `Timed`, `Bounded`.

Rules:
- Plain ASGI: nothing is buffered, so streams pass through, and a cancelled request is cancelled all the way.
- Whoever refuses a request raises; `Answered` is the one place that turns errors into answers.
- Neither queries nor bodies nor the names in a path are logged: a line has the template of the route.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cairn.adapters.timing import noted
from cairn.api import kinds, metrics
from cairn.api.problems import Problem, log_failure, send_problem
from cairn.api.tracing import trace_of

access_log = logging.getLogger("cairn.api.access")

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"}) | _WITH_BODY
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds, and only told of when they fail
_HARDENING = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}  # fmt: skip
_ONLY_TLS = {"Strict-Transport-Security": "max-age=31536000"}


class Traced:
    """Counts and logs each request when it has ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), 499  # as it stays when the client goes away first

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _note(scope, status, time.perf_counter() - began)


def _note(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = _template(scope)
    metrics.REQUESTS.labels(method, route, str(status)).inc()
    metrics.SECONDS.labels(method, route).observe(seconds)
    fields: dict[str, Any] = {"method": method, "route": route, "status": status, "user": trace_of(scope).user}
    fields["milliseconds"] = round(seconds * 1000, 1)
    level = logging.DEBUG if route in _PROBES and status < 400 else logging.INFO
    access_log.log(level, "%(method)s %(route)s %(status)s %(milliseconds)s ms %(user)s", fields, extra=fields)


def _template(scope: Scope) -> str:
    """The path that the route was declared with; nothing of what the client wrote."""
    return getattr(scope.get("route"), "path", None) or "-"


class Hardened:
    """Adds headers to every answer: those of the request's trace, and what keeps browsers from mischief."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (_HARDENING | (_ONLY_TLS if scope["scheme"] == "https" else {})).items():
                    headers.setdefault(name, value)
                for name, value in trace_of(scope).headers:
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, adding)


class Clocked:
    """Tells in `Server-Timing` how long an answer took to begin, and where that time went."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()
        with noted() as spent:

            async def adding(message: Message) -> None:
                if message["type"] == "http.response.start":
                    times = {"total": time.perf_counter() - began, **spent}
                    told = ", ".join(f"{where};dur={seconds * 1000:.1f}" for where, seconds in times.items())
                    MutableHeaders(scope=message).setdefault("Server-Timing", told)
                await send(message)

            await self._app(scope, receive, adding)


class Answered:
    """Turns whatever is raised into a problem; once an answer has begun, it can only be broken off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if begun:
                log_failure("an answer was broken off", error)
            else:
                await send_problem(error, scope, receive, send)


class Timed:
    """Gives up on a request whose answer has not begun in time. What has begun, such as a stream, may go on."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        async with asyncio.timeout(self._seconds) as limit:

            async def releasing(message: Message) -> None:
                if message["type"] == "http.response.start":
                    limit.reschedule(None)
                await send(message)

            await self._app(scope, receive, releasing)


class Bounded:
    """Refuses bodies that are too large, whether or not they say so, and those that are no JSON."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            return await self._app(scope, receive, send)
        self._judge(Headers(scope=scope))
        size = 0

        async def counting() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise self._too_large()
            return message

        await self._app(scope, counting, send)

    def _judge(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most:
            raise self._too_large()
        if length.strip("0") == "" and "transfer-encoding" not in headers:
            return
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" or headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem(kinds.MEDIA, "a body must be application/json, not compressed")

    def _too_large(self) -> HTTPException:
        # Not a Problem: of what is raised while FastAPI reads a body, it lets only this pass.
        return HTTPException(kinds.TOO_LARGE.status, f"a body may have {self._most} bytes")
