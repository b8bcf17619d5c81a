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
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from reliability.moments import Moment, Moments
from reliability.plays import AT_ONCE, Played, Verdict, judge, play
from reliability.scenarios import SCENARIOS
from reliability.stage import Stage, Theatre
from reliability.terminal import cluster_for, text_of
from support.reliability import Bug, Cell, Part, Table, save

ROOT = Path(__file__).resolve().parents[2]
EVENTS = "POST events"


@dataclass(frozen=True)
class Death:
    """A scenario with a death in it, and what it has cost; without a verdict it was not tried."""

    scenario: str
    moment: Moment
    met: bool = False
    verdict: Verdict | None = None

    @property
    def lost(self) -> Sequence[str]:
        """What is missing."""
        return self.verdict.lost if self.verdict else ()

    @property
    def doubled(self) -> Sequence[str]:
        """What is there too often."""
        return self.verdict.doubled if self.verdict else ()


async def undisturbed(theatre: Theatre, scenario: str) -> tuple[Played, Counter[str]]:
    """How a scenario ends by itself, and how often each point is passed on the way."""
    counted: list[Moments] = []
    played = await play(theatre, scenario, lambda stage: _counting(stage, None, counted))
    assert not played.error and not played.twice, f"{scenario}, undisturbed: {played.error or played.twice}"
    return played, counted[0].passed


async def killed(theatre: Theatre, alone: Played, moment: Moment) -> Death:
    """Play a scenario with the operator killed at a moment; once more, if it did not come to that."""
    for _ in range(2):
        counted: list[Moments] = []
        played = await play(theatre, alone.scenario, lambda stage: _counting(stage, moment, counted))  # noqa: B023
        if counted[0].met:
            break
    return Death(alone.scenario, moment, counted[0].met, judge(played, alone))


def _counting(stage: Stage, moment: Moment | None, made: list[Moments]) -> Moments:
    made.append(Moments(stage.kill, moment))
    made[-1].listen(stage.database)
    return made[-1]


def moments_of(points: Counter[str]) -> list[Moment]:
    """Every moment of a scenario; of those of Events, on which nothing rests, the first and the last."""
    return [Moment(point, number, after) for point, times in sorted(points.items())
            for number in (sorted({1, times}) if point == EVENTS else range(1, times + 1))
            for after in (False, True)]  # fmt: skip


async def try_all(
    theatre: Theatre, scenarios: Sequence[str], at_once: int = AT_ONCE, minutes: float = 60, *, share: bool = False
) -> list[Death]:
    """Every moment of every scenario, or a share of them; when time is up, the rest is not tried."""
    room = asyncio.Semaphore(at_once)
    end = time.monotonic() + minutes * 60

    async def alone(scenario: str) -> tuple[Played, Counter[str]]:
        async with room:
            return await undisturbed(theatre, scenario)

    async def one(played: Played, moment: Moment) -> Death:
        async with room:
            if time.monotonic() > end:
                return Death(played.scenario, moment)
            death = await killed(theatre, played, moment)
        print(f"{death.scenario}, {moment}: {death.lost or death.doubled or 'as undisturbed'}", file=sys.stderr)
        return death

    found = await asyncio.gather(*map(alone, scenarios))
    ends = {played.scenario: played for played, _ in found}
    points = [(played.scenario, counted) for played, counted in found]
    moments = [(name, moment) for name, counted in points for moment in moments_of(counted)]
    chosen = share_of(points) if share else sorted(moments, key=_mixed)  # so that what is left out is of all kinds
    return await asyncio.gather(*(one(ends[name], moment) for name, moment in chosen))


# --- The result ------------------------------------------------------------------------------------------------------

COLUMNS = ("moments", "tried", "not met", "converged", "lost", "doubled")


def told(deaths: Iterable[Death]) -> tuple[int, ...]:
    """A line of a table, after `COLUMNS`."""
    found = list(deaths)
    tried = [d for d in found if d.verdict is not None]
    return (
        len(found), len(tried), sum(not d.met for d in tried),
        sum(d.met and not d.lost and not d.doubled for d in tried),
        sum(bool(d.lost) for d in tried), sum(bool(d.doubled) for d in tried),
    )  # fmt: skip


def share_of(points: Sequence[tuple[str, Counter[str]]]) -> list[tuple[str, Moment]]:
    """One moment before and one after each point that any of the scenarios passes: always the same ones."""
    found: dict[tuple[str, bool], list[tuple[str, Moment]]] = defaultdict(list)
    for scenario, counted in points:
        for moment in moments_of(counted):
            found[moment.point, moment.after].append((scenario, moment))
    return [min(each, key=_mixed) for each in found.values()]


def _mixed(each: tuple[str, Moment]) -> int:
    return crc32(f"{each[0]} {each[1]}".encode())


def by_scenario(deaths: Sequence[Death]) -> Table:
    """How each scenario took it."""
    found: dict[str, list[Death]] = defaultdict(list)
    for death in deaths:
        found[death.scenario].append(death)
    rows: list[tuple[Cell, ...]] = [(name, len({d.moment.point for d in its}), *told(its))
                                    for name, its in found.items()]  # fmt: skip
    return Table("By scenario", ("scenario", "points", *COLUMNS), [*rows, ("all", "", *told(deaths))])


def by_point(deaths: Sequence[Death]) -> Table:
    """How each point was survived."""
    found: dict[str, list[Death]] = defaultdict(list)
    for death in deaths:
        found[death.moment.point].append(death)
    return Table("By point", ("point", *COLUMNS), [(point, *told(found[point])) for point in sorted(found)])


TEXT = """\
A proxy before the API server and one before Postgres name every write and every commit of an operator that knows
nothing of them. Each scenario is played undisturbed first: that tells its points, and the end to be reached. Then it is
played again for each time that each point is passed, twice: the operator gets SIGKILL when the write has been sent and
is not passed on, and when it was done and its answer has not arrived. It is started anew, the user goes on as if
nothing had been, and the ends are compared: phases, records of jobs with attempts and digests of results, Kubernetes
Jobs, pods, results, inputs, checkpoints with trigger and cause, rows (each its object's, by id and digest), graves. (A
checkpoint of a level or a job may be missing if the one before it was taken of the same, later state; and one more may
tell of a level that an operator which has just started does not know to be saved.)

*Lost*: something of the undisturbed end is missing, or the end was not reached. *Doubled*: something is there that is
not in the undisturbed end. *Not met*: the point was passed fewer times in that run, twice, so nobody was killed.
*Tried* are fewer than there are where the time that the run was given was over.
"""


def part_of(deaths: Sequence[Death], command: str) -> Part:
    """The result, for the page."""
    *_, lost, doubled = told(deaths)
    return Part(
        name="crash-points", title="Crash points on real parts", command=command, text=TEXT,
        tables=(by_scenario(deaths), by_point(deaths)), bugs=BUGS, not_covered=NOT_COVERED, losses=lost,
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
    with cluster_for("crash-points") as there:
        async with Theatre.open(there, ROOT / "build/logs/crash-points") as theatre:
            given = options.scenarios or list(SCENARIOS)
            deaths = await try_all(theatre, given, options.at_once, options.minutes)
    print(text_of(by_point(deaths)), text_of(by_scenario(deaths)), sep="\n\n")
    if not options.scenarios:
        command = f"make crash-points MINUTES={options.minutes:g}"
        save(part_of(deaths, command), seconds=time.monotonic() - began)
    return 1 if any(d.lost or d.doubled for d in deaths) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(SCENARIOS)}; by default all, for the page")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--minutes", type=float, default=60, help="when they are over, the rest is not tried")
    sys.exit(asyncio.run(_main(parser.parse_args())))
