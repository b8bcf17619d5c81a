"""UIDs of executions: found once, looked for seldom, however many ask."""

from __future__ import annotations

import asyncio

import pytest

from cairn.adapters.kube.whereabouts import Where, Whereabouts
from cairn.errors import Unavailable


class Looks:
    """What there is, and how often it was looked at; a look lasts until `go` is set."""

    def __init__(self) -> None:
        self.there: dict[str, Where] = {"u1": ("ml", "train")}
        self.count = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> dict[str, Where]:
        self.count += 1
        seen = dict(self.there)
        await self.go.wait()
        return seen


async def test_what_was_found_is_not_looked_for_again() -> None:
    looks = Looks()
    where = Whereabouts(looks, between=0)
    assert [await where.find("u1") for _ in range(3)] == [("ml", "train")] * 3
    assert looks.count == 1


async def test_many_unknown_ones_are_one_look() -> None:
    looks = Looks()
    where = Whereabouts(looks, between=0)
    assert set(await asyncio.gather(*(where.find(f"none-{n}") for n in range(100)))) == {None}
    assert looks.count == 1


async def test_a_look_that_has_begun_is_none_for_who_comes_later() -> None:
    looks = Looks()
    where = Whereabouts(looks, between=0)
    looks.go.clear()
    early = asyncio.create_task(where.find("u2"))
    while not looks.count:
        await asyncio.sleep(0)
    looks.there["u2"] = ("ml", "new")
    late = asyncio.create_task(where.find("u2"))
    looks.go.set()
    assert (await early, await late, looks.count) == (None, ("ml", "new"), 2)


async def test_looks_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, slept = Looks(), list[float]()
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    where = Whereabouts(looks, between=1000)
    monkeypatch.setattr(asyncio, "sleep", noted)
    assert await where.find("none") is None and await where.find("none") is None
    assert slept[0] == 0 and 990 < slept[1] <= 1000


async def test_an_error_is_told_to_all_who_wait_and_forgotten() -> None:
    looks, fails = Looks(), True

    async def failing() -> dict[str, Where]:
        if fails:
            raise Unavailable("away")
        return await looks()

    where = Whereabouts(failing, between=0)
    told = await asyncio.gather(where.find("u1"), where.find("u1"), return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable, Unavailable]
    fails = False
    assert await where.find("u1") == ("ml", "train")


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    looks = Looks()
    where = Whereabouts(looks, between=0)
    looks.go.clear()
    hasty, patient = (asyncio.create_task(where.find("u1")) for _ in range(2))
    while not looks.count:
        await asyncio.sleep(0)
    hasty.cancel()
    looks.go.set()
    assert await patient == ("ml", "train")


async def test_no_more_are_remembered_than_there_is_room_for() -> None:
    looks = Looks()
    looks.there |= {f"u{n}": ("ml", str(n)) for n in range(10)}
    where = Whereabouts(looks, between=0, remembered=3)
    for n in range(10):
        assert await where.find(f"u{n}") == ("ml", str(n))
    assert looks.count > 1
