"""A share of `make lying-api`: an operator before an API server that is stale, silent, refuses or loses answers."""

from __future__ import annotations

import asyncio

import pytest

from cluster import Cluster
from reliability.lying_api import LIES, ROOT, SILENCE_SECONDS, Heard, hear, honest, silence
from reliability.plays import AT_ONCE, Played
from reliability.stage import Theatre

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

SCENARIOS = ("rewind", "retention")


async def _tried(there: Cluster) -> tuple[dict[str, Heard], float]:
    room = asyncio.Semaphore(AT_ONCE)
    async with Theatre.open(there, ROOT / "build/logs/lying-api") as theatre:
        before = [await honest(theatre, name) for name in SCENARIOS]

        async def one(lie: str, played: Played) -> Heard:
            async with room:
                return await hear(theatre, lie, played)

        heard = await asyncio.gather(*(one(lie, before[n % 2]) for n, lie in enumerate(LIES)))
        return {h.lie: h for h in heard}, await silence(theatre, SILENCE_SECONDS)


@pytest.fixture(scope="module")
def tried(fake_cluster: Cluster) -> tuple[dict[str, Heard], float]:
    """What came of each lie, and how long a silence went unnoticed."""
    return asyncio.run(_tried(fake_cluster))


@pytest.mark.parametrize("lie", LIES)
def test_it_ends_as_before_an_honest_one(lie: str, tried: tuple[dict[str, Heard], float]) -> None:
    heard = tried[0][lie]
    assert (heard.verdict.lost, heard.verdict.doubled) == ([], [])
    assert heard.told, "nobody has lied"


def test_a_silent_watch_is_noticed(tried: tuple[dict[str, Heard], float]) -> None:
    assert tried[1] < SILENCE_SECONDS + 10
