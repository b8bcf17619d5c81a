"""Run the benchmarks: `make bench`, or `python -m bench [--quick] [--keep] [PART ...]`.

Parts: workloads (W1 to W4 beside the scripts), scale, known, pauses, saves; checkpoints, forks, api, sizes. Without
any named all of them run; with --quick the workloads alone, and smaller. --keep keeps the raw records for
docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

from bench import known, older, pausing, planning, records, rounds, rows, saving, scale, traces, watchers
from bench.figures import Figure, table, write
from bench.results import figures_of, usage_table
from bench.stage import ROOT, Stage, opened, played, postgres
from bench.workloads import W4, WARMUP, WORKLOADS, Workload, smaller

Body = dict[str, Any]
ROUNDS = 3


def play(name: str, work: Callable[[Stage], Awaitable[Any]]) -> Any:
    """Do some work on a stage of its own, on which every contender has run once: everything is up and warm."""

    async def on_stage(*parts: Any) -> Any:
        async with opened(*parts) as stage:
            await rounds.warm_up(stage, WARMUP)
            return await work(stage)

    with played(f"bench-{name}") as parts:
        return asyncio.run(on_stage(*parts))


def workloads(*, quick: bool, count: int = ROUNDS) -> Iterator[Body]:
    """Each on a cluster of its own, so that what one leaves behind does not burden the next; but for a quick look."""
    if quick:
        yield {"workloads": play("workloads", _smaller)}
        return
    done: list[Body] = []
    for work in WORKLOADS:
        done.append(play(work.name.lower(), partial(_workload, work=work, count=count)))
        yield {"workloads": done}


async def _smaller(stage: Stage) -> list[Body]:
    return [await _workload(stage, smaller(work), 1) for work in WORKLOADS]


async def _workload(stage: Stage, work: Workload, count: int) -> Body:
    runs, trace = await rounds.play(stage, work, count), await traces.trace(stage, work)
    return {"name": work.name, "title": work.title, "jobs": work.jobs, "rounds": count, "runs": runs, "trace": trace}


def scaled(*, quick: bool) -> Iterator[Body]:
    """Curves over jobs, executions, clients that watch, rows of the database."""
    few = 2 if quick else None
    sizes, crowds, clients = scale.SIZES[: 4 if quick else None], scale.CROWDS[:few], watchers.COUNTS[:few]

    async def on_cluster(stage: Stage) -> Body:
        jobs = await scale.measure(stage, [scale.of_size(size) for size in sizes])
        crowd = await scale.measure(stage, [scale.of_crowd(count) for count in crowds])
        return {"jobs": jobs, "executions": crowd, "watchers": await watchers.measure(stage, clients)}

    found = {"planner": planning.measure()} | play("scale", on_cluster)
    yield found
    with postgres() as server:
        yield found | {"rows": asyncio.run(rows.measure(server, rows.COUNTS[:few]))}


def many_known(*, quick: bool) -> Iterator[Body]:
    """Memory, rest and restart with many executions."""
    count, running, seconds, restarts = (200, 20, 5, 1) if quick else (2000, 200, 20, 3)
    work = partial(known.measure, count=count, running=running, seconds=seconds, restarts=restarts)
    yield {"known": play("known", work)}


def paused(*, quick: bool) -> Iterator[Body]:
    """Pauses under the load of W4."""
    work, times = (smaller(W4), 2) if quick else (W4, 5)
    yield {"pauses": play("pauses", partial(pausing.measure, work=work, times=times, between=1.0))}


def saved(*, quick: bool) -> Iterator[Body]:
    """Checkpoints of 1,000 jobs under the load of W4."""
    work, jobs, count = (smaller(W4), 100, 10) if quick else (W4, 1000, 100)
    yield {"saves": play("saves", partial(saving.measure, work=work, jobs=jobs, count=count))}


MEASURED: dict[str, Callable[..., Iterator[Body]]] = {
    "workloads": workloads, "scale": scaled, "known": many_known, "pauses": paused, "saves": saved,
}  # fmt: skip


def run(part: str, *, quick: bool, keep: bool, count: int) -> list[Figure]:
    """One part: its figures."""
    print(f"{part}:", flush=True)
    if part in older.PARTS:
        return older.run(part, quick=quick)
    more = {"count": count} if part == "workloads" else {}
    about, record = records.about(quick=quick), {}
    for found in MEASURED[part](quick=quick, **more):  # what is there is kept, whatever becomes of the rest
        record = records.save(part, {"about": about} | found, keep=keep)
    if part == "workloads":
        print(usage_table(record))
    return figures_of(part, record)


def _told_to_stop(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*MEASURED, *older.PARTS]))
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each workload; medians count (default: 3)")
    parser.add_argument("--keep", action="store_true", help="keep the raw records in docs/performance")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - {*MEASURED, *older.PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, _told_to_stop)  # so that clusters are removed
    parts = given.parts or (["workloads"] if given.quick else [*MEASURED, *older.PARTS])
    figures: list[Figure] = []
    for part in parts:
        figures += run(part, quick=given.quick, keep=given.keep, count=given.rounds)
        write(figures, ROOT / "build" / "bench.json")
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
