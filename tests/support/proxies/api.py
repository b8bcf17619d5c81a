"""A proxy before an API server, for one operator: each request passes a `Meddler`, who may answer, change or cut it.

Towards the operator it speaks plain HTTP on 127.0.0.1; towards the API server it is whom the kubeconfig names.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import ClientResponse as Response
from aiohttp import web

from support.proxies.listening import accept_no_more, listening
from support.proxies.points import Call

_SILENT = logging.getLogger("proxy")  # connections that are cut are what it is there for
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

_DROPPED = {"host", "authorization", "content-length", "accept-encoding", "connection"}
_PASSED_ON = {"content-type", "retry-after", "audit-id"}


class Dropped(Exception):
    """The connection is cut here: whoever asked never learns what came of it."""


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @classmethod
    def refusal(cls, status: int, reason: str, **headers: str) -> Answer:
        """A `Status`, as the API server says no."""
        said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status,
                "message": f"the proxy says {reason}", "metadata": {}}  # fmt: skip
        return cls(status, json.dumps(said).encode(), {"Content-Type": "application/json"} | headers)


class Meddler:
    """Does nothing: what passes is passed on. To be made of what a test wants to go wrong."""

    async def asked(self, call: Call) -> Answer | None:
        """Before a request is passed on; an answer here keeps it from the API server."""
        return None

    async def answered(self, call: Call, answer: Answer) -> Answer:
        """After the API server has answered, and done what it was asked; not for watches."""
        return answer

    def events(self, call: Call, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What a watch brings, line by line."""
        return lines


class Upstream:
    """The API server that a kubeconfig names, as its user. One session for everybody in the loop."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        [named], [user] = config["clusters"], config["users"]
        self.server: str = named["cluster"]["server"]
        context = ssl.create_default_context(
            cadata=base64.b64decode(named["cluster"]["certificate-authority-data"]).decode()
        )
        context.check_hostname = False  # a certificate need not name the address that it is reached by
        self._identify(context, user["user"])
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context), timeout=aiohttp.ClientTimeout(total=None)
        )

    def _identify(self, context: ssl.SSLContext, user: dict[str, str]) -> None:
        with tempfile.NamedTemporaryFile() as both:  # a chain can be loaded from a file only
            for part in ("client-certificate-data", "client-key-data"):
                both.write(base64.b64decode(user[part]))
            both.flush()
            context.load_cert_chain(both.name)

    @asynccontextmanager
    async def asked(self, method: str, path: str, headers: dict[str, str], body: bytes) -> AsyncIterator[Response]:
        """The answer to a request; where it is not read to its end, its connection is cut.

        To close one instead waits for what the API server says to that, which can come after the loop has ended.
        """
        url = self.server + path
        asking = asyncio.ensure_future(self.session.request(method, url, headers=headers, data=body or None))
        try:
            yield await asyncio.shield(asking)
        finally:
            asking.add_done_callback(_cut)

    async def close(self) -> None:
        await self.session.close()


def _cut(asked: asyncio.Future[Response]) -> None:
    """What was read to its end has given its connection back, and that stays."""
    if asked.cancelled() or asked.exception() is not None:
        return
    found = asked.result()
    if (connection := found.connection) is not None and connection.transport is not None:
        connection.transport.abort()
    found.close()


class ApiProxy:
    """Listens for one operator; `meddler` can be changed at any time."""

    def __init__(self, upstream: Upstream, folder: Path) -> None:
        self._upstream = upstream
        self._folder = folder
        self._socket = listening()
        self._runner = web.ServerRunner(web.Server(self._serve, logger=_SILENT), shutdown_timeout=0.1)
        self.meddler = Meddler()
        self.kubeconfig = folder / "kubeconfig"

    async def start(self) -> ApiProxy:
        """Listen, and write the kubeconfig that leads here."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        port = self._socket.getsockname()[1]
        self._folder.mkdir(parents=True, exist_ok=True)
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "proxy", "user": {"token": "none"}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }  # fmt: skip
        self.kubeconfig.write_text(json.dumps(config))
        return self

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        await accept_no_more(self._socket)
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _DROPPED}
        call = Call(request.method, request.path, dict(request.query), headers, await request.read())
        try:
            answer = await self.meddler.asked(call)
            if answer is None:
                headers |= {"Accept-Encoding": "identity"}
                async with self._upstream.asked(call.method, request.raw_path, headers, call.body) as found:
                    if call.watch and found.status == 200:
                        return await self._stream(request, call, found)
                    passed = {k: v for k, v in found.headers.items() if k.lower() in _PASSED_ON}
                    answer = await self.meddler.answered(call, Answer(found.status, await found.read(), passed))
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        except (Dropped, aiohttp.ClientError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)  # which nobody gets

    async def _stream(self, request: web.BaseRequest, call: Call, found: Response) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for line in self.meddler.events(call, _lines(found.content)):
            await response.write(line)
        return response


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines, however long."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
