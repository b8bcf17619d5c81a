"""The operator killed before and after every write and every commit of every scenario: `make crash-points`.

First each scenario is played undisturbed, which tells its points and how it has to end. Then, for each point and each
time it is passed, it is played again with the operator killed there and started anew, and the ends are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster import start, stop
from reliability.facts import Facts, facts, settled, twice
from reliability.moments import Moment, Moments
from reliability.scenarios import SCENARIOS
from reliability.stage import Theatre, staged
from support.crds import with_crds
from support.reliability import Bug, Cell, Part, Table, save

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 3
EVENTS = "POST events"

Play = tuple[str, Moment | None]


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


async def play_all(theatre: Theatre, plays: Iterable[Play], at_once: int = AT_ONCE) -> list[Played]:
    """Play them, so many at a time. One that did not come to its moment is played once more."""
    room = asyncio.Semaphore(at_once)

    async def one(scenario: str, moment: Moment | None) -> Played:
        async with room:
            played = await play(theatre, scenario, moment)
            return await play(theatre, scenario, moment) if moment and not played.met else played

    return await asyncio.gather(*(one(scenario, moment) for scenario, moment in plays))


def moments_of(undisturbed: Played) -> list[Moment]:
    """Every moment of a scenario; of those of Events, on which nothing rests, the first and the last."""
    return [Moment(point, number, after) for point, times in sorted(undisturbed.points.items())
            for number in (sorted({1, times}) if point == EVENTS else range(1, times + 1))
            for after in (False, True)]  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a death has cost: facts of the undisturbed run that are missing, and what is there too often."""

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
    lost, more = undisturbed.facts - played.facts, played.facts - undisturbed.facts
    return Verdict(played, sorted(lost.elements()), sorted([*more.elements(), *played.twice]))


async def try_all(theatre: Theatre, scenarios: Sequence[str], at_once: int) -> list[Verdict]:
    """Every moment of every scenario."""
    alone = {p.scenario: p for p in await play_all(theatre, [(name, None) for name in scenarios], at_once)}
    broken = [f"{name}: {p.error or p.twice}" for name, p in alone.items() if p.error or p.twice]
    assert not broken, f"undisturbed: {broken}"
    plays: list[Play] = [(name, moment) for name in scenarios for moment in moments_of(alone[name])]
    print(f"{len(plays)} moments", file=sys.stderr)
    return [judge(played, alone[played.scenario]) for played in await play_all(theatre, plays, at_once)]


# --- The result ------------------------------------------------------------------------------------------------------

COLUMNS = ("moments", "not met", "converged", "lost", "doubled")


def told(verdicts: Iterable[Verdict]) -> tuple[int, ...]:
    """A line of a table, after `COLUMNS`."""
    found = list(verdicts)
    met = [v for v in found if v.played.met]
    return (
        len(found), len(found) - len(met), sum(v.converged for v in met), sum(bool(v.lost) for v in found),
        sum(bool(v.doubled) for v in found),
    )  # fmt: skip


def by_scenario(verdicts: Sequence[Verdict]) -> Table:
    """How each scenario took it."""
    names = dict.fromkeys(v.played.scenario for v in verdicts)
    points = {n: len({v.played.moment.point for v in verdicts if v.played.scenario == n and v.played.moment})
              for n in names}  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (n, points[n], *told(v for v in verdicts if v.played.scenario == n)) for n in names
    ]
    total: tuple[Cell, ...] = ("all", "", *told(verdicts))
    return Table("By scenario", ("scenario", "points", *COLUMNS), [*rows, total])


def by_point(verdicts: Sequence[Verdict]) -> Table:
    """How each point was survived."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        assert verdict.played.moment is not None
        found[verdict.played.moment.point].append(verdict)
    return Table("By point", ("point", *COLUMNS), [(point, *told(found[point])) for point in sorted(found)])


def text_of(table: Table) -> str:
    """A table for a terminal."""
    lines = [[str(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


TEXT = """\
A proxy before the API server and one before Postgres name every write and every commit of an operator that knows
nothing of them. Each scenario is played undisturbed first: that tells its points, and the end to be reached. Then it is
played again for each time that each point is passed, twice: the operator gets SIGKILL when the write has been sent and
is not passed on, and when it was done and its answer has not arrived. It is started anew, the user goes on as if
nothing had been, and the ends are compared: phases, records of jobs with attempts and digests of results, Kubernetes
Jobs, pods, results, inputs, checkpoints with trigger and cause, rows (each its object's, by id and digest), graves.

*Lost*: something of the undisturbed end is missing, or the end was not reached. *Doubled*: something is there that is
not in the undisturbed end. *Not met*: the point was passed fewer times in that run, twice, so nobody was killed.
"""


def part_of(verdicts: Sequence[Verdict]) -> Part:
    """The result, for the page."""
    _, _, _, lost, doubled = told(verdicts)
    return Part(
        name="crash-points", title="Crash points on real parts", command="make crash-points", text=TEXT,
        tables=(by_scenario(verdicts), by_point(verdicts)), bugs=BUGS, not_covered=NOT_COVERED, losses=lost,
        duplicates=doubled,
    )  # fmt: skip


BUGS: tuple[Bug, ...] = ()
NOT_COVERED = (
    "Two deaths in one run, and a death of two replicas at once: the simulation does both.",
    "Of the writes of Events, the first and the last of each scenario are tried; how many Events there are in the end"
    " is not compared, since they are told at best once.",
    "Writes of the Lease: these operators run without leader election.",
    "Pods run on fake nodes, so no container is ever really killed; `make chaos` and tests/e2e have real ones.",
)


async def _main(options: argparse.Namespace) -> int:
    began = time.monotonic()
    there = start("fake", "crash-points")
    try:
        with_crds(there)
        async with Theatre.open(there, ROOT / "build/logs/crash-points") as theatre:
            verdicts = await try_all(theatre, options.scenarios or list(SCENARIOS), options.at_once)
    finally:
        stop(there)
    for verdict in verdicts:
        if not verdict.converged:
            print(f"{verdict.played.scenario}, {verdict.played.moment}: {verdict.lost} {verdict.doubled}")
    print(text_of(by_point(verdicts)), text_of(by_scenario(verdicts)), sep="\n\n")
    if not options.scenarios:
        save(part_of(verdicts), seconds=time.monotonic() - began)
    return 0 if all(v.converged for v in verdicts) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(SCENARIOS)}; by default all, for the page")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    sys.exit(asyncio.run(_main(parser.parse_args())))
