"""Playing many histories, on as many processes as there are processors, and adding up what they came to."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context

from simulation.faults import ACTIONS
from simulation.history import History
from simulation.story import play
from simulation.variants import VARIANTS

_CHUNK = 10  # histories that a process plays at once


@dataclass
class Findings:
    """What some histories came to."""

    histories: int = 0
    enough: int = 0  # in which enough has happened to count
    steps: int = 0
    jobs: int = 0
    seconds: float = 0.0  # simulated
    cpu: float = 0.0  # seconds that it took
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)  # faults, by action
    broken: list[tuple[int, str]] = field(default_factory=list)  # seed, and which rule

    def add(self, other: Findings) -> None:
        """Take in those of other histories."""
        self.histories += other.histories
        self.enough += other.enough
        self.steps += other.steps
        self.jobs += other.jobs
        self.seconds += other.seconds
        self.cpu += other.cpu
        self.fired += other.fired
        self.broken += other.broken

    @property
    def pairs(self) -> tuple[int, int]:
        """How many pairs of a call and a fault have come up, and of how many."""
        possible = {(action, fault) for action, faults in ACTIONS.items() for fault in faults}
        return len(possible & self.fired.keys()), len(possible)


def search(seeds: Iterable[int], *, variant: str = "", processes: int | None = None) -> Iterator[Findings]:
    """Play the histories of these seeds; their findings as they come, a few histories each, in order."""
    with ProcessPoolExecutor(processes or os.cpu_count(), get_context("fork")) as pool:
        yield from pool.map(_played, _chunks(seeds), _forever(variant))


def _chunks(seeds: Iterable[int]) -> list[list[int]]:
    every = list(seeds)
    return [every[place : place + _CHUNK] for place in range(0, len(every), _CHUNK)]


def _forever(variant: str) -> Iterator[str]:
    while True:
        yield variant


def _played(seeds: list[int], variant: str) -> Findings:
    logging.disable(logging.CRITICAL)
    found, began = Findings(), time.process_time()
    with VARIANTS[variant].applied() if variant else nullcontext():
        for seed in seeds:
            found.add(_one(seed))
    found.cpu = time.process_time() - began
    return found


def _one(seed: int) -> Findings:
    history = History.of(seed)
    outcome = play(history)
    broken = [(seed, outcome.broken)] if outcome.broken else []
    return Findings(
        1, outcome.counts, sum(outcome.steps.values()), len(history.spec["jobs"]), outcome.seconds, 0.0,
        outcome.fired, broken,
    )  # fmt: skip
