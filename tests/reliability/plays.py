"""A scenario played once, with whatever goes wrong in it, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reliability.facts import Facts, facts, missing, settled, surplus, twice
from reliability.scenarios import SCENARIOS
from reliability.stage import Stage, Theatre, staged
from support.proxies.api import Meddler

AT_ONCE = 3

Arrange = Callable[[Stage], Meddler]


@dataclass(frozen=True)
class Played:
    """How it has ended."""

    scenario: str
    facts: Facts = field(default_factory=Counter)
    twice: Sequence[str] = ()
    error: str = ""
    seconds: float = 0.0
    ended: int = 0  # times that the operator ended by itself, and was started anew


async def play(theatre: Theatre, scenario: str, arrange: Arrange, **settings: str) -> Played:
    """Play a scenario with what `arrange` makes of its stage."""
    async with staged(theatre, scenario, **settings) as stage:
        stage.api.meddler = arrange(stage)
        again: asyncio.Task[None] | None = None
        began = time.monotonic()
        try:
            await stage.start()
            again = asyncio.create_task(stage.stand_by())
            await SCENARIOS[scenario](stage.user)
            took = time.monotonic() - began
            ends = await settled(stage.user, stage.url)
            stage.forget()
            return Played(scenario, facts(ends), twice(ends), seconds=took, ended=stage.ended)
        except (AssertionError, KeyError, ValueError) as error:
            return Played(scenario, error=f"{type(error).__name__}: {error}", ended=stage.ended)
        finally:
            if again is not None:
                again.cancel()
                await asyncio.gather(again, return_exceptions=True)


@dataclass(frozen=True)
class Verdict:
    """What it has cost: facts of the undisturbed run that are missing, and what is there too often."""

    played: Played
    lost: Sequence[str] = ()
    doubled: Sequence[str] = ()

    @property
    def converged(self) -> bool:
        """Whether it ended as if nothing had been."""
        return not self.lost and not self.doubled


def judge(played: Played, undisturbed: Played) -> Verdict:
    """Compare how a disturbed run has ended with the undisturbed one."""
    if played.error:
        return Verdict(played, [played.error])
    more = surplus(undisturbed.facts, played.facts)
    return Verdict(played, missing(undisturbed.facts, played.facts), sorted([*more, *played.twice]))
