"""How fast the four endpoints for training programs answer, and how much of that is not the API's own time.

One client asks one thing after the other for the latencies; several at once for the rate. The share that the API server
and Postgres have is what the API itself measures for each answer (`Server-Timing`).
"""

from __future__ import annotations

import asyncio
import itertools
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.figures import Figure
from cairn.adapters.kube.api import Api

CLIENTS = 8
_PART = re.compile(r"(\w+);dur=([0-9.]+)")
_EXECUTIONS = "/apis/cairn.dev/v1alpha1/namespaces/{}/dagexecutions"

Body = dict[str, Any]
Ask = Callable[[int], Awaitable[aiohttp.ClientResponse]]


@dataclass(frozen=True, slots=True)
class Answered:
    """How long an answer took, in milliseconds, and how much of it was spent where."""

    milliseconds: float
    parts: dict[str, float]

    @property
    def elsewhere(self) -> float:
        """Spent by the API server and Postgres."""
        return self.parts.get("kubernetes", 0.0) + self.parts.get("postgres", 0.0)


class Client:
    """A caller with a token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def post(self, path: str, body: Body) -> Answered:
        """Ask for something to be done."""
        return await self._timed(self._session.post(self._url + path, json=body, headers=self._headers))

    async def get(self, path: str) -> Answered:
        """Ask for something to be told."""
        return await self._timed(self._session.get(self._url + path, headers=self._headers))

    async def _timed(self, asked: Any) -> Answered:
        begin = time.perf_counter()
        async with asked as answer:
            text = await answer.text()
            assert answer.status == 200, text
            parts = {name: float(value) for name, value in _PART.findall(answer.headers["Server-Timing"])}
        return Answered((time.perf_counter() - begin) * 1000, parts)


def hanging() -> Body:
    """An execution that has something to save, and goes on until it is deleted."""
    jobs: list[Body] = [{"id": f"done-{n}"} for n in range(10)]
    hangs = {"metadata": {"annotations": {"fake.cairn.dev/hang": "true"}}}
    return {"jobDefaults": {"image": "fake"}, "jobs": [*jobs, {"id": "runs", "podTemplate": hangs}]}


async def _begun(api: Api, path: str, name: str) -> None:
    for _ in range(600):
        body = await api.get(f"{path}/{name}")
        if (body.get("status") or {}).get("counts", {}).get("completed") == 10:
            return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"{name} has not begun")


async def measure(api: Api, namespace: str, url: str, token: str, *, quick: bool) -> list[Figure]:
    """All four, on executions of their own."""
    path, count = _EXECUTIONS.format(namespace), 20 if quick else 100
    names = [f"work-{n}" for n in range(CLIENTS)]
    for name in names:
        await api.create(path, {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution",
                                "metadata": {"name": name}, "spec": hanging()})  # fmt: skip
    for name in names:
        await _begun(api, path, name)
    async with aiohttp.ClientSession() as session:
        client = Client(session, url, token)
        return await _all(client, [f"{namespace}/{name}" for name in names], count)


async def _all(client: Client, ids: list[str], count: int) -> list[Figure]:
    base = "/api/training/dag"
    serial = itertools.count()

    async def checkpoint(which: str) -> Answered:
        body = {"executionId": which, "metadata": {"number": str(next(serial))}}
        return await client.post(f"{base}/checkpoint", body)

    async def pause(which: str) -> Answered:
        return await client.post(f"{base}/pause", {"executionId": which, "createCheckpoint": False})

    async def resume(which: str) -> Answered:
        return await client.post(f"{base}/resume", {"executionId": which})

    async def listed(which: str) -> Answered:
        return await client.get(f"{base}/checkpoints/list?executionId={which}")

    figures = [await _figure("api-checkpoint", ids, count, checkpoint)]
    paused, resumed, rate = await _taking_turns(ids, count, pause, resume)
    figures += [_told("api-pause", paused, rate), _told("api-resume", resumed, rate)]
    return [*figures, await _figure("api-list", ids, count, listed)]


async def _figure(name: str, ids: list[str], count: int, ask: Callable[[str], Awaitable[Answered]]) -> Figure:
    await ask(ids[0])  # connections, and who the caller is
    taken = [await ask(ids[0]) for _ in range(count)]
    begin = time.perf_counter()
    await asyncio.gather(*(_again(ask, which, count // 4) for which in ids))
    return _told(name, taken, len(ids) * (count // 4) / (time.perf_counter() - begin))


async def _again(ask: Callable[[str], Awaitable[Answered]], which: str, count: int) -> None:
    for _ in range(count):
        await ask(which)


async def _taking_turns(
    ids: list[str], count: int, pause: Callable[[str], Awaitable[Answered]],
    resume: Callable[[str], Awaitable[Answered]],
) -> tuple[list[Answered], list[Answered], float]:  # fmt: skip
    """Pauses and resumes: one after the other for the latencies, all executions at once for the rate of both."""
    await pause(ids[0])
    await resume(ids[0])
    paused, resumed = [], []
    for number in range(count):
        which = ids[number % len(ids)]
        paused.append(await pause(which))
        resumed.append(await resume(which))

    async def turns(which: str) -> None:
        for _ in range(count // 8):
            await pause(which)
            await resume(which)

    begin = time.perf_counter()
    await asyncio.gather(*map(turns, ids))
    return paused, resumed, 2 * len(ids) * (count // 8) / (time.perf_counter() - begin)


def _told(name: str, taken: list[Answered], rate: float) -> Figure:
    """The median in milliseconds, beside what of it the API server and Postgres took."""
    times = sorted(one.milliseconds for one in taken)
    cuts = statistics.quantiles(times, n=100)
    share = sum(one.elsewhere for one in taken) / sum(times)
    kubernetes = sum(one.parts.get("kubernetes", 0) for one in taken) / sum(times)
    note = (
        f"p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms; {rate:.0f} requests/s with {CLIENTS} clients; of the time the "
        f"API server has {kubernetes:.0%}, Postgres {share - kubernetes:.0%}"
    )
    elsewhere = statistics.median(one.elsewhere for one in taken)
    return Figure.beside(name, statistics.median(times), "ms", max(elsewhere, 0.001), note)
