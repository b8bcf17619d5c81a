"""How requests go out: the official client's authentication and TLS, and a session that adds nothing to a request.

The official client's own session trusts the environment, for which aiohttp asks two threads per request (for a proxy,
and for a `.netrc`): more time than all else about a request, measured. A proxy is looked up once here, at the start; a
`.netrc` is no way to authenticate to an API server, and not read.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.rest import RESTClientObject, RESTResponse

_READ_BUFFER = 2 * 1024 * 1024  # bytes: an event of a watch is one line


def client_for(settings: client.Configuration) -> client.ApiClient:
    """The official client, which knows how to authenticate, over connections of our own."""
    settings.proxy = settings.proxy or _proxy_of(settings.host)
    made = client.ApiClient(configuration=settings)
    made.rest_client = _Connections(settings)
    return made


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
        return aiohttp.ClientSession(connector=self._create_connector(), read_bufsize=_READ_BUFFER)

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
