"""The proxies that lie between an operator and what it relies on leave nothing open behind them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from psycopg.conninfo import conninfo_to_dict

from support.proxies.api import ApiProxy, Upstream
from support.proxies.postgres import PostgresProxy

Proxy = ApiProxy | PostgresProxy


async def _api(folder: Path) -> tuple[Proxy, int]:
    proxy = await ApiProxy(cast(Upstream, None), folder).start()  # nobody is to be asked
    server = json.loads(proxy.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return proxy, int(server.rpartition(":")[2])


async def _postgres(folder: Path) -> tuple[Proxy, int]:
    proxy = await PostgresProxy("postgresql://127.0.0.1:1/x").start()
    return proxy, int(str(conninfo_to_dict(proxy.url)["port"]))


def _is_cut(client: socket.socket) -> bool:
    client.settimeout(5)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("turns", range(6))  # of the loop, from connected to served
@pytest.mark.parametrize("start", [_api, _postgres])
async def test_who_connects_while_a_proxy_stops_is_cut(
    start: Callable[[Path], Awaitable[tuple[Proxy, int]]], turns: int, tmp_path: Path
) -> None:
    proxy, port = await start(tmp_path)
    await asyncio.sleep(0.01)  # it listens
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        await proxy.stop()
        assert await asyncio.to_thread(_is_cut, client)
