"""How long progress waits to be told: as many times as long as telling it takes, within bounds."""

from __future__ import annotations

import asyncio

import pytest

from cairn.app import pace
from cairn.app.pace import Pace


async def took(each: Pace, uid: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 1.0 + seconds])
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.get_running_loop(), "time", lambda: next(times))
        with each.timed(uid):
            pass


@pytest.mark.parametrize(
    ("seconds", "waits"), [(0.001, pace.WRITE_SOONEST), (0.02, 0.4), (0.1, 2.0), (3.0, pace.WRITE_LATEST)]
)
async def test_a_write_waits_longer_where_writes_take_longer(
    seconds: float, waits: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = Pace()
    await took(each, "u", seconds, monkeypatch)
    assert each.write("u") == pytest.approx(waits)
    assert each.look("u") == pytest.approx(waits / 4)
    assert each.write("other") == pace.WRITE_SOONEST


async def test_what_is_gone_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    each = Pace()
    await took(each, "u", 1.0, monkeypatch)
    each.forget("u")
    assert each.write("u") == pace.WRITE_SOONEST


async def test_a_write_that_fails_says_nothing_about_the_next() -> None:
    each = Pace()
    with pytest.raises(ValueError), each.timed("u"):
        raise ValueError
    assert each.write("u") == pace.WRITE_SOONEST
