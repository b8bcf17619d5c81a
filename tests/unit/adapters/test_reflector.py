"""What a reflector makes of lists, of watches, and of all that goes wrong with them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from cairn.adapters.kube import reflector
from cairn.adapters.kube.reflector import Reflector
from cairn.errors import Refused, Unavailable

Body = dict[str, Any]
EXPIRED = {"type": "ERROR", "object": {"code": 410, "metadata": {}}}


def thing(name: str, version: int) -> Body:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def added(name: str, version: int) -> Body:
    return {"type": "ADDED", "object": thing(name, version)}


def deleted(name: str, version: int) -> Body:
    return {"type": "DELETED", "object": thing(name, version)}


def bookmark(version: int) -> Body:
    return {"type": "BOOKMARK", "object": thing("", version)}


def lines(*events: Body) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


class Server:
    """Answers lists and watches with what it was given, one after the other; the last watch stays open."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.done = asyncio.Event()

    def _next(self) -> Any:
        answer = self.answers.pop(0)
        if not self.answers:
            self.done.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pages(self, path: str, **query: str) -> AsyncIterator[Body]:
        self.asked.append("list")
        for version, *bodies in self._next():
            yield {"metadata": {"resourceVersion": str(version)}, "items": bodies}

    async def stream(self, path: str, seconds: float, **query: str) -> AsyncIterator[bytes]:
        assert (query["watch"], query["allowWatchBookmarks"], query["labelSelector"]) == ("true", "true", "ours")
        self.asked.append(f"watch {query['resourceVersion']}")
        if not self.answers:
            await asyncio.Event().wait()
        for chunk in self._next():
            if isinstance(chunk, Exception):
                raise chunk
            if chunk is None:
                await asyncio.Event().wait()
            yield chunk


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.when_listed: list[list[str]] = []
        self.bad = ""

    def see(self, body: Body) -> None:
        if body["metadata"]["name"] == self.bad:
            raise KeyError("secret")
        self.told.append(f"+{body['metadata']['name']}")

    def forget(self, body: Body) -> None:
        self.told.append(f"-{body['metadata']['name']}")

    def listed_anew(self) -> None:
        self.told.append("listed anew")

    def listed(self) -> None:
        self.when_listed.append(self.told.copy())


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "_REOPEN", 0.0)
    monkeypatch.setattr(reflector, "_BACKOFF", (0.001,))


async def reflected(server: Server, told: Told, silence: float = 5.0) -> list[str]:
    """What is told until the last answer is used up."""
    api: Any = server
    running = asyncio.create_task(Reflector(api, "/things", {"labelSelector": "ours"}, told, silence).run())
    async with asyncio.timeout(5):
        await asyncio.wait({running, asyncio.create_task(server.done.wait())}, return_when=asyncio.FIRST_COMPLETED)
        while not running.done() and (not server.asked or not server.asked[-1].startswith("watch") or server.answers):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return told.told


async def test_what_is_listed_and_then_happens_is_told() -> None:
    server = Server([(5, thing("a", 3)), (5, thing("b", 4))], [lines(added("c", 6), deleted("a", 7), bookmark(9))])
    told = Told()
    assert await reflected(server, told) == ["+a", "+b", "+c", "-a"]
    assert told.when_listed == [["+a", "+b"]]
    assert server.asked == ["list", "watch 5", "watch 9"], "it goes on where the one before has ended"


async def test_events_may_come_in_pieces() -> None:
    whole = lines(added("a", 6), added("b", 7))
    server = Server([(5,)], [whole[:10], whole[10:70], whole[70:]])
    assert await reflected(server, Told()) == ["+a", "+b"]


async def test_many_at_once_let_others_have_their_turn() -> None:
    server = Server([(5,)], [lines(*(added(f"n{n}", 6 + n) for n in range(120)))])
    assert len(await reflected(server, Told())) == 120


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param([lines(added("b", 6), EXPIRED)], id="as an event"),
        pytest.param(Unavailable("too old", status=410), id="as the status"),
    ],
)
async def test_what_the_server_has_forgotten_is_listed_anew(gone: Any) -> None:
    server = Server([(5, thing("a", 3))], gone, [(8, thing("a", 3))], [lines(bookmark(9))])
    told = await reflected(server, Told())
    assert [each for each in told if each != "+b"] == ["+a", "listed anew", "+a"]
    assert server.asked[-3:] == ["list", "watch 8", "watch 9"]


async def test_a_list_whose_second_page_has_expired_is_begun_anew() -> None:
    class Forgetful(Server):
        async def pages(self, path: str, **query: str) -> AsyncIterator[Body]:
            first = "list" not in self.asked
            async for page in super().pages(path, **query):
                yield page
                if first:
                    raise Unavailable("the token has expired", status=410)

    server = Forgetful([(5, thing("a", 3))], [(6, thing("a", 3)), (6, thing("b", 4))], [lines(bookmark(7))])
    told = Told()
    assert await reflected(server, told) == ["+a", "+a", "+b"]
    assert told.when_listed == [["+a", "+a", "+b"]], "not where only a part was"
    assert server.asked == ["list", "list", "watch 6", "watch 7"]


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("no answer"), Refused("too many requests", status=429, retry_after=0), Refused("no", status=403),
        Unavailable("it is broken", status=500),
    ],
    ids=["no answer", "429", "403", "500"],
)  # fmt: skip
async def test_after_an_error_it_goes_on_where_it_was(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(error, [(5, thing("a", 3))], [lines(added("b", 6)), error], error, [lines(added("c", 7))])
    assert await reflected(server, Told()) == ["+a", "+b", "+c"]
    assert server.asked == ["list", "list", "watch 5", "watch 6", "watch 6", "watch 7"]
    assert len(caplog.records) == 3


@pytest.mark.parametrize(
    "line", [b"<html>\n", b'{"kind": "Status"}\n', b"[]\n", b'{"type":"ERROR","object":{"code":500}}\n']
)
async def test_what_is_no_event_ends_the_watch_and_not_the_process(
    line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server([(5,)], [lines(added("a", 6)) + line], [lines(added("b", 7))])
    assert await reflected(server, Told()) == ["+a", "+b"]
    assert server.asked == ["list", "watch 5", "watch 6", "watch 7"]
    assert "html" not in caplog.text


async def test_a_silent_watch_is_opened_anew() -> None:
    server = Server([(5,)], [lines(added("a", 6)), None], [lines(added("b", 7))])
    assert await reflected(server, Told(), silence=0.05) == ["+a", "+b"]
    assert server.asked[:3] == ["list", "watch 5", "watch 6"]


async def test_what_cannot_be_taken_in_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    told.bad = "b"
    server = Server([(5, thing("a", 3), thing("b", 4))], [lines(added("b", 6), added("c", 7))])
    with caplog.at_level(logging.ERROR):
        assert await reflected(server, told) == ["+a", "+c"]
    assert len(caplog.records) == 2


async def test_it_waits_longer_each_time_and_not_after_it_has_heard_something(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    wait: Callable[[float], Any] = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await wait(0)

    monkeypatch.setattr(reflector, "_BACKOFF", (1.0, 2.0, 4.0))
    monkeypatch.setattr(reflector.random, "uniform", lambda least, most: 1.0)
    monkeypatch.setattr(reflector.asyncio, "sleep", sleep)
    away = Unavailable("no answer")
    api: Any = Server([(5,)], away, away, away, away, [lines(bookmark(6)), away], away, [lines(bookmark(7))])
    running = asyncio.create_task(Reflector(api, "/things", {"labelSelector": "ours"}, Told(), 5).run())
    await api.done.wait()
    running.cancel()
    assert [each for each in waits if each] == [2.0, 4.0, 4.0, 2.0]
