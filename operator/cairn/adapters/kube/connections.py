"""How requests go out: the official client's authentication and TLS, and a session that adds nothing to a request.

The official client's own session trusts the environment, for which aiohttp asks two threads per request (for a proxy,
and for a `.netrc`): three times as much CPU as all else about a small request. A proxy is looked up once here, at the
start; a `.netrc` is no way to authenticate to an API server, and not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.rest import RESTClientObject, RESTResponse

_QUICK = 0.005  # seconds within which the next piece of a busy stream comes
_QUICK_ONES = 10  # of these in a row make it a busy one
_GATHERED = 0.02  # seconds


def client_for(settings: client.Configuration) -> client.ApiClient:
    """The official client, which knows how to authenticate, over connections of our own."""
    settings.proxy = settings.proxy or _proxy_of(settings.host)
    made = client.ApiClient(configuration=settings)
    made.rest_client = _Connections(settings)
    return made


async def pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes; while much comes, what has come within a moment at once.

    To wake up for each event of a watch costs several times what is in it.
    """
    clock, quick_ones, began = asyncio.get_running_loop().time, 0, 0.0
    async for piece in response.content.iter_any():
        quick_ones = quick_ones + 1 if clock() - began < _QUICK else 0
        yield piece
        if quick_ones > _QUICK_ONES and (connection := response.connection) is not None and connection.transport:
            connection.transport.pause_reading()
            await asyncio.sleep(_GATHERED)
            connection.transport.resume_reading()
        began = clock()


def _proxy_of(host: str) -> str | None:
    """The proxy that the environment names for the API server."""
    address = urlsplit(host)
    if address.hostname is None or proxy_bypass(address.hostname):
        return None
    return getproxies().get(address.scheme)


class _Connections(RESTClientObject):  # type: ignore[misc]
    """Sends a body as it is given."""

    pool_manager: aiohttp.ClientSession | None

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=self._create_connector())

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None,
        post_params: None = None, _request_timeout: float | None = None,
    ) -> RESTResponse:  # fmt: skip
        if self.pool_manager is None:
            self.pool_manager = self._create_pool_manager()
        more: dict[str, Any] = {"server_hostname": name} if (name := self.configuration.tls_server_name) else {}
        response = await self.pool_manager.request(
            method, url, headers=headers, data=body, timeout=aiohttp.ClientTimeout(_request_timeout),
            proxy=self.proxy, proxy_headers=self.proxy_headers, **more,
        )  # fmt: skip
        return RESTResponse(response)
