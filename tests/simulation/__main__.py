"""`python -m simulation`: play many histories, look at one, or see that a broken Cairn is noticed."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence

from simulation import report
from simulation.history import History
from simulation.search import Findings, search
from simulation.story import play, shrink
from simulation.variants import VARIANTS
from support.reliability import save

_MILLION = 1_000_000
_ENOUGH_FOR_A_VARIANT = 600


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; 1 if a rule was broken that should hold, or held that should be broken."""
    logging.disable(logging.CRITICAL)  # what an operator logs in a storm is not what is asked for
    asked = _parser().parse_args(arguments)
    if asked.seed is not None:
        return _show(asked.seed, asked.variant, short=asked.shrink)
    began = time.monotonic()
    found = _search(asked)
    if asked.write:
        _write(found, time.monotonic() - began)
    return int(bool(found.broken) != bool(asked.variant))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000, help="how many to play (1000)")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first one (0)")
    parser.add_argument("--processes", type=int, help="how many at once (as many as there are processors)")
    parser.add_argument("--variant", default="", choices=["", *VARIANTS], help="break Cairn in this way first")
    parser.add_argument("--seed", type=int, help="play one history, and tell all that happens in it")
    parser.add_argument("--write", action="store_true", help="write what it came to into the docs")
    parser.add_argument("--shrink", action="store_true", help="the shortest that breaks the same rule")
    return parser


def _write(found: Findings, seconds: float) -> None:
    caught = {name: Findings() for name in VARIANTS}
    for name, findings in caught.items():
        for part in search(range(_ENOUGH_FOR_A_VARIANT), variant=name):
            findings.add(part)
            if findings.broken:
                break
        print(f"{name}: {findings.broken[0][1][:120] if findings.broken else 'NOT FOUND'}")
    print(save(report.part(found, caught, f"make simulate HISTORIES={found.histories}", seconds), seconds=seconds))


def _show(seed: int, variant: str, *, short: bool) -> int:
    history = History.of(seed)
    if variant:
        with VARIANTS[variant].applied():
            return _tell(history, short)
    return _tell(history, short)


def _tell(history: History, short: bool) -> int:
    if short:
        history = shrink(history)
    outcome = play(history, trace=True)
    print(f"{len(history.spec['jobs'])} jobs, {history.replicas} replicas, elects: {history.elects}, "
          f"rows: {history.with_rows}, objects hold {history.object_bytes} bytes, "
          f"shards: {', '.join(history.shards) or 'none'}")  # fmt: skip
    print(*outcome.trace, sep="\n")
    print(outcome.broken or "nothing is broken")
    return int(bool(outcome.broken))


def _search(asked: argparse.Namespace) -> Findings:
    found, began = Findings(), time.monotonic()
    seeds = range(asked.first, asked.first + asked.histories)
    for part in search(seeds, variant=asked.variant, processes=asked.processes):
        found.add(part)
        for seed, rule in part.broken:
            print(f"\nseed {seed}: {rule[:300]}\n  python -m simulation --seed {seed} --shrink")
        _say(found, time.monotonic() - began)
        if asked.minutes and time.monotonic() - began > asked.minutes * 60:
            break
        if asked.variant and found.broken:
            break
    print()
    return found


def _say(found: Findings, seconds: float) -> None:
    pairs, possible = found.pairs
    hours = seconds / found.histories * _MILLION / 3600
    print(
        f"\r{found.histories} histories ({found.enough} with enough in them), {found.steps} steps, "
        f"{found.steps / seconds:.0f} steps/s, {pairs} of {possible} pairs of call and fault, "
        f"{len(found.broken)} broken; a million in {hours:.0f} h", end="", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets are in the same order each time, so that a seed is a history
        again = [sys.executable, "-m", "simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | {"PYTHONHASHSEED": "0"})
    sys.exit(main())
