"""The operator killed before and after every write and every commit of every scenario: `python -m reliability.crash_points`.

First each scenario is played undisturbed, which tells its points and how it has to end. Then, for each point and each
time it is passed, it is played again with the operator killed there and started anew, and the ends are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster import start, stop
from reliability.facts import Facts, facts, settled, twice
from reliability.moments import Moment, Moments
from reliability.scenarios import SCENARIOS
from reliability.stage import Theatre, staged
from support.reliability import Bug, Part, Table, save

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 3


@dataclass(frozen=True)
class Played:
    """What came of a scenario, with a death in it or without."""

    scenario: str
    moment: Moment | None
    met: bool = False
    points: Counter[str] = field(default_factory=Counter)
    facts: Facts = field(default_factory=Counter)
    twice: Sequence[str] = ()
    error: str = ""
    seconds: float = 0.0


async def play(theatre: Theatre, scenario: str, moment: Moment | None = None) -> Played:
    """Play a scenario once, with the operator killed at a moment, if one is named."""
    began = time.monotonic()
    async with staged(theatre, scenario) as stage:
        moments = Moments(stage.kill, moment)
        moments.listen(stage.database)
        stage.api.meddler = moments
        await stage.start()
        again = asyncio.create_task(stage.stand_by())
        try:
            await SCENARIOS[scenario](stage.user)
            ends = await settled(stage.user, stage.url)
        except (AssertionError, KeyError, ValueError) as error:
            return Played(scenario, moment, moments.met, moments.passed, error=f"{type(error).__name__}: {error}")
        finally:
            again.cancel()
            await asyncio.gather(again, return_exceptions=True)
        took = time.monotonic() - began
        return Played(scenario, moment, moments.met, moments.passed, facts(ends), twice(ends), seconds=took)


async def play_all(theatre: Theatre, plays: Iterable[tuple[str, Moment | None]], at_once: int = AT_ONCE) -> list[Played]:
    """Play them, so many at a time."""
    room = asyncio.Semaphore(at_once)

    async def one(scenario: str, moment: Moment | None) -> Played:
        async with room:
            played = await play(theatre, scenario, moment)
        if played.error:
            print(f"{scenario}, {moment}: {played.error}", file=sys.stderr)
        return played

    return await asyncio.gather(*(one(scenario, moment) for scenario, moment in plays))


def moments_of(undisturbed: Played) -> list[Moment]:
    """Every moment of a scenario."""
    return [Moment(point, number, after) for point, times in sorted(undisturbed.points.items())
            for number in range(1, times + 1) for after in (False, True)]  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a death has cost: facts of the undisturbed run that are missing, and what is there too often."""

    lost: Sequence[str]
    doubled: Sequence[str]

    @property
    def converged(self) -> bool:
        return not self.lost and not self.doubled


def judge(played: Played, undisturbed: Played) -> Verdict:
    """Compare how a disturbed run has ended with the undisturbed one."""
    if played.error:
        return Verdict([played.error], [])
    lost = undisturbed.facts - played.facts
    more = played.facts - undisturbed.facts
    return Verdict(sorted(lost.elements()), sorted([*more.elements(), *played.twice]))
