"""How requests go out, and how streams come in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from cairn.adapters.kube import connections
from cairn.adapters.kube.api import Api
from cairn.adapters.kube.connections import client_for, pieces

# --- Requests --------------------------------------------------------------------------------------------------------


async def test_a_body_arrives_as_it_was_given() -> None:
    async def echo(request: web.Request) -> web.Response:
        sent = await request.read()
        return web.json_response({"sent": sent.decode(), "as": request.headers["Content-Type"]})

    app = web.Application()
    app.add_routes([web.post("/x", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    api = Api(client_for(settings))
    try:
        answer = await api.create("/x", {"text": "ž", "large": 2**70, 1: "one"})
    finally:
        await api.close()
        await runner.cleanup()
    assert answer["as"] == "application/json"
    assert answer["sent"] == '{"text": "\\u017e", "large": 1180591620717411303424, "1": "one"}'


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128"}, None),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "server"}, None),
    ],
)
async def test_the_proxy_is_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = client_for(client.Configuration(host="https://server:6443"))
    assert made.rest_client.proxy == proxy
    await made.close()


# --- Streams ---------------------------------------------------------------------------------------------------------


class Transport:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


def response(count: int, transport: Transport | None) -> Any:
    async def iter_any() -> AsyncIterator[bytes]:
        for number in range(count):
            yield bytes([number])

    return SimpleNamespace(content=SimpleNamespace(iter_any=iter_any), connection=SimpleNamespace(transport=transport))


@pytest.mark.parametrize(
    ("quick", "count", "pauses"),
    [(60.0, 10, 0), (60.0, 30, 19), (0.0, 30, 0)],
    ids=["few", "many that come quickly", "many that are waited for"],
)
async def test_while_much_comes_it_is_left_to_gather(
    monkeypatch: pytest.MonkeyPatch, quick: float, count: int, pauses: int
) -> None:
    monkeypatch.setattr(connections, "_QUICK", quick)
    monkeypatch.setattr(connections, "_GATHERED", 0)
    transport = Transport()
    came = [piece async for piece in pieces(response(count, transport))]
    assert came == [bytes([number]) for number in range(count)]
    assert transport.calls == ["pause", "resume"] * pauses


async def test_a_connection_that_is_closed_is_not_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_QUICK", 60)
    assert len([piece async for piece in pieces(response(30, None))]) == 30
